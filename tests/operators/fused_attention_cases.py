"""ONNX's Attention, which is made of products and a softmax."""

import numpy as np
from generate import Const, bools, case, evaluated, floats


def of(name, inputs, opset=23, outputs=1, tolerance=(1e-4, 2e-6), **attrs):
    return evaluated(name, "Attention", inputs, opset, outputs=outputs, attrs=attrs, rtol=tolerance[0], atol=tolerance[1])


def cases():
    q, k, v = floats(1, 2, 4, 5, 8), floats(2, 2, 4, 6, 8), floats(3, 2, 4, 6, 3)
    flat = floats(1, 2, 5, 32), floats(2, 2, 6, 32), floats(3, 2, 6, 12)
    yield of("by head", [q, k, v])
    yield of("heads within a row", flat, q_num_heads=4, kv_num_heads=4)
    yield of("scaled and capped", [q, k, v], scale=0.3, softcap=1.5)
    yield of("no batch", [q[:0], k[:0], v[:0]])
    pair, single = (k[:, :2], v[:, :2]), (k[:, :1], v[:, :1])
    yield of("two heads share keys", [q, *pair])
    yield of("all heads share keys", [q, *single], is_causal=1)
    yield of("heads within a row share keys", [flat[0], flat[1][..., :16], flat[2][..., :6]], q_num_heads=4, kv_num_heads=2, is_causal=1)
    mask = floats(4, 5, 6, low=-5, high=5)
    some = bools(5, 2, 4, 5, 6)
    some[0, 1, 2] = False
    for shape in [(6,), (5, 6), (1, 5, 6), (4, 1, 6), (2, 1, 5, 6), (1, 4, 5, 6)]:
        yield of(f"mask {shape}", [q, k, v, floats(6, *shape, low=-5, high=5)])
        yield of(f"mask {shape}, shared keys", [q, *pair, floats(6, *shape, low=-5, high=5)])
    # The reference evaluator pads masks before opset 24 too, where ONNX's function broadcasts them.
    column = floats(6, 2, 4, 5, 1, low=-5, high=5)
    for name, keys in [("a column as mask", (k, v)), ("a column as mask, shared keys", pair)]:
        wide = of(name, [q, *keys, np.broadcast_to(column, (2, 4, 5, 6)).copy()])
        yield {**wide, "inputs": [q, *keys, column]}
    yield of("rows that see nothing", [q, k, v, some])
    yield of("rows that see nothing, shared keys", [q, *pair, some], is_causal=1)
    hidden = np.where(some, mask, np.float32(-np.inf)).astype(np.float32)
    broken = k.copy()
    broken[0, 1, :, 0] = np.inf
    for mode in range(4):
        # Of mode 0 the reference evaluator gives capped scores; they are to be those of the product.
        yield of(f"scores of mode {mode}", [q, k, v, hidden], outputs=[True, False, False, True], qk_matmul_output_mode=mode, softcap=2.0 if mode else 0.0)
        yield of(f"scores of mode {mode}, shared keys", [q, *pair, hidden], outputs=[True, False, False, True], qk_matmul_output_mode=mode)
    with np.errstate(invalid="ignore"):
        yield of("a row that sees nothing of NaN", [np.abs(q), broken, v, some])
    past = floats(7, 2, 4, 3, 8), floats(8, 2, 4, 3, 3)
    yield of("past", [q, k, v, None, *past], outputs=3)
    yield of("past, causal", [q, k, v, None, *past], outputs=3, is_causal=1)
    yield of("past, heads within a row", [*flat, floats(9, 5, 9), *past], outputs=3, q_num_heads=4, kv_num_heads=4, is_causal=1)
    yield of("present without past", flat, outputs=3, q_num_heads=4, kv_num_heads=4)
    yield of("constant past", [q, k, v, None, Const(past[0]), Const(past[1])], outputs=3)
    # Since opset 24 a mask may be short, and since 25 windows bound what is seen.
    yield of("short mask", [q, k, v, floats(6, 5, 4)], opset=24)
    yield of("short mask of booleans", [q, *pair, bools(6, 2, 4, 5, 4)], opset=24)
    yield of("short mask behind a past", [q, k, v, floats(6, 5, 7), *past], opset=24, outputs=3)
    valid = np.array([6, 2], np.int64)
    yield of("valid keys", [q, k, v, None, None, None, valid], opset=24)
    yield of("valid keys, causal", [q, k, v, None, None, None, valid], opset=24, is_causal=1)
    yield of("valid keys, causal, shared", [q, *pair, bools(6, 5, 6), None, None, valid], opset=24, is_causal=1)
    for left, right in [(2, -1), (-1, 1), (1, 0), (0, 0), (2**40, 2**40)]:
        for causal in (0, 1):
            yield of(f"window {left} {right} {causal}", [q, k, v], opset=25, left_window_size=left, right_window_size=right, is_causal=causal)
    yield of("window behind a past", [q, k, v, None, *past], opset=25, outputs=3, left_window_size=3, right_window_size=1)
    yield of("window of valid keys", [q, *pair, None, None, None, valid], opset=25, left_window_size=1)
    half = [x.astype(np.float16) for x in (q, k, v)]
    yield of("f16", half, tolerance=(4e-3, 2e-3), is_causal=1)
    yield of("f16, softmax of f32", [*half, bools(6, 5, 6)], tolerance=(4e-3, 2e-3), softmax_precision=1)
    wrong = lambda name, inputs, error, **attrs: case(name, "Attention", inputs, attrs.pop("opset", 23), attrs=attrs, error=error)
    yield wrong("heads are no multiple", [q[:, :3], *pair], "no multiple")
    yield wrong("no heads", flat, "no multiple")
    yield wrong("half a past", [q, k, v, None, past[0]], "past_value")
    yield wrong("keys of another size", [q, k[..., :7], v], "cannot be multiplied")
    yield wrong("softmax of f64", [q, k, v], "none of f32, f16 and bf16", softmax_precision=11)
    yield wrong("valid keys beside a past", [q, k, v, None, *past, valid], "beside a past", opset=24)
