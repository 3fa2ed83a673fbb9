//! Pooling: windows over one or two axes, and over everything.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::Cost;
use crate::lower::params::by_name;
use crate::lower::{Emit, Lowering, word};
use crate::tensor::{DType, checked_len};

use super::window::{self, Axis, Rounding, rows_and_columns, window_sizes};
use super::{Entry, Operator};
use crate::lower::Fact;
use crate::lower::grid::{item_grid, linear_grid};

/// The operators of this file.
pub(super) const TABLE: &[Entry] = &[
    ("", "MaxPool", &Pool { average: false }),
    ("", "AveragePool", &Pool { average: true }),
    ("", "GlobalMaxPool", &GlobalPool { average: false }),
    ("", "GlobalAveragePool", &GlobalPool { average: true }),
];

/// Pooling of windows.
struct Pool {
    average: bool,
}

impl Pool {
    fn axes(node: &Node, input: &[usize]) -> Result<Vec<Axis>> {
        let kernel =
            node.ints("kernel_shape")?.ok_or_else(|| Error::invalid_model("attribute 'kernel_shape' is missing"))?;
        if input.len() != kernel.len() + 2 {
            return Err(Error::shape(format!("a kernel of shape {kernel:?} over an input of shape {input:?}")));
        }
        let kernel: Vec<usize> = kernel.iter().map(|&v| v as usize).collect();
        let rounding = if node.int("ceil_mode", 0)? == 0 { Rounding::Floor } else { Rounding::Ceil };
        window::axes(node, &input[2..], &kernel, rounding)
    }
}

impl Operator for Pool {
    fn check(&self, node: &Node) -> Result<()> {
        if node.inputs.len() != 1 {
            return Err(Error::invalid_model(format!("{} inputs", node.inputs.len())));
        }
        if node.ints("kernel_shape")?.is_none() {
            return Err(Error::invalid_model("attribute 'kernel_shape' is missing"));
        }
        if node.outputs.get(1).is_some_and(Option::is_some) {
            return Err(Error::unsupported("the indices of the maxima as second output"));
        }
        node.int("ceil_mode", 0)?;
        node.int("count_include_pad", 0)?;
        window::check(node)
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::only_f32(inputs)
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let input = super::given(inputs, 0)?;
        let axes = Pool::axes(node, &input.shape)?;
        let mut shape = input.shape[..2].to_vec();
        shape.extend(axes.iter().map(|axis| axis.output));
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = cx.output_fact(0).shape.clone();
        let view = cx.view(0)?;
        let axes = Pool::axes(cx.node(), &view.shape)?;
        let include = cx.node().int("count_include_pad", 0)? != 0;
        let items = checked_len(&shape).ok_or_else(|| Error::shape("the output is too large"))?;
        if items > 0 && view.is_empty() {
            return Err(Error::unsupported("pooling without any input element"));
        }
        let input = cx.contiguous(0)?.buffer;
        let output = cx.output(0).buffer;
        let (y, x) = rows_and_columns(&axes);
        let mut words = vec![
            ("items", [word(items)?]),
            ("padded_h", [word(y.begin + y.input + y.end)?]),
            ("padded_w", [word(x.begin + x.input + x.end)?]),
        ];
        for (name, size) in window_sizes(&y, &x) {
            words.push((name, [word(size)?]));
        }
        let members: Vec<(&str, &[u32])> = words.iter().map(|(name, word)| (*name, word.as_slice())).collect();
        let params = by_name("pool", &members)?;
        let constants = [
            ("AVERAGE", f64::from(u8::from(self.average))),
            ("COUNT_PADDING", f64::from(u8::from(self.average && include))),
        ];
        cx.emit(Emit {
            kernel: "pool",
            constants: &constants,
            grid: item_grid(items as u64)?,
            operands: &[input, output],
            params: bytemuck::cast_slice(&params),
            cost: Cost { flops: (items * y.kernel * x.kernel) as u64, bytes: 4 * (view.len() + items) as u64 },
        })
    }
}

/// Pooling of all but batch and channels.
struct GlobalPool {
    average: bool,
}

impl Operator for GlobalPool {
    fn check(&self, node: &Node) -> Result<()> {
        if node.inputs.len() != 1 {
            return Err(Error::invalid_model(format!("{} inputs", node.inputs.len())));
        }
        Ok(())
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::only_f32(inputs)
    }

    fn shapes(&self, _: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let input = super::given(inputs, 0)?;
        if input.shape.len() < 2 {
            return Err(Error::shape(format!("an input of shape {:?} has no channels", input.shape)));
        }
        let mut shape = vec![1; input.shape.len()];
        shape[..2].copy_from_slice(&input.shape[..2]);
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let planes = checked_len(&cx.output_fact(0).shape).ok_or_else(|| Error::shape("the output is too large"))?;
        let input = cx.contiguous(0)?;
        if planes > 0 && input.is_empty() {
            return Err(Error::unsupported("pooling without any input element"));
        }
        let output = cx.output(0).buffer;
        if planes == 0 {
            return Ok(());
        }
        let size = word(input.len() / planes)?;
        let params = by_name("pool_global", &[("planes", &[word(planes)?]), ("size", &[size])])?;
        cx.emit(Emit {
            kernel: "pool_global",
            constants: &[("AVERAGE", f64::from(u8::from(self.average)))],
            grid: linear_grid(planes.div_ceil(8) as u64)?,
            operands: &[input.buffer, output],
            params: bytemuck::cast_slice(&params),
            cost: Cost { flops: input.len() as u64, bytes: 4 * (input.len() + planes) as u64 },
        })
    }
}
