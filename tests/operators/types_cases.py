"""Elementwise operators and reductions on every type that the standard lists for them."""

import numpy as np
from generate import Const, bools, case, floats, ints

SIGNED = [np.int8, np.int16, np.int32, np.int64]
UNSIGNED = [np.uint8, np.uint16, np.uint32]
FLOATS = [np.float32, np.float16]
EXACT = dict(rtol=0, atol=0)


def span(dtype, seed, *shape):
    """Numbers over all of a type, of i64 over 32 bits."""
    if np.dtype(dtype).kind == "f":
        return floats(seed, *shape, low=-20, high=20).astype(dtype)
    limits = np.iinfo(np.int32 if dtype == np.int64 else dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max, shape, np.int64, endpoint=True).astype(dtype)


def shifted(x, y, left):
    bits = x.dtype.itemsize * 8
    out = []
    for a, b in zip(x.ravel().tolist(), y.ravel().tolist()):
        inside = 0 <= b < bits
        if left:
            out.append((a << b) & (2**bits - 1) if inside else 0)
        else:
            out.append(a >> b if inside else (-1 if a < 0 else 0))
    return np.array([v & (2**bits - 1) for v in out], f"u{x.dtype.itemsize}").view(x.dtype).reshape(x.shape)


def shifts():
    for dtype in SIGNED[:3] + UNSIGNED:
        bits = np.dtype(dtype).itemsize * 8
        amounts = np.arange(-3 if np.dtype(dtype).kind == "i" else 0, bits + 5)
        if amounts[-1] > np.iinfo(dtype).max:
            amounts = amounts[amounts <= np.iinfo(dtype).max]
        x = np.concatenate([span(dtype, 1, 5), np.array([1, np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)])[:, None]
        y = np.broadcast_to(amounts.astype(dtype), (len(x), len(amounts)))
        for direction in ["LEFT", "RIGHT"]:
            want = shifted(np.broadcast_to(x, y.shape).copy(), y, direction == "LEFT")
            yield case(f"{x.dtype} {direction}", "BitShift", [x, amounts.astype(dtype)], 28, attrs={"direction": direction}, expect=[want])
            yield case(f"{x.dtype} {direction} on the host", "BitShift", [Const(x), Const(amounts.astype(dtype))], 28, attrs={"direction": direction}, expect=[want])
    x, y = np.array([5, -5, 5, -5, 0, 1, -1]), np.array([1, 2, 40, 70, 50, 30, 31])
    yield case("int64 RIGHT", "BitShift", [x, y], 28, attrs={"direction": "RIGHT"}, expect=[np.array([2, -2, 0, -1, 0, 0, -1])])
    yield case("int64 LEFT", "BitShift", [np.array([5, -5, 5, 0, 1, -1, 9]), np.array([1, 2, 64, 50, 30, 31, -1])], 28, attrs={"direction": "LEFT"}, expect=[np.array([10, -20, 0, 0, 2**30, -(2**31), 0])])
    yield case("no direction", "BitShift", [x, y], 28, error="direction")
    for dtype in SIGNED[:3] + UNSIGNED:
        a, b = span(dtype, 1, 3, 5), span(dtype, 2, 5)
        for op, of in [("BitwiseAnd", np.bitwise_and), ("BitwiseOr", np.bitwise_or), ("BitwiseXor", np.bitwise_xor)]:
            yield case(f"{a.dtype}", op, [a, b], 18, expect=[of(a, b)])
        yield case(f"{a.dtype}", "BitwiseNot", [a], 18, expect=[~a])


def bits():
    codes = {np.float32: 1, np.uint8: 2, np.int8: 3, np.uint16: 4, np.int16: 5, np.int32: 6, np.float16: 10, np.uint32: 12}
    for source in codes:
        for target in codes:
            if np.dtype(source).itemsize == np.dtype(target).itemsize:
                x = span(source, 1, 3, 7)
                for name, given in [("", x), (" on the host", Const(x))]:
                    yield case(f"{x.dtype} to {np.dtype(target).name}{name}", "BitCast", [given], 26, attrs={"to": codes[target]}, expect=[x.view(target)], **EXACT)
    yield case("bool to uint8", "BitCast", [bools(1, 5)], 26, attrs={"to": 2}, expect=[bools(1, 5).view(np.uint8)])
    yield case("uint8 to bool", "BitCast", [span(np.uint8, 1, 5)], 26, attrs={"to": 9}, error="as bool")
    yield case("other sizes", "BitCast", [span(np.uint8, 1, 5)], 26, attrs={"to": 1}, error="as f32")


def remainders():
    special = np.array([0.0, -0.0, 1, -1, 5.5, -5.5, 2, -2, 0.3, -0.3, np.inf, -np.inf, np.nan, 1e30, -3e-30], np.float32)
    a, b = np.repeat(special, len(special)), np.tile(special, len(special))
    with np.errstate(all="ignore"):
        for dtype in FLOATS:
            x, y = a.astype(dtype), b.astype(dtype)
            yield case(f"{x.dtype}", "Mod", [x, y], 28, expect=[np.mod(x, y)], **EXACT)
        yield case("on the host", "Mod", [Const(a), Const(b)], 28, expect=[np.mod(a, b)], **EXACT)
    x, y = floats(1, 500, low=-100, high=100), floats(2, 500, low=-3, high=3)
    yield case("floats", "Mod", [x, y], 28, expect=[np.mod(x, y)], **EXACT)
    for dtype in SIGNED + UNSIGNED:
        x, y = span(dtype, 1, 40), span(dtype, 2, 40)
        y[y == 0] = 1
        yield case(f"{x.dtype}", "Mod", [x, y], 13, expect=[np.mod(x, y)])
        yield case(f"{x.dtype}, fmod", "Mod", [x, y], 13, attrs={"fmod": 1}, expect=[np.fmod(x, y)])


def comparisons():
    for dtype in SIGNED + UNSIGNED + FLOATS:
        a, b, c = span(dtype, 1, 4, 5), span(dtype, 2, 5), span(dtype, 3, 4, 1)
        b[2] = a[1, 2]
        name = str(a.dtype)
        for op, of in [("Equal", np.equal), ("Less", np.less), ("Greater", np.greater), ("LessOrEqual", np.less_equal), ("GreaterOrEqual", np.greater_equal)]:
            yield case(name, op, [a, b], 19, expect=[of(a, b)])
        yield case(name, "Max", [a, b, c], 13, expect=[np.maximum(np.maximum(a, b), c)], **EXACT)
        yield case(name, "Min", [a, b, c], 13, expect=[np.minimum(np.minimum(a, b), c)], **EXACT)
        yield case(f"{name}, one", "Max", [a], 13, expect=[a], **EXACT)
        low, high = np.sort(span(dtype, 4, 2))
        yield case(name, "Clip", [a, Const(low), Const(high)], 13, expect=[np.clip(a, low, high)], **EXACT)
        yield case(f"{name}, no maximum", "Clip", [a, low], 13, expect=[np.maximum(a, low)], **EXACT)
        yield case(f"{name}, no minimum", "Clip", [a, None, high], 13, expect=[np.minimum(a, high)], **EXACT)
        yield case(f"{name}, no bounds", "Clip", [a], 13, expect=[a], **EXACT)
        yield case(name, "Where", [bools(4, 4, 1), a, b], 16, expect=[np.where(bools(4, 4, 1), a, b)], **EXACT)
        yield case(name, "Sign", [a], 13, expect=[np.sign(a)], **EXACT)
        small = a // 2 if a.dtype.kind == "i" else a
        yield case(name, "Abs", [small], 13, expect=[np.abs(small)], **EXACT)
        if a.dtype.kind != "u":
            yield case(name, "Neg", [small], 13, expect=[-small], **EXACT)
            yield case(name, "Relu", [a], 14, expect=[np.maximum(a, np.zeros((), dtype))], **EXACT)
    yield case("bool", "Where", [bools(4, 4, 1), bools(1, 4, 3), bools(2, 3)], 16, expect=[np.where(bools(4, 4, 1), bools(1, 4, 3), bools(2, 3))])
    yield case("bool", "Equal", [bools(1, 4, 3), bools(2, 3)], 19)
    for op in ["Sum", "Mean", "Max", "Min"]:
        yield case("of one", op, [floats(1, 3, 4)], 13, **EXACT)
    halves = [floats(k, 3, 4).astype(np.float16) for k in range(3)]
    yield case("halves", "Mean", halves, 13, expect=[(sum(h.astype(np.float32) for h in halves) / 3).astype(np.float16)], rtol=2e-3, atol=2e-3)
    for exponent in [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float16]:
        y = ints(2, 6, low=0, high=4).astype(exponent)
        for base in [np.int32, np.int64, np.float32]:
            x = ints(1, 6, low=1, high=9).astype(base)
            yield case(f"{x.dtype} to the {y.dtype}", "Pow", [x, y], 15, expect=[(x.astype(np.float64) ** y.astype(np.float64)).astype(base)])
    yield case("halves that are no zeros", "Div", [Const(np.array([1, 2], np.float16)), Const(np.array([0.5, 0.25], np.float16))], 14)


def infinities():
    x = np.array([0, 1, np.inf, -np.inf, np.nan, 5e-8], np.float32)
    for dtype in FLOATS:
        for positive, negative in [(1, 1), (0, 1), (1, 0), (0, 0)]:
            attrs = {"detect_positive": positive, "detect_negative": negative}
            want = (x == np.inf) & bool(positive) | (x == -np.inf) & bool(negative)
            yield case(f"{np.dtype(dtype).name}, {positive}, {negative}", "IsInf", [x.astype(dtype)], 20, attrs=attrs, expect=[want])
        yield case(np.dtype(dtype).name, "IsNaN", [x.astype(dtype)], 20, expect=[np.isnan(x)])


def casts():
    codes = {np.float32: 1, np.uint8: 2, np.int8: 3, np.uint16: 4, np.int16: 5, np.int32: 6, np.int64: 7, np.bool_: 9, np.float16: 10, np.uint32: 12}
    for source in codes:
        for target, code in codes.items():
            x = bools(1, 9) if source == np.bool_ else span(source, 1, 40)
            if np.dtype(source).kind == "f":
                # Beyond its range no integer is defined.
                x = np.concatenate([np.abs(x) if np.dtype(target).kind == "u" else x, np.zeros(2, source), -np.zeros(1, source)])
            if (source, target) == (np.uint32, np.int64):
                x //= 2
            with np.errstate(over="ignore"):
                want = x.astype(target)
            for name, given in [("", x), (" on the host", Const(x))]:
                yield case(f"{x.dtype} to {want.dtype}{name}", "Cast", [given], 19, attrs={"to": code}, expect=[want], **EXACT)


def reductions():
    for dtype in [np.int8, np.uint8, np.bool_, np.int32, np.uint32, np.float16, np.int64]:
        x = bools(1, 3, 70, 2) if dtype == np.bool_ else span(dtype, 1, 3, 70, 2)
        name = str(x.dtype)
        axes = Const(np.array([1], np.int64))
        yield case(name, "ReduceMax", [x, axes], 20, attrs={"keepdims": 0}, expect=[x.max(1)], **EXACT)
        yield case(name, "ReduceMin", [x, axes], 20, attrs={"keepdims": 0}, expect=[x.min(1)], **EXACT)
        if dtype != np.int64:
            nothing = np.zeros((2, 0, 3), dtype)
            limits = (0, 1) if dtype == np.bool_ else (-np.inf, np.inf) if x.dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
            for op, limit in zip(["ReduceMax", "ReduceMin"], limits):
                yield case(f"{name}, of nothing", op, [nothing, axes], 20, expect=[np.full((2, 1, 3), limit, dtype)], **EXACT)
    yield case("int64, of nothing", "ReduceMax", [np.zeros((2, 0), np.int64), Const(np.array([1], np.int64))], 20, error="no elements")
    x = ints(3, 4, 6, low=0, high=2**31).astype(np.uint32) * np.uint32(2) + np.uint32(1)
    axes = Const(np.array([1], np.int64))
    yield case("uint32", "ReduceSum", [x, axes], 13, expect=[x.sum(1, dtype=np.uint32, keepdims=True)])
    yield case("uint32", "ReduceProd", [x, axes], 18, expect=[x.prod(1, dtype=np.uint32, keepdims=True)])
    yield case("uint32", "ReduceL1", [x, axes], 18, expect=[x.sum(1, dtype=np.uint32, keepdims=True)])
    nothing = np.zeros((2, 0), np.float32)
    for op, value in [("ReduceSum", 0), ("ReduceProd", 1), ("ReduceSumSquare", 0), ("ReduceL1", 0), ("ReduceL2", 0), ("ReduceLogSum", -np.inf), ("ReduceLogSumExp", -np.inf), ("ReduceMean", np.nan), ("ReduceMax", -np.inf), ("ReduceMin", np.inf)]:
        yield case("of nothing", op, [nothing, axes], 18, expect=[np.full((2, 1), value, np.float32)])
        if op not in ("ReduceMean", "ReduceLogSum"):
            yield case("noop", op, [floats(1, 3, 4, low=0.1), Const(np.array([], np.int64))], 18, attrs={"noop_with_empty_axes": 1}, expect=[floats(1, 3, 4, low=0.1) ** (2 if op == "ReduceSumSquare" else 1)])
    for dtype in SIGNED + UNSIGNED + FLOATS:
        x = span(dtype, 2, 3, 90)
        yield case(f"{x.dtype}", "ArgMax", [x], 13, attrs={"axis": 1, "keepdims": 0}, expect=[x.argmax(1)])
        yield case(f"{x.dtype}", "ArgMin", [x], 13, attrs={"axis": 0}, expect=[x.argmin(0)[None]])


def unsigned64():
    """u64: 32 bits on the device, and what leaves them is an error."""
    u64, leaves = np.uint64, "leaves the range"
    a, b = (ints(k, 4, 5, low=0, high=2**32).astype(u64) for k in (1, 2))
    for name, x, y in [("", a, b), (", constant", a, Const(b))]:
        small, other = a >> u64(17), Const(b >> u64(17)) if name else b >> u64(17)
        few, many = Const(np.minimum(a, b)) if name else np.minimum(a, b), np.maximum(a, b)
        for op, of, p, q in [("Add", np.add, small, other), ("Sub", np.subtract, many, few), ("Mul", np.multiply, small, other), ("Sum", np.add, small, other)]:
            yield case(f"uint64{name}", op, [p, q], 14, expect=[of(p, q.value if name else q)])
        for op, of, opset in [("Div", np.floor_divide, 14), ("Mod", np.mod, 28), ("Max", np.maximum, 13), ("Min", np.minimum, 13), ("BitwiseAnd", np.bitwise_and, 18), ("BitwiseOr", np.bitwise_or, 18), ("BitwiseXor", np.bitwise_xor, 18)]:
            yield case(f"uint64{name}", op, [x, y], opset, expect=[of(a, b)])
        for op, of in [("Equal", np.equal), ("Less", np.less), ("Greater", np.greater), ("LessOrEqual", np.less_equal), ("GreaterOrEqual", np.greater_equal)]:
            yield case(f"uint64{name}", op, [x, y], 19, expect=[of(a, b)])
    top = np.array([2**32 - 1, 1, 2**31], u64)
    yield case("uint64 at the end", "Add", [top, np.array([0, 2**32 - 2, 2**31 - 1], u64)], 14, expect=[np.full(3, 2**32 - 1, u64)])
    yield case("uint64 beyond", "Add", [top, np.array([0, 0, 2**31], u64)], 14, error=leaves)
    yield case("uint64 below 0", "Sub", [top, np.array([0, 2, 0], u64)], 14, error=leaves)
    yield case("uint64 beyond", "Mul", [top, np.array([1, 5, 2], u64)], 14, error=leaves)
    yield case("uint64 by 0", "Div", [top, np.array([1, 0, 2], u64)], 14, error="by zero")
    yield case("uint64 too large", "Max", [top, Const(np.array([2**32], u64))], 13, error="4294967296")
    yield case("uint64 on the host", "Add", [Const(top), Const(top[::-1])], 14, expect=[top + top[::-1]])
    yield case("uint64 on the host, in the range", "Sub", [Const(top), Const(top // 2)], 14, expect=[top - top // 2])
    shifts = np.array([0, 1, 31, 32, 63, 64, 70], u64)
    x = np.array([2**32 - 1, 5, 1, 0, 0, 1, 0], u64)
    yield case("uint64 LEFT", "BitShift", [x, shifts], 28, attrs={"direction": "LEFT"}, expect=[np.array([2**32 - 1, 10, 2**31, 0, 0, 0, 0], u64)])
    yield case("uint64 LEFT beyond", "BitShift", [x, shifts[::-1].copy()], 28, attrs={"direction": "LEFT"}, error=leaves)
    yield case("uint64 RIGHT", "BitShift", [np.full(7, 2**32 - 1, u64), shifts], 28, attrs={"direction": "RIGHT"}, expect=[np.array([2**32 - 1, 2**31 - 1, 1, 0, 0, 0, 0], u64)])
    yield case("uint64", "BitwiseNot", [x], 18, error="u64")
    yield case("uint64", "Pow", [floats(1, 7, low=0.5), np.arange(7).astype(u64)], 15, expect=[(floats(1, 7, low=0.5) ** np.arange(7)).astype(np.float32)])
    codes = {np.float32: 1, np.uint8: 2, np.int8: 3, np.uint16: 4, np.int16: 5, np.int32: 6, np.bool_: 9, np.float16: 10, np.uint32: 12}
    for other, code in codes.items():
        for host in (False, True):
            where, give = (" on the host", Const) if host else ("", lambda x: x)
            with np.errstate(over="ignore"):
                yield case(f"uint64 to {np.dtype(other).name}{where}", "Cast", [give(a)], 19, attrs={"to": code}, expect=[a.astype(other)], **EXACT)
            x = bools(1, 9) if other == np.bool_ else np.abs(span(other, 1, 40) // 2)
            yield case(f"{x.dtype} to uint64{where}", "Cast", [give(x)], 19, attrs={"to": 13}, expect=[x.astype(u64)])
    yield case("uint64 to int64", "Cast", [a >> u64(1)], 19, attrs={"to": 7}, expect=[(a >> u64(1)).astype(np.int64)])
    yield case("uint64 to int64 beyond", "Cast", [top], 19, attrs={"to": 7}, error=leaves)
    yield case("int64 to uint64", "Cast", [(a >> u64(1)).astype(np.int64)], 19, attrs={"to": 13}, expect=[a >> u64(1)])
    ends = np.array([0.0, -0.0, -0.9, 0.9, 1.5, 2.0**31, 4294967040.0], np.float32)
    yield case("ends to uint64", "Cast", [ends], 19, attrs={"to": 13}, expect=[np.array([0, 0, 0, 0, 1, 2**31, 4294967040], u64)])
    for beyond in [-1.0, 2.0**32, np.inf, -np.inf, np.nan]:
        yield case(f"{beyond} to uint64", "Cast", [np.array([1, beyond], np.float32)], 19, attrs={"to": 13}, error=leaves)
    yield case("a negative int8 to uint64", "Cast", [np.array([1, -1], np.int8)], 19, attrs={"to": 13}, error=leaves)
    yield case("int64 to uint64", "BitCast", [np.array([1, -1])], 26, attrs={"to": 13}, error="the bits of i64")
    order = np.argsort(~a, axis=1, kind="stable")[:, :3]
    yield case("uint64", "TopK", [a, Const(np.array([3]))], 24, outputs=2, expect=[np.take_along_axis(a, order, 1), order])
    yield case("uint64", "ArgMax", [a], 13, error="u64")
    yield case("uint64", "ReduceSum", [a], 13, error="u64")
    yield case("uint64", "Transpose", [a], 13, expect=[a.T.copy()])
    yield case("uint64", "Concat", [a, b], 13, attrs={"axis": 1}, expect=[np.concatenate([a, b], 1)])
    at, added = np.array([[0, 1]]), np.array([[1, 2]], u64)
    moved = a.copy()
    moved[0, 0], moved[1, 1] = 1, 2
    yield case("uint64", "ScatterElements", [a, at, added], 18, expect=[moved])
    yield case("uint64", "ScatterElements", [a, at, added], 18, attrs={"reduction": "add"}, error="u64")


def cases():
    for group in [shifts, bits, remainders, comparisons, casts, infinities, reductions, unsigned64]:
        yield from group()
