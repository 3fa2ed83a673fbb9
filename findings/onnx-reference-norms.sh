#!/usr/bin/env bash
# onnx's reference evaluator computes two normalisations unlike their definitions: LRN sums squares over as many channels as there
# are images (its loop runs over the batch), so that all channels but the first of one image come back undivided; and the L1 norm of
# LpNormalization is the sum of the values, not of their absolutes, so that a negative one turns signs. onnxruntime computes both as
# defined. Exits 1 if that has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator


def both(node, x):
    info = helper.make_tensor_value_info
    graph = helper.make_graph([node], "g", [info("x", TensorProto.FLOAT, x.shape)], [info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [run.run(None, {"x": x})[0].ravel() for run in (ReferenceEvaluator(model), session)]


print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
lrn = both(helper.make_node("LRN", ["x"], ["y"], size=3, alpha=1.0, beta=1.0, bias=1.0), np.ones((1, 4, 1, 1), np.float32))
print("LRN of four ones: reference", *lrn[0], "onnxruntime", *lrn[1])
norm = both(helper.make_node("LpNormalization", ["x"], ["y"], p=1, axis=-1), np.array([[1, -1, 2, -3]], np.float32))
print("L1 norm of 1 -1 2 -3: reference", *norm[0], "onnxruntime", *norm[1])

# 1 / (1 + n / 3), with the n of three channels that are there.
defined = np.array([0.6, 0.5, 0.5, 0.6], np.float32)
same = (
    np.allclose(lrn[0], [0.6, 1, 1, 1])
    and np.allclose(lrn[1], defined)
    and np.allclose(norm[0], [-1, 1, -2, 3])
    and np.allclose(norm[1], np.array([1, -1, 2, -3]) / 7)
)
raise SystemExit(0 if same else 1)
PY
