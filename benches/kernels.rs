//! Kernels against the floor of the adapter: GFLOP/s of layers of the zoo's models beside a kernel that only multiplies
//! and adds (the floor also tells of one that only copies). Each layer is a model of one node; times are the device's where it has
//! timestamps. `kernels NAME` runs the layers whose label contains NAME.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::floor::{Floor, time};
use common::{Table, arguments};
use fascine::graph::{Attr, Dim, Graph, Node, Value};
use fascine::{DType, Options, Runtime, Tensor};

const RUNS: usize = 9;

/// A convolution: label, channels in, size of the square input, channels out, kernel, stride, padding, groups.
type Conv = (&'static str, usize, usize, usize, usize, usize, usize, usize);

const CONVS: &[Conv] = &[
    ("squeezenet stem 3x3/2", 3, 224, 64, 3, 2, 0, 1),
    ("squeezenet squeeze 55", 128, 55, 16, 1, 1, 0, 1),
    ("squeezenet expand 1x1 55", 16, 55, 64, 1, 1, 0, 1),
    ("squeezenet expand 3x3 55", 16, 55, 64, 3, 1, 1, 1),
    ("squeezenet expand 3x3 27", 32, 27, 128, 3, 1, 1, 1),
    ("squeezenet expand 3x3 13", 64, 13, 256, 3, 1, 1, 1),
    ("squeezenet classifier 13", 512, 13, 1000, 1, 1, 0, 1),
    ("resnet stem 7x7/2", 3, 224, 64, 7, 2, 3, 1),
    ("resnet 3x3 56", 64, 56, 64, 3, 1, 1, 1),
    ("resnet 3x3/2 56", 64, 56, 128, 3, 2, 1, 1),
    ("resnet 3x3 28", 128, 28, 128, 3, 1, 1, 1),
    ("resnet 3x3 14", 256, 14, 256, 3, 1, 1, 1),
    ("resnet 3x3 7", 512, 7, 512, 3, 1, 1, 1),
    ("resnet down 1x1/2 56", 64, 56, 128, 1, 2, 0, 1),
    ("mobilenet stem 3x3/2", 3, 224, 32, 3, 2, 1, 1),
    ("mobilenet depthwise 112", 32, 112, 32, 3, 1, 1, 32),
    ("mobilenet depthwise/2 112", 96, 112, 96, 3, 2, 1, 96),
    ("mobilenet depthwise 14", 384, 14, 384, 3, 1, 1, 384),
    ("mobilenet expand 112", 16, 112, 96, 1, 1, 0, 1),
    ("mobilenet project 56", 144, 56, 24, 1, 1, 0, 1),
    ("mobilenet expand 14", 64, 14, 384, 1, 1, 0, 1),
    ("mobilenet project 14", 384, 14, 64, 1, 1, 0, 1),
    ("mobilenet last 7", 320, 7, 1280, 1, 1, 0, 1),
];

/// A matrix product with constant right side: label, rows, depth, columns.
const PRODUCTS: &[(&str, usize, usize, usize)] = &[
    ("resnet classifier", 1, 512, 1000),
    ("mobilenet classifier", 1, 1280, 1000),
    ("minilm query", 12, 384, 384),
    ("minilm up", 12, 384, 1536),
    ("minilm down", 12, 1536, 384),
    ("square 256", 256, 256, 256),
    ("square 512", 512, 512, 512),
];

/// A matrix product with constant left side: label, rows, depth, columns.
const LEFT_PRODUCTS: &[(&str, usize, usize, usize)] =
    &[("recurrent vector", 512, 512, 1), ("recurrent 4", 512, 512, 4)];

struct Layer {
    label: &'static str,
    graph: Graph,
    input: Vec<usize>,
    flops: f64,
}

fn values(shape: &[usize], seed: u32) -> Tensor {
    let mut state = seed;
    let data = (0..shape.iter().product::<usize>())
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect::<Vec<f32>>();
    Tensor::new(shape, data).expect("as many values as the shape says")
}

fn layer(label: &'static str, op: &str, attrs: BTreeMap<String, Attr>, input: &[usize], weight: &[usize]) -> Layer {
    let mut graph = Graph { name: label.into(), ..Graph::default() };
    let x = graph.add_value(Value {
        name: "x".into(),
        dtype: Some(DType::F32),
        shape: Some(input.iter().map(|&d| Dim::Known(d)).collect()),
        ..Value::default()
    });
    let constant = Some(values(weight, 7));
    let w = graph.add_value(Value { name: "w".into(), dtype: Some(DType::F32), constant, ..Value::default() });
    let y = graph.add_value(Value { name: "y".into(), ..Value::default() });
    graph.inputs.push(x);
    graph.outputs.push(y);
    graph.add_node(Node {
        name: label.into(),
        op: op.into(),
        opset: 13,
        attrs,
        inputs: vec![Some(x), Some(w)],
        outputs: vec![Some(y)],
        ..Node::default()
    });
    Layer { label, graph, input: input.to_vec(), flops: 0.0 }
}

fn layers() -> Vec<Layer> {
    let convs = CONVS.iter().map(|&(label, cin, size, cout, kernel, stride, pad, groups)| {
        let list = |value: usize, count| Attr::Ints(vec![value as i64; count]);
        let attrs = [("strides", list(stride, 2)), ("pads", list(pad, 4)), ("group", Attr::Int(groups as i64))];
        let attrs = attrs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let out = (size + 2 * pad - kernel) / stride + 1;
        let flops = 2.0 * (cout * out * out * kernel * kernel * cin / groups) as f64;
        let weight = [cout, cin / groups, kernel, kernel];
        Layer { flops, ..layer(label, "Conv", attrs, &[1, cin, size, size], &weight) }
    });
    let products = PRODUCTS.iter().map(|&(label, rows, depth, columns)| {
        let flops = 2.0 * (rows * depth * columns) as f64;
        Layer { flops, ..layer(label, "MatMul", BTreeMap::new(), &[rows, depth], &[depth, columns]) }
    });
    let left = LEFT_PRODUCTS.iter().map(|&(label, rows, depth, columns)| {
        let mut layer = layer(label, "MatMul", BTreeMap::new(), &[depth, columns], &[rows, depth]);
        Arc::make_mut(&mut layer.graph.nodes[0]).inputs.reverse();
        Layer { flops: 2.0 * (rows * depth * columns) as f64, ..layer }
    });
    convs.chain(products).chain(left).collect()
}

fn main() -> fascine::Result<()> {
    let only = arguments().into_iter().next().unwrap_or_default();
    let runtime = Runtime::new(Options::default())?;
    println!("## Kernels\n\nAdapter: {}. Median of {RUNS} runs.\n", runtime.adapter());

    let floor = Floor::measure(&runtime)?;
    println!("Floor: {floor}.\n");

    let mut table = Table::new(["layer", "MFLOP", "ms", "GFLOP/s", "of peak", "first ms"]);
    for layer in layers().into_iter().filter(|layer| layer.label.contains(&only)) {
        let model = runtime.load_graph(layer.graph)?;
        let input = values(&layer.input, 3);
        let (seconds, first) = time(RUNS, || model.request().input("x", input.clone())?.submit()?.wait())?;
        let rate = layer.flops / seconds / 1e9;
        table.row([
            layer.label.to_owned(),
            format!("{:.1}", layer.flops / 1e6),
            format!("{:.3}", seconds * 1e3),
            format!("{rate:.1}"),
            format!("{:.0} %", 100.0 * rate * 1e9 / floor.flops),
            format!("{:.0}", first * 1e3),
        ]);
    }
    table.print();
    Ok(())
}
