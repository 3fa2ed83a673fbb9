//! Each rule: where it fires and where it must not.

mod integer_scale;
mod loops;
mod packed_weights;
mod preparations;
mod quantised;
mod transformers;

use std::sync::Arc;

use super::*;
use crate::graph::builder::GraphBuilder;
use crate::graph::{Attr, ValueId};
use crate::tensor::{DType, Tensor};

const IMAGE: [&str; 4] = ["n", "4", "h", "w"];

/// Operators of the nodes after applying a rule once, with how often it fired.
fn apply(rule: &dyn Rewrite, graph: &mut Graph) -> (usize, Vec<String>) {
    let fired = rule.apply(graph, &mut Operators::default()).fired;
    (fired, graph.nodes.iter().map(|node| node.operator()).collect())
}

fn conv(b: &mut GraphBuilder, x: ValueId) -> ValueId {
    let w = b.floats([4, 4, 1, 1], vec![2.0; 16]);
    let y = b.node("Conv", [x, w], []);
    b.state(y, DType::F32, IMAGE)
}

fn image(b: &mut GraphBuilder) -> ValueId {
    b.input("x", DType::F32, IMAGE)
}

#[test]
fn constants_fold() {
    let mut b = GraphBuilder::new(17);
    let (one, two) = (b.ints([1, 2]), b.ints([3]));
    let y = b.node("Concat", [one, two], [("axis", Attr::Int(0))]);
    let mut graph = b.finish([y]);
    assert_eq!(apply(&FoldConstants, &mut graph), (1, vec![]));
    assert_eq!(graph.value(y).constant, Some(Tensor::new([3], vec![1i64, 2, 3]).unwrap()));

    let mut b = GraphBuilder::new(17);
    let huge = b.ints([1 << 20, 1 << 12]);
    let y = b.node("ConstantOfShape", [huge], []);
    assert_eq!(apply(&FoldConstants, &mut b.finish([y])).0, 0, "beyond the budget");

    let mut b = GraphBuilder::new(17);
    let (x, one) = (b.input("x", DType::I64, ["2"]), b.ints([1]));
    let y = b.node("Concat", [x, one], [("axis", Attr::Int(0))]);
    assert_eq!(apply(&FoldConstants, &mut b.finish([y])).0, 0, "an input is no constant");
}

#[test]
fn identities_go() {
    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let y = b.node("Identity", [x], []);
    let z = b.node("Dropout", [y], []);
    let w = b.node("Relu", [z], []);
    let v = b.node("Identity", [w], []);
    let mut graph = b.finish([v]);
    assert_eq!(apply(&DropIdentities, &mut graph), (3, vec!["Relu".to_owned()]));
    assert_eq!(graph.nodes[0].inputs, [Some(x)]);
    assert_eq!(graph.nodes[0].outputs, [Some(v)]);

    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let y = b.node("Identity", [x], []);
    let kept = b.node("Cast", [x], [("to", Attr::Int(7))]);
    let flipped = b.node("Transpose", [x], [("perm", Attr::Ints(vec![1, 0, 2, 3]))]);
    let trains = b.constant(Tensor::new([], vec![true]).unwrap());
    let ratio = b.floats([], [0.5]);
    let dropped = b.node("Dropout", [x, ratio, trains], []);
    let uses = b.node("Relu", [dropped], []);
    let mut graph = b.finish([y, kept, flipped, uses]);
    assert_eq!(apply(&DropIdentities, &mut graph).0, 0);
}

#[test]
fn dead_code_goes() {
    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let w = b.floats([1], [1.0]);
    let unused = b.node("Add", [x, w], []);
    b.node("Relu", [unused], []);
    let y = b.node("Relu", [x], []);
    let mut graph = b.finish([y]);
    assert_eq!(apply(&DropDeadCode, &mut graph), (2, vec!["Relu".to_owned()]));
    assert_eq!(graph.value(w).constant, None);
}

#[test]
fn batch_norm_folds_into_conv() {
    let build = |extra_use: bool, training: i64| {
        let mut b = GraphBuilder::new(17);
        let x = image(&mut b);
        let w = b.floats([2, 1, 1, 1], [1.0, 2.0]);
        let bias = b.floats([2], [1.0, 1.0]);
        let y = b.node("Conv", [x, w, bias], []);
        let statistics = [[2.0, 2.0], [0.5, 0.5], [1.0, 3.0], [3.0, 3.0]].map(|v| b.floats([2], v));
        let z = b.node(
            "BatchNormalization",
            [y].into_iter().chain(statistics),
            [("epsilon", Attr::Float(1.0)), ("training_mode", Attr::Int(training))],
        );
        b.finish(if extra_use { vec![z, y] } else { vec![z] })
    };
    let mut graph = build(false, 0);
    assert_eq!(apply(&FoldBatchNorm, &mut graph), (1, vec!["Conv".to_owned()]));
    let constant = |i: usize| graph.value(graph.nodes[0].inputs[i].unwrap()).constant.clone().unwrap();
    // The factor is 2 / sqrt(3 + 1) = 1.
    assert_eq!(constant(1).as_slice::<f32>().unwrap(), [1.0, 2.0]);
    assert_eq!(constant(2).as_slice::<f32>().unwrap(), [0.5, -1.5]);
    assert_eq!(apply(&FoldBatchNorm, &mut build(true, 0)).0, 0);
    assert_eq!(apply(&FoldBatchNorm, &mut build(false, 1)).0, 0);
}

#[test]
fn transposes_compose() {
    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let y = b.node("Transpose", [x], [("perm", Attr::Ints(vec![0, 2, 3, 1]))]);
    let z = b.node("Transpose", [y], [("perm", Attr::Ints(vec![0, 3, 1, 2]))]);
    let w = b.node("Relu", [z], []);
    let mut graph = b.finish([w]);
    assert_eq!(apply(&ComposeTransposes, &mut graph).0, 1);
    assert_eq!(graph.nodes[1].attrs["perm"], Attr::Ints(vec![0, 1, 2, 3]));
    optimise(&mut graph, &mut Operators::default());
    assert_eq!(graph.nodes.len(), 1, "{:?}", graph.nodes);

    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let y = b.node("Transpose", [x], []);
    let z = b.node("Transpose", [y], [("perm", Attr::Ints(vec![0, 3, 1, 2]))]);
    assert_eq!(apply(&ComposeTransposes, &mut b.finish([z])).0, 0);
}

#[test]
fn reshapes_compose() {
    for (wanted, fires) in [(vec![-1, 4], 1), (vec![0, -1], 0)] {
        let mut b = GraphBuilder::new(17);
        let x = image(&mut b);
        let (inner, outer) = (b.ints([-1, 2]), b.ints(wanted));
        let y = b.node("Reshape", [x, inner], []);
        let z = b.node("Reshape", [y, outer], []);
        let mut graph = b.finish([z]);
        assert_eq!(apply(&ComposeReshapes, &mut graph).0, fires);
        assert_eq!(graph.nodes[1].inputs[0] == Some(x), fires == 1);
    }
}

#[test]
fn elementwise_operators_join_convolutions() {
    for (op, attrs, codes) in [
        ("Relu", vec![], "ReluF"),
        ("LeakyRelu", vec![("alpha", Attr::Float(0.25))], "LeakyF"),
        ("Sigmoid", vec![], "SigmoidF"),
        ("HardSwish", vec![], "HardSwishF"),
        ("Clip", vec![], "Copy"),
        ("Cosh", vec![], "CoshF"),
    ] {
        let mut b = GraphBuilder::new(17);
        let x = image(&mut b);
        let y = conv(&mut b, x);
        let y = b.state(y, DType::F32, IMAGE);
        let z = b.node(op, [y], attrs);
        let z = b.state(z, DType::F32, IMAGE);
        let mut graph = b.finish([z]);
        assert_eq!(apply(&FuseEpilogue, &mut graph), (1, vec!["fascine.Conv".to_owned()]), "{op}");
        assert_eq!(graph.nodes[0].attrs["codes"], Attr::Strs(vec![codes.to_owned()]));
    }
    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let mut y = conv(&mut b, x);
    y = b.state(y, DType::F32, IMAGE);
    let factor = b.floats([], [3.0]);
    for (op, with) in [("Relu", None), ("Mul", Some(factor)), ("Sigmoid", None)] {
        y = b.node(op, std::iter::once(y).chain(with).collect::<Vec<_>>(), []);
        y = b.state(y, DType::F32, IMAGE);
    }
    let mut graph = b.finish([y]);
    assert_eq!(apply(&FuseEpilogue, &mut graph), (3, vec!["fascine.Conv".to_owned()]), "any chain");
    let codes = ["ReluF", "MulF", "SigmoidF"].map(str::to_owned).to_vec();
    assert_eq!(graph.nodes[0].attrs["codes"], Attr::Strs(codes));

    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let y = conv(&mut b, x);
    let y = b.state(y, DType::F32, IMAGE);
    let bound = b.input("bound", DType::F32, []);
    let z = b.node("Clip", [y, bound], []);
    let z = b.state(z, DType::F32, IMAGE);
    assert_eq!(apply(&FuseEpilogue, &mut b.finish([z])).0, 0, "a bound that is no constant");

    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let y = conv(&mut b, x);
    let y = b.state(y, DType::F32, IMAGE);
    let z = b.node("Relu", [y], []);
    let z = b.state(z, DType::F32, IMAGE);
    let outcome = FuseEpilogue.apply(&mut b.finish([z, y]), &mut Operators::default());
    assert_eq!((outcome.fired, outcome.skipped.len()), (0, 1), "a graph output is not swallowed");
}

#[test]
fn silu_joins_convolutions() {
    for other in [false, true] {
        let mut b = GraphBuilder::new(17);
        let x = image(&mut b);
        let y = conv(&mut b, x);
        let gate = b.node("Sigmoid", [y], []);
        let z = b.node("Mul", [y, gate], []);
        let mut graph = b.finish(if other { vec![z, gate] } else { vec![z] });
        assert_eq!(apply(&FuseEpilogue, &mut graph).0, usize::from(!other));
    }
}

#[test]
fn residuals_and_biases_join() {
    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let y = conv(&mut b, x);
    let bias = b.floats([1, 4, 1, 1], [1.0, 2.0, 3.0, 4.0]);
    let z = b.node("Add", [bias, y], []);
    let z = b.state(z, DType::F32, IMAGE);
    let w = b.node("Add", [z, x], []);
    let w = b.state(w, DType::F32, IMAGE);
    let v = b.node("Relu", [w], []);
    let v = b.state(v, DType::F32, IMAGE);
    let mut graph = b.finish([v]);
    assert_eq!(apply(&FuseEpilogue, &mut graph), (3, vec!["fascine.Conv".to_owned()]));
    let node = &graph.nodes[0];
    assert_eq!(node.inputs[3], Some(x));
    assert_eq!(graph.value(node.inputs[2].unwrap()).constant.as_ref().unwrap().shape(), [4]);
    assert_eq!(node.outputs, [Some(v)]);

    for dims in [["n", "4", "h", "1"], ["m", "4", "h", "w"]] {
        let mut b = GraphBuilder::new(17);
        let x = image(&mut b);
        let r = b.input("r", DType::F32, dims);
        let y = conv(&mut b, x);
        let z = b.node("Add", [y, r], []);
        assert_eq!(apply(&FuseEpilogue, &mut b.finish([z])).0, 0, "{dims:?} may broadcast");
    }
    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let y = conv(&mut b, x);
    let z = b.node("Add", [y, y], []);
    assert_eq!(apply(&FuseEpilogue, &mut b.finish([z])).0, 0, "a value with several users");
}

#[test]
fn two_convolutions_join_as_sum_and_residual() {
    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let (y, z) = (conv(&mut b, x), conv(&mut b, x));
    let w = b.node("Add", [y, z], []);
    let mut graph = b.finish([w]);
    assert_eq!(apply(&FuseEpilogue, &mut graph), (1, vec!["Conv".to_owned(), "fascine.Conv".to_owned()]));
    assert_eq!(graph.nodes[1].inputs[3], Some(y));
}

#[test]
fn matmul_takes_a_row_bias_and_gemm_keeps_its_factors() {
    for (shape, fires) in [(vec![3], 1), (vec![1, 3], 1), (vec![1], 0), (vec![3, 1], 0), (vec![1, 1, 1, 3], 0)] {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["n", "s", "8"]);
        let w = b.floats([8, 3], vec![0.0; 24]);
        let y = b.node("MatMul", [x, w], []);
        let y = b.state(y, DType::F32, ["n", "s", "3"]);
        let len = shape.iter().product();
        let bias = b.floats(shape.clone(), vec![0.0; len]);
        let z = b.node("Add", [y, bias], []);
        assert_eq!(apply(&FuseEpilogue, &mut b.finish([z])).0, fires, "{shape:?}");
    }
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n", "8"]);
    let w = b.floats([8, 3], vec![0.0; 24]);
    let y = b.node("Gemm", [x, w], [("alpha", Attr::Float(0.5)), ("transB", Attr::Int(0))]);
    let y = b.state(y, DType::F32, ["n", "3"]);
    let z = b.node("LeakyRelu", [y], [("alpha", Attr::Float(0.125))]);
    let z = b.state(z, DType::F32, ["n", "3"]);
    let mut graph = b.finish([z]);
    assert_eq!(apply(&FuseEpilogue, &mut graph).0, 1);
    let attrs = &graph.nodes[0].attrs;
    assert_eq!((&attrs["scale"], &attrs["transB"]), (&Attr::Float(0.5), &Attr::Int(0)));
    assert!(!attrs.contains_key("alpha") && attrs.contains_key("codes"));
}

/// `0.5 * x * (1 + erf(x / divisor))`.
fn gelu_erf(divisor: f32, half_last: bool) -> (GraphBuilder, ValueId, ValueId) {
    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let (root, one, half) = (b.floats([], [divisor]), b.floats([], [1.0]), b.floats([], [0.5]));
    let scaled = b.node("Div", [x, root], []);
    let erf = b.node("Erf", [scaled], []);
    let gate = b.node("Add", [erf, one], []);
    let y = if half_last {
        let y = b.node("Mul", [x, gate], []);
        b.node("Mul", [y, half], [])
    } else {
        let y = b.node("Mul", [half, x], []);
        b.node("Mul", [y, gate], [])
    };
    (b, y, erf)
}

#[test]
fn gelu_is_found() {
    for half_last in [true, false] {
        let (b, y, _) = gelu_erf(std::f32::consts::SQRT_2, half_last);
        let mut graph = b.finish([y]);
        assert_eq!(apply(&FuseGelu, &mut graph), (1, vec!["Gelu".to_owned()]));
        assert_eq!(graph.nodes[0].attrs["approximate"], Attr::Str("none".to_owned()));
    }
    let (b, y, _) = gelu_erf(1.5, true);
    assert_eq!(apply(&FuseGelu, &mut b.finish([y])).0, 0, "another divisor");
    let (b, y, erf) = gelu_erf(std::f32::consts::SQRT_2, true);
    assert_eq!(apply(&FuseGelu, &mut b.finish([y, erf])).0, 0, "a part is an output");

    for power in [true, false] {
        let mut b = GraphBuilder::new(17);
        let x = image(&mut b);
        let numbers = [3.0, 0.044715, 0.797_884_6, 1.0, 0.5].map(|v| b.floats([], [v]));
        let cube = if power {
            b.node("Pow", [x, numbers[0]], [])
        } else {
            let square = b.node("Mul", [x, x], []);
            b.node("Mul", [square, x], [])
        };
        let part = b.node("Mul", [numbers[1], cube], []);
        let sum = b.node("Add", [x, part], []);
        let scaled = b.node("Mul", [sum, numbers[2]], []);
        let tanh = b.node("Tanh", [scaled], []);
        let gate = b.node("Add", [tanh, numbers[3]], []);
        let half = b.node("Mul", [x, numbers[4]], []);
        let y = b.node("Mul", [half, gate], []);
        let mut graph = b.finish([y]);
        assert_eq!(apply(&FuseGelu, &mut graph), (1, vec!["Gelu".to_owned()]), "power {power}");
        assert_eq!(graph.nodes[0].attrs["approximate"], Attr::Str("tanh".to_owned()));
    }
}

#[test]
fn softmax_is_found() {
    for (sum_axis, subtract, fires) in [(-1, true, 1), (1, true, 0), (-1, false, 0)] {
        let mut b = GraphBuilder::new(17);
        let x = image(&mut b);
        let max = b.node("ReduceMax", [x], [("axes", Attr::Ints(vec![-1]))]);
        let shifted = b.node("Sub", [x, max], []);
        let exp = b.node("Exp", [if subtract { shifted } else { x }], []);
        let axes = b.ints([sum_axis]);
        let sum = b.node("ReduceSum", [exp, axes], []);
        let y = b.node("Div", [exp, sum], []);
        let mut graph = b.finish([y]);
        assert_eq!(apply(&FuseSoftmax, &mut graph).0, fires);
    }
}

/// As exporters write it: the square by Pow or Mul, the quotient by Reciprocal, by 1 / root, or by Div.
#[test]
fn rms_norm_is_found() {
    for (square, quotient) in [("Pow", "Reciprocal"), ("Mul", "one over"), ("Mul", "Div"), ("Pow", "Div")] {
        for (axis, size, elsewhere, fires) in [(-1, 4, false, 1), (1, 4, false, 0), (-1, 1, false, 0), (-1, 4, true, 0)]
        {
            let mut b = GraphBuilder::new(17);
            let x = b.input("x", DType::F32, ["n", "s", "4"]);
            let (two, epsilon, one) = (b.floats([], [2.0]), b.floats([], [1e-6]), b.floats([], [1.0]));
            let squared = b.node(square, [x, if square == "Pow" { two } else { x }], []);
            let mean = b.node("ReduceMean", [squared], [("axes", Attr::Ints(vec![axis]))]);
            let shifted = b.node("Add", [mean, epsilon], []);
            let root = b.node("Sqrt", [shifted], []);
            let normal = match quotient {
                "Div" => b.node("Div", [x, root], []),
                "Reciprocal" => {
                    let inverse = b.node("Reciprocal", [root], []);
                    b.node("Mul", [x, inverse], [])
                }
                _ => {
                    let inverse = b.node("Div", [one, root], []);
                    b.node("Mul", [inverse, x], [])
                }
            };
            let scale = b.floats([size], vec![1.0; size]);
            let y = b.node("Mul", [scale, normal], []);
            let mut graph = b.finish(if elsewhere { vec![y, mean] } else { vec![y] });
            let (fired, ops) = apply(&FuseRmsNorm, &mut graph);
            assert_eq!(fired, fires, "{square}, {quotient}, axis {axis}, size {size}, {elsewhere}");
            if fires == 1 {
                assert_eq!(ops, ["fascine.RmsNorm"]);
                assert_eq!(graph.nodes[0].attrs["epsilon"], Attr::Float(1e-6));
            }
        }
    }
}

#[test]
fn layer_norm_is_found() {
    for (axis, size, fires) in [(-1, 4, 1), (2, 4, 1), (1, 4, 0), (-1, 1, 0)] {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["n", "s", "4"]);
        let mean = |b: &mut GraphBuilder, v| b.node("ReduceMean", [v], [("axes", Attr::Ints(vec![axis]))]);
        let centre = mean(&mut b, x);
        let centred = b.node("Sub", [x, centre], []);
        let (two, epsilon) = (b.floats([], [2.0]), b.floats([], [1e-12]));
        let square = b.node("Pow", [centred, two], []);
        let variance = mean(&mut b, square);
        let shifted = b.node("Add", [variance, epsilon], []);
        let deviation = b.node("Sqrt", [shifted], []);
        let normal = b.node("Div", [centred, deviation], []);
        let (scale, bias) = (b.floats([size], vec![1.0; size]), b.floats([size], vec![0.0; size]));
        let scaled = b.node("Mul", [normal, scale], []);
        let y = b.node("Add", [scaled, bias], []);
        let mut graph = b.finish([y]);
        // What inference would find.
        for id in [variance, centred] {
            graph.value_mut(id).shape = graph.value(x).shape.clone();
        }
        assert_eq!(apply(&FuseLayerNorm, &mut graph).0, fires, "axis {axis}, size {size}");
        if fires == 1 {
            assert_eq!(graph.nodes[0].attrs["epsilon"], Attr::Float(1e-12));
        }
    }
}

#[test]
fn elementwise_chains_join() {
    let chain = |other_use: bool, dims: [&str; 4]| {
        let mut b = GraphBuilder::new(17);
        let x = image(&mut b);
        let r = b.input("r", DType::F32, dims);
        let (two, one) = (b.floats([], [2.0]), b.floats([], [1.0]));
        let y = b.node("Mul", [r, two], []);
        let y = b.state(y, DType::F32, dims);
        let z = b.node("Add", [x, y], []);
        let z = b.state(z, DType::F32, IMAGE);
        let w = b.node("Sub", [z, one], []);
        let w = b.state(w, DType::F32, IMAGE);
        b.finish(if other_use { vec![w, z] } else { vec![w] })
    };
    let fused = |mut graph: Graph| apply(&FuseElementwise, &mut graph).1;
    assert_eq!(fused(chain(false, IMAGE)), ["fascine.Elementwise"]);
    assert_eq!(fused(chain(true, IMAGE)), ["fascine.Elementwise", "Sub"], "z is a graph output");
    assert_eq!(fused(chain(false, ["n", "4", "1", "1"])), ["Mul", "fascine.Elementwise"], "y broadcasts");

    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let y = b.node("Sigmoid", [x], []);
    let y = b.state(y, DType::F32, IMAGE);
    let z = b.node("Mul", [y, y], []);
    let z = b.state(z, DType::F32, IMAGE);
    assert_eq!(fused(b.finish([z])), ["fascine.Elementwise"], "both uses are in the chain");

    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::I64, ["2"]);
    let one = b.constant(Tensor::new([], vec![1i64]).unwrap());
    let y = b.node("Add", [x, one], []);
    let y = b.state(y, DType::I64, ["2"]);
    let z = b.node("Mul", [y, y], []);
    let z = b.state(z, DType::I64, ["2"]);
    assert_eq!(fused(b.finish([z])), ["Add", "Mul"], "integers are left to the host");
}

#[test]
fn attention_is_found() {
    for (mask_dims, fires) in [(["b", "1", "s", "t"], 1), (["c", "1", "s", "t"], 0)] {
        let mut b = GraphBuilder::new(17);
        let q = b.input("q", DType::F32, ["b", "h", "s", "8"]);
        let k = b.input("k", DType::F32, ["b", "h", "t", "8"]);
        let v = b.input("v", DType::F32, ["b", "h", "t", "8"]);
        let mask = b.input("mask", DType::F32, mask_dims);
        let (half, zero) = (b.floats([], [0.5]), b.floats([], [0.0]));
        let k = b.node("Transpose", [k], [("perm", Attr::Ints(vec![0, 1, 3, 2]))]);
        let k = b.state(k, DType::F32, ["b", "h", "8", "t"]);
        let scores = ["b", "h", "s", "t"];
        let q = b.node("Mul", [q, half], []);
        let scaled = b.node("Mul", [k, half], []);
        let product = b.node("MatMul", [q, scaled], []);
        let product = b.state(product, DType::F32, scores);
        let masked = b.node("Add", [product, mask], []);
        let weights = b.node("Softmax", [masked], [("axis", Attr::Int(-1))]);
        let weights = b.state(weights, DType::F32, scores);
        let nan = b.node("IsNaN", [weights], []);
        let clean = b.node("Where", [nan, zero, weights], []);
        let y = b.node("MatMul", [clean, v], []);
        let mut graph = b.finish([y]);
        assert_eq!(FuseAttention::run(&mut graph).fired, fires, "{mask_dims:?}");
        if fires == 1 {
            let node = graph.nodes.last().unwrap();
            assert_eq!(node.attrs["scale"], Attr::Float(0.25));
            assert_eq!((&node.attrs["k_transposed"], &node.attrs["nan_to_zero"]), (&Attr::Int(0), &Attr::Int(1)));
            assert_eq!(node.inputs[3], Some(mask));
        }
    }
}

#[test]
fn rules_have_names_of_their_own() {
    let names: std::collections::BTreeSet<_> = REWRITES.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), REWRITES.len());
}
