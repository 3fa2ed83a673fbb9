//! Scales of integer products.

use super::apply;
use crate::graph::builder::GraphBuilder;
use crate::graph::{Attr, Graph, ValueId};
use crate::ops::Operators;
use crate::optimise::{FuseEpilogue, FuseIntegerScale, Rewrite, infer};
use crate::tensor::{DType, Tensor};

/// A product of `[2, 3, 4]` and `[4, 8]` and its scale, of this shape, which is a product itself if `factor` says so.
fn scaled(b: &mut GraphBuilder, shape: &[usize], factor: bool) -> ValueId {
    let x = b.input("x", DType::U8, ["2", "3", "4"]);
    let w = b.constant(Tensor::zeros(DType::I8, [4, 8]).unwrap());
    let sums = b.node("MatMulInteger", [x, w], []);
    let sums = b.node("Cast", [sums], [("to", Attr::Int(1))]);
    let mut scale = b.floats(shape, vec![0.5; shape.iter().product()]);
    if factor {
        let own = b.input("scale", DType::F32, []);
        scale = b.node("Mul", [own, scale], []);
    }
    b.node("Mul", [sums, scale], [])
}

fn inferred(b: GraphBuilder, y: ValueId) -> Graph {
    let mut graph = b.finish([y]);
    infer::infer(&mut graph, &mut Operators::default()).unwrap();
    graph
}

#[test]
fn scales_bias_residual_and_program_join_an_integer_product() {
    for (shape, factor) in [(&[][..], false), (&[1], false), (&[8], false), (&[1, 1, 8], false), (&[8], true)] {
        let mut b = GraphBuilder::new(17);
        let y = scaled(&mut b, shape, factor);
        let bias = b.floats([8], vec![1.0; 8]);
        let y = b.node("Add", [y, bias], []);
        let residual = b.input("residual", DType::F32, ["2", "3", "8"]);
        let y = b.node("Add", [residual, y], []);
        let y = b.node("Tanh", [y], []);
        let mut graph = inferred(b, y);
        assert_eq!(apply(&FuseIntegerScale, &mut graph).0, 1, "{shape:?}");
        while FuseEpilogue.apply(&mut graph, &mut Operators::default()).fired > 0 {}
        let [node] = graph.nodes.as_slice() else { panic!("{shape:?}: {:?}", graph.nodes) };
        let given: Vec<bool> = node.inputs.iter().map(Option::is_some).collect();
        assert_eq!(node.operator(), "fascine.MatMulInteger");
        assert_eq!(given, [true, true, false, false, true, factor, true, true], "{shape:?}");
        infer::infer(&mut graph, &mut Operators::default()).unwrap();
    }
}

#[test]
fn other_scales_stay() {
    for shape in [&[3, 1][..], &[3, 8], &[1, 1, 1, 8]] {
        let mut b = GraphBuilder::new(17);
        let y = scaled(&mut b, shape, false);
        assert_eq!(apply(&FuseIntegerScale, &mut inferred(b, y)).0, 0, "{shape:?}");
    }
}
