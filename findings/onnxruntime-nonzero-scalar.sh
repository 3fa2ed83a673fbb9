#!/usr/bin/env bash
# NonZero of a tensor without dimensions: by ONNX, and so by its reference evaluator and onnxruntime's own shape inference, the result
# has no rows, [0, N]. onnxruntime's kernel on the CPU gives one row of zeros, [1, N], and warns of itself. Exits 1 if that has changed.
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

graph = helper.make_graph(
    [helper.make_node("NonZero", ["x"], ["y"])],
    "scalar",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [])],
    [helper.make_tensor_value_info("y", TensorProto.INT64, None)],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.output[0].type.tensor_type.shape
options = ort.SessionOptions()
options.log_severity_level = 3
session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
print(f"onnx {onnx.__version__}, onnxruntime {ort.__version__}; rows inferred: {inferred.dim[0].dim_value}")
seen = []
for value in (1.0, 0.0):
    feeds = {"x": np.array(value, np.float32)}
    reference = ReferenceEvaluator(model).run(None, feeds)[0].shape
    runtime = session.run(None, feeds)[0].shape
    seen.append((reference, runtime))
    print(f"x = {value}: reference {reference}, onnxruntime {runtime}")
sys.exit(0 if seen == [((0, 1), (1, 1)), ((0, 0), (1, 0))] and inferred.dim[0].dim_value == 0 else 1)
PYTHON
