//! Operators against reference values from onnxruntime: the cases of `tests/operators/*.json` on the plain path.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use common::direct::{direct, target};
use fascine::graph::{Attr, Dim, Graph, Node, Value, ValueId};
use fascine::lower::DeviceClass;
use fascine::lower::ModelWeights;
use fascine::ops::{Operators, lookup};
use fascine::optimise::objection::refusal;
use fascine::optimise::prepare;
use fascine::plan::plan;
use fascine::tensor::{DType, Tensor, TensorData};
use serde_json::Value as Json;

fn dtype(name: &str) -> DType {
    fascine::reference::parse_dtype(name).unwrap_or_else(|error| panic!("{error}"))
}

fn tensor(json: &Json) -> Tensor {
    let shape: Vec<usize> = json["shape"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect();
    let items = json["data"].as_array().unwrap();
    let float = |v: &Json| match v {
        Json::String(s) => s.parse::<f64>().unwrap(),
        v => v.as_f64().unwrap(),
    };
    let int = |v: &Json| v.as_i64().unwrap();
    let data = match dtype(json["dtype"].as_str().unwrap()) {
        DType::F32 => TensorData::F32(items.iter().map(|v| float(v) as f32).collect()),
        DType::F16 => TensorData::F16(items.iter().map(|v| half::f16::from_f64(float(v))).collect()),
        DType::Bf16 => TensorData::Bf16(items.iter().map(|v| half::bf16::from_f64(float(v))).collect()),
        small if small.size() == 1 && !matches!(small, DType::I8 | DType::U8 | DType::Bool) => {
            let bits: Vec<u8> = items.iter().map(|v| int(v) as u8).collect();
            TensorData::from_le_bytes(small, &bits).unwrap()
        }
        DType::I64 => TensorData::I64(items.iter().map(int).collect()),
        DType::I32 => TensorData::I32(items.iter().map(|v| int(v) as i32).collect()),
        DType::I16 => TensorData::I16(items.iter().map(|v| int(v) as i16).collect()),
        DType::I8 => TensorData::I8(items.iter().map(|v| int(v) as i8).collect()),
        DType::U32 => TensorData::U32(items.iter().map(|v| int(v) as u32).collect()),
        DType::U64 => TensorData::U64(items.iter().map(|v| v.as_u64().unwrap()).collect()),
        DType::U16 => TensorData::U16(items.iter().map(|v| int(v) as u16).collect()),
        DType::U8 => TensorData::U8(items.iter().map(|v| int(v) as u8).collect()),
        DType::Bool => TensorData::Bool(items.iter().map(|v| v.as_bool().unwrap()).collect()),
        other => panic!("{other} data"),
    };
    Tensor::from_data(shape, data).unwrap()
}

fn attrs(json: &Json) -> BTreeMap<String, Attr> {
    let convert = |value: &Json| -> Attr {
        let kind = value["type"].as_str().unwrap();
        let value = &value["value"];
        let list = || value.as_array().unwrap().iter();
        match kind {
            "int" => Attr::Int(value.as_i64().unwrap()),
            "float" => Attr::Float(value.as_f64().unwrap() as f32),
            "str" => Attr::Str(value.as_str().unwrap().to_owned()),
            "ints" => Attr::Ints(list().map(|v| v.as_i64().unwrap()).collect()),
            "floats" => Attr::Floats(list().map(|v| v.as_f64().unwrap() as f32).collect()),
            "strs" => Attr::Strs(list().map(|v| v.as_str().unwrap().to_owned()).collect()),
            "tensor" => Attr::Tensor(tensor(value)),
            other => panic!("attribute type {other}"),
        }
    };
    json.as_object().unwrap().iter().map(|(name, value)| (name.clone(), convert(value))).collect()
}

/// A graph of the case's one node; inputs marked `constant` become constants.
fn graph(case: &Json) -> (Graph, Vec<Tensor>) {
    let mut graph = Graph::default();
    let mut node = Node {
        name: "case".into(),
        domain: case["domain"].as_str().unwrap_or_default().into(),
        op: case["op"].as_str().unwrap().into(),
        opset: case["opset"].as_i64().unwrap(),
        attrs: attrs(&case["attrs"]),
        ..Node::default()
    };
    let mut fed = Vec::new();
    for (index, input) in case["inputs"].as_array().unwrap().iter().enumerate() {
        if input.is_null() {
            node.inputs.push(None);
            continue;
        }
        let value = tensor(input);
        let is_constant = input["constant"].as_bool().unwrap_or(false);
        let id = graph.add_value(Value {
            name: format!("input{index}"),
            dtype: Some(value.dtype()),
            shape: Some(value.shape().iter().map(|&d| Dim::Known(d)).collect()),
            constant: is_constant.then(|| value.clone()),
            ..Value::default()
        });
        if !is_constant {
            graph.inputs.push(id);
            fed.push(value);
        }
        node.inputs.push(Some(id));
    }
    for (index, output) in case["outputs"].as_array().unwrap().iter().enumerate() {
        let id: Option<ValueId> =
            (!output.is_null()).then(|| graph.add_value(Value { name: format!("output{index}"), ..Value::default() }));
        node.outputs.push(id);
        graph.outputs.extend(id);
    }
    graph.add_node(node);
    (graph, fed)
}

/// Where the tensors differ by more than the tolerance, if they do. An element may be that of `flushed` as well: what comes of
/// inputs whose denormals are taken as zeros, as WGSL allows.
fn difference(got: &Tensor, want: &Tensor, flushed: Option<&Tensor>, rtol: f64, atol: f64) -> Option<String> {
    if (got.dtype(), got.shape()) != (want.dtype(), want.shape()) {
        return Some(format!("got {}{:?}, want {}{:?}", got.dtype(), got.shape(), want.dtype(), want.shape()));
    }
    let floats = |tensor: &Tensor| match tensor.data() {
        TensorData::F32(data) => Some(data.clone()),
        TensorData::F16(data) => Some(data.iter().map(|x| x.to_f32()).collect()),
        TensorData::Bf16(data) => Some(data.iter().map(|x| x.to_f32()).collect()),
        _ => None,
    };
    let (Some(got), Some(want)) = (floats(got), floats(want)) else {
        return (got != want).then(|| format!("got {got:?}, want {want:?}"));
    };
    let close = |g: f64, w: f64| (g.is_nan() && w.is_nan()) || g == w || (g - w).abs() <= atol + rtol * w.abs();
    let flushed = flushed.and_then(floats);
    let right = |i: usize| {
        let mut allowed = std::iter::once(want[i]).chain(flushed.as_ref().map(|flushed| flushed[i]));
        allowed.any(|want| close(f64::from(got[i]), f64::from(want)))
    };
    let wrong: Vec<usize> = (0..got.len()).filter(|&i| !right(i)).collect();
    let first = *wrong.first()?;
    Some(format!("{} of {} differ; at {first}: got {}, want {}", wrong.len(), got.len(), got[first], want[first]))
}

/// The graph as it is planned: an operator without kernels of its own is others.
fn prepared(mut graph: Graph) -> fascine::Result<Graph> {
    if graph.nodes.iter().any(|node| lookup(&node.domain, &node.op).is_none() || has_body(node)) {
        let objections = prepare(&mut graph, &mut Operators::default());
        refusal(&graph, &objections)?;
    }
    Ok(graph)
}

/// Whether a node that has kernels may be other nodes.
fn has_body(node: &Node) -> bool {
    node.op == "BatchNormalization" && node.attrs.contains_key("training_mode")
}

fn run(case: &Json, class: DeviceClass) -> Result<(), String> {
    let (graph, inputs) = graph(case);
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|t| t.shape().to_vec()).collect();
    let weights = Arc::new(ModelWeights::new());
    let outcome = prepared(graph)
        .and_then(|graph| plan(&graph, &shapes, &weights, &target(class)))
        .and_then(|plan| direct().run(&plan, &weights, &inputs));
    let got = match (outcome, case["error"].as_str()) {
        (Err(error), Some(part)) if error.to_string().contains(part) => return Ok(()),
        (Err(error), _) => return Err(format!("{error:?}")),
        (Ok(_), Some(part)) => return Err(format!("no error with '{part}'")),
        (Ok(got), None) => got,
    };
    let rtol = case["rtol"].as_f64().unwrap_or(1e-5);
    let atol = case["atol"].as_f64().unwrap_or(1e-6);
    let outputs = |json: &Json| -> Vec<Tensor> {
        json.as_array().into_iter().flatten().filter(|output| !output.is_null()).map(tensor).collect()
    };
    let (want, flushed) = (outputs(&case["outputs"]), outputs(&case["flushed"]));
    if got.len() != want.len() {
        return Err(format!("{} outputs, want {}", got.len(), want.len()));
    }
    for (index, (got, want)) in got.iter().zip(&want).enumerate() {
        if let Some(difference) = difference(got, want, flushed.get(index), rtol, atol) {
            return Err(format!("output {index}: {difference}"));
        }
    }
    Ok(())
}

/// Runs every case of a family on every kernel variant class and reports all failures together.
fn family(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    let cases: Json = serde_json::from_str(&text).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(!cases.is_empty(), "{name} has no cases");
    let only = std::env::var("FASCINE_CASE").ok();
    let mut failures = String::new();
    let mut failed = 0;
    for case in cases {
        let label = format!("{} ({} opset {})", case["name"].as_str().unwrap(), case["op"], case["opset"]);
        if only.as_ref().is_some_and(|only| !label.contains(only.as_str())) {
            continue;
        }
        for class in [DeviceClass::Cpu, DeviceClass::Gpu] {
            if let Err(why) = run(case, class) {
                failed += 1;
                writeln!(failures, "  {label}, {class:?}: {why}").unwrap();
            }
        }
    }
    assert!(failed == 0, "{failed} failures in {} cases of {name}:\n{failures}", cases.len());
}

macro_rules! families {
    ($($name:ident),* $(,)?) => {
        $(#[test] fn $name() { family(stringify!($name)); })*
    };
}

families! {
    attention,
    batch_norm,
    conv,
    einsum,
    elementwise,
    empty,
    fused_attention,
    layout,
    linear_attention,
    loss,
    microsoft,
    ml,
    movement,
    narrow,
    norm,
    order,
    quantise,
    random,
    reduce,
    resize,
    rnn,
    rotary,
    sampling,
    signal,
    storage,
    types,
    windows,
}
