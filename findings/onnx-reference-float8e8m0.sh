#!/usr/bin/env bash
# Cast to FLOAT8E8M0 in onnx's reference evaluator is not what the operator's own table of special values says. With `saturate` and
# rounding up an infinity is to be the largest number, and comes out as NaN; what lies below the least number is to be that one, 2^-127, and
# comes out as the next, 2^-126. Without `saturate` and to the nearest, 0 and what lies below the least number are to be NaN, and come out
# as 2^-127. Exits 1 if that has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 numpy==2.4.6 ml_dtypes==0.6.0
"$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

NAMES = ["inf", "2^-130", "0", "1"]
X = np.array([np.inf, 2.0**-130, 0.0, 1.0], np.float32)
# Exponents from -127 on; 255 is NaN.
LEAST, ONE, LARGEST, NAN = 0, 127, 254, 255


def cast(**attributes):
    info = helper.make_tensor_value_info
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E8M0, **attributes)
    outputs = [info("y", TensorProto.FLOAT8E8M0, X.shape)]
    graph = helper.make_graph([node], "g", [info("x", TensorProto.FLOAT, X.shape)], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=12)
    onnx.checker.check_model(model)
    return ReferenceEvaluator(model).run(None, {"x": X})[0].view(np.uint8).tolist()


print(f"onnx {onnx.__version__}; bytes of FLOAT8E8M0 for {', '.join(NAMES)}")
seen = {}
for name, attributes, table in [
    ("saturate, up", {"saturate": 1, "round_mode": "up"}, [LARGEST, LEAST, LEAST, ONE]),
    ("no saturate, nearest", {"saturate": 0, "round_mode": "nearest"}, [NAN, NAN, NAN, ONE]),
]:
    seen[name] = cast(**attributes)
    print(f"{name}: {seen[name]}, by the table {table}")
same = seen == {"saturate, up": [NAN, LEAST + 1, LEAST, ONE], "no saturate, nearest": [NAN, LEAST, LEAST, ONE]}
raise SystemExit(0 if same else 1)
PY
