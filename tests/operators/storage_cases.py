"""What does not lie a word an element: half precision, 8 and 16 bits, packed where they come and go."""

import numpy as np
from generate import Const, bools, case, floats, ints

EXACT = dict(rtol=0, atol=0)
NEAR = dict(rtol=1e-3, atol=1e-3)

EDGES = np.array(
    [0.0, -0.0, 6e-8, -6e-8, 5.96e-5, 6.1e-5, -6.1e-5, 1.0, -1.0, 2048, 2049, 65504, -65504, np.inf, -np.inf, np.nan],
    np.float16,
)


def halves(seed, *shape, low=-2.0, high=2.0):
    return floats(seed, *shape, low=low, high=high).astype(np.float16)


def both(name, op, x, rest, opset, **more):
    """With the other inputs fed, and as constants."""
    yield case(name, op, [x, *rest], opset, **more)
    yield case(name + ", constants", op, [x, *map(Const, rest)], opset, **more)


def cases():
    # One rounding an operator: f32 holds enough for these to be those of half precision.
    for op in ["Add", "Sub", "Mul", "Div"]:
        yield from both("halves", op, halves(1, 3, 5), [halves(2, 3, 5, low=0.5)], 14, **EXACT)
        yield from both("halves, broadcast", op, halves(1, 2, 3, 5), [halves(2, 3, 1, low=0.5)], 14, **EXACT)
    edges = np.repeat(EDGES, len(EDGES)), np.tile(EDGES, len(EDGES))
    with np.errstate(all="ignore"):
        yield case("edges of half precision", "Add", edges, 14, expect=[edges[0] + edges[1]], **EXACT)
        yield case("edges of half precision", "Mul", edges, 14, expect=[edges[0] * edges[1]], **EXACT)
    for op in ["Sqrt", "Exp", "Log", "Tanh", "Sigmoid", "Erf", "Reciprocal", "Softplus"]:
        yield case("halves", op, [halves(3, 37, low=0.1)], 13, **NEAR)
    for op in ["Relu", "Neg", "Abs", "Floor", "Ceil"]:
        yield case("halves", op, [halves(3, 37)], 13, **EXACT)
    yield case("halves", "Clip", [halves(4, 9, 3), Const(np.float16(-0.5)), Const(np.float16(0.75))], 13, **EXACT)
    yield case("halves", "LeakyRelu", [halves(4, 30)], 13, attrs={"alpha": 0.3}, **NEAR)
    yield case("halves", "Pow", [halves(4, 30, low=0.1), Const(np.float16(2.0))], 15, **NEAR)
    yield case("halves", "Where", [bools(1, 4, 7), halves(2, 4, 7), halves(3, 7)], 16, **EXACT)
    yield case("halves", "Greater", [halves(2, 4, 7), halves(3, 7)], 13)
    yield case("halves", "IsNaN", [EDGES], 20)
    yield case("halves", "Max", [halves(2, 4, 7), halves(3, 7), halves(5, 4, 1)], 13, **EXACT)

    # To and from.
    wild = np.array([0.0, 1e-8, 3e-8, 2.98e-8, 5.9e-8, 6.09e-5, 1.0, 1.00048828125, 1.00146484375, 65519.9, 65520, 1e9, -1e9, np.inf, np.nan], np.float32)
    with np.errstate(over="ignore"):
        yield case("f32 to f16", "Cast", [wild], 13, attrs={"to": 10}, expect=[wild.astype(np.float16)], **EXACT)
    yield case("f16 to f32", "Cast", [EDGES], 13, attrs={"to": 1}, **EXACT)
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    yield case("every f16 to f32", "Cast", [every[np.isfinite(every)][::37]], 13, attrs={"to": 1}, **EXACT)
    yield case("f16 to i32", "Cast", [halves(5, 40, low=-300, high=300)], 13, attrs={"to": 6})
    yield case("f16 to i64", "Cast", [halves(5, 40, low=-300, high=300)], 13, attrs={"to": 7})
    yield case("f16 to bool", "Cast", [halves(5, 3, 3) * np.float16(0) + np.float16(2)], 13, attrs={"to": 9})
    yield case("i32 to f16", "Cast", [ints(6, 40, low=-70000, high=70000, dtype=np.int32)], 13, attrs={"to": 10}, **EXACT)
    for dtype in (np.uint8, np.int8, np.uint16, np.int16):
        x = ints(6, 5, 7, low=np.iinfo(dtype).min, high=np.iinfo(dtype).max + 1, dtype=dtype)
        for to in (1, 6, 7, 10):
            yield case(f"{x.dtype} to {to}", "Cast", [x], 13, attrs={"to": to}, **EXACT)
        yield case(f"constant {x.dtype}", "Cast", [Const(x)], 13, attrs={"to": 1}, **EXACT)
        yield case(f"{x.dtype} transposed", "Transpose", [x], 13)
    yield case("bool to f16", "Cast", [bools(7, 3, 7)], 13, attrs={"to": 10}, **EXACT)
    for dtype in (np.uint8, np.int8):
        x = ints(8, 3, 1, 6, low=0, high=60, dtype=dtype)
        yield from both(f"{x.dtype}", "Add", x, [ints(9, 4, 1, low=0, high=60, dtype=dtype)], 14)
    yield case("bools", "And", [bools(1, 3, 7), bools(2, 7)], 7)
    yield case("bools, scalar", "Or", [bools(1, 3, 7), bools(2)], 7)

    # Whatever computes in words.
    x = halves(10, 2, 6, 9, 7)
    yield from both("halves", "Conv", x, [halves(11, 4, 6, 3, 3, low=-0.5, high=0.5), halves(12, 4)], 13, attrs={"pads": [1, 1, 1, 1]}, rtol=2e-3, atol=2e-3)
    yield from both("halves", "Conv", x, [halves(11, 6, 1, 3, 3, low=-0.5, high=0.5)], 13, attrs={"group": 6}, rtol=2e-3, atol=2e-3)
    yield from both("halves", "MatMul", halves(13, 3, 5, 17), [halves(14, 17, 9)], 13, rtol=2e-3, atol=2e-3)
    yield from both("halves", "Gemm", halves(13, 5, 17), [halves(14, 9, 17), halves(15, 9)], 13, attrs={"transB": 1, "alpha": 0.5}, rtol=2e-3, atol=2e-3)
    yield case("halves", "MaxPool", [x], 12, attrs={"kernel_shape": [3, 3]}, **EXACT)
    yield case("halves", "AveragePool", [x], 11, attrs={"kernel_shape": [3, 3]}, **NEAR)
    yield case("halves", "GlobalAveragePool", [x], 13, **NEAR)
    yield case("halves", "Softmax", [x], 13, attrs={"axis": -1}, **NEAR)
    yield from both("halves", "LayerNormalization", x, [halves(16, 7), halves(17, 7)], 17, rtol=2e-3, atol=2e-3)
    yield case("halves", "ReduceMean", [x, Const(np.array([1, 2]))], 18, **NEAR)
    yield case("halves", "ReduceMax", [x], 18, **EXACT)
    yield case("halves", "ArgMax", [x], 13, attrs={"axis": 2})
    statistics = [Const(halves(k, 6, low=0.5)) for k in range(4)]
    yield case("halves", "BatchNormalization", [x, *statistics], 15, rtol=2e-3, atol=2e-3)
    w = [Const(halves(k, 1, 16, n) * np.float16(0.5)) for k, n in ((1, 3), (2, 4))]
    yield case("halves", "LSTM", [halves(18, 5, 2, 3), *w], 14, outputs=3, attrs={"hidden_size": 4}, rtol=2e-3, atol=2e-3)
    yield case("both", "MatMul", [halves(1, 2, 3), floats(2, 3, 4)], 13, error="both f32 and f16")

    # Whatever moves.
    yield case("halves", "Transpose", [x], 13, attrs={"perm": [3, 0, 2, 1]}, **EXACT)
    yield case("halves", "Reshape", [x, Const(np.array([7, -1]))], 13, **EXACT)
    yield case("halves", "Slice", [x, Const(np.array([1, 3])), Const(np.array([5, 9])), Const(np.array([1, 2])), Const(np.array([2, 3]))], 13, **EXACT)
    yield case("halves, backwards", "Slice", [x, Const(np.array([-1])), Const(np.array([-9])), Const(np.array([3])), Const(np.array([-2]))], 13, **EXACT)
    yield case("halves", "Concat", [halves(1, 2, 3), halves(2, 2, 4), halves(3, 2, 1)], 13, attrs={"axis": 1}, **EXACT)
    yield case("halves in one piece", "Concat", [halves(1, 3, 5), halves(2, 2, 5)], 13, attrs={"axis": 0}, **EXACT)
    yield case("halves", "Split", [halves(1, 6, 3)], 13, outputs=3, attrs={"axis": 0}, **EXACT)
    yield case("halves", "Expand", [halves(1, 3, 1), Const(np.array([2, 3, 5]))], 13, **EXACT)
    yield case("halves", "Tile", [halves(1, 3, 2), Const(np.array([2, 3]))], 13, **EXACT)
    yield case("halves", "Pad", [halves(1, 3, 2), Const(np.array([1, 0, 0, 3]))], 13, **EXACT)
    yield case("halves, reflected", "Pad", [halves(1, 3, 4), Const(np.array([1, 2, 0, 1]))], 13, attrs={"mode": "reflect"}, **EXACT)
    yield case("halves", "Gather", [halves(1, 5, 3), np.array([4, 0, 2])], 13, **EXACT)
    yield case("one of the halves", "Gather", [halves(1, 5, 3), Const(np.array(3))], 13, **EXACT)
    yield case("bytes", "Gather", [ints(1, 5, 3, low=0, high=255, dtype=np.uint8), np.array([4, 0, 2])], 13)
    yield case("bytes", "Concat", [ints(1, 5, 3, low=0, high=255, dtype=np.uint8), ints(2, 5, 2, low=0, high=255, dtype=np.uint8)], 13, attrs={"axis": 1})
    yield case("no halves", "Add", [np.zeros((0, 3), np.float16), halves(1, 3)], 14)
    yield case("a half", "Mul", [np.float16(3), np.float16(0.5)], 14, **EXACT)
    yield case("nothing of halves", "Identity", [halves(1, 3)], 14, **EXACT)
