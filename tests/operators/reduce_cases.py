import numpy as np

from generate import Const, case, floats, ints

REDUCTIONS = [
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2",
    "ReduceLogSum", "ReduceLogSumExp",
]


def lstm(seed, steps, batch, inputs, hidden, directions=1, layout=0):
    scale = 0.5
    x = floats(seed, batch, steps, inputs) if layout else floats(seed, steps, batch, inputs)
    return x, floats(seed + 1, directions, 4 * hidden, inputs) * np.float32(scale), floats(seed + 2, directions, 4 * hidden, hidden) * np.float32(scale)


def cases():
    for op in REDUCTIONS:
        low = 0.1 if op == "ReduceLogSum" else -2.0
        x = lambda seed, *shape: floats(seed, *shape, low=low)
        wide = 0.9 if op == "ReduceProd" else low
        for opset in [11, 18]:
            if opset < (13 if op == "ReduceSum" else 18):
                axes = lambda a: ([], {"axes": a})
            else:
                axes = lambda a: ([Const(np.array(a, np.int64))], {})
            for name, shape, a, more in [
                ("last", (3, 5), [-1], {}),
                ("first", (3, 5), [0], {"keepdims": 0}),
                ("two apart", (2, 3, 4, 5), [1, -1], {}),
                ("inner pair", (2, 3, 4, 5), [3, 2], {"keepdims": 0}),
                ("all named", (2, 3, 4), [0, 1, 2], {"keepdims": 0}),
                ("long", (2, 200), [1], {}),
            ]:
                inputs, attrs = axes(a)
                yield case(name, op, [floats(3, *shape, low=wide, high=1.1) if op == "ReduceProd" else x(3, *shape)] + inputs, opset, attrs={**attrs, **more}, rtol=1e-5, atol=1e-5)
            yield case("no axes: all", op, [x(4, 3, 4)], opset, rtol=1e-5, atol=1e-5)
        yield case("scalar", op, [np.float32(1.5)], 18, rtol=1e-5)
        yield case("axis out of range", op, [x(1, 3, 4), Const(np.array([2], np.int64))], 18, error="axis 2 is out of range")
    for op in ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceMean"]:
        yield case("int32", op, [ints(1, 4, 6, low=-3, high=4, dtype=np.int32), Const(np.array([1], np.int64))], 18)
        yield case("int64", op, [ints(1, 4, 70, low=1, high=2), Const(np.array([1], np.int64))], 18)
    yield case("noop", "ReduceSum", [floats(1, 3, 4)], 13, attrs={"noop_with_empty_axes": 1})
    yield case("empty gives zero", "ReduceSum", [np.zeros((3, 0), np.float32), Const(np.array([1], np.int64))], 13)
    yield case("empty result", "ReduceSum", [np.zeros((3, 0), np.float32), Const(np.array([0], np.int64))], 13)
    yield case("nothing to take", "ArgMax", [np.zeros((3, 0), np.float32)], 13, attrs={"axis": 1}, error="no elements")
    for op in ["ArgMax", "ArgMin"]:
        for opset in [11, 13]:
            for axis, keep in [(0, 1), (1, 0), (-1, 1)]:
                yield case(f"axis {axis}", op, [floats(5, 4, 9, 3)], opset, attrs={"axis": axis, "keepdims": keep})
        ties = ints(1, 5, 100, low=0, high=3).astype(np.float32)
        yield case("first of equals", op, [ties], 13, attrs={"axis": 1})
        yield case("last of equals", op, [ties], 13, attrs={"axis": 1, "select_last_index": 1})
        yield case("default axis", op, [floats(5, 130, 3)], 13)
        yield case("int32", op, [ints(1, 5, 20, dtype=np.int32)], 13, attrs={"axis": 1})
    for op in ["Softmax", "LogSoftmax"]:
        for opset, axis in [(11, None), (11, 2), (11, -1), (11, 0), (13, None), (13, 1), (13, 0), (13, -2)]:
            yield case(f"axis {axis}", op, [floats(6, 3, 4, 5, low=-9, high=9)], opset, attrs={} if axis is None else {"axis": axis})
        yield case("long rows", op, [floats(7, 3, 1000, low=-30, high=30)], 13, atol=1e-5)
        yield case("large numbers", op, [floats(7, 2, 70, low=900, high=1100)], 13, atol=1e-4 if op == "LogSoftmax" else 1e-6)
        yield case("masked", op, [np.array([[0, -np.inf, 1, -3.4e38]], np.float32)], 13) if op == "Softmax" else case("one", op, [floats(1, 3, 1)], 13)
        yield case("zero rows", op, [np.zeros((0, 4), np.float32)], 13)
    for axis, outputs, bias in [(-1, 1, True), (-1, 1, False), (1, 3, True), (2, 2, True), (-2, [True, False, True], True)]:
        shape = (2, 3, 100)
        normalised = shape[axis:]
        inputs = [floats(8, *shape), floats(9, *normalised)] + ([floats(10, *normalised)] if bias else [])
        yield case(f"axis {axis}, outputs {outputs}", "LayerNormalization", inputs, 17, outputs=outputs, attrs={"axis": axis}, rtol=1e-5, atol=2e-6)
    yield case("epsilon, constants", "LayerNormalization", [floats(8, 4, 9) * np.float32(1e-3), Const(floats(9, 9)), Const(floats(1, 9))], 17, attrs={"epsilon": 1e-3})
    yield case("wrong scale", "LayerNormalization", [floats(8, 4, 9), floats(9, 8)], 17, error="broadcast")

    for direction, d in [("forward", 1), ("reverse", 1), ("bidirectional", 2)]:
        attrs = {"hidden_size": 8, "direction": direction}
        x, w, r = lstm(20, 5, 3, 6, 8, d)
        b, h, c = floats(30, d, 64), floats(31, d, 3, 8), floats(32, d, 3, 8)
        yield case(direction, "LSTM", [x, Const(w), Const(r)], 14, outputs=3, attrs=attrs, rtol=1e-5, atol=2e-6)
        yield case(direction + ", all inputs", "LSTM", [x, Const(w), Const(r), Const(b), None, h, c], 14, outputs=3, attrs=attrs, rtol=1e-5, atol=2e-6)
        yield case(direction + ", weights from data", "LSTM", [x, w, r, b, None, None, c], 7, outputs=[False, True, True], attrs=attrs, rtol=1e-5, atol=2e-6)
        yield case(direction + ", clip", "LSTM", [x, Const(w), Const(r), Const(b)], 14, outputs=3, attrs={**attrs, "clip": 0.7}, rtol=1e-5, atol=2e-6)
    x, w, r = lstm(40, 5, 3, 6, 8)
    attrs = {"hidden_size": 8}
    # onnxruntime does not support layout 1: the outputs of layout 0, transposed.
    from generate import reference
    h, c = floats(31, 1, 3, 8), floats(32, 1, 3, 8)
    y, y_h, y_c = reference(case("", "LSTM", [x, w, r, None, None, h, c], 14, outputs=3, attrs=attrs))
    turn = lambda a: np.ascontiguousarray(a.transpose(1, 0, 2))
    yield case("batch first", "LSTM", [turn(x), Const(w), Const(r), None, None, turn(h), turn(c)], 14, outputs=3, attrs={**attrs, "layout": 1}, expect=[np.ascontiguousarray(y.transpose(2, 0, 1, 3)), turn(y_h), turn(y_c)], rtol=1e-5, atol=2e-6)
    yield case("one step", "LSTM", [x[:1], Const(w), Const(r)], 14, outputs=[True, False, False], attrs=attrs, rtol=1e-5, atol=2e-6)
    yield case("full lengths", "LSTM", [x, Const(w), Const(r), None, Const(np.full(3, 5, np.int32))], 14, outputs=3, attrs=attrs, rtol=1e-5, atol=2e-6)
    yield case("weights of another size", "LSTM", [x, Const(w[:, :, :5]), Const(r)], 14, outputs=3, attrs=attrs, error="input 1 has shape")
