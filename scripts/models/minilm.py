"""Writes model.onnx and its weights, model.bin, from model.safetensors: a BERT of six layers, the mean over the tokens, and its direction.

The result takes input_ids, attention_mask and token_type_ids, [batch, sequence] of int64, and gives `embedding`, [batch, 384] of length 1.
"""

import json
import pathlib
import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS, HEADS, WIDTH = 6, 12, 384


def read(file):
    """Tensors of a safetensors file: the length of a header in JSON, the header, the bytes that it speaks of."""
    data = file.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    dtypes = {"F32": "<f4", "I64": "<i8"}
    return {
        name: np.frombuffer(data[8 + length :][slice(*entry["data_offsets"])], dtypes[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }


class Graph:
    """Nodes in order; what a node gives is called by a number."""

    def __init__(self, tensors):
        self.tensors, self.nodes, self.weights = tensors, [], {}

    def __call__(self, operator, *inputs, **attributes):
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def weight(self, name, transpose=False):
        value = self.tensors[name]
        self.weights[name] = np.ascontiguousarray(value.T if transpose else value)
        return name

    def constant(self, value, dtype=np.float32):
        name = f"constant_{np.dtype(dtype)}_{value}"
        self.weights[name] = np.array(value, dtype)
        return name

    def dense(self, x, name):
        product = self("MatMul", x, self.weight(f"{name}.weight", transpose=True))
        return self("Add", product, self.weight(f"{name}.bias"))

    def norm(self, x, name):
        return self("LayerNormalization", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), axis=-1, epsilon=1e-12)

    def layer(self, x, mask, name):
        def heads(of, perm):
            parts = self("Reshape", self.dense(x, f"{name}.attention.self.{of}"), self.constant([0, 0, HEADS, WIDTH // HEADS], np.int64))
            return self("Transpose", parts, perm=perm)

        scores = self("MatMul", heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]))
        scores = self("Mul", scores, self.constant((WIDTH / HEADS) ** -0.5))
        weights = self("Softmax", self("Add", scores, mask), axis=-1)
        seen = self("Transpose", self("MatMul", weights, heads("value", [0, 2, 1, 3])), perm=[0, 2, 1, 3])
        seen = self.dense(self("Reshape", seen, self.constant([0, 0, WIDTH], np.int64)), f"{name}.attention.output.dense")
        x = self.norm(self("Add", seen, x), f"{name}.attention.output.LayerNorm")
        wide = self("Gelu", self.dense(x, f"{name}.intermediate.dense"))
        return self.norm(self("Add", self.dense(wide, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")


def build(tensors):
    graph = Graph(tensors)
    length = graph("Shape", "input_ids", start=1, end=2)
    positions = graph("Slice", graph.weight("embeddings.position_embeddings.weight"), graph.constant([0], np.int64), length)
    words = graph("Gather", graph.weight("embeddings.word_embeddings.weight"), "input_ids")
    types = graph("Gather", graph.weight("embeddings.token_type_embeddings.weight"), "token_type_ids")
    x = graph.norm(graph("Add", graph("Add", words, types), positions), "embeddings.LayerNorm")

    seen = graph("Cast", "attention_mask", to=TensorProto.FLOAT)
    hidden = graph("Mul", graph("Sub", graph.constant(1.0), seen), graph.constant(-1e9))
    mask = graph("Unsqueeze", hidden, graph.constant([1, 2], np.int64))
    for layer in range(LAYERS):
        x = graph.layer(x, mask, f"encoder.layer.{layer}")

    tokens = graph("Unsqueeze", seen, graph.constant([2], np.int64))
    axis = graph.constant([1], np.int64)
    total = graph("ReduceSum", graph("Mul", x, tokens), axis, keepdims=0)
    mean = graph("Div", total, graph("ReduceSum", tokens, axis, keepdims=0))
    graph.nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=-1, p=2))

    shape = ["batch", "sequence"]
    inputs = ["input_ids", "attention_mask", "token_type_ids"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "all-MiniLM-L6-v2",
            [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", WIDTH])],
            [numpy_helper.from_array(value, name) for name, value in graph.weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=9,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    source = folder / "model.safetensors"
    model = build(read(source))
    (folder / "model.bin").unlink(missing_ok=True)
    onnx.save_model(model, folder / "model.onnx", save_as_external_data=True, location="model.bin", size_threshold=1024)
    source.unlink()
