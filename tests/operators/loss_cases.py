"""Losses of classes."""

import numpy as np
from generate import Const, case, evaluated, floats, ints


def cases():
    for shape in [(3, 5), (2, 5, 4), (2, 5, 3, 4), (2, 3, 1, 2, 2, 3)]:
        classes = shape[1]
        x = floats(1, *shape)
        rest = (shape[0],) + shape[2:]
        for dtype in (np.int64, np.int32):
            target = ints(2, *rest, low=0, high=classes, dtype=dtype)
            for reduction in ("none", "sum", "mean"):
                name = f"{shape} {np.dtype(dtype).name} {reduction}"
                attrs = {"reduction": reduction}
                ignoring = {**attrs, "ignore_index": 1}
                weights = floats(3, classes, low=0.1, high=2)
                yield evaluated(name, "NegativeLogLikelihoodLoss", [x, target], 13, attrs=attrs)
                yield evaluated(name + ", weighted", "NegativeLogLikelihoodLoss", [x, target, weights], 22, attrs=attrs)
                yield evaluated(name + ", ignoring", "NegativeLogLikelihoodLoss", [x, target], 12, attrs=ignoring)
                yield evaluated(name + ", weighted, ignoring", "NegativeLogLikelihoodLoss", [x, target, Const(weights)], 13, attrs=ignoring)
                yield evaluated(name, "SoftmaxCrossEntropyLoss", [x, target, weights], 13, outputs=2, attrs=ignoring)
                yield evaluated(name + ", alone", "SoftmaxCrossEntropyLoss", [x, target], 12, outputs=1, attrs=attrs)
    x = floats(1, 3, 5)
    outside = np.array([0, -100, 4], np.int64)
    yield evaluated("ignored outside", "NegativeLogLikelihoodLoss", [x, outside], 13, attrs={"ignore_index": -100})
    weights = floats(3, 5)
    # The reference reads the weight of a class that is out of range; it does not count.
    yield evaluated("ignored outside, weighted", "SoftmaxCrossEntropyLoss", [x, outside, weights], 13, outputs=2, attrs={"ignore_index": -100})
    yield case("a class outside", "NegativeLogLikelihoodLoss", [x, np.array([0, 5, 1], np.int64)], 13, error="outside of the scores")
    yield case("a class before the first", "SoftmaxCrossEntropyLoss", [x, np.array([0, -1, 1], np.int32)], 13, error="outside of the scores")
    yield case("never met", "NegativeLogLikelihoodLoss", [x, np.array([0, 5, 1], np.int64)], 13, attrs={"ignore_index": 2**32 + 5}, error="outside of the scores")
    yield case("targets of another shape", "NegativeLogLikelihoodLoss", [x, np.array([0, 1], np.int64)], 13, error="classes of shape")
    yield case("weights of another size", "NegativeLogLikelihoodLoss", [x, np.array([0, 1, 1], np.int64), weights[:4]], 13, error="for 5 classes")
    yield case("no batch", "NegativeLogLikelihoodLoss", [x[:0], np.zeros(0, np.int64)], 13, attrs={"reduction": "sum"}, expect=[np.float32(0)])
    half = x.astype(np.float16)
    yield evaluated("f16", "SoftmaxCrossEntropyLoss", [half, np.array([0, 3, 1], np.int64)], 13, outputs=2, rtol=2e-3, atol=1e-3)
