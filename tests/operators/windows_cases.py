"""Windows over one to three axes: transposed and deformable convolution, convolution of volumes, pooling and its inverse, columns."""

import numpy as np
from generate import Const, case, floats, ints
from standard import by_standard


def seed_of(name):
    return sum(map(ord, name))


def conv3(name, x, w, bias=True, const=True, opset=13, **attrs):
    seed = seed_of(name)
    weights = [floats(seed + 1, *w, low=-0.5, high=0.5)] + ([floats(seed + 2, w[0])] if bias else [])
    inputs = [floats(seed, *x)] + [Const(w) if const else w for w in weights]
    return case(f"conv of volumes {name}", "Conv", inputs, opset, attrs=attrs, rtol=1e-4, atol=1e-5)


def volumes():
    yield conv3("plain", (2, 3, 4, 5, 6), (4, 3, 2, 3, 3))
    yield conv3("padded", (1, 2, 3, 4, 9), (3, 2, 3, 3, 3), pads=[1, 0, 1, 2, 1, 0], bias=False)
    yield conv3("strides and dilations", (1, 2, 7, 8, 9), (3, 2, 2, 3, 2), strides=[2, 3, 1], dilations=[3, 2, 4], const=False)
    yield conv3("groups", (2, 4, 3, 4, 5), (6, 2, 2, 2, 2), group=2)
    yield conv3("depthwise", (1, 3, 3, 4, 5), (3, 1, 2, 2, 2), group=3)
    for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
        yield conv3(f"auto_pad {auto}", (1, 1, 5, 6, 7), (2, 1, 2, 3, 4), strides=[2, 2, 3], auto_pad=auto)
    yield conv3("one column", (1, 1, 3, 3, 1), (2, 1, 2, 2, 1))
    yield conv3("of f16", (1, 2, 3, 3, 3), (2, 2, 2, 2, 2)) | dict(
        inputs=[floats(5, 1, 2, 3, 3, 3).astype(np.float16), Const(floats(6, 2, 2, 2, 2, 2).astype(np.float16))], rtol=3e-3, atol=3e-3
    )
    yield case("conv of no volume", "Conv", [floats(1, 0, 1, 3, 3, 3), Const(floats(2, 1, 1, 2, 2, 2))], 13)
    yield case("conv over four axes", "Conv", [floats(1, 1, 1, 3, 3, 3, 3), Const(floats(2, 1, 1, 2, 2, 2, 2))], 13, error="axes")


def transposed(name, x, w, bias=True, const=True, opset=13, error=None, **attrs):
    seed, groups = seed_of(name), attrs.get("group", 1)
    weights = [floats(seed + 1, *w, low=-0.5, high=0.5)] + ([floats(seed + 2, w[1] * groups)] if bias else [])
    inputs = [floats(seed, *x)] + [Const(w) if const else w for w in weights]
    return case(f"transposed {name}", "ConvTranspose", inputs, opset, attrs=attrs, rtol=1e-4, atol=1e-5, error=error)


def transposes():
    yield transposed("plain", (2, 3, 4, 5), (3, 4, 3, 3))
    yield transposed("stride 2", (1, 3, 4, 5), (3, 5, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
    yield transposed("output padding", (1, 2, 3, 4), (2, 6, 3, 3), strides=[2, 3], pads=[1, 0, 1, 2], output_padding=[1, 2])
    yield transposed("dilations", (1, 2, 3, 4), (2, 2, 3, 2), dilations=[2, 3], bias=False)
    for stride, dilation in [(2, 3), (3, 2), (4, 2), (2, 4), (6, 4), (5, 1), (1, 5)]:
        yield transposed(f"stride {stride}, dilation {dilation}", (1, 1, 4, 3), (1, 1, 3, 4), strides=[stride] * 2, dilations=[dilation, 1])
    yield transposed("groups", (2, 4, 3, 3), (4, 3, 2, 2), group=2)
    yield transposed("depthwise", (1, 5, 3, 4), (5, 1, 3, 3), group=5, strides=[2, 1])
    yield transposed("one axis", (2, 3, 7), (3, 5, 4), strides=[3], pads=[1, 2])
    yield transposed("volume", (1, 2, 2, 3, 4), (2, 3, 2, 3, 2), strides=[2, 1, 3], pads=[0, 1, 1, 1, 0, 1])
    yield transposed("volume, groups", (1, 4, 2, 2, 3), (4, 2, 2, 2, 2), group=2, strides=[1, 2, 2])
    yield transposed("fed", (1, 3, 4, 4), (3, 2, 3, 3), const=False, strides=[2, 2])
    for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
        yield transposed(f"auto_pad {auto}", (1, 2, 4, 5), (2, 2, 4, 3), strides=[2, 2], auto_pad=auto)
    yield transposed("output_shape", (1, 1, 4, 5), (1, 2, 3, 4), strides=[2, 2], output_shape=[8, 11])
    yield transposed("output_shape SAME_UPPER", (1, 1, 4, 5), (1, 2, 4, 4), strides=[2, 2], output_shape=[7, 9], auto_pad="SAME_UPPER")
    yield transposed("output_shape beyond", (1, 1, 3, 3), (1, 1, 2, 2), strides=[3, 3], output_shape=[10, 9])
    yield transposed("padded away", (1, 1, 3, 3), (1, 1, 2, 2), pads=[2, 1, 1, 2])
    yield transposed("of nothing", (0, 2, 3, 3), (2, 2, 2, 2))
    yield transposed("opset 1", (1, 2, 3, 3), (2, 2, 2, 2), opset=7)
    yield transposed("wrong channels", (1, 3, 3, 3), (2, 2, 2, 2), error="channels")
    yield transposed("wrong kernel_shape", (1, 2, 3, 3), (2, 2, 2, 2), kernel_shape=[3, 3], error="kernel_shape")
    yield transposed("wrong pads", (1, 2, 3, 3), (2, 2, 2, 2), pads=[1, 1, 1], error="pads")
    yield transposed("less than nothing", (1, 1, 1, 1), (1, 1, 2, 2), pads=[2, 2, 2, 2], error="output of -2")
    yield transposed("SAME beyond", (1, 1, 3, 3), (1, 1, 1, 1), strides=[2, 2], auto_pad="SAME_UPPER", error="windows reach")


def pool(name, op, shape, opset=19, outputs=1, data=None, make=case, **attrs):
    data = floats(seed_of(name), *shape) if data is None else data
    return make(f"{op} {name}", op, [data], opset, outputs=outputs, attrs=attrs)


def pools():
    for op in ["MaxPool", "AveragePool", "LpPool"]:
        yield pool("volume", op, (2, 3, 4, 5, 6), kernel_shape=[2, 3, 2])
        yield pool("volume, strides and pads", op, (1, 2, 5, 6, 7), kernel_shape=[3, 2, 3], strides=[2, 1, 3], pads=[1, 0, 1, 1, 1, 0])
        yield pool("volume, ceil", op, (1, 1, 5, 6, 7), kernel_shape=[2, 3, 2], strides=[2, 2, 3], ceil_mode=1)
        if op != "LpPool":
            yield pool("volume, dilations", op, (1, 1, 6, 7, 8), kernel_shape=[2, 2, 3], dilations=[2, 3, 1])
        for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
            yield pool(f"volume, auto_pad {auto}", op, (1, 1, 4, 5, 6), kernel_shape=[2, 2, 3], strides=[2, 1, 2], auto_pad=auto)
        yield pool("volume of f16", op, (), data=floats(1, 1, 1, 3, 3, 3).astype(np.float16), kernel_shape=[2, 2, 2]) | dict(rtol=2e-3, atol=2e-3)
        yield pool("volume of nothing", op, (0, 1, 3, 3, 3), kernel_shape=[2, 2, 2])
    yield pool("volume, counting padding", "AveragePool", (1, 1, 5, 4, 5), kernel_shape=[3, 2, 3], strides=[2, 1, 1], pads=[1, 1, 0, 1, 0, 1], count_include_pad=1)
    for p in [1, 2, 3, 5]:
        yield pool(f"p {p}", "LpPool", (1, 2, 5, 6), kernel_shape=[2, 3], strides=[1, 2], pads=[1, 1, 0, 1], p=p)
    yield pool("one axis", "LpPool", (2, 3, 9), kernel_shape=[3], strides=[2])
    yield pool("p 0", "LpPool", (1, 1, 4), kernel_shape=[2], p=0) | dict(error="power 0")
    for dtype in [np.int8, np.uint8]:
        for shape, kernel in [((2, 7), [3]), ((2, 5, 6), [2, 3]), ((1, 4, 4, 5), [2, 2, 2])]:
            low, high = np.iinfo(dtype).min, np.iinfo(dtype).max + 1
            data = ints(7, 1, *shape, low=low, high=high, dtype=dtype)
            yield pool(f"of {np.dtype(dtype)} over {len(kernel)} axes", "MaxPool", (), data=data, kernel_shape=kernel)
    yield pool("of i32", "MaxPool", (), data=ints(7, 1, 1, 4, dtype=np.int32), kernel_shape=[2]) | dict(error="i32")
    for order in [0, 1]:
        positions = dict(outputs=2, storage_order=order)
        yield pool(f"positions {order}, one axis", "MaxPool", (2, 3, 9), kernel_shape=[3], strides=[2], **positions)
        yield pool(f"positions {order}", "MaxPool", (2, 3, 6, 7), kernel_shape=[3, 2], strides=[2, 1], pads=[1, 1, 0, 0], **positions)
        yield pool(f"positions {order}, volume", "MaxPool", (1, 2, 4, 5, 6), kernel_shape=[2, 3, 2], strides=[1, 2, 2], **positions)
        yield pool(f"positions {order}, dilations", "MaxPool", (1, 2, 7, 8), kernel_shape=[2, 3], dilations=[3, 2], **positions)
        yield pool(f"positions {order} of ties", "MaxPool", (), data=ints(3, 1, 2, 6, 6, low=0, high=3).astype(np.float32), kernel_shape=[3, 3], **positions)
    yield pool("positions alone", "MaxPool", (1, 2, 5, 5), kernel_shape=[2, 2], outputs=2)
    bytes_ = np.zeros((1, 1, 4, 4), np.uint8)
    yield pool("positions of zeros", "MaxPool", (), data=bytes_, kernel_shape=[2, 2], strides=[2, 2], outputs=2) | dict(
        expect=[np.zeros((1, 1, 2, 2), np.uint8), np.int64([[[[0, 2], [8, 10]]]])]
    )


def unpools():
    x = floats(1, 1, 2, 2, 3)
    at = np.int64([[[[0, 3, 5], [13, 15, 22]], [[30, 27, 28], [36, 44, 46]]]])
    attrs = dict(kernel_shape=[2, 2], strides=[2, 2])
    yield case("unpool", "MaxUnpool", [x, at], 11, attrs=attrs)
    yield by_standard("unpool to a shape", "MaxUnpool", [x, at, Const(np.int64([1, 2, 5, 8]))], 11, attrs=attrs)
    yield case("unpool of one axis", "MaxUnpool", [floats(2, 1, 1, 3), np.int64([[[1, 2, 5]]])], 11, attrs=dict(kernel_shape=[2], strides=[2]))
    volume = np.sort(np.random.default_rng(3).permutation(64)[:8]).reshape(1, 1, 2, 2, 2)
    yield case("unpool of volumes", "MaxUnpool", [floats(3, 1, 1, 2, 2, 2), volume], 11, attrs=dict(kernel_shape=[2] * 3, strides=[2] * 3))
    twice = np.int64([[[[0, 0, 5], [5, 5, 22]], [[30, 27, 27], [36, 30, 46]]]])
    yield by_standard("unpool, the last of several", "MaxUnpool", [x, twice], 11, attrs=attrs)
    pads = dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    yield case("unpool, pads", "MaxUnpool", [floats(5, 1, 1, 2, 2), np.int64([[[[0, 2], [7, 8]]]])], 11, attrs=pads)
    large = ints(4, 1, 1, 40, 50, low=0, high=8000)
    yield by_standard("unpool of many", "MaxUnpool", [floats(4, 1, 1, 40, 50), large], 11, attrs=attrs)
    wrong = dict(attrs=attrs)
    yield case("unpool of another plane", "MaxUnpool", [x, at[:, ::-1]], 11, **wrong, error="plane")
    yield case("unpool, negative", "MaxUnpool", [x, at - 1], 11, **wrong, error="plane")
    yield case("unpool to less", "MaxUnpool", [x, at, Const(np.int64([1, 2, 3, 6]))], 11, **wrong, error="windows span")


def deformed(name, x, w, groups=1, offset_groups=1, bias=True, mask=True, opset=19, spread=1.5, make=case, **attrs):
    seed, (n, _, h, width), (out, _, kh, kw) = seed_of(name), x, w
    pads, strides, dilations = attrs.get("pads", [0] * 4), attrs.get("strides", [1, 1]), attrs.get("dilations", [1, 1])
    oh = (h + pads[0] + pads[2] - (kh - 1) * dilations[0] - 1) // strides[0] + 1
    ow = (width + pads[1] + pads[3] - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    taps = offset_groups * kh * kw
    inputs = [floats(seed, *x), Const(floats(seed + 1, *w)), floats(seed + 2, n, 2 * taps, oh, ow, low=-spread, high=spread)]
    inputs += [Const(floats(seed + 3, out)) if bias else None] if bias or mask else []
    inputs += [floats(seed + 4, n, taps, oh, ow, low=0, high=1)] if mask else []
    attrs = attrs | dict(group=groups, offset_group=offset_groups)
    return make(f"deformed {name}", "DeformConv", inputs, opset, attrs=attrs, rtol=1e-4, atol=1e-4)


def deforms():
    yield deformed("plain", (1, 2, 5, 6), (3, 2, 3, 2))
    yield deformed("padded", (2, 2, 5, 6), (3, 2, 3, 3), pads=[1, 2, 0, 1], bias=False)
    yield deformed("without mask", (1, 2, 5, 6), (3, 2, 2, 2), mask=False)
    yield deformed("nothing but offsets", (1, 1, 5, 6), (2, 1, 2, 2), mask=False, bias=False)
    yield deformed("groups", (1, 4, 5, 5), (6, 2, 2, 2), groups=2, pads=[1, 1, 1, 1])
    yield deformed("offset groups", (1, 6, 5, 5), (4, 6, 2, 2), offset_groups=3)
    yield deformed("both groups", (1, 8, 4, 4), (4, 4, 2, 2), groups=2, offset_groups=4)
    yield deformed("coarser offset groups", (1, 8, 4, 4), (4, 2, 2, 2), groups=4, offset_groups=2)
    yield deformed("strides and dilations", (1, 2, 9, 9), (2, 2, 3, 2), strides=[2, 3], dilations=[2, 1])
    yield deformed("far", (1, 2, 4, 4), (2, 2, 2, 2), spread=20.0)
    wrong = deformed("wrong offsets", (1, 2, 5, 6), (3, 2, 2, 2), mask=False)
    wrong["inputs"][2] = wrong["inputs"][2][:, :-1]
    yield wrong | dict(error="offsets")


def columns():
    def col2im(name, shape, image, block, opset=18, error=None, **attrs):
        inputs = [floats(seed_of(name), *shape), Const(np.int64(image)), Const(np.int64(block))]
        make = case if error else by_standard
        return make(f"columns {name}", "Col2Im", inputs, opset, attrs=attrs, **(dict(error=error) if error else {}))

    yield col2im("plain", (1, 8, 12), [4, 5], [2, 2])
    yield col2im("channels and batch", (2, 12, 12), [4, 5], [2, 2])
    yield col2im("strides and pads", (1, 6, 9), [5, 4], [3, 2], strides=[2, 2], pads=[1, 1, 2, 2])
    yield col2im("dilations", (1, 4, 12), [6, 5], [2, 2], dilations=[3, 1])
    yield col2im("strides and dilations", (1, 6, 4), [7, 9], [3, 2], strides=[2, 3], dilations=[2, 4])
    yield col2im("one axis", (2, 9, 5), [7], [3])
    yield col2im("volume", (1, 8, 12), [3, 4, 3], [2, 2, 2])
    yield col2im("wrong count", (1, 8, 11), [4, 5], [2, 2], error="12 blocks")
    yield col2im("wrong block", (1, 9, 12), [4, 5], [2, 2], error="columns of shape")
    yield col2im("four axes", (1, 16, 1), [2] * 4, [2] * 4, error="axes")


def norms():
    for shape in [(2, 7, 3, 4), (1, 5), (2, 6, 5), (1, 3, 2, 3, 2)]:
        for size in [1, 2, 3, 6, 20]:
            x = floats(size, *shape)
            square, channels = np.zeros(x.shape), shape[1]
            for c in range(channels):
                low, high = max(0, c - (size - 1) // 2), min(channels - 1, c + size // 2)
                square[:, c] = np.sum(x[:, low : high + 1].astype(np.float64) ** 2, axis=1)
            want = x / (1.5 + 0.3 / size * square) ** 0.6
            attrs = dict(size=size, alpha=0.3, beta=0.6, bias=1.5)
            yield case(f"lrn of {shape}, size {size}", "LRN", [x], 13, attrs=attrs, expect=[want.astype(np.float32)])
    yield case("lrn by default", "LRN", [floats(1, 1, 9, 4, 4)], 13, attrs=dict(size=5))
    yield case("lrn of nothing", "LRN", [floats(1, 0, 9, 4, 4)], 13, attrs=dict(size=5))
    yield case("lrn of size 0", "LRN", [floats(1, 1, 2, 3)], 13, attrs=dict(size=0), error="region")


def cases():
    yield from volumes()
    yield from transposes()
    yield from pools()
    yield from unpools()
    yield from deforms()
    yield from columns()
    yield from norms()
