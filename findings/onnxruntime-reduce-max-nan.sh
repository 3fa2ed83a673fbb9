#!/usr/bin/env bash
# ReduceMax of onnxruntime on the CPU gives NaN or not by where the NaN stands: first in its row it is kept, elsewhere it is lost.
# Exits 1 if that has changed.
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

rows = np.array([[np.nan, 1, 2], [1, np.nan, 2], [1, 2, np.nan]], np.float32)
node = helper.make_node("ReduceMax", ["x", "axes"], ["y"], keepdims=0)
graph = helper.make_graph(
    [node],
    "nan",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 3])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
    [onnx.numpy_helper.from_array(np.array([1], np.int64), "axes")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
onnx.checker.check_model(model)
session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
(got,) = session.run(None, {"x": rows})
print(f"onnxruntime {ort.__version__}: ReduceMax over the rows of\n{rows}\ngives {got}; numpy {np.max(rows, axis=1)}")
same = np.array_equal(got, np.array([np.nan, 2, 2], np.float32), equal_nan=True)
print("as found" if same else "CHANGED")
sys.exit(0 if same else 1)
PYTHON
