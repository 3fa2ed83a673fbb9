"""Resize and Upsample, by the standard's reference, which computes coordinates in double precision."""

import numpy as np
from generate import Const, case, floats, ints
from standard import by_standard

MODES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]


def resize(name, x, scales=None, sizes=None, roi=None, opset=19, make=by_standard, **attrs):
    roi = None if roi is None else Const(np.float32(roi))
    scales = None if scales is None else Const(np.float32(scales))
    inputs = [x, roi, scales] + ([Const(np.int64(sizes))] if sizes is not None else [])
    return make(f"resize {name}", "Resize", inputs, opset, attrs=attrs)


def image(seed, *shape):
    return floats(seed, *shape)


def nearest():
    x = image(1, 1, 2, 4, 5)
    for mode in MODES:
        for rounding in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]:
            attrs = dict(mode="nearest", coordinate_transformation_mode=mode, nearest_mode=rounding)
            yield resize(f"nearest {mode} {rounding}, up", x, sizes=[1, 2, 7, 9], **attrs)
            yield resize(f"nearest {mode} {rounding}, down", x, sizes=[1, 2, 3, 2], **attrs)
            yield resize(f"nearest {mode} {rounding}, whole", x, scales=[1, 1, 2, 3], **attrs)
            yield resize(f"nearest {mode} {rounding}, scales", x, scales=[1, 1, 0.6, 1.7], **attrs)
    for dtype in [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64, np.uint32, np.float16]:
        low = 0 if np.dtype(dtype).kind == "u" else -9
        y = ints(2, 2, 3, 3, low=low, dtype=dtype)
        yield resize(f"nearest of {np.dtype(dtype)}", y, scales=[1, 2, 1.5], mode="nearest")
    bits = ints(3, 2, 5, low=0, high=2, dtype=np.uint8)
    want = resize("", bits, sizes=[3, 7], mode="nearest")["expect"][0].astype(bool)
    yield resize("nearest of bools", bits.astype(bool), sizes=[3, 7], mode="nearest", make=case) | dict(expect=[want])
    yield resize("nearest of one axis", image(4, 7), sizes=[3], mode="nearest")
    yield resize("nearest of the batch", image(5, 2, 3, 2, 3), scales=[2, 1.5, 1, 2], mode="nearest")
    yield resize("nearest of five axes", image(6, 1, 2, 3, 2, 3), sizes=[1, 2, 4, 5, 2], mode="nearest")
    yield resize("nearest of eight axes", image(7, 1, 2, 1, 2, 2, 1, 2, 2), scales=[2, 1, 3, 2, 1, 1, 1.5, 2], mode="nearest")
    yield resize("nearest, same size", x, sizes=[1, 2, 4, 5], mode="nearest")
    yield resize("nearest, to nothing", x, sizes=[1, 2, 0, 5], mode="nearest") | dict(expect=[np.zeros((1, 2, 0, 5), np.float32)])
    yield case("resize of nothing", "Resize", [image(1, 0, 3), None, Const(np.float32([1, 2]))], 19, expect=[np.zeros((0, 6), np.float32)])
    yield resize("nearest, axes", x, sizes=[3, 8], axes=[3, -2], mode="nearest", make=case) | dict(
        expect=[resize("", x, sizes=[1, 2, 8, 3], mode="nearest")["expect"][0]]
    )
    for policy in ["not_larger", "not_smaller"]:
        yield resize(f"nearest {policy}", x, sizes=[7, 8], axes=[2, 3], mode="nearest", keep_aspect_ratio_policy=policy)
        yield resize(f"nearest {policy}, all axes", image(8, 3, 5), sizes=[7, 8], mode="nearest", keep_aspect_ratio_policy=policy)


def between():
    x = image(9, 1, 2, 5, 6)
    kinds = [("linear", {}), ("cubic", {}), ("cubic", dict(cubic_coeff_a=-0.5)), ("cubic", dict(exclude_outside=1))]
    for mode in MODES:
        for kind, extra in kinds:
            attrs = dict(mode=kind, coordinate_transformation_mode=mode) | extra
            name = f"{kind} {mode} {extra}"
            yield resize(f"{name}, up", x, sizes=[1, 2, 8, 11], **attrs)
            yield resize(f"{name}, scales", x, scales=[1, 1, 0.7, 1.3], **attrs)
            yield resize(f"{name}, antialias", x, sizes=[1, 2, 2, 9], antialias=1, **attrs)
    yield resize("linear of one axis", image(10, 7), sizes=[12], mode="linear")
    yield resize("linear of three axes", image(11, 1, 2, 3, 4, 5), sizes=[1, 2, 5, 3, 8], mode="linear")
    yield resize("linear of all axes", image(12, 2, 3, 4), sizes=[3, 4, 6], mode="linear")
    yield resize("cubic of channels last", image(13, 1, 4, 5, 3), scales=[1, 2, 2, 1], mode="cubic")
    yield resize("linear of f16", image(14, 1, 1, 3, 3).astype(np.float16), sizes=[1, 1, 5, 6], mode="linear") | dict(rtol=2e-3, atol=2e-3)
    yield resize("linear to one element", x, sizes=[1, 2, 1, 1], mode="linear", coordinate_transformation_mode="pytorch_half_pixel")
    yield resize("linear of one element", image(15, 1, 1, 1, 1), sizes=[1, 1, 3, 4], mode="linear", coordinate_transformation_mode="align_corners")
    yield resize("antialias to one element", x, sizes=[1, 2, 1, 1], mode="cubic", antialias=1)
    # One element is the first one, as the standard's text and onnxruntime have it.
    want = resize("", x, sizes=[1, 2, 1, 6], mode="cubic", coordinate_transformation_mode="align_corners")["expect"]
    attrs = dict(mode="cubic", coordinate_transformation_mode="pytorch_half_pixel")
    yield resize("cubic to one row", x, sizes=[1, 2, 1, 6], make=case, **attrs) | dict(expect=want)


def regions():
    x = image(16, 1, 1, 5, 6)
    attrs = dict(coordinate_transformation_mode="tf_crop_and_resize")
    roi = [0, 0, 0.4, -0.2, 1, 1, 1.3, 0.7]
    for mode in ["nearest", "linear", "cubic"]:
        yield resize(f"region {mode}", x, sizes=[1, 1, 4, 7], roi=roi, mode=mode, extrapolation_value=9.5, **attrs)
        yield resize(f"region {mode}, axes", x, sizes=[4, 7], roi=[0.4, -0.2, 1.3, 0.7], axes=[3, 2], mode=mode, **attrs)
        yield resize(f"region {mode}, one element", x, sizes=[1, 1, 1, 2], roi=[0, 0, 0.2, 0.1, 1, 1, 0.6, 0.9], mode=mode, **attrs)
    yield resize("region, whole, scales", x, scales=[1, 1, 2, 2], roi=[0, 0, 0, 0, 1, 1, 1, 1], mode="linear", **attrs)
    yield resize("region of bytes", ints(17, 3, 4, low=0, dtype=np.uint8), sizes=[3, 4], roi=[0, 0.5, 1, 1.5], mode="nearest", extrapolation_value=7.0, **attrs)
    broken = dict(make=case, mode="linear")
    yield resize("region, scales", x, scales=[1, 1, 2, 2], roi=roi, **broken, **attrs) | dict(error="region")
    yield resize("no region", x, sizes=[1, 1, 4, 7], **broken, **attrs) | dict(error="region")


def refusals():
    x = image(18, 1, 2, 4)
    yield resize("wrong count", x, sizes=[4, 4], make=case) | dict(error="sizes for 3 axes")
    yield resize("both", x, sizes=[1, 2, 4], scales=[1, 1, 1], make=case) | dict(error="either")
    yield resize("neither", x, make=case) | dict(error="either")
    yield resize("scale 0", x, scales=[1, 1, 0], make=case) | dict(error="scale of 0")
    yield resize("scale NaN", x, scales=[1, 1, float("nan")], make=case) | dict(error="scale of NaN")
    yield resize("negative", x, sizes=[1, 2, -4], make=case) | dict(error="size -4")
    yield resize("from nothing", image(1, 0, 3), sizes=[2, 3], make=case) | dict(error="without elements")
    yield resize("axis twice", x, sizes=[4, 4], axes=[2, -1], make=case) | dict(error="twice")
    yield resize("linear bytes", ints(1, 2, 3, low=0, dtype=np.uint8), sizes=[4, 4], mode="linear", make=case) | dict(error="u8")
    yield resize("excluded nearest", x, sizes=[1, 2, 9], nearest_mode="floor", exclude_outside=1, make=case) | dict(error="exclude_outside")
    yield resize("huge", x, scales=[1, 1, 1e30], make=case) | dict(error="scale")


def early():
    x = image(19, 1, 2, 4, 5)
    for mode in ["nearest", "linear"]:
        for scales in [[1, 1, 2, 3], [1, 1, 1.5, 2.5], [1, 1, 0.6, 0.5]]:
            scale = Const(np.float32(scales))
            yield case(f"resize opset 10 {mode} {scales}", "Resize", [x, scale], 10, attrs=dict(mode=mode))
        scale = [1.0, 1.0, 2.0, 2.5]
        yield case(f"upsample {mode}", "Upsample", [x, Const(np.float32(scale))], 9, attrs=dict(mode=mode))
        yield case(f"upsample {mode}, attribute", "Upsample", [x], 7, attrs=dict(mode=mode, scales=scale))
    roi, none = Const(np.zeros(0, np.float32)), Const(np.zeros(0, np.float32))
    yield case("resize opset 11, sizes", "Resize", [x, roi, none, Const(np.int64([1, 2, 3, 9]))], 11, attrs=dict(mode="linear"))
    yield case("resize opset 13, cubic", "Resize", [x, None, Const(np.float32([1, 1, 2, 2]))], 13, attrs=dict(mode="cubic"))
    attrs = dict(coordinate_transformation_mode="tf_half_pixel_for_nn")
    for mode in ["floor", "round_prefer_ceil"]:
        sizes = Const(np.int64([1, 2, 6, 3]))
        yield case(f"resize opset 11, tf {mode}", "Resize", [x, roi, none, sizes], 11, attrs=attrs | dict(nearest_mode=mode))
    yield case("resize opset 13, tf", "Resize", [x, None, Const(np.float32([1, 1, 2, 2]))], 13, attrs=attrs, error="tf_half_pixel_for_nn")
    yield case("upsample that shrinks", "Upsample", [x, Const(np.float32([1, 1, 0.5, 1]))], 9, error="scale of 0.5")
    # 7/3 as a float is a little less: 6 elements, where onnxruntime has 7.
    third = Const(np.float32([7 / 3]))
    yield by_standard("resize by a third", "Resize", [image(20, 3), None, third], 19, attrs=dict(coordinate_transformation_mode="asymmetric", nearest_mode="floor"))


def cases():
    yield from nearest()
    yield from between()
    yield from regions()
    yield from refusals()
    yield from early()
