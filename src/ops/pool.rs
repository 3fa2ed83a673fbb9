//! Pooling: windows over up to three axes, and over everything.

use crate::error::{Error, Result};
use crate::graph::{Attr, Node};
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, bits, params};
use crate::size::{Size, checked_len};
use crate::tensor::DType;

use super::window::{Axis, Rounding, Window, planes_rows_columns, window_sizes, window_vectors};
use super::{Entry, Operator, check_inputs, operator};

/// The operators of this file.
pub(super) const TABLE: &[Entry] = &[
    ("", "MaxPool", |node| operator(Pool::parse(node, Kind::maximum(node)?))),
    ("", "AveragePool", |node| operator(Pool::parse(node, Kind::average(node)?))),
    ("", "LpPool", |node| operator(Pool::parse(node, Kind::norm(node)?))),
    ("", "GlobalMaxPool", |node| operator(check_inputs(node, 1..=1).map(|()| GlobalPool { average: false }))),
    ("", "GlobalAveragePool", |node| operator(check_inputs(node, 1..=1).map(|()| GlobalPool { average: true }))),
];

/// Pooling of windows: <https://onnx.ai/onnx/operators/onnx__MaxPool.html>,
/// <https://onnx.ai/onnx/operators/onnx__AveragePool.html>, <https://onnx.ai/onnx/operators/onnx__LpPool.html>.
#[derive(Debug)]
struct Pool {
    kind: Kind,
    kernel: Vec<i64>,
    window: Window,
    rounding: Rounding,
}

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Max {
        /// Whether there is a second output, of the maxima's positions.
        indices: bool,
        /// Whether they count columns of columns instead of rows of rows.
        by_columns: bool,
        /// Whether the type may be one of whole numbers.
        whole: bool,
    },
    Average {
        count_padding: bool,
    },
    Norm {
        power: f32,
    },
}

impl Kind {
    fn maximum(node: &Node) -> Result<Kind> {
        let by_columns = node.int("storage_order", 0)? != 0;
        Ok(Kind::Max { indices: node.opset >= 8, by_columns, whole: node.opset >= 12 })
    }

    fn average(node: &Node) -> Result<Kind> {
        Ok(Kind::Average { count_padding: node.int("count_include_pad", 0)? != 0 })
    }

    fn norm(node: &Node) -> Result<Kind> {
        let power = match node.attrs.get("p") {
            Some(Attr::Float(power)) if node.opset < 2 => *power,
            _ => node.int("p", 2)? as f32,
        };
        match power {
            1.0..1e6 => Ok(Kind::Norm { power }),
            _ => Err(Error::unsupported(format!("a norm of power {power}"))),
        }
    }
}

impl Pool {
    fn parse(node: &Node, kind: Kind) -> Result<Self> {
        check_inputs(node, 1..=1)?;
        let kernel = node.ints("kernel_shape")?;
        let kernel = kernel.ok_or_else(|| Error::invalid_model("attribute 'kernel_shape' is missing"))?.to_vec();
        let rounding = if node.int("ceil_mode", 0)? == 0 { Rounding::Floor } else { Rounding::Ceil };
        Ok(Pool { kind, kernel, window: Window::parse(node)?, rounding })
    }

    fn axes(&self, input: &[Size]) -> Result<Vec<Axis>> {
        let kernel = &self.kernel;
        if input.len() != kernel.len() + 2 {
            return Err(Error::shape(format!("a kernel of shape {kernel:?} over an input of shape {input:?}")));
        }
        let kernel: Vec<Size> = kernel.iter().map(|&v| Size::from(v)).collect();
        self.window.axes(&input[2..], &kernel, self.rounding)
    }

    /// One or two axes of floats, without positions: a kernel that has no more than that.
    fn plain(&self, cx: &mut Lowering<'_>, axes: &[Axis]) -> Result<()> {
        let input = cx.contiguous(0)?;
        let output = cx.output(0);
        let [_, y, x] = planes_rows_columns(axes);
        let items = output.len();
        let own = [("items", items), ("padded_h", y.begin + y.input + y.end), ("padded_w", x.begin + x.input + x.end)];
        let average = matches!(self.kind, Kind::Average { .. });
        let counts = self.kind == Kind::Average { count_padding: true };
        cx.emit(Emit {
            kernel: "pool",
            constants: &[("AVERAGE", f64::from(u8::from(average))), ("COUNT_PADDING", f64::from(u8::from(counts)))],
            groups: item_groups(items),
            operands: &[input.buffer, output.buffer],
            params: params("pool", &[&own[..], &window_sizes(&y, &x)].concat(), &[])?,
            cost: Work::of_words(items * y.kernel * x.kernel, input.len() + items),
        })
    }

    fn general(&self, cx: &mut Lowering<'_>, axes: &[Axis]) -> Result<()> {
        let input = cx.contiguous(0)?;
        let output = cx.output(0);
        let positions = cx.wants_output(1);
        let indices = if positions { cx.output(1) } else { cx.words(DType::I64, &[Size::ONE])? };
        if positions && input.len() > Size::from(i32::MAX) {
            return Err(Error::limit(format!("positions among {} elements", input.len())));
        }
        let integer = !input.dtype.is_float();
        // Nothing but the input's own elements is the result then.
        let output = if integer { cx.rounded(output) } else { output };
        let lowest = match input.dtype {
            DType::I8 => Size::from(i32::from(i8::MIN) as u32),
            DType::U8 => Size::ZERO,
            DType::F16 => bits(half::f16::MIN.to_f32()),
            DType::Bf16 => bits(half::bf16::MIN.to_f32()),
            _ => bits(f32::MIN),
        };
        let (kind, power, by_columns) = match self.kind {
            Kind::Max { by_columns, .. } => (0u8, 1.0, by_columns),
            Kind::Average { .. } => (1, 1.0, false),
            Kind::Norm { power } => (2, power, false),
        };
        let axes = planes_rows_columns(axes);
        let end = |axis: &Axis| axis.begin + axis.input + axis.end;
        let padded = [end(&axes[0]), end(&axes[1]), end(&axes[2]), Size::ZERO];
        let vectors = window_vectors(&axes);
        let mut lists: Vec<(&str, &[Size])> = vectors.iter().map(|(name, vector)| (*name, vector.as_slice())).collect();
        lists.push(("padded", &padded));
        let items = output.len();
        let numbers = [
            ("items", items),
            ("lowest", lowest),
            ("by_columns", Size::from(u8::from(by_columns))),
            ("power", bits(power)),
        ];
        let flag = |set: bool| f64::from(u8::from(set));
        let counts = self.kind == Kind::Average { count_padding: true };
        let taps: Size = axes.iter().map(|axis| axis.kernel).product();
        cx.emit(Emit {
            kernel: "pool_window",
            constants: &[
                ("KIND", f64::from(kind)),
                ("INTEGER", flag(integer)),
                ("COUNT_PADDING", flag(counts)),
                ("INDICES", flag(positions)),
            ],
            groups: item_groups(items),
            operands: &[input.buffer, output.buffer, indices.buffer],
            params: params("pool_window", &numbers, &lists)?,
            cost: Work::of_words(items * taps, input.len() + items * (1 + usize::from(positions))),
        })
    }
}

impl Operator for Pool {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let dtypes = match (self.kind, inputs) {
            (Kind::Max { whole: true, .. }, [Some(dtype @ (DType::I8 | DType::U8))]) => vec![*dtype],
            _ => super::one_float(inputs)?,
        };
        let indices = matches!(self.kind, Kind::Max { indices: true, .. });
        Ok(dtypes.into_iter().chain(indices.then_some(DType::I64)).collect())
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let input = super::given(inputs, 0)?;
        let axes = self.axes(&input.shape)?;
        let mut shape = input.shape[..2].to_vec();
        shape.extend(axes.iter().map(|axis| axis.output));
        let indices = matches!(self.kind, Kind::Max { indices: true, .. });
        Ok(vec![shape; 1 + usize::from(indices)])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = cx.output_fact(0).shape.clone();
        let view = cx.view(0)?;
        let axes = self.axes(&view.shape)?;
        let items = checked_len(&shape).ok_or_else(|| Error::shape("the output is too large"))?;
        if !items.is_zero() && view.is_empty() {
            return Err(Error::unsupported("pooling without any input element"));
        }
        let norm = matches!(self.kind, Kind::Norm { .. });
        if axes.len() > 2 || norm || !view.dtype.is_float() || cx.wants_output(1) {
            self.general(cx, &axes)
        } else {
            self.plain(cx, &axes)
        }
    }
}

/// Pooling of all but batch and channels: `[n, c, ..]` gives `[n, c, 1..]`.
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
