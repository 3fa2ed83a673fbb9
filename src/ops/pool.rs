//! Pooling: windows over one or two axes, and over everything.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::size::{Size, checked_len};
use crate::tensor::DType;

use super::window::{self, Axis, Rounding, rows_and_columns, window_sizes};
use super::{Entry, Operator};

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
    fn axes(node: &Node, input: &[Size]) -> Result<Vec<Axis>> {
        let kernel =
            node.ints("kernel_shape")?.ok_or_else(|| Error::invalid_model("attribute 'kernel_shape' is missing"))?;
        if input.len() != kernel.len() + 2 {
            return Err(Error::shape(format!("a kernel of shape {kernel:?} over an input of shape {input:?}")));
        }
        let kernel: Vec<Size> = kernel.iter().map(|&v| Size::from(v)).collect();
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
        super::one_float(inputs)
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
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
        if !items.is_zero() && view.is_empty() {
            return Err(Error::unsupported("pooling without any input element"));
        }
        let input = cx.contiguous(0)?.buffer;
        let output = cx.output(0).buffer;
        let (y, x) = rows_and_columns(&axes);
        let own = [("items", items), ("padded_h", y.begin + y.input + y.end), ("padded_w", x.begin + x.input + x.end)];
        let constants = [
            ("AVERAGE", f64::from(u8::from(self.average))),
            ("COUNT_PADDING", f64::from(u8::from(self.average && include))),
        ];
        cx.emit(Emit {
            kernel: "pool",
            constants: &constants,
            groups: item_groups(items),
            operands: &[input, output],
            params: params("pool", &[&own[..], &window_sizes(&y, &x)].concat(), &[])?,
            cost: Work { flops: items * y.kernel * x.kernel, bytes: (view.len() + items) * 4 },
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
        super::one_float(inputs)
    }

    fn shapes(&self, _: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let input = super::given(inputs, 0)?;
        if input.shape.len() < 2 {
            return Err(Error::shape(format!("an input of shape {:?} has no channels", input.shape)));
        }
        let mut shape = vec![Size::ONE; input.shape.len()];
        shape[..2].copy_from_slice(&input.shape[..2]);
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let planes = checked_len(&cx.output_fact(0).shape).ok_or_else(|| Error::shape("the output is too large"))?;
        let input = cx.contiguous(0)?;
        if !planes.is_zero() && input.is_empty() {
            return Err(Error::unsupported("pooling without any input element"));
        }
        let output = cx.output(0).buffer;
        if planes.is_zero() {
            return Ok(());
        }
        let size: Size = input.shape[2..].iter().product();
        cx.emit(Emit {
            kernel: "pool_global",
            constants: &[("AVERAGE", f64::from(u8::from(self.average)))],
            groups: planes.div_ceil(8),
            operands: &[input.buffer, output],
            params: params("pool_global", &[("planes", planes), ("size", size)], &[])?,
            cost: Work { flops: input.len(), bytes: (input.len() + planes) * 4 },
        })
    }
}
