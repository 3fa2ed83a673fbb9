//! Deformable convolution.

use super::window::{Axis, Rounding, Window, window_sizes};
use super::{Entry, Operator, check_arity, given, one_float, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::storage::Storage;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::size::{Size, agree, presumed};
use crate::tensor::{DType, Tensor};

pub(super) const OPERATORS: &[Entry] = &[("", "DeformConv", |node| operator(DeformConv::parse(node)))];

/// <https://onnx.ai/onnx/operators/onnx__DeformConv.html>: x `[n, c, h, w]`, w `[m, c / groups, kh, kw]`, offset `[n,
/// offset_group * kh * kw * 2, oh, ow]`, bias? `[m]`,
/// mask? `[n, offset_group * kh * kw, oh, ow]`; gives `[n, m, oh, ow]`.
#[derive(Debug)]
struct DeformConv {
    groups: i64,
    offset_groups: i64,
    window: Window,
}

struct Geometry {
    images: Size,
    channels_in: Size,
    channels_out: Size,
    rows: Axis,
    columns: Axis,
}

impl DeformConv {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 3..=5, 1..=1)?;
        let (groups, offset_groups) = (node.int("group", 1)?, node.int("offset_group", 1)?);
        if groups < 1 || offset_groups < 1 {
            return Err(Error::invalid_model("attribute 'group' or 'offset_group' is not positive"));
        }
        Ok(DeformConv { groups, offset_groups, window: Window::parse(node)? })
    }

    fn geometry(&self, inputs: &[Option<&Fact>]) -> Result<Geometry> {
        let shape = |i: usize| given(inputs, i).map(|fact| &fact.shape);
        let (input, weight, offset) = (shape(0)?, shape(1)?, shape(2)?);
        let wrong =
            |what: &str| Err(Error::shape(format!("{what}: input {input:?}, weight {weight:?}, offset {offset:?}")));
        let (&[images, channels_in, ref size @ ..], &[channels_out, group_in, ref kernel @ ..]) =
            (input.as_slice(), weight.as_slice())
        else {
            return wrong("convolution needs a batch and channels");
        };
        if size.len() != 2 || kernel.len() != 2 {
            return Err(Error::unsupported(format!("a deformable convolution over {} axes", size.len())));
        }
        if let Some(stated) = &self.window.kernel {
            let stated: Vec<Size> = stated.iter().map(|&v| Size::from(v)).collect();
            if !agree(&stated, kernel) {
                return wrong("attribute 'kernel_shape' contradicts the weight");
            }
        }
        let fits = presumed(|| group_in * self.groups == channels_in)
            && presumed(|| channels_out.is_multiple_of(Size::from(self.groups)))
            && presumed(|| channels_in.is_multiple_of(Size::from(self.offset_groups)));
        if !fits {
            return wrong(&format!("channels do not fit {} groups, {} of offsets", self.groups, self.offset_groups));
        }
        let axes = self.window.axes(size, kernel, Rounding::Floor)?;
        let (rows, columns) = (axes[0], axes[1]);
        let entries = kernel[0] * kernel[1] * self.offset_groups;
        if !agree(offset, &[images, entries * 2, rows.output, columns.output]) {
            return wrong("the offsets do not fit");
        }
        let optional = |i: usize| inputs.get(i).copied().flatten().map(|fact| &fact.shape);
        if optional(3).is_some_and(|bias| !agree(bias, &[channels_out])) {
            return wrong("the bias does not fit");
        }
        if optional(4).is_some_and(|mask| !agree(mask, &[images, entries, rows.output, columns.output])) {
            return wrong("the mask does not fit");
        }
        Ok(Geometry { images, channels_in, channels_out, rows, columns })
    }
}

impl Operator for DeformConv {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let Geometry { images, channels_out, rows, columns, .. } = self.geometry(inputs)?;
        Ok(vec![vec![images, channels_out, rows.output, columns.output]])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let Geometry { channels_in, channels_out, rows, columns, .. } = self.geometry(&cx.facts())?;
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let (input, weight, offset) = (cx.contiguous(0)?, cx.contiguous(1)?, cx.contiguous(2)?);
        if input.is_empty() {
            return Err(Error::unsupported("a convolution without any input element"));
        }
        let bias = match cx.input(3) {
            Some(_) => cx.contiguous(3)?.buffer,
            None => {
                let zeros = Tensor::zeros(DType::F32, [channels_out.pin()])?;
                cx.constant_bytes(Storage::Word.encode(&zeros)?)?
            }
        };
        let mask = cx.input(4).is_some().then(|| cx.contiguous(4)).transpose()?;
        let (groups, offset_groups) = (Size::from(self.groups), Size::from(self.offset_groups));
        let items = output.len();
        let own = [
            ("items", items),
            ("groups", groups),
            ("channels_in", channels_in / groups),
            ("channels_out", channels_out / groups),
            ("offset_groups", offset_groups),
            ("offset_channels", channels_in / offset_groups),
            ("has_mask", Size::from(u8::from(mask.is_some()))),
        ];
        let depth = channels_in / groups * rows.kernel * columns.kernel;
        cx.emit(Emit {
            kernel: "deform_conv",
            constants: &[],
            groups: item_groups(items),
            operands: &[
                input.buffer,
                weight.buffer,
                offset.buffer,
                bias,
                mask.as_ref().unwrap_or(&offset).buffer,
                output.buffer,
            ],
            params: params("deform_conv", &[&own[..], &window_sizes(&rows, &columns)].concat(), &[])?,
            cost: Work::of_words(items * depth * 10, input.len() + weight.len() + offset.len() + items),
        })
    }
}
