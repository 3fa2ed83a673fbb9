//! Models of windows, resampling and regions.

use super::{Attr, Case, Family, Tensor, TensorData, ints};

fn text(value: &str) -> Attr {
    Attr::Str(value.into())
}

fn pick<'a>(c: &mut Case<'_>, of: &[&'a str]) -> &'a str {
    of[c.random.range(0, of.len() as u32 - 1) as usize]
}

pub(super) const FAMILIES: &[Family] = &[
    ("resize nearest", |c| {
        let shape = c.shape(3, 5);
        let x = c.input(&shape);
        let sizes = c.shape(3, 9).into_iter().map(|size| size as i64).collect::<Vec<_>>();
        let sizes = c.b.ints(sizes);
        let transforms = ["half_pixel", "asymmetric", "align_corners"];
        let attrs = [("coordinate_transformation_mode", text(pick(c, &transforms)))];
        c.b.node_with("Resize", [Some(x), None, None, Some(sizes)], attrs, 1)
    }),
    ("resize between", |c| {
        let shape = c.shape(3, 5);
        let x = c.input(&shape);
        let sizes = c.shape(3, 9).into_iter().map(|size| size as i64).collect::<Vec<_>>();
        let sizes = c.b.ints(sizes);
        let attrs = [("mode", text(pick(c, &["linear", "cubic"])))];
        c.b.node_with("Resize", [Some(x), None, None, Some(sizes)], attrs, 1)
    }),
    ("depthwise", |c| {
        let (channels, rows, columns) = (1 + c.size(4), c.size(4), 1 + 2 * c.size(2));
        let size = [rows + c.size(9), columns + c.size(9)];
        let x = c.input(&[2, channels, size[0], size[1]]);
        let w = c.weight(&[2 * channels, 1, rows, columns]);
        let strides = c.shape(2, 2);
        let attrs = [("group", Attr::Int(channels as i64)), ("strides", ints(strides)), ("pads", ints([1, 2, 0, 1]))];
        vec![c.b.node("Conv", [x, w], attrs)]
    }),
    ("volumes", |c| {
        let [groups, channels, out] = [c.size(2), c.size(3), c.size(3)];
        let (kernel, stride, dilation) = (c.shape(3, 3), c.shape(3, 2), c.shape(3, 2));
        let side = c.size(4);
        let size: Vec<usize> = kernel.iter().zip(&dilation).map(|(k, d)| (k - 1) * d + side).collect();
        let x = c.input(&[&[1, groups * channels][..], &size].concat());
        let w = c.weight(&[&[groups * out, channels][..], &kernel].concat());
        let attrs = [
            ("group", Attr::Int(groups as i64)),
            ("strides", ints(stride)),
            ("dilations", ints(dilation)),
            ("pads", ints([1, 0, 2, 0, 1, 1])),
        ];
        vec![c.b.node("Conv", [x, w], attrs)]
    }),
    ("transposed conv", |c| {
        let [axes, groups, channels, out] = [c.size(3), c.size(2), c.size(3), c.size(6)];
        let (size, kernel) = (c.shape(axes, 5), c.shape(axes, 3));
        let (stride, dilation) = (c.shape(axes, 4), c.shape(axes, 4));
        let shape = [&[c.size(2), groups * channels][..], &size].concat();
        let x = c.input(&shape);
        let w = c.weight(&[&[groups * channels, out][..], &kernel].concat());
        let attrs = [("group", Attr::Int(groups as i64)), ("strides", ints(stride)), ("dilations", ints(dilation))];
        vec![c.b.node("ConvTranspose", [x, w], attrs)]
    }),
    ("deformed conv", |c| {
        let [groups, channels, kernel, side] = [c.size(2), c.size(2), c.size(3), c.size(4)];
        let (input, taps) = (2 * groups * channels, kernel * kernel);
        let x = c.input(&[1, input, kernel + side - 1, kernel + side]);
        let w = c.weight(&[2 * groups, input / groups, kernel, kernel]);
        let offset = c.tensor(&[1, 2 * 2 * taps, side, side + 1]);
        let mask = c.flag().then(|| c.tensor(&[1, 2 * taps, side, side + 1]));
        let attrs = [("group", Attr::Int(groups as i64)), ("offset_group", Attr::Int(2))];
        c.b.node_with("DeformConv", [Some(x), Some(w), Some(offset), None, mask], attrs, 1)
    }),
    ("pool of volumes", |c| {
        let kernel = c.shape(3, 3);
        let size: Vec<usize> = kernel.iter().map(|k| k + c.size(4)).collect();
        let shape = [&[1, c.size(3)][..], &size].concat();
        let x = c.input(&shape);
        let op = pick(c, &["MaxPool", "AveragePool", "LpPool"]);
        let attrs = [("kernel_shape", ints(kernel)), ("strides", ints(c.shape(3, 2)))];
        vec![c.b.node(op, [x], attrs)]
    }),
    ("pool of bytes", |c| {
        let shape = [1, c.size(3), 2 + c.size(5), 2 + c.size(5)];
        let bytes = (0..shape.iter().product()).map(|_| c.random.range(0, 255) as u8).collect();
        let x = c.feed(Tensor::from_data(shape, TensorData::U8(bytes)).unwrap());
        let attrs = [("kernel_shape", ints([2, 3])), ("storage_order", Attr::Int(c.flag().into()))];
        c.b.node_with("MaxPool", [Some(x)], attrs, 2)
    }),
    ("unpool", |c| {
        let (axes, side) = (c.size(3), c.size(4));
        let shape = [&[c.size(2), c.size(3)][..], &vec![2 * side; axes]].concat();
        let x = c.tensor(&shape);
        let attrs = || [("kernel_shape", ints(vec![2; axes])), ("strides", ints(vec![2; axes]))];
        let pooled = c.b.node_with("MaxPool", [Some(x)], attrs(), 2);
        vec![c.b.node("MaxUnpool", [pooled[0], pooled[1]], attrs())]
    }),
    ("columns", |c| {
        let (axes, channels) = (c.size(3), c.size(3));
        let (block, count) = (c.shape(axes, 3), c.shape(axes, 3));
        let (stride, dilation) = (c.shape(axes, 4), c.shape(axes, 4));
        let sides = (0..axes).map(|i| (count[i] - 1) * stride[i] + (block[i] - 1) * dilation[i] + 1);
        let image: Vec<i64> = sides.map(|side| side as i64).collect();
        let x = c.input(&[1, channels * block.iter().product::<usize>(), count.iter().product()]);
        let image = c.b.ints(image);
        let block = c.b.ints(block.into_iter().map(|size| size as i64).collect::<Vec<_>>());
        vec![c.b.node("Col2Im", [x, image, block], [("strides", ints(stride)), ("dilations", ints(dilation))])]
    }),
    ("sampled grid", |c| {
        let axes = c.size(3);
        let shape = [&[c.size(2), c.size(3)][..], &c.shape(axes, 5)].concat();
        let points = [&shape[..1], &c.shape(axes, 4), &[axes]].concat();
        let (x, grid) = (c.input(&shape), c.input(&points));
        let attrs = [
            ("mode", text(pick(c, &["nearest", "linear", "cubic"]))),
            ("padding_mode", text(pick(c, &["zeros", "border", "reflection"]))),
            ("align_corners", Attr::Int(c.flag().into())),
        ];
        vec![c.b.node("GridSample", [x, grid], attrs)]
    }),
    ("affine grid", |c| {
        let (maps, axes) = (c.size(3), 1 + c.size(2));
        let size: Vec<i64> = c.shape(axes, 6).into_iter().map(|side| side as i64 + 1).collect();
        let theta = c.input(&[maps, axes, axes + 1]);
        let size = c.b.ints([&[maps as i64, 1][..], &size].concat());
        let align = Attr::Int(c.flag().into());
        vec![c.b.node("AffineGrid", [theta, size], [("align_corners", align)])]
    }),
    ("aligned regions", |c| {
        let shape = [c.size(3), c.size(3), c.size(9), c.size(9)];
        let regions = c.size(5);
        let (x, corners) = (c.input(&shape), c.input(&[regions, 4]));
        let images = c.integers(&[regions], 0, shape[0] as i64 - 1);
        let attrs = [
            ("output_height", Attr::Int(c.size(4) as i64)),
            ("output_width", Attr::Int(c.size(4) as i64)),
            ("sampling_ratio", Attr::Int(c.size(3) as i64 - 1)),
            ("spatial_scale", Attr::Float(4.0)),
            ("mode", text(pick(c, &["avg", "max"]))),
        ];
        vec![c.b.node("RoiAlign", [x, corners, images], attrs)]
    }),
    ("pooled regions", |c| {
        let shape = [c.size(3), c.size(3), c.size(9), c.size(9)];
        let regions = c.size(5);
        let x = c.input(&shape);
        let (images, corners) = (c.integers(&[regions, 1], 0, shape[0] as i64 - 1), c.integers(&[regions, 4], -3, 12));
        let boxes = c.b.node("Concat", [images, corners], [("axis", Attr::Int(1))]);
        let boxes = c.b.node("Cast", [boxes], [("to", Attr::Int(1))]);
        let bins = ints(c.shape(2, 4));
        vec![c.b.node("MaxRoiPool", [x, boxes], [("pooled_shape", bins)])]
    }),
    ("lrn", |c| {
        let shape = c.shape(4, 6);
        let x = c.input(&shape);
        let size = Attr::Int(c.size(8) as i64);
        vec![c.b.node("LRN", [x], [("size", size), ("alpha", Attr::Float(0.5))])]
    }),
];
