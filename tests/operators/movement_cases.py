"""Operators that pick, scatter and move elements by index."""

import numpy as np
from generate import Const, bools, case, floats, ints

TYPES = [np.float32, np.float16, np.int32, np.int64, np.uint32, np.int16, np.uint16, np.int8, np.uint8, np.bool_]
ADDS = [np.float32, np.float16, np.int32, np.int64, np.uint32, np.int8, np.uint8, np.int16, np.uint16]


def i64(*values):
    return np.array(values, np.int64)


def of(dtype, seed, *shape):
    """Small numbers of a type."""
    if dtype == np.bool_:
        return bools(seed, *shape)
    low = 0 if np.dtype(dtype).kind == "u" else -5
    return ints(seed, *shape, low=low, high=9).astype(dtype)


def gathers():
    for dtype in TYPES:
        x = of(dtype, 1, 3, 4, 5)
        name = np.dtype(dtype).name
        yield case(f"{name}", "GatherElements", [x, ints(2, 3, 2, 5, low=-4, high=4)], 13, attrs={"axis": 1}, expect=[np.take_along_axis(x, ints(2, 3, 2, 5, low=-4, high=4) % 4, 1)])
        at = ints(3, 6, 2, low=-3, high=3)
        yield case(f"{name}", "GatherND", [x, at], 13, expect=[x[at[:, 0], at[:, 1]]])
    x = floats(1, 4, 5, 6)
    for axis in (0, 2, -1, -3):
        index = ints(2, 3, 5, 2, low=0, high=4, dtype=np.int32)
        yield case(f"axis {axis}, fewer indices", "GatherElements", [x, index], 11, attrs={"axis": axis})
    yield case("one dimension", "GatherElements", [Const(floats(3, 200)), ints(4, 70, low=-200, high=200)], 13)
    yield case("eight dimensions", "GatherElements", [floats(3, *[2] * 8), Const(ints(4, *[2] * 8, low=-2, high=2))], 13, attrs={"axis": 4})
    yield case("no indices", "GatherElements", [x, np.zeros((4, 0, 6), np.int64)], 13, attrs={"axis": 1})
    yield case("too many indices", "GatherElements", [x, np.zeros((4, 6, 6), np.int64)], 13, attrs={"axis": 0}, error="indices of shape")
    for rows in [(3,), (2, 3), (2, 1, 3)]:
        for depth in (1, 2, 3):
            yield case(f"tuples of {depth}, {rows}", "GatherND", [x, ints(5, *rows, depth, low=-4, high=4)], 12)
    for batch, rows, depth in [(1, (4, 3), 1), (1, (4,), 2), (2, (4, 5), 1), (1, (4, 2, 2), 1), (2, (4, 5, 3), 1)]:
        yield case(f"batch of {batch}, {rows}", "GatherND", [x, ints(6, *rows, depth, low=-5, high=5)], 12, attrs={"batch_dims": batch})
    yield case("no tuples", "GatherND", [x, np.zeros((0, 2), np.int64)], 13)
    yield case("another batch", "GatherND", [x, np.zeros((3, 1), np.int64)], 13, attrs={"batch_dims": 1}, error="batch axes")
    yield case("too long tuples", "GatherND", [x, np.zeros((3, 4), np.int64)], 13, error="into data")


def scattered(x, index, updates, axis, reduction):
    """In 64 bits, so that nothing wraps on the way."""
    wide = x if x.dtype.kind in "fb" else x.astype(np.int64)
    y = wide.astype(np.float32) if x.dtype == np.float16 else wide.copy()
    for at in np.ndindex(index.shape):
        to = list(at)
        to[axis] = index[at]
        y[tuple(to)] = applied(y[tuple(to)], updates[at], reduction)
    return y.astype(x.dtype)


def applied(a, b, reduction):
    return {"none": lambda: b, "add": lambda: a + b, "mul": lambda: a * b, "max": lambda: np.maximum(a, b), "min": lambda: np.minimum(a, b)}[reduction]()


def scatters():
    for dtype in TYPES:
        name = np.dtype(dtype).name
        x, updates = of(dtype, 1, 3, 7, 2), of(dtype, 2, 3, 7, 2)
        index = np.stack([np.stack([np.random.default_rng(k).permutation(7) for k in range(2)], 1)] * 3)
        for reduction in ["none", "add", "mul", "max", "min"] if dtype in ADDS else ["none"]:
            repeated = index if reduction == "none" else ints(5, 3, 7, 2, low=0, high=7)
            want = scattered(x, repeated, updates, 1, reduction)
            yield case(f"{name}, {reduction}", "ScatterElements", [x, repeated - 7 * (repeated % 2), updates], 18, attrs={"axis": 1, "reduction": reduction}, expect=[want])
    # More updates of a place than one invocation takes: sorted.
    for length, count in [(5, 65), (300, 200), (40, 1000)]:
        for reduction in ["add", "mul", "max", "min"]:
            x, updates = floats(1, length, 2, low=0.9, high=1.1), floats(2, count, 2, low=0.9, high=1.1)
            index = ints(3, count, 1, low=0, high=length)
            index = np.concatenate([index, index], 1)
            yield case(f"{count} into {length}, {reduction}", "ScatterND", [x, index[:, :1], updates], 18, attrs={"reduction": reduction}, rtol=1e-4)
        ordered = np.arange(count) % length
        x, updates = floats(1, length), floats(2, count)
        want = x.copy()
        want[ordered] = updates
        yield case(f"the last of {count} into {length}", "ScatterND", [x, ordered[:, None], updates], 18, expect=[want])
        # With indices along the axis for each of its lines, fewer than the data has.
        data, index = floats(4, 3, max(length, count), 2), ints(5, 2, count, 2, low=0, high=length)
        updates = floats(6, 2, count, 2)
        yield case(f"{count} of a line into {length}", "ScatterElements", [data, index, updates], 18, attrs={"axis": 1, "reduction": "add"}, rtol=1e-4, atol=1e-5)
    yield case("before opset 11", "Scatter", [floats(1, 3, 3), ints(2, 2, 2, low=0, high=3) * 0 + np.array([[0], [2]]), floats(3, 2, 2)], 9, attrs={"axis": 0})
    yield case("blocks", "ScatterND", [floats(1, 4, 3, 5), Const(i64([3], [-4])), floats(2, 2, 3, 5)], 11)
    yield case("whole", "ScatterND", [floats(1, 4), np.zeros((2, 0), np.int64), floats(2, 2, 4)], 16, attrs={"reduction": "add"}, expect=[floats(1, 4) + floats(2, 2, 4)[0] + floats(2, 2, 4)[1]])
    yield case("nothing", "ScatterND", [floats(1, 4), np.zeros((0, 1), np.int64), floats(2, 0)], 16)
    yield case("nothing", "ScatterElements", [floats(1, 4, 2), np.zeros((0, 2), np.int64), floats(2, 0, 2)], 16)
    yield case("NaN", "ScatterND", [np.array([1, np.nan, 3], np.float32), i64([0], [1], [2]), np.array([np.nan, 2, 5], np.float32)], 18, attrs={"reduction": "max"}, expect=[np.array([np.nan, np.nan, 5], np.float32)])
    yield case("of bools", "ScatterND", [bools(1, 3), i64([0]), bools(2, 1)], 18, attrs={"reduction": "add"}, error="reduction of bool")
    yield case("other updates", "ScatterND", [floats(1, 4), i64([0]), floats(1, 2)], 18, error="updates of shape")
    yield case("max before opset 18", "ScatterND", [floats(1, 4), i64([0]), floats(1, 1)], 16, attrs={"reduction": "max"}, error="in opset 16")


def matrices():
    for dtype in TYPES:
        x = of(dtype, 1, 2, 3, 5)
        name = np.dtype(dtype).name
        yield case(name, "Trilu", [x, Const(np.array(1, np.int64))], 14, expect=[np.triu(x, 1)])
        if dtype not in (np.float16, np.bool_):
            yield case(name, "OneHot", [i64(0, -1, 7), Const(np.array(3, np.int64)), np.array([3, 5], dtype)], 11, expect=[np.array([[5, 3, 3], [3, 3, 5], [3, 3, 3]], dtype)])
        codes = {np.float32: 1, np.uint8: 2, np.int8: 3, np.uint16: 4, np.int16: 5, np.int32: 6, np.int64: 7, np.bool_: 9, np.float16: 10, np.uint32: 12}
        yield case(name, "EyeLike", [floats(1, 4, 3)], 9, attrs={"dtype": codes[dtype], "k": -1}, expect=[np.eye(4, 3, -1, dtype=dtype)])
    for k in [None, i64(2), np.array(-2, np.int64), np.array(-100, np.int64), np.array(100, np.int64)]:
        for upper in (0, 1):
            yield case(f"k {k}", "Trilu", [floats(2, 4, 6)] + ([] if k is None else [k]), 14, attrs={"upper": upper})
    yield case("of one", "Trilu", [floats(2, 4)], 14, error="triangle")
    yield case("none", "Trilu", [floats(2, 3, 0)], 14)
    for k in (0, 2, -3, 9, -(2**40)):
        yield case(f"k {k}", "EyeLike", [floats(1, 3, 5)], 9, attrs={"k": k}, expect=[np.eye(3, 5, k, dtype=np.float32)])
    for axis in (-1, 0, 1, -2):
        index = ints(1, 3, 4, low=-6, high=6)
        place = np.moveaxis(np.where((index >= -5) & (index < 5), index % 5, 99)[..., None] == np.arange(5), -1, axis if axis >= 0 else axis + 3)
        yield case(f"axis {axis}", "OneHot", [index, Const(i64(5)), np.array([-1, 2], np.float32)], 11, attrs={"axis": axis}, expect=[np.where(place, 2, -1).astype(np.float32)])
    yield case("of floats", "OneHot", [np.array([0, 1.9, -1.2, 1e20], np.float32), Const(np.array([3], np.float32)), np.array([0, 1], np.float32)], 11, expect=[np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], np.float32)])
    yield case("of one index", "OneHot", [np.array(2, np.int64), Const(np.array(4, np.int32)), np.array([0, 1], np.int64)], 11, expect=[i64(0, 0, 1, 0)])
    yield case("of no classes", "OneHot", [i64(1, 2), Const(np.array(0, np.int64)), np.array([0, 1], np.float32)], 11, expect=[np.zeros((2, 0), np.float32)])
    yield case("three values", "OneHot", [i64(1, 2), Const(np.array(2, np.int64)), np.array([0, 1, 2], np.float32)], 11, error="not two")


def sequences():
    x = floats(1, 5, 3, 4)
    yield case("time first", "ReverseSequence", [x, i64(5, 0, 2)], 10, attrs={"time_axis": 0, "batch_axis": 1}, expect=[np.stack([np.concatenate([x[:n, b][::-1], x[n:, b]]) for b, n in enumerate([5, 0, 2])], 1)])
    y = ints(2, 2, 6, dtype=np.uint8, low=0, high=200)
    yield case("batch first", "ReverseSequence", [y, i64(6, 3)], 10, attrs={"time_axis": 1, "batch_axis": 0})
    yield case("both axes the same", "ReverseSequence", [y, i64(6, 3)], 10, attrs={"time_axis": 0, "batch_axis": 0}, error="time axis")
    yield case("other lengths", "ReverseSequence", [y, i64(6)], 10, attrs={"time_axis": 1, "batch_axis": 0}, error="lengths of shape")

    def put(cache, update, starts, axis, circular):
        y = cache.copy()
        for at in np.ndindex(update.shape):
            to = list(at)
            to[axis] += starts[at[0]]
            if circular:
                to[axis] %= cache.shape[axis]
            y[tuple(to)] = update[at]
        return y

    for axis, shape, steps in [(1, (2, 6, 3), 2), (-2, (2, 3, 6, 2), 3), (-1, (2, 3, 5), 5), (1, (3, 4), 1)]:
        cache = floats(3, *shape)
        update = floats(4, *[steps if k == axis % len(shape) else n for k, n in enumerate(shape)])
        room = shape[axis] - steps
        starts = np.arange(shape[0]) % (room + 1)
        yield case(f"axis {axis}", "TensorScatter", [cache, update, starts], 24, attrs={"axis": axis}, expect=[put(cache, update, starts, axis % len(shape), False)])
        around = starts + shape[axis] - 1
        yield case(f"axis {axis}, around", "TensorScatter", [cache, update, around], 24, attrs={"axis": axis, "mode": "circular"}, expect=[put(cache, update, around, axis % len(shape), True)])
        yield case(f"axis {axis}, from 0", "TensorScatter", [cache, update], 24, attrs={"axis": axis}, expect=[put(cache, update, starts * 0, axis % len(shape), False)])
    yield case("too long", "TensorScatter", [floats(1, 2, 3), floats(1, 2, 4)], 24, attrs={"axis": 1}, error="an update of shape")
    yield case("batch", "TensorScatter", [floats(1, 2, 3), floats(1, 2, 3)], 24, attrs={"axis": 0}, error="batch")


def blocks():
    for dtype in [np.float32, np.int64, np.uint8, np.float16]:
        x = of(dtype, 1, 2, 12, 3, 2)
        for mode in ["DCR", "CRD"]:
            n, c, h, w = x.shape
            parts = x.reshape(n, 2, 2, 3, h, w).transpose(0, 3, 4, 1, 5, 2) if mode == "DCR" else x.reshape(n, 3, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3)
            y = parts.reshape(n, 3, h * 2, w * 2)
            yield case(f"{x.dtype} {mode}", "DepthToSpace", [x], 13, attrs={"blocksize": 2, "mode": mode}, expect=[y])
            yield case(f"{x.dtype} {mode}", "SpaceToDepth", [y], 28, attrs={"blocksize": 2, "mode": mode}, expect=[x])
    yield case("blocks of three", "DepthToSpace", [floats(1, 1, 9, 2, 5)], 1, attrs={"blocksize": 3}, expect=[floats(1, 1, 9, 2, 5).reshape(1, 3, 3, 1, 2, 5).transpose(0, 3, 4, 1, 5, 2).reshape(1, 1, 6, 15)])
    yield case("blocks of one", "SpaceToDepth", [floats(1, 1, 2, 3, 3)], 13, attrs={"blocksize": 1})
    yield case("does not divide", "SpaceToDepth", [floats(1, 1, 2, 3, 4)], 13, attrs={"blocksize": 2}, error="blocks of 2")
    yield case("a mode before opset 28", "SpaceToDepth", [floats(1, 1, 2, 4, 4)], 13, attrs={"blocksize": 2, "mode": "CRD"}, error="opset 13")
    yield case("no batch", "DepthToSpace", [floats(1, 0, 8, 2, 2)], 13, attrs={"blocksize": 2})


def pads():
    x = floats(1, 5, 4)
    for mode in ["reflect", "edge"]:
        yield case(f"cut and {mode}", "Pad", [x, Const(i64(-2, 1, 1, -1))], 13, attrs={"mode": mode})
    yield case("cut and wrap", "Pad", [x, Const(i64(-2, 3, 3, -1))], 19, attrs={"mode": "wrap"}, expect=[np.pad(x[2:, :-1], ((0, 3), (3, 0)), mode="wrap")])
    yield case("cut everything", "Pad", [x, Const(i64(-2, 0, -3, 0))], 13)
    for dtype in TYPES:
        y = of(dtype, 2, 3, 2)
        yield case(np.dtype(dtype).name, "Pad", [y, Const(i64(1, 0, 0, 2)), Const(np.ones((), dtype))], 13, expect=[np.pad(y, ((1, 0), (0, 2)), constant_values=np.ones((), dtype))])
        yield case(f"{np.dtype(dtype).name}, reflect", "Pad", [y, Const(i64(2, 1, 0, 1))], 13, attrs={"mode": "reflect"}, expect=[np.pad(y, ((2, 0), (1, 1)), mode="reflect")])
    yield case("halves by attributes", "Pad", [floats(1, 3).astype(np.float16)], 2, attrs={"pads": [1, 0], "value": 1.5}, expect=[np.concatenate([[1.5], floats(1, 3)]).astype(np.float16)])
    yield case("axes", "Pad", [floats(1, 2, 3, 4), Const(i64(1, 0, 2, 1)), None, Const(i64(-1, 0))], 18)
    for shape, size, axes in [((5, 4), (3, 6), None), ((5, 4), (2, 4), None), ((6, 3, 2), (3, 5), [1, 0]), ((4, 4), (7,), [-1]), ((3, 4), (0, 4), None)]:
        y = floats(2, *shape)
        want = y
        for at, wanted in zip(axes or range(len(shape)), size):
            more = wanted - want.shape[at]
            pad = [(0, 0)] * want.ndim
            pad[at] = (more // 2, more - more // 2) if more > 0 else (0, 0)
            want = np.pad(want, pad)
            start = -more // 2 if more < 0 else 0
            want = np.take(want, range(start, start + wanted), at)
        attrs = {} if axes is None else {"axes": axes}
        yield case(f"{shape} to {size}", "CenterCropPad", [y, Const(i64(*size))], 18, attrs=attrs, expect=[np.ascontiguousarray(want)])


def cases():
    for group in [gathers, scatters, matrices, sequences, blocks, pads]:
        yield from group()
