"""Writes model.onnx from centerface.onnx: open image sizes, and behind the network the boxes that it means, the best of those that overlap.

The result takes `image`, [1, 3, height, width] of RGB from 0 to 255 with sizes that are multiples of 32, and `threshold`, [1]. It gives
`boxes`, [faces, 4] of top, left, bottom and right in pixels, and `scores`, [faces], the best first.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Pixels of the image for one of the network's maps.
STRIDE = 4.0
# Of two boxes that have more than this of their union in common, one is left out.
OVERLAP = 0.3


def build(model):
    nodes, weights = list(model.graph.node), list(model.graph.initializer)
    rename = {"input.1": "image"}
    for each in nodes:
        each.input[:] = [rename.get(name, name) for name in each.input]
    heat, scale, offset, _landmarks = (output.name for output in model.graph.output)

    def constant(name, value, dtype=np.float32):
        weights.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def node(operator, inputs, output, **attributes):
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def axis(name, at):
        """Top and bottom of every cell's box, or left and right, [1, cells, 1] each: rows are axis 0, columns axis 1."""
        channel = lambda of, kind: node("Gather", [of, str(at)], f"{name}.{kind}", axis=1)
        count = node("Gather", ["cells", str(at)], f"{name}.count", axis=0)
        numbers = node("Cast", [node("Range", ["0", count, "1"], f"{name}.range")], f"{name}.numbers", to=TensorProto.FLOAT)
        numbers = node("Reshape", [numbers, ["column", "row"][at]], f"{name}.grid")
        cell = node("Add", [node("Add", [numbers, channel(offset, "offset")], f"{name}.moved"), "half"], f"{name}.centre")
        extent = node("Mul", [node("Exp", [channel(scale, "scale")], f"{name}.exp"), "half_stride"], f"{name}.half")
        centre = node("Mul", [cell, "stride"], f"{name}.pixels")
        end = node("Mul", [node("Cast", [count], f"{name}.float", to=TensorProto.FLOAT), "stride"], f"{name}.end")
        for side, operator in (("low", "Sub"), ("high", "Add")):
            edge = node(operator, [centre, extent], f"{name}.{side}")
            edge = node("Min", [node("Max", [edge, "zero"], f"{name}.{side}.max"), end], f"{name}.{side}.min")
            yield node("Reshape", [edge, "list"], f"{name}.{side}.list")

    constant("0", 0, np.int64), constant("1", 1, np.int64)
    constant("column", [-1, 1], np.int64), constant("row", [1, -1], np.int64)
    constant("list", [1, -1, 1], np.int64), constant("score_list", [1, 1, -1], np.int64), constant("flat", [-1], np.int64)
    constant("zero", 0.0), constant("half", 0.5), constant("stride", STRIDE), constant("half_stride", STRIDE / 2)
    constant("overlap", [OVERLAP]), constant("most", [200], np.int64)
    node("Shape", [heat], "cells", start=2, end=4)
    (top, bottom), (left, right) = axis("y", 0), axis("x", 1)
    every = node("Concat", [top, left, bottom, right], "every_box", axis=2)
    scores = node("Reshape", [heat, "score_list"], "every_score")
    selected = node("NonMaxSuppression", [every, scores, "most", "overlap", "threshold"], "selected")
    cells = node("Gather", [selected, constant("2", 2, np.int64)], "selected_cells", axis=1)
    node("Gather", [node("Squeeze", [every, constant("first", [0], np.int64)], "box_rows"), cells], "boxes", axis=0)
    node("Gather", [node("Reshape", [heat, "flat"], "score_rows"), cells], "scores", axis=0)

    read = {name for each in nodes for name in each.input}
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "centerface",
        [info("image", TensorProto.FLOAT, [1, 3, "height", "width"]), info("threshold", TensorProto.FLOAT, [1])],
        [info("boxes", TensorProto.FLOAT, ["faces", 4]), info("scores", TensorProto.FLOAT, ["faces"])],
        [weight for weight in weights if weight.name in read],
    )
    # What the network consists of is the same in opset 9 and in 15.
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    source = folder / "centerface.onnx"
    onnx.save_model(build(onnx.load(source)), folder / "model.onnx")
    source.unlink()
