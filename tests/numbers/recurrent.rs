//! Recurrent networks: many steps in a dispatch have the bits of single ones, whatever the sizes, and a plan serves all numbers of steps that
//! take as many dispatches.

use std::sync::Arc;

use crate::common::direct::{direct, target};
use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph, ValueId};
use fascine::lower::{DeviceClass, ModelWeights};
use fascine::plan::bind::Symbols;
use fascine::plan::{plan, template};
use fascine::tensor::{DType, Tensor};

const CLASSES: [DeviceClass; 2] = [DeviceClass::Cpu, DeviceClass::Gpu];

struct Network {
    op: &'static str,
    gates: usize,
    attrs: &'static [(&'static str, i64)],
    activations: &'static [&'static str],
    peepholes: bool,
    lengths: bool,
}

const PLAIN: Network = Network { op: "LSTM", gates: 4, attrs: &[], activations: &[], peepholes: false, lengths: false };

const NETWORKS: [Network; 7] = [
    PLAIN,
    Network { attrs: &[("layout", 1)], peepholes: true, lengths: true, ..PLAIN },
    Network { attrs: &[("input_forget", 1)], activations: &["HardSigmoid", "Softsign", "Tanh"], ..PLAIN },
    Network { op: "GRU", gates: 3, ..PLAIN },
    Network { op: "GRU", gates: 3, attrs: &[("linear_before_reset", 1)], lengths: true, ..PLAIN },
    Network { op: "GRU", gates: 3, activations: &["Sigmoid", "Softsign"], lengths: true, ..PLAIN },
    Network { op: "RNN", gates: 1, lengths: true, ..PLAIN },
];

#[derive(Clone, Copy, Debug)]
struct Sizes {
    steps: usize,
    batch: usize,
    inputs: usize,
    hidden: usize,
    directions: usize,
    /// The hidden size with elements that stay zero.
    padded: usize,
}

/// Numbers between -1 and 1.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let number = |k: u32| (k.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    (0..len as u32).map(|k| number(k + 7919 * seed + 1)).collect()
}

impl Sizes {
    /// Blocks of `inner` numbers for each element, with zeros for those that stay zero.
    fn spread(&self, data: &[f32], inner: usize) -> Vec<f32> {
        let row = self.hidden * inner;
        let pad = (self.padded - self.hidden) * inner;
        data.chunks_exact(row).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, pad))).collect()
    }

    fn states(&self, seed: u32) -> Tensor {
        let data = numbers(self.directions * self.batch * self.hidden, seed);
        Tensor::new([self.directions, self.batch, self.padded], self.spread(&data, 1)).unwrap()
    }

    /// The elements of a result that are not zeros.
    fn own(&self, tensor: &Tensor) -> Vec<u32> {
        let rows = tensor.as_slice::<f32>().unwrap().chunks_exact(self.padded);
        rows.flat_map(|row| row[..self.hidden].iter().map(|x| x.to_bits())).collect()
    }
}

impl Network {
    fn outputs(&self) -> usize {
        if self.op == "LSTM" { 3 } else { 2 }
    }

    fn batch_first(&self) -> bool {
        self.attrs.contains(&("layout", 1))
    }

    /// X, perhaps lengths, and the initial states, where the layout is 0.
    fn inputs(&self, sizes: &Sizes) -> Vec<Tensor> {
        let &Sizes { steps, batch, inputs, .. } = sizes;
        let mut tensors = vec![Tensor::new([steps, batch, inputs], numbers(steps * batch * inputs, 1)).unwrap()];
        if self.lengths {
            let lengths = [steps as i32, 0, steps as i32 / 2].into_iter().cycle().take(batch).collect::<Vec<_>>();
            tensors.push(Tensor::new([batch], lengths).unwrap());
        }
        tensors.extend((1..self.outputs()).map(|k| sizes.states(10 + k as u32)));
        tensors
    }

    /// The model; `steps` names the size or is a number.
    fn graph(&self, sizes: &Sizes, steps: &str, direction: &str, constant: bool) -> (Graph, Vec<Tensor>) {
        let &Sizes { inputs, hidden, directions, padded, .. } = sizes;
        let mut b = GraphBuilder::new(22);
        let scale = |data: Vec<f32>, by: f32| data.into_iter().map(|x| x * by).collect::<Vec<_>>();
        let rows = directions * self.gates * hidden;
        let w = sizes.spread(&scale(numbers(rows * inputs, 2), 0.7), inputs);
        let each = 1.5 / (hidden as f32).sqrt();
        let r = sizes.spread(&sizes.spread(&scale(numbers(rows * hidden, 3), each), 1), padded);
        let bias = sizes.spread(&scale(numbers(2 * rows, 4), 0.3), 1);
        let given = self.inputs(sizes);
        let mut feeds = given.iter();
        let mut feed = |b: &mut GraphBuilder, name: &str| {
            let tensor = feeds.next().unwrap();
            let mut dims: Vec<String> = tensor.shape().iter().map(usize::to_string).collect();
            if name == "x" {
                dims[0] = steps.to_owned();
            }
            if self.batch_first() && dims.len() == 3 {
                dims.swap(0, 1);
            }
            Some(b.input(name, tensor.dtype(), dims.iter().map(String::as_str)))
        };
        let x = feed(&mut b, "x");
        let mut extra = Vec::new();
        let mut weight = |b: &mut GraphBuilder, shape: &[usize], data: Vec<f32>| {
            let tensor = Tensor::new(shape, data).unwrap();
            if constant {
                return Some(b.constant(tensor));
            }
            let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
            let id = b.input(&format!("weights {}", extra.len()), DType::F32, dims.iter().map(String::as_str));
            extra.push(tensor);
            Some(id)
        };
        let [gates, both] = [self.gates * padded, 2 * self.gates * padded];
        let mut all: Vec<Option<ValueId>> = vec![x];
        all.push(weight(&mut b, &[directions, gates, inputs], w));
        all.push(weight(&mut b, &[directions, gates, padded], r));
        all.push(weight(&mut b, &[directions, both], bias));
        let peepholes = sizes.spread(&numbers(directions * 3 * hidden, 5), 1);
        let peepholes = self.peepholes.then(|| weight(&mut b, &[directions, 3 * padded], peepholes)).flatten();
        all.push(if self.lengths { feed(&mut b, "lengths") } else { None });
        all.push(feed(&mut b, "h"));
        if self.op == "LSTM" {
            all.push(feed(&mut b, "c"));
            all.push(peepholes);
        }
        let mut attrs: Vec<(&str, Attr)> = self.attrs.iter().map(|&(name, value)| (name, Attr::Int(value))).collect();
        attrs.push(("hidden_size", Attr::Int(padded as i64)));
        attrs.push(("direction", Attr::Str(direction.into())));
        attrs.push(("clip", Attr::Float(1.5)));
        if !self.activations.is_empty() {
            let names = self.activations.repeat(directions).into_iter().map(str::to_owned).collect();
            attrs.push(("activations", Attr::Strs(names)));
        }
        let outputs = b.node_with(self.op, all, attrs, self.outputs());
        let graph = b.finish(outputs);
        // In the graph's order.
        let turned = given.into_iter().map(|tensor| if self.batch_first() { swapped(&tensor) } else { tensor });
        let mut turned = turned.collect::<Vec<_>>();
        let late = turned.split_off(1);
        (graph, turned.into_iter().chain(extra).chain(late).collect())
    }
}

/// With the first two dimensions of three exchanged.
fn swapped(tensor: &Tensor) -> Tensor {
    let &[a, b, c] = tensor.shape() else { return tensor.clone() };
    let data = tensor.as_slice::<f32>().unwrap();
    let turned = (0..b).flat_map(|j| (0..a).flat_map(move |i| data[(i * b + j) * c..][..c].iter().copied()));
    Tensor::new([b, a, c], turned.collect::<Vec<_>>()).unwrap()
}

/// The results, and how many dispatches the steps took.
fn run(graph: &Graph, class: DeviceClass, inputs: &[Tensor]) -> (Vec<Tensor>, usize) {
    let weights = Arc::new(ModelWeights::new());
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|tensor| tensor.shape().to_vec()).collect();
    let plan = plan(graph, &shapes, &weights, &target(class)).unwrap();
    let steps = plan.dispatches.iter().filter(|dispatch| dispatch.variant.kernel().family() == "recurrent").count();
    (direct().run(&plan, &weights, inputs).unwrap(), steps)
}

#[test]
fn many_steps_in_a_dispatch_have_the_bits_of_single_ones() {
    for (index, (network, hidden)) in NETWORKS.iter().zip([5, 8, 33, 64, 70, 101, 128]).enumerate() {
        for class in CLASSES {
            let sizes = Sizes { steps: 5, batch: 3, inputs: 4, hidden, directions: 2, padded: hidden };
            let constant = index % 2 == 0 || class == DeviceClass::Gpu;
            let case = format!("{} {index}, {class:?}, {sizes:?}", network.op);
            let (graph, inputs) = network.graph(&sizes, "5", "bidirectional", constant);
            let (many, dispatches) = run(&graph, class, &inputs);
            assert_eq!(dispatches, 1, "{case}");
            let singly = Sizes { padded: 259, ..sizes };
            let (graph, inputs) = network.graph(&singly, "5", "bidirectional", true);
            let (single, dispatches) = run(&graph, class, &inputs);
            let parts = if network.op == "GRU" && network.attrs.is_empty() { 2 } else { 1 };
            assert_eq!(dispatches, 5 * parts, "{case}");
            for (k, (many, single)) in many.iter().zip(&single).enumerate() {
                assert!(sizes.own(many) == singly.own(single), "output {k} of {case}");
            }
        }
    }
}

#[test]
fn a_long_sequence_goes_on_where_its_last_dispatch_ended() {
    for (class, hidden, each) in [(DeviceClass::Cpu, 256, 16), (DeviceClass::Gpu, 128, 64), (DeviceClass::Gpu, 126, 66)]
    {
        for direction in ["forward", "reverse"] {
            let sizes = Sizes { steps: 2 * each + 3, batch: 2, inputs: 3, hidden, directions: 1, padded: hidden };
            let (graph, inputs) = PLAIN.graph(&sizes, &sizes.steps.to_string(), direction, true);
            let (all, dispatches) = run(&graph, class, &inputs);
            assert_eq!(dispatches, 3, "{class:?} {sizes:?}");
            let one = Sizes { steps: 1, ..sizes };
            let (graph, mut fed) = PLAIN.graph(&one, "1", direction, true);
            let (x, y) = (inputs[0].as_slice::<f32>().unwrap(), all[0].as_slice::<f32>().unwrap());
            (fed[1], fed[2]) = (inputs[1].clone(), inputs[2].clone());
            for n in 0..sizes.steps {
                let t = if direction == "forward" { n } else { sizes.steps - 1 - n };
                let row = sizes.batch * sizes.inputs;
                fed[0] = Tensor::new([1, sizes.batch, sizes.inputs], x[t * row..][..row].to_vec()).unwrap();
                let (outputs, _) = run(&graph, class, &fed);
                let row = sizes.batch * hidden;
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                let single = outputs[0].as_slice::<f32>().unwrap();
                assert!(bits(&y[t * row..][..row]) == bits(single), "step {n}, {class:?} {direction} {sizes:?}");
                (fed[1], fed[2]) = (outputs[1].clone(), outputs[2].clone());
            }
            assert!(all[1].bytes() == fed[1].bytes() && all[2].bytes() == fed[2].bytes(), "{class:?} {direction}");
        }
    }
}

#[test]
fn a_template_serves_all_numbers_of_steps_that_take_as_many_dispatches() {
    for network in NETWORKS.iter().filter(|network| !network.batch_first()) {
        let shapes = |steps: usize| {
            let sizes = Sizes { steps, batch: 2, inputs: 3, hidden: 64, directions: 1, padded: 64 };
            let (graph, inputs) = network.graph(&sizes, "steps", "forward", true);
            (graph, inputs.iter().map(|tensor| tensor.shape().to_vec()).collect::<Vec<_>>())
        };
        let (graph, traced) = shapes(9);
        let weights = Arc::new(ModelWeights::new());
        let made = template(&graph, &traced, &weights, &target(DeviceClass::Cpu)).unwrap();
        let serves = |steps: usize| {
            let symbols = Symbols::of(&graph, &shapes(steps).1, &[], &[]).unwrap();
            made.bind(&symbols).is_some()
        };
        let most = (1 << 22) / (network.gates * 64 * 64);
        assert!([2, 3, 10, most].into_iter().all(serves), "{} up to {most}", network.op);
        assert!(!serves(most + 1), "{}", network.op);
    }
}
