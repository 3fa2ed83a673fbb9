//! Transposed convolution over up to three axes.

use super::window::{AutoPad, Axis, Window, check_axes, filled, planes_rows_columns, step, vector, window_vectors};
use super::{Entry, Operator, check_arity, given, one_float, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::storage::Storage;
use crate::lower::{BufferId, Emit, Fact, Lowering, Work, params};
use crate::size::{Size, agree, is_empty, presumed};
use crate::tensor::{DType, Tensor};

pub(super) const OPERATORS: &[Entry] = &[("", "ConvTranspose", |node| operator(ConvTranspose::parse(node)))];

/// The most that kernels add up without overflow.
const LARGEST: i64 = 1 << 30;

/// <https://onnx.ai/onnx/operators/onnx__ConvTranspose.html>: inputs x, w, bias?. With `auto_pad`, an output that would be
/// larger than what the windows reach is not supported: the standard does not say on which side.
#[derive(Debug)]
struct ConvTranspose {
    groups: i64,
    window: Window,
    output_padding: Option<Vec<i64>>,
    output_shape: Option<Vec<i64>>,
}

/// Sizes of a transposed convolution. An axis' output is what the windows write.
struct Geometry {
    images: Size,
    channels_in: Size,
    channels_out: Size,
    spatial: Vec<Axis>,
    /// From one tap that can reach an element to the next, of each axis.
    steps: Vec<Size>,
}

impl ConvTranspose {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 2..=3, 1..=1)?;
        let groups = node.int("group", 1)?;
        if groups < 1 {
            return Err(Error::invalid_model("attribute 'group' is not positive"));
        }
        let list = |name: &str| {
            let values = node.ints(name)?;
            match values.filter(|values| values.iter().any(|v| !(0..LARGEST).contains(v))) {
                Some(values) => Err(Error::invalid_model(format!("attribute '{name}' is {values:?}"))),
                None => Ok(values.map(<[i64]>::to_vec)),
            }
        };
        let (output_padding, output_shape) = (list("output_padding")?, list("output_shape")?);
        Ok(ConvTranspose { groups, window: Window::parse(node)?, output_padding, output_shape })
    }

    fn geometry(&self, inputs: &[Option<&Fact>]) -> Result<Geometry> {
        let (input, weight) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        let wrong = |what: &str| Error::shape(format!("{what}: input {input:?}, weight {weight:?}"));
        let (&[images, channels_in, ref size @ ..], &[weight_in, group_out, ref kernel @ ..]) =
            (input.as_slice(), weight.as_slice())
        else {
            return Err(wrong("convolution needs a batch and channels"));
        };
        let count = size.len();
        if count != kernel.len() {
            return Err(wrong("ranks differ"));
        }
        check_axes(count)?;
        if let Some(stated) = &self.window.kernel {
            let stated: Vec<Size> = stated.iter().map(|&v| Size::from(v)).collect();
            if !agree(&stated, kernel) {
                return Err(wrong("attribute 'kernel_shape' contradicts the weight"));
            }
        }
        if !presumed(|| !is_empty(kernel)) {
            return Err(wrong("a kernel without taps"));
        }
        if !presumed(|| weight_in == channels_in) || !presumed(|| channels_in.is_multiple_of(Size::from(self.groups))) {
            return Err(wrong(&format!("channels do not fit {} groups", self.groups)));
        }
        let strides = filled("strides", self.window.strides.as_deref(), count, 1)?;
        let dilations = filled("dilations", self.window.dilations.as_deref(), count, 1)?;
        let pads = filled("pads", self.window.pads.as_deref(), 2 * count, 0)?;
        let extra = filled("output_padding", self.output_padding.as_deref(), count, 0)?;
        let stated = match self.output_shape.as_deref() {
            // Some exporters state batch and channels too.
            Some(shape) if shape.len() == count + 2 => Some(&shape[2..]),
            shape => shape,
        };
        let stated = stated.map(|shape| filled("output_shape", Some(shape), count, 0)).transpose()?;
        let axis = |i: usize| {
            let sizes = [size[i], kernel[i], strides[i], dilations[i]];
            self.axis(sizes, extra[i], [pads[i], pads[i + count]], stated.as_ref().map(|shape| shape[i]))
        };
        Ok(Geometry {
            images,
            channels_in,
            channels_out: group_out * self.groups,
            spatial: (0..count).map(axis).collect::<Result<_>>()?,
            steps: (0..count).map(|i| step(strides[i], dilations[i])).collect(),
        })
    }

    fn axis(&self, sizes: [Size; 4], extra: Size, pads: [Size; 2], stated: Option<Size>) -> Result<Axis> {
        let [input, kernel, stride, dilation] = sizes;
        let span = (kernel - 1) * dilation + 1;
        if span.estimate() >= LARGEST || input.estimate() >= LARGEST || stride.estimate() >= LARGEST {
            return Err(Error::shape(format!("a kernel of {kernel} taps over {input} elements")));
        }
        let all = (input - 1) * stride + extra + span;
        let same = matches!(self.window.auto_pad, AutoPad::SameUpper | AutoPad::SameLower);
        let (output, begin, end) = match stated.or_else(|| same.then(|| input * stride)) {
            Some(output) => {
                let total = all - output;
                if same && !presumed(|| total >= Size::ZERO) {
                    return Err(Error::unsupported(format!("an output of {output}, where windows reach {all}")));
                }
                // What no window reaches is at the end, as in the standard's reference and onnxruntime.
                let total = total.max(0);
                let half = total / 2;
                match self.window.auto_pad {
                    AutoPad::SameUpper => (output, half, total - half),
                    _ => (output, total - half, half),
                }
            }
            None => {
                let [begin, end] = if self.window.auto_pad == AutoPad::NotSet { pads } else { [Size::ZERO; 2] };
                (all - begin - end, begin, end)
            }
        };
        if !presumed(|| output >= Size::ZERO) || output.estimate() >= LARGEST {
            return Err(Error::shape(format!("an output of {output} elements of an axis of {input}")));
        }
        Ok(Axis { input, output, kernel, stride, dilation, begin, end })
    }
}

impl ConvTranspose {
    /// The weights as the kernel reads them: group x taps x input channel x output channel.
    fn by_taps(&self, cx: &mut Lowering<'_>, shape: [Size; 4]) -> Result<BufferId> {
        if cx.constant(1).is_some() {
            let key = format!("conv_transpose {}", self.groups);
            return cx.packed(1, &key, |weight| pack(weight, shape.map(Size::pin)));
        }
        let weight = cx.contiguous(1)?;
        let apart = weight.reshaped(&shape).ok_or_else(|| Error::internal("weights that do not fill their shape"))?;
        Ok(cx.materialise(&apart.permuted(&[0, 3, 1, 2]))?.buffer)
    }
}

/// Weights [group][input channel][output channel][taps] with the taps before the channels.
fn pack(weight: &Tensor, [groups, channels_in, channels_out, taps]: [usize; 4]) -> Result<Vec<u8>> {
    let given = weight.as_slice::<f32>()?;
    let mut packed = Vec::with_capacity(given.len());
    for group in given.chunks_exact(channels_in * channels_out * taps).take(groups) {
        for tap in 0..taps {
            packed.extend((0..channels_in * channels_out).map(|pair| group[pair * taps + tap]));
        }
    }
    Ok(bytemuck::cast_slice(&packed).to_vec())
}

impl Operator for ConvTranspose {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let geometry = self.geometry(inputs)?;
        let channels = geometry.channels_out;
        let bias = inputs.get(2).copied().flatten();
        if bias.is_some_and(|bias| !agree(&bias.shape, &[channels])) {
            return Err(Error::shape(format!("the bias is not of shape [{channels}]")));
        }
        let mut shape = vec![geometry.images, channels];
        shape.extend(geometry.spatial.iter().map(|axis| axis.output));
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let geometry = self.geometry(&cx.facts())?;
        if cx.output_fact(0).is_empty() {
            cx.output(0);
            return Ok(());
        }
        if cx.input(0).is_some_and(Fact::is_empty) {
            return Err(Error::unsupported("a convolution without any input element"));
        }
        let input = cx.contiguous(0)?;
        let bias = match cx.input(2) {
            Some(_) => cx.contiguous(2)?.buffer,
            None => {
                let zeros = Tensor::zeros(DType::F32, [geometry.channels_out.pin()])?;
                cx.constant_bytes(Storage::Word.encode(&zeros)?)?
            }
        };
        let output = cx.output(0);
        let axes = planes_rows_columns(&geometry.spatial);
        let step = vector(&geometry.steps);
        let groups = Size::from(self.groups);
        let (channels_in, channels_out) = (geometry.channels_in / groups, geometry.channels_out / groups);
        let [planes, rows, columns] = axes;
        // Those a stride apart are reached by the same taps.
        let quads = columns.stride * columns.output.div_ceil(columns.stride).div_ceil(4);
        let items = geometry.images * groups * channels_out.div_ceil(4) * planes.output * rows.output * quads;
        let taps: Size = axes.iter().map(|axis| axis.kernel).product();
        let weight = self.by_taps(cx, [groups, channels_in, channels_out, taps])?;
        let vectors = window_vectors(&axes);
        let mut lists: Vec<(&str, &[Size])> = vectors.iter().map(|(name, vector)| (*name, vector.as_slice())).collect();
        lists.push(("step", &step));
        let numbers =
            [("items", items), ("groups", groups), ("channels_in", channels_in), ("channels_out", channels_out)];
        cx.emit(Emit {
            kernel: "conv_transpose",
            constants: &[],
            groups: item_groups(items),
            operands: &[input.buffer, weight, bias, output.buffer],
            params: params("conv_transpose", &numbers, &lists)?,
            cost: Work::of_words(
                input.len() * channels_out * taps * 2,
                input.len() + channels_in * output.shape[1] * taps + output.len(),
            ),
        })
    }
}
