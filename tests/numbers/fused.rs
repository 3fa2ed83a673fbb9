//! Fused chains have the bits of their nodes one by one, also where drivers cancel what only rounds: alone and behind a product.

use std::sync::Arc;

use crate::common::direct::{direct, target};
use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph, ValueId};
use fascine::lower::DeviceClass;
use fascine::lower::ModelWeights;
use fascine::ops::Operators;
use fascine::optimise::infer::infer;
use fascine::optimise::optimise;
use fascine::plan::plan;
use fascine::tensor::{DType, Tensor, TensorData};
use half::f16;

/// Values on which arithmetic rounds, overflows, or is none.
const X: [f32; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    -0.3,
    1.5,
    2.5,
    1e-30,
    12_345.678,
    1e30,
    -3e38,
    3e38,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
];

const ROUNDING: f32 = 12_582_912.0;

/// A graph in the making whose floats are of one type.
struct Floats {
    builder: GraphBuilder,
    dtype: DType,
}

impl Floats {
    fn new(dtype: DType) -> Self {
        Floats { builder: GraphBuilder::new(20), dtype }
    }

    fn input(&mut self, name: &str, dims: &[usize]) -> ValueId {
        let dims: Vec<String> = dims.iter().map(usize::to_string).collect();
        self.builder.input(name, self.dtype, dims.iter().map(String::as_str))
    }

    fn floats<const N: usize>(&mut self, shape: impl Into<Vec<usize>>, data: [f32; N]) -> ValueId {
        self.builder.constant(tensor(self.dtype, shape, data.to_vec()))
    }

    fn node<const N: usize>(&mut self, op: &str, inputs: [ValueId; N], attrs: [(&'static str, Attr); 0]) -> ValueId {
        self.builder.node(op, inputs, attrs)
    }
}

fn tensor(dtype: DType, shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Tensor {
    match dtype {
        DType::F16 => Tensor::new(shape, data.into_iter().map(f16::from_f32).collect::<Vec<f16>>()),
        _ => Tensor::new(shape, data),
    }
    .unwrap()
}

type Build = fn(&mut Floats, ValueId, ValueId) -> ValueId;

fn binary(b: &mut Floats, op: &str, x: ValueId, y: ValueId) -> ValueId {
    b.node(op, [x, y], [])
}

fn with(b: &mut Floats, op: &str, x: ValueId, number: f32) -> ValueId {
    let number = b.floats([], [number]);
    b.node(op, [x, number], [])
}

/// Chains of `x` and `y`.
#[rustfmt::skip]
fn chains() -> Vec<(&'static str, Build)> {
    vec![
        ("add and subtract a constant", |b, x, _| { let s = with(b, "Add", x, ROUNDING); with(b, "Sub", s, ROUNDING) }),
        ("add constants one after the other", |b, x, _| { let s = with(b, "Add", x, 0.1); with(b, "Add", s, 0.7) }),
        ("multiply by constants", |b, x, _| { let s = with(b, "Mul", x, 1e30); with(b, "Mul", s, 1e-30) }),
        ("divide by constants", |b, x, _| { let s = with(b, "Div", x, 3.0); with(b, "Mul", s, 3.0) }),
        ("sum without its part", |b, x, y| { let s = binary(b, "Add", x, y); binary(b, "Sub", s, x) }),
        ("what a sum lost", |b, x, y| {
            let s = binary(b, "Add", x, y);
            let (t, u) = (binary(b, "Sub", s, x), binary(b, "Sub", y, x));
            binary(b, "Sub", u, t)
        }),
        ("product and sum", |b, x, y| { let s = binary(b, "Mul", x, y); binary(b, "Add", s, y) }),
        ("sum of products", |b, x, y| {
            let (s, t) = (binary(b, "Mul", x, x), binary(b, "Mul", y, x));
            binary(b, "Sub", s, t)
        }),
        ("difference with itself", |b, x, _| { let s = with(b, "Mul", x, 2.0); binary(b, "Sub", s, s) }),
        ("quotient with itself", |b, x, _| { let s = with(b, "Add", x, 2.0); binary(b, "Div", s, s) }),
        ("square of a root", |b, x, _| { let s = b.node("Sqrt", [x], []); binary(b, "Mul", s, s) }),
        ("root of a square", |b, x, _| { let s = binary(b, "Mul", x, x); b.node("Sqrt", [s], []) }),
        ("times zero", |b, x, _| { let s = with(b, "Add", x, 1.0); with(b, "Mul", s, 0.0) }),
        ("twice inverted", |b, x, _| { let s = b.node("Reciprocal", [x], []); b.node("Reciprocal", [s], []) }),
        ("logarithm of an exponential", |b, x, _| { let s = b.node("Exp", [x], []); b.node("Log", [s], []) }),
        ("negated twice in a sum", |b, x, y| { let s = b.node("Neg", [x], []); let t = binary(b, "Add", s, y); b.node("Neg", [t], []) }),
        ("clipped difference", |b, x, y| { let s = binary(b, "Sub", x, y); let t = b.node("Relu", [s], []); binary(b, "Add", t, y) }),
        ("softsign of a product", |b, x, y| { let s = binary(b, "Mul", x, y); b.node("Softsign", [s], []) }),
        ("gelu of a sum", |b, x, y| { let s = binary(b, "Add", x, y); b.node("Gelu", [s], []) }),
        ("mean by hand", |b, x, y| { let s = binary(b, "Add", x, y); let t = with(b, "Mul", s, 0.5); binary(b, "Sub", t, x) }),
        ("a long chain", |b, x, y| (0..40).fold(x, |s, k| if k % 2 == 0 { binary(b, "Add", s, y) } else { with(b, "Mul", s, 0.9) })),
        ("many inputs", |b, x, y| (0..12).fold(x, |s, k| {
            let t = b.floats([1, 4], [k as f32, 0.1, -3.0, 1e20]);
            let u = binary(b, "Mul", t, y);
            binary(b, "Add", s, u)
        })),
    ]
}

/// The result and the number of dispatches.
fn run(graph: &Graph, inputs: &[Tensor]) -> (Vec<f32>, usize) {
    let weights = Arc::new(ModelWeights::new());
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|tensor| tensor.shape().to_vec()).collect();
    let plan = plan(graph, &shapes, &weights, &target(DeviceClass::Gpu)).unwrap();
    let outputs = direct().run(&plan, &weights, inputs).unwrap();
    assert_eq!(outputs.len(), 1);
    let floats = match outputs[0].data() {
        TensorData::F16(data) => data.iter().map(|x| x.to_f32()).collect(),
        _ => outputs[0].as_slice::<f32>().unwrap().to_vec(),
    };
    (floats, plan.dispatches.len())
}

fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// Compares a graph with its optimised form, which has `fused` dispatches.
fn compare(name: &str, graph: Graph, inputs: &[Tensor], fused: usize, wrong: &mut Vec<String>) {
    let (apart, many) = run(&graph, inputs);
    let mut optimised = graph;
    let mut operators = Operators::default();
    infer(&mut optimised, &mut operators).unwrap();
    optimise(&mut optimised, &mut operators);
    let (together, few) = run(&optimised, inputs);
    if few != fused || many <= few {
        wrong.push(format!("{name}: {few} dispatches instead of {many}, not {fused}"));
    }
    let differ: Vec<usize> = (0..apart.len()).filter(|&i| !same(apart[i], together[i])).collect();
    if let Some(&i) = differ.first() {
        wrong.push(format!("{name}: {} differ; at {i}: {:e} fused, {:e} apart", differ.len(), together[i], apart[i]));
    }
}

#[test]
fn chains_have_the_bits_of_their_nodes() {
    let pairs = X.len() * X.len();
    let x: Vec<f32> = X.iter().flat_map(|&x| [x; X.len()]).collect();
    let y: Vec<f32> = (0..X.len()).flat_map(|_| X).collect();
    let shape = [pairs / 4, 4];
    let mut wrong = Vec::new();
    // Of half precision each node rounds, fused or not.
    for dtype in [DType::F32, DType::F16] {
        let inputs = [&x, &y].map(|values| tensor(dtype, shape, values.clone()));
        for (name, build) in chains() {
            let mut b = Floats::new(dtype);
            let (x, y) = (b.input("x", &shape), b.input("y", &shape));
            let result = build(&mut b, x, y);
            compare(&format!("{name}, {dtype}"), b.builder.finish([result]), &inputs, 1, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_sum_of_halves_loses_what_each_node_rounds_away() {
    let mut b = Floats::new(DType::F16);
    let x = b.input("x", &[5]);
    let sum = with(&mut b, "Add", x, 2048.0);
    let result = with(&mut b, "Sub", sum, 2048.0);
    let mut graph = b.builder.finish([result]);
    let mut operators = Operators::default();
    infer(&mut graph, &mut operators).unwrap();
    optimise(&mut graph, &mut operators);
    let (got, dispatches) = run(&graph, &[tensor(DType::F16, [5], vec![0.5, 1.0, 1.5, 3.0, 4.25])]);
    assert_eq!((got, dispatches), (vec![0.0, 0.0, 2.0, 4.0, 4.0], 1));
}

#[test]
fn chains_behind_products_have_the_bits_of_their_nodes() {
    let mut wrong = Vec::new();
    let dtypes = [DType::F32, DType::F16];
    for (dtype, (name, build)) in
        dtypes.into_iter().flat_map(|dtype| chains().into_iter().map(move |chain| (dtype, chain)))
    {
        let mut b = Floats::new(dtype);
        let x = b.input("x", &[X.len(), 1]);
        let unit = b.floats([1, 4], [1.0, 0.7, -2.0, 3.0]);
        let product = b.node("MatMul", [x, unit], []);
        // Of the product alone; what needs more than one of it stays apart.
        let result = build(&mut b, product, product);
        let graph = b.builder.finish([result]);
        let users =
            |id: ValueId| graph.nodes.iter().flat_map(|node| &node.inputs).filter(|input| **input == Some(id)).count();
        let fused = if users(product) == 1 { 1 } else { 2 };
        if fused == 1 {
            let inputs = [tensor(dtype, [X.len(), 1], X.to_vec())];
            // Halves are widened first, and packed at the end.
            let fused = fused + 2 * usize::from(dtype == DType::F16);
            compare(&format!("{name}, {dtype}"), graph, &inputs, fused, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
