"""Normalisations that are made of other operators, and all outputs of those that are not."""

import numpy as np
from generate import case, evaluated, floats


def cases():
    close = dict(rtol=1e-4, atol=1e-5)
    for shape in [(3, 4), (2, 4, 3), (2, 4, 3, 2)]:
        channels = [floats(k, 4) for k in (1, 2, 3)] + [floats(4, 4, low=0.1, high=2)]
        x = floats(5, *shape)
        yield evaluated(f"training {shape}", "BatchNormalization", [x, *channels], 15, outputs=3, attrs={"training_mode": 1}, **close)
        yield evaluated(f"training {shape}, momentum", "BatchNormalization", [x, *channels], 14, outputs=3, attrs={"training_mode": 1, "momentum": 0.3, "epsilon": 1e-2}, **close)
        yield evaluated(f"training {shape}, result alone", "BatchNormalization", [x, *channels], 15, outputs=1, attrs={"training_mode": 1}, **close)
        for axis in range(-len(shape), len(shape)):
            rest = shape[axis:]
            scale, bias = floats(6, *rest), floats(7, *rest)
            yield evaluated(f"layer norm {shape} {axis}", "LayerNormalization", [x, scale, bias], 17, outputs=3, attrs={"axis": axis}, **close)
            yield evaluated(f"RMS norm {shape} {axis}", "RMSNormalization", [x, scale], 23, attrs={"axis": axis}, **close)
    x, half = floats(1, 2, 6, 3, 4), floats(1, 2, 6, 3, 4).astype(np.float16)
    for groups in (1, 2, 3, 6):
        yield evaluated(f"{groups} groups", "GroupNormalization", [x, floats(2, 6), floats(3, 6)], 21, attrs={"num_groups": groups, "epsilon": 1e-3}, **close)
        # Before opset 21 scale and bias are of groups.
        spread = [np.repeat(floats(k, groups), 6 // groups) for k in (2, 3)]
        same = evaluated("", "GroupNormalization", [x, *spread], 21, attrs={"num_groups": groups})
        yield case(f"{groups} groups, of groups", "GroupNormalization", [x, floats(2, groups), floats(3, groups)], 18, attrs={"num_groups": groups}, expect=same["expect"], **close)
    wide = dict(rtol=4e-3, atol=4e-3)
    scale, bias = floats(2, 6), floats(3, 6)
    f = lambda *arrays: [a.astype(np.float16).astype(np.float32) for a in arrays]
    for op, opset, inputs, attrs in [
        ("GroupNormalization", 21, (x, scale, bias), {"num_groups": 3}),
        ("InstanceNormalization", 22, (x, scale, bias), {}),
        ("RMSNormalization", 23, (x, floats(4, 4)), {}),
        ("MeanVarianceNormalization", 13, (x,), {}),
        ("BatchNormalization", 15, (x, scale, bias, floats(4, 6), floats(5, 6, low=0.1)), {"training_mode": 1}),
    ]:
        exact = evaluated("", op, f(*inputs), opset, attrs=attrs)
        yield case("f16", op, [a.astype(np.float16) for a in inputs], opset, attrs=attrs, expect=[exact["expect"][0].astype(np.float16)], **wide)
    yield case("groups that do not divide", "GroupNormalization", [x, scale, bias], 21, attrs={"num_groups": 4}, error="do not divide")
    for shape, epsilon in [((3, 64), 1e-6), ((2, 5, 7), 1e-3), ((1, 300), 1e-5), ((2, 0, 4), 1e-5)]:
        x, scale = floats(21, *shape), floats(22, shape[-1])
        wide = x.astype(np.float64)
        want = wide / np.sqrt((wide * wide).mean(-1, keepdims=True) + epsilon) * scale
        yield case(f"root mean square of {shape}", "RmsNorm", [x, scale], 1, attrs={"axis": -1, "epsilon": epsilon}, domain="fascine", expect=[want.astype(np.float32)], rtol=1e-5, atol=1e-6)
