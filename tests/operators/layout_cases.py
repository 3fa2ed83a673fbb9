"""Operators that move or describe data."""

import numpy as np
from generate import Const, bools, case, floats, ints


def on_device_and_host(name, op, inputs, opset, **rest):
    """The case with its first input fed by the request, and with all inputs constant: the host's evaluation."""
    fixed = [x if i == 0 or x is None else Const(x) for i, x in enumerate(inputs)]
    yield case(name, op, fixed, opset, **rest)
    yield case(name + " on the host", op, [None if x is None else Const(x) for x in inputs], opset, **rest)


def i64(*values):
    return np.array(values, np.int64)


def all_cases():
    both = on_device_and_host
    x = floats(1, 2, 3, 4)
    yield from both("identity", "Identity", [x], 17)
    yield from both("reshape with 0 and -1", "Reshape", [x, i64(0, -1)], 13)
    yield from both("reshape to scalar", "Reshape", [floats(2, 1, 1), i64()], 13)
    yield from both("reshape empty with allowzero", "Reshape", [floats(3, 0, 3), i64(3, 0)], 14, attrs={"allowzero": 1})
    yield from both("reshape int64", "Reshape", [ints(3, 2, 6), i64(3, -1)], 13)
    for axis in (0, 1, 2, 3, -1, -3):
        yield from both(f"flatten at {axis}", "Flatten", [x], 13, attrs={"axis": axis})
    yield from both("flatten by default", "Flatten", [x], 9)
    y = floats(4, 1, 3, 1, 2)
    yield from both("squeeze all", "Squeeze", [y], 13)
    yield from both("squeeze some", "Squeeze", [y, i64(-2)], 13)
    yield from both("squeeze by attribute", "Squeeze", [y], 11, attrs={"axes": [0, 2]})
    yield from both("unsqueeze", "Unsqueeze", [x, i64(0, -1)], 13)
    yield from both("unsqueeze unsorted", "Unsqueeze", [x, i64(4, 1)], 13)
    yield from both("unsqueeze by attribute", "Unsqueeze", [x], 11, attrs={"axes": [1, 2]})
    yield from both("transpose by default", "Transpose", [x], 13)
    yield from both("transpose", "Transpose", [x], 13, attrs={"perm": [1, 2, 0]})
    yield from both("transpose large", "Transpose", [floats(5, 9, 13, 5)], 13, attrs={"perm": [2, 0, 1]})
    yield from both("transpose rank 6", "Transpose", [floats(6, 2, 3, 2, 2, 3, 2)], 13, attrs={"perm": [5, 1, 3, 0, 4, 2]})
    yield from both("transpose bool", "Transpose", [bools(7, 3, 5)], 13, attrs={"perm": [1, 0]})
    yield from both("transpose empty", "Transpose", [floats(8, 0, 3)], 13)

    z = floats(9, 5, 6, 7)
    big = np.iinfo(np.int64).max
    small = np.iinfo(np.int64).min + 1
    for name, starts, ends, axes, steps in [
        ("plain", i64(1, 2), i64(4, 5), None, None),
        ("axes", i64(1, -3), i64(big, -1), i64(2, 0), None),
        ("steps", i64(0, 1), i64(big, big), i64(1, 2), i64(2, 3)),
        ("backward", i64(-1), i64(small), i64(1), i64(-1)),
        ("backward two axes", i64(-1, 5), i64(small, 0), i64(0, 2), i64(-2, -2)),
        ("out of range", i64(-100), i64(100), i64(0), None),
        ("nothing", i64(3), i64(2), i64(0), None),
    ]:
        inputs = [z, starts, ends] + [a for a in [axes] if axes is not None or steps is not None]
        inputs += [steps] if steps is not None else []
        yield from both(f"slice {name}", "Slice", inputs, 13)
    yield from both("slice by attributes", "Slice", [z], 9, attrs={"starts": [1, -2], "ends": [3, 7], "axes": [0, 2]})
    yield from both("slice int32 indices", "Slice", [ints(10, 6), np.array([1], np.int32), np.array([4], np.int32)], 13)

    yield from both("split equal", "Split", [floats(11, 2, 6)], 13, outputs=3, attrs={"axis": -1})
    yield from both("split sizes", "Split", [floats(12, 5, 3), i64(1, 0, 4)], 13, outputs=3, attrs={"axis": 0})
    yield from both("split by attribute", "Split", [floats(13, 2, 6)], 11, outputs=2, attrs={"axis": 1, "split": [2, 4]})
    yield from both("split uneven", "Split", [floats(14, 7, 2)], 18, outputs=3, attrs={"num_outputs": 3})

    a, b, c = floats(15, 2, 1, 3), floats(16, 2, 4, 3), floats(17, 2, 0, 3)
    for name, parts, axis in [("middle", [a, b, c], 1), ("negative", [a, b], -2), ("one", [a], 0), ("last", [b, b], 2)]:
        yield case(f"concat {name}", "Concat", parts, 13, attrs={"axis": axis})
        yield case(f"concat {name} on the host", "Concat", [Const(p) for p in parts], 13, attrs={"axis": axis})
    yield case("concat int64", "Concat", [ints(18, 3), Const(ints(19, 2))], 13, attrs={"axis": 0})

    data = floats(20, 5, 4, 3)
    for axis in (0, 1, -1):
        index = i64(0, -1, 2)
        yield from both(f"gather constant rows at {axis}", "Gather", [data, index], 13, attrs={"axis": axis})
        yield case(f"gather fed rows at {axis}", "Gather", [data, index], 13, attrs={"axis": axis})
    yield from both("gather one", "Gather", [data, np.array(-2, np.int64)], 13, attrs={"axis": 1})
    yield case("gather fed one", "Gather", [data, np.array(1, np.int64)], 13)
    yield case("gather from constant", "Gather", [Const(data), i64(1, 4).reshape(2, 1)], 13)
    yield case("gather int32", "Gather", [ints(21, 9), ints(22, 2, 3, low=0, high=9, dtype=np.int32)], 13)
    yield case("gather nothing", "Gather", [data, i64()], 13)
    yield case("gather out of range", "Gather", [Const(data), Const(i64(5))], 13, error="index 5")

    yield from both("expand", "Expand", [floats(23, 3, 1), i64(2, 1, 4)], 13)
    yield from both("expand to fewer", "Expand", [floats(24, 2, 3), i64(1)], 13)
    yield from both("expand bool", "Expand", [bools(25, 1, 3), i64(4, 3)], 13)
    yield from both("tile", "Tile", [floats(26, 2, 3), i64(2, 3)], 13)
    yield from both("tile none", "Tile", [floats(27, 2, 3), i64(1, 0)], 13)
    yield from both("tile rank 3", "Tile", [floats(28, 2, 1, 4), i64(3, 2, 2)], 13)

    for opset, attrs in [(13, {}), (15, {"start": 1}), (15, {"start": -2, "end": -1}), (15, {"start": 5})]:
        yield from both(f"shape {attrs}", "Shape", [x], opset, attrs=attrs)
    yield from both("size", "Size", [x], 13)
    for value in (np.array([2.5], np.float32), np.array([-3], np.int64), np.array([True])):
        yield case(f"constant of shape {value.dtype}", "ConstantOfShape", [Const(i64(2, 3))], 9, attrs={"value": value})
    yield case("zeros", "ConstantOfShape", [Const(i64())], 9)
    yield case("range up", "Range", [Const(np.array(v, np.int64)) for v in (3, 10, 3)], 11)
    yield case("range down", "Range", [Const(np.array(v, np.int32)) for v in (5, -1, -2)], 11)
    yield case("range empty", "Range", [Const(np.array(v, np.int64)) for v in (5, 1, 2)], 11)
    yield case("range floats", "Range", [Const(np.array(v, np.float32)) for v in (0.5, 2.0, 0.25)], 11)

    p = floats(29, 2, 3, 4)
    value = np.array(1.5, np.float32)
    yield from both("pad", "Pad", [p, i64(0, 1, 2, 1, 0, 1)], 13)
    yield from both("pad value", "Pad", [p, i64(1, 0, 0, 0, 2, 0), value], 13)
    yield from both("pad and crop", "Pad", [p, i64(0, -1, 1, 0, 1, -2), value], 13)
    yield from both("pad axes", "Pad", [p, i64(1, 2), value, i64(-1)], 18)
    yield from both("pad edge", "Pad", [p, i64(1, 0, 2, 0, 1, 1)], 13, attrs={"mode": "edge"})
    yield from both("pad reflect", "Pad", [p, i64(1, 2, 0, 0, 1, 3)], 13, attrs={"mode": "reflect"})
    yield from both("pad wrap", "Pad", [p, i64(0, 2, 1, 0, 1, 3)], 19, attrs={"mode": "wrap"})
    yield from both("pad by attributes", "Pad", [p], 10, attrs={"pads": [0, 0, 1, 0, 0, 2], "value": 3.0})

    numbers = np.array([-2.7, -0.5, -0.0, 0.0, 0.5, 1.0, 100.9], np.float32)
    codes = {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "uint32": 12}
    sources = {
        "float32": numbers,
        "int32": np.array([-3, 0, 1, 300, 70000], np.int32),
        "int64": np.array([-3, 0, 1, 300, 70000], np.int64),
        "uint8": np.array([0, 1, 200], np.uint8),
        "int8": np.array([-128, 0, 127], np.int8),
        "uint32": np.array([0, 1, 200, 4000000000], np.uint32),
        "bool": np.array([True, False]),
    }
    for source, array in sources.items():
        for target, code in codes.items():
            if source == "float32" and target.startswith("u"):
                array = np.abs(numbers)
            if (source, target) == ("uint32", "int64"):
                yield case("cast too wide", "Cast", [array], 13, attrs={"to": code}, error="32 bits")
                continue
            yield from both(f"cast {source} to {target}", "Cast", [array], 13, attrs={"to": code})


def cases():
    yield from all_cases()
