//! Convolution over one or two axes, alone or with bias, residual and activation.

use rten_shape_inference::InferShapes;

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::Cost;
use crate::lower::params::by_name;
use crate::lower::{BufferId, DeviceClass, Emit, Lowering, word};
use crate::tensor::{DType, Tensor, checked_len};

use super::activation::Activation;
use super::window::{self, Axis, Rounding, rows_and_columns, window_sizes};
use super::{Entry, Operator};
use crate::lower::Fact;
use crate::lower::grid::{item_grid, linear_grid};

/// The operators of this file.
pub(super) const TABLE: &[Entry] = &[("", "Conv", &Conv), ("fascine", "Conv", &Conv)];

/// Output channels of a subgroup in `conv_lanes`.
const TILE: usize = 32;

/// Inputs x, w, bias?, and for the fused operator residual?.
struct Conv;

impl Operator for Conv {
    fn check(&self, node: &Node) -> Result<()> {
        let most = if node.domain == "fascine" { 4 } else { 3 };
        if !(2..=most).contains(&node.inputs.len()) {
            return Err(Error::invalid_model(format!("{} inputs", node.inputs.len())));
        }
        if node.int("group", 1)? < 1 {
            return Err(Error::invalid_model("attribute 'group' is not positive"));
        }
        Activation::of(node)?;
        window::check(node)
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::only_f32(inputs)
    }

    fn symbolic(&self, _: &Node) -> Option<Box<dyn InferShapes>> {
        None
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let shape = |i: usize| inputs.get(i).copied().flatten().map(|fact| fact.shape.as_slice());
        let (Some(input), Some(weight)) = (shape(0), shape(1)) else {
            return Err(Error::invalid_model("input or weight is missing"));
        };
        let geometry = Geometry::new(node, input, weight)?;
        if shape(2).is_some_and(|bias| bias != [geometry.channels_out()]) {
            return Err(Error::shape(format!("the bias is not of shape [{}]", geometry.channels_out())));
        }
        let output = geometry.output_shape();
        if shape(3).is_some_and(|residual| residual != output) {
            return Err(Error::shape(format!("the residual is not of shape {output:?}")));
        }
        Ok(vec![output])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = |i: usize| cx.input(i).map(|fact| fact.shape.clone());
        let (Some(input), Some(weight)) = (shape(0), shape(1)) else {
            return Err(Error::invalid_model("input or weight is missing"));
        };
        let geometry = Geometry::new(cx.node(), &input, &weight)?;
        if checked_len(&geometry.output_shape()) == Some(0) {
            cx.output(0);
            return Ok(());
        }
        if geometry.group_in == 0 || geometry.rows.input == 0 || geometry.columns.input == 0 {
            return Err(Error::unsupported("a convolution without any input element"));
        }
        let input = cx.contiguous(0)?.buffer;
        let bias = match cx.input(2) {
            Some(_) => cx.contiguous(2)?.buffer,
            None => cx.constant_bytes(vec![0; geometry.channels_out() * 4])?,
        };
        let residual = cx.input(3).is_some().then(|| cx.contiguous(3)).transpose()?.map(|view| view.buffer);
        let output = cx.output(0).buffer;
        let run = Run { input, bias, residual, output, activation: Activation::of(cx.node())?, geometry };
        let lanes = cx.target().class == DeviceClass::Cpu && cx.target().subgroup_size == 8;
        if run.geometry.group_in == 1 && run.geometry.groups > 1 {
            run.depthwise(cx)
        } else if lanes && cx.constant(1).is_some() {
            run.lanes(cx)
        } else {
            run.tile(cx)
        }
    }
}

/// Sizes of a convolution.
#[derive(Clone, Debug)]
struct Geometry {
    images: usize,
    groups: usize,
    /// Input channels of one group.
    group_in: usize,
    /// Output channels of one group.
    group_out: usize,
    spatial: Vec<Axis>,
    rows: Axis,
    columns: Axis,
}

impl Geometry {
    fn new(node: &Node, input: &[usize], weight: &[usize]) -> Result<Self> {
        let wrong = |what: &str| Error::shape(format!("{what}: input {input:?}, weight {weight:?}"));
        let (&[images, channels_in, ref size @ ..], &[channels_out, group_in, ref kernel @ ..]) = (input, weight)
        else {
            return Err(wrong("convolution needs a batch and channels"));
        };
        if size.len() != kernel.len() {
            return Err(wrong("ranks differ"));
        }
        if node.ints("kernel_shape")?.is_some_and(|k| k.iter().map(|&v| v as usize).ne(kernel.iter().copied())) {
            return Err(wrong("attribute 'kernel_shape' contradicts the weight"));
        }
        if kernel.contains(&0) {
            return Err(wrong("a kernel without taps"));
        }
        let groups = node.int("group", 1)? as usize;
        if group_in.checked_mul(groups) != Some(channels_in) || !channels_out.is_multiple_of(groups) {
            return Err(wrong(&format!("channels do not fit {groups} groups")));
        }
        let spatial = window::axes(node, size, kernel, Rounding::Floor)?;
        let (rows, columns) = rows_and_columns(&spatial);
        Ok(Geometry { images, groups, group_in, group_out: channels_out / groups, spatial, rows, columns })
    }

    fn channels_out(&self) -> usize {
        self.groups * self.group_out
    }

    fn output_shape(&self) -> Vec<usize> {
        let mut shape = vec![self.images, self.channels_out()];
        shape.extend(self.spatial.iter().map(|axis| axis.output));
        shape
    }

    fn pixels(&self) -> usize {
        self.rows.output * self.columns.output
    }

    /// Products of one output element.
    fn depth(&self) -> usize {
        self.group_in * self.rows.kernel * self.columns.kernel
    }

    fn cost(&self, residual: bool) -> Cost {
        let outputs = (self.images * self.channels_out() * self.pixels()) as u64;
        let inputs = (self.images * self.groups * self.group_in * self.rows.input * self.columns.input) as u64;
        let weights = (self.channels_out() * self.depth()) as u64;
        Cost {
            flops: 2 * outputs * self.depth() as u64,
            bytes: 4 * (inputs + weights + outputs * (1 + u64::from(residual))),
        }
    }

    /// Whether a row's window of three taps can be loaded at once.
    fn has_window(&self) -> bool {
        let Axis { kernel, stride, dilation, .. } = self.columns;
        (kernel, stride, dilation) == (3, 1, 1)
    }

    /// Whether each output reads one element of each channel, which is always there.
    fn is_single(&self) -> bool {
        let one = |axis: &Axis| (axis.kernel, axis.begin, axis.end) == (1, 0, 0);
        one(&self.rows) && one(&self.columns)
    }

    /// Sizes and windows by the names that the kernels' parameters have.
    fn window(&self) -> [(&'static str, usize); 12] {
        window_sizes(&self.rows, &self.columns)
    }
}

/// One convolution to emit.
struct Run {
    geometry: Geometry,
    activation: Activation,
    input: BufferId,
    bias: BufferId,
    residual: Option<BufferId>,
    output: BufferId,
}

impl Run {
    fn emit(
        &self,
        cx: &mut Lowering<'_>,
        kernel: &'static str,
        weight: BufferId,
        variant: Option<(&str, f64)>,
        grid: [u32; 3],
        sizes: &[(&str, usize)],
    ) -> Result<()> {
        let (alpha, beta) = (self.activation.alpha.to_bits(), self.activation.beta.to_bits());
        let mut words = vec![("alpha", [alpha]), ("beta", [beta])];
        for &(name, size) in sizes.iter().chain(&self.geometry.window()) {
            words.push((name, [word(size)?]));
        }
        let members: Vec<(&str, &[u32])> = words.iter().map(|(name, word)| (*name, word.as_slice())).collect();
        let params = by_name(kernel, &members)?;
        let mut constants = vec![("ACTIVATION", self.activation.code)];
        constants.push(("RESIDUAL", f64::from(u8::from(self.residual.is_some()))));
        constants.extend(variant);
        cx.emit(Emit {
            kernel,
            constants: &constants,
            grid,
            operands: &[self.input, weight, self.bias, self.residual.unwrap_or(self.bias), self.output],
            params: bytemuck::cast_slice(&params),
            cost: self.geometry.cost(self.residual.is_some()),
        })
    }

    fn depthwise(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let Geometry { images, groups, group_out, rows, columns, .. } = self.geometry;
        let weight = cx.contiguous(1)?.buffer;
        let channels = groups * group_out;
        let items = images * channels * rows.output * columns.output.div_ceil(4);
        let window = ("WINDOW", f64::from(u8::from(self.geometry.has_window())));
        let grid = item_grid(items as u64)?;
        self.emit(
            cx,
            "conv_depthwise",
            weight,
            Some(window),
            grid,
            &[("items", items), ("channels", channels), ("multiplier", group_out)],
        )
    }

    fn lanes(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let g = &self.geometry;
        let weight = cx.packed(1, "conv_lanes", |weight| pack(weight, g))?;
        let pointwise = g.rows.is_pointwise() && g.columns.is_pointwise();
        let mode = if pointwise && g.pixels().is_multiple_of(4) {
            1
        } else if g.has_window() && g.columns.output >= 4 {
            2
        } else if g.is_single() {
            3
        } else {
            0
        };
        let quads = if mode == 2 { g.rows.output * g.columns.output.div_ceil(4) } else { g.pixels().div_ceil(4) };
        let (channel_tiles, blocks) = (g.group_out.div_ceil(TILE), quads.div_ceil(8));
        let tiles = g.images * blocks * g.groups * channel_tiles;
        // Whichever of weights and pixels is larger is read once.
        let blocks_first = g.group_out * g.depth() > g.group_in * g.rows.input * g.columns.input;
        let sizes = [
            ("groups", g.groups),
            ("tiles", tiles),
            ("channel_tiles", channel_tiles),
            ("channels_in", g.group_in),
            ("channels_out", g.group_out),
            ("pixel_blocks", blocks),
            ("blocks_first", usize::from(blocks_first)),
        ];
        let grid = linear_grid(tiles.div_ceil(8) as u64)?;
        self.emit(cx, "conv_lanes", weight, Some(("MODE", f64::from(mode))), grid, &sizes)
    }

    fn tile(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let g = &self.geometry;
        let weight = cx.contiguous(1)?.buffer;
        let tiles = g.images * g.groups * g.group_out.div_ceil(32) * g.pixels().div_ceil(32);
        let sizes =
            [("images", g.images), ("groups", g.groups), ("channels_in", g.group_in), ("channels_out", g.group_out)];
        self.emit(cx, "conv_tile", weight, None, linear_grid(tiles as u64)?, &sizes)
    }
}

/// Weights as `conv_lanes` reads them: [group][tile of 32][channel][ky][kx][32], filled up with the last channel.
fn pack(weight: &Tensor, geometry: &Geometry) -> Result<Vec<u8>> {
    let (depth, group_out) = (geometry.depth(), geometry.group_out);
    let from = weight.as_slice::<f32>()?;
    let mut packed = Vec::with_capacity(geometry.groups * group_out.next_multiple_of(TILE) * depth);
    for group in from.chunks_exact(group_out * depth) {
        for tile in (0..group_out).step_by(TILE) {
            for at in 0..depth {
                packed.extend((tile..tile + TILE).map(|channel| group[channel.min(group_out - 1) * depth + at]));
            }
        }
    }
    Ok(bytemuck::cast_slice(&packed).to_vec())
}
