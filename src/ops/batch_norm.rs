//! <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html> for inference. After a convolution the rewrites have
//! folded it away; elsewhere it is a chain of elementwise steps, which with constant statistics is one multiplication and one
//! addition.

use super::elementwise::program::{Program, Ref, Step};
use super::elementwise::{Code, Scalar, emit_program};
use super::{Entry, Operator, given, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::storage::{Storage, widened};
use crate::lower::{Fact, Lowering, View};
use crate::size::{Size, agree};
use crate::tensor::{DType, Tensor};

pub(super) const OPERATORS: &[Entry] = &[("", "BatchNormalization", |node| operator(BatchNorm::parse(node)))];

/// Inputs: x `[n, c, ..]`, and scale, bias, mean and variance `[c]`. Output: as x.
#[derive(Debug)]
struct BatchNorm {
    epsilon: f32,
    outputs: usize,
}

impl BatchNorm {
    fn parse(node: &Node) -> Result<Self> {
        if node.inputs.len() != 5 || node.inputs.iter().any(Option::is_none) {
            return Err(Error::invalid_model(format!("{} inputs, not 5", node.inputs.len())));
        }
        if node.int("training_mode", 0)? != 0 || node.outputs.iter().skip(1).any(Option::is_some) {
            return Err(Error::unsupported("training mode is not supported"));
        }
        if node.int("spatial", 1)? != 1 {
            return Err(Error::unsupported("statistics per element (spatial = 0) are not supported"));
        }
        Ok(BatchNorm { epsilon: node.float("epsilon", 1e-5)?, outputs: node.outputs.len().max(1) })
    }
}

/// Factor and summand per channel, for statistics that are constants.
fn factors(epsilon: f32, [scale, shift, mean, variance]: [&Tensor; 4]) -> Result<(Vec<f32>, Vec<f32>)> {
    let list = |tensor: &Tensor| -> Result<Vec<f64>> {
        Ok(widened(tensor).as_slice::<f32>()?.iter().map(|&x| x.into()).collect())
    };
    let (scale, shift, mean, variance) = (list(scale)?, list(shift)?, list(mean)?, list(variance)?);
    let factor: Vec<f64> =
        scale.iter().zip(&variance).map(|(scale, variance)| scale / (variance + f64::from(epsilon)).sqrt()).collect();
    let summand = factor.iter().zip(&mean).zip(&shift).map(|((factor, mean), shift)| (shift - mean * factor) as f32);
    Ok((factor.iter().map(|&factor| factor as f32).collect(), summand.collect()))
}

/// `x * factor + summand` as a chain over these three.
fn scaled() -> Program {
    let [x, factor, summand] = [0, 1, 2].map(Ref::Input);
    chain(3, Vec::new(), &[(Code::MulF, &[x, factor]), (Code::AddF, &[Ref::Step(0), summand])])
}

/// `(x - mean) / sqrt(variance + epsilon) * scale + bias` as a chain over x, scale, bias, mean and variance.
fn normalised(epsilon: f32) -> Program {
    let [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map(Ref::Input);
    let [shifted, deviation, centred, normal, product] = [0, 1, 2, 3, 4].map(Ref::Step);
    let steps: [(Code, &[Ref]); 6] = [
        (Code::AddF, &[variance, Ref::Constant(0)]),
        (Code::SqrtF, &[shifted]),
        (Code::SubF, &[x, mean]),
        (Code::DivF, &[centred, deviation]),
        (Code::MulF, &[normal, scale]),
        (Code::AddF, &[product, bias]),
    ];
    chain(5, vec![Scalar::F(epsilon)], &steps)
}

fn chain(inputs: usize, constants: Vec<Scalar>, steps: &[(Code, &[Ref])]) -> Program {
    let steps = steps.iter().map(|&(code, args)| Step { code, args: args.to_vec() }).collect();
    Program { inputs, steps, constants, dtype: DType::F32 }
}

impl Operator for BatchNorm {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        if inputs.iter().any(|&dtype| !matches!(dtype, Some(DType::F32 | DType::F16 | DType::Bf16))) {
            return Err(Error::unsupported(format!("only f32, f16 and bf16 are supported, not {inputs:?}")));
        }
        let dtype = inputs.first().copied().flatten().unwrap_or(DType::F32);
        Ok(vec![dtype; self.outputs])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        let Some(&channels) = shape.get(1) else {
            return Err(Error::shape(format!("an input of shape {shape:?} has no channels")));
        };
        for k in 1..5 {
            let own = &given(inputs, k)?.shape;
            if !agree(own, &[channels]) {
                return Err(Error::shape(format!("input {k} has shape {own:?}, not [{channels}]")));
            }
        }
        Ok(vec![shape.clone(); self.outputs])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let input = cx.view(0)?;
        let spread = |view: View| {
            let mut strides = vec![Size::ZERO; input.shape.len()];
            strides[1] = view.strides[0];
            View { shape: input.shape.clone(), strides, ..view }
        };
        let mut views = vec![input.clone()];
        let program = match [1, 2, 3, 4].map(|k| cx.constant(k)) {
            [Some(scale), Some(shift), Some(mean), Some(variance)] => {
                let (factor, summand) = factors(self.epsilon, [scale, shift, mean, variance])?;
                for values in [factor, summand] {
                    let shape = [Size::from(values.len())];
                    let buffer = cx.constant_bytes(Storage::Word.encode(&Tensor::new([values.len()], values)?)?)?;
                    views.push(spread(View::row_major(buffer, DType::F32, &shape)));
                }
                scaled()
            }
            _ => {
                for k in 1..5 {
                    views.push(spread(cx.view(k)?));
                }
                normalised(self.epsilon)
            }
        };
        let output = cx.output(0);
        emit_program(cx, &program, &views, &output)
    }
}
