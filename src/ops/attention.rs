//! Scaled dot-product attention, as the rewrite of its decomposed form gives it.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{
    BufferId, DeviceClass, Emit, Fact, Lowering, View, Work, bits, collapse, params, rounding, row_major, words,
};
use crate::size::Size;
use crate::tensor::DType;

use super::broadcast::broadcasts_to;
use super::matmul::matmul_shape;
use super::{Entry, Operator, check_arity, given, operator};

pub(super) const TABLE: &[Entry] = &[("fascine", "Attention", |node| operator(Attention::parse(node)))];

/// Most batch dimensions, after merging, that the kernels take; operands with more are copied.
const BATCH_DIMS: usize = 4;

/// `softmax(q k^T * scale + mask) v`: inputs q, k, v, mask?; attributes `scale`, `k_transposed` (k is `[.., D, T]`),
/// `nan_to_zero` (rows of which no key is left are 0, not NaN), `masked_to_zero` (rows whose mask is -inf throughout are 0) and
/// `groups` (so many heads of q, its dimension before the last two, take the same head of k and v). In half precision each of its steps is
/// rounded, as an operator's result.
#[derive(Debug)]
struct Attention {
    scale: f32,
    k_transposed: bool,
    nan_to_zero: bool,
    masked_to_zero: bool,
    groups: usize,
}

impl Attention {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 3..=4, 1..=1)?;
        let groups = node.int("groups", 1)?;
        Ok(Attention {
            scale: node.float("scale", 1.0)?,
            k_transposed: node.int("k_transposed", 0)? != 0,
            nan_to_zero: node.int("nan_to_zero", 0)? != 0,
            masked_to_zero: node.int("masked_to_zero", 0)? != 0,
            groups: usize::try_from(groups)
                .ok()
                .filter(|&groups| groups > 0)
                .ok_or_else(|| Error::invalid_model(format!("{groups} heads of queries for each of keys")))?,
        })
    }

    /// The shape of keys or values with a head for each of the queries'.
    fn repeated(&self, shape: &[Size]) -> Result<Vec<Size>> {
        let mut shape = shape.to_vec();
        match shape.len().checked_sub(3) {
            Some(heads) => shape[heads] *= self.groups,
            None if self.groups > 1 => return Err(Error::shape("groups of heads, but no heads")),
            None => {}
        }
        Ok(shape)
    }
}

/// The shape with its last two dimensions swapped.
fn swapped(shape: &[Size]) -> Vec<Size> {
    let mut shape = shape.to_vec();
    let rank = shape.len();
    if rank >= 2 {
        shape.swap(rank - 2, rank - 1);
    }
    shape
}

impl Operator for Attention {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (q, k, v) = (given(inputs, 0)?, given(inputs, 1)?, given(inputs, 2)?);
        if [q, k, v].iter().any(|fact| fact.shape.len() < 2) {
            return Err(Error::shape("attention needs matrices"));
        }
        let v = self.repeated(&v.shape)?;
        let k = self.repeated(&k.shape)?;
        let k = if self.k_transposed { k } else { swapped(&k) };
        let scores = matmul_shape(&q.shape, &k)?;
        if let Some(mask) = inputs.get(3).copied().flatten()
            && !broadcasts_to(&mask.shape, &scores)
        {
            return Err(Error::shape(format!("the mask {:?} does not broadcast to {scores:?}", mask.shape)));
        }
        Ok(vec![matmul_shape(&scores, &v)?])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = cx.output_fact(0).shape.clone();
        if cx.output_fact(0).is_empty() {
            cx.output(0);
            return Ok(());
        }
        let (q, mut k, v) = (cx.view(0)?, cx.view(1)?, cx.view(2)?);
        if self.k_transposed {
            let rank = k.shape.len();
            let order: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
            k = k.permuted(&order);
        }
        let mask = cx.input(3).is_some().then(|| cx.view(3)).transpose()?;
        let output = output(cx, &shape)?;
        let (output, [q, k, v], mask) = self.grouped(output, [q, k, v], mask)?;
        let mut problem = Problem::new(&output.shape, [q, k, v], mask, &output)?;
        if problem.batch.len() > BATCH_DIMS {
            problem = problem.materialised(cx, &output)?;
        }
        problem.emit(cx, self, output.buffer)
    }
}

impl Attention {
    /// Output, operands and mask with a dimension for the queries' heads of each of keys, if these are several.
    fn grouped(
        &self,
        output: View,
        [q, k, v]: [View; 3],
        mask: Option<View>,
    ) -> Result<(View, [View; 3], Option<View>)> {
        if self.groups == 1 {
            return Ok((output, [q, k, v], mask));
        }
        let last = |view: &View| view.shape[view.shape.len() - 2..].to_vec();
        let heads = &output.shape[..output.shape.len() - 2];
        let [rows, keys] = [last(&q), last(&v)].map(|matrix| matrix[0]);
        let wide = |view: &View, matrix: &[Size]| Ok(self.by_group(&view.broadcast(&[heads, matrix].concat())?));
        let mask = mask.map(|mask| wide(&mask, &[rows, keys])).transpose()?;
        let operands = [wide(&q, &last(&q))?, self.shared(&k), self.shared(&v)];
        Ok((self.by_group(&output), operands, mask))
    }

    /// The heads of queries as heads of keys and the queries' heads of each.
    fn by_group(&self, view: &View) -> View {
        let heads = view.shape.len() - 3;
        let mut view = view.clone();
        view.shape[heads] = view.shape[heads] / self.groups;
        view.shape.insert(heads + 1, Size::from(self.groups));
        view.strides.insert(heads, view.strides[heads] * self.groups);
        view
    }

    /// Keys or values, each head for so many of queries.
    fn shared(&self, view: &View) -> View {
        let heads = view.shape.len() - 3;
        let mut view = view.clone();
        view.shape.insert(heads + 1, Size::from(self.groups));
        view.strides.insert(heads + 1, Size::ZERO);
        view
    }
}

/// The output with its rows outside the last batch dimension, `[.., rows, heads, columns]`: models swap the two next, and
/// then need no copy.
fn output(cx: &mut Lowering<'_>, shape: &[Size]) -> Result<View> {
    let rank = shape.len();
    if rank < 3 {
        let view = cx.output(0);
        return Ok(cx.rounded(view));
    }
    let mut lies = shape.to_vec();
    lies.swap(rank - 3, rank - 2);
    let mut strides = row_major(&lies);
    strides.swap(rank - 3, rank - 2);
    let dtype = cx.output_fact(0).dtype;
    let view = View { strides, ..cx.words(dtype, shape)? };
    let view = cx.rounded(view);
    cx.alias(0, view.clone());
    Ok(view)
}

/// The operands with all batch dimensions: queries, keys, values, mask.
struct Problem {
    views: [View; 4],
    has_mask: bool,
    batch: Vec<Size>,
    /// Of the four views and the output.
    strides: Vec<Vec<Size>>,
    sizes: [Size; 4],
    output_row: Size,
}

impl Problem {
    fn new(shape: &[Size], [q, k, v]: [View; 3], mask: Option<View>, output: &View) -> Result<Problem> {
        let rank = shape.len();
        let batch = &shape[..rank - 2];
        let wide = |view: &View, last: &[Size]| view.broadcast(&[batch, last].concat());
        let matrix = |view: &View| [view.shape[view.shape.len() - 2], view.shape[view.shape.len() - 1]];
        let [rows, depth] = matrix(&q);
        let [keys, columns] = matrix(&v);
        let has_mask = mask.is_some();
        let mask = match &mask {
            Some(mask) => wide(mask, &[rows, keys])?,
            // Any buffer: it is not read.
            None => View { strides: vec![Size::ZERO; rank], ..wide(&q, &[rows, depth])? },
        };
        let views = [wide(&q, &[rows, depth])?, wide(&k, &[keys, depth])?, wide(&v, &[keys, columns])?, mask];
        let lists: Vec<&[Size]> = views.iter().chain([output]).map(|view| &view.strides[..rank - 2]).collect();
        let (batch, strides) = collapse(batch, &lists);
        let output_row = output.strides[rank - 2];
        Ok(Problem { views, has_mask, batch, strides, sizes: [rows, keys, depth, columns], output_row })
    }

    /// The same on row-major copies with every batch dimension expanded.
    fn materialised(self, cx: &mut Lowering<'_>, output: &View) -> Result<Problem> {
        let [q, k, v, mask] = self.views;
        let views = [cx.materialise(&q)?, cx.materialise(&k)?, cx.materialise(&v)?];
        let mask = self.has_mask.then(|| cx.materialise(&mask)).transpose()?;
        Problem::new(&output.shape, views, mask, output)
    }

    fn cost(&self) -> Work {
        let [rows, keys, depth, columns] = self.sizes;
        let batches: Size = self.batch.iter().product();
        let scores = rows * keys;
        let elements = rows * depth + keys * (depth + columns) + rows * columns + scores * usize::from(self.has_mask);
        Work::of_words(batches * scores * ((depth + columns) * 2 + 12), batches * elements)
    }

    fn emit(self, cx: &mut Lowering<'_>, attention: &Attention, output: BufferId) -> Result<()> {
        let [rows, keys, depth, columns] = self.sizes;
        let batches: Size = self.batch.iter().product();
        let scale = bits(attention.scale);
        // A product over no keys is 0.
        let nan_to_zero = u8::from(keys.is_zero() || attention.nan_to_zero);
        let masked_to_zero = u8::from(attention.masked_to_zero && self.has_mask);
        let operands = [self.views[0].buffer, self.views[1].buffer, self.views[2].buffer, self.views[3].buffer, output];
        let last = |view: &View| {
            let rank = view.strides.len();
            [view.strides[rank - 2], view.strides[rank - 1]]
        };
        let [[q_row, q_depth], [k_key, k_depth], [v_key, v_column], [mask_row, mask_key]] =
            [0, 1, 2, 3].map(|i| last(&self.views[i]));
        let [q_offset, k_offset, v_offset, mask_offset] = [0, 1, 2, 3].map(|i| self.views[i].offset);
        let subgroups = cx.target().class == DeviceClass::Cpu && cx.target().subgroup_size == 8 && self.in_fours();
        // The kernel for subgroups counts in vectors of four, but for the mask.
        let unit = if subgroups { 4 } else { 1 };
        let mut distances = [[Size::ZERO; 4]; 5];
        for (i, strides) in self.strides.iter().enumerate() {
            let unit = if i == 3 { 1 } else { unit };
            let strides: Vec<Size> = strides.iter().map(|&stride| stride / unit).collect();
            distances[i] = words::<4>(&strides, 0)?;
        }
        let [q_batch, k_batch, v_batch, mask_batch, output_batch] = distances;
        let batch = words::<4>(&self.batch, 1)?;
        let lists: [(&str, &[Size]); 6] = [
            ("batch", &batch),
            ("q_batch", &q_batch),
            ("k_batch", &k_batch),
            ("v_batch", &v_batch),
            ("mask_batch", &mask_batch),
            ("output_batch", &output_batch),
        ];
        let (row_tile, column_tile) = if subgroups { (8, 32) } else { (4, 64) };
        let tiles = batches * rows.div_ceil(row_tile) * columns.div_ceil(column_tile);
        let numbers = [
            ("scale", scale),
            ("has_mask", Size::from(u8::from(self.has_mask))),
            ("nan_to_zero", Size::from(nan_to_zero)),
            ("masked_to_zero", Size::from(masked_to_zero)),
            ("groups", tiles),
            ("rows", rows),
            ("keys", keys),
            ("depth", depth / unit),
            ("columns", columns / unit),
            ("q_offset", q_offset / unit),
            ("q_row", q_row / unit),
            ("k_offset", k_offset / unit),
            ("k_key", k_key / unit),
            ("v_offset", v_offset / unit),
            ("v_key", v_key / unit),
            ("mask_offset", mask_offset),
            ("mask_row", mask_row),
            ("mask_key", mask_key),
            ("output_row", self.output_row / unit),
        ];
        let (kernel, groups, params) = if subgroups {
            ("attention_subgroup", tiles.div_ceil(8), params("attention_subgroup", &numbers, &lists)?)
        } else {
            let inner = [("q_depth", q_depth), ("k_depth", k_depth), ("v_column", v_column)];
            ("attention", tiles, params("attention", &[&numbers[..], &inner].concat(), &lists)?)
        };
        let constants = &[rounding(cx.output_fact(0).dtype)];
        cx.emit(Emit { kernel, constants, groups, operands: &operands, params, cost: self.cost() })
    }

    /// Whether everything lies in vectors of four.
    fn in_fours(&self) -> bool {
        let [rows, keys, depth, columns] = self.sizes;
        let fours = |values: &[Size]| values.iter().all(|v| v.is_multiple_of(4));
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
