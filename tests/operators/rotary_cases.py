"""Rotary position embedding, and the gated activations."""

import numpy as np
from generate import case, evaluated, floats


def cases():
    positions = np.array([[0, 3, 9], [9, 1, -1]], np.int64)
    for interleaved in (0, 1):
        for turned in (0, 4, 8):
            half = (turned or 8) // 2
            attrs = dict(interleaved=interleaved, rotary_embedding_dim=turned)
            tables = floats(2, 10, half), floats(3, 10, half)
            rows = floats(2, 2, 3, half), floats(3, 2, 3, half)
            name = f"{turned} turned, interleaved {interleaved}"
            yield evaluated(name, "RotaryEmbedding", [floats(1, 2, 5, 3, 8), *tables, positions], 23, attrs=attrs)
            yield evaluated(name + ", of rows", "RotaryEmbedding", [floats(1, 2, 5, 3, 8), *rows], 23, attrs=attrs)
            yield evaluated(name + ", heads in rows", "RotaryEmbedding", [floats(1, 2, 3, 40), *tables, positions], 23, attrs={**attrs, "num_heads": 5})
    half = [x.astype(np.float16) for x in (floats(1, 2, 5, 3, 8), floats(2, 2, 3, 4), floats(3, 2, 3, 4))]
    yield evaluated("f16", "RotaryEmbedding", half, 23, rtol=4e-3, atol=2e-3)
    x, tables = floats(1, 2, 5, 3, 8), (floats(2, 10, 4), floats(3, 10, 4))
    yield case("a position without angle", "RotaryEmbedding", [x, *tables, positions + 1], 23, error="outside of the axis")
    yield case("another number of angles", "RotaryEmbedding", [x, *tables, positions], 23, attrs={"rotary_embedding_dim": 4}, error="one for each pair")
    yield case("an odd number", "RotaryEmbedding", [x, *tables, positions], 23, attrs={"rotary_embedding_dim": 3}, error="odd")
    yield case("rows without heads", "RotaryEmbedding", [floats(1, 2, 3, 40), *tables, positions], 23, error="heads")
    angles = [f(floats(7, 2, 1, 3, 8)) for f in (np.cos, np.sin)]
    for name, x, (cos, sin) in [
        ("a number for each element", floats(1, 2, 5, 3, 8), angles),
        ("tables of one row", floats(1, 2, 5, 3, 8), [t[0, 0, :1] for t in angles]),
        ("five dimensions of rows", floats(1, 2, 2, 3, 2, 3, 8), [floats(2, 1, 2, 1, 2, 3, 8), floats(3, 2, 1, 3, 1, 3, 8)]),
        ("no rows", floats(1, 2, 0, 3, 8), angles),
    ]:
        turned = np.concatenate([-x[..., 4:], x[..., :4]], -1)
        yield case(f"rotary, {name}", "Rotary", [x, cos, sin], 1, domain="fascine", expect=[x * cos + turned * sin])
    yield case("rotary, tables of another size", "Rotary", [floats(1, 3, 8), floats(2, 3, 3), floats(3, 3, 3)], 1, domain="fascine", error="do not fit")
    for alpha in (1.0, 1.702):
        yield evaluated(f"SwiGLU, alpha {alpha}", "SwiGLU", [floats(1, 3, 7), floats(2, 3, 7)], 28, attrs={"alpha": alpha})
    yield case("SwiGLU of two shapes", "SwiGLU", [floats(1, 3, 7), floats(2, 3, 1)], 28, error="different shapes")
