"""Outputs by the ONNX standard's reference evaluator, for operators of which it and not onnxruntime is the authority."""

import numpy as np
from generate import arrays_of, case
from onnx import helper
from onnx.reference import ReferenceEvaluator


def by_standard(name, op, inputs, opset, attrs=None, outputs=1, **rest):
    arrays = arrays_of(inputs)
    names = ["" if a is None else f"x{i}" for i, a in enumerate(arrays)]
    node = helper.make_node(op, names, [f"y{i}" for i in range(outputs)], **(attrs or {}))
    typed = lambda a: helper.np_dtype_to_tensor_dtype(a.dtype)
    given = [helper.make_tensor_value_info(n, typed(a), a.shape) for n, a in zip(names, arrays) if n]
    made = [helper.make_empty_tensor_value_info(f"y{i}") for i in range(outputs)]
    graph = helper.make_graph([node], "case", given, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    feed = {n: a for n, a in zip(names, arrays) if n}
    expect = [np.asarray(y) for y in ReferenceEvaluator(model).run(None, feed)]
    return case(name, op, inputs, opset, outputs=outputs, attrs=attrs, expect=expect, **rest)
