"""bf16, and the types of 8 bits and fewer that are cast and moved: float8, float4, integers of 4 and 2 bits."""

import ml_dtypes as ml
import numpy as np
from generate import Const, bools, case, floats, ints
from onnx import numpy_helper

EXACT = dict(rtol=0, atol=0)
NEAR = dict(rtol=1e-2, atol=1e-2)
BF16 = ml.bfloat16
FLOATS = {ml.float8_e4m3fn: 17, ml.float8_e4m3fnuz: 18, ml.float8_e5m2: 19, ml.float8_e5m2fnuz: 20, ml.float8_e8m0fnu: 24, ml.float4_e2m1fn: 23}
INTEGERS = {ml.uint4: 21, ml.int4: 22, ml.uint2: 25, ml.int2: 26}
SMALL = FLOATS | INTEGERS


def brains(seed, *shape, low=-2.0, high=2.0):
    return floats(seed, *shape, low=low, high=high).astype(BF16)


def wide(x):
    return np.asarray(x).astype(np.float32)


def name(dtype):
    return np.dtype(dtype).name


def every(dtype):
    """Every bit pattern."""
    count = {ml.uint4: 16, ml.int4: 16, ml.float4_e2m1fn: 16, ml.uint2: 4, ml.int2: 4}.get(dtype, 256)
    patterns = np.arange(count, dtype=np.uint8)
    if dtype in (ml.int4, ml.int2):
        return (patterns.astype(np.int8) - count // 2).astype(dtype)
    return patterns.view(dtype) if dtype in FLOATS else patterns.astype(dtype)


def about(dtype):
    """f32 at the values of a minifloat, between them, and close to both."""
    values = np.unique(np.abs(wide(every(dtype))))
    values = values[np.isfinite(values)][:: 16 if dtype is ml.float8_e8m0fnu else 1]
    beyond = np.array([1.0625, 1.125, 1.5, 2.0, 1e6]) * float(values[-1])
    marks = np.concatenate([values, (values[1:] + values[:-1]) / 2, beyond[beyond < 3.4e38]]).astype(np.float32)
    near = np.concatenate([np.nextafter(marks, np.float32(-np.inf)), marks, np.nextafter(marks, np.float32(np.inf))])
    return np.concatenate([near, -near, np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-30, 3e38], np.float32)]).astype(np.float32)


def exponent(x, saturate, mode):
    """The standard's text for FLOAT8E8M0, in 64 bits; where its reference differs (infinity, zero, below the least) the text holds."""
    out = []
    for v in np.abs(x.astype(np.float64)):
        if np.isnan(v) or (not saturate and not 2.0**-127 <= v <= 2.0**127):
            out.append(255)
            continue
        v = min(max(v, 2.0**-127), 2.0**127)
        low = int(np.floor(np.log2(v)))
        up = {"up": v > 2.0**low, "down": False, "nearest": v >= 1.5 * 2.0**low}[mode]
        out.append(low + 127 + up)
    return np.array(out, np.uint8).view(ml.float8_e8m0fnu)


@np.errstate(all="ignore")
def brain_casts():
    bits = np.arange(65536, dtype=np.uint16).view(BF16)
    yield case("every bf16 to f32", "Cast", [bits[::61]], 13, attrs={"to": 1}, expect=[wide(bits[::61])], **EXACT)
    hard = np.array([0x7F800001, 0xFFC12345, 0x7F7FFFFF, 0x7F7F7FFF, 1, 0x8000, 0x8001, 0x18000, 0x3F808000, 0x3F818000, 0x3F808001, 0x80008000], np.uint32).view(np.float32)
    x = np.concatenate([hard, floats(1, 50, low=-1e4, high=1e4)])
    for kind, given in [("", x), (" on the host", Const(x))]:
        yield case(f"f32 to bf16{kind}", "Cast", [given], 13, attrs={"to": 16}, expect=[x.astype(BF16)], **EXACT)
    b = brains(2, 5, 9, low=-300, high=300)
    for to, dtype in [(6, np.int32), (7, np.int64), (9, bool), (10, np.float16), (3, np.int8)]:
        whole = (b if to != 3 else brains(2, 5, 9, low=-100, high=100)) if to != 9 else np.where(bools(3, 5, 9), b, BF16(0))
        for kind, given in [("", whole), (" on the host", Const(whole))]:
            yield case(f"bf16 to {np.dtype(dtype).name}{kind}", "Cast", [given], 13, attrs={"to": to}, expect=[wide(whole).astype(dtype)], **EXACT)
    for given in [ints(4, 40, low=-70000, high=70000, dtype=np.int32), ints(5, 40, low=0, high=255, dtype=np.uint8), bools(6, 9), floats(7, 40).astype(np.float16)]:
        yield case(f"{given.dtype} to bf16", "Cast", [given], 13, attrs={"to": 16}, expect=[wide(given).astype(BF16)], **EXACT)
    x = floats(8, 4, 5)
    yield case("bf16", "CastLike", [x, brains(1, 3)], 19, expect=[x.astype(BF16)], **EXACT)
    yield case("bf16 to f16", "BitCast", [b], 26, attrs={"to": 10}, expect=[b.view(np.float16)], **EXACT)
    yield case("int16 to bf16", "BitCast", [b.view(np.int16)], 26, attrs={"to": 16}, expect=[b], **EXACT)


def brain():
    a, b = brains(1, 2, 3, 5), brains(2, 3, 5, low=0.5)
    edges = np.array([0.0, -0.0, 1e-40, 1.0, -1.0, 256, 257, 3.38e38, -3.38e38, np.inf, -np.inf, np.nan], np.float32).astype(BF16)
    p, q = np.repeat(edges, len(edges)), np.tile(edges, len(edges))
    with np.errstate(all="ignore"):
        for op, of in [("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.divide)]:
            want = of(wide(a), wide(b)).astype(BF16)
            yield case("bf16", op, [a, b], 14, expect=[want], **EXACT)
            yield case("bf16, constant", op, [a, Const(b)], 14, expect=[want], **EXACT)
            yield case("bf16, on the host", op, [Const(a), Const(b)], 14, expect=[want], **EXACT)
        finite = np.abs(wide(p)) != np.float32(edges[2])
        finite &= np.abs(wide(q)) != np.float32(edges[2])
        for op, of in [("Add", np.add), ("Mul", np.multiply)]:
            yield case("edges of bf16", op, [p[finite], q[finite]], 14, expect=[of(wide(p), wide(q)).astype(BF16)[finite]], **EXACT)
    x = brains(3, 37, low=0.1)
    for op, of in [("Sqrt", np.sqrt), ("Exp", np.exp), ("Log", np.log), ("Tanh", np.tanh), ("Reciprocal", np.reciprocal)]:
        yield case("bf16", op, [x], 13, expect=[of(wide(x)).astype(BF16)], **NEAR)
    for op, of in [("Neg", np.negative), ("Abs", np.abs), ("Floor", np.floor), ("Sign", np.sign)]:
        yield case("bf16", op, [a], 13, expect=[of(wide(a)).astype(BF16)], **EXACT)
    yield case("bf16", "Relu", [a], 14, expect=[np.maximum(wide(a), 0).astype(BF16)], **EXACT)
    yield case("bf16", "LeakyRelu", [a], 16, attrs={"alpha": 0.3}, expect=[np.where(wide(a) < 0, wide(a) * np.float32(0.3), wide(a)).astype(BF16)], **NEAR)
    yield case("bf16", "Clip", [a, Const(BF16(-0.5)), Const(BF16(0.75))], 13, expect=[np.clip(wide(a), -0.5, 0.75).astype(BF16)], **EXACT)
    yield case("bf16", "Pow", [x, Const(BF16(2.0))], 15, expect=[(wide(x) ** 2).astype(BF16)], **EXACT)
    yield case("bf16", "Where", [bools(1, 3, 5), a, b], 16, expect=[np.where(bools(1, 3, 5), wide(a), wide(b)).astype(BF16)], **EXACT)
    yield case("bf16", "Greater", [a, b], 13, expect=[wide(a) > wide(b)])
    yield case("bf16", "IsNaN", [edges], 20, expect=[np.isnan(wide(edges))])
    yield case("bf16", "Mean", [a, b, a], 13, expect=[((wide(a) + wide(b)).astype(BF16).astype(np.float32) + wide(a)).astype(BF16)], rtol=1, atol=1)
    yield case("bf16 and f16", "MatMul", [brains(1, 2, 3), floats(2, 3, 4).astype(np.float16)], 13, error="both")
    yield case("bf16 and f32", "Add", [brains(1, 2, 3), floats(2, 2, 3)], 14, error="bf16, f32")
    yield case("no bf16", "Add", [np.zeros((0, 3), BF16), brains(1, 3)], 14, expect=[np.zeros((0, 3), BF16)])

    m, n = brains(4, 3, 5, 17), brains(5, 17, 9)
    product = (wide(m) @ wide(n)).astype(BF16)
    yield case("bf16", "MatMul", [m, n], 13, expect=[product], **NEAR)
    yield case("bf16, constant", "MatMul", [m, Const(n)], 13, expect=[product], **NEAR)
    c = brains(6, 9)
    yield case("bf16", "Gemm", [m[0], Const(n), Const(c)], 13, attrs={"alpha": 0.5}, expect=[(0.5 * (wide(m[0]) @ wide(n)) + wide(c)).astype(BF16)], **NEAR)
    soft = np.exp(wide(m)) / np.exp(wide(m)).sum(-1, keepdims=True)
    yield case("bf16", "Softmax", [m], 13, expect=[soft.astype(BF16)], **NEAR)
    norm = (wide(m) - wide(m).mean(-1, keepdims=True)) / np.sqrt(wide(m).var(-1, keepdims=True) + 1e-5)
    yield case("bf16", "LayerNormalization", [m, Const(np.ones(17, BF16))], 17, expect=[norm.astype(BF16)], **NEAR)
    for op, of in [("ReduceSum", np.sum), ("ReduceMean", np.mean), ("ReduceMax", np.max), ("ReduceMin", np.min)]:
        yield case("bf16", op, [m, Const(np.array([1, 2]))], 18, expect=[of(wide(m), axis=(1, 2), keepdims=True).astype(BF16)], **NEAR)
    yield case("bf16", "ArgMax", [m], 13, attrs={"axis": 2}, expect=[wide(m).argmax(2)[:, :, None]])
    order = np.argsort(-wide(m[0]), axis=1, kind="stable")[:, :4]
    yield case("bf16", "TopK", [m[0], Const(np.array([4]))], 24, outputs=2, expect=[np.take_along_axis(wide(m[0]), order, 1).astype(BF16), order], **EXACT)
    image = brains(7, 2, 3, 8, 6)
    windows = np.lib.stride_tricks.sliding_window_view(wide(image), (2, 2), (2, 3))[:, :, ::2, ::2]
    shape = {"kernel_shape": [2, 2], "strides": [2, 2]}
    yield case("bf16", "MaxPool", [image], 22, attrs=shape, expect=[windows.max((-1, -2)).astype(BF16)], **EXACT)
    yield case("bf16", "AveragePool", [image], 22, attrs=shape, expect=[windows.mean((-1, -2)).astype(BF16)], **NEAR)
    kernel = brains(8, 4, 3, 1, 1)
    yield case("bf16", "Conv", [image, Const(kernel)], 22, expect=[np.einsum("nchw,oc->nohw", wide(image), wide(kernel)[:, :, 0, 0]).astype(BF16)], **NEAR)


def moved(x, kind):
    """Whatever moves elements, with x of shape 5, 7."""
    at = np.array([4, 0, 2])
    yield case(kind, "Transpose", [x], 25, expect=[x.T.copy()], **EXACT)
    yield case(f"{kind}, constant", "Transpose", [Const(x)], 25, expect=[x.T.copy()], **EXACT)
    yield case(kind, "Reshape", [x, Const(np.array([7, -1]))], 25, expect=[x.reshape(7, 5)], **EXACT)
    yield case(kind, "Identity", [x], 25, expect=[x], **EXACT)
    yield case(kind, "Slice", [x, Const(np.array([1, 6])), Const(np.array([5, -9])), Const(np.array([0, 1])), Const(np.array([2, -2]))], 13, expect=[x[1:5:2, ::-2].copy()], **EXACT)
    yield case(f"{kind}, a piece", "Slice", [x, Const(np.array([1])), Const(np.array([4]))], 13, expect=[x[1:4].copy()], **EXACT)
    yield case(kind, "Concat", [x, x[:, :3].copy()], 13, attrs={"axis": 1}, expect=[np.concatenate([x, x[:, :3]], 1)], **EXACT)
    yield case(f"{kind} in one piece", "Concat", [x, x[:3].copy(), Const(x[:1])], 13, attrs={"axis": 0}, expect=[np.concatenate([x, x[:3], x[:1]], 0)], **EXACT)
    yield case(kind, "Split", [x], 13, outputs=5, attrs={"axis": 0}, expect=list(x[:, None]), **EXACT)
    yield case(kind, "Gather", [x, at], 13, expect=[x[at]], **EXACT)
    yield case(f"{kind}, constant", "Gather", [Const(x), at], 13, expect=[x[at]], **EXACT)
    yield case(kind, "Where", [bools(1, 5, 7), x, x[::-1].copy()], 16, expect=[np.where(bools(1, 5, 7), x, x[::-1])], **EXACT)
    yield case(kind, "Expand", [x[:, :1].copy(), Const(np.array([2, 5, 3]))], 13, expect=[np.broadcast_to(x[:, :1], (2, 5, 3)).copy()], **EXACT)
    yield case(kind, "Pad", [x, Const(np.array([1, 0, 0, 3]))], 25, expect=[np.concatenate([np.concatenate([np.zeros((1, 7), x.dtype), x]), np.zeros((6, 3), x.dtype)], 1)], **EXACT)
    yield case(f"nothing of {kind}", "Transpose", [x[:0]], 25, expect=[x[:0].T.copy()], **EXACT)


@np.errstate(all="ignore")
def small_casts():
    for dtype, to in FLOATS.items():
        opset = 19 if to < 21 else 24
        kind, values = name(dtype), every(dtype)
        for host in (False, True):
            give = Const if host else lambda x: x
            where = " on the host" if host else ""
            for code, other in [(1, np.float32), (10, np.float16), (16, BF16), (9, bool)]:
                with np.errstate(all="ignore"):
                    want = (wide(values) != 0) if other is bool else wide(values).astype(other)
                yield case(f"every {kind} to {np.dtype(other).name}{where}", "Cast", [give(values)], opset, attrs={"to": code}, expect=[want], **EXACT)
            x = about(dtype)
            for saturate in (1, 0):
                for mode in ["up", "down", "nearest"] if to == 24 else ["up"]:
                    attrs = {"to": to, "saturate": saturate} | ({"round_mode": mode} if to == 24 else {})
                    if to == 24:
                        want = exponent(x, saturate, mode)
                    else:
                        want = numpy_helper.saturate_cast(x, np.dtype(dtype)) if saturate and to != 23 else x.astype(dtype)
                    yield case(f"f32 to {kind}, saturate {saturate} {mode}{where}", "Cast", [give(x)], opset, attrs=attrs, expect=[want])
                    if to != 24 and not host:
                        yield case(f"saturate {saturate}", "CastLike", [x[-20:], values[:3]], opset, attrs={"saturate": saturate}, expect=[want[-20:]])
        whole = np.array([0, 1, 2, 3, 4, 6, 8, 17, 300, 70000], np.int32)
        want = exponent(whole, True, "up") if to == 24 else whole.astype(np.float32).astype(dtype) if to == 23 else numpy_helper.saturate_cast(whole.astype(np.float32), np.dtype(dtype))
        yield case(f"int32 to {kind}", "Cast", [whole], opset, attrs={"to": to}, expect=[want])
        finite = values[np.isfinite(wide(values)) & (np.abs(wide(values)) < 2**31)]
        yield case(f"{kind} to int32", "Cast", [finite], opset, attrs={"to": 6}, expect=[wide(finite).astype(np.int32)])
        yield case(f"{kind} to int64", "Cast", [finite], opset, attrs={"to": 7}, expect=[wide(finite).astype(np.int64)])
        yield case(kind, "Identity", [values], 25, expect=[values])
        if to in (17, 20):
            yield case(kind, "IsNaN", [values], 20, expect=[np.isnan(wide(values))])
        if to != 23:
            yield case(f"{kind} to uint8", "BitCast", [values], 26, attrs={"to": 2}, expect=[values.view(np.uint8)])
            yield case(f"int8 to {kind}", "BitCast", [values.view(np.int8)], 26, attrs={"to": to}, expect=[values])
    e4, e5 = every(ml.float8_e4m3fn), every(ml.float8_e5m2)
    yield case("f8e4m3fn to f8e5m2", "Cast", [e4], 19, attrs={"to": 19}, expect=[numpy_helper.saturate_cast(wide(e4), np.dtype(ml.float8_e5m2))])
    yield case("f8e5m2 to f8e4m3fn", "Cast", [e5], 19, attrs={"to": 17, "saturate": 0}, expect=[wide(e5).astype(ml.float8_e4m3fn)])
    yield case("f8e8m0 beyond i64", "Cast", [every(ml.float8_e8m0fnu)], 24, attrs={"to": 7}, error="leaves the range")
    yield case("a wrong mode", "Cast", [floats(1, 3)], 24, attrs={"to": 24, "round_mode": "sideways"}, error="sideways")

    for dtype, to in INTEGERS.items():
        kind, values, opset = name(dtype), every(dtype), 21 if to < 23 else 25
        values = np.concatenate([values, values[:1]])
        plain = values.astype(np.int32)
        for host in (False, True):
            give = Const if host else lambda x: x
            where = " on the host" if host else ""
            for code, other in [(1, np.float32), (10, np.float16), (16, BF16), (6, np.int32), (7, np.int64), (3, np.int8), (2, np.uint8), (9, bool)]:
                yield case(f"every {kind} to {np.dtype(other).name}{where}", "Cast", [give(values)], opset, attrs={"to": code}, expect=[plain.astype(other)], **EXACT)
            x = np.array([-9.7, -8, -1.5, -0.5, 0.5, 1.5, 3.9, 7.9, 8.2, 15.9, 16.1, 17.9, 300.7, -300.7], np.float32)
            yield case(f"f32 to {kind}{where}", "Cast", [give(x)], opset, attrs={"to": to}, expect=[x.astype(dtype)])
            for source in (np.int8, np.uint8, np.int32, np.int64):
                x = np.array([0, 1, 2, 3, 7, 8, 15, 16, 17, 100], source)
                x = np.concatenate([x, -x]) if np.dtype(source).kind == "i" else x
                yield case(f"{x.dtype} to {kind}{where}", "Cast", [give(x)], opset, attrs={"to": to}, expect=[x.astype(dtype)])
        for other, code in INTEGERS.items():
            yield case(f"{kind} to {name(other)}", "Cast", [values], 25, attrs={"to": code}, expect=[plain.astype(other)])
        yield case(f"{kind} to float8", "Cast", [values], opset, attrs={"to": 17}, expect=[plain.astype(np.float32).astype(ml.float8_e4m3fn)])
    fours = every(ml.int4)
    yield case("int4 to uint4", "BitCast", [fours], 26, attrs={"to": 21}, expect=[(fours.astype(np.int8) & 15).astype(ml.uint4)])
    yield case("uint4 to float4", "BitCast", [every(ml.uint4)], 26, attrs={"to": 23}, expect=[every(ml.float4_e2m1fn)])
    yield case("int4 to int8", "BitCast", [fours], 26, attrs={"to": 3}, error="the bits of i4 as i8")


def cases():
    yield from brain_casts()
    yield from brain()
    yield from moved(brains(9, 5, 7), "bf16")
    yield from small_casts()
    for dtype in SMALL:
        patterns = every(dtype)
        yield from moved(patterns[ints(1, 5, 7, low=0, high=len(patterns))], name(dtype))
    yield case("float8", "Add", [every(ml.float8_e5m2)] * 2, 14, error="f8e5m2")
    yield case("int4", "Add", [every(ml.int4)] * 2, 14, error="i4")
