//! <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html> for inference. After a convolution the rewrites have
//! folded it away; elsewhere it is one multiplication and one addition per element.

use rten_shape_inference::{InferShapes, UnaryOp};

use super::elementwise::program::Program;
use super::elementwise::{emit_program, program_of};
use super::{Entry, Operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::repr::to_heap;
use crate::lower::{Fact, Lowering, View};
use crate::size::Size;
use crate::tensor::{DType, Tensor};

pub(super) const OPERATORS: &[Entry] = &[("", "BatchNormalization", &BatchNorm)];

struct BatchNorm;

/// Factor and summand per channel.
///
/// # Errors
/// `Unsupported` if the statistics are not constant, `Shape` if their lengths differ.
fn factors(node: &Node, statistics: [Option<&Tensor>; 4], channels: usize) -> Result<(Vec<f32>, Vec<f32>)> {
    let epsilon = f64::from(node.float("epsilon", 1e-5)?);
    let [scale, shift, mean, variance] = statistics;
    let list = |tensor: Option<&Tensor>| {
        let tensor = tensor.ok_or_else(|| Error::unsupported("scale, bias, mean or variance is not constant"))?;
        match tensor.as_slice::<f32>() {
            Ok(values) if values.len() == channels => Ok(values.to_vec()),
            _ => Err(Error::shape(format!("{tensor:?} for {channels} channels"))),
        }
    };
    let (scale, shift, mean, variance) = (list(scale)?, list(shift)?, list(mean)?, list(variance)?);
    let factor: Vec<f64> =
        (0..channels).map(|c| f64::from(scale[c]) / (f64::from(variance[c]) + epsilon).sqrt()).collect();
    let summand = (0..channels).map(|c| (f64::from(shift[c]) - f64::from(mean[c]) * factor[c]) as f32).collect();
    Ok((factor.iter().map(|&f| f as f32).collect(), summand))
}

/// `x * factor + summand` as a chain over these three.
fn chain() -> Result<Program> {
    let node = |op: &str| Node { op: op.to_owned(), opset: 14, inputs: vec![None; 2], ..Node::default() };
    let part = |op| program_of(&node(op), &[Some((DType::F32, None)); 2]).map(|(program, _)| program);
    let joined = part("Mul").zip(part("Add")).and_then(|(product, sum)| {
        Program::join((&product, &["x", "factor"]), (&sum, &["product", "summand"]), &"product")
    });
    joined.map(|(program, _)| program).ok_or_else(|| Error::internal("a product and a sum are no chain"))
}

impl Operator for BatchNorm {
    fn check(&self, node: &Node) -> Result<()> {
        if node.inputs.len() != 5 || node.inputs.iter().any(Option::is_none) {
            return Err(Error::invalid_model(format!("{} inputs, not 5", node.inputs.len())));
        }
        if node.int("training_mode", 0)? != 0 || node.outputs.iter().skip(1).any(Option::is_some) {
            return Err(Error::unsupported("training mode is not supported"));
        }
        if node.int("spatial", 1)? != 1 {
            return Err(Error::unsupported("statistics per element (spatial = 0) are not supported"));
        }
        node.float("epsilon", 1e-5).map(drop)
    }

    fn dtypes(&self, node: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        if inputs.iter().any(|&dtype| dtype != Some(DType::F32)) {
            return Err(Error::unsupported(format!("only f32 is supported, not {inputs:?}")));
        }
        Ok(vec![DType::F32; node.outputs.len().max(1)])
    }

    fn symbolic(&self, _: &Node) -> Option<Box<dyn InferShapes>> {
        Some(Box::new(UnaryOp))
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &super::given(inputs, 0)?.shape;
        if shape.len() < 2 {
            return Err(Error::shape(format!("an input of shape {shape:?} has no channels")));
        }
        Ok(vec![shape.clone(); node.outputs.len().max(1)])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let input = cx.view(0)?;
        let channels = input.shape[1].pin();
        let statistics = [1, 2, 3, 4].map(|i| cx.constant(i));
        let (factor, summand) = factors(cx.node(), statistics, channels)?;
        let mut strides = vec![Size::ZERO; input.shape.len()];
        strides[1] = Size::ONE;
        let mut views = vec![input.clone()];
        for values in [factor, summand] {
            let buffer = cx.constant_bytes(to_heap(&Tensor::new([channels], values)?)?)?;
            views.push(View { buffer, offset: Size::ZERO, strides: strides.clone(), ..input.clone() });
        }
        let output = cx.output(0);
        emit_program(cx, &chain()?, &views, &output)
    }
}
