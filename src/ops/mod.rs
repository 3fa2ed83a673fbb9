//! Operators: ONNX semantics as a shape rule, a host evaluation where shapes need one, and a lowering to dispatches.
