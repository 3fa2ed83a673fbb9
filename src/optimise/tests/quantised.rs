//! Products of dequantised tensors.

use super::apply;
use crate::graph::builder::GraphBuilder;
use crate::graph::{Attr, Graph, ValueId};
use crate::ops::Operators;
use crate::optimise::{MultiplyIntegers, infer};
use crate::tensor::{DType, Tensor};

/// What differs from a plain product.
#[derive(Clone)]
struct Case {
    op: &'static str,
    /// Shapes of both sides.
    shapes: [Vec<usize>; 2],
    /// Scales of the right side, and their axis.
    scales: Vec<usize>,
    axis: i64,
    attrs: Vec<(&'static str, Attr)>,
    bias: Option<Vec<usize>>,
}

fn plain(op: &'static str, shapes: [Vec<usize>; 2]) -> Case {
    Case { op, shapes, scales: Vec::new(), axis: 1, attrs: Vec::new(), bias: None }
}

fn ones(b: &mut GraphBuilder, shape: &[usize]) -> ValueId {
    b.floats(shape, vec![1.0; shape.iter().product()])
}

fn build(case: &Case) -> Graph {
    let mut b = GraphBuilder::new(17);
    let dims: Vec<String> = case.shapes[0].iter().map(ToString::to_string).collect();
    let x = b.input("x", DType::U8, dims.iter().map(String::as_str));
    let w = b.constant(Tensor::zeros(DType::I8, case.shapes[1].clone()).unwrap());
    let (scale, zero) = (ones(&mut b, &[]), b.constant(Tensor::scalar(7u8)));
    let left = b.node("DequantizeLinear", [x, scale, zero], []);
    let scales = ones(&mut b, &case.scales);
    let right = b.node("DequantizeLinear", [w, scales], [("axis", Attr::Int(case.axis))]);
    let mut inputs = vec![left, right];
    if let Some(shape) = &case.bias {
        inputs.push(ones(&mut b, shape));
    }
    let y = b.node(case.op, inputs, case.attrs.clone());
    let mut graph = b.finish([y]);
    infer::infer(&mut graph, &mut Operators::default()).unwrap();
    graph
}

fn names(case: &Case) -> Vec<String> {
    let (fired, names) = apply(&MultiplyIntegers, &mut build(case));
    assert_eq!(fired, 1);
    names.into_iter().filter(|name| name != "DequantizeLinear").collect()
}

#[test]
fn products_of_dequantised_tensors_are_integer_products() {
    let matmul = plain("MatMul", [vec![2, 3, 4], vec![4, 5]]);
    assert_eq!(names(&matmul), ["MatMulInteger", "Cast", "Mul"]);
    assert_eq!(names(&Case { scales: vec![5], ..matmul }), ["MatMulInteger", "Cast", "Mul"]);
    let conv = plain("Conv", [vec![1, 3, 6, 6], vec![5, 3, 3, 3]]);
    let conv = Case { scales: vec![5], axis: 0, bias: Some(vec![5]), ..conv };
    assert_eq!(names(&conv), ["ConvInteger", "Cast", "Mul", "Add"]);
    let gemm = plain("Gemm", [vec![3, 4], vec![5, 4]]);
    let gemm = Case { scales: vec![5], axis: 0, attrs: vec![("transB", Attr::Int(1))], ..gemm };
    assert_eq!(names(&gemm), ["Transpose", "MatMulInteger", "Cast", "Mul"]);
}

#[test]
fn other_products_stay() {
    let matmul = plain("MatMul", [vec![3, 4], vec![4, 5]]);
    let gemm = plain("Gemm", [vec![3, 4], vec![4, 5]]);
    let cases = [
        ("scales along the depth", Case { scales: vec![4], axis: 0, ..matmul.clone() }),
        ("sums beyond 32 bits", plain("MatMul", [vec![1, 33_026], vec![33_026, 1]])),
        ("several matrices", plain("MatMul", [vec![2, 3, 4], vec![2, 4, 5]])),
        ("a factor", Case { attrs: vec![("alpha", Attr::Float(2.0))], ..gemm.clone() }),
        (
            "a transposed left side",
            Case { shapes: [vec![4, 3], vec![4, 5]], attrs: vec![("transA", Attr::Int(1))], ..gemm.clone() },
        ),
        ("a bias for each row", Case { bias: Some(vec![3, 1]), ..gemm }),
    ];
    for (what, case) in cases {
        assert_eq!(apply(&MultiplyIntegers, &mut build(&case)).0, 0, "{what}");
    }
}
