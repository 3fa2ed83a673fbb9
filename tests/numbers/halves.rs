//! Half precision takes half the bytes and no other bits: products and convolutions with weights two a word have the bits of those of the
//! widened numbers, rounded; behind them nodes round as they do apart; a model's memory is about half.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::direct::{direct, target};
use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph, ValueId};
use fascine::lower::storage::widened;
use fascine::lower::{DeviceClass, ModelWeights, Target, Tuning};
use fascine::onnx::{self, LoadOptions};
use fascine::ops::Operators;
use fascine::optimise;
use fascine::plan::bind::resolve_shapes;
use fascine::plan::plan;
use fascine::tensor::{DType, Tensor, TensorData};
use half::{bf16, f16};

const CLASSES: [DeviceClass; 2] = [DeviceClass::Cpu, DeviceClass::Gpu];

/// Numbers as `dtype` has them.
fn rounded(dtype: DType, shape: &[usize], data: &[f32]) -> Tensor {
    let data = match dtype {
        DType::F16 => TensorData::F16(data.iter().map(|&x| f16::from_f32(x)).collect()),
        DType::Bf16 => TensorData::Bf16(data.iter().map(|&x| bf16::from_f32(x)).collect()),
        _ => TensorData::F32(data.to_vec()),
    };
    Tensor::from_data(shape, data).unwrap()
}

/// Some numbers between -2 and 2, from `seed` on.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let number = |k: u32| (k.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 22) as f32 - 2.0;
    (0..len as u32).map(|k| number(k + 977 * seed)).collect()
}

/// What weights are besides such numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Zeros of either sign and denormals of f16.
    Small,
    /// The ends of f16's range.
    Wide,
    /// Infinities and NaN.
    Odd,
}

fn weights(len: usize, kind: Kind) -> Vec<f32> {
    let mut data = numbers(len, 5);
    let special: [f32; 4] = match kind {
        Kind::Small => [-0.0, 5.960_464_5e-8, -3.0e-5, 1.5],
        Kind::Wide => [30_000.0, -5.960_464_5e-8, 0.0, 1.0],
        Kind::Odd => [f32::INFINITY, 1.0, f32::NAN, -1.0],
    };
    let step = 7.max(len / 11);
    data.iter_mut().skip(3).step_by(step).zip(special.iter().cycle()).for_each(|(to, from)| *to = *from);
    data
}

/// An operator with constant weights: its name, shapes of the input, of the weights and of the bias, which side the weights are,
/// and attributes.
struct Case {
    op: &'static str,
    x: &'static [usize],
    w: &'static [usize],
    bias: Option<usize>,
    left: bool,
    attrs: &'static [(&'static str, &'static [i64])],
}

const CASES: [Case; 14] = [
    Case { op: "MatMul", x: &[5, 24], w: &[24, 40], bias: None, left: false, attrs: &[] },
    Case { op: "MatMul", x: &[2, 9, 16], w: &[16, 33], bias: None, left: false, attrs: &[] },
    Case { op: "MatMul", x: &[1, 64], w: &[64, 36], bias: None, left: false, attrs: &[] },
    Case { op: "MatMul", x: &[5, 7], w: &[7, 9], bias: None, left: false, attrs: &[] },
    Case { op: "MatMul", x: &[2, 3, 8], w: &[2, 8, 12], bias: None, left: false, attrs: &[] },
    Case { op: "MatMul", x: &[16, 2], w: &[33, 16], bias: None, left: true, attrs: &[] },
    Case { op: "Gemm", x: &[6, 20], w: &[35, 20], bias: Some(35), left: false, attrs: &[("transB", &[1])] },
    Case { op: "Gemm", x: &[6, 21], w: &[21, 8], bias: Some(8), left: false, attrs: &[] },
    Case { op: "Conv", x: &[1, 3, 7, 9], w: &[35, 3, 3, 3], bias: Some(35), left: false, attrs: &[("pads", &[1; 4])] },
    Case { op: "Conv", x: &[2, 6, 6, 6], w: &[8, 6, 1, 1], bias: None, left: false, attrs: &[] },
    Case {
        op: "Conv",
        x: &[1, 4, 9, 8],
        w: &[6, 2, 3, 2],
        bias: None,
        left: false,
        attrs: &[("group", &[2]), ("strides", &[2; 2])],
    },
    Case { op: "Conv", x: &[1, 5, 6, 7], w: &[5, 1, 3, 3], bias: Some(5), left: false, attrs: &[("group", &[5])] },
    Case {
        op: "Conv",
        x: &[1, 5, 6, 7],
        w: &[10, 1, 2, 3],
        bias: None,
        left: false,
        attrs: &[("group", &[5]), ("strides", &[2; 2])],
    },
    Case { op: "Conv", x: &[1, 2, 4, 5, 6], w: &[5, 2, 2, 3, 3], bias: None, left: false, attrs: &[] },
];

impl Case {
    /// The model in `dtype`, its numbers those of `of`.
    fn graph(&self, dtype: DType, of: DType, kind: Kind) -> Graph {
        let mut b = GraphBuilder::new(20);
        let dims: Vec<String> = self.x.iter().map(usize::to_string).collect();
        let x = b.input("x", dtype, dims.iter().map(String::as_str));
        let mut constant = |shape: &[usize], data: &[f32]| {
            let tensor = rounded(of, shape, data);
            b.constant(if dtype == DType::F32 { widened(&tensor).into_owned() } else { tensor })
        };
        let w = constant(self.w, &weights(self.w.iter().product(), kind));
        let bias = self.bias.map(|len| constant(&[len], &numbers(len, 3)));
        let inputs: Vec<ValueId> = if self.left { vec![w, x] } else { [x, w].into_iter().chain(bias).collect() };
        let attr = |list: &[i64]| match *list {
            [one] => Attr::Int(one),
            _ => Attr::Ints(list.to_vec()),
        };
        let attrs = self.attrs.iter().map(|(name, list)| (*name, attr(list)));
        let y = b.node(self.op, inputs, attrs);
        b.finish([y])
    }
}

/// The result, and the names of the kernels.
fn run(graph: &Graph, class: DeviceClass, inputs: &[Tensor]) -> (Tensor, Vec<String>) {
    let weights = Arc::new(ModelWeights::new());
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|tensor| tensor.shape().to_vec()).collect();
    let plan = plan(graph, &shapes, &weights, &target(class)).unwrap();
    let output = direct().run(&plan, &weights, inputs).unwrap().remove(0);
    (output, plan.dispatches.iter().map(|dispatch| dispatch.variant.kernel().name.clone()).collect())
}

/// Bits, every NaN alike.
fn bits(tensor: &Tensor) -> Vec<u32> {
    let widened = widened(tensor);
    let floats = widened.as_slice::<f32>().unwrap();
    floats.iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
}

#[test]
fn products_of_halves_are_those_of_the_widened_numbers_rounded() {
    let mut wrong = Vec::new();
    for (class, dtype) in CLASSES.into_iter().flat_map(|class| [(class, DType::F16), (class, DType::Bf16)]) {
        for (index, case) in CASES.iter().enumerate() {
            for kind in [Kind::Small, Kind::Wide, Kind::Odd] {
                let x = rounded(dtype, case.x, &numbers(case.x.iter().product(), 1));
                let (got, kernels) = run(&case.graph(dtype, dtype, kind), class, std::slice::from_ref(&x));
                let (sum, _) = run(&case.graph(DType::F32, dtype, kind), class, &[widened(&x).into_owned()]);
                let want = rounded(dtype, sum.shape(), sum.as_slice::<f32>().unwrap());
                if bits(&got) != bits(&want) {
                    wrong.push(format!("case {index}, {} of {dtype}, {kind:?}, {class:?}: {kernels:?}", case.op));
                }
                let suffix = if dtype == DType::F16 { "-f16:" } else { "-bf16:" };
                let packed = dtype == DType::Bf16 || kind == Kind::Small;
                assert_eq!(
                    kernels.iter().any(|name| name.contains(suffix)),
                    packed,
                    "case {index}, {kind:?}: {kernels:?}"
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A recurrent operator of half precision, or of the widened numbers.
fn recurrent(op: &str, gates: usize, dtype: DType, of: DType, attrs: &[(&str, Attr)]) -> Graph {
    let mut b = GraphBuilder::new(14);
    let x = b.input("x", dtype, ["3", "2", "5"]);
    let mut constant = |shape: &[usize]| {
        let tensor = rounded(of, shape, &weights(shape.iter().product(), Kind::Small));
        b.constant(if dtype == DType::F32 { widened(&tensor).into_owned() } else { tensor })
    };
    let (w, r, bias) = (constant(&[2, gates * 6, 5]), constant(&[2, gates * 6, 6]), constant(&[2, 2 * gates * 6]));
    let attrs =
        attrs.iter().cloned().chain([("hidden_size", Attr::Int(6)), ("direction", Attr::Str("bidirectional".into()))]);
    let y = b.node(op, [x, w, r, bias], attrs);
    b.finish([y])
}

#[test]
fn recurrent_operators_of_halves_are_those_of_the_widened_numbers_rounded() {
    let reset = ("linear_before_reset", Attr::Int(1));
    let couples = ("input_forget", Attr::Int(1));
    let cases =
        [("LSTM", 4, None), ("LSTM", 4, Some(couples)), ("GRU", 3, None), ("GRU", 3, Some(reset)), ("RNN", 1, None)];
    for (dtype, suffix) in [(DType::F16, "-f16"), (DType::Bf16, "-bf16")] {
        for (op, gates, attr) in &cases {
            let x = rounded(dtype, &[3, 2, 5], &numbers(30, 1));
            let class = DeviceClass::Cpu;
            let attrs = attr.as_slice();
            let (got, kernels) = run(&recurrent(op, *gates, dtype, dtype, attrs), class, std::slice::from_ref(&x));
            let (y, _) = run(&recurrent(op, *gates, DType::F32, dtype, attrs), class, &[widened(&x).into_owned()]);
            let want = rounded(dtype, y.shape(), y.as_slice::<f32>().unwrap());
            assert_eq!(bits(&got), bits(&want), "{op} {attrs:?} of {dtype}: {kernels:?}");
            let packed = |file: &str| kernels.contains(&format!("{file}{suffix}"));
            assert!(packed("lstm_input") && packed("recurrent"), "{op}: {kernels:?}");
        }
    }
}

/// `op` of x and weights, then a bias where it has none, another tensor, Relu and a factor.
fn layer(dtype: DType, op: &str, bias: bool) -> (Graph, Vec<Tensor>) {
    let mut b = GraphBuilder::new(20);
    let conv = op == "Conv";
    let (x_shape, w_shape, shape) = match conv {
        true => (vec![1, 6, 5, 8], vec![8, 6, 3, 3], vec![1, 8, 3, 6]),
        false => (vec![9, 24], vec![24, 36], vec![9, 36]),
    };
    let mut input = |name: &str, shape: &[usize]| {
        let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
        b.input(name, dtype, dims.iter().map(String::as_str))
    };
    let (x, other) = (input("x", &x_shape), input("other", &shape));
    let mut constant =
        |shape: &[usize], seed| b.constant(rounded(dtype, shape, &numbers(shape.iter().product(), seed)));
    let (w, added, factor) = (constant(&w_shape, 2), constant(&[shape[1]], 3), constant(&[], 4));
    let mut y = match bias && op != "MatMul" {
        true => b.node(op, [x, w, added], []),
        false => b.node(op, [x, w], []),
    };
    if bias && op == "MatMul" {
        y = b.node("Add", [y, added], []);
    }
    let y = b.node("Add", [y, other], []);
    let y = b.node("Relu", [y], []);
    let y = b.node("Mul", [y, factor], []);
    let tensors = [(&x_shape, 7), (&shape, 8)];
    let inputs = tensors.map(|(shape, seed)| rounded(dtype, shape, &numbers(shape.iter().product(), seed)));
    (b.finish([y]), inputs.to_vec())
}

#[test]
fn what_joins_a_product_of_halves_rounds_as_its_nodes_do() {
    for (class, dtype) in CLASSES.into_iter().flat_map(|class| [(class, DType::F16), (class, DType::Bf16)]) {
        for (op, bias) in [("MatMul", true), ("MatMul", false), ("Gemm", true), ("Conv", true), ("Conv", false)] {
            let (graph, inputs) = layer(dtype, op, bias);
            let (apart, many) = run(&graph, class, &inputs);
            let mut optimised = graph;
            let mut operators = Operators::default();
            optimise::infer::infer(&mut optimised, &mut operators).unwrap();
            optimise::optimise(&mut optimised, &mut operators);
            let (together, few) = run(&optimised, class, &inputs);
            assert_eq!(bits(&together), bits(&apart), "{op} of {dtype}, {class:?}: {few:?}");
            let joined = few.iter().filter(|name| !name.starts_with("widen") && !name.starts_with("narrow")).count();
            assert!(joined == 1 && many.len() > few.len(), "{op} of {dtype}, {class:?}: {few:?}");
        }
    }
}

/// A layer's attention as exporters decompose it: heads of x, queries and keys scaled, a mask that leaves the second row no key,
/// whose weights are then NaN and set to 0. `by`: what scales the scores beside.
fn attention(dtype: DType, by: Option<(&str, f32)>) -> (Graph, Vec<Tensor>) {
    const ROWS: usize = 11;
    let mut b = GraphBuilder::new(20);
    let x = b.input("x", dtype, ["1", "11", "32"]);
    let constant = |b: &mut GraphBuilder, shape: &[usize], data: &[f32]| b.constant(rounded(dtype, shape, data));
    let heads = b.ints([1, ROWS as i64, 2, 16]);
    let projected = |b: &mut GraphBuilder, seed| {
        let w = constant(b, &[32, 32], &numbers(32 * 32, seed).iter().map(|x| x * 0.2).collect::<Vec<_>>());
        let bias = constant(b, &[32], &numbers(32, seed + 1));
        let y = b.node("MatMul", [x, w], []);
        let y = b.node("Add", [y, bias], []);
        let y = b.node("Reshape", [y, heads], []);
        b.node("Transpose", [y], [("perm", Attr::Ints(vec![0, 2, 1, 3]))])
    };
    let [q, k, v] = [11, 13, 15].map(|seed| projected(&mut b, seed));
    let scale = constant(&mut b, &[], &[0.42]);
    let q = b.node("Mul", [q, scale], []);
    let k = b.node("Transpose", [k], [("perm", Attr::Ints(vec![0, 1, 3, 2]))]);
    let k = b.node("Mul", [k, scale], []);
    let mut scores = b.node("MatMul", [q, k], []);
    if let Some((op, number)) = by {
        let number = constant(&mut b, &[], &[number]);
        scores = b.node(op, [scores, number], []);
    }
    let mut mask = numbers(ROWS * ROWS, 17);
    mask[ROWS..2 * ROWS].fill(f32::NEG_INFINITY);
    mask[3 * ROWS + 2] = f32::NEG_INFINITY;
    let mask = constant(&mut b, &[1, 1, ROWS, ROWS], &mask);
    let scores = b.node("Add", [scores, mask], []);
    let weights = b.node("Softmax", [scores], [("axis", Attr::Int(-1))]);
    let (zero, is_nan) = (constant(&mut b, &[], &[0.0]), b.node("IsNaN", [weights], []));
    let weights = b.node("Where", [is_nan, zero, weights], []);
    let y = b.node("MatMul", [weights, v], []);
    (b.finish([y]), vec![rounded(dtype, &[1, ROWS, 32], &numbers(ROWS * 32, 19))])
}

#[test]
fn attention_of_halves_rounds_as_its_nodes_do() {
    let scales = [None, Some(("Mul", 0.3)), Some(("Div", 2.0)), Some(("Div", 3.0))];
    for (class, dtype) in CLASSES.into_iter().flat_map(|class| [(class, DType::F16), (class, DType::Bf16)]) {
        for by in scales {
            let (graph, inputs) = attention(dtype, by);
            let (apart, _) = run(&graph, class, &inputs);
            let mut optimised = graph;
            let mut operators = Operators::default();
            optimise::infer::infer(&mut optimised, &mut operators).unwrap();
            optimise::optimise(&mut optimised, &mut operators);
            let (together, kernels) = run(&optimised, class, &inputs);
            let case = format!("{dtype}, {class:?}, {by:?}: {kernels:?}");
            // A quotient by a number that is no power of two is not the product with its inverse.
            let fused = by != Some(("Div", 3.0));
            assert_eq!(
                kernels.iter().filter(|name| name.starts_with("attention")).count(),
                usize::from(fused),
                "{case}"
            );
            let kept = kernels.iter().filter(|name| !name.starts_with("widen") && !name.starts_with("narrow"));
            assert!(!fused || kept.clone().count() == 4, "{case}");
            // Sums are taken in another order: now and then one of them is rounded the other way.
            let [apart, together] =
                [apart, together].map(|tensor| widened(&tensor).as_slice::<f32>().unwrap().to_vec());
            let unit = if dtype == DType::F16 { 2.0_f32.powi(-10) } else { 2.0_f32.powi(-7) };
            let far = apart.iter().zip(&together).filter(|(a, b)| (*a - *b).abs() > 4.0 * unit).count();
            let same = apart.iter().zip(&together).filter(|(a, b)| a == b).count();
            assert!(far == 0 && same * 10 >= apart.len() * 8, "{case}: {far} far, {same} of {} the same", apart.len());
            assert!(apart.iter().all(|x| x.abs() < 8.0) && together[16..32].iter().all(|&x| x == 0.0), "{case}");
        }
    }
}

/// Bytes of the weights and of a request of a model of the zoo.
fn memory(name: &str, sizes: &[(&str, usize)], class: DeviceClass) -> u64 {
    let path = format!("{}/tests/zoo/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let mut graph = onnx::load(path, &options).unwrap();
    let mut operators = Operators::default();
    assert!(optimise::prepare(&mut graph, &mut operators).is_empty());
    optimise::optimise(&mut graph, &mut operators);
    let sizes: BTreeMap<String, usize> = sizes.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
    let shapes = resolve_shapes(&graph, &sizes).unwrap();
    let weights = Arc::new(ModelWeights::new());
    let target = Target { class, parallelism: 8, max_binding_bytes: 1 << 27, subgroup_size: 8, tuning: Tuning::NONE };
    let plan = plan(&graph, &shapes, &weights, &target).unwrap();
    weights.total_bytes() + plan.regions.iter().sum::<u64>()
}

#[test]
fn models_in_half_precision_take_about_half_the_memory() {
    let image: &[(&str, usize)] = &[("batch", 1), ("height", 224), ("width", 224)];
    let text: &[(&str, usize)] = &[("batch", 1), ("sequence", 128)];
    for class in CLASSES {
        for (name, sizes) in [("resnet18", image), ("minilm", text)] {
            let [words, halves] = [name.to_owned(), format!("{name}_f16")].map(|name| memory(&name, sizes, class));
            let share = halves as f64 / words as f64;
            assert!(share <= 0.55, "{name}, {class:?}: {halves} of {words} bytes, {share:.3}");
        }
    }
}
