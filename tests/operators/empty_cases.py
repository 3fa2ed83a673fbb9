import numpy as np

from generate import Const, case, floats, ints


def empty(*shape):
    return np.zeros(shape, np.float32)


def cases():
    def gives(name, op, inputs, *shapes, opset=17, **attrs):
        return case(name, op, inputs, opset, outputs=len(shapes), attrs=attrs, expect=[empty(*shape) for shape in shapes])

    weight = Const(floats(1, 4, 3, 3, 3))
    yield gives("no batch", "Conv", [empty(0, 3, 8, 8), weight], (0, 4, 6, 6))
    yield gives("no batch, depthwise", "Conv", [empty(0, 3, 8, 8), Const(floats(1, 3, 1, 3, 3))], (0, 3, 6, 6), group=3)
    yield gives("no batch, pointwise", "Conv", [empty(0, 8, 4, 4), Const(floats(1, 16, 8, 1, 1))], (0, 16, 4, 4))
    yield gives("no rows", "Gemm", [empty(0, 8), Const(floats(1, 8, 5)), Const(floats(2, 5))], (0, 5))
    yield gives("no columns", "Gemm", [floats(1, 3, 8), Const(empty(8, 0))], (3, 0))
    yield gives("no depth", "MatMul", [empty(3, 0), empty(0, 5)], (3, 5))
    yield gives("no batch", "MatMul", [empty(0, 3, 8), Const(floats(1, 8, 5))], (0, 3, 5))
    yield gives("no columns, constant left", "MatMul", [Const(floats(1, 8, 5)), empty(5, 0)], (8, 0))
    for op in ["MaxPool", "AveragePool"]:
        yield gives("no batch", op, [empty(0, 3, 8, 8)], (0, 3, 4, 4), kernel_shape=[2, 2], strides=[2, 2])
    for op in ["GlobalAveragePool", "GlobalMaxPool"]:
        yield gives("no batch", op, [empty(0, 3, 8, 8)], (0, 3, 1, 1))
    for op in ["Softmax", "LogSoftmax"]:
        for shape in [(0, 5), (5, 0), (2, 0, 3)]:
            yield gives(f"of {shape}", op, [empty(*shape)], shape, axis=1)
        yield gives("flattened", op, [empty(0, 2, 3)], (0, 2, 3), opset=11)
    norm = [Const(floats(1, 6)), Const(floats(2, 6))]
    yield gives("no rows", "LayerNormalization", [empty(0, 4, 6), *norm], (0, 4, 6))
    yield gives("no rows, statistics", "LayerNormalization", [empty(0, 4, 6), *norm], (0, 4, 6), (0, 4, 1), (0, 4, 1))
    yield gives("no elements", "LayerNormalization", [empty(3, 0), Const(empty(0))], (3, 0))
    yield gives("no batch", "BatchNormalization", [empty(0, 3, 4), *(Const(floats(i, 3, low=0.5)) for i in range(4))], (0, 3, 4))
    scale = np.float32(0.5)
    for directions, direction in [(1, "forward"), (1, "reverse"), (2, "bidirectional")]:
        weights = [Const(floats(1, directions, 16, 3) * scale), Const(floats(2, directions, 16, 4) * scale)]
        states = floats(3, directions, 2, 4), floats(4, directions, 2, 4)
        attrs = dict(hidden_size=4, direction=direction)
        shapes = (0, directions, 2, 4), (directions, 2, 4), (directions, 2, 4)
        yield gives(f"no steps, {direction}", "LSTM", [empty(0, 2, 3), *weights], *shapes, **attrs)
        yield case(f"no steps, {direction}, initial states", "LSTM", [empty(0, 2, 3), *weights, None, None, *states], 17, outputs=3, attrs=attrs, expect=[empty(*shapes[0]), *states])
        yield gives(f"no batch, {direction}", "LSTM", [empty(5, 0, 3), *weights], (5, directions, 0, 4), (directions, 0, 4), (directions, 0, 4), **attrs)
    both = floats(1, 2, 3)
    yield case("with nothing", "Concat", [empty(0, 3), both], 13, attrs={"axis": 0}, expect=[both])
    yield gives("of nothing", "Concat", [empty(0, 3), empty(0, 5)], (0, 8), axis=1)
    yield gives("no indices", "Gather", [floats(1, 4, 5), ints(1, 0)], (0, 5))
    yield gives("no rows' elements", "Gather", [empty(4, 0), np.array([1, 2])], (2, 0))
    yield gives("no elements", "Relu", [empty(0, 5)], (0, 5))
    yield gives("no elements, broadcast", "Add", [empty(0, 5), floats(1, 5)], (0, 5))
    yield gives("no elements", "Transpose", [empty(0, 5)], (5, 0), perm=[1, 0])
