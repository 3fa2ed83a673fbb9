//! Reductions: `ReduceSum` and its kin, `ArgMax`, `ArgMin`.

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{DeviceClass, Emit, Fact, Lowering, Target, Work, bits, collapse, params, words};
use crate::size::{Size, checked_len};
use crate::tensor::DType;

use super::broadcast::{axis_index, axis_indices};
use super::integer::OVERFLOW;
use super::{Entry, Operator, check_arity, given, operator};

pub(super) static OPERATORS: &[Entry] = &[
    ("", "ReduceSum", |node| operator(Reduce::parse(node, 0))),
    ("", "ReduceMean", |node| operator(Reduce::parse(node, 1))),
    ("", "ReduceMax", |node| operator(Reduce::parse(node, 2))),
    ("", "ReduceMin", |node| operator(Reduce::parse(node, 3))),
    ("", "ReduceProd", |node| operator(Reduce::parse(node, 4))),
    ("", "ReduceSumSquare", |node| operator(Reduce::parse(node, 5))),
    ("", "ReduceL1", |node| operator(Reduce::parse(node, 6))),
    ("", "ReduceL2", |node| operator(Reduce::parse(node, 7))),
    ("", "ReduceLogSum", |node| operator(Reduce::parse(node, 8))),
    ("", "ReduceLogSumExp", |node| operator(Reduce::parse(node, 9))),
    ("", "ArgMax", |node| operator(Arg::parse(node, 10))),
    ("", "ArgMin", |node| operator(Arg::parse(node, 11))),
];

/// The kernels' `INVOCATIONS`: how many invocations share a row.
pub(super) fn row_invocations(target: &Target, rows: Size, len: Size) -> u32 {
    let shared = target.class == DeviceClass::Gpu && len >= 64 && rows < 1 << 16;
    if shared { 64 } else { 1 }
}

/// The grid for `rows` with that many invocations each.
pub(super) fn row_groups(rows: Size, invocations: u32) -> Size {
    if invocations > 1 { rows } else { item_groups(rows) }
}

/// `ReduceSum` and its kin: sizes of 1 in place of the axes, or none of them without `keepdims`.
#[derive(Debug)]
struct Reduce {
    /// The kernel's `OP`.
    op: u32,
    /// The axes, where they are an attribute; else they are input 1.
    axes: Option<Vec<i64>>,
    keep: bool,
    /// Whether nothing is reduced where no axes are given, not everything.
    noop: bool,
}

impl Reduce {
    fn parse(node: &Node, op: u32) -> Result<Self> {
        // Of ReduceSum, op 0, the axes have been an input for longer.
        let by_input = node.opset >= if op == 0 { 13 } else { 18 };
        check_arity(node, 1..=if by_input { 2 } else { 1 }, 1..=1)?;
        let axes = if by_input { None } else { Some(node.ints("axes")?.unwrap_or_default().to_vec()) };
        let noop = node.int("noop_with_empty_axes", 0)? != 0;
        Ok(Reduce { op, axes, keep: node.int("keepdims", 1)? != 0, noop })
    }

    /// The axes to reduce, sorted; `None` if the node is the identity.
    fn axes(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<usize>>> {
        let rank = given(inputs, 0)?.shape.len();
        let axes = match (&self.axes, inputs.get(1).copied().flatten()) {
            (Some(axes), _) => axes.as_slice(),
            (None, None) => &[],
            (None, Some(fact)) => {
                let value = fact.value();
                value.ok_or_else(|| Error::unsupported("axes that are computed from data"))?.as_slice::<i64>()?
            }
        };
        match axes {
            [_, ..] => Ok(Some(axis_indices(axes, rank)?)),
            [] if self.noop => Ok(None),
            [] => Ok(Some((0..rank).collect())),
        }
    }
}

fn reduced_shape(shape: &[Size], axes: &[usize], keep: bool) -> Vec<Size> {
    (shape.iter().enumerate())
        .filter(|(axis, _)| keep || !axes.contains(axis))
        .map(|(axis, &size)| if axes.contains(&axis) { Size::ONE } else { size })
        .collect()
}

impl Operator for Reduce {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        if self.axes.is_some() { 0..0 } else { 1..2 }
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs.first().copied().flatten() {
            Some(dtype @ (DType::F32 | DType::F16 | DType::Bf16)) => Ok(vec![dtype]),
            Some(dtype @ (DType::I32 | DType::I64 | DType::U32)) if self.op < 8 => Ok(vec![dtype]),
            Some(dtype @ (DType::I8 | DType::U8 | DType::Bool)) if matches!(self.op, MAX | MIN) => Ok(vec![dtype]),
            Some(dtype) => Err(Error::unsupported(format!("input of type {dtype}"))),
            None => Err(Error::invalid_model("input 0 is missing")),
        }
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        let axes = self.axes(inputs)?.unwrap_or_default();
        Ok(vec![reduced_shape(shape, &axes, self.keep)])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        match self.axes(&cx.facts())? {
            // Nothing to reduce: only the terms' own function is left, which `reduce` applies to runs of one element.
            None => reduce(cx, self.op, &[], Select::First),
            Some(axes) => reduce(cx, self.op, &axes, Select::First),
        }
    }
}

/// <https://onnx.ai/onnx/operators/onnx__ArgMax.html>, <https://onnx.ai/onnx/operators/onnx__ArgMin.html>: i64, with a size of 1
/// in place of the axis, or without it.
#[derive(Debug)]
struct Arg {
    op: u32,
    axis: i64,
    keep: bool,
    select: Select,
}

/// Which of equal elements has the position that counts.
#[derive(Clone, Copy, Debug)]
enum Select {
    First,
    Last,
}

impl Arg {
    fn parse(node: &Node, op: u32) -> Result<Self> {
        check_arity(node, 1..=1, 1..=1)?;
        let select = if node.int("select_last_index", 0)? != 0 { Select::Last } else { Select::First };
        Ok(Arg { op, axis: node.int("axis", 0)?, keep: node.int("keepdims", 1)? != 0, select })
    }
}

impl Operator for Arg {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs.first().copied().flatten() {
            Some(
                DType::F32
                | DType::F16
                | DType::Bf16
                | DType::I8
                | DType::I16
                | DType::I32
                | DType::I64
                | DType::U8
                | DType::U16
                | DType::U32,
            ) => Ok(vec![DType::I64]),
            Some(dtype) => Err(Error::unsupported(format!("input of type {dtype}"))),
            None => Err(Error::invalid_model("input 0 is missing")),
        }
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        let axis = axis_index(self.axis, shape.len())?;
        Ok(vec![reduced_shape(shape, &[axis], self.keep)])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let rank = cx.input(0).map_or(0, |fact| fact.shape.len());
        let axis = axis_index(self.axis, rank)?;
        reduce(cx, self.op, &[axis], self.select)
    }
}

/// The kernel's `OP` of some.
const MEAN: u32 = 1;
const MAX: u32 = 2;
const MIN: u32 = 3;
const ARG_MAX: u32 = 10;
const ARG_MIN: u32 = 11;

/// Whether a reduction over no elements has a value that the device can give: what ONNX says, and the mean of no floats, which is NaN.
fn has_empty(op: u32, dtype: DType) -> bool {
    match op {
        MEAN => dtype.is_float(),
        // The bounds of i64 do not fit its word.
        MAX | MIN => dtype != DType::I64,
        ARG_MAX | ARG_MIN => false,
        _ => true,
    }
}

/// What the largest elements are not less than, or the smallest not more: a word.
fn bound(op: u32, dtype: DType) -> Size {
    let lowest = matches!(op, MAX | ARG_MAX);
    let pick = |low: i64, high: i64| Size::from(if lowest { low } else { high } as u32);
    match dtype {
        DType::F32 | DType::F16 | DType::Bf16 => bits(if lowest { f32::NEG_INFINITY } else { f32::INFINITY }),
        DType::I8 => pick(i8::MIN.into(), i8::MAX.into()),
        DType::I16 => pick(i16::MIN.into(), i16::MAX.into()),
        DType::I32 | DType::I64 => pick(i32::MIN.into(), i32::MAX.into()),
        DType::U8 => pick(0, u8::MAX.into()),
        DType::U16 => pick(0, u16::MAX.into()),
        DType::U32 => pick(0, u32::MAX.into()),
        DType::Bool => pick(0, 1),
        // No reduction takes others.
        _ => Size::ZERO,
    }
}

/// Reduces input 0 along `axes` into output 0.
fn reduce(cx: &mut Lowering<'_>, op: u32, axes: &[usize], select: Select) -> Result<()> {
    let view = cx.view(0)?;
    let output = cx.output(0);
    let split = |reduced: bool| -> (Vec<Size>, Vec<Size>) {
        (0..view.shape.len())
            .filter(|axis| axes.contains(axis) == reduced)
            .map(|axis| (view.shape[axis], view.strides[axis]))
            .unzip()
    };
    let ((kept, kept_strides), (shape, strides)) = (split(false), split(true));
    let len = checked_len(&shape).ok_or_else(|| Error::shape("the reduced dimensions overflow"))?;
    if !has_empty(op, view.dtype) && len.is_zero() && !output.is_empty() {
        return Err(Error::shape("a reduction over no elements has no value"));
    }
    let rows = output.len();
    let (kept_size, kept_stride) = collapse(&kept, &[&kept_strides]);
    let (size, stride) = collapse(&shape, &[&strides]);
    let select_last = Size::from(u8::from(matches!(select, Select::Last)));
    let lists: [(&str, &[Size]); 4] = [
        ("kept_size", &words::<8>(&kept_size, 1)?),
        ("kept_stride", &words::<8>(&kept_stride[0], 0)?),
        ("size", &words::<8>(&size, 1)?),
        ("stride", &words::<8>(&stride[0], 0)?),
    ];
    let sizes = [("rows", rows), ("len", len), ("offset", view.offset)];
    let invocations = row_invocations(cx.target(), rows, len);
    let groups = row_groups(rows, invocations);
    let cost = Work::of_words(view.len(), view.len() + rows);
    // Sums, products and norms of i64 may leave the range; the largest, the smallest and positions do not.
    if view.dtype == DType::I64 && matches!(op, 0 | 1 | 4..8) {
        let report = cx.check(ErrorKind::Overflow, OVERFLOW);
        return cx.emit(Emit {
            kernel: "reduce_integer",
            constants: &[("OP", f64::from(op)), ("INVOCATIONS", f64::from(invocations))],
            groups,
            operands: &[view.buffer, output.buffer, report],
            params: params("reduce_integer", &sizes, &lists)?,
            cost,
        });
    }
    let own = [("select_last", select_last), ("infinity", bits(f32::INFINITY)), ("bound", bound(op, view.dtype))];
    cx.emit(Emit {
        kernel: "reduce",
        constants: &[
            ("OP", f64::from(op)),
            ("INVOCATIONS", f64::from(invocations)),
            ("INT", f64::from(u8::from(!view.dtype.is_float()))),
            ("UNSIGNED", f64::from(u8::from(view.dtype == DType::U32))),
        ],
        groups,
        operands: &[view.buffer, output.buffer],
        params: params("reduce", &[&sizes[..], &own].concat(), &lists)?,
        cost,
    })
}
