"""Convolution, pooling and matrix products."""

import numpy as np
from generate import Const, case, floats


def conv(name, x, w, bias=True, const=True, opset=13, **attrs):
    seed = sum(map(ord, name))
    inputs = [floats(seed, *x), floats(seed + 1, *w, low=-0.5, high=0.5)]
    if bias:
        inputs.append(floats(seed + 2, w[0]))
    if const:
        inputs[1:] = [Const(i) for i in inputs[1:]]
    return case(f"conv {name}", "Conv", inputs, opset, attrs=attrs, rtol=1e-4, atol=1e-4)


def act(name, x, alpha, beta):
    x = x.astype(np.float64)
    sig = 1 / (1 + np.exp(-x))
    erf = np.vectorize(__import__("math").erf)
    return {
        "none": x,
        "relu": np.maximum(x, 0),
        "clip": np.clip(x, alpha, beta),
        "leaky_relu": np.where(x < 0, alpha * x, x),
        "sigmoid": sig,
        "tanh": np.tanh(x),
        "hard_swish": x * np.clip(x / 6 + 0.5, 0, 1),
        "hard_sigmoid": np.clip(alpha * x + beta, 0, 1),
        "silu": x * sig,
        "gelu": 0.5 * x * (1 + erf(x / np.sqrt(2))),
        "gelu_tanh": 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    }[name].astype(np.float32)


ACTIVATIONS = "none relu clip leaky_relu sigmoid tanh hard_swish hard_sigmoid silu gelu gelu_tanh".split()


def behind(name, alpha=0.0, beta=0.0):
    """The attributes of a fused operator that apply an activation: a program of elementwise steps. Operand 0 is the sum, 1 the
    first step, 2 and 5 the first two constants."""
    bits = [v for x in (alpha, beta) for v in (0, int(np.float32(x).view(np.uint32)))]
    steps = {
        "none": [("Copy", 0)],
        "relu": [("ReluF", 0)],
        "clip": [("MaxF", 0, 2), ("MinF", 1, 5)],
        "leaky_relu": [("LeakyF", 0, 2)],
        "sigmoid": [("SigmoidF", 0)],
        "tanh": [("TanhF", 0)],
        "hard_swish": [("HardSwishF", 0)],
        "hard_sigmoid": [("HardSigmoidF", 0, 2, 5)],
        "silu": [("SigmoidF", 0), ("MulF", 0, 1)],
        "gelu": [("GeluF", 0)],
        "gelu_tanh": [("GeluTanhF", 0)],
        "cube": [("CubeF", 0)],
    }[name]
    args = [arg for code, *args in steps for arg in (args + [-1, -1])[:3]]
    return dict(codes=[code for code, *_ in steps], args=args, constants=bits, dtype=1)


def conv_cases():
    yield conv("1x1", (1, 16, 4, 6), (40, 16, 1, 1))
    yield conv("1x1, odd pixels", (2, 5, 5, 5), (7, 5, 1, 1))
    yield conv("1x1, stride 2", (1, 6, 9, 8), (34, 6, 1, 1), strides=[2, 2])
    yield conv("1x1, no bias", (2, 8, 4, 4), (32, 8, 1, 1), bias=False)
    yield conv("3x3, same padding", (1, 3, 9, 11), (33, 3, 3, 3), pads=[1, 1, 1, 1])
    yield conv("3x3, no padding", (2, 4, 7, 9), (5, 4, 3, 3))
    yield conv("3x3, narrow", (1, 3, 6, 5), (4, 3, 3, 3))
    yield conv("3x3, stride 2", (1, 3, 12, 13), (8, 3, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2])
    yield conv("3x3, strides 2 and 1", (1, 3, 12, 13), (8, 3, 3, 3), pads=[1, 1, 1, 1], strides=[2, 1])
    yield conv("3x3, asymmetric pads", (1, 3, 6, 8), (4, 3, 3, 3), pads=[0, 2, 1, 3])
    yield conv("3x3, wide pads", (1, 2, 3, 4), (3, 2, 3, 3), pads=[4, 5, 6, 7])
    yield conv("3x3, dilation 2 and 3", (1, 3, 11, 13), (4, 3, 3, 3), pads=[2, 3, 2, 3], dilations=[2, 3])
    yield conv("7x7, stride 2", (1, 3, 20, 21), (10, 3, 7, 7), pads=[3, 3, 3, 3], strides=[2, 2])
    yield conv("1x5", (1, 3, 6, 9), (4, 3, 1, 5), pads=[0, 2, 0, 2])
    yield conv("5x3", (1, 3, 8, 9), (4, 3, 5, 3), pads=[2, 1, 2, 1])
    for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
        yield conv(f"auto_pad {auto}", (1, 3, 8, 9), (4, 3, 4, 3), strides=[2, 3], auto_pad=auto)
    yield conv("groups", (2, 8, 6, 7), (12, 2, 3, 3), pads=[1, 1, 1, 1], group=4)
    yield conv("groups, 1x1", (1, 8, 4, 4), (80, 4, 1, 1), group=2)
    yield conv("depthwise 3x3", (2, 6, 9, 10), (6, 1, 3, 3), pads=[1, 1, 1, 1], group=6)
    yield conv("depthwise 3x3, stride 2", (1, 6, 9, 11), (6, 1, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2], group=6)
    yield conv("depthwise 5x5, dilation", (1, 4, 14, 13), (4, 1, 5, 5), pads=[2, 3, 4, 5], dilations=[2, 2], group=4)
    yield conv("depthwise multiplier", (1, 4, 5, 6), (12, 1, 3, 3), group=4)
    yield conv("one axis", (2, 5, 30), (7, 5, 4), strides=[3], pads=[2, 1])
    yield conv("one axis, 3 taps", (1, 5, 13), (7, 5, 3), pads=[1, 1])
    yield conv("one axis, depthwise", (1, 5, 13), (5, 1, 3), pads=[1, 1], group=5, dilations=[2])
    yield conv("weights fed", (2, 3, 7, 8), (5, 3, 3, 3), const=False, pads=[1, 1, 1, 1])
    yield conv("weights fed, groups", (1, 6, 7, 8), (4, 3, 3, 3), const=False, group=2)
    yield conv("empty batch", (0, 3, 7, 8), (5, 3, 3, 3))
    yield conv("opset 1", (1, 3, 7, 8), (5, 3, 3, 3), opset=7)
    x, w = floats(1, 1, 4, 5, 6), Const(floats(2, 6, 4, 3, 3))
    yield case("conv kernel too large", "Conv", [floats(1, 1, 4, 2, 2), w], 13, error="exceeds")
    # onnxruntime gives the plain convolution; the rest is computed here.
    import generate

    attrs = dict(pads=[1, 1, 1, 1])
    plain = generate.reference(case("", "Conv", [x, w, Const(floats(3, 6))], 13, attrs=attrs))[0]
    residual = floats(4, *plain.shape)
    for name in ACTIVATIONS:
        extra = behind(name, 0.25, 0.75)
        want = act(name, plain + residual, 0.25, 0.75)
        inputs = [x, w, Const(floats(3, 6)), residual]
        yield case(f"fused conv {name}", "Conv", inputs, 1, attrs=attrs | extra, rtol=1e-4, atol=1e-4, expect=[want], domain="fascine")
    hole = x.value.copy() if isinstance(x, Const) else x.copy()
    hole[0, 1, 2, 3] = np.nan
    holed = generate.reference(case("", "Conv", [hole, w], 13, attrs=attrs))[0]
    for name in ACTIVATIONS:
        want = act(name, holed, 0.25, 0.75)
        want[np.isnan(holed)] = np.nan
        yield case(f"fused conv {name} of NaN", "Conv", [hole, w], 1, attrs=attrs | behind(name, 0.25, 0.75), rtol=1e-4, atol=1e-4, expect=[want], domain="fascine")
    extra = behind("relu")
    yield case("fused conv without residual", "Conv", inputs[:3], 1, attrs=attrs | extra, rtol=1e-4, atol=1e-4, expect=[np.maximum(plain, 0)], domain="fascine")
    depthwise = [floats(5, 1, 6, 5, 6), Const(floats(6, 6, 1, 3, 3)), None, residual]
    plain = generate.reference(case("", "Conv", depthwise[:2], 13, attrs=attrs | dict(group=6)))[0]
    want = np.clip(plain + residual, 0, 6)
    extra = dict(group=6) | behind("clip", 0.0, 6.0)
    yield case("fused depthwise", "Conv", depthwise, 1, attrs=attrs | extra, rtol=1e-4, atol=1e-4, expect=[want], domain="fascine")
    yield case("fused conv, odd activation", "Conv", inputs, 1, attrs=behind("cube"), error="CubeF", domain="fascine")


def pool(name, op, shape, opset=19, **attrs):
    return case(f"{op} {name}", op, [floats(sum(map(ord, name)), *shape)], opset, attrs=attrs)


def pool_cases():
    for op in ["MaxPool", "AveragePool"]:
        yield pool("2x2", op, (2, 3, 6, 8), kernel_shape=[2, 2], strides=[2, 2])
        yield pool("3x3, stride 2, pads", op, (1, 3, 9, 8), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        yield pool("ceil", op, (1, 2, 8, 9), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
        yield pool("ceil, pads", op, (1, 2, 7, 9), kernel_shape=[3, 2], strides=[3, 2], pads=[1, 0, 1, 1], ceil_mode=1)
        yield pool("dilations", op, (1, 2, 9, 9), kernel_shape=[3, 2], dilations=[2, 3])
        for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
            yield pool(f"auto_pad {auto}", op, (1, 2, 8, 9), kernel_shape=[3, 4], strides=[2, 3], auto_pad=auto)
        yield pool("one axis", op, (2, 3, 13), kernel_shape=[4], strides=[3], pads=[1, 2])
        yield pool("opset 7", op, (1, 3, 6, 6), opset=7, kernel_shape=[3, 3])
        yield pool("kernel too large", op, (1, 1, 2, 2), kernel_shape=[3, 3]) | dict(error="exceeds")
    yield pool("counting padding", "AveragePool", (1, 3, 9, 8), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 2], count_include_pad=1)
    yield pool("counting padding, ceil", "AveragePool", (1, 2, 8, 9), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0], count_include_pad=1, ceil_mode=1)
    for op in ["GlobalMaxPool", "GlobalAveragePool"]:
        yield pool("two axes", op, (2, 5, 7, 7))
        yield pool("one axis", op, (1, 11, 3))
        yield pool("three axes", op, (2, 3, 2, 3, 4))


def matmul(name, a, b, const=False, **rest):
    seed = sum(map(ord, name))
    right = floats(seed + 1, *b)
    return case(f"matmul {name}", "MatMul", [floats(seed, *a), Const(right) if const else right], 13, rtol=1e-4, atol=1e-4, **rest)


def gemm(name, a, b, c=None, const=True, **attrs):
    seed = sum(map(ord, name))
    inputs = [floats(seed, *a), floats(seed + 1, *b)]
    if c is not None:
        inputs.append(floats(seed + 2, *c))
    if const:
        inputs[1:] = [Const(i) for i in inputs[1:]]
    return case(f"gemm {name}", "Gemm", inputs, 13, attrs=attrs, rtol=1e-4, atol=1e-4)


def left_weights(name, a, b):
    seed = sum(map(ord, name))
    return case(f"matmul {name}", "MatMul", [Const(floats(seed, *a)), floats(seed + 1, *b)], 13, rtol=1e-4, atol=1e-4)


def matmul_cases():
    yield left_weights("weights by a column", (64, 32), (32, 1))
    yield left_weights("weights by a vector", (70, 36), (36,))
    yield left_weights("weights by few columns", (33, 24), (24, 5))
    yield left_weights("weights by eight columns", (40, 12), (12, 8))
    yield left_weights("weights by nine columns", (40, 12), (12, 9))
    yield left_weights("weights by a column, odd depth", (10, 7), (7, 1))
    yield left_weights("weights by odd columns", (9, 11), (11, 3))
    yield left_weights("weights by a batch of columns", (9, 8), (3, 8, 1))
    for const in [False, True]:
        kind = "constant" if const else "fed"
        yield matmul(f"2 x 2, {kind}", (12, 20), (20, 36), const)
        yield matmul(f"odd, {kind}", (5, 7), (7, 9), const)
        yield matmul(f"depth in fours, odd columns, {kind}", (17, 8), (8, 37), const)
        yield matmul(f"one row, {kind}", (1, 64), (64, 70), const)
        yield matmul(f"many rows, {kind}", (70, 12), (12, 40), const)
        yield matmul(f"batch x matrix, {kind}", (2, 3, 5, 8), (8, 12), const)
        yield matmul(f"batch x batch, {kind}", (2, 3, 5, 8), (2, 3, 8, 12), const)
        yield matmul(f"broadcast batches, {kind}", (2, 1, 5, 8), (3, 8, 12), const)
        yield matmul(f"broadcast left, {kind}", (5, 8), (2, 3, 8, 4), const)
        yield matmul(f"vector x matrix, {kind}", (8,), (8, 5), const)
        yield matmul(f"matrix x vector, {kind}", (6, 8), (8,), const)
        yield matmul(f"vector x vector, {kind}", (8,), (8,), const)
        yield matmul(f"batch x vector, {kind}", (2, 3, 6, 8), (8,), const)
        yield matmul(f"vector x batch, {kind}", (8,), (2, 3, 8, 6), const)
    yield matmul("without rows", (0, 8), (8, 5), True)
    yield matmul("without depth", (3, 0), (0, 5))
    yield matmul("depths differ", (3, 4), (5, 6), error="cannot be multiplied")
    yield gemm("plain", (5, 8), (8, 12))
    yield gemm("transB, bias", (1, 16), (40, 16), (40,), transB=1)
    yield gemm("transB, bias, many rows", (20, 16), (40, 16), (40,), transB=1, alpha=0.5, beta=2.0)
    yield gemm("transA", (8, 5), (8, 12), (1, 12), transA=1)
    yield gemm("both", (7, 5), (9, 7), (5, 1), transA=1, transB=1, alpha=1.5, beta=0.25)
    yield gemm("full bias", (5, 8), (8, 12), (5, 12))
    yield gemm("scalar bias", (5, 8), (8, 12), (1,))
    yield gemm("fed", (5, 8), (12, 8), (12,), const=False, transB=1)
    yield gemm("without depth", (2, 0), (0, 3), (3,), const=False)
    a, b, bias, residual = floats(1, 2, 9, 8), floats(2, 8, 13), floats(3, 13), floats(4, 2, 9, 13)
    plain = a @ b
    hole = a.copy()
    hole[0, 3, 2] = np.nan
    for name in ACTIVATIONS:
        want = act(name, hole @ b, 0.25, 0.75)
        want[np.isnan(hole @ b)] = np.nan
        yield case(f"fused matmul {name} of NaN", "MatMul", [hole, Const(b)], 1, attrs=behind(name, 0.25, 0.75), rtol=1e-4, atol=1e-4, expect=[want], domain="fascine")
    for name in ["none", "gelu", "clip"]:
        attrs = behind(name, 0.25, 0.75)
        want = act(name, plain + bias + residual, 0.25, 0.75)
        yield case(f"fused matmul {name}", "MatMul", [a, Const(b), Const(bias), residual], 1, attrs=attrs, rtol=1e-4, atol=1e-4, expect=[want], domain="fascine")
        want = act(name, 0.5 * (a[0] @ b) + 2 * bias + residual[0], 0.25, 0.75)
        attrs |= dict(scale=0.5, bias_scale=2.0)
        yield case(f"fused gemm {name}", "Gemm", [a[0], Const(b), bias, residual[0]], 1, attrs=attrs, rtol=1e-4, atol=1e-4, expect=[want], domain="fascine")


def cases():
    yield from conv_cases()
    yield from pool_cases()
    yield from matmul_cases()
