//! Softmax, LogSoftmax, LayerNormalization, and normalisation by the root of the mean square.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Emit, Fact, Lowering, Work, bits, params, rounding};
use crate::size::Size;
use crate::tensor::DType;

use super::broadcast::{axis_index, broadcasts_to};
use super::reduce::{row_groups, row_invocations};
use super::{Entry, Operator, check_arity, given, one_float, operator};

pub(super) static OPERATORS: &[Entry] = &[
    ("", "Softmax", |node| operator(Softmax::parse(node, false))),
    ("", "LogSoftmax", |node| operator(Softmax::parse(node, true))),
    ("", "LayerNormalization", |node| operator(LayerNorm::parse(node, true))),
    ("fascine", "RmsNorm", |node| operator(LayerNorm::parse(node, false))),
];

/// <https://onnx.ai/onnx/operators/onnx__Softmax.html>, <https://onnx.ai/onnx/operators/onnx__LogSoftmax.html>: the shape stays.
#[derive(Debug)]
struct Softmax {
    axis: i64,
    /// Whether the dimensions from the axis on count as one, as before opset 13.
    whole: bool,
    log: bool,
}

impl Softmax {
    fn parse(node: &Node, log: bool) -> Result<Self> {
        check_arity(node, 1..=1, 1..=1)?;
        let whole = node.opset < 13;
        Ok(Softmax { axis: node.int("axis", if whole { 1 } else { -1 })?, whole, log })
    }

    fn axis(&self, rank: usize) -> Result<usize> {
        match self.axis {
            -1..=0 if rank == 0 => Ok(0),
            axis if self.whole && axis == rank as i64 => Ok(rank),
            axis => axis_index(axis, rank),
        }
    }
}

impl Operator for Softmax {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        self.axis(shape.len())?;
        Ok(vec![shape.to_vec()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        if cx.output_fact(0).is_empty() {
            cx.output(0);
            return Ok(());
        }
        let source = cx.contiguous(0)?;
        let output = cx.output(0);
        let output = cx.rounded(output);
        let shape = &output.shape;
        let (axis, whole) = (self.axis(shape.len())?, self.whole);
        let inner = if whole || shape.is_empty() { Size::ONE } else { shape[axis + 1..].iter().product() };
        let len = if whole { shape[axis..].iter().product() } else { shape.get(axis).copied().unwrap_or(Size::ONE) };
        let rows: Size =
            shape.iter().enumerate().filter(|&(k, _)| k < axis || !whole && k > axis).map(|(_, n)| *n).product();
        let invocations = row_invocations(cx.target(), rows, len);
        let sizes = [("rows", rows), ("len", len), ("inner", inner)];
        cx.emit(Emit {
            kernel: "softmax",
            constants: &[
                ("LOG", f64::from(u8::from(self.log))),
                ("INVOCATIONS", f64::from(invocations)),
                rounding(output.dtype),
            ],
            groups: row_groups(rows, invocations),
            operands: &[source.buffer, output.buffer],
            params: params("softmax", &sizes, &[])?,
            cost: Work::of_words(output.len() * 12, output.len() * 2),
        })
    }
}

/// <https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>: input `[a.., b..]`, scale and bias?, which broadcast to it;
/// gives the result, and on request mean and inverse deviation `[a.., 1..]`. Not centred it is the
/// fused `fascine.RmsNorm`: `x / sqrt(mean x^2 + epsilon) * scale`, without bias and statistics.
#[derive(Debug)]
struct LayerNorm {
    axis: i64,
    epsilon: f32,
    centred: bool,
}

impl LayerNorm {
    fn parse(node: &Node, centred: bool) -> Result<Self> {
        if centred {
            check_arity(node, 2..=3, 1..=3)?;
        } else {
            check_arity(node, 2..=2, 1..=1)?;
        }
        match node.int("stash_type", 1)? {
            1 => Ok(LayerNorm { axis: node.int("axis", -1)?, epsilon: node.float("epsilon", 1e-5)?, centred }),
            other => Err(Error::unsupported(format!("stash_type {other}"))),
        }
    }
}

impl Operator for LayerNorm {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let dtype = one_float(inputs)?[0];
        Ok(vec![dtype, DType::F32, DType::F32])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        let axis = axis_index(self.axis, shape.len())?;
        let statistics: Vec<Size> = (0..shape.len()).map(|k| if k < axis { shape[k] } else { Size::ONE }).collect();
        for k in 1..inputs.len() {
            if inputs[k].is_some() {
                let own = &given(inputs, k)?.shape;
                if !broadcasts_to(own, &shape[axis..]) {
                    return Err(Error::shape(format!(
                        "input {k} of shape {own:?} does not broadcast to the normalised {:?}",
                        &shape[axis..]
                    )));
                }
            }
        }
        Ok(vec![shape.to_vec(), statistics.clone(), statistics])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        if cx.output_fact(0).is_empty() {
            // The mean of nothing is not a number that a kernel could find.
            if (1..=2).any(|i| cx.wants_output(i) && !cx.output_fact(i).is_empty()) {
                return Err(Error::unsupported("statistics of rows without elements"));
            }
            for output in 0..=2 {
                if output == 0 || cx.wants_output(output) {
                    cx.output(output);
                }
            }
            return Ok(());
        }
        let source = cx.contiguous(0)?;
        let axis = axis_index(self.axis, source.shape.len())?;
        let normalised = source.shape[axis..].to_vec();
        let len: Size = normalised.iter().product();
        let rows: Size = source.shape[..axis].iter().product();
        let parameter = |cx: &mut Lowering<'_>, k| -> Result<_> {
            let view = cx.view(k)?.broadcast(&normalised)?;
            cx.materialise(&view)
        };
        let scale = parameter(cx, 1)?;
        let has_bias = cx.input(2).is_some();
        let bias = if has_bias { parameter(cx, 2)? } else { scale.clone() };
        let statistics = cx.wants_output(1) || cx.wants_output(2);
        let output = cx.output(0);
        let output = cx.rounded(output);
        let (means, deviations) = if statistics {
            (cx.output(1).buffer, cx.output(2).buffer)
        } else {
            (cx.words(DType::F32, &[Size::ONE])?.buffer, cx.words(DType::F32, &[Size::ONE])?.buffer)
        };
        let invocations = row_invocations(cx.target(), rows, len);
        cx.emit(Emit {
            kernel: "layer_norm",
            constants: &[
                ("BIAS", f64::from(u8::from(has_bias))),
                ("CENTRED", f64::from(u8::from(self.centred))),
                ("STATISTICS", f64::from(u8::from(statistics))),
                ("INVOCATIONS", f64::from(invocations)),
                rounding(output.dtype),
            ],
            groups: row_groups(rows, invocations),
            operands: &[source.buffer, scale.buffer, bias.buffer, output.buffer, means, deviations],
            params: params("layer_norm", &[("rows", rows), ("len", len), ("epsilon", bits(self.epsilon))], &[])?,
            cost: Work::of_words(output.len() * 8, (output.len() + len) * 2),
        })
    }
}
