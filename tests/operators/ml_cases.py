import numpy as np

from generate import case as any_case
from generate import floats, ints

ODD = np.array([0.5, np.inf, -np.inf, 0.0, -0.0, 0.50000006], np.float32)


MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def case(*args, **more):
    return any_case(*args, domain="ai.onnx.ml", **more)


def ensemble(trees, targets=1, **more):
    """Attributes of a TreeEnsembleRegressor. A tree is a list of nodes in order of their ids: (mode, feature, threshold, true,
    false[, missing]), or for a leaf a list of (target, weight)."""
    nodes, votes = [], []
    for t, tree in enumerate(trees):
        for i, node in enumerate(tree):
            if isinstance(node, list):
                votes += [(t, i, target, float(weight)) for target, weight in node]
                node = ("LEAF", 0, 0.0, 0, 0)
            nodes.append((t, i, *node, *[0] * (6 - len(node))))
    names = ["treeids", "nodeids", "modes", "featureids", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true"]
    attrs = {f"nodes_{name}": list(column) for name, column in zip(names, zip(*nodes))}
    attrs |= {f"target_{name}": list(column) for name, column in zip(["treeids", "nodeids", "ids", "weights"], zip(*votes))}
    return {**attrs, "n_targets": targets, **more}


def random_ensemble(seed, count, depth, features, targets):
    random = np.random.default_rng(seed)

    def grow(tree, level):
        at = len(tree)
        tree.append(None)
        if level == depth or (level > 0 and random.integers(4) == 0):
            tree[at] = [(target, float(np.float32(random.uniform(-1, 1)))) for target in range(targets)]
        else:
            yes = grow(tree, level + 1)
            no = grow(tree, level + 1)
            # Whole numbers, which some features are as well.
            split = (MODES[random.integers(6)], int(random.integers(features)), float(random.integers(-2, 3)))
            tree[at] = (*split, yes, no, int(random.integers(2)))
        return at

    trees = [[] for _ in range(count)]
    for tree in trees:
        grow(tree, 0)
    return trees


def rows(seed, count, features):
    x = floats(seed, count, features, low=-3, high=3)
    x[:, ::2] = np.round(x[:, ::2])
    x[np.random.default_rng(seed).integers(0, 6, x.shape) == 0] = np.nan
    return x


def cases():
    # Binarizer: onnxruntime has it for floats alone, and refuses NaN, which is above nothing.
    above = lambda x, t: [(x.astype(np.float64) > t).astype(x.dtype)]
    nan = np.array([np.nan, 1.0, -1.0], np.float32)
    yield case("values", "Binarizer", [floats(1, 3, 5)], 1, attrs={"threshold": 0.25})
    yield case("default", "Binarizer", [floats(1, 3, 5)], 1)
    yield case("odd", "Binarizer", [ODD], 1, attrs={"threshold": 0.5})
    yield case("nan", "Binarizer", [nan], 1, expect=above(nan, 0.0))
    yield case("scalar", "Binarizer", [np.float32(2.0)], 1)
    yield case("zero size", "Binarizer", [np.zeros((0, 4), np.float32)], 1)
    ends = [-(2**31), -(2**31) + 1, -1, 0, 1, 2, 2**31 - 1]
    for dtype in [np.int32, np.int64]:
        x = np.array(ends, dtype)
        for t in [-1.5, 0.0, 1.0, 1.5, -3e9, 3e9, float(-(2**31))]:
            yield case(f"{x.dtype} above {t}", "Binarizer", [x], 1, attrs={"threshold": t}, expect=above(x, t))
    yield case("bytes", "Binarizer", [ints(1, 3, low=0, dtype=np.uint8)], 1, error="inputs of type u8")

    # Normalizer.
    for norm in ["MAX", "L1", "L2"]:
        attrs = {"norm": norm}
        yield case(norm, "Normalizer", [floats(1, 7, 5)], 1, attrs=attrs)
        yield case(norm + ", long rows", "Normalizer", [floats(2, 3, 300)], 1, attrs=attrs)
        yield case(norm + ", a row", "Normalizer", [floats(3, 6)], 1, attrs=attrs)
        yield case(norm + ", negative", "Normalizer", [floats(4, 4, 3, low=-3, high=-1)], 1, attrs=attrs)
        zeros = np.array([[0, 0, 0], [-1, 0, -2], [0, 5, 0]], np.float32)
        yield case(norm + ", zeros", "Normalizer", [zeros], 1, attrs=attrs)
        nonfinite = np.array([[np.nan, 1, 2], [1, np.nan, 2], [1, 2, np.nan], [np.inf, 1, 2], [-np.inf, 1, 2], [-np.inf] * 3, [np.nan] * 3], np.float32)
        yield case(norm + ", not finite", "Normalizer", [nonfinite], 1, attrs=attrs)
        yield case(norm + ", no columns", "Normalizer", [np.zeros((2, 0), np.float32)], 1, attrs=attrs)
        yield case(norm + ", no rows", "Normalizer", [np.zeros((0, 2), np.float32)], 1, attrs=attrs)
        for dtype in [np.int32, np.int64]:
            yield case(f"{norm}, {np.dtype(dtype)}", "Normalizer", [ints(5, 4, 3, dtype=dtype)], 1, attrs=attrs)
    yield case("default", "Normalizer", [floats(1, 2, 5)], 1)
    yield case("no such norm", "Normalizer", [floats(1, 2, 5)], 1, attrs={"norm": "L3"}, error="none of MAX, L1 and L2")
    yield case("bytes", "Normalizer", [ints(1, 3, low=0, dtype=np.uint8)], 1, error="neither f32, i32 nor i64")

    # TreeEnsembleRegressor.
    op = "TreeEnsembleRegressor"
    x = np.array([[0], [1], [2], [np.nan], [np.inf], [-np.inf]], np.float32)
    for mode in MODES:
        for missing in [0, 1]:
            stump = [(mode, 0, 1.0, 1, 2, missing), [(0, 10)], [(0, 20)]]
            yield case(f"{mode}, missing {missing}", op, [x], 1, attrs=ensemble([stump]))
    stump = [("BRANCH_LEQ", 0, 1.0, 1, 2), [(0, 10)], [(0, 20)]]
    plain = {k: v for k, v in ensemble([stump]).items() if k != "nodes_missing_value_tracks_true"}
    yield case("defaults", op, [x], 1, attrs=plain)
    yield case("a leaf", op, [x], 1, attrs=ensemble([[[(0, 5)]]]))
    for aggregate in ["SUM", "AVERAGE", "MIN", "MAX"]:
        for targets, bases in [(1, {}), (1, {"base_values": [0.5]}), (3, {}), (3, {"base_values": [0.5, -1.0, 2.0]})]:
            trees = random_ensemble(targets, 5, 5, 5, targets)
            attrs = ensemble(trees, targets, aggregate_function=aggregate, **bases)
            name = f"{aggregate} of {targets}{' on base values' if bases else ''}"
            yield case(name, op, [rows(2, 70, 5)], 1, attrs=attrs)
    comb = [node for i in range(40) for node in [("BRANCH_GT", i % 4, i / 20 - 2, 2 * i + 2, 2 * i + 1, i % 2), [(0, i)]]] + [[(0, 40)]]
    yield case("deep", op, [rows(3, 20, 4)], 3, attrs=ensemble([comb, stump]))
    yield case("no rows", op, [np.zeros((0, 1), np.float32)], 1, attrs=ensemble([stump]))
    yield case("more features than are read", op, [rows(5, 9, 7)], 1, attrs=ensemble([stump]))
    # A target without votes is 0, and has its base value, which onnxruntime leaves out.
    split = [("BRANCH_LEQ", 0, 1.0, 1, 2), [(0, 10)], [(1, 20)]]
    for aggregate in ["SUM", "AVERAGE", "MIN", "MAX"]:
        yield case(f"{aggregate} without votes", op, [x], 1, attrs=ensemble([split], 3, aggregate_function=aggregate))
        attrs = ensemble([split], 3, aggregate_function=aggregate, base_values=[1.0, 2.0, 3.0])
        low = x <= 1
        want = np.concatenate([np.where(low, 11, 1), np.where(low, 2, 22), np.full_like(x, 3)], 1).astype(np.float32)
        yield case(f"{aggregate} without votes on base values", op, [x], 1, attrs=attrs, expect=[want])
    # A leaf's votes for one target count each; onnxruntime takes the first where there is one target.
    twice = [("BRANCH_LEQ", 0, 1.0, 1, 2), [(0, 10), (0, 7)], [(0, 20)]]
    for aggregate, high in [("SUM", 17), ("AVERAGE", 17), ("MIN", 7), ("MAX", 10)]:
        want = np.where(x <= 1, high, 20).astype(np.float32)
        attrs = ensemble([twice], aggregate_function=aggregate)
        yield case(f"{aggregate} of two votes", op, [x], 1, attrs=attrs, expect=[want])
    for name, attrs, error in [
        ("cycle", ensemble([stump, [("BRANCH_LEQ", 0, 1.0, 1, 2), ("BRANCH_LT", 0, 0.0, 0, 2), [(0, 1)]]]), "tree 1, node 1: it is its own descendant"),
        ("own child", ensemble([[("BRANCH_LEQ", 0, 1.0, 1, 2), ("BRANCH_LT", 0, 0.0, 1, 2), [(0, 1)]]]), "tree 0, node 1: it is its own descendant"),
        ("no child", ensemble([[("BRANCH_LEQ", 0, 1.0, 1, 7), [(0, 1)]]]), "tree 0, node 0: its child 7 is missing"),
        ("twice", {**ensemble([stump]), "nodes_nodeids": [0, 1, 1]}, "tree 0: two nodes 1"),
        ("no root", {**ensemble([[[(0, 1)]]]), "nodes_nodeids": [4], "target_nodeids": [4]}, "tree 0 has no node 0"),
        ("no node", {**ensemble([stump]), "target_nodeids": [1, 9]}, "target of tree 0: no node 9"),
        ("no target", ensemble([split]), "tree 0, node 2: target 1 of 1"),
        ("lengths", {**ensemble([stump]), "nodes_values": [1.0]}, "not of one length"),
        ("lengths of votes", {**ensemble([stump]), "target_weights": [1.0]}, "not of one length"),
        ("mode", {**ensemble([stump]), "nodes_modes": ["BRANCH_MEMBER", "LEAF", "LEAF"]}, "mode 'BRANCH_MEMBER'"),
        ("aggregate", ensemble([stump], aggregate_function="MEDIAN"), "aggregate_function 'MEDIAN'"),
        ("post transform", ensemble([stump], post_transform="LOGISTIC"), "post_transform 'LOGISTIC'"),
        ("base values", ensemble([stump], base_values=[1.0, 2.0]), "2 base_values for 1 targets"),
        ("doubles", ensemble([stump], base_values_as_tensor=np.zeros(1, np.float32)), "the attribute base_values_as_tensor"),
        ("no targets", ensemble([stump], 0), "n_targets is 0"),
        ("feature", ensemble([[("BRANCH_LEQ", -1, 1.0, 1, 2), [(0, 1)], [(0, 2)]]]), "tree 0, node 0: feature -1"),
        ("features", ensemble([[("BRANCH_LEQ", 1, 1.0, 1, 2), [(0, 1)], [(0, 2)]]]), "rows of 1 features, of which 2 are read"),
    ]:
        yield case(name, op, [x], 3, attrs=attrs, error=error)
    yield case("rank", op, [x[:, 0]], 1, attrs=ensemble([stump]), error="not [rows, features]")
    yield case("integers", op, [ints(1, 2, 1)], 1, attrs=ensemble([stump]), error="element type i64; f32 is supported")
