//! Pooling of regions of images.

use super::{Entry, Operator, check_arity, given, one_float, operator};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, bits, params};
use crate::size::{Size, agreed, checked_len, presumed};
use crate::tensor::DType;

pub(super) const OPERATORS: &[Entry] = &[
    ("", "MaxRoiPool", |node| operator(MaxRoiPool::parse(node))),
    ("", "RoiAlign", |node| operator(RoiAlign::parse(node))),
];

/// The largest output of a region along an axis: what kernels multiply coordinates with.
const MOST_BINS: i64 = 1 << 10;

/// Points of a bin along an axis that a node may ask for. A guess: exporters write 0 or 2.
const MOST_POINTS: i64 = 256;

/// Input `[n, c, h, w]`, regions `[r, columns]` and output `[r, c, height, width]`.
fn output_shape(inputs: &[Option<&Fact>], columns: usize, bins: [i64; 2]) -> Result<Vec<Size>> {
    let (input, regions) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
    if input.len() != 4 || regions.len() != 2 || !presumed(|| regions[1] == columns) {
        return Err(Error::shape(format!("regions of shape {regions:?} of an input of shape {input:?}")));
    }
    let shape = vec![regions[0], input[1], Size::from(bins[0]), Size::from(bins[1])];
    checked_len(&shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
    Ok(shape)
}

fn check_bins(bins: [i64; 2]) -> Result<[i64; 2]> {
    match bins.iter().find(|size| !(1..=MOST_BINS).contains(*size)) {
        Some(size) if *size < 1 => Err(Error::invalid_model(format!("an output of {bins:?}"))),
        Some(_) => Err(Error::unsupported(format!("an output of {bins:?}; up to {MOST_BINS} are supported"))),
        None => Ok(bins),
    }
}

/// The sizes that both kernels' parameters have.
fn sizes(input: &[Size], output: &[Size], items: Size) -> [(&'static str, Size); 7] {
    [
        ("items", items),
        ("images", input[0]),
        ("channels", input[1]),
        ("in_h", input[2]),
        ("in_w", input[3]),
        ("out_h", output[2]),
        ("out_w", output[3]),
    ]
}

fn check_input(input: &[Size]) -> Result<()> {
    match input.iter().any(|&size| size >= Size::number(1 << 24)) {
        true => Err(Error::limit(format!("regions of an input of shape {input:?}"))),
        false => Ok(()),
    }
}

/// <https://onnx.ai/onnx/operators/onnx__RoiAlign.html>. A batch index beyond the images is an error of the request.
#[derive(Debug)]
struct RoiAlign {
    bins: [i64; 2],
    sampling: i64,
    scale: f32,
    half_pixel: bool,
    maximum: bool,
}

impl RoiAlign {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 3..=3, 1..=1)?;
        let early = node.opset < 16;
        let coordinates =
            if early { "output_half_pixel" } else { node.str("coordinate_transformation_mode", "half_pixel")? };
        let half_pixel = match coordinates {
            "half_pixel" => true,
            "output_half_pixel" => false,
            other => return Err(Error::invalid_model(format!("coordinate_transformation_mode '{other}'"))),
        };
        let maximum = match node.str("mode", "avg")? {
            "avg" => false,
            "max" => true,
            other => return Err(Error::invalid_model(format!("mode '{other}'"))),
        };
        let sampling = node.int("sampling_ratio", 0)?;
        if !(0..=MOST_POINTS).contains(&sampling) {
            return Err(Error::unsupported(format!("a sampling_ratio of {sampling}")));
        }
        Ok(RoiAlign {
            bins: check_bins([node.int("output_height", 1)?, node.int("output_width", 1)?])?,
            sampling,
            scale: node.float("spatial_scale", 1.0)?,
            half_pixel,
            maximum,
        })
    }
}

impl Operator for RoiAlign {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        if let Some(other) = inputs.get(2).copied().flatten().filter(|&dtype| dtype != DType::I64) {
            return Err(Error::invalid_model(format!("batch indices of type {other}")));
        }
        one_float(&inputs[..inputs.len().min(2)])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = output_shape(inputs, 4, self.bins)?;
        let images = &given(inputs, 2)?.shape;
        if images.len() != 1 || agreed(images[0], shape[0]).is_none() {
            return Err(Error::shape(format!("batch indices of shape {images:?} for {} regions", shape[0])));
        }
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let (input, regions, images) = (cx.contiguous(0)?, cx.contiguous(1)?, cx.contiguous(2)?);
        if input.is_empty() {
            return Err(Error::unsupported("regions of an input without elements"));
        }
        check_input(&input.shape)?;
        let report = cx.check(ErrorKind::Input, "a batch index lies beyond the images");
        let items = output.len();
        let own = [
            ("sampling", Size::from(self.sampling)),
            ("shift", bits(if self.half_pixel { 0.5 } else { 0.0 })),
            ("scale", bits(self.scale)),
            ("maximum", Size::from(u8::from(self.maximum))),
        ];
        // As many points as data says are taken to be four.
        let points = if self.sampling == 0 { 4 } else { self.sampling * self.sampling };
        cx.emit(Emit {
            kernel: "roi_align",
            constants: &[],
            groups: item_groups(items),
            operands: &[input.buffer, regions.buffer, images.buffer, output.buffer, report],
            params: params("roi_align", &[&sizes(&input.shape, &output.shape, items)[..], &own].concat(), &[])?,
            cost: Work::of_words(items * (points * 20), input.len() + items),
        })
    }
}

/// <https://onnx.ai/onnx/operators/onnx__MaxRoiPool.html>: regions are an image and two corners. An image that does not exist, and
/// coordinates of a million or more, are errors of the request.
#[derive(Debug)]
struct MaxRoiPool {
    bins: [i64; 2],
    scale: f32,
}

impl MaxRoiPool {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 2..=2, 1..=1)?;
        let Some(&[height, width]) = node.ints("pooled_shape")? else {
            return Err(Error::invalid_model("attribute 'pooled_shape' is not two numbers"));
        };
        Ok(MaxRoiPool { bins: check_bins([height, width])?, scale: node.float("spatial_scale", 1.0)? })
    }
}

impl Operator for MaxRoiPool {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![output_shape(inputs, 5, self.bins)?])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let (input, regions) = (cx.contiguous(0)?, cx.contiguous(1)?);
        if input.is_empty() {
            return Err(Error::unsupported("regions of an input without elements"));
        }
        check_input(&input.shape)?;
        let report = cx.check(ErrorKind::Input, "a region's image does not exist, or its coordinates are too large");
        let items = output.len();
        let numbers = [&sizes(&input.shape, &output.shape, items)[..], &[("scale", bits(self.scale))]].concat();
        cx.emit(Emit {
            kernel: "max_roi_pool",
            constants: &[],
            groups: item_groups(items),
            operands: &[input.buffer, regions.buffer, output.buffer, report],
            params: params("max_roi_pool", &numbers, &[])?,
            cost: Work::of_words(input.len(), input.len() + items),
        })
    }
}
