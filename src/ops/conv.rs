//! Convolution over up to three axes, alone or with bias, residual and an elementwise program.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::storage::Storage;
use crate::lower::{BufferId, DeviceClass, Emit, Fact, Lowering, WeightForm, Work, bits, params};
use crate::size::{Size, agree, is_empty, presumed};
use crate::tensor::{DType, Tensor};

use super::elementwise::Epilogue;
use super::tiles::{Grid, Sums};
use super::window::{Axis, Rounding, Window, planes_rows_columns, window_sizes, window_vectors};
use super::{Entry, Operator, check_inputs, operator};
use crate::lower::tuning::Tiled;

/// The operators of this file.
pub(super) const TABLE: &[Entry] =
    &[("", "Conv", |node| operator(Conv::parse(node, 3))), ("fascine", "Conv", |node| operator(Conv::parse(node, 4)))];

/// Output channels that weights are packed for: those of a subgroup in `conv_subgroup`.
const TILE: usize = 32;

/// <https://onnx.ai/onnx/operators/onnx__Conv.html>: x `[n, c, (d, (h,)) w]`, w `[m, c / groups, kernel..]`, bias? `[m]`, and for
/// the fused operator residual?, which has the output's shape `[n, m, ..]`.
#[derive(Debug)]
pub(super) struct Conv {
    groups: i64,
    window: Window,
    epilogue: Epilogue,
}

impl Conv {
    pub(super) fn parse(node: &Node, most: usize) -> Result<Self> {
        check_inputs(node, 2..=most)?;
        let groups = node.int("group", 1)?;
        if groups < 1 {
            return Err(Error::invalid_model("attribute 'group' is not positive"));
        }
        Ok(Conv { groups, epilogue: Epilogue::of(node)?, window: Window::parse(node)? })
    }
}

impl Operator for Conv {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = |i: usize| inputs.get(i).copied().flatten().map(|fact| fact.shape.as_slice());
        let (Some(input), Some(weight)) = (shape(0), shape(1)) else {
            return Err(Error::invalid_model("input or weight is missing"));
        };
        let geometry = Geometry::new(self, input, weight)?;
        if shape(2).is_some_and(|bias| bias.len() != 1 || !presumed(|| bias[0] == geometry.channels_out())) {
            return Err(Error::shape(format!("the bias is not of shape [{}]", geometry.channels_out())));
        }
        let output = geometry.output_shape();
        if shape(3).is_some_and(|residual| !agree(residual, &output)) {
            return Err(Error::shape(format!("the residual is not of shape {output:?}")));
        }
        Ok(vec![output])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = |i: usize| cx.input(i).map(|fact| fact.shape.clone());
        let (Some(input), Some(weight)) = (shape(0), shape(1)) else {
            return Err(Error::invalid_model("input or weight is missing"));
        };
        let geometry = Geometry::new(self, &input, &weight)?;
        if is_empty(&geometry.output_shape()) {
            cx.output(0);
            return Ok(());
        }
        if geometry.group_in.is_zero() || geometry.spatial.iter().any(|axis| axis.input.is_zero()) {
            return Err(Error::unsupported("a convolution without any input element"));
        }
        let input = cx.contiguous(0)?.buffer;
        let bias = match cx.input(2) {
            Some(_) => cx.contiguous(2)?.buffer,
            None => {
                let zeros = Tensor::zeros(DType::F32, [geometry.channels_out().pin()])?;
                cx.constant_bytes(Storage::Word.encode(&zeros)?)?
            }
        };
        let residual = cx.input(3).is_some().then(|| cx.contiguous(3)).transpose()?.map(|view| view.buffer);
        let output = cx.output(0);
        let output = cx.rounded(output).buffer;
        let epilogue = self.epilogue.rounding(cx.output_fact(0).dtype);
        let run = Run { input, bias, residual, output, epilogue: &epilogue, geometry };
        if run.geometry.spatial.len() == 3 {
            return run.volume(cx);
        }
        let subgroups = cx.target().class == DeviceClass::Cpu && cx.target().subgroup_size == 8;
        if run.geometry.group_in == 1 && run.geometry.groups > 1 {
            run.depthwise(cx, subgroups)
        } else if subgroups && cx.constant(1).is_some() {
            run.subgroup(cx)
        } else {
            run.tile(cx)
        }
    }
}

/// Sizes of a convolution.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    pub(super) images: Size,
    pub(super) groups: Size,
    /// Input channels of one group.
    pub(super) group_in: Size,
    /// Output channels of one group.
    pub(super) group_out: Size,
    pub(super) spatial: Vec<Axis>,
    pub(super) planes: Axis,
    pub(super) rows: Axis,
    pub(super) columns: Axis,
}

impl Geometry {
    pub(super) fn new(conv: &Conv, input: &[Size], weight: &[Size]) -> Result<Self> {
        let wrong = |what: &str| Error::shape(format!("{what}: input {input:?}, weight {weight:?}"));
        let (&[images, channels_in, ref size @ ..], &[channels_out, group_in, ref kernel @ ..]) = (input, weight)
        else {
            return Err(wrong("convolution needs a batch and channels"));
        };
        if size.len() != kernel.len() {
            return Err(wrong("ranks differ"));
        }
        if conv.window.kernel.as_ref().is_some_and(|k| {
            let stated: Vec<Size> = k.iter().map(|&v| Size::from(v)).collect();
            !agree(&stated, kernel)
        }) {
            return Err(wrong("attribute 'kernel_shape' contradicts the weight"));
        }
        if !presumed(|| !is_empty(kernel)) {
            return Err(wrong("a kernel without taps"));
        }
        let groups = Size::from(conv.groups);
        if !presumed(|| group_in * groups == channels_in) || !presumed(|| channels_out.is_multiple_of(groups)) {
            return Err(wrong(&format!("channels do not fit {groups} groups")));
        }
        let spatial = conv.window.axes(size, kernel, Rounding::Floor)?;
        let [planes, rows, columns] = planes_rows_columns(&spatial);
        Ok(Geometry { images, groups, group_in, group_out: channels_out / groups, spatial, planes, rows, columns })
    }

    pub(super) fn channels_out(&self) -> Size {
        self.groups * self.group_out
    }

    pub(super) fn output_shape(&self) -> Vec<Size> {
        let mut shape = vec![self.images, self.channels_out()];
        shape.extend(self.spatial.iter().map(|axis| axis.output));
        shape
    }

    pub(super) fn pixels(&self) -> Size {
        self.planes.output * self.rows.output * self.columns.output
    }

    /// Products of one output element.
    pub(super) fn depth(&self) -> Size {
        self.group_in * self.planes.kernel * self.rows.kernel * self.columns.kernel
    }

    fn cost(&self, residual: bool) -> Work {
        let outputs = self.images * self.channels_out() * self.pixels();
        let pixels: Size = self.spatial.iter().map(|axis| axis.input).product();
        let inputs = self.images * self.groups * self.group_in * pixels;
        let weights = self.channels_out() * self.depth();
        Work::of_words(outputs * self.depth() * 2, inputs + weights + outputs * (1 + usize::from(residual)))
    }

    /// Whether a row's window of three taps can be loaded at once.
    fn has_window(&self) -> bool {
        let Axis { kernel, stride, dilation, .. } = self.columns;
        kernel == 3 && stride == 1 && dilation == 1
    }

    /// Columns of the kernel, where `conv_depthwise_subgroup` suits.
    fn subgroup_columns(&self) -> Option<u8> {
        let (rows, columns) = (&self.rows, &self.columns);
        let near = rows.dilation == 1 && columns.dilation == 1 && (columns.stride == 1 || columns.stride == 2);
        let fits = |taps: &u8| {
            let taps = i64::from(*taps);
            columns.kernel.known() == Some(taps) && rows.kernel.known().is_some_and(|kernel| kernel <= taps)
        };
        [3, 5].into_iter().find(|taps| near && fits(taps))
    }

    /// Rows that an invocation of `conv_depthwise_subgroup` computes, and how many times eight invocations a channel takes: fewest where
    /// lanes would idle else, many where they share what is loaded.
    fn bands(&self) -> (usize, Size) {
        // What eight invocations cost, and what each of their rows of the input does, in 50 ns of llvmpipe.
        const INVOCATIONS: usize = 9;
        const ROW: usize = 3;
        const UNKNOWN: usize = 8;
        let blocks = |rows: usize| (self.rows.output.div_ceil(rows) * self.columns.output.div_ceil(4)).div_ceil(8);
        let cost = |rows: usize| {
            let steps = self.rows.kernel + self.rows.stride * (rows - 1);
            (blocks(rows) * (steps * ROW + INVOCATIONS)).known()
        };
        let rows = (1..=32).filter_map(|rows| Some((cost(rows)?, rows))).min().map_or(UNKNOWN, |(_, rows)| rows);
        (rows, blocks(rows))
    }

    /// Whether each output reads one element of each channel, which is always there.
    fn is_single(&self) -> bool {
        let one = |axis: &Axis| axis.kernel == 1 && axis.begin.is_zero() && axis.end.is_zero();
        one(&self.rows) && one(&self.columns)
    }
}

/// How the kernels on subgroups divide a convolution.
pub(super) struct SubgroupTiles {
    /// Their `WINDOW`.
    pub(super) window: bool,
    /// Workgroups.
    pub(super) grid: Size,
    /// Parameters.
    pub(super) sizes: [(&'static str, Size); 7],
}

impl Geometry {
    /// Tiles of [`TILE`] output channels of 32 pixels.
    pub(super) fn subgroup_tiles(&self) -> SubgroupTiles {
        let (channel_tiles, blocks) = (self.group_out.div_ceil(TILE), self.pixels().div_ceil(32));
        let tiles = self.images * blocks * self.groups * channel_tiles;
        // Whichever of weights and pixels is larger is read once.
        let blocks_first = self.group_out * self.depth() > self.group_in * self.rows.input * self.columns.input;
        let sizes = [
            ("groups", self.groups),
            ("tiles", tiles),
            ("channel_tiles", channel_tiles),
            ("channels_in", self.group_in),
            ("channels_out", self.group_out),
            ("pixel_blocks", blocks),
            ("blocks_first", Size::from(u8::from(blocks_first))),
        ];
        SubgroupTiles { window: !self.is_single(), grid: tiles.div_ceil(8), sizes }
    }
}

/// One convolution to emit.
struct Run<'a> {
    geometry: Geometry,
    epilogue: &'a Epilogue,
    input: BufferId,
    bias: BufferId,
    residual: Option<BufferId>,
    output: BufferId,
}

impl Run<'_> {
    fn emit(
        &self,
        cx: &mut Lowering<'_>,
        kernel: &'static str,
        (form, weight): (WeightForm, BufferId),
        variant: &[(&str, f64)],
        groups: Size,
        sizes: &[(&str, Size)],
    ) -> Result<()> {
        let kernel = self.epilogue.kernel(kernel, form.weights)?;
        let program: Vec<Size> = self.epilogue.words()?.into_iter().map(Size::from).collect();
        let residual = Size::from(u8::from(self.residual.is_some()));
        let own = [("has_residual", residual), ("factor", bits(form.factor))];
        let Geometry { planes, rows, columns, .. } = self.geometry;
        let mut numbers = [sizes, &own].concat();
        let vectors = window_vectors(&[planes, rows, columns]);
        let mut lists: Vec<(&str, &[Size])> = vec![("epilogue", &program)];
        match self.geometry.spatial.len() {
            3 => lists.extend(vectors.iter().map(|(name, vector)| (*name, vector.as_slice()))),
            _ => numbers.extend(window_sizes(&rows, &columns)),
        }
        let params = params(&kernel.name, &numbers, &lists)?;
        // The residual lies on the heap in any case: a linked kernel has the segments of its operands. `conv_tile` has two bindings
        // for its weights.
        let operands = [self.input, weight, self.bias, self.residual.unwrap_or(self.input), self.output, weight];
        cx.emit(Emit {
            kernel: &kernel.name,
            constants: variant,
            groups,
            operands: &operands[..kernel.bindings.len()],
            params,
            cost: self.geometry.cost(self.residual.is_some()),
        })
    }

    fn depthwise(&self, cx: &mut Lowering<'_>, subgroups: bool) -> Result<()> {
        let Geometry { images, groups, group_out, rows, columns, .. } = self.geometry;
        let form = cx.weight_form(1);
        let weight = (form, cx.weights(1, form)?);
        let channels = groups * group_out;
        if let Some(taps) = self.geometry.subgroup_columns().filter(|_| subgroups) {
            let (band, blocks) = self.geometry.bands();
            let tiles = images * channels * blocks;
            let sizes = [
                ("tiles", tiles),
                ("channels", channels),
                ("multiplier", group_out),
                ("blocks", blocks),
                ("rows", Size::from(band)),
            ];
            let variant = [("COLUMNS", f64::from(taps))];
            return self.emit(cx, "conv_depthwise_subgroup", weight, &variant, tiles.div_ceil(8), &sizes);
        }
        let items = images * channels * rows.output * columns.output.div_ceil(4);
        let window = [("WINDOW", f64::from(u8::from(self.geometry.has_window())))];
        let sizes = [("items", items), ("channels", channels), ("multiplier", group_out)];
        self.emit(cx, "conv_depthwise", weight, &window, item_groups(items), &sizes)
    }

    fn volume(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let g = &self.geometry;
        let form = cx.weight_form(1);
        let weight = (form, cx.weights(1, form)?);
        let rows = g.images * g.groups * g.group_out.div_ceil(4) * g.planes.output * g.rows.output;
        let items = rows * g.columns.output.div_ceil(4);
        let sizes =
            [("items", items), ("groups", g.groups), ("channels_in", g.group_in), ("channels_out", g.group_out)];
        self.emit(cx, "conv_volume", weight, &[], item_groups(items), &sizes)
    }

    fn subgroup(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let g = &self.geometry;
        let form = cx.weight_form(1);
        let weight = (form, cx.laid_out(1, form, "conv_subgroup", |weight| pack(weight, g))?);
        let SubgroupTiles { window, grid, sizes } = g.subgroup_tiles();
        self.emit(cx, "conv_subgroup", weight, &[("WINDOW", f64::from(u8::from(window)))], grid, &sizes)
    }

    fn tile(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let g = &self.geometry;
        let units = if g.groups == 1 { g.group_in } else { Size::ONE };
        let planes = g.images * g.groups;
        let grid =
            Grid { kernel: Tiled::Conv, planes, rows: g.group_out, columns: g.pixels(), depth: g.depth(), units };
        let tiling = grid.tiling(cx.target());
        let form = cx.weight_form(1);
        let packed = cx.constant(1).is_some();
        let (weight, tile, channels) = match packed {
            true => {
                let weight = cx.laid_out(1, form, "conv_subgroup", |weight| pack(weight, g))?;
                (weight, g.depth() * TILE, g.group_out.next_multiple_of(TILE))
            }
            false => (cx.weights(1, form)?, g.depth(), g.group_out),
        };
        // Parts of the depth are groups that give all channels each.
        let parts = tiling.parts;
        let (groups, weight_group, step) = match parts {
            1 => (g.groups, channels * g.depth(), Size::ONE),
            _ => (Size::from(parts), g.depth() / parts * if packed { TILE } else { 1 }, Size::ZERO),
        };
        let sizes = [
            ("images", g.images),
            ("groups", groups),
            ("channels_in", g.group_in / parts),
            ("channels_out", g.group_out),
            ("weight_group", weight_group),
            ("weight_tile", tile),
            ("bias_channel", step),
        ];
        let variant = [tiling.width(), ("PACKED", f64::from(u8::from(packed)))];
        if parts == 1 {
            return self.emit(cx, "conv_tile", (form, weight), &variant, tiling.groups(&grid), &sizes);
        }
        let part = tiling.sums(cx, &grid)?;
        let none = Epilogue::default();
        let bias = cx.constant_bytes(vec![0; 16])?;
        let divided = Run { geometry: g.clone(), epilogue: &none, bias, residual: None, output: part, ..*self };
        divided.emit(cx, "conv_tile", (form, weight), &variant, tiling.groups(&grid), &sizes)?;
        let (bias, residual, output, program) = (self.bias, self.residual, self.output, self.epilogue);
        let block = grid.rows * grid.columns;
        let bias_strides = [Size::ONE, Size::ZERO];
        let (scale, bias_scale, apart) = (1.0, 1.0, false);
        Sums { part, parts, block, scale, bias_scale, bias, bias_strides, apart, residual, output, program }
            .emit(cx, &grid)
    }
}

/// Weights as `conv_subgroup` and `conv_tile` read them: [group][tile of 32][channel][ky][kx][32], filled up with the last channel.
fn pack(weight: &Tensor, geometry: &Geometry) -> Result<Vec<f32>> {
    Ok(in_tiles(weight.as_slice::<f32>()?, geometry))
}

/// As [`pack`], elements of any type.
pub(super) fn in_tiles<T: Copy>(from: &[T], geometry: &Geometry) -> Vec<T> {
    let (depth, group_out, groups) = (geometry.depth().pin(), geometry.group_out.pin(), geometry.groups.pin());
    let mut packed = Vec::with_capacity(groups * group_out.next_multiple_of(TILE) * depth);
    for group in from.chunks_exact(group_out * depth) {
        for tile in (0..group_out).step_by(TILE) {
            for at in 0..depth {
                packed.extend((tile..tile + TILE).map(|channel| group[channel.min(group_out - 1) * depth + at]));
            }
        }
    }
    packed
}
