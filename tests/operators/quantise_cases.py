"""Quantised operators of ONNX."""

import ml_dtypes as ml
import numpy as np
from generate import Const, case, evaluated, floats, ints
from onnx import numpy_helper

EXACT = dict(rtol=0, atol=0)
BYTES = {"u8": np.uint8, "i8": np.int8}


def scalar(x, dtype=np.float32):
    return np.array(x, dtype)


def whole(seed, dtype, *shape):
    info = np.iinfo(dtype)
    return ints(seed, *shape, low=info.min, high=info.max + 1, dtype=dtype)


def weights(seed, dtype, *shape):
    """Beside u8: onnxruntime adds two products of u8 and i8 in 16 bits, saturated, where the processor lacks VNNI."""
    return ints(seed, *shape, low=-64, high=64, dtype=dtype) if dtype == np.int8 else whole(seed, dtype, *shape)


def both(name, op, inputs, opset, constants, **more):
    """With those inputs fed, and as constants."""
    yield case(name, op, inputs, opset, **more)
    held = [Const(x) if i in constants and x is not None else x for i, x in enumerate(inputs)]
    yield case(name + ", constants", op, held, opset, **more)


# Halves to the even number, beyond both ends, infinities and tiny numbers.
EDGES = np.array(
    [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.4999998, 3.5000002, 254.5, 255.5, 300, -300, 1e9, -1e9, 3e38, -3e38, np.inf, -np.inf, 0.0, -0.0, 1e-30],
    np.float32,
)


def linear():
    for name, dtype in [*BYTES.items(), ("u16", np.uint16), ("i16", np.int16)]:
        opset = 13 if dtype in (np.uint8, np.int8) else 21
        zero = scalar(np.iinfo(dtype).max // 3, dtype)
        x = np.concatenate([EDGES, EDGES[:14] * np.float32(100), floats(1, 300, low=-400, high=400)])
        yield from both(f"{name}", "QuantizeLinear", [x, scalar(1.0), zero], opset, [1, 2], **EXACT)
        yield from both(f"{name}, scale", "QuantizeLinear", [x, scalar(0.3), zero], opset, [1, 2], **EXACT)
        yield from both(f"{name}", "DequantizeLinear", [whole(2, dtype, 3, 7), scalar(0.0173), zero], opset, [1, 2], **EXACT)
        yield case(f"{name}, of a constant", "DequantizeLinear", [Const(whole(2, dtype, 3, 7)), scalar(0.0173), zero], opset, **EXACT)
        yield case(f"{name}, no zero point", "DequantizeLinear", [whole(3, dtype, 5), scalar(0.25)], opset, **EXACT)
    yield case("no zero point", "QuantizeLinear", [EDGES, scalar(0.7)], 10, **EXACT)
    yield case("scale of one element", "QuantizeLinear", [floats(4, 3, 5), floats(5, 1, low=0.01, high=0.1), ints(6, 1, low=0, high=255, dtype=np.uint8)], 13, **EXACT)
    yield evaluated("i32", "QuantizeLinear", [ints(7, 40, low=-5000, high=5000, dtype=np.int32), scalar(17.0), scalar(3, np.int8)], 13, **EXACT)
    yield case("i32", "DequantizeLinear", [ints(7, 40, low=-(2**31), high=2**31, dtype=np.int32), scalar(0.001)], 13, **EXACT)
    for axis, shape in [(1, (2, 5, 3)), (0, (4, 3)), (-1, (2, 3, 6)), (2, (2, 3, 4, 5)), (0, (5,))]:
        size = shape[axis]
        scale, zero = floats(8, size, low=0.01, high=0.2), whole(9, np.uint8, size)
        more = dict(attrs={"axis": axis}, **EXACT)
        yield from both(f"axis {axis} of {len(shape)}", "QuantizeLinear", [floats(10, *shape, low=-9, high=9), scale, zero], 13, [1, 2], **more)
        yield from both(f"axis {axis} of {len(shape)}", "DequantizeLinear", [whole(11, np.uint8, *shape), scale, zero], 13, [1, 2], **more)
    yield case("axis, large constant", "DequantizeLinear", [Const(whole(11, np.int8, 40, 40)), Const(floats(8, 40, low=0.01, high=0.2)), Const(np.zeros(40, np.int8))], 13, attrs={"axis": 0}, **EXACT)
    for axis, block, shape in [(0, 2, (6, 5)), (1, 3, (2, 12)), (-1, 4, (3, 2, 8)), (1, 2, (2, 4, 3, 5))]:
        scales = list(shape)
        scales[axis] //= block
        scale, zero = floats(12, *scales, low=0.01, high=0.2), whole(13, np.int8, *scales)
        more = dict(attrs={"axis": axis, "block_size": block}, **EXACT)
        yield from both(f"blocks of {block}", "QuantizeLinear", [floats(14, *shape, low=-9, high=9), scale, zero], 21, [1, 2], **more)
        yield from both(f"blocks of {block}", "DequantizeLinear", [whole(15, np.int8, *shape), scale, zero], 21, [1, 2], **more)
    yield case("halves", "QuantizeLinear", [floats(16, 400, low=-30, high=30).astype(np.float16), scalar(0.0371, np.float16), scalar(7, np.uint8)], 19, expect=[np.clip(np.rint(floats(16, 400, low=-30, high=30).astype(np.float16) / scalar(0.0371, np.float16)) + 7, 0, 255).astype(np.uint8)], **EXACT)
    yield case("halves", "DequantizeLinear", [whole(17, np.int8, 5, 9), scalar(0.0371, np.float16), scalar(7, np.int8)], 19, **EXACT)
    yield evaluated("output type", "QuantizeLinear", [floats(18, 30, low=-30, high=30), scalar(0.1)], 21, attrs={"output_dtype": 5}, **EXACT)
    yield evaluated("precision of f32", "QuantizeLinear", [floats(16, 400, low=-30, high=30).astype(np.float16), scalar(0.0371, np.float16), scalar(7, np.uint8)], 23, attrs={"precision": 1}, **EXACT)
    yield evaluated("newest opset", "QuantizeLinear", [floats(18, 30, low=-30, high=30), scalar(0.1), scalar(3, np.int16)], 25, **EXACT)
    for shape in [(0,), (3, 0, 2)]:
        yield case("empty", "QuantizeLinear", [floats(1, *shape), scalar(0.5), scalar(3, np.uint8)], 13, **EXACT)
        yield case("empty", "DequantizeLinear", [whole(1, np.uint8, *shape), scalar(0.5), scalar(3, np.uint8)], 13, **EXACT)
    x = floats(1, 3, 4)
    fails = [
        ("scale of another length", [x, floats(1, 3), whole(1, np.uint8, 3)], {}, "neither one number nor one for each index"),
        ("zero point of another length", [x, floats(1, 4), whole(1, np.uint8, 3)], {}, "is not of the scale's shape"),
        ("axis beyond the last", [x, floats(1, 4), whole(1, np.uint8, 4)], {"axis": 2}, "the axis is none of the input's"),
        ("blocks that do not divide", [x, floats(1, 3, 2), whole(1, np.uint8, 3, 2)], {"block_size": 3}, "blocks of 3 do not divide an axis of 4"),
        ("scales for other blocks", [x, floats(1, 3, 3), whole(1, np.uint8, 3, 3)], {"block_size": 3}, "not one for each block of 3"),
        ("types that differ", [x, scalar(1.0), scalar(1, np.uint8)], {"output_dtype": 3}, "the zero point is u8 and output_dtype is i8"),
    ]
    for name, inputs, attrs, error in fails:
        yield case(name, "QuantizeLinear", inputs, 21, attrs=attrs, error=error)
    yield case("zero point of another type", "DequantizeLinear", [whole(1, np.uint8, 4), scalar(1.0), scalar(1, np.int8)], 13, error="the zero point is i8, the input u8")


def small():
    """Types of few bits, which onnxruntime and the reference evaluator have in part."""
    x = np.concatenate([EDGES[:14], floats(70, 50, low=-12, high=12)])
    scale = np.float32(0.75)
    for dtype, low, high in [(ml.int4, -8, 7), (ml.uint4, 0, 15), (ml.int2, -2, 1), (ml.uint2, 0, 3)]:
        name, zero = np.dtype(dtype).name, 1

        def quantise(x, scale, zero):
            return np.clip(np.rint(x / scale) + zero, low, high).astype(np.int8).astype(dtype)

        q = ints(71, 5, 6, low=low, high=high + 1).astype(dtype)
        scales, zeros = floats(72, 6, low=0.1, high=2), ints(73, 6, low=low, high=high + 1)
        blocks, blocked = floats(74, 5, 2, low=0.1, high=2), ints(75, 5, 2, low=low, high=high + 1)
        repeated = [np.repeat(part, 3, axis=1) for part in (blocks, blocked)]
        wide = q.astype(np.int32)
        yield from both(name, "QuantizeLinear", [x, scale, scalar(zero, dtype)], 25, [1, 2], expect=[quantise(x, scale, zero)], **EXACT)
        yield from both(name, "DequantizeLinear", [q, scale, scalar(zero, dtype)], 25, [0, 1, 2], expect=[(wide - zero).astype(np.float32) * scale], **EXACT)
        y = floats(76, 5, 6, low=-9, high=9)
        yield from both(name + ", axis", "QuantizeLinear", [y, scales, zeros.astype(dtype)], 25, [1, 2], expect=[quantise(y, scales, zeros)], **EXACT)
        yield from both(name + ", axis", "DequantizeLinear", [q, scales, zeros.astype(dtype)], 25, [1, 2], expect=[(wide - zeros).astype(np.float32) * scales], **EXACT)
        more = dict(attrs={"axis": 1, "block_size": 3}, **EXACT)
        yield from both(name + ", blocks", "QuantizeLinear", [y, blocks, blocked.astype(dtype)], 25, [1, 2], expect=[quantise(y, *repeated)], **more)
        yield from both(name + ", blocks", "DequantizeLinear", [q, blocks, blocked.astype(dtype)], 25, [1, 2], expect=[(wide - repeated[1]).astype(np.float32) * repeated[0]], **more)
    for dtype in (ml.float8_e4m3fn, ml.float8_e4m3fnuz, ml.float8_e5m2, ml.float8_e5m2fnuz, ml.float4_e2m1fn):
        name = np.dtype(dtype).name
        for scale in (np.float32(0.75), np.float32(0.01)):
            quotient = x / scale
            saturated = numpy_helper.saturate_cast(quotient, dtype=np.dtype(dtype))
            yield case(f"{name}, scale {scale}", "QuantizeLinear", [x, scale, scalar(0, dtype)], 25, expect=[saturated], **EXACT)
            if dtype != ml.float4_e2m1fn:
                with np.errstate(over="ignore"):
                    yield case(f"{name}, scale {scale}, not saturated", "QuantizeLinear", [x, scale, scalar(0, dtype)], 25, attrs={"saturate": 0}, expect=[quotient.astype(dtype)], **EXACT)
        count = 16 if dtype == ml.float4_e2m1fn else 256
        patterns = np.arange(count, dtype=np.uint8).view(dtype)
        yield case(f"every {name}", "DequantizeLinear", [patterns, np.float32(0.3), scalar(0, dtype)], 25, expect=[patterns.astype(np.float32) * np.float32(0.3)], **EXACT)
    brains, scale = floats(77, 90, low=-20, high=20).astype(ml.bfloat16), scalar(0.171875, ml.bfloat16)
    quotient = (brains.astype(np.float32) / np.float32(scale)).astype(ml.bfloat16).astype(np.float32)
    yield case("bf16", "QuantizeLinear", [brains, scale, scalar(3, np.uint8)], 25, expect=[np.clip(np.rint(quotient) + 3, 0, 255).astype(np.uint8)], **EXACT)
    q = whole(78, np.int8, 4, 9)
    yield case("bf16", "DequantizeLinear", [q, scale, scalar(3, np.int8)], 25, expect=[((q.astype(np.float32) - 3) * np.float32(scale)).astype(ml.bfloat16)], **EXACT)
    yield case("to f8e8m0", "QuantizeLinear", [x, np.float32(1), scalar(1, ml.float8_e8m0fnu)], 25, error="quantisation to f8e8m0")


def dynamic():
    for name, x in [
        ("mixed", floats(20, 3, 17, low=-3, high=5)),
        ("positive", floats(21, 40, low=2, high=5)),
        ("negative", floats(22, 2, 3, 4, low=-5, high=-2)),
        ("zeros", np.zeros((2, 3), np.float32)),
        ("one", np.array([0.3], np.float32)),
    ]:
        yield case(name, "DynamicQuantizeLinear", [x], 11, outputs=3, rtol=1e-6, atol=0)


def products():
    # The first is a, the second b. onnxruntime takes no i8 a beside a u8 b, where the reference evaluator stands in.
    for a, b in [("u8", "u8"), ("u8", "i8"), ("i8", "i8"), ("i8", "u8")]:
        make = evaluated if (a, b) == ("i8", "u8") else case
        A, B = BYTES[a], BYTES[b]
        for sa, sb in [((5, 7), (7, 6)), ((3, 16), (16, 9)), ((1, 33), (33, 70)), ((2, 3, 9, 20), (20, 5)), ((2, 1, 4, 8), (3, 8, 5)), ((2, 1, 32), (32, 8))]:
            x, y = whole(30, A, *sa), weights(31, B, *sb)
            zx, zy = scalar(np.iinfo(A).max // 2, A), scalar(np.iinfo(B).max // 3, B)
            name = f"{a} {b} {sa} {sb}"
            yield make(name, "MatMulInteger", [x, y, zx, zy], 10)
            yield make(name + ", constant b", "MatMulInteger", [x, Const(y), zx, Const(zy)], 10)
    u, i = np.uint8, np.int8
    yield case("no zero points", "MatMulInteger", [whole(32, u, 4, 9), weights(33, i, 9, 5)], 10)
    yield evaluated("vectors", "MatMulInteger", [whole(32, u, 9), whole(33, u, 9, 5), scalar(100, u), scalar(7, u)], 10)
    yield evaluated("a vector on the right", "MatMulInteger", [whole(32, u, 2, 4, 9), whole(33, u, 9), scalar(100, u), scalar(7, u)], 10)
    yield case("zero point of each column", "MatMulInteger", [whole(32, u, 4, 9), weights(33, i, 9, 5), scalar(9, u), whole(34, i, 5)], 10)
    x, y, zx = whole(32, u, 6, 9), whole(33, u, 9, 5), whole(34, u, 6)
    expect = (x.astype(np.int32) - zx.astype(np.int32)[:, None]) @ y.astype(np.int32)
    yield case("zero point of each row", "MatMulInteger", [x, y, zx], 10, expect=[expect])
    x, y, zx, zy = whole(32, u, 2, 6, 9), whole(33, i, 2, 9, 5), whole(34, u, 2, 6, 1), whole(35, i, 2, 1, 5)
    expect = (x.astype(np.int32) - zx.astype(np.int32)) @ (y.astype(np.int32) - zy.astype(np.int32))
    yield case("zero points of each row and column of each matrix", "MatMulInteger", [x, y, zx, zy], 10, expect=[expect])
    yield case("largest numbers", "MatMulInteger", [np.full((5, 600), 255, u), np.full((600, 2), -128, i)], 10, expect=[np.full((5, 2), 255 * -128 * 600, np.int32)])
    yield case("empty", "MatMulInteger", [whole(1, u, 0, 4), whole(2, u, 4, 3)], 10, expect=[np.zeros((0, 3), np.int32)])
    yield case("depths that differ", "MatMulInteger", [whole(1, u, 2, 4), whole(2, u, 3, 3)], 10, error="cannot be multiplied")
    yield case("zero point of another type", "MatMulInteger", [whole(1, u, 2, 4), whole(2, u, 4, 3), scalar(1, i)], 10, error="the zero point of a is i8, not u8")
    yield case("zero points of another length", "MatMulInteger", [whole(1, u, 2, 4), whole(2, u, 4, 3), scalar(1, u), whole(3, u, 2)], 10, error="that is not one for each column of b")

    for a, b in [("u8", "u8"), ("u8", "i8"), ("i8", "i8")]:
        A, B = BYTES[a], BYTES[b]
        for sa, sb in [((5, 7), (7, 6)), ((2, 3, 20), (20, 9)), ((2, 4, 8), (2, 8, 5))]:
            inputs = [whole(40, A, *sa), scalar(0.011), scalar(30, A), weights(41, B, *sb), scalar(0.017), scalar(9, B), scalar(0.23), scalar(21, A)]
            yield from both(f"{a} {b} {sa} {sb}", "QLinearMatMul", inputs, 10, [1, 2, 3, 4, 5, 6, 7])
    inputs = [whole(40, u, 5, 7), scalar(0.011), scalar(30, u), weights(41, i, 7, 6), floats(42, 6, low=0.01, high=0.03), whole(43, i, 6), scalar(0.23), scalar(21, u)]
    yield from both("scale of each column", "QLinearMatMul", inputs, 10, [3, 4, 5])
    # Exact halves, with an odd zero point: the quotient is rounded first.
    inputs = [np.arange(12, dtype=u).reshape(12, 1), scalar(0.5), scalar(0, u), np.ones((1, 1), u), scalar(1.0), scalar(0, u), scalar(1.0), scalar(1, u)]
    yield case("halves", "QLinearMatMul", inputs, 10, expect=[(np.rint(np.arange(12) * 0.5) + 1).astype(u).reshape(12, 1)])


def convolutions():
    u, i = np.uint8, np.int8
    kinds = [
        ("plain", (1, 3, 7, 9), (5, 3, 3, 3), {}),
        ("padded, strided", (2, 3, 8, 9), (4, 3, 3, 3), {"pads": [1, 1, 1, 2], "strides": [2, 2]}),
        ("dilated", (1, 2, 9, 9), (3, 2, 3, 3), {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
        ("pointwise", (1, 16, 4, 5), (6, 16, 1, 1), {}),
        ("groups", (2, 6, 5, 5), (4, 3, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
        ("depthwise", (1, 5, 6, 6), (5, 1, 3, 3), {"group": 5, "pads": [1, 1, 1, 1]}),
        ("one axis", (2, 3, 20), (4, 3, 5), {"pads": [2, 2]}),
        ("three axes", (1, 2, 4, 5, 6), (3, 2, 2, 3, 3), {"pads": [0, 1, 1, 1, 1, 1]}),
        ("same", (1, 2, 5, 6), (3, 2, 4, 3), {"auto_pad": "SAME_UPPER"}),
    ]
    for name, sx, sw, attrs in kinds:
        x, w = whole(50, u, *sx), whole(51, u, *sw)
        zeros = [scalar(117, u), scalar(128, u)]
        yield case(name, "ConvInteger", [x, w, *zeros], 10, attrs=attrs)
        yield case(name + ", constants", "ConvInteger", [x, Const(w), *map(Const, zeros)], 10, attrs=attrs)
        channels = sw[0]
        for kind, wt, per in [("u8", u, False), ("i8", i, False), ("i8 by channel", i, True)]:
            w = weights(52, wt, *sw)
            scale = floats(53, channels, low=0.005, high=0.02) if per else scalar(0.013)
            zero = np.zeros(channels, i) if per else scalar(3, wt)
            inputs = [x, scalar(0.021), scalar(117, u), w, scale, zero, scalar(0.19), scalar(131, u), ints(54, channels, low=-4000, high=4000, dtype=np.int32)]
            yield from both(f"{name}, {kind}", "QLinearConv", inputs, 10, [3, 4, 5, 8], attrs=attrs)
        yield case(name + ", no bias", "QLinearConv", inputs[:8], 10, attrs=attrs)
    x, w = whole(50, i, 1, 3, 5, 5), whole(51, i, 2, 3, 3, 3)
    yield case("i8", "QLinearConv", [x, scalar(0.02), scalar(-3, i), w, scalar(0.01), scalar(0, i), scalar(0.2), scalar(5, i)], 10)
    yield evaluated("i8", "ConvInteger", [x, w, scalar(-3, i)], 10)
    wz = np.array([3, -2], i)
    padded = np.pad(x.astype(np.int32) + 3, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[0]
    expect = np.einsum("cyxhw,mchw->myx", windows, w.astype(np.int32) - wz[:, None, None, None].astype(np.int32))[None].astype(np.int32)
    yield case("zero point of each channel, padded", "ConvInteger", [x, w, scalar(-3, i), wz], 10, attrs={"pads": [1, 1, 1, 1]}, expect=[expect])
    yield case("zero points of another length", "ConvInteger", [x, w, scalar(-3, i), np.zeros(3, i)], 10, error="one number or one for each output channel")
    yield case("bias of another length", "QLinearConv", [x, scalar(0.02), scalar(-3, i), w, scalar(0.01), scalar(0, i), scalar(0.2), scalar(5, i), np.zeros(3, np.int32)], 10, error="the bias [3] is not one number for each of 2 channels")
    yield case("zero point of another type", "ConvInteger", [x, w, scalar(3, u)], 10, error="the input's zero point is u8, not i8")


def cases():
    yield from linear()
    yield from small()
    yield from dynamic()
    yield from products()
    yield from convolutions()
