"""Batch normalisation that no convolution absorbs."""

from generate import Const, case, floats


def cases():
    for opset, shape in [(9, (2, 3, 4, 5)), (14, (2, 3)), (15, (1, 5, 7)), (15, (0, 3, 2))]:
        channels = shape[1]
        statistics = [floats(k, channels) for k in (1, 2, 3)] + [floats(4, channels, low=0.1, high=3.0)]
        inputs = [floats(5, *shape)] + [Const(s) for s in statistics]
        yield case(f"batch norm {shape}", "BatchNormalization", inputs, opset, attrs={"epsilon": 1e-3})
