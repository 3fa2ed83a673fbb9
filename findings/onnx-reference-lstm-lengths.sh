#!/usr/bin/env bash
# The reference evaluator of onnx takes no notice of LSTM's sequence_lens: steps past a sequence's end are computed like others, and
# Y_h is the last step's. The specification pads Y with zeros there, and Y_h is the state after the sequence's own last step, as
# onnxruntime has it. Exits 1 if that has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
"$work/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

steps, hidden = 4, 2
rng = np.random.default_rng(1)
feed = {
    "x": rng.standard_normal((steps, 1, 3)).astype(np.float32),
    "w": rng.standard_normal((1, 4 * hidden, 3)).astype(np.float32),
    "r": rng.standard_normal((1, 4 * hidden, hidden)).astype(np.float32),
    "lengths": np.array([2], np.int32),
}
kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int32): TensorProto.INT32}
inputs = [helper.make_tensor_value_info(name, kinds[value.dtype], value.shape) for name, value in feed.items()]
node = helper.make_node("LSTM", ["x", "w", "r", "", "lengths"], ["y", "h"], hidden_size=hidden)
shapes = {"y": [steps, 1, 1, hidden], "h": [1, 1, hidden]}
outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
graph = helper.make_graph([node], "lengths", inputs, outputs)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
onnx.checker.check_model(model)

y, h = ReferenceEvaluator(model).run(None, feed)
session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
ort_y, ort_h = session.run(None, feed)
print(f"onnx {onnx.__version__}, onnxruntime {ort.__version__}: an LSTM over {steps} steps, sequence_lens = [2]")
print("largest |Y| past the end: reference", np.abs(y[2:]).max(), "onnxruntime", np.abs(ort_y[2:]).max())
print("Y_h: reference", h.ravel(), "onnxruntime", ort_h.ravel())
print("Y at the sequence's last step:", y[1].ravel())
same = np.abs(y[2:]).max() > 0 and np.allclose(h.ravel(), y[3].ravel()) and np.abs(ort_y[2:]).max() == 0 and np.allclose(ort_h.ravel(), y[1].ravel(), atol=1e-6)
print("as found" if same else "CHANGED")
sys.exit(0 if same else 1)
PYTHON
