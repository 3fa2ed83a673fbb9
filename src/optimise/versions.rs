//! Operators whose definition changed after the opset that fascine's operators are written for.
//!
//! Up to opset 23 an operator itself knows its older definitions. From there to 28 the standard's definitions (of onnx 1.23)
//! were compared: most only allow further element types, which are refused by type. These mean something else.

/// Operator and the opset since which it means more than the operator here computes.
const CHANGED: &[(&str, i64)] = &[("QuantizeLinear", 24)];

/// The opset since which that operator of ONNX's own domain is not known, if the node's is not before it.
pub(super) fn unknown_since(op: &str, opset: i64) -> Option<i64> {
    CHANGED.iter().find(|&&(name, since)| name == op && opset >= since).map(|&(_, since)| since)
}
