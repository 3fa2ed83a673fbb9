//! Weights that are dequantised for a product.

use super::apply;
use crate::graph::builder::GraphBuilder;
use crate::graph::{Attr, Graph, ValueId};
use crate::ops::Operators;
use crate::optimise::{KeepWeightsPacked, infer};
use crate::tensor::{DType, I4, Tensor, U4};

fn dequantised(
    b: &mut GraphBuilder,
    weight: Tensor,
    scales: &[usize],
    zero: Option<Tensor>,
    axis: i64,
    block: i64,
) -> ValueId {
    let len: usize = scales.iter().product();
    let scale = b.floats(scales, (0..len).map(|k| k as f32 + 0.5).collect::<Vec<f32>>());
    let mut inputs = vec![b.constant(weight), scale];
    inputs.extend(zero.map(|zero| b.constant(zero)));
    b.node("DequantizeLinear", inputs, [("axis", Attr::Int(axis)), ("block_size", Attr::Int(block))])
}

fn product(b: &mut GraphBuilder, op: &str, weight: ValueId, attrs: &[(&str, Attr)]) -> Graph {
    let x = b.input("x", DType::F32, ["n", "8"]);
    let y = b.node(op, [x, weight], attrs.to_vec());
    let mut graph = std::mem::replace(b, GraphBuilder::new(21)).finish([y]);
    infer::infer(&mut graph, &mut Operators::default()).unwrap();
    graph
}

/// The constants of the only node.
fn constants(graph: &Graph) -> (Vec<u8>, Vec<f32>, Vec<u8>) {
    let constant = |i: usize| graph.value(graph.nodes[0].inputs[i].unwrap()).constant.clone().unwrap();
    let bytes = |i: usize| constant(i).as_slice::<u8>().unwrap().to_vec();
    (bytes(1), constant(2).as_slice::<f32>().unwrap().to_vec(), bytes(3))
}

#[test]
fn bytes_lie_by_columns_with_the_zero_of_signed_ones_in_the_middle() {
    let mut b = GraphBuilder::new(21);
    let weight = Tensor::new([8, 2], (0..16).map(|k| k as i8 - 8).collect::<Vec<i8>>()).unwrap();
    let zero = Tensor::new([2], vec![3i8, -4]).unwrap();
    let weight = dequantised(&mut b, weight, &[2], Some(zero), 1, 0);
    let mut graph = product(&mut b, "MatMul", weight, &[]);
    assert_eq!(apply(&KeepWeightsPacked, &mut graph), (1, vec!["fascine.MatMulNBits".to_owned()]));
    let (bytes, scales, zeros) = constants(&graph);
    let column = |first: u8| (0..8).map(move |k| 120 + first + 2 * k);
    assert_eq!(bytes, column(0).chain(column(1)).collect::<Vec<u8>>());
    assert_eq!((scales, zeros), (vec![0.5, 1.5], vec![131, 124]));
}

#[test]
fn nibbles_lie_by_blocks_the_low_one_first() {
    let mut b = GraphBuilder::new(21);
    let weight = Tensor::new([1, 16], (0..16).map(U4::wrapping).collect::<Vec<U4>>()).unwrap();
    let weight = dequantised(&mut b, weight, &[1, 2], None, 1, 8);
    let x = b.input("x", DType::F32, ["n", "16"]);
    let y = b.node("Gemm", [x, weight], [("transB", Attr::Int(1))]);
    let mut graph = b.finish([y]);
    infer::infer(&mut graph, &mut Operators::default()).unwrap();
    assert_eq!(apply(&KeepWeightsPacked, &mut graph).0, 1);
    let (bytes, scales, zeros) = constants(&graph);
    assert_eq!(bytes, [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe]);
    assert_eq!((scales, zeros), (vec![0.5, 1.5], vec![0x00]));
}

#[test]
fn other_weights_are_dequantised() {
    let matrix = |dtype| Tensor::zeros(dtype, [8, 4]).unwrap();
    let cases = [
        ("a scale for each row", matrix(DType::U8), vec![8], 0, 0),
        ("blocks of a row", matrix(DType::U8), vec![8, 2], 1, 2),
        ("blocks of half a word", Tensor::new([8, 4], vec![I4::wrapping(1); 32]).unwrap(), vec![2, 4], 0, 4),
        ("16 bits", matrix(DType::I16), vec![4], 1, 0),
    ];
    for (what, weight, scales, axis, block) in cases {
        let mut b = GraphBuilder::new(21);
        let weight = dequantised(&mut b, weight, &scales, None, axis, block);
        let mut graph = product(&mut b, "MatMul", weight, &[]);
        assert_eq!(apply(&KeepWeightsPacked, &mut graph).0, 0, "{what}");
    }
}
