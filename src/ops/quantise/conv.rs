//! <https://onnx.ai/onnx/operators/onnx__ConvInteger.html> and QLinearConv: products of windows, laid out as rows, with the weights.

use super::product::{
    Product, Rows, Side, byte, flip, on_subgroups, rows, rows_bytes, shift, signed_bytes, unsigned_flip,
    unsigned_shift, vectors, zero_point,
};
use super::steps::{Scaled, range, requantise};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::storage::Storage;
use crate::lower::{BufferId, Emit, Fact, Lowering, View, Work, params};
use crate::ops::conv::{Conv, Geometry, SubgroupTiles, in_tiles};
use crate::ops::elementwise::program::{Program, Ref, Step};
use crate::ops::elementwise::{Code, emit_program};
use crate::ops::window::{window_sizes, window_vectors};
use crate::ops::{Operator, check_arity, given};
use crate::size::{Size, is_empty, presumed};
use crate::tensor::DType;

/// Which inputs are what.
#[derive(Clone, Copy, Debug)]
struct Places {
    x: usize,
    w: usize,
    x_zero: usize,
    w_zero: usize,
}

const INTEGER: Places = Places { x: 0, w: 1, x_zero: 2, w_zero: 3 };
const LINEAR: Places = Places { x: 0, w: 3, x_zero: 2, w_zero: 5 };

/// A number for each output channel, so that it broadcasts to the output; one number as it is.
fn by_channels(view: View, axes: usize) -> View {
    let Some((&size, &stride)) = view.shape.first().zip(view.strides.first()) else { return view };
    let (mut shape, mut strides) = (vec![Size::ONE; axes + 1], vec![Size::ZERO; axes + 1]);
    (shape[0], strides[0]) = (size, stride);
    View { shape, strides, ..view }
}

impl Places {
    fn dtypes(self, inputs: &[Option<DType>]) -> Result<()> {
        for (i, zero, name) in [(self.x, self.x_zero, "input"), (self.w, self.w_zero, "weight")] {
            let given = |i: usize| inputs.get(i).copied().flatten();
            let dtype = given(i).ok_or_else(|| Error::invalid_model(format!("input {i} is missing")))?;
            byte(dtype, name)?;
            if let Some(zero) = given(zero).filter(|&zero| zero != dtype) {
                return Err(Error::invalid_model(format!("the {name}'s zero point is {zero}, not {dtype}")));
            }
        }
        Ok(())
    }

    fn geometry(self, conv: &Conv, inputs: &[Option<&Fact>]) -> Result<Geometry> {
        Geometry::new(conv, &given(inputs, self.x)?.shape, &given(inputs, self.w)?.shape)
    }

    /// The output's shape. Inputs at `tensor` must be one number, those at `channel` may be one for each output channel.
    fn shapes(self, conv: &Conv, inputs: &[Option<&Fact>], tensor: &[usize], channel: &[usize]) -> Result<Vec<Size>> {
        let geometry = self.geometry(conv, inputs)?;
        let channels = geometry.channels_out();
        let one = |shape: &[Size]| shape.iter().all(|size| size.known() == Some(1)) && shape.len() < 2;
        for (list, many) in [(tensor, false), (channel, true)] {
            for fact in list.iter().filter_map(|&i| inputs.get(i).copied().flatten()) {
                let shape = &fact.shape;
                let each = many && shape.len() == 1 && presumed(|| shape[0] == channels);
                if !one(shape) && !each {
                    let what = if many { "one number or one for each output channel" } else { "one number" };
                    return Err(Error::shape(format!("a scale or zero point {shape:?} that is not {what}")));
                }
            }
        }
        Ok(geometry.output_shape())
    }

    /// Emits the exact sums into `result`, words of i32 of the output's shape.
    fn product(self, cx: &mut Lowering<'_>, conv: &Conv, result: BufferId) -> Result<()> {
        let geometry = self.geometry(conv, &cx.facts())?;
        let (x_dtype, w_dtype) = (given(&cx.facts(), self.x)?.dtype, given(&cx.facts(), self.w)?.dtype);
        let Geometry { images, groups, group_out, .. } = geometry;
        let (depth, pixels) = (geometry.depth(), geometry.pixels());
        if depth.is_zero() {
            return Err(Error::unsupported("a convolution without any input element"));
        }
        if self.subgroup(cx, &geometry, result)? {
            return Ok(());
        }
        let zero = zero_point(cx, self.x_zero, &[Size::ONE; 1], one)?;
        let windows = self.windows(cx, &geometry, &zero)?;
        let weight = rows(cx, self.w, "channels", |view| View {
            shape: vec![groups * group_out, depth],
            strides: vec![depth, Size::ONE],
            ..view
        })?;
        let batch = vec![images, groups];
        let still = View { shape: vec![images, groups, pixels], strides: vec![Size::ZERO; 3], ..zero };
        let channel = zero_point(cx, self.w_zero, &[groups * group_out], |view| view)?;
        let step = channel.strides[0];
        let strides = vec![Size::ZERO, step * group_out, step];
        let channel = View { shape: vec![images, groups, group_out], strides, ..channel };
        let left = Side { rows: windows, dtype: x_dtype, batch: vec![groups * pixels, pixels], zero: still };
        let right = Side { rows: weight, dtype: w_dtype, batch: vec![Size::ZERO, group_out], zero: channel };
        let strides = [Size::ONE, pixels];
        Product { batch, rows: pixels, columns: group_out, depth, left, right, result, strides, scaled: None }.emit(cx)
    }

    /// Emits `conv_integer_subgroup` where it suits the device and the convolution.
    fn subgroup(self, cx: &mut Lowering<'_>, geometry: &Geometry, result: BufferId) -> Result<bool> {
        let g = geometry;
        let suits = g.spatial.len() < 3 && (g.group_in > 1 || g.groups == 1) && cx.constant(self.w).is_some();
        if !on_subgroups(cx) || !suits {
            return Ok(false);
        }
        let stored = cx.stored(self.x)?;
        if stored.storage == Storage::Word || !stored.offset.is_zero() || !stored.is_row_major() {
            return Ok(false);
        }
        let (x_dtype, w_dtype) = (stored.dtype, given(&cx.facts(), self.w)?.dtype);
        let zero = zero_point(cx, self.x_zero, &[Size::ONE; 1], one)?;
        let channel = zero_point(cx, self.w_zero, &[g.channels_out()], |view| view)?;
        let weight = cx.packed(self.w, "conv_integer_subgroup", |tensor| Ok(in_tiles(&signed_bytes(tensor)?, g)))?;
        let SubgroupTiles { window, grid, sizes } = g.subgroup_tiles();
        let own = [
            ("flip", unsigned_flip(x_dtype)),
            ("input_shift", Size::from(unsigned_shift(x_dtype))),
            ("weight_shift", Size::from(shift(w_dtype))),
            ("input_zero_offset", zero.offset),
            ("weight_zero_offset", channel.offset),
            ("weight_zero_channel", channel.strides[0]),
        ];
        let numbers = [&sizes[..], &own, &window_sizes(&g.rows, &g.columns)].concat();
        let outputs = g.images * g.channels_out() * g.pixels();
        let bytes = stored.bytes() + g.channels_out() * g.depth() + outputs * 4;
        cx.emit(Emit {
            kernel: "conv_integer_subgroup",
            constants: &[("WINDOW", f64::from(u8::from(window)))],
            groups: grid,
            operands: &[stored.buffer, weight, zero.buffer, channel.buffer, result],
            params: params("conv_integer_subgroup", &numbers, &[])?,
            cost: Work { flops: outputs * g.depth() * 2, bytes },
        })?;
        Ok(true)
    }

    /// The windows as rows of signed bytes: by image, group and pixel.
    fn windows(self, cx: &mut Lowering<'_>, geometry: &Geometry, zero: &View) -> Result<Rows> {
        let stored = cx.stored(self.x)?;
        let plain = stored.offset.is_zero() && stored.is_row_major();
        let x = if plain { stored } else { cx.contiguous(self.x)? };
        let (depth, pixels) = (geometry.depth(), geometry.pixels());
        let count = geometry.images * geometry.groups * pixels;
        let items = count * vectors(depth);
        let buffer = cx.scratch(rows_bytes(count, depth).max(16));
        let numbers = [
            ("items", items),
            ("vectors", vectors(depth)),
            ("channels", geometry.group_in),
            ("depth", depth),
            ("packed", Size::from(u8::from(x.storage != Storage::Word))),
            ("flip", flip(x.dtype)),
            ("zero_offset", zero.offset),
        ];
        let vectors = window_vectors(&[geometry.planes, geometry.rows, geometry.columns]);
        let lists: Vec<(&str, &[Size])> = vectors.iter().map(|(name, vector)| (*name, vector.as_slice())).collect();
        cx.emit(Emit {
            kernel: "pack_windows",
            constants: &[],
            groups: item_groups(items),
            operands: &[x.buffer, zero.buffer, buffer],
            params: params("pack_windows", &numbers, &lists)?,
            cost: Work { flops: Size::ZERO, bytes: x.bytes() + rows_bytes(count, depth) },
        })?;
        Ok(Rows::signed(buffer))
    }
}

/// One number as a vector.
fn one(view: View) -> View {
    View { shape: Vec::new(), strides: Vec::new(), ..view }
}

/// <https://onnx.ai/onnx/operators/onnx__ConvInteger.html>: x `[n, c, (d, (h,)) w]` and w `[m, c / groups, kernel..]` of u8 or i8, zero points? for
/// x and for w or each of its output channels. Gives i32.
#[derive(Debug)]
pub(super) struct ConvInteger(Conv);

impl ConvInteger {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 2..=4, 1..=1)?;
        Ok(ConvInteger(Conv::parse(node, 4)?))
    }
}

impl Operator for ConvInteger {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        INTEGER.dtypes(inputs)?;
        Ok(vec![DType::I32])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![INTEGER.shapes(&self.0, inputs, &[2], &[3])?])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        if is_empty(&output.shape) { Ok(()) } else { INTEGER.product(cx, &self.0, output.buffer) }
    }
}

/// <https://onnx.ai/onnx/operators/onnx__QLinearConv.html>: as [`ConvInteger`], with scales of f32 shaped as the zero points, scale and zero point of
/// the result, and a bias? of i32 for each output channel that is added to the sums. The quotient is rounded before the zero point is added.
#[derive(Debug)]
pub(super) struct QLinearConv(Conv);

/// The input that is QLinearConv's bias.
const BIAS: usize = 8;

impl QLinearConv {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 8..=9, 1..=1)?;
        Ok(QLinearConv(Conv::parse(node, 9)?))
    }
}

impl Operator for QLinearConv {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        LINEAR.dtypes(inputs)?;
        let given = |i: usize| inputs.get(i).copied().flatten();
        for (i, wanted) in [(1, DType::F32), (4, DType::F32), (6, DType::F32), (BIAS, DType::I32)] {
            match given(i) {
                Some(dtype) if dtype != wanted => {
                    return Err(Error::invalid_model(format!("input {i} is {dtype}, not {wanted}")));
                }
                None if i != BIAS => return Err(Error::invalid_model(format!("input {i} is missing"))),
                _ => {}
            }
        }
        let result = given(7).ok_or_else(|| Error::invalid_model("input 7 is missing"))?;
        range(result)?;
        Ok(vec![result])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = LINEAR.shapes(&self.0, inputs, &[1, 2, 6, 7], &[4, 5])?;
        if let Some(bias) = inputs.get(BIAS).copied().flatten()
            && !(bias.shape.len() == 1 && presumed(|| bias.shape[0] == shape[1]))
        {
            return Err(Error::shape(format!(
                "the bias {:?} is not one number for each of {} channels",
                bias.shape, shape[1]
            )));
        }
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.resting_output(0);
        if is_empty(&output.shape) {
            return Ok(());
        }
        let mut sums = cx.words(DType::I32, &output.shape)?;
        LINEAR.product(cx, &self.0, sums.buffer)?;
        let axes = output.shape.len() - 2;
        if cx.input(BIAS).is_some() {
            let bias = by_channels(cx.view(BIAS)?, axes);
            let biased = cx.words(DType::I32, &output.shape)?;
            let step = Step { code: Code::AddI, args: vec![Ref::Input(0), Ref::Input(1)] };
            let program = Program { inputs: 2, steps: vec![step], constants: Vec::new(), dtype: DType::I32 };
            emit_program(cx, &program, &[sums, bias], &biased)?;
            sums = biased;
        }
        let scaled = Scaled { scales: [(1, &one), (4, &|view| by_channels(view, axes))], scale: 6, zero: 7 };
        requantise(cx, sums, &scaled, &output)
    }
}
