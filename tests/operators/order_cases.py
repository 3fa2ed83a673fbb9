"""Operators along an axis in order: running sums and products, the largest elements; determinants."""

import numpy as np
from generate import Const, case, floats, ints

NEAR = dict(rtol=1e-5, atol=1e-5)


def running():
    for op, step, opset in [("CumSum", np.add, 14), ("CumProd", np.multiply, 26)]:
        for dtype in [np.float32, np.int32, np.int64, np.uint32]:
            x = ints(1, 3, 5, 4, low=1, high=3).astype(dtype)
            for axis in (0, 1, -1):
                want = step.accumulate(x, axis, dtype=dtype)
                yield case(f"{x.dtype} axis {axis}", op, [x, Const(np.array(axis, np.int64))], opset, expect=[want])
        x = floats(2, 4, 70, low=0.9, high=1.1)
        whole = lambda y: np.concatenate([np.full((4, 1), 0 if op == "CumSum" else 1, np.float32), step.accumulate(y, 1)], 1)
        for exclusive in (0, 1):
            for reverse in (0, 1):
                y = whole(x[:, ::-1] if reverse else x)
                y = y[:, :-1] if exclusive else y[:, 1:]
                y = np.ascontiguousarray(y[:, ::-1] if reverse else y)
                yield case(f"exclusive {exclusive}, reverse {reverse}", op, [x, Const(np.array([1], np.int32))], opset, attrs={"exclusive": exclusive, "reverse": reverse}, expect=[y], **NEAR)
        yield case("minus zero", op, [np.array([-0.0, -1], np.float32), Const(np.array(0, np.int32))], opset, expect=[step.accumulate(np.array([-0.0, -1], np.float32))], rtol=0, atol=0)
        yield case("nothing", op, [floats(1, 3, 0), Const(np.array(1, np.int32))], opset, expect=[floats(1, 3, 0)])
        yield case("axis out of range", op, [floats(1, 3, 2), Const(np.array(2, np.int32))], opset, error="axis 2 is out of range")
        wraps = np.array([2**30, 2**30, 3, 7], np.int32)
        yield case("int32 wraps", op, [wraps, Const(np.array(0, np.int32))], opset, expect=[step.accumulate(wraps, dtype=np.int32)])


def largest(x, k, axis, top):
    """Of equal ones the first."""
    wide = x.astype(np.float64)
    order = np.argsort(-wide if top else wide, axis=axis, kind="stable")
    at = np.take(order, range(k), axis)
    return [np.take_along_axis(x, at, axis), at]


def top():
    for dtype in [np.float32, np.float16, np.int32, np.int64, np.uint32, np.int8, np.uint8, np.int16, np.uint16]:
        x = ints(1, 4, 30, 3, low=0, high=20).astype(dtype)
        if x.dtype.kind != "u":
            x -= np.asarray(9, dtype)
        for way in (0, 1):
            yield case(f"{x.dtype}, largest {way}", "TopK", [x, Const(np.array([7], np.int64))], 11, outputs=2, attrs={"axis": 1, "largest": way}, expect=largest(x, 7, 1, way))
    yield case("unsigned", "TopK", [np.array([3000000000, 5, 2999999999], np.uint32), Const(np.array([2], np.int64))], 11, outputs=2, expect=[np.array([3000000000, 2999999999], np.uint32), np.array([0, 2])])
    special = np.array([[1, np.nan, -np.inf, 0.0, -0.0, np.inf, np.nan, -1]], np.float32)
    yield case("special", "TopK", [special, Const(np.array([8], np.int64))], 11, outputs=2)
    yield case("special, smallest", "TopK", [special, Const(np.array([8], np.int64))], 11, outputs=2, attrs={"largest": 0})
    for count in [1, 63, 64, 65, 128, 129, 1000]:
        x = ints(2, 2, count, low=0, high=99).astype(np.float32)
        for k in {1, min(count, 70), count}:
            yield case(f"{k} of {count}", "TopK", [x, Const(np.array([k], np.int64))], 11, outputs=2, expect=largest(x, k, 1, True))
    x = floats(3, 3, 9)
    yield case("not sorted", "TopK", [x, Const(np.array([4], np.int64))], 11, outputs=2, attrs={"sorted": 0}, expect=largest(x, 4, 1, True))
    yield case("the indices", "TopK", [x, Const(np.array([4], np.int64))], 10, outputs=[False, True], attrs={"axis": 1}, expect=[None, largest(x, 4, 1, True)[1]])
    yield case("the values", "TopK", [x, Const(np.array([2], np.int64))], 11, outputs=[True, False], attrs={"axis": 0}, expect=[largest(x, 2, 0, True)[0], None])
    yield case("by attribute", "TopK", [x], 1, outputs=2, attrs={"k": 3, "axis": -1}, expect=largest(x, 3, 1, True))
    yield case("none", "TopK", [x, Const(np.array([0], np.int64))], 11, outputs=2, expect=largest(x, 0, 1, True))
    yield case("too many", "TopK", [x, Const(np.array([10], np.int64))], 11, outputs=2, error="10 elements of axis 1")


def determinants():
    for shape in [(1, 1), (3, 3), (2, 2, 4, 4), (5, 7, 7), (0, 3, 3), (2, 0, 0)]:
        x = floats(1, *shape)
        want = np.linalg.det(x.astype(np.float64)).astype(np.float32)
        yield case(f"{shape}", "Det", [x], 11, expect=[np.asarray(want)], rtol=1e-4, atol=1e-5)
    yield case("singular", "Det", [np.array([[1, 2], [2, 4]], np.float32)], 11, expect=[np.array(0, np.float32)])
    yield case("a zero first", "Det", [np.array([[0, 2], [3, 4]], np.float32)], 11, expect=[np.array(-6, np.float32)])
    yield case("not square", "Det", [floats(1, 2, 3)], 11, error="determinants of shape")


def cases():
    for group in [running, top, determinants]:
        yield from group()
