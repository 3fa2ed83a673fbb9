//! Scaled dot-product attention, as the rewrite of its decomposed form gives it.

use bytemuck::{Pod, Zeroable};

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::repr::heap_bytes;
use crate::lower::{BufferId, DeviceClass, Emit, Lowering, View, collapse, word, words};
use crate::lower::{Cost, row_major};
use crate::tensor::{DType, checked_len};

use super::matmul::matmul_shape;
use super::{Entry, Operator, given};
use crate::lower::Fact;
use crate::lower::grid::linear_grid;

pub(super) const TABLE: &[Entry] = &[("fascine", "Attention", &Attention)];

/// Most batch dimensions, after merging, that the kernels take; operands with more are copied.
const BATCH_DIMS: usize = 4;

/// `softmax(q k^T * scale + mask) v`: inputs q, k, v, mask?; attributes `scale`, `k_transposed` (k is `[.., D, T]`) and
/// `nan_to_zero` (rows of which no key is left are 0, not NaN).
struct Attention;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    scale: f32,
    groups: u32,
    rows: u32,
    keys: u32,
    depth: u32,
    columns: u32,
    q_offset: u32,
    q_row: u32,
    q_depth: u32,
    k_offset: u32,
    k_key: u32,
    k_depth: u32,
    v_offset: u32,
    v_key: u32,
    v_column: u32,
    mask_offset: u32,
    mask_row: u32,
    mask_key: u32,
    output_row: u32,
    pad: u32,
    batch: [u32; 4],
    q_batch: [u32; 4],
    k_batch: [u32; 4],
    v_batch: [u32; 4],
    mask_batch: [u32; 4],
    output_batch: [u32; 4],
}

#[cfg(test)]
pub(super) const LAYOUTS: &[crate::ops::params::Layout] = &[
    crate::ops::params::layout!("attention", Params: scale, groups, rows, keys, depth, columns, q_offset, q_row, q_depth, k_offset, k_key, k_depth, v_offset, v_key, v_column, mask_offset, mask_row, mask_key, output_row, pad, batch, q_batch, k_batch, v_batch, mask_batch, output_batch),
    crate::ops::params::layout!("attention_lanes", LanesParams: scale, groups, rows, keys, depth, columns, q_offset, q_row, k_offset, k_key, v_offset, v_key, mask_offset, mask_row, mask_key, output_row, batch, q_batch, k_batch, v_batch, mask_batch, output_batch),
];

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct LanesParams {
    scale: f32,
    groups: u32,
    rows: u32,
    keys: u32,
    depth: u32,
    columns: u32,
    q_offset: u32,
    q_row: u32,
    k_offset: u32,
    k_key: u32,
    v_offset: u32,
    v_key: u32,
    mask_offset: u32,
    mask_row: u32,
    mask_key: u32,
    output_row: u32,
    batch: [u32; 4],
    q_batch: [u32; 4],
    k_batch: [u32; 4],
    v_batch: [u32; 4],
    mask_batch: [u32; 4],
    output_batch: [u32; 4],
}

/// The shape with its last two dimensions swapped.
fn swapped(shape: &[usize]) -> Vec<usize> {
    let mut shape = shape.to_vec();
    let rank = shape.len();
    if rank >= 2 {
        shape.swap(rank - 2, rank - 1);
    }
    shape
}

fn k_transposed(node: &Node) -> Result<bool> {
    Ok(node.int("k_transposed", 0)? != 0)
}

impl Operator for Attention {
    fn check(&self, node: &Node) -> Result<()> {
        if !(3..=4).contains(&node.inputs.len()) || node.outputs.len() != 1 {
            return Err(Error::invalid_model(format!("{} inputs, {} outputs", node.inputs.len(), node.outputs.len())));
        }
        node.float("scale", 1.0)?;
        k_transposed(node)?;
        node.int("nan_to_zero", 0).map(|_| ())
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::only_f32(inputs)
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let (q, k, v) = (given(inputs, 0)?, given(inputs, 1)?, given(inputs, 2)?);
        if [q, k, v].iter().any(|fact| fact.shape.len() < 2) {
            return Err(Error::shape("attention needs matrices"));
        }
        let k = if k_transposed(node)? { k.shape.clone() } else { swapped(&k.shape) };
        let scores = matmul_shape(&q.shape, &k)?;
        if let Some(mask) = inputs.get(3).copied().flatten()
            && super::broadcast::broadcast_shapes([mask.shape.as_slice(), &scores])? != scores
        {
            return Err(Error::shape(format!("the mask {:?} does not broadcast to {scores:?}", mask.shape)));
        }
        Ok(vec![matmul_shape(&scores, &v.shape)?])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = cx.output_fact(0).shape.clone();
        if checked_len(&shape) == Some(0) {
            cx.output(0);
            return Ok(());
        }
        let (q, mut k, v) = (cx.view(0)?, cx.view(1)?, cx.view(2)?);
        if k_transposed(cx.node())? {
            let rank = k.shape.len();
            let order: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
            k = k.permuted(&order);
        }
        let mask = cx.input(3).is_some().then(|| cx.view(3)).transpose()?;
        let output = output(cx, &shape)?;
        let mut problem = Problem::new(&shape, [q, k, v], mask, &output)?;
        if problem.batch.len() > BATCH_DIMS {
            problem = problem.materialised(cx, &shape, &output)?;
        }
        problem.emit(cx, output.buffer)
    }
}

/// The output with its rows outside the last batch dimension, `[.., rows, heads, columns]`: models swap the two next, and
/// then need no copy.
fn output(cx: &mut Lowering<'_>, shape: &[usize]) -> Result<View> {
    let rank = shape.len();
    if rank < 3 {
        return Ok(cx.output(0));
    }
    let mut lies = shape.to_vec();
    lies.swap(rank - 3, rank - 2);
    let mut strides = row_major(&lies);
    strides.swap(rank - 3, rank - 2);
    let buffer = cx.scratch(heap_bytes(shape)?);
    let view = View { strides, ..View::row_major(buffer, DType::F32, shape) };
    cx.alias(0, view.clone());
    Ok(view)
}

/// The operands with all batch dimensions: queries, keys, values, mask.
struct Problem {
    views: [View; 4],
    has_mask: bool,
    batch: Vec<usize>,
    /// Of the four views and the output.
    strides: Vec<Vec<usize>>,
    sizes: [usize; 4],
    output_row: usize,
}

impl Problem {
    fn new(shape: &[usize], [q, k, v]: [View; 3], mask: Option<View>, output: &View) -> Result<Problem> {
        let rank = shape.len();
        let batch = &shape[..rank - 2];
        let wide = |view: &View, last: &[usize]| view.broadcast(&[batch, last].concat());
        let matrix = |view: &View| [view.shape[view.shape.len() - 2], view.shape[view.shape.len() - 1]];
        let [rows, depth] = matrix(&q);
        let [keys, columns] = matrix(&v);
        let has_mask = mask.is_some();
        let mask = match &mask {
            Some(mask) => wide(mask, &[rows, keys])?,
            // Any buffer: it is not read.
            None => View { strides: vec![0; rank], ..wide(&q, &[rows, depth])? },
        };
        let views = [wide(&q, &[rows, depth])?, wide(&k, &[keys, depth])?, wide(&v, &[keys, columns])?, mask];
        let lists: Vec<&[usize]> = views.iter().chain([output]).map(|view| &view.strides[..rank - 2]).collect();
        let (batch, strides) = collapse(batch, &lists);
        let output_row = output.strides[rank - 2];
        Ok(Problem { views, has_mask, batch, strides, sizes: [rows, keys, depth, columns], output_row })
    }

    /// The same on row-major copies with every batch dimension expanded.
    fn materialised(self, cx: &mut Lowering<'_>, shape: &[usize], output: &View) -> Result<Problem> {
        let [q, k, v, mask] = self.views;
        let views = [cx.materialise(&q)?, cx.materialise(&k)?, cx.materialise(&v)?];
        let mask = self.has_mask.then(|| cx.materialise(&mask)).transpose()?;
        Problem::new(shape, views, mask, output)
    }

    fn cost(&self) -> Cost {
        let [rows, keys, depth, columns] = self.sizes;
        let batches: usize = self.batch.iter().product();
        let scores = rows * keys;
        let elements = rows * depth + keys * (depth + columns) + rows * columns + scores * usize::from(self.has_mask);
        Cost {
            flops: (batches * scores) as u64 * (2 * (depth + columns) + 12) as u64,
            bytes: 4 * (batches * elements) as u64,
        }
    }

    fn emit(self, cx: &mut Lowering<'_>, output: BufferId) -> Result<()> {
        let [rows, keys, depth, columns] = self.sizes;
        let batches: usize = self.batch.iter().product();
        let scale = cx.node().float("scale", 1.0)?;
        // A product over no keys is 0.
        let nan_to_zero = keys == 0 || cx.node().int("nan_to_zero", 0)? != 0;
        let flag = |flag| f64::from(u8::from(flag));
        let constants = [("MASK", flag(self.has_mask)), ("NAN_TO_ZERO", flag(nan_to_zero))];
        let operands = [self.views[0].buffer, self.views[1].buffer, self.views[2].buffer, self.views[3].buffer, output];
        let last = |view: &View| {
            let rank = view.strides.len();
            [view.strides[rank - 2], view.strides[rank - 1]]
        };
        let [[q_row, q_depth], [k_key, k_depth], [v_key, v_column], [mask_row, mask_key]] =
            [0, 1, 2, 3].map(|i| last(&self.views[i]));
        let offset = |i: usize| self.views[i].offset;
        let lanes = cx.target().class == DeviceClass::Cpu && cx.target().subgroup_size == 8 && self.in_fours();
        let unit = if lanes { 4 } else { 1 };
        let batch = words::<4>(&self.batch, 1)?;
        let mut distances = [[0; 4]; 5];
        for (i, strides) in self.strides.iter().enumerate() {
            let unit = if i == 3 { 1 } else { unit };
            let strides: Vec<usize> = strides.iter().map(|stride| stride / unit).collect();
            distances[i] = words::<4>(&strides, 0)?;
        }
        let [q_batch, k_batch, v_batch, mask_batch, output_batch] = distances;
        let cost = self.cost();
        if lanes {
            let groups = batches * rows.div_ceil(8) * columns.div_ceil(32);
            let params = LanesParams {
                scale,
                groups: word(groups)?,
                rows: word(rows)?,
                keys: word(keys)?,
                depth: word(depth / 4)?,
                columns: word(columns / 4)?,
                q_offset: word(offset(0) / 4)?,
                q_row: word(q_row / 4)?,
                k_offset: word(offset(1) / 4)?,
                k_key: word(k_key / 4)?,
                v_offset: word(offset(2) / 4)?,
                v_key: word(v_key / 4)?,
                mask_offset: word(offset(3))?,
                mask_row: word(mask_row)?,
                mask_key: word(mask_key)?,
                output_row: word(self.output_row / 4)?,
                batch,
                q_batch,
                k_batch,
                v_batch,
                mask_batch,
                output_batch,
            };
            let (grid, params) = (linear_grid(groups.div_ceil(8) as u64)?, bytemuck::bytes_of(&params));
            return cx.emit(Emit {
                kernel: "attention_lanes",
                constants: &constants,
                grid,
                operands: &operands,
                params,
                cost,
            });
        }
        let groups = batches * rows.div_ceil(4) * columns.div_ceil(64);
        let params = Params {
            scale,
            groups: word(groups)?,
            rows: word(rows)?,
            keys: word(keys)?,
            depth: word(depth)?,
            columns: word(columns)?,
            q_offset: word(offset(0))?,
            q_row: word(q_row)?,
            q_depth: word(q_depth)?,
            k_offset: word(offset(1))?,
            k_key: word(k_key)?,
            k_depth: word(k_depth)?,
            v_offset: word(offset(2))?,
            v_key: word(v_key)?,
            v_column: word(v_column)?,
            mask_offset: word(offset(3))?,
            mask_row: word(mask_row)?,
            mask_key: word(mask_key)?,
            output_row: word(self.output_row)?,
            pad: 0,
            batch,
            q_batch,
            k_batch,
            v_batch,
            mask_batch,
            output_batch,
        };
        let (grid, params) = (linear_grid(groups as u64)?, bytemuck::bytes_of(&params));
        cx.emit(Emit { kernel: "attention", constants: &constants, grid, operands: &operands, params, cost })
    }

    /// Whether queries, keys, values and output lie in whole vec4 along their last dimension.
    fn in_fours(&self) -> bool {
        let [rows, keys, depth, columns] = self.sizes;
        let fours = |values: &[usize]| values.iter().all(|v| v.is_multiple_of(4));
        fours(&[depth, columns, self.output_row])
            && keys > 0
            && (self.views[..3].iter().zip([rows, keys, keys])).all(|(view, outer)| {
                let rank = view.strides.len();
                fours(&[view.offset])
                    && view.strides[rank - 1] == 1
                    && (outer == 1 || view.strides[rank - 2].is_multiple_of(4))
            })
            && [0, 1, 2, 4].iter().all(|&i| fours(&self.strides[i]))
    }
}
