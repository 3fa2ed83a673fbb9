import numpy as np

from generate import Const, case, floats

LOWEST = np.finfo(np.float32).min


def attention(q, k, v, mask=None, scale=1.0, k_transposed=0, nan_to_zero=0, groups=1, masked_to_zero=0):
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    if groups > 1:
        k, v = np.repeat(k, groups, -3), np.repeat(v, groups, -3)
    with np.errstate(invalid="ignore", over="ignore"):
        s = (q @ (k if k_transposed else np.swapaxes(k, -1, -2)) * scale).astype(np.float32)
        if mask is not None:
            s = s + mask
        s = s.astype(np.float64)
        e = np.exp(s - s.max(-1, keepdims=True, initial=LOWEST))
        w = e / e.sum(-1, keepdims=True)
        if nan_to_zero:
            w = np.where(np.isnan(w), 0, w)
        y = (w @ v).astype(np.float32)
        if masked_to_zero:
            y = np.where(np.max(mask, -1, keepdims=True) == -np.inf, np.float32(0), y)
        return y


def fused(name, q, k, v, mask=None, **attrs):
    value = lambda x: x.value if isinstance(x, Const) else x
    expect = [attention(value(q), value(k), value(v), value(mask), **attrs)]
    attrs = {key: float(x) if key == "scale" else x for key, x in attrs.items()}
    inputs = [q, k, v] + ([] if mask is None else [mask])
    return case(name, "Attention", inputs, 1, attrs=attrs, domain="fascine", expect=expect, rtol=1e-4, atol=2e-6)


def cases():
    yield fused("one head", floats(1, 5, 8), floats(2, 5, 8), floats(3, 5, 8))
    yield fused("heads, scaled", floats(1, 2, 3, 12, 32), floats(2, 2, 3, 12, 32), floats(3, 2, 3, 12, 32), scale=0.176)
    yield fused("more keys than queries", floats(1, 2, 3, 16), floats(2, 2, 70, 16), floats(3, 2, 70, 20), scale=0.25)
    yield fused("more queries than keys", floats(1, 2, 21, 16), floats(2, 2, 3, 16), floats(3, 2, 3, 4))
    yield fused("many keys", floats(1, 1, 2, 9, 64), floats(2, 1, 2, 131, 64), floats(3, 1, 2, 131, 64), scale=0.125)
    yield fused("wide heads", floats(1, 2, 9, 160), floats(2, 2, 17, 160), floats(3, 2, 17, 132), scale=0.08)
    yield fused("odd sizes", floats(1, 2, 5, 7), floats(2, 2, 6, 7), floats(3, 2, 6, 5))
    yield fused("odd and wide", floats(1, 3, 67), floats(2, 66, 67), floats(3, 66, 131), scale=0.2)
    yield fused("keys transposed", floats(1, 2, 3, 6, 8), floats(2, 2, 3, 8, 10), floats(3, 2, 3, 10, 8), k_transposed=1)
    yield fused("keys of all heads", floats(1, 2, 3, 6, 8), floats(2, 2, 1, 10, 8), floats(3, 10, 8))
    yield fused("queries of all batches", floats(1, 6, 8), floats(2, 2, 1, 10, 8), floats(3, 1, 3, 10, 8))
    yield fused("six batch dimensions", floats(1, 2, 1, 2, 1, 2, 2, 3, 4), floats(2, 1, 2, 1, 2, 2, 1, 3, 4), floats(3, 2, 2, 2, 2, 1, 1, 3, 4))
    yield fused("constant keys", floats(1, 2, 6, 8), Const(floats(2, 2, 5, 8)), Const(floats(3, 2, 5, 8)))
    heads = floats(1, 2, 3, 12, 8), floats(2, 2, 3, 10, 8), floats(3, 2, 3, 10, 8)
    for name, shape in [("full", (2, 3, 12, 10)), ("by batch and key", (2, 1, 1, 10)), ("by row and key", (12, 10)), ("by row", (12, 1)), ("number", (1,))]:
        yield fused(f"mask {name}", *heads, floats(4, *shape, low=-5, high=5), scale=0.5)
    some = np.where(np.arange(12 * 10).reshape(12, 10) % 3 == 0, np.float32(-np.inf), np.float32(0))
    yield fused("masked by infinity", *heads, some)
    yield fused("masked by the lowest number", *heads, np.maximum(some, LOWEST))
    late = np.where(np.arange(80) < 70, np.float32(-np.inf), np.float32(0)).astype(np.float32)
    yield fused("the first keys masked", floats(1, 2, 3, 8), floats(2, 2, 80, 8), floats(3, 2, 80, 8), late)
    none = some.copy()
    none[3] = -np.inf
    none[9] = -np.inf
    yield fused("rows without keys are NaN", *heads, none)
    yield fused("rows without keys are 0", *heads, none, nan_to_zero=1)
    yield fused("rows at the lowest number", *heads, np.maximum(none, LOWEST), nan_to_zero=1)
    odd = floats(1, 4, 7), floats(2, 10, 7), floats(3, 10, 5)
    yield fused("odd rows without keys", *odd, none[:4])
    yield fused("odd rows without keys are 0", *odd, none[:4], nan_to_zero=1)
    yield fused("masked rows are 0", *heads, none, masked_to_zero=1)
    yield fused("masked rows of odd size are 0", *odd, none[:4], masked_to_zero=1)
    batch_entry = np.where(np.arange(2).reshape(2, 1, 1, 1) == 1, np.float32(-np.inf), np.float32(0))
    yield fused("a masked batch entry is 0", *heads, batch_entry, masked_to_zero=1)
    # Scores of -inf by their data stay NaN.
    hidden = heads[0].copy()
    hidden[1, 2, 5] = -np.inf
    yield fused("scores of -inf under a mask", hidden, np.abs(heads[1]) + 1, heads[2], none, masked_to_zero=1)
    for name, size in [("", 8), ("odd ", 7)]:
        q, k, v = floats(1, 2, 6, 5, size), floats(2, 2, 3, 10, size), floats(3, 2, 3, 10, size)
        yield fused(f"{name}heads of keys for two of queries", q, k, v, scale=0.3, groups=2)
        yield fused(f"{name}one head of keys", q, k[:, :1], v[:, :1], scale=0.3, groups=6)
        yield fused(f"{name}groups, keys transposed", q, np.swapaxes(k, -1, -2).copy(), v, groups=2, k_transposed=1)
        for what, shape in [("by head", (2, 6, 5, 10)), ("by row", (5, 1)), ("by batch", (2, 1, 1, 10))]:
            yield fused(f"{name}groups, mask {what}", q, k, v, floats(4, *shape, low=-5, high=5), groups=2)
        yield fused(f"{name}groups without batch", q[0], k[0], v[0], groups=2)
    yield case("groups of other numbers of heads", "Attention", [q, k, v], 1, attrs={"groups": 4}, domain="fascine", error="cannot be multiplied")
    yield case("groups without heads", "Attention", [q[0, 0], k[0, 0], v[0, 0]], 1, attrs={"groups": 2}, domain="fascine", error="no heads")
    yield fused("large scores", floats(1, 4, 8, low=-90, high=90), floats(2, 9, 8, low=-90, high=90), floats(3, 9, 8))
    yield fused("no queries", floats(1, 2, 0, 8), floats(2, 2, 5, 8), floats(3, 2, 5, 8))
    yield case("no keys", "Attention", [floats(1, 2, 3, 8), floats(2, 2, 0, 8), floats(3, 2, 0, 8)], 1, domain="fascine", expect=[np.zeros((2, 3, 8), np.float32)])
    yield case("no batch", "Attention", [floats(1, 0, 3, 8), floats(2, 0, 4, 8), floats(3, 0, 4, 8)], 1, domain="fascine", expect=[np.zeros((0, 3, 8), np.float32)])
    yield case("depths differ", "Attention", [floats(1, 3, 8), floats(2, 3, 7), floats(3, 3, 8)], 1, domain="fascine", error="cannot be multiplied")
    yield case("mask too large", "Attention", [*odd, floats(4, 2, 4, 10)], 1, domain="fascine", error="does not broadcast")
