"""Operators of onnxruntime's domain com.microsoft."""

import numpy as np
from generate import Const, case, floats, ints

NEAR = dict(rtol=1e-4, atol=1e-5)
# A quotient that rounds the other way is one step off.
STEP = dict(rtol=0, atol=0)
MS = dict(domain="com.microsoft")


def scalar(x, dtype=np.float32):
    return np.array(x, dtype)


def whole(seed, dtype, *shape):
    info = np.iinfo(dtype)
    return ints(seed, *shape, low=info.min, high=info.max + 1, dtype=dtype)


def ms(name, op, inputs, outputs=1, attrs=None, opset=17, **more):
    return case(name, op, inputs, opset, outputs=outputs, attrs=attrs, **MS, **{**NEAR, **more})


def nbits(bits, block, k, n):
    """Weights, scales and packed zero points."""
    blocks = -(-k // block)
    weights = whole(k + n, np.uint8, n, blocks, block * bits // 8)
    scales = floats(block, n, blocks, low=0.01, high=0.1)
    zeros = whole(n, np.uint8, n, -(-blocks * bits // 8))
    return weights, scales, zeros


def expected(x, weights, scales, zeros, bits, k, n):
    """The product as the operator is defined, in f64."""
    per = 8 // bits
    nibbles = (weights[..., None] >> (np.arange(per, dtype=np.uint8) * bits)) & ((1 << bits) - 1)
    q = nibbles.reshape(n, weights.shape[1], -1).astype(np.float64)
    if zeros is None:
        z = np.full((n, q.shape[1], 1), 1 << (bits - 1), np.float64)
    elif zeros.dtype == np.uint8:
        z = ((zeros[..., None] >> (np.arange(per, dtype=np.uint8) * bits)) & ((1 << bits) - 1)).reshape(n, -1)[:, : q.shape[1], None]
    else:
        z = zeros.reshape(n, -1, 1)
    w = ((q - z) * scales.reshape(n, -1, 1)).reshape(n, -1)[:, :k]
    return (x.astype(np.float64) @ w.T).astype(x.dtype)


def matmul_nbits():
    for bits in (2, 4, 8):
        for block, k, n, rows in [(32, 64, 8, (3,)), (16, 40, 5, (1,)), (64, 200, 13, (2, 9)), (128, 128, 33, (1, 1))]:
            weights, scales, zeros = nbits(bits, block, k, n)
            attrs = {"K": k, "N": n, "bits": bits, "block_size": block}
            x = floats(60, *rows, k)
            for name, z in [("", None), (", zero points", zeros)]:
                held = [Const(weights), Const(scales)] + ([Const(z)] if z is not None else [])
                yield ms(f"{bits} bits, blocks of {block}, {k} to {n}{name}", "MatMulNBits", [x, *held], attrs=attrs, expect=[expected(x, weights, scales, z, bits, k, n)])
    k, n = 64, 12
    weights, scales, zeros = nbits(4, 32, k, n)
    attrs = {"K": k, "N": n, "bits": 4, "block_size": 32}
    x, bias, z = floats(61, 5, k), floats(62, n), floats(63, n, 2, low=0, high=15)
    want = expected(x, weights, scales, zeros, 4, k, n)
    yield ms("as onnxruntime has it", "MatMulNBits", [x, Const(weights), Const(scales), Const(zeros)], attrs=attrs)
    yield ms("bias", "MatMulNBits", [x, Const(weights), Const(scales), Const(zeros), None, bias], attrs=attrs, expect=[want + bias])
    yield ms("zero points of f32", "MatMulNBits", [x, Const(weights), Const(scales), Const(z)], attrs=attrs, expect=[expected(x, weights, scales, z, 4, k, n)])
    yield ms("flat scales and zero points", "MatMulNBits", [x, Const(weights), Const(scales.reshape(-1)), Const(zeros.reshape(-1))], attrs=attrs, expect=[want])
    half = x.astype(np.float16), scales.astype(np.float16)
    yield ms("halves", "MatMulNBits", [half[0], Const(weights), Const(half[1])], attrs=attrs, expect=[expected(half[0], weights, half[1].astype(np.float64), None, 4, k, n)], rtol=2e-3, atol=2e-3)
    yield ms("no rows", "MatMulNBits", [floats(1, 0, k), Const(weights), Const(scales)], attrs=attrs, expect=[np.zeros((0, n), np.float32)])
    yield ms("order of the rows", "MatMulNBits", [x, Const(weights), Const(scales), None, Const(np.zeros(k, np.int32))], attrs=attrs, error="g_idx")
    yield ms("weights that come with the request", "MatMulNBits", [x, weights, scales], attrs=attrs, error="no constants")
    yield ms("3 bits", "MatMulNBits", [x, Const(weights), Const(scales)], attrs=attrs | {"bits": 3}, error="weights of 3 bits")
    yield ms("blocks of 24", "MatMulNBits", [x, Const(weights), Const(scales)], attrs=attrs | {"block_size": 24}, error="no power of two")
    yield ms("scales of another length", "MatMulNBits", [x, Const(weights), Const(scales[:3])], attrs=attrs, error="a scale of shape")
    yield ms("another depth", "MatMulNBits", [floats(1, 5, 60), Const(weights), Const(scales)], attrs=attrs, error="where K is 64")


def fused():
    yield ms("plain", "FusedMatMul", [floats(1, 3, 4), floats(2, 4, 5)], attrs={"alpha": 0.25})
    yield ms("transposed", "FusedMatMul", [floats(1, 2, 4, 3), floats(2, 2, 5, 4)], attrs={"transA": 1, "transB": 1, "alpha": -2.0})
    yield ms("batch exchanged", "FusedMatMul", [floats(1, 2, 4, 3), floats(2, 2, 3, 4)], attrs={"transBatchA": 1}, error="batch dimensions")
    yield ms("plain", "BiasGelu", [floats(1, 3, 7), floats(2, 7)])
    yield ms("plain", "Gelu", [floats(1, 3, 7, low=-5, high=5)])
    yield ms("plain", "FastGelu", [floats(1, 3, 7)])
    yield ms("bias", "FastGelu", [floats(1, 3, 7), floats(2, 7)])
    yield ms("plain", "QuickGelu", [floats(1, 3, 7)])
    yield ms("alpha", "QuickGelu", [floats(1, 3, 7)], attrs={"alpha": 0.5})
    x, skip, gamma, beta, bias = floats(1, 2, 3, 8), floats(2, 2, 3, 8), floats(3, 8), floats(4, 8), floats(5, 8)
    show = [True, False, False, True]
    yield ms("plain", "SkipLayerNormalization", [x, skip, gamma])
    yield ms("beta, bias, sum", "SkipLayerNormalization", [x, skip, gamma, beta, bias], outputs=show, attrs={"epsilon": 1e-3})
    yield ms("skip without a batch", "SkipLayerNormalization", [x, skip[0], gamma, beta])
    yield ms("plain", "SkipSimplifiedLayerNormalization", [x, skip, gamma])
    yield ms("bias, sum", "SkipSimplifiedLayerNormalization", [x, skip, gamma, bias], outputs=show, attrs={"epsilon": 1e-3})
    yield case("of onnxruntime", "SimplifiedLayerNormalization", [x, gamma], 17, attrs={"epsilon": 1e-4}, **NEAR)
    tables = [floats(6, 20, 8), floats(7, 6, 8), floats(8, 2, 8)]
    ids, segments = ints(9, 2, 4, low=0, high=20, dtype=np.int32), ints(10, 2, 4, low=0, high=2, dtype=np.int32)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], np.int32)
    places = ints(11, 2, 4, low=0, high=6, dtype=np.int32)
    embed = [ids, segments, *map(Const, tables), gamma, beta]
    yield ms("plain", "EmbedLayerNormalization", embed, outputs=[True, False, True])
    yield ms("mask, places", "EmbedLayerNormalization", [*embed, mask, places], outputs=[True, True, True])
    yield ms("no segments", "EmbedLayerNormalization", [ids, None, tables[0], tables[1], None, gamma, beta], outputs=[True, False])
    x, w, b, z = floats(12, 1, 3, 6, 6), floats(13, 4, 3, 3, 3), floats(14, 4), floats(15, 1, 4, 6, 6)
    conv = {"pads": [1, 1, 1, 1]}
    for name, more in [
        ("Relu", {}),
        ("Tanh", {}),
        ("Sigmoid", {}),
        ("LeakyRelu", {"activation_params": [0.2]}),
        ("Clip", {"activation_params": [-0.5, 0.75]}),
        ("HardSigmoid", {"activation_params": [0.3, 0.4]}),
    ]:
        yield ms(name, "FusedConv", [x, Const(w), Const(b)], attrs=conv | {"activation": name} | more)
    yield ms("residual", "FusedConv", [x, Const(w), Const(b), z], attrs=conv | {"activation": "Relu"})
    yield ms("an activation of another name", "FusedConv", [x, w], attrs={"activation": "Cosine"}, error="its activation is not known")


def quantised(arrays, dtype):
    """Tensor, scale and zero point of each."""
    out = []
    for k, x in enumerate(arrays):
        out += [x, scalar(0.021 + 0.013 * k), scalar(3 + 7 * k, dtype)]
    return out


def linear():
    for dtype in (np.uint8, np.int8):
        name = np.dtype(dtype).name
        a, b = whole(20, dtype, 2, 4, 5), whole(21, dtype, 4, 1)
        result = [scalar(0.0713), scalar(5, dtype)]
        info = np.iinfo(dtype)
        yield ms(name, "QLinearAdd", quantised([a, b], dtype) + result, **STEP)
        yield ms(name, "QLinearMul", quantised([a, b], dtype) + result, **STEP)
        yield ms(name, "QLinearLeakyRelu", [a, scalar(0.03), scalar(4, dtype), *result], attrs={"alpha": 0.1}, **STEP)
        yield ms(name, "QLinearSigmoid", [a, scalar(0.03), scalar(4, dtype), scalar(1 / 256), scalar(info.min, dtype)], **STEP)
        x = whole(22, dtype, 2, 3, 5, 6)
        yield ms(name, "QLinearGlobalAveragePool", [x, scalar(0.03), scalar(4, dtype), scalar(0.01), scalar(7, dtype)], attrs={"channels_last": 0}, **STEP)
        yield ms(name, "QLinearAveragePool", [x, scalar(0.03), scalar(4, dtype), scalar(0.0217), scalar(7, dtype)], attrs={"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, **STEP)
        yield ms(name, "QLinearConcat", [*result, *quantised([a, whole(23, dtype, 2, 2, 5)], dtype)], attrs={"axis": 1}, **STEP)
        softmax = [whole(24, dtype, 4, 9), scalar(0.03), scalar(4, dtype), scalar(1 / 256), scalar(info.min, dtype)]
        yield ms(name, "QLinearSoftmax", softmax, attrs={"axis": -1, "opset": 13}, **STEP)
        a, b, bias = whole(25, dtype, 4, 7), whole(26, np.int8, 6, 7), ints(27, 6, low=-900, high=900, dtype=np.int32)
        gemm = [a, scalar(0.02), scalar(9, dtype), b, floats(28, 6, low=0.01, high=0.03), np.zeros(6, np.int8), bias]
        if dtype == np.uint8:
            yield ms(name, "QGemm", [*gemm, scalar(0.4), scalar(11, dtype)], attrs={"transB": 1, "alpha": 1.0}, **STEP)
            yield ms(name + " to f32", "QGemm", gemm, attrs={"transB": 1, "alpha": 0.5})
    x = whole(22, np.uint8, 2, 3, 5, 6)
    yield ms("channels last", "QLinearGlobalAveragePool", [x, scalar(0.03), scalar(4, np.uint8), scalar(0.01), scalar(7, np.uint8)], attrs={"channels_last": 1}, error="its channels come last")


def tables(seed, length, half):
    angle = floats(seed, length, half, low=-3, high=3)
    return np.cos(angle), np.sin(angle)


def attention():
    batch, length, heads, size = 2, 5, 2, 8
    hidden = heads * size
    x = floats(30, batch, length, hidden)
    cos, sin = tables(31, 16, size // 2)
    first = np.array([3], np.int64)
    each = ints(32, batch, length, low=0, high=16)
    for interleaved in (0, 1):
        more = {"interleaved": interleaved, "num_heads": heads}
        yield ms(f"first place, {interleaved}", "RotaryEmbedding", [x, first, cos, sin], attrs={"interleaved": interleaved})
        yield ms(f"places, {interleaved}", "RotaryEmbedding", [x, each, cos, sin], attrs=more)
    by_head = floats(33, batch, heads, length, size)
    yield ms("heads apart", "RotaryEmbedding", [by_head, first, cos, sin])
    half = tables(34, 16, 2)
    yield ms("part of a head", "RotaryEmbedding", [x, each, *half], attrs={"num_heads": heads, "rotary_embedding_dim": 4})
    yield ms("scale", "RotaryEmbedding", [x, first, cos, sin], attrs={"scale": 0.5}, error="its scale is not 1")

    q, k, v = floats(40, batch, length, hidden), floats(41, batch, 7, hidden), floats(42, batch, 7, hidden)
    bias, attention_bias = floats(43, 3 * hidden), floats(44, 1, heads, length, 7)
    mask = np.array([[1] * 7, [1, 1, 1, 1, 0, 0, 0]], np.int32)
    attrs = {"num_heads": heads}
    yield ms("plain", "MultiHeadAttention", [q, k, v], attrs=attrs)
    yield ms("bias", "MultiHeadAttention", [q, k, v, bias], attrs=attrs | {"scale": 0.2})
    yield ms("padding", "MultiHeadAttention", [q, k, v, None, mask], attrs=attrs)
    yield ms("attention bias", "MultiHeadAttention", [q, k, v, None, None, attention_bias], attrs=attrs)
    yield ms("both", "MultiHeadAttention", [q, k, v, bias, mask, attention_bias], attrs=attrs)
    yield ms("causal", "MultiHeadAttention", [q, floats(45, batch, length, hidden), floats(46, batch, length, hidden)], attrs=attrs | {"unidirectional": 1})
    past = floats(47, batch, heads, 3, size), floats(48, batch, heads, 3, size)
    yield ms("past", "MultiHeadAttention", [q, k, v, None, None, None, *past], outputs=3, attrs=attrs)
    yield ms("packed", "MultiHeadAttention", [floats(1, batch, length, heads, 3, size)], attrs=attrs, error="an input is missing")

    x, w = floats(50, batch, length, 12), floats(51, 12, 3 * hidden, low=-0.5, high=0.5)
    mask = np.array([[1] * length, [1, 1, 1, 0, 0]], np.int32)
    yield ms("plain", "Attention", [x, w, bias], attrs=attrs)
    yield ms("mask", "Attention", [x, w, bias, mask], attrs=attrs)
    yield ms("causal", "Attention", [x, w, bias], attrs=attrs | {"unidirectional": 1})
    yield ms("past", "Attention", [x, w, bias, None, np.stack(past)], outputs=2, attrs=attrs | {"unidirectional": 1})
    yield ms("other values", "Attention", [x, floats(52, 12, 2 * hidden + 4, low=-0.5, high=0.5), floats(53, 2 * hidden + 4)], attrs=attrs | {"qkv_hidden_sizes": [hidden, hidden, 4]})
    yield ms("mask of one dimension", "Attention", [x, w, bias, np.array([5, 3], np.int32)], attrs=attrs, error="its mask has not two dimensions")


def group_query():
    batch, heads, groups, size = 2, 4, 2, 16
    cos, sin = tables(60, 32, size // 2)
    for name, length, past, last, total, more in [
        ("prompt", 5, 0, [4, 4], 5, {}),
        ("prompt, turned", 5, 0, [4, 4], 5, {"do_rotary": 1}),
        ("next token", 1, 6, [6, 6], 7, {"do_rotary": 1}),
        ("next token in a buffer", 1, 12, [6, 6], 7, {"do_rotary": 1, "rotary_interleaved": 1}),
        ("other lengths", 1, 12, [6, 3], 7, {"do_rotary": 1}),
        ("window", 1, 12, [8, 8], 9, {"local_window_size": 4}),
        ("scale, cap", 1, 6, [6, 6], 7, {"scale": 0.3, "softcap": 2.0}),
    ]:
        q, k, v = floats(61, batch, length, heads * size), floats(62, batch, length, groups * size), floats(63, batch, length, groups * size)
        cache = floats(64, batch, groups, past, size), floats(65, batch, groups, past, size)
        for i, end in enumerate(last):
            # What is not filled is of no consequence.
            for part in cache:
                part[i, :, end + 1 - length :] = 0
        inputs = [q, k, v, *cache, np.array(last, np.int32), Const(np.array(total, np.int32))]
        if more.get("do_rotary"):
            inputs += [cos, sin]
        yield ms(name, "GroupQueryAttention", inputs, outputs=3, attrs={"num_heads": heads, "kv_num_heads": groups} | more)
    yield ms("sinks", "GroupQueryAttention", [*inputs, None, None, None, None, floats(1, heads)], outputs=3, attrs={"num_heads": heads, "kv_num_heads": groups}, error="sinks")


def cases():
    yield from matmul_nbits()
    yield from fused()
    yield from linear()
    yield from attention()
    yield from group_query()
