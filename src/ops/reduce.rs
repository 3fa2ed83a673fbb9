//! Reductions: `ReduceSum` and its kin, `ArgMax`, `ArgMin`.

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{DeviceClass, Emit, Fact, Lowering, Target, Work, bits, collapse, params, words};
use crate::size::{Size, checked_len};
use crate::tensor::DType;

use super::broadcast::{axis_index, axis_indices};
use super::integer::OVERFLOW;
use super::{Entry, Operator, given};

pub(super) static OPERATORS: &[Entry] = &[
    ("", "ReduceSum", &Reduce { op: 0, axes_input_since: 13, empty: Some(0.0) }),
    ("", "ReduceMean", &Reduce { op: 1, axes_input_since: 18, empty: None }),
    ("", "ReduceMax", &Reduce { op: 2, axes_input_since: 18, empty: None }),
    ("", "ReduceMin", &Reduce { op: 3, axes_input_since: 18, empty: None }),
    ("", "ReduceProd", &Reduce { op: 4, axes_input_since: 18, empty: Some(1.0) }),
    ("", "ReduceSumSquare", &Reduce { op: 5, axes_input_since: 18, empty: Some(0.0) }),
    ("", "ReduceL1", &Reduce { op: 6, axes_input_since: 18, empty: Some(0.0) }),
    ("", "ReduceL2", &Reduce { op: 7, axes_input_since: 18, empty: Some(0.0) }),
    ("", "ReduceLogSum", &Reduce { op: 8, axes_input_since: 18, empty: None }),
    ("", "ReduceLogSumExp", &Reduce { op: 9, axes_input_since: 18, empty: None }),
    ("", "ArgMax", &Arg { op: 10 }),
    ("", "ArgMin", &Arg { op: 11 }),
];

/// The kernels' `LANES`: how many invocations share a row.
pub(super) fn lanes(target: &Target, rows: Size, len: Size) -> u32 {
    let shared = target.class == DeviceClass::Gpu && len >= 64 && rows < 1 << 16;
    if shared { 64 } else { 1 }
}

/// The grid for `rows` with that many invocations each.
pub(super) fn row_groups(rows: Size, lanes: u32) -> Size {
    if lanes > 1 { rows } else { item_groups(rows) }
}

struct Reduce {
    /// The kernel's `OP`.
    op: u32,
    /// The opset since which the axes are an input.
    axes_input_since: i64,
    /// The result over no elements, where it has one.
    empty: Option<f32>,
}

impl Reduce {
    /// The axes to reduce, sorted; `None` if the node is the identity.
    fn axes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Option<Vec<usize>>> {
        let rank = given(inputs, 0)?.shape.len();
        let axes: Option<Vec<i64>> = if node.opset >= self.axes_input_since {
            match inputs.get(1).copied().flatten() {
                None => None,
                Some(fact) => {
                    let value = fact.value();
                    let value = value.ok_or_else(|| Error::unsupported("axes that are computed from data"))?;
                    Some(value.as_slice::<i64>()?.to_vec())
                }
            }
        } else {
            node.ints("axes")?.map(<[i64]>::to_vec)
        };
        match axes {
            Some(axes) if !axes.is_empty() => Ok(Some(axis_indices(&axes, rank)?)),
            _ if node.int("noop_with_empty_axes", 0)? != 0 => Ok(None),
            _ => Ok(Some((0..rank).collect())),
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
    fn host_inputs(&self, node: &Node) -> std::ops::Range<usize> {
        if node.opset < self.axes_input_since { 0..0 } else { 1..2 }
    }

    fn check(&self, node: &Node) -> Result<()> {
        let most = if node.opset >= self.axes_input_since { 2 } else { 1 };
        if node.inputs.is_empty() || node.inputs.len() > most || node.outputs.len() != 1 {
            return Err(Error::invalid_model(format!("{} inputs, {} outputs", node.inputs.len(), node.outputs.len())));
        }
        Ok(())
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs.first().copied().flatten() {
            Some(dtype @ (DType::F32 | DType::F16)) => Ok(vec![dtype]),
            Some(dtype @ (DType::I32 | DType::I64)) if self.op < 8 => Ok(vec![dtype]),
            Some(dtype) => Err(Error::unsupported(format!("input of type {dtype}"))),
            None => Err(Error::invalid_model("input 0 is missing")),
        }
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        let axes = self.axes(node, inputs)?.unwrap_or_default();
        Ok(vec![reduced_shape(shape, &axes, node.int("keepdims", 1)? != 0)])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        match self.axes(cx.node(), &cx.facts())? {
            // Nothing to reduce: only the terms' own function is left, which `reduce` applies to runs of one element.
            None => reduce(cx, self.op, &[], self.empty),
            Some(axes) => reduce(cx, self.op, &axes, self.empty),
        }
    }
}

struct Arg {
    op: u32,
}

impl Operator for Arg {
    fn check(&self, node: &Node) -> Result<()> {
        if node.inputs.len() != 1 || node.outputs.len() != 1 {
            return Err(Error::invalid_model(format!("{} inputs, {} outputs", node.inputs.len(), node.outputs.len())));
        }
        Ok(())
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs.first().copied().flatten() {
            Some(DType::F32 | DType::F16 | DType::I32 | DType::I64 | DType::I8 | DType::U8) => Ok(vec![DType::I64]),
            dtype => Err(Error::unsupported(format!("input of type {}", dtype.map_or("none", DType::name)))),
        }
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        let axis = axis_index(node.int("axis", 0)?, shape.len())?;
        Ok(vec![reduced_shape(shape, &[axis], node.int("keepdims", 1)? != 0)])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let rank = cx.input(0).map_or(0, |fact| fact.shape.len());
        let axis = axis_index(cx.node().int("axis", 0)?, rank)?;
        reduce(cx, self.op, &[axis], None)
    }
}

/// Reduces input 0 along `axes` into output 0.
fn reduce(cx: &mut Lowering<'_>, op: u32, axes: &[usize], empty: Option<f32>) -> Result<()> {
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
    if empty.is_none() && len.is_zero() {
        return Err(Error::shape("a reduction over no elements has no value"));
    }
    let rows = output.len();
    let (kept_size, kept_stride) = collapse(&kept, &[&kept_strides]);
    let (size, stride) = collapse(&shape, &[&strides]);
    let select_last = Size::from(u8::from(cx.node().int("select_last_index", 0)? != 0));
    let lists: [(&str, &[Size]); 4] = [
        ("kept_size", &words::<8>(&kept_size, 1)?),
        ("kept_stride", &words::<8>(&kept_stride[0], 0)?),
        ("size", &words::<8>(&size, 1)?),
        ("stride", &words::<8>(&stride[0], 0)?),
    ];
    let sizes = [("rows", rows), ("len", len), ("offset", view.offset)];
    let lanes = lanes(cx.target(), rows, len);
    let groups = row_groups(rows, lanes);
    let cost = Work { flops: view.len(), bytes: (view.len() + rows) * 4 };
    // Sums, products and norms of i64 may leave the range; the largest, the smallest and positions do not.
    if view.dtype == DType::I64 && matches!(op, 0 | 1 | 4..8) {
        let report = cx.check(ErrorKind::Overflow, OVERFLOW);
        return cx.emit(Emit {
            kernel: "reduce_integer",
            constants: &[("OP", f64::from(op)), ("LANES", f64::from(lanes))],
            groups,
            operands: &[view.buffer, output.buffer, report],
            params: params("reduce_integer", &sizes, &lists)?,
            cost,
        });
    }
    let own = [("select_last", select_last), ("infinity", bits(f32::INFINITY))];
    cx.emit(Emit {
        kernel: "reduce",
        constants: &[
            ("OP", f64::from(op)),
            ("LANES", f64::from(lanes)),
            ("INT", f64::from(u8::from(!view.dtype.is_float()))),
        ],
        groups,
        operands: &[view.buffer, output.buffer],
        params: params("reduce", &[&sizes[..], &own].concat(), &lists)?,
        cost,
    })
}
