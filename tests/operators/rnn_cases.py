"""Recurrent networks beyond the usual LSTM."""

import numpy as np
from generate import Const, case, floats, reference

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = {"RNN": 1, "GRU": 2, "LSTM": 3}


def weights(op, directions, inputs=3, hidden=5):
    gates = GATES[op] * hidden
    w, r = floats(1, directions, gates, inputs), floats(2, directions, gates, hidden, low=-0.6, high=0.6)
    return w, r, floats(3, directions, 2 * gates, low=-0.5, high=0.5)


def cases():
    close = dict(rtol=1e-4, atol=2e-6)
    x = floats(4, 6, 3, 3)
    lengths = np.array([6, 2, 4], np.int32)
    for op in GATES:
        outputs = 3 if op == "LSTM" else 2
        for direction in ("forward", "reverse", "bidirectional"):
            directions = 2 if direction == "bidirectional" else 1
            w, r, b = weights(op, directions)
            states = [floats(5 + k, directions, 3, 5) for k in range(outputs - 1)]
            attrs = dict(hidden_size=5, direction=direction)
            variants = [{"linear_before_reset": 0}, {"linear_before_reset": 1}] if op == "GRU" else [{}]
            for variant in variants:
                every = {**attrs, **variant}
                name = f"{op} {direction} {variant.get('linear_before_reset', '')}"
                yield case(name, op, [x, Const(w), Const(r)], 14, outputs=outputs, attrs=every, **close)
                yield case(name + ", all inputs", op, [x, w, r, b, lengths, *states], 14, outputs=outputs, attrs=every, **close)
                yield case(name + ", opset 7", op, [x, Const(w), Const(r), Const(b), Const(lengths)], 7, outputs=[True] + [False] * (outputs - 1), attrs=every, **close)
                yield case(name + ", clip", op, [x, w, r, b, None, *states], 14, outputs=outputs, attrs={**every, "clip": 0.4}, **close)
                yield case(name + ", states alone", op, [x, w, r, b, lengths], 14, outputs=[False] + [True] * (outputs - 1), attrs=every, **close)
                # onnxruntime has no other layout.
                turned = [np.ascontiguousarray(s.transpose(1, 0, 2)) for s in states]
                got = reference(case("", op, [x, w, r, b, lengths, *states], 14, outputs=outputs, attrs=every))
                expect = [got[0].transpose(2, 0, 1, 3)] + [s.transpose(1, 0, 2) for s in got[1:]]
                inputs = [np.ascontiguousarray(x.transpose(1, 0, 2)), w, r, b, lengths, *turned]
                yield case(name + ", batch first", op, inputs, 14, outputs=outputs, attrs={**every, "layout": 1}, expect=[np.ascontiguousarray(e) for e in expect], **close)
        w, r, b = weights(op, 1)
        plain = [[f] for f in ("Relu", "Tanh", "Sigmoid", "HardSigmoid", "Softsign", "Softplus", "Elu", "LeakyRelu", "ThresholdedRelu", "Affine")]
        for names in plain:
            name = names[0]
            numbers = {"LeakyRelu": ([0.2], []), "ThresholdedRelu": ([0.3], []), "Affine": ([0.7], [0.1]), "HardSigmoid": ([0.3], [0.4]), "Elu": ([0.8], [])}.get(name, ([], []))
            # Gates that are not bounded let states grow without end.
            count = FUNCTIONS[op]
            free = max(count - 1, 1)
            attrs = dict(hidden_size=5, activations=["Sigmoid"] * (count - free) + names * free)
            for key, values in zip(("activation_alpha", "activation_beta"), numbers):
                if values:
                    attrs[key] = values * free
            yield case(f"{op} of {name}", op, [x, w, r, b], 14, outputs=outputs, attrs=attrs, **close)
        name = f"{op} of two kinds"
        attrs = dict(hidden_size=5, direction="bidirectional", activations=(["Tanh", "HardSigmoid", "LeakyRelu"][:count] + ["Softsign", "Elu", "Affine"][:count]))
        w, r, b = weights(op, 2)
        alphas = {1: [], 2: [0.3, 0.9], 3: [0.3, 0.15, 0.9, 0.6]}[count]
        betas = {1: [], 2: [0.4], 3: [0.4, 0.2]}[count]
        if alphas:
            attrs["activation_alpha"] = alphas
        if betas:
            attrs["activation_beta"] = betas
        yield case(name, op, [x, w, r, b], 14, outputs=outputs, attrs=attrs, **close)
    w, r, b = weights("LSTM", 2)
    peepholes = floats(8, 2, 15)
    attrs = dict(hidden_size=5, direction="bidirectional")
    yield case("peepholes", "LSTM", [x, w, r, b, None, None, None, Const(peepholes)], 14, outputs=3, attrs=attrs, **close)
    yield case("peepholes and lengths", "LSTM", [x, w, r, b, lengths, None, None, peepholes], 14, outputs=3, attrs=attrs, **close)
    yield case("coupled gates", "LSTM", [x, w, r, b], 14, outputs=3, attrs={**attrs, "input_forget": 1}, **close)
    w, r, b = weights("GRU", 1)
    attrs = dict(hidden_size=5)
    wrong = lambda name, inputs, error, **more: case(name, "GRU", inputs, 14, outputs=2, attrs={**attrs, **more}, error=error)
    yield wrong("longer than the input", [x, w, r, b, np.array([6, 7, 1], np.int32)], "longer than the input")
    yield wrong("of negative length", [x, w, r, b, np.array([6, -1, 1], np.int32)], "negative length")
    yield wrong("another number of lengths", [x, w, r, b, np.array([6, 1], np.int32)], "input 4")
    yield wrong("an unknown activation", [x, w, r, b], "Swish", activations=["Sigmoid", "Swish"])
    yield wrong("numbers of nobody", [x, w, r, b], "more than its activations take", activations=["LeakyRelu", "Tanh"], activation_alpha=[0.1, 0.2])
    yield wrong("ScaledTanh without numbers", [x, w, r, b], "activation_alpha", activations=["Sigmoid", "ScaledTanh"])
    yield wrong("biases of another size", [x, w, r, b[:, :7]], "input 3")
    empty = np.zeros((0, 3, 3), np.float32)
    state = floats(9, 1, 3, 5)
    yield case("no steps", "GRU", [empty, w, r, b, None, state], 14, outputs=2, attrs=attrs, expect=[np.zeros((0, 1, 3, 5), np.float32), state])
    half = [v.astype(np.float16) for v in (x, w, r, b)]
    y = reference(case("", "GRU", [v.astype(np.float32) for v in half], 14, outputs=2, attrs=attrs))
    yield case("f16", "GRU", half, 14, outputs=2, attrs=attrs, expect=[v.astype(np.float16) for v in y], rtol=2e-3, atol=1e-3)
