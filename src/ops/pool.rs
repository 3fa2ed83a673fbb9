//! Pooling: windows over one or two axes, and over everything.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::size::{Size, checked_len};
use crate::tensor::DType;

use super::window::{Axis, Rounding, Window, rows_and_columns, window_sizes};
use super::{Entry, Operator, check_inputs, operator};

/// The operators of this file.
pub(super) const TABLE: &[Entry] = &[
    ("", "MaxPool", |node| operator(Pool::parse(node, false))),
    ("", "AveragePool", |node| operator(Pool::parse(node, true))),
    ("", "GlobalMaxPool", |node| operator(check_inputs(node, 1..=1).map(|()| GlobalPool { average: false }))),
    ("", "GlobalAveragePool", |node| operator(check_inputs(node, 1..=1).map(|()| GlobalPool { average: true }))),
];

/// Pooling of windows.
#[derive(Debug)]
struct Pool {
    average: bool,
    kernel: Vec<i64>,
    window: Window,
    rounding: Rounding,
    count_padding: bool,
}

impl Pool {
    fn parse(node: &Node, average: bool) -> Result<Self> {
        check_inputs(node, 1..=1)?;
        let kernel = node.ints("kernel_shape")?;
        let kernel = kernel.ok_or_else(|| Error::invalid_model("attribute 'kernel_shape' is missing"))?.to_vec();
        if node.outputs.get(1).is_some_and(Option::is_some) {
            return Err(Error::unsupported("the indices of the maxima as second output"));
        }
        let rounding = if node.int("ceil_mode", 0)? == 0 { Rounding::Floor } else { Rounding::Ceil };
        let count_padding = node.int("count_include_pad", 0)? != 0;
        Ok(Pool { average, kernel, window: Window::parse(node)?, rounding, count_padding })
    }

    fn axes(&self, input: &[Size]) -> Result<Vec<Axis>> {
        let kernel = &self.kernel;
        if input.len() != kernel.len() + 2 {
            return Err(Error::shape(format!("a kernel of shape {kernel:?} over an input of shape {input:?}")));
        }
        let kernel: Vec<Size> = kernel.iter().map(|&v| Size::from(v)).collect();
        self.window.axes(&input[2..], &kernel, self.rounding)
    }
}

impl Operator for Pool {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let input = super::given(inputs, 0)?;
        let axes = self.axes(&input.shape)?;
        let mut shape = input.shape[..2].to_vec();
        shape.extend(axes.iter().map(|axis| axis.output));
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = cx.output_fact(0).shape.clone();
        let view = cx.view(0)?;
        let axes = self.axes(&view.shape)?;
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
            ("COUNT_PADDING", f64::from(u8::from(self.average && self.count_padding))),
        ];
        cx.emit(Emit {
            kernel: "pool",
            constants: &constants,
            groups: item_groups(items),
            operands: &[input, output],
            params: params("pool", &[&own[..], &window_sizes(&y, &x)].concat(), &[])?,
            cost: Work::of_words(items * y.kernel * x.kernel, view.len() + items),
        })
    }
}

/// Pooling of all but batch and channels.
#[derive(Debug)]
struct GlobalPool {
    average: bool,
}

impl Operator for GlobalPool {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
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
            cost: Work::of_words(input.len(), input.len() + planes),
        })
    }
}
