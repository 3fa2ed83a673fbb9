"""Grids and regions: GridSample, AffineGrid, RoiAlign, MaxRoiPool."""

import numpy as np
from generate import Const, case, floats
from standard import by_standard


def grid_sample(name, shape, points, opset=20, spread=1.4, make=by_standard, **attrs):
    seed = sum(map(ord, name))
    grid = floats(seed + 1, shape[0], *points, len(shape) - 2, low=-spread, high=spread)
    inputs = [floats(seed, *shape), grid]
    return make(f"grid sample {name}", "GridSample", inputs, opset, attrs=attrs, rtol=1e-4, atol=1e-4)


def grids():
    for mode in ["nearest", "linear", "cubic"]:
        for beyond in ["zeros", "border", "reflection"]:
            for align in [0, 1]:
                attrs = dict(mode=mode, padding_mode=beyond, align_corners=align)
                yield grid_sample(f"{attrs}", (2, 2, 4, 5), (3, 4), **attrs)
                yield grid_sample(f"far {attrs}", (1, 1, 3, 4), (4, 4), spread=9.0, **attrs)
                yield grid_sample(f"volume {attrs}", (1, 2, 3, 4, 5), (2, 2, 3), **attrs)
    for mode in ["bilinear", "bicubic", "nearest"]:
        yield grid_sample(f"opset 16 {mode}", (1, 3, 5, 4), (4, 3), opset=16, make=case, mode=mode)
    yield grid_sample("by default", (1, 3, 5, 4), (4, 3))
    # Halves go to the even element; the edge of the last one is its own.
    corners = np.float32([[[[-1, -1], [1, 1], [0, 0], [-0.5, 0.5], [0.25, -0.25]]]])
    for align in [0, 1]:
        for mode in ["nearest", "linear"]:
            attrs = dict(mode=mode, align_corners=align, padding_mode="border")
            yield by_standard(f"grid sample of corners {attrs}", "GridSample", [floats(1, 1, 1, 4, 4), corners], 20, attrs=attrs)
    for number in [np.nan, np.inf, -np.inf, 1e30]:
        zeros = dict(attrs=dict(mode="linear", padding_mode="zeros"), expect=[np.zeros((1, 1, 1, 1), np.float32)])
        yield case(f"grid sample at {number}", "GridSample", [floats(1, 1, 1, 2, 2), np.float32([[[[number, 0]]]])], 20, **zeros)
    edge = dict(attrs=dict(mode="linear", padding_mode="border"))
    x = floats(2, 1, 1, 2, 2)
    for number, at in [(np.inf, 1), (-np.inf, 0), (1e30, 1), (-1e30, 0)]:
        want = (x[:, :, 0:1, at : at + 1] + x[:, :, 1:2, at : at + 1]) / 2
        yield case(f"grid sample at the border {number}", "GridSample", [x, np.float32([[[[number, 0]]]])], 20, **edge, expect=[want])
    half = [x.astype(np.float16), floats(3, 1, 2, 2, 2).astype(np.float16)]
    yield by_standard("grid sample of f16", "GridSample", half, 20, rtol=4e-3, atol=4e-3)
    yield case("grid sample of nothing", "GridSample", [floats(1, 1, 2, 3, 3), floats(2, 1, 0, 2, 2)], 20, expect=[np.zeros((1, 2, 0, 2), np.float32)])
    yield case("grid sample, wrong axes", "GridSample", [floats(1, 1, 2, 3, 3), floats(2, 1, 2, 2, 3)], 20, error="a grid of shape")
    yield case("grid sample, odd mode", "GridSample", [floats(1, 1, 2, 3, 3), floats(2, 1, 2, 2, 2)], 20, attrs=dict(mode="odd"), error="mode")


def maps():
    for align in [0, 1]:
        attrs = dict(align_corners=align)
        size = Const(np.int64([2, 1, 3, 4]))
        yield by_standard(f"affine grid {align}", "AffineGrid", [floats(1, 2, 2, 3), size], 20, attrs=attrs)
        size = Const(np.int64([1, 5, 2, 3, 4]))
        yield by_standard(f"affine grid of volumes {align}", "AffineGrid", [floats(2, 1, 3, 4), size], 20, attrs=attrs)
    one = Const(np.int64([1, 1, 1, 3]))
    yield by_standard("affine grid of a row", "AffineGrid", [floats(3, 1, 2, 3), one], 20)
    yield case("affine grid of an aligned row", "AffineGrid", [floats(3, 1, 2, 3), one], 20, attrs=dict(align_corners=1), error="aligned")
    yield case("affine grid of wrong maps", "AffineGrid", [floats(3, 1, 3, 4), one], 20, error="maps of shape")


def regions():
    x = floats(4, 2, 3, 9, 8)
    rois = np.float32([[0, 0, 5, 6], [1.5, 2.25, 7.75, 8.5], [-3, -2, 4, 3], [5, 5, 20, 30], [3, 3, 3.2, 3.1], [30, 30, 40, 40]])
    images = np.int64([0, 1, 1, 0, 1, 0])
    for mode in ["avg", "max"]:
        for coordinates in ["half_pixel", "output_half_pixel"]:
            for sampling in [0, 1, 3]:
                attrs = dict(mode=mode, coordinate_transformation_mode=coordinates, sampling_ratio=sampling)
                attrs |= dict(output_height=3, output_width=2, spatial_scale=0.9)
                yield by_standard(f"roi align {attrs}", "RoiAlign", [x, rois, images], 16, attrs=attrs, rtol=1e-4, atol=1e-5)
    attrs = dict(output_height=2, output_width=4, sampling_ratio=2)
    yield case("roi align opset 10", "RoiAlign", [x, rois, images], 10, attrs=attrs, rtol=1e-4, atol=1e-5)
    yield case("roi align by default", "RoiAlign", [x, rois, images], 16, rtol=1e-4, atol=1e-5)
    huge = np.float32([[-90, -70, 110, 150], [-500, -300, 400, 700]])
    for mode in ["avg", "max"]:
        attrs = dict(mode=mode, output_height=2, output_width=2)
        yield by_standard(f"roi align of huge regions {mode}", "RoiAlign", [x, huge, images[:2]], 16, attrs=attrs, rtol=1e-3, atol=1e-5)
    endless = np.float32([[-1e30, -1e30, 1e30, 1e30]])
    yield case("roi align without end", "RoiAlign", [x, endless, images[:1]], 16, expect=[np.zeros((1, 3, 1, 1), np.float32)])
    yield case("roi align of none", "RoiAlign", [x, rois[:0], images[:0]], 16, expect=[np.zeros((0, 3, 1, 1), np.float32)])
    for wrong in [2, -1]:
        yield case(f"roi align of image {wrong}", "RoiAlign", [x, rois, np.full(6, wrong, np.int64)], 16, error="batch index")
    yield case("roi align of other counts", "RoiAlign", [x, rois, images[:4]], 16, error="batch indices")

    boxes = np.concatenate([images[:4, None].astype(np.float32), np.float32([[0, 0, 5, 6], [1, 2, 7, 8], [2, 2, 3, 3], [0, 4, 7, 4]])], 1)
    for shape in [[1, 1], [2, 3], [5, 4]]:
        for scale in [1.0, 0.5]:
            attrs = dict(pooled_shape=shape, spatial_scale=scale)
            yield case(f"max roi pool {attrs}", "MaxRoiPool", [x, boxes], 1, attrs=attrs)
    outside = np.float32([[0, -4, -4, -2, -2], [1, 20, 20, 30, 30], [0, -2, 3, 12, 20]])
    yield case("max roi pool outside", "MaxRoiPool", [x, outside], 1, attrs=dict(pooled_shape=[2, 2]))
    wrong = np.float32([[2, 0, 0, 1, 1]])
    for box in [wrong, wrong - 3, wrong * 0 + np.float32([0.5, 0, 0, 1, 1]), wrong * 0 + np.float32([0, 0, 0, 1e9, 1])]:
        yield case(f"max roi pool of {box.tolist()}", "MaxRoiPool", [x, box], 1, attrs=dict(pooled_shape=[1, 1]), error="region's image")


def cases():
    yield from grids()
    yield from maps()
    yield from regions()
