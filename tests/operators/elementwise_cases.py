import numpy as np

from generate import Const, bools, case, floats, ints

SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1e-3, -1e-3, 1e-20, 1e-38, 3.0, -3.0, 10.0, -10.0, 50.0, -50.0, 87.0, -87.0, 1e4, -1e4],
    np.float32,
)
NONFINITE = np.array([np.inf, -np.inf, np.nan, 1.0, -2.0], np.float32)


def cases():
    # Binary arithmetic: types and broadcasting.
    for op in ["Add", "Sub", "Mul", "Div"]:
        yield case("same shape", op, [floats(1, 3, 5), floats(2, 3, 5, low=0.5)], 14)
        yield case("int64", op, [ints(3, 7), ints(4, 7, low=1)], 14)
        yield case("int32 negative", op, [ints(3, 2, 9, dtype=np.int32), ints(4, 9, low=-9, high=0, dtype=np.int32)], 14)
        for opset in [7, 13]:
            yield case("row", op, [floats(5, 4, 6), floats(6, 6, low=0.5)], opset)
    for name, a, b in [
        ("channel, inner multiple of 4", (2, 3, 4, 4), (3, 1, 1)),
        ("channel, inner odd", (2, 3, 5, 3), (3, 1, 1)),
        ("both sides", (4, 1, 5), (3, 1)),
        ("column", (6, 8), (6, 1)),
        ("outer repeated, inner contiguous", (3, 4, 8), (4, 8)),
        ("middle broadcast", (2, 1, 8), (1, 3, 8)),
        ("middle broadcast odd", (2, 1, 3, 1, 5), (1, 3, 1, 2, 5)),
        ("six dimensions", (2, 1, 3, 1, 2, 1), (1, 2, 1, 3, 1, 2)),
        ("scalar", (), (5,)),
        ("scalars", (), ()),
        ("one element", (1,), (2, 3)),
        ("zero size", (0, 3), (3,)),
        ("zero by broadcast", (1, 3), (0, 3)),
        ("large", (130, 70), (130, 1)),
    ]:
        yield case(name, "Add", [floats(7, *a), floats(8, *b)], 14)
        yield case(name + ", constant", "Mul", [floats(7, *a), Const(floats(8, *b))], 14)
    yield case("same tensor twice needs no shape", "Sub", [floats(9, 300), Const(np.float32(1.5))], 14)
    yield case("wrong shapes", "Add", [floats(1, 3), floats(1, 4)], 14, error="do not broadcast")
    yield case("unsupported type", "Add", [ints(1, 3), floats(1, 3)], 14, error="inputs of type i64, f32")
    yield case("too many inputs", "Add", [floats(1, 3)] * 3, 14, error="3 inputs")

    # Pow.
    yield case("square", "Pow", [floats(1, 20), Const(np.float32(2.0))], 15)
    yield case("root", "Pow", [floats(1, 20, low=0.0), Const(np.float32(0.5))], 15)
    yield case("float to int", "Pow", [floats(1, 20), Const(np.int64(3))], 15)
    yield case("positive to any", "Pow", [floats(1, 64, low=0.01, high=50.0), floats(2, 64, low=-8.0, high=8.0)], 15, rtol=3e-6)
    yield case("int", "Pow", [ints(1, 12), ints(2, 12, low=0, high=6)], 15)
    yield case(
        "edges", "Pow",
        [np.array([-2, -2, -2, 0, 0, 0, -8, 1, 5, np.inf, -1], np.float32), np.array([3, 2, -1, 0, 2, -1, 0.5, np.nan, 0, 2, 1e6], np.float32)], 15,
    )
    # Mod.
    yield case("int signs", "Mod", [np.array([7, -7, 7, -7, 6], np.int64), np.array([3, 3, -3, -3, 3], np.int64)], 13)
    yield case("fmod int", "Mod", [np.array([7, -7, 7, -7], np.int32), np.array([3, 3, -3, -3], np.int32)], 13, attrs={"fmod": 1})
    yield case("fmod float", "Mod", [floats(1, 30, low=-9, high=9), floats(2, 30, low=0.5, high=3)], 13, attrs={"fmod": 1}, atol=1e-5)
    # Variadic.
    for op in ["Min", "Max", "Sum", "Mean"]:
        for n in [1, 2, 3, 4, 5, 9]:
            yield case(f"{n} inputs", op, [floats(k, 3, 4) for k in range(n)], 13)
        yield case("broadcast", op, [floats(1, 3, 1), floats(2, 4), floats(3, 2, 1, 1)], 13)
    yield case("int64", "Max", [ints(1, 9), ints(2, 9)], 13)
    yield case("uint8", "Min", [ints(1, 9, low=0, high=255, dtype=np.uint8), ints(2, 9, low=0, high=255, dtype=np.uint8)], 13)
    # Unary.
    wide = np.concatenate([SPECIAL, floats(11, 100, low=-12, high=12)])
    unit = np.concatenate([np.array([1, -1, 0, 0.999, -0.999, 0.5], np.float32), floats(12, 60, low=-1, high=1)])
    positive = np.concatenate([np.array([1e-38, 1e-10, 1.0, 0.99999, 1.00001, 1e20], np.float32), floats(13, 60, low=0.001, high=40)])
    for op, x, opset in [
        ("Neg", wide, 13), ("Abs", wide, 13), ("Sign", wide, 13), ("Exp", wide, 13), ("Tanh", wide, 13), ("Sigmoid", wide, 13),
        ("Erf", wide, 13), ("Floor", wide, 13), ("Ceil", wide, 13), ("Softsign", wide, 1), ("Softplus", wide, 1),
        ("HardSwish", wide, 14), ("Relu", wide, 14), ("Elu", wide, 6), ("Selu", wide, 6), ("Celu", wide, 12), 
        ("LeakyRelu", wide, 16), ("HardSigmoid", wide, 6), ("Gelu", wide, 20), ("Atan", wide, 7), ("Asinh", wide, 9),
        ("Sqrt", positive, 13), ("Log", positive, 13), ("Reciprocal", positive[1:], 13), ("Acosh", 1 + positive[1:], 9),
        ("Sin", floats(3, 100, low=-20, high=20), 7), ("Cos", floats(4, 100, low=-20, high=20), 7),
        ("Tan", floats(5, 100, low=-1.4, high=1.4), 7), ("Asin", unit, 7), ("Acos", unit, 7),
        ("Atanh", unit * np.float32(0.99), 9), ("Sinh", floats(6, 50, low=-9, high=9), 9), ("Cosh", floats(7, 50, low=-9, high=9), 9),
        ("ThresholdedRelu", wide, 10), ("Shrink", wide, 9),
        ("Round", np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997, 1e10, -3.7], np.float32), 11),
    ]:
        yield case("values", op, [x], opset, rtol=2e-6, atol=2e-7)
    # onnxruntime computes these in float without care for small results.
    exact = lambda f, x: [f(x.astype(np.float64)).astype(np.float32)]
    yield case("values", "Mish", [wide], 18, expect=exact(lambda x: x * np.tanh(np.logaddexp(x, 0)), wide), rtol=2e-6)
    for op in ["Exp", "Log", "Sqrt", "Tanh", "Sigmoid", "Erf", "Abs", "Neg", "Sin", "Atan", "Floor", "Reciprocal"]:
        yield case("not finite", op, [NONFINITE], 13 if op not in ["Sin", "Atan"] else 7)
    yield case("int64", "Neg", [ints(1, 9)], 13)
    yield case("int32", "Abs", [ints(1, 9, dtype=np.int32)], 13)
    yield case("int64", "Sign", [ints(1, 9)], 13)
    yield case("int32", "Relu", [ints(1, 9, dtype=np.int32)], 14)
    yield case("float only", "Exp", [ints(1, 9)], 13, error="inputs of type i64")
    yield case("attributes", "Elu", [wide], 6, attrs={"alpha": 0.3}, rtol=2e-6)
    yield case("attributes", "Selu", [wide], 6, attrs={"alpha": 1.2, "gamma": 0.7}, rtol=2e-6)
    yield case("attributes", "Celu", [wide], 12, attrs={"alpha": 2.5}, rtol=2e-6)
    yield case("attributes", "LeakyRelu", [wide], 6, attrs={"alpha": 0.2})
    yield case("attributes", "HardSigmoid", [wide], 6, attrs={"alpha": 0.3, "beta": 0.4})
    yield case("attributes", "Shrink", [wide], 9, attrs={"lambd": 1.0, "bias": 0.5})
    yield case("tanh", "Gelu", [wide], 20, attrs={"approximate": "tanh"}, rtol=1e-5)
    yield case("channel slope", "PRelu", [floats(1, 2, 3, 4, 5), floats(2, 3, 1, 1)], 16)
    yield case("zero size", "Exp", [np.zeros((0, 4), np.float32)], 13)
    yield case("scalar", "Exp", [np.float32(1.0)], 13)
    # Clip.
    yield case("attributes", "Clip", [wide], 6, attrs={"min": -1.5, "max": 2.0})
    yield case("default attributes", "Clip", [wide], 6)
    yield case("inputs", "Clip", [wide, np.float32(-1), np.float32(4)], 13)
    yield case("constants", "Clip", [wide, Const(np.float32(0)), Const(np.float32(6))], 13)
    yield case("only max", "Clip", [wide, None, np.float32(4)], 13)
    yield case("only min", "Clip", [wide, np.float32(4)], 13)
    yield case("neither", "Clip", [wide], 13)
    yield case("int64", "Clip", [ints(1, 20), np.int64(-3), np.int64(3)], 13)
    # Logic and comparison.
    for op in ["And", "Or", "Xor"]:
        yield case("broadcast", op, [bools(1, 3, 5), bools(2, 5)], 7)
    yield case("bools", "Not", [bools(1, 9)], 1)
    grid = np.array([0.0, -0.0, 1.0, np.nan, np.inf, -np.inf], np.float32)
    for op, opset in [("Equal", 13), ("Greater", 13), ("GreaterOrEqual", 16), ("Less", 13), ("LessOrEqual", 16)]:
        yield case("floats", op, [grid.reshape(6, 1), grid], opset)
        yield case("int64", op, [ints(1, 4, 5, low=0, high=3), ints(2, 5, low=0, high=3)], opset)
        yield case("int32", op, [ints(1, 9, dtype=np.int32), ints(2, 9, dtype=np.int32)], opset)
    yield case("bools", "Equal", [bools(1, 9), bools(2, 9)], 13)
    yield case("broadcast", "Where", [bools(1, 4, 1), floats(2, 3), floats(3, 2, 1, 1)], 16)
    yield case("int64", "Where", [bools(1, 7), ints(2, 7), ints(3, 1)], 16)
    yield case("keeps bits", "Where", [bools(1, 5), NONFINITE, Const(np.float32(-np.inf))], 16)
    yield case("nan", "IsNaN", [NONFINITE], 13)
    yield case("inf", "IsInf", [NONFINITE], 10)
    yield case("positive", "IsInf", [NONFINITE], 10, attrs={"detect_negative": 0})
    yield case("negative", "IsInf", [NONFINITE], 10, attrs={"detect_positive": 0})
    yield case("host", "Add", [Const(ints(1, 3)), Const(ints(2, 2, 1))], 14)
    for op in ["BitwiseAnd", "BitwiseOr", "BitwiseXor"]:
        yield case("int32", op, [ints(1, 9, dtype=np.int32), ints(2, 9, dtype=np.int32)], 18)
