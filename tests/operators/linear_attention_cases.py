"""Attention by a state, and the convolution that goes before it."""

import numpy as np
from generate import case, evaluated, floats


def cases():
    close = dict(rtol=1e-4, atol=1e-5)
    batch, tokens, heads, key, value = 2, 5, 2, 4, 3
    for group in (1, 3):
        q = floats(1, batch, tokens, heads * group * key)
        k, v = floats(2, batch, tokens, heads * key, low=-0.5, high=0.5), floats(3, batch, tokens, heads * value)
        past = floats(4, batch, heads, key, value)
        decays = [floats(5, batch, tokens, heads, low=-2, high=0), floats(5, batch, tokens, heads * key, low=-2, high=0)]
        betas = [floats(6, batch, tokens, heads, low=0, high=1), floats(6, batch, tokens, 1, low=0, high=1)]
        attrs = dict(q_num_heads=heads * group, kv_num_heads=heads)
        for rule in ("linear", "gated", "delta", "gated_delta"):
            for which in (0, 1):
                decay = decays[which] if "gated" in rule else None
                beta = betas[which] if "delta" in rule else None
                extra = [past if which else None, decay, beta]
                while extra and extra[-1] is None:
                    extra.pop()
                yield evaluated(f"{rule} {group} {which}", "LinearAttention", [q, k, v, *extra], 27, outputs=2, attrs={**attrs, "update_rule": rule, "scale": 0.3 * which}, **close)
    plain = [q, k, v]
    yield evaluated("no tokens", "LinearAttention", [x[:, :0] for x in plain] + [past], 27, outputs=2, attrs={**attrs, "update_rule": "linear"})
    half = [x.astype(np.float16) for x in (q, k, v)]
    yield evaluated("f16", "LinearAttention", half, 27, outputs=2, attrs={**attrs, "update_rule": "linear"}, rtol=4e-3, atol=2e-3)
    yield evaluated("f16, state of f32", "LinearAttention", [*half, past], 27, outputs=2, attrs={**attrs, "update_rule": "linear"}, rtol=4e-3, atol=2e-3)
    yield case("a decay too many", "LinearAttention", [q, k, v, past, decays[0]], 27, outputs=2, attrs={**attrs, "update_rule": "linear"}, error="update rule")
    yield case("no heads", "LinearAttention", plain, 27, outputs=2, attrs={"update_rule": "linear"}, error="q_num_heads")
    yield case("a decay of another size", "LinearAttention", [q, k, v, None, decays[1][..., :3]], 27, outputs=2, attrs={**attrs, "update_rule": "gated"}, error="input 4")
    yield case("a past of another size", "LinearAttention", [q, k, v, past[:, :1]], 27, outputs=2, attrs={**attrs, "update_rule": "linear"}, error="input 3")
    for size in (1, 2, 4):
        for length in (1, 2, 7):
            x, w, b, past = floats(1, 2, 3, length), floats(2, 3, 1, size), floats(3, 3), floats(4, 2, 3, size - 1)
            for activation in ("none", "silu"):
                name = f"kernel {size}, length {length}, {activation}"
                attrs = {"activation": activation}
                yield evaluated(name, "CausalConvWithState", [x, w], 27, outputs=2, attrs=attrs, **close)
                yield evaluated(name + ", all inputs", "CausalConvWithState", [x, w, b, past], 27, outputs=2, attrs=attrs, **close)
    yield case("an unknown activation", "CausalConvWithState", [x, w], 27, outputs=2, attrs={"activation": "gelu"}, error="activation")
