"""Writes the cases of functions, branches and operator bodies: model.onnx, input_K.npy, output_K.npy.

Needs numpy, onnx 1.23 and onnxruntime 1.32. The outputs are the reference evaluator's, where it can run the model, and
onnxruntime's, where it can; where both can they must agree. The other folders here are inputs that failed once; they have no generator.
"""

import pathlib
import sys

import numpy as np
import onnx
import onnx.reference
import onnxruntime
from onnx import TensorProto, helper

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(9)


def floats(*shape):
    return rng.normal(size=shape).astype(np.float32)


def info(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def case(name, nodes, inputs, outputs, opset=17, ir=10, functions=(), weights=(), domains=(), evaluator=True, runtime=True, rtol=1e-4):
    graph = helper.make_graph(
        nodes,
        name,
        [info(key, shape, helper.np_dtype_to_tensor_dtype(value.dtype)) for key, shape, value in inputs],
        [info(key, None) if dtype is None else info(key, None, dtype) for key, dtype in outputs],
        [onnx.numpy_helper.from_array(value, key) for key, value in weights],
    )
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains]
    model = helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=ir)
    feeds = {key: value for key, _, value in inputs}
    # What is never needed may be of an operator that does not exist; the reference would ask for it.
    sound = onnx.ModelProto.FromString(model.SerializeToString().replace(b"Nonesuch", b"Softplus"))
    want = onnx.reference.ReferenceEvaluator(sound).run(None, feeds) if evaluator else None
    if runtime:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(sound.SerializeToString(), options, providers=["CPUExecutionProvider"])
        got = session.run(None, feeds)
        want = want or got
        for mine, theirs in zip(want, got, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=1e-5)
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for k, (_, _, value) in enumerate(inputs):
        np.save(folder / f"input_{k}.npy", value)
    for k, value in enumerate(want):
        np.save(folder / f"output_{k}.npy", np.asarray(value))
    print(name, [np.asarray(value).shape for value in want], file=sys.stderr)


def function(name, inputs, outputs, nodes, attributes=(), defaults=(), domains=(), overload=None, opset=17):
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains]
    made = helper.make_function("test", name, inputs, outputs, nodes, imports, list(attributes), list(defaults))
    if overload:
        made.overload = overload
    return made


def reference(node, name, attribute, kind):
    proto = node.attribute.add()
    proto.name, proto.ref_attr_name, proto.type = name, attribute, kind
    return node


node = helper.make_node
FLOAT, INT, INTS = onnx.AttributeProto.FLOAT, onnx.AttributeProto.INT, onnx.AttributeProto.INTS


def functions():
    leaky = reference(node("LeakyRelu", ["a"], ["b"]), "alpha", "slope", FLOAT)
    inner = function("Inner", ["a"], ["b", "unread"], [leaky, node("Nonesuch", ["a"], ["unread"])], defaults=[helper.make_attribute("slope", 0.5)])
    steep = reference(node("Inner", ["p"], ["q", ""], domain="test"), "slope", "steepness", FLOAT)
    scaled = reference(node("Constant", [], ["factor"]), "value_float", "factor", FLOAT)
    outer = function(
        "Outer",
        ["p", "skip", "low"],
        ["out", "same"],
        [steep, node("Inner", ["q"], ["b", ""], domain="test"), scaled, node("Clip", ["b", "low"], ["c"]), node("Mul", ["c", "factor"], ["out"]), node("Identity", ["skip"], ["same"])],
        attributes=["steepness", "factor"],
        domains=["test"],
    )
    x, y = floats(3, 4), floats(3, 4)
    calls = [
        node("Outer", ["x", "y", "zero"], ["u", "v"], domain="test", name="first", steepness=0.1, factor=3.0),
        node("Outer", ["u", "y", ""], ["w", ""], domain="test", name="second", steepness=0.9, factor=-1.0),
    ]
    ports = dict(inputs=[("x", [3, 4], x), ("y", [3, 4], y)], outputs=[("w", None), ("v", None), ("u", None)])
    case("function-nested", calls, functions=[inner, outer], domains=["test"], weights=[("zero", np.array(-0.2, np.float32))], evaluator=False, **ports)
    one = function("F", ["a"], ["b"], [node("Relu", ["a"], ["b"])], overload="relu")
    two = function("F", ["a"], ["b"], [node("Neg", ["a"], ["b"])], overload="neg")
    first, second = node("F", ["x"], ["y"], domain="test"), node("F", ["x"], ["z"], domain="test")
    first.overload, second.overload = "relu", "neg"
    case("function-overloads", [first, second], [("x", [3, 4], x)], [("y", None), ("z", None)], functions=[one, two], domains=["test"], evaluator=False)
    # Names within a body are the body's own, and an output may be an input.
    swap = function("Swap", ["x", "y"], ["y", "x"], [])
    case("function-outputs-are-inputs", [node("Swap", ["x", "y"], ["a", "b"], domain="test"), node("Sub", ["a", "b"], ["c"])], [("x", [3, 4], x), ("y", [3, 4], y)], [("c", None)], functions=[swap], domains=["test"], runtime=False)
    # A function that branches on its attribute.
    then = helper.make_graph([node("Neg", ["a"], ["t"])], "then", [], [info("t", None)])
    other = helper.make_graph([node("Exp", ["a"], ["e"])], "else", [], [info("e", None)])
    choose = [reference(node("Constant", [], ["flag"]), "value_int", "negate", INT), node("Cast", ["flag"], ["yes"], to=TensorProto.BOOL), node("If", ["yes"], ["b"], then_branch=then, else_branch=other)]
    branching = function("Branch", ["a"], ["b"], choose, attributes=["negate"])
    calls = [node("Branch", ["x"], ["n"], domain="test", negate=1), node("Branch", ["x"], ["e"], domain="test", negate=0)]
    case("function-with-branches", calls, [("x", [3, 4], x)], [("n", None), ("e", None)], functions=[branching], domains=["test"])


def branches():
    x = floats(2, 3)
    weight = floats(3)
    inner_then = helper.make_graph([node("Mul", ["shifted", "scale"], ["it"])], "it", [], [info("it", None)])
    inner_else = helper.make_graph([node("Nonesuch", ["shifted"], ["ie"])], "ie", [], [info("ie", None)])
    then = helper.make_graph(
        [node("Add", ["x", "bias"], ["shifted"]), node("If", ["yes"], ["deep"], then_branch=inner_then, else_branch=inner_else), node("Relu", ["deep"], ["y1"])],
        "then", [], [info("y1", None), info("shifted", None)], [onnx.numpy_helper.from_array(weight, "bias")],
    )
    other = helper.make_graph([node("Nonesuch", ["x"], ["n1"]), node("Nonesuch", ["x"], ["n2"])], "else", [], [info("n1", None), info("n2", None)])
    nodes = [node("If", ["yes"], ["y", "z"], then_branch=then, else_branch=other)]
    weights = [("yes", np.array(True)), ("scale", floats(3))]
    case("if-constant", nodes, [("x", [2, 3], x)], [("y", None), ("z", None)], weights=weights)
    shape = [node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["d"]), node("Equal", ["d", "one"], ["squeezes"])]
    squeeze = helper.make_graph([node("Squeeze", ["x", "axes"], ["t"])], "then", [], [info("t", None)])
    keep = helper.make_graph([node("Identity", ["x"], ["e"])], "else", [], [info("e", None)])
    nodes = shape + [node("If", ["squeezes"], ["c"], then_branch=squeeze, else_branch=keep), node("Neg", ["c"], ["y"])]
    weights = [("zero", np.array(0, np.int64)), ("one", np.array(1, np.int64)), ("axes", np.array([0], np.int64))]
    case("if-shape-of-input", nodes, [("x", [1, 3], floats(1, 3))], [("y", None)], weights=weights)


def bodies():
    x = floats(2, 6, 3, 4)
    image = [("x", ["n", 6, 3, 4], x)]
    case("cast-like", [node("CastLike", ["i", "x"], ["f"]), node("Add", ["f", "x"], ["y"])], [("i", [3], np.array([1, -2, 3], np.int32)), ("x", [3], floats(3))], [("y", None)], opset=19)
    case("swish", [node("Swish", ["x"], ["a"]), node("Swish", ["x"], ["b"], alpha=1.7)], [("x", [3, 5], floats(3, 5))], [("a", None), ("b", None)], opset=24)
    case("rms-normalization", [node("RMSNormalization", ["x", "s"], ["y"]), node("RMSNormalization", ["x", "t"], ["z"], axis=1, epsilon=1e-2)], [("x", ["n", 3, 8], floats(2, 3, 8))], [("y", None), ("z", None)], opset=23, weights=[("s", floats(8)), ("t", floats(3, 8))])
    case("group-normalization-of-groups", [node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=3)], image, [("y", None)], opset=18, weights=[("s", floats(3)), ("b", floats(3))])
    case("group-normalization", [node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=3, epsilon=1e-3)], image, [("y", None)], opset=21, weights=[("s", floats(6)), ("b", floats(6))])
    case("instance-normalization", [node("InstanceNormalization", ["x", "s", "b"], ["y"], epsilon=1e-3)], image, [("y", None)], opset=22, weights=[("s", floats(6)), ("b", floats(6))])
    case("mean-variance-normalization", [node("MeanVarianceNormalization", ["x"], ["y"])], image, [("y", None)], opset=13)
    case("split-unread-parts", [node("Split", ["x"], ["a", "b", "c"], axis=1, num_outputs=3), node("Neg", ["b"], ["y"])], [("x", ["n", 6], floats(2, 6))], [("y", None)], opset=18)
    case("empty-trailing-names", [node("Clip", ["x", "", ""], ["c"]), node("Dropout", ["c", "", ""], ["y", ""])], [("x", [4], floats(4))], [("y", None)], opset=22)


def stages():
    """Plans that depend on values: of inputs, and of what the device computes."""
    x = np.where(rng.random((3, 50)) < 0.4, 0, floats(3, 50)).astype(np.float32)
    nodes = [node("NonZero", ["x"], ["at"]), node("Transpose", ["at"], ["rows"]), node("Shape", ["rows"], ["count"]), node("Cast", ["rows"], ["f"], to=TensorProto.FLOAT), node("ReduceSum", ["f", "zero"], ["y"], keepdims=0)]
    case("nonzero", nodes, [("x", ["n", 50], x)], [("rows", TensorProto.INT64), ("count", TensorProto.INT64), ("y", None)], weights=[("zero", np.array([0], np.int64))])
    nodes = [node("ArgMax", ["x"], ["top"], axis=0, keepdims=1), node("Slice", ["x", "top", "end", "zero"], ["part"]), node("Exp", ["part"], ["y"]), node("Neg", ["x"], ["z"])]
    case("slice-by-data", nodes, [("x", ["n"], floats(40))], [("y", None), ("z", None)], weights=[("zero", np.array([0], np.int64)), ("end", np.array([2**40], np.int64))])
    nodes = [node("Slice", ["x", "from", "to", "axes"], ["part"]), node("Reshape", ["part", "shape"], ["y"])]
    inputs = [("x", ["n", 6], floats(9, 6)), ("from", [1], np.array([2], np.int64)), ("to", [1], np.array([-1], np.int64)), ("shape", [2], np.array([4, -1], np.int64))]
    case("shapes-as-inputs", nodes, inputs, [("y", None)], weights=[("axes", np.array([0], np.int64))])
    then = helper.make_graph([node("MatMul", ["x", "w"], ["t"])], "then", [], [info("t", None)])
    other = helper.make_graph([node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=1), node("Sub", ["x", "m"], ["e"])], "else", [], [info("e", None)])
    nodes = [node("ReduceSum", ["x"], ["sum"], keepdims=0), node("Greater", ["sum", "zero"], ["positive"]), node("If", ["positive"], ["c"], then_branch=then, else_branch=other), node("Relu", ["c"], ["y"])]
    for name, sign in [("if-on-data-then", 1), ("if-on-data-else", -1)]:
        x = (sign * np.abs(floats(3, 4))).astype(np.float32)
        case(name, nodes, [("x", ["n", 4], x)], [("y", None)], weights=[("zero", np.array(0, np.float32)), ("w", floats(4, 2))])


def refused(name, nodes, inputs, outputs, opset, weights=(), dtype=TensorProto.FLOAT):
    """A request that is to end with an error."""
    graph = helper.make_graph(
        nodes, name,
        [info(key, shape, helper.np_dtype_to_tensor_dtype(value.dtype)) for key, shape, value in inputs],
        [info(key, None, dtype) for key in outputs],
        [onnx.numpy_helper.from_array(value, key) for key, value in weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for k, (_, _, value) in enumerate(inputs):
        np.save(folder / f"input_{k}.npy", value)


def movement():
    """Operators that choose and move elements: as other operators, in stages, of open sizes, by wrong indices."""
    rng = np.random.default_rng(7)
    ints = lambda low, high, *shape: rng.integers(low, high, shape)
    x = rng.normal(size=(3, 4)).astype(np.float32)
    nodes = [node("Compress", ["x", "c"], ["a"], axis=-1), node("Compress", ["x", "d"], ["b"]), node("Shape", ["b"], ["count"])]
    inputs = [("x", ["n", 4], x), ("c", [3], np.array([True, False, True])), ("d", ["k"], rng.random(11) < 0.5)]
    case("compress", nodes, inputs, [("a", None), ("b", None), ("count", TensorProto.INT64)])
    x = ints(0, 4, 3, 5, 2).astype(np.float32)
    for opset in (11, 13):
        nodes = [node("Hardmax", ["x"], ["a"]), node("Hardmax", ["x"], ["b"], axis=2), node("Hardmax", ["x"], ["c"], axis=0)]
        case(f"hardmax-{opset}", nodes, [("x", ["n", 5, "m"], x)], [("a", None), ("b", None), ("c", None)], opset=opset, evaluator=opset > 11)
    outputs = lambda name, dtype: [(name, dtype)] + [(f"{name}_{k}", TensorProto.INT64) for k in range(3)]
    unique = lambda source, name, **attrs: node("Unique", [source], [name] + [f"{name}_{k}" for k in range(3)], **attrs)
    FLOAT, INT64, INT8 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT8
    nodes = [unique("x", "a"), unique("x", "b", sorted=0), unique("i", "c", axis=0), unique("j", "d", axis=-1, sorted=0), node("Unique", ["i"], ["e"]), node("Shape", ["e"], ["f"])]
    inputs = [("x", ["n"], ints(-40, 40, 300).astype(np.float32)), ("i", ["k", 2], ints(0, 3, 70, 2)), ("j", [2, "m"], ints(-2, 2, 2, 9).astype(np.int8))]
    case("unique", nodes, inputs, outputs("a", FLOAT) + outputs("b", FLOAT) + outputs("c", INT64) + outputs("d", INT8) + [("e", INT64), ("f", INT64)], evaluator=False)
    case("unique-of-nothing", [unique("x", "a")], [("x", ["n"], np.zeros(0, np.float32))], outputs("a", FLOAT), runtime=False)
    corners = rng.uniform(0, 1, (2, 90, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(-0.3, 0.3, (2, 90, 2))], 2).astype(np.float32)
    scores = ints(0, 30, 2, 3, 90).astype(np.float32) / np.float32(30)
    inputs = [("boxes", ["n", "k", 4], boxes), ("scores", ["n", 3, "k"], scores), ("most", [], np.array(7, np.int64))]
    weights = [("overlap", np.array(0.4, np.float32)), ("least", np.array(0.3, np.float32)), ("many", np.array([1000], np.int64))]
    nodes = [node("NonMaxSuppression", ["boxes", "scores", "most", "overlap", "least"], ["a"]), node("NonMaxSuppression", ["boxes", "scores", "many"], ["b"], center_point_box=1), node("NonMaxSuppression", ["boxes", "scores"], ["c"])]
    case("non-max-suppression", nodes, inputs, [(name, TensorProto.INT64) for name in "abc"], evaluator=False, weights=weights)

    x = rng.normal(size=(2, 8, 3, 4)).astype(np.float32)
    nodes = [
        node("DepthToSpace", ["x"], ["space"], blocksize=2), node("SpaceToDepth", ["space"], ["back"], blocksize=2),
        node("TopK", ["space", "two"], ["top", "at"], axis=-1), node("GatherElements", ["space", "at"], ["same"], axis=3),
        node("CumSum", ["same", "axis"], ["sums"]), node("ScatterElements", ["space", "at", "sums"], ["put"], axis=-1, reduction="add"),
        node("Trilu", ["put"], ["upper"]), node("CenterCropPad", ["upper", "shape"], ["middle"], axes=[-2, -1]),
        node("OneHot", ["at", "depth", "values"], ["hot"]), node("GatherND", ["middle", "rows"], ["picked"]),
    ]
    weights = [("two", np.array([2], np.int64)), ("axis", np.array(1, np.int64)), ("shape", np.array([7, 5], np.int64)), ("depth", np.array(8, np.int64)), ("values", np.array([0, 1], np.float32))]
    inputs = [("x", ["n", "c", "h", "w"], x), ("rows", ["r", 2], np.array([[0, 1], [-1, 0], [1, 1]]))]
    case("movement-of-open-sizes", nodes, inputs, [("back", None), ("middle", None), ("hot", None), ("picked", None)], opset=18, weights=weights)

    x, index = ("x", [4, 3], rng.normal(size=(4, 3)).astype(np.float32)), lambda *rows: np.array(rows)
    updates = ("u", ["k", 3], rng.normal(size=(2, 3)).astype(np.float32))
    refused("gather-elements-index-out-of-range", [node("GatherElements", ["x", "i"], ["y"])], [x, ("i", ["k", 3], index([0, 1, 4]))], ["y"], 13)
    refused("gather-nd-index-out-of-range", [node("GatherND", ["x", "i"], ["y"])], [x, ("i", ["k", 2], index([0, -4]))], ["y"], 13)
    refused("scatter-elements-index-out-of-range", [node("ScatterElements", ["x", "i", "u"], ["y"])], [x, ("i", ["k", 3], index([0, 1, 2], [-5, 0, 0])), updates], ["y"], 16)
    refused("scatter-nd-index-out-of-range", [node("ScatterND", ["x", "i", "u"], ["y"])], [x, ("i", ["k", 1], index([0], [4])), updates], ["y"], 16)
    refused("reverse-sequence-too-long", [node("ReverseSequence", ["x", "i"], ["y"])], [x, ("i", [3], np.array([4, 5, 0]))], ["y"], 10)
    refused("tensor-scatter-past-the-end", [node("TensorScatter", ["x", "u", "i"], ["y"], axis=1)], [x, ("u", [4, "k"], np.zeros((4, 2), np.float32)), ("i", [4], np.array([0, 1, 2, 0]))], ["y"], 24)
    refused("cumsum-beyond-32-bits", [node("CumSum", ["i", "axis"], ["y"])], [("i", ["n"], np.array([2**30, 2**30]))], ["y"], 14, weights=[("axis", np.array(0))], dtype=INT64)
    refused("scatter-add-beyond-32-bits", [node("ScatterND", ["x", "i", "u"], ["y"], reduction="mul")], [("x", [2], np.array([3, 2**16])), ("i", ["k", 1], index([1])), ("u", ["k"], np.array([2**16]))], ["y"], 16, dtype=INT64)
    refused("shift-beyond-32-bits", [node("BitShift", ["x", "i"], ["y"], direction="LEFT")], [("x", [2], np.array([3, 2**16])), ("i", [2], np.array([1, 16]))], ["y"], 28, dtype=INT64)
def resampling():
    """Sizes and scales that come with the request or of the device, symbols that are resized, and norms as other operators."""
    image = ("x", ["n", 2, "h", "w"], floats(1, 2, 5, 6))
    linear = dict(mode="linear", coordinate_transformation_mode="asymmetric")
    case("resize-to-fed-sizes", [node("Resize", ["x", "", "", "s"], ["y"], mode="linear"), node("Resize", ["x", "", "", "s"], ["z"], mode="nearest")], [image, ("s", [4], np.array([1, 2, 7, 4], np.int64))], [("y", None), ("z", None)], opset=19)
    case("resize-by-fed-scales", [node("Resize", ["x", "", "s"], ["y"], **linear), node("Relu", ["y"], ["z"])], [image, ("s", [4], np.array([1, 1, 1.5, 2.25], np.float32))], [("z", None)], opset=13)
    nodes = [node("ReduceMax", ["x"], ["top"], keepdims=0), node("Ceil", ["top"], ["factor"]), node("Abs", ["factor"], ["size"]), node("Mul", ["ones", "size"], ["s"]), node("Resize", ["x", "", "s"], ["y"], mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")]
    case("resize-by-data", nodes, [("x", ["n", 4], floats(3, 4))], [("y", None)], opset=13, weights=[("ones", np.ones(2, np.float32))])
    nodes = [node("Resize", ["x", "", "twice"], ["a"], mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"), node("Resize", ["a", "", "half"], ["b"], mode="linear"), node("Resize", ["b", "", "odd"], ["c"], mode="cubic"), node("Shape", ["x"], ["shape"]), node("Resize", ["c", "", "", "shape"], ["y"], mode="linear")]
    weights = [("twice", np.array([1, 1, 2, 3], np.float32)), ("half", np.array([1, 1, 0.5, 0.5], np.float32)), ("odd", np.array([1, 1, 1.7, 1.3], np.float32))]
    case("resize-of-symbols", nodes, [image], [("a", None), ("b", None), ("c", None), ("y", None)], opset=13, weights=weights)
    case("upsample", [node("Upsample", ["x", "s"], ["y"], mode="nearest"), node("Upsample", ["x", "s"], ["z"], mode="linear")], [image], [("y", None), ("z", None)], opset=9, ir=4, weights=[("s", np.array([1, 1, 2, 2], np.float32))], evaluator=False)
    case("affine-grid-of-a-fed-size", [node("AffineGrid", ["t", "s"], ["g"]), node("GridSample", ["x", "g"], ["y"], mode="linear")], [("t", ["n", 2, 3], floats(1, 2, 3)), ("s", [4], np.array([1, 2, 4, 3], np.int64)), image], [("y", None)], opset=20, runtime=False)
    case("columns-of-fed-shapes", [node("Col2Im", ["c", "i", "b"], ["y"])], [("c", ["n", 8, "l"], floats(2, 8, 12)), ("i", [2], np.array([4, 5], np.int64)), ("b", [2], np.array([2, 2], np.int64))], [("y", None)], opset=18)
    windows = [node("MaxPool", ["x"], ["p", "at"], kernel_shape=[2, 2], strides=[2, 2]), node("Shape", ["x"], ["shape"]), node("MaxUnpool", ["p", "at"], ["y"], kernel_shape=[2, 2], strides=[2, 2])]
    windows += [node("ConvTranspose", ["p", "w"], ["z"], strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]), node("LRN", ["z"], ["v"], size=3, alpha=0.5)]
    case("windows-of-symbols", windows, [("x", ["n", 2, "h", "w"], floats(1, 2, 6, 8))], [("at", TensorProto.INT64), ("y", None), ("v", None)], weights=[("w", floats(2, 3, 3, 3))], evaluator=False)
    x = floats(3, 4, 5)
    x[:, 1] = 0
    nodes = [node("LpNormalization", ["x"], [f"y{p}{axis}"], p=p, axis=axis) for p in (1, 2) for axis in (0, 2, -2)]
    case("lp-normalization", nodes, [("x", ["n", 4, 5], x)], [(n.output[0], None) for n in nodes], evaluator=False)
    nodes = [node("GlobalLpPool", ["x"], [f"y{p}"], p=p) for p in (1, 2, 3)]
    case("global-lp-pool", nodes, [("x", ["n", 3, "h", 4], floats(2, 3, 5, 4))], [(n.output[0], None) for n in nodes], evaluator=False)


def sequences():
    """Sequences whose members are known at load, put together, changed and read in all ways."""
    x, y = floats(3, 6), floats(3, 2)
    nodes = [
        node("SplitToSequence", ["x", "sizes"], ["parts"], axis=1),
        node("SequenceInsert", ["parts", "y"], ["more"]),
        node("SequenceInsert", ["more", "y", "back"], ["most"]),
        node("SequenceErase", ["most", "first"], ["rest"]),
        node("SequenceAt", ["rest", "back"], ["a"]),
        node("ConcatFromSequence", ["rest"], ["b"], axis=-1),
        node("SequenceLength", ["most"], ["c"]),
        node("SplitToSequence", ["x"], ["columns"], axis=-1, keepdims=0),
        node("ConcatFromSequence", ["columns"], ["d"], axis=0, new_axis=1),
        node("SplitToSequence", ["x", "four"], ["chunks"], axis=1),
        node("SequenceAt", ["chunks", "back"], ["e"]),
        node("SequenceEmpty", [], ["none"]),
        node("SequenceInsert", ["none", "x"], ["one"]),
        node("Identity", ["one"], ["same"]),
        node("SequenceConstruct", ["x", "y", "y"], ["three"]),
        node("SequenceErase", ["three"], ["two"]),
        node("ConcatFromSequence", ["two"], ["f"], axis=1),
        node("SequenceAt", ["same", "first"], ["g"]),
    ]
    at = lambda key, value: (key, np.array(value, np.int64))
    weights = [at("sizes", [1, 2, 3]), at("back", -1), at("first", 0), at("four", 4)]
    outputs = [(key, TensorProto.INT64 if key == "c" else None) for key in "abcdefg"]
    case("sequences", nodes, [("x", ["n", 6], x), ("y", ["n", 2], y)], outputs, weights=weights, evaluator=False)


def dimensions():
    nodes = [node("ReduceSum", ["x", "axes"], ["rows"], keepdims=0), node("Concat", ["rows", "y"], ["z"], axis=0)]
    inputs = [("x", ["?", "?", "?"], floats(2, 3, 4)), ("y", ["-1", "-1"], floats(5, 4))]
    case("dimensions-without-names", nodes, inputs, [("z", None)], weights=[("axes", np.array([1], np.int64))])


functions()
branches()
bodies()
stages()
movement()
resampling()
sequences()
dimensions()
