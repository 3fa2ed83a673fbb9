//! rten-shape-inference's symbolic rules for operators that compute, by name. An operator's own
//! [`symbolic`](crate::ops::Operator::symbolic) comes first.

use rten_shape_inference::ops::{self as rules, Direction, Padding};
use rten_shape_inference::{
    InferShapes, InferShapesContext, InferShapesError, ReductionOp, SymTensor, SymbolGen, UnaryOp, VariadicOp,
};

use crate::graph::Node;

type Outcome = Result<Vec<SymTensor>, InferShapesError>;

/// The rule for a node, if there is one.
pub(super) fn rule(node: &Node) -> Option<Box<dyn InferShapes>> {
    if !node.domain.is_empty() && node.domain != "fascine" {
        return None;
    }
    let flag = |name: &str| node.int(name, 0).ok().map(|value| value != 0);
    Some(match node.op.as_str() {
        "Conv" => Box::new(Window::of(node, false)?),
        "MaxPool" | "AveragePool" => Box::new(Window::of(node, true)?),
        "GlobalAveragePool" | "GlobalMaxPool" => Box::new(rules::GlobalPool),
        "MatMul" => Box::new(rules::MatMul),
        "Gemm" => Box::new(rules::Gemm { transpose_a: flag("transA")?, transpose_b: flag("transB")? }),
        "LSTM" => {
            let direction = match node.str("direction", "forward").ok()? {
                "bidirectional" => Direction::Bidirectional,
                _ => Direction::Unidirectional,
            };
            Box::new(rules::LSTM { direction })
        }
        "ReduceMax" | "ReduceMean" | "ReduceMin" | "ReduceProd" | "ReduceSum" | "ReduceL1" | "ReduceL2"
        | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" => Box::new(Reduction::of(node)?),
        "Add" => Box::new(rules::Add),
        "Sub" => Box::new(rules::Sub),
        "Mul" => Box::new(rules::Mul),
        "Div" => Box::new(rules::Div),
        "Equal" => Box::new(rules::Equal),
        "Where" => Box::new(rules::Where),
        "Neg" => Box::new(rules::Neg),
        "Softmax" | "LogSoftmax" | "BatchNormalization" | "LayerNormalization" | "Clip" => Box::new(UnaryOp),
        name if ELEMENTWISE.contains(&name) => {
            if node.inputs.len() == 1 {
                Box::new(UnaryOp)
            } else {
                Box::new(VariadicOp)
            }
        }
        _ => return None,
    })
}

/// Operators whose result is their inputs broadcast together.
const ELEMENTWISE: &[&str] = &[
    "Abs",
    "Acos",
    "Acosh",
    "And",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "BitwiseAnd",
    "BitwiseNot",
    "BitwiseOr",
    "BitwiseXor",
    "Ceil",
    "Celu",
    "Cos",
    "Cosh",
    "Elementwise",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "HardSwish",
    "IsInf",
    "IsNaN",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Mean",
    "Min",
    "Mish",
    "Mod",
    "Not",
    "Or",
    "PRelu",
    "Pow",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sum",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Xor",
];

/// A list attribute of small numbers that are not negative.
fn sizes(node: &Node, name: &str) -> Option<Option<Vec<usize>>> {
    let small = |&value: &i64| usize::try_from(value).ok().filter(|&value| value < 1 << 20);
    match node.ints(name).ok()? {
        None => Some(None),
        Some(list) => Some(Some(list.iter().map(small).collect::<Option<Vec<_>>>()?)),
    }
}

/// Convolution or pooling.
struct Window {
    /// Of pooling; a convolution's is its weight's.
    kernel: Option<Vec<usize>>,
    dilations: Option<Vec<usize>>,
    strides: Option<Vec<usize>>,
    /// None pads so that the size is the input's divided by the stride.
    pads: Option<Option<Vec<usize>>>,
    ceil: bool,
}

impl Window {
    fn of(node: &Node, pools: bool) -> Option<Self> {
        let pads = match node.str("auto_pad", "NOTSET").ok()? {
            "NOTSET" => Some(sizes(node, "pads")?),
            "VALID" => Some(None),
            "SAME_UPPER" | "SAME_LOWER" => None,
            _ => return None,
        };
        let strides = sizes(node, "strides")?;
        if strides.as_ref().is_some_and(|strides| strides.contains(&0)) {
            return None;
        }
        let kernel = if pools { Some(sizes(node, "kernel_shape")??) } else { None };
        let ceil = node.int("ceil_mode", 0).ok()? != 0;
        Some(Window { kernel, dilations: sizes(node, "dilations")?, strides, pads, ceil })
    }
}

impl InferShapes for Window {
    fn infer_shapes(&self, inputs: InferShapesContext<'_>, symbols: &mut SymbolGen) -> Outcome {
        let rank = inputs.require(0)?.ndim().unwrap_or(4);
        // The rules know one or two axes.
        if rank != 3 && rank != 4 {
            return Err(InferShapesError::IncorrectRank);
        }
        let ones = vec![1; rank - 2];
        let zeros = vec![0; 2 * (rank - 2)];
        let padding = match &self.pads {
            None => Padding::Same,
            Some(pads) => Padding::Fixed(pads.as_deref().unwrap_or(&zeros)),
        };
        let dilations = self.dilations.as_deref().unwrap_or(&ones);
        let strides = self.strides.as_deref().unwrap_or(&ones);
        if dilations.len() != rank - 2 || strides.len() != rank - 2 {
            return Err(InferShapesError::InvalidValue);
        }
        match &self.kernel {
            Some(kernel_size) => {
                let pool = rules::Pool { dilations, kernel_size, padding, strides, ceil_mode: self.ceil };
                pool.infer_shapes(inputs, symbols)
            }
            None => rules::Conv { dilations, padding, strides }.infer_shapes(inputs, symbols),
        }
    }
}

/// A reduction; its axes are an attribute before opset 18 (13 for `ReduceSum`).
struct Reduction {
    axes: Option<Vec<i32>>,
    keep_dims: bool,
}

impl Reduction {
    fn of(node: &Node) -> Option<Self> {
        // Without axes this would keep everything, which the rule does not know.
        if node.int("noop_with_empty_axes", 0).ok()? != 0 {
            return None;
        }
        let axes = match node.ints("axes").ok()? {
            None => None,
            Some(list) => Some(list.iter().map(|&a| i32::try_from(a).ok()).collect::<Option<Vec<_>>>()?),
        };
        Some(Reduction { axes, keep_dims: node.int("keepdims", 1).ok()? != 0 })
    }
}

impl InferShapes for Reduction {
    fn infer_shapes(&self, inputs: InferShapesContext<'_>, symbols: &mut SymbolGen) -> Outcome {
        ReductionOp { axes: self.axes.as_deref(), keep_dims: self.keep_dims }.infer_shapes(inputs, symbols)
    }
}
