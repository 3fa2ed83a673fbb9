"""Fourier transforms, windows and mel weights."""

import numpy as np
from generate import Const, case, evaluated, floats


def spectrum(x, length, axis, inverse=False, onesided=False):
    signal = x[..., 0] + (1j * x[..., 1] if x.shape[-1] == 2 else 0)
    if inverse and onesided:
        return np.fft.irfft(signal, n=length, axis=axis)[..., None].astype(np.float32)
    y = (np.fft.ifft if inverse else np.fft.fft)(signal, n=length, axis=axis)
    if onesided:
        y = np.take(y, range(length // 2 + 1), axis=axis)
    return np.stack([y.real, y.imag], -1).astype(np.float32)


def transform(name, x, axis, length=None, opset=20, **flags):
    positive = axis % x.ndim
    default = 2 * (x.shape[positive] - 1) if flags.get("inverse") and flags.get("onesided") else x.shape[positive]
    expect = spectrum(x.astype(np.float64), length or default, positive, **{k: bool(v) for k, v in flags.items()})
    size = None if length is None else Const(np.array(length, np.int64))
    inputs = [x, size, Const(np.array(axis, np.int64))] if opset >= 20 else [x, size] if length else [x]
    attrs = flags if opset >= 20 else {**flags, "axis": axis}
    return case(f"{name}, opset {opset}", "DFT", inputs, opset, attrs=attrs, expect=[expect], rtol=1e-5, atol=2e-6 * float(np.abs(expect).max()))


def cases():
    for opset in (17, 20):
        real, pairs = floats(1, 2, 12, 5, 1), floats(2, 2, 12, 5, 2)
        for axis in (0, 1, 2, -2, -3):
            for x, kind in ((real, "real"), (pairs, "complex")):
                for inverse in (0, 1):
                    yield transform(f"{kind}, axis {axis}, inverse {inverse}", x, axis, opset=opset, inverse=inverse, onesided=0)
        for length in (7, 12, 16, 17):
            yield transform(f"length {length}", pairs, 1, length, opset=opset)
            yield transform(f"length {length}, one-sided", real, 1, length, opset=opset, onesided=1)
            yield transform(f"length {length}, inverse", pairs, 1, length, opset=opset, inverse=1)
            yield transform(f"length {length}, inverse, real", pairs, 1, length, opset=opset, inverse=1, onesided=1)
        yield transform("one element", floats(3, 3, 1, 1), 1, opset=opset)
        yield transform("a thousand", floats(3, 1, 1000, 2), 1, opset=opset)
        yield transform("one-sided, inverse", floats(3, 3, 9, 2), 1, opset=opset, inverse=1, onesided=1)
    x = floats(1, 2, 12, 1)
    yield case("default axis", "DFT", [floats(1, 2, 3, 4, 1)], 20, expect=[spectrum(floats(1, 2, 3, 4, 1), 4, 2)], atol=1e-5)
    yield case("length as an input", "DFT", [x, np.array(5, np.int64)], 20, attrs={}, error="only the device knows")
    yield case("the axis of pairs", "DFT", [x, None, Const(np.array(-1, np.int64))], 20, error="complex numbers")
    yield case("one-sided of pairs", "DFT", [floats(1, 2, 12, 2)], 20, attrs={"onesided": 1}, error="one-sided")
    yield case("three numbers", "DFT", [floats(1, 2, 12, 3)], 20, error="signal")
    yield case("no elements", "DFT", [np.zeros((2, 0, 1), np.float32)], 20, error="length 0")
    yield case("too long", "DFT", [x, Const(np.array(2**20, np.int64))], 20, error="65536")
    step, size = Const(np.array(8, np.int64)), Const(np.array(16, np.int64))
    close = dict(rtol=1e-4, atol=2e-5)
    signal, pairs, window = floats(4, 2, 100, 1), floats(5, 2, 100, 2), floats(6, 16)
    for onesided in (0, 1):
        attrs = {"onesided": onesided}
        yield evaluated(f"frames {onesided}", "STFT", [signal, step, None, size], 17, attrs=attrs, **close)
        yield evaluated(f"frames with a window {onesided}", "STFT", [signal, step, window], 17, attrs=attrs, **close)
        yield evaluated(f"frames with both {onesided}", "STFT", [signal, step, Const(window), size], 17, attrs=attrs, **close)
    yield evaluated("frames of pairs", "STFT", [pairs, step, window, size], 17, attrs={"onesided": 0}, **close)
    yield evaluated("one frame", "STFT", [signal, step, None, None], 17, attrs={"onesided": 1}, rtol=1e-4, atol=1e-4)
    yield case("a window of another size", "STFT", [signal, step, floats(6, 15), size], 17, error="a window of shape")
    yield case("frames of pairs, one-sided", "STFT", [pairs, step, window, size], 17, error="one-sided")
    yield case("frames longer than the signal", "STFT", [signal, step, None, Const(np.array(101, np.int64))], 17, error="frames of 101")
    yield case("no step", "STFT", [signal, Const(np.array(0, np.int64)), None, size], 17, error="every 0")
    for op in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        for periodic in (0, 1):
            for n in (0, 1, 2, 9, 64):
                if n > 1 - periodic:
                    yield evaluated(f"{n}, periodic {periodic}", op, [Const(np.array(n, np.int32))], 17, attrs={"periodic": periodic}, rtol=1e-5, atol=1e-6)
        yield evaluated("f16", op, [Const(np.array(9, np.int64))], 17, attrs={"output_datatype": 10}, rtol=2e-3, atol=1e-3)
        yield case("a negative size", op, [Const(np.array(-1, np.int64))], 17, error="a window of -1")
        yield case("integers", op, [Const(np.array(4, np.int64))], 17, attrs={"output_datatype": 6}, error="output_datatype")
    number = lambda x, dtype=np.int64: Const(np.array(x, dtype))
    for bins, length, rate, low, high in [(8, 16, 8192, 0, 4096), (10, 64, 16000, 20, 7600), (40, 128, 8000, 0, 4000), (3, 5, 8000, 100, 3000)]:
        inputs = [number(bins), number(length), number(rate), number(low, np.float32), number(high, np.float32)]
        yield evaluated(f"{bins} bands", "MelWeightMatrix", inputs, 17)
    inputs = [number(8), number(16), number(8192), number(0, np.float32), number(9000, np.float32)]
    yield case("bands beyond the spectrum", "MelWeightMatrix", inputs, 17, error="outside of a spectrum")
