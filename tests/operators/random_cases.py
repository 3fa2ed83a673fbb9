"""Random numbers, which are those of Philox4x32-10 whatever runs it: known answers come from a second implementation here."""

import numpy as np
from generate import Const, case, floats


def philox(count, key):
    c = [np.arange(count, dtype=np.uint64)] + [np.zeros(count, np.uint64)] * 3
    k = list(key)
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        high, low = np.uint64(32), np.uint64(0xFFFFFFFF)
        c = [(second >> high) ^ c[1] ^ np.uint64(k[0]), second & low, (first >> high) ^ c[3] ^ np.uint64(k[1]), first & low]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return [word.astype(np.uint32) for word in c]


# Of counter and key 0, from the generator's authors.
assert [int(word[0]) for word in philox(1, (0, 0))] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def seed_key(seed):
    return int(np.float32(seed).view(np.uint32)), 0


def name_key(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value & 0xFFFFFFFF, value >> 32


def units(count, key):
    return [((word >> 8) * 2.0**-24).astype(np.float32) for word in philox(count, key)[:2]]


def cases():
    # The harness names the node so.
    for label, attrs, key in [("seeded", {"seed": 3.5}, seed_key(3.5)), ("by name", {}, name_key("case")), ("seed 0", {"seed": 0.0}, (0, 0))]:
        u, v = units(300, key)
        yield case(label, "RandomUniform", [], 22, attrs={**attrs, "shape": [3, 100]}, expect=[u.reshape(3, 100)])
        yield case(f"{label}, a range", "RandomUniform", [], 1, attrs={**attrs, "shape": [300], "low": -2.0, "high": 5.0}, expect=[u * np.float32(7) - np.float32(2)])
        normal = np.sqrt(-2 * np.log(1 - u.astype(np.float64))) * np.cos(2 * np.pi * v.astype(np.float64))
        yield case(label, "RandomNormal", [], 22, attrs={**attrs, "shape": [300], "mean": 1.0, "scale": 2.0}, expect=[(1 + 2 * normal).astype(np.float32)], rtol=1e-4, atol=1e-4)
        yield case(label, "RandomNormalLike", [floats(1, 3, 100)], 22, attrs=attrs, expect=[normal.astype(np.float32).reshape(3, 100)], rtol=1e-4, atol=1e-4)
        yield case(label, "RandomUniformLike", [np.zeros((2, 150), np.int64)], 22, attrs={**attrs, "dtype": 1}, expect=[u.reshape(2, 150)])
        p = floats(2, 300, low=0, high=1)
        yield case(label, "Bernoulli", [p], 22, attrs=attrs, expect=[(u < p).astype(np.float32)])
        yield case(f"{label}, bool", "Bernoulli", [p], 15, attrs={**attrs, "dtype": 9}, expect=[u < p])
        yield case(f"{label}, int8", "Bernoulli", [p], 15, attrs={**attrs, "dtype": 3}, expect=[(u < p).astype(np.int8)])
        logs = floats(3, 3, 5)
        share = np.cumsum(np.exp(logs), 1) / np.exp(logs).sum(1, keepdims=True)
        drawn = np.stack([np.searchsorted(share[row], u[row * 100 : row * 100 + 100], side="right") for row in range(3)])
        for code, dtype in [(6, np.int32), (7, np.int64)]:
            yield case(f"{label}, {code}", "Multinomial", [logs], 22, attrs={**attrs, "sample_size": 100, "dtype": code}, expect=[drawn.astype(dtype)])
    yield case("shape of the input", "RandomUniformLike", [np.zeros((2, 0), np.float32)], 22, expect=[np.zeros((2, 0), np.float32)])
    yield case("likely classes only", "Multinomial", [np.array([[-np.inf, 0, -np.inf]], np.float32)], 22, attrs={"sample_size": 50}, expect=[np.ones((1, 50), np.int32)])
    yield case("of integers", "RandomUniformLike", [np.zeros(3, np.int64)], 22, error="type i64")
    yield case("no shape", "RandomUniform", [], 22, error="shape")

    x, on = floats(4, 3, 50), Const(np.array(True))
    half, name = Const(np.array(0.5, np.float32)), name_key("case")
    for ratio in [0.5, 0.25, 0.0]:
        stays = (units(150, name)[0] >= np.float32(ratio)).reshape(3, 50)
        yield case(f"training, {ratio}", "Dropout", [x, np.array(ratio, np.float32), on], 13, outputs=2, expect=[np.where(stays, x / np.float32(1 - ratio), 0).astype(np.float32), stays])
    stays = (units(150, (7, 0))[0] >= 0.5).reshape(3, 50)
    yield case("training, seeded", "Dropout", [x, half, on], 22, attrs={"seed": 7}, expect=[np.where(stays, x * 2, 0).astype(np.float32)])
    stays = (units(150, name)[0] >= 0.5).reshape(3, 50)
    yield case("training, ratio by default", "Dropout", [x, None, on], 13, expect=[np.where(stays, x * 2, 0).astype(np.float32)])
    yield case("training by its opset", "Dropout", [x], 6, error="before 7")
    yield case("a mask of floats", "Dropout", [x], 7, outputs=2, error="before 10")
    yield case("not training", "Dropout", [x, half, Const(np.array(False))], 13, outputs=2, expect=[x, np.ones((3, 50), bool)])
    yield case("not training", "Dropout", [x], 10, outputs=2, attrs={"ratio": 0.3}, expect=[x, np.ones((3, 50), bool)])
    yield case("tested", "Dropout", [x], 6, attrs={"is_test": 1}, expect=[x])
