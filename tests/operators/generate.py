#!/usr/bin/env python3
"""Writes the cases of tests/operators/<family>.json: inputs made here, outputs computed by onnxruntime.

    pip install ml_dtypes==0.6.0 numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
    python tests/operators/generate.py [FAMILY]...

A family is a file <family>_cases.py beside this one with a function `cases()` that yields `case(...)`. Where denormal inputs
matter, `flushed` holds the outputs with zeros in their place: WGSL allows either.
"""

import importlib
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent


def rng(seed):
    return np.random.default_rng(seed)


def floats(seed, *shape, low=-2.0, high=2.0):
    return rng(seed).uniform(low, high, shape).astype(np.float32)


def ints(seed, *shape, low=-9, high=10, dtype=np.int64):
    return rng(seed).integers(low, high, shape).astype(dtype)


def bools(seed, *shape):
    return rng(seed).integers(0, 2, shape).astype(bool)


class Const:
    """An input that the model holds as a constant."""

    def __init__(self, value):
        self.value = np.asarray(value)


def case(name, op, inputs, opset, outputs=1, attrs=None, rtol=1e-5, atol=1e-6, error=None, expect=None, domain=""):
    """`inputs`: arrays, `Const`s or None. `outputs`: how many, or a list of booleans (False: left out).

    `opset`: that of `domain`. `error`: the case must fail with a message that contains this. `expect`: the outputs, where
    onnxruntime lacks the operator or is not the authority.
    """
    return dict(locals())


def flush(x):
    """Denormals as zeros of their sign, as WGSL lets a device take them."""
    if isinstance(x, Const):
        return Const(flush(x.value))
    if x is None or np.asarray(x).dtype != np.float32:
        return x
    x = np.asarray(x)
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x)


def number(x):
    x = float(x)
    return x if np.isfinite(x) else str(x)


def tensor_json(array, constant=False):
    kind, name = array.dtype.kind, array.dtype.name
    flat = array.reshape(-1)
    if name.startswith(("float8", "float4")):
        # Their bits.
        data = [int(x) for x in flat.view(np.uint8)]
    elif kind == "f" or name == "bfloat16":
        data = [number(x) for x in flat]
    else:
        data = [bool(x) if kind == "b" else int(x) for x in flat]
    out = {"dtype": str(array.dtype), "shape": list(array.shape), "data": data}
    if constant:
        out["constant"] = True
    return out


def attr_json(value):
    if isinstance(value, np.ndarray):
        return {"type": "tensor", "value": tensor_json(value)}
    if isinstance(value, (list, tuple)):
        kind = "floats" if any(isinstance(v, float) for v in value) else "strs" if value and isinstance(value[0], str) else "ints"
        return {"type": kind, "value": list(value)}
    kind = {int: "int", float: "float", str: "str"}[type(value)]
    return {"type": kind, "value": value}


def arrays_of(inputs):
    return [None if x is None else x.value if isinstance(x, Const) else np.asarray(x) for x in inputs]


def reference(c):
    arrays = arrays_of(c["inputs"])
    present = c["outputs"] if isinstance(c["outputs"], list) else [True] * c["outputs"]
    attrs = {k: numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v for k, v in (c["attrs"] or {}).items()}
    node = helper.make_node(
        c["op"],
        ["" if a is None else f"x{i}" for i, a in enumerate(arrays)],
        [f"y{i}" if p else "" for i, p in enumerate(present)],
        domain=c["domain"],
        **attrs,
    )
    inputs, initializers = [], []
    for i, (x, a) in enumerate(zip(c["inputs"], arrays)):
        if isinstance(x, Const):
            initializers.append(numpy_helper.from_array(a, f"x{i}"))
        elif a is not None:
            inputs.append(helper.make_tensor_value_info(f"x{i}", helper.np_dtype_to_tensor_dtype(a.dtype), a.shape))
    outputs = [onnx.ValueInfoProto(name=f"y{i}") for i, p in enumerate(present) if p]
    graph = helper.make_graph([node], "case", inputs, outputs, initializers)
    imports = [helper.make_opsetid(c["domain"], c["opset"])]
    if c["domain"]:
        imports.append(helper.make_opsetid("", 17))
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {i.name: arrays[int(i.name[1:])] for i in inputs}
    results = iter(session.run(None, feed))
    return [next(results) if p else None for p in present]


def evaluated(name, op, inputs, opset, outputs=1, attrs=None, **more):
    """A case whose outputs are those of ONNX's reference evaluator."""
    from onnx.reference import ReferenceEvaluator

    arrays = arrays_of(inputs)
    present = outputs if isinstance(outputs, list) else [True] * outputs
    names = ["" if a is None else f"x{i}" for i, a in enumerate(arrays)]
    node = helper.make_node(op, names, [f"y{i}" if p else "" for i, p in enumerate(present)], **(attrs or {}))
    given = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in zip(names, arrays) if n]
    named = [onnx.ValueInfoProto(name=f"y{i}") for i, p in enumerate(present) if p]
    model = helper.make_model(helper.make_graph([node], "case", given, named), opset_imports=[helper.make_opsetid("", opset)])
    results = iter(ReferenceEvaluator(model).run(None, {n: a for n, a in zip(names, arrays) if n}))
    expect = [np.asarray(next(results)) if p else None for p in present]
    return case(name, op, inputs, opset, outputs=outputs, attrs=attrs, expect=expect, **more)


def main():
    families = sys.argv[1:] or sorted(p.stem.removesuffix("_cases") for p in HERE.glob("*_cases.py"))
    sys.path.insert(0, str(HERE))
    sys.modules["generate"] = sys.modules[__name__]
    for family in families:
        written = []
        for c in importlib.import_module(f"{family}_cases").cases():
            try:
                if c["error"]:
                    count = c["outputs"] if isinstance(c["outputs"], int) else len(c["outputs"])
                    results = [np.zeros(0, np.float32)] * count
                else:
                    results = c["expect"] if c["expect"] is not None else reference(c)
            except Exception as failure:
                raise SystemExit(f"{family}: {c['name']} ({c['op']}, opset {c['opset']}): {failure}")
            out = {"name": c["name"], "op": c["op"], "opset": c["opset"]}
            if c["domain"]:
                out["domain"] = c["domain"]
            out["attrs"] = {k: attr_json(v) for k, v in (c["attrs"] or {}).items()}
            out["inputs"] = [
                None if x is None else tensor_json(x.value, True) if isinstance(x, Const) else tensor_json(np.asarray(x))
                for x in c["inputs"]
            ]
            out["outputs"] = [None if r is None else tensor_json(r) for r in results]
            if c["error"]:
                out["error"] = c["error"]
            else:
                out["rtol"], out["atol"] = c["rtol"], c["atol"]
                with_zeros = [flush(x) for x in c["inputs"]]
                pairs = zip(arrays_of(c["inputs"]), arrays_of(with_zeros))
                denormal = any(x is not None and x.dtype == np.float32 and np.any((x != 0) & (z == 0)) for x, z in pairs)
                if denormal and c["expect"] is None:
                    flushed = reference(dict(c, inputs=with_zeros))
                    close = lambda a, b: np.allclose(a, b, rtol=c["rtol"], atol=c["atol"], equal_nan=True)
                    if not all(r is None or close(r, f) for r, f in zip(results, flushed)):
                        out["flushed"] = [None if f is None else tensor_json(f) for f in flushed]
            written.append(json.dumps(out, separators=(",", ":"), allow_nan=False))
        (HERE / f"{family}.json").write_text("[\n" + ",\n".join(written) + "\n]\n")
        print(f"{family}: {len(written)} cases")


if __name__ == "__main__":
    main()
