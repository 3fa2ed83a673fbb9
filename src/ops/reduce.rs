//! Reductions: `ReduceSum` and its kin, `ArgMax`, `ArgMin`.

use bytemuck::{Pod, Zeroable};

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Cost, collapse};
use crate::lower::{DeviceClass, Emit, Lowering, Target, word, words};
use crate::tensor::{DType, checked_len};

use super::broadcast::{axis_index, axis_indices};
use super::integer::OVERFLOW;
use super::{Entry, Operator};
use crate::lower::Fact;
use crate::lower::grid::{item_grid, linear_grid};

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
pub(super) fn lanes(target: &Target, rows: usize, len: usize) -> u32 {
    let shared = target.class == DeviceClass::Gpu && len >= 64 && rows < 1 << 16;
    if shared { 64 } else { 1 }
}

/// The grid for `rows` with that many invocations each.
pub(super) fn row_grid(rows: usize, lanes: u32) -> Result<[u32; 3]> {
    if lanes > 1 { linear_grid(rows as u64) } else { item_grid(rows as u64) }
}

#[cfg(test)]
pub(super) const LAYOUTS: &[crate::ops::params::Layout] = &[
    crate::ops::params::layout!("reduce", Params: rows, len, offset, select_last, infinity, pad, kept_size, kept_stride, size, stride),
    crate::ops::params::layout!("reduce_integer", IntegerParams: rows, len, offset, pad, kept_size, kept_stride, size, stride),
];

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    len: u32,
    offset: u32,
    select_last: u32,
    infinity: u32,
    pad: [u32; 3],
    kept_size: [u32; 8],
    kept_stride: [u32; 8],
    size: [u32; 8],
    stride: [u32; 8],
}

/// As [`Params`], for `reduce_integer`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct IntegerParams {
    rows: u32,
    len: u32,
    offset: u32,
    pad: u32,
    kept_size: [u32; 8],
    kept_stride: [u32; 8],
    size: [u32; 8],
    stride: [u32; 8],
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
        let rank = required(inputs, 0)?.shape.len();
        let axes: Option<Vec<i64>> = if node.opset >= self.axes_input_since {
            match inputs.get(1).copied().flatten() {
                None => None,
                Some(fact) => {
                    let value = fact.value.as_ref();
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

fn required<'a>(inputs: &[Option<&'a Fact>], k: usize) -> Result<&'a Fact> {
    inputs.get(k).copied().flatten().ok_or_else(|| Error::invalid_model(format!("input {k} is missing")))
}

fn reduced_shape(shape: &[usize], axes: &[usize], keep: bool) -> Vec<usize> {
    (shape.iter().enumerate())
        .filter(|(axis, _)| keep || !axes.contains(axis))
        .map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size })
        .collect()
}

impl Operator for Reduce {
    fn check(&self, node: &Node) -> Result<()> {
        let most = if node.opset >= self.axes_input_since { 2 } else { 1 };
        if node.inputs.is_empty() || node.inputs.len() > most || node.outputs.len() != 1 {
            return Err(Error::invalid_model(format!("{} inputs, {} outputs", node.inputs.len(), node.outputs.len())));
        }
        Ok(())
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs.first().copied().flatten() {
            Some(dtype @ DType::F32) => Ok(vec![dtype]),
            Some(dtype @ (DType::I32 | DType::I64)) if self.op < 8 => Ok(vec![dtype]),
            Some(dtype) => Err(Error::unsupported(format!("input of type {dtype}"))),
            None => Err(Error::invalid_model("input 0 is missing")),
        }
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let shape = &required(inputs, 0)?.shape;
        let axes = self.axes(node, inputs)?.unwrap_or_default();
        Ok(vec![reduced_shape(shape, &axes, node.int("keepdims", 1)? != 0)])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let facts: Vec<Option<Fact>> = (0..cx.inputs()).map(|k| cx.input(k).cloned()).collect();
        let facts: Vec<Option<&Fact>> = facts.iter().map(Option::as_ref).collect();
        match self.axes(cx.node(), &facts)? {
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
            Some(DType::F32 | DType::I32 | DType::I64 | DType::I8 | DType::U8) => Ok(vec![DType::I64]),
            dtype => Err(Error::unsupported(format!("input of type {}", dtype.map_or("none", DType::name)))),
        }
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let shape = &required(inputs, 0)?.shape;
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
    let split = |reduced: bool| -> (Vec<usize>, Vec<usize>) {
        (0..view.shape.len())
            .filter(|axis| axes.contains(axis) == reduced)
            .map(|axis| (view.shape[axis], view.strides[axis]))
            .unzip()
    };
    let ((kept, kept_strides), (shape, strides)) = (split(false), split(true));
    let len = checked_len(&shape).ok_or_else(|| Error::shape("the reduced dimensions overflow"))?;
    if len == 0 && empty.is_none() {
        return Err(Error::shape("a reduction over no elements has no value"));
    }
    let rows = output.len();
    let (kept_size, kept_stride) = collapse(&kept, &[&kept_strides]);
    let (size, stride) = collapse(&shape, &[&strides]);
    let params = Params {
        rows: word(rows)?,
        len: word(len)?,
        offset: word(view.offset)?,
        select_last: u32::from(cx.node().int("select_last_index", 0)? != 0),
        infinity: f32::INFINITY.to_bits(),
        pad: [0; 3],
        kept_size: words(&kept_size, 1)?,
        kept_stride: words(&kept_stride[0], 0)?,
        size: words(&size, 1)?,
        stride: words(&stride[0], 0)?,
    };
    let lanes = lanes(cx.target(), rows, len);
    // Sums, products and norms of i64 may leave the range; the largest, the smallest and positions do not.
    if view.dtype == DType::I64 && matches!(op, 0 | 1 | 4..8) {
        let Params { rows, len, offset, kept_size, kept_stride, size, stride, .. } = params;
        let params = IntegerParams { rows, len, offset, pad: 0, kept_size, kept_stride, size, stride };
        let report = cx.check(OVERFLOW);
        return cx.emit(Emit {
            kernel: "reduce_integer",
            constants: &[("OP", f64::from(op)), ("LANES", f64::from(lanes))],
            grid: row_grid(output.len(), lanes)?,
            operands: &[view.buffer, output.buffer, report],
            params: bytemuck::bytes_of(&params),
            cost: Cost { flops: view.len() as u64, bytes: 4 * (view.len() + output.len()) as u64 },
        });
    }
    cx.emit(Emit {
        kernel: "reduce",
        constants: &[
            ("OP", f64::from(op)),
            ("LANES", f64::from(lanes)),
            ("INT", f64::from(u8::from(view.dtype != DType::F32))),
        ],
        grid: row_grid(rows, lanes)?,
        operands: &[view.buffer, output.buffer],
        params: bytemuck::bytes_of(&params),
        cost: Cost { flops: view.len() as u64, bytes: 4 * (view.len() + rows) as u64 },
    })
}
