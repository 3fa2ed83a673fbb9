//! `fascine devices` and `fascine check`.

use std::path::Path;

use crate::process::{ROOT, VAD, fails, json, run, stderr, stdout, text, vad};
use serde_json::Value;

#[test]
fn devices_lists_adapters() {
    assert!(text(&["devices"]).contains("largest buffer"));
    let devices = json(&["devices"]);
    let adapters = devices["adapters"].as_array().unwrap();
    assert!(!adapters.is_empty());
    assert_eq!(adapters[0]["index"], 0);
    assert!(adapters[0]["caps"]["name"].is_string() && adapters[0]["missing"].is_array());
    let fit = adapters.iter().find(|adapter| adapter["unfit"].is_null()).unwrap();
    assert!(fit["measured"]["parallelism"].is_null() || fit["measured"]["parallelism"].as_u64() > Some(0), "{fit}");
}

#[test]
fn check_says_what_a_model_needs() {
    let report = json(&vad(&["check", VAD], &[]));
    assert_eq!(report["runs"], true);
    assert_eq!(report["inputs"][0]["name"], "audio");
    assert_eq!(report["inputs"][0]["dtype"], "f32");
    assert_eq!(report["inputs"][0]["shape"][0], "batch");
    assert_eq!(report["outputs"].as_array().unwrap().len(), 3);
    assert_eq!(report["unsupported"].as_array().unwrap().len(), 0);
    let operators = report["operators"].as_array().unwrap();
    assert!(operators.iter().any(|o| o["operator"] == "LSTM" && o["nodes"] == 2 && o["supported"] == true));
    for figure in ["dispatches", "bundles", "variants", "weight_bytes", "peak_heap_bytes", "flops"] {
        assert!(report[figure].as_u64().unwrap() > 0, "{figure}");
    }
    let text = text(&vad(&["check", VAD], &[]));
    assert!(text.contains("LSTM") && text.contains("heap of a request, peak"), "{text}");
}

#[test]
fn check_without_sizes_names_the_open_dimensions() {
    let report = json(&["check", VAD, "--synthetic-weights"]);
    assert_eq!(report["open_dims"], serde_json::json!(["batch", "samples"]));
    assert!(report["dispatches"].is_null());
    let hop = "(((samples - 1)/5 - 3)/4 - 1)/2 + 1";
    assert_eq!(report["outputs"][0]["shape"], serde_json::json!(["batch", hop]));
    assert!(text(&["check", VAD, "--synthetic-weights"]).contains("--dim samples=N"));
}

/// A model of these nodes, each from `x` (f32[2]) to an output of its own.
fn model(nodes: &[(&str, &str)]) -> Vec<u8> {
    use fascine::onnx::proto::{
        DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TensorType,
        TypeProto, TypeValue, ValueInfoProto,
    };
    use prost::Message as _;
    let some = |text: &str| Some(text.to_owned());
    let info = |name: &str| {
        let dim = vec![Dimension { dim_value: Some(2), dim_param: None }];
        let tensor = TensorType { elem_type: Some(DataType::Float.into()), shape: Some(TensorShapeProto { dim }) };
        ValueInfoProto { name: some(name), r#type: Some(TypeProto { value: Some(TypeValue::Tensor(tensor)) }) }
    };
    let node = |&(name, op): &(&str, &str)| NodeProto {
        name: some(name),
        op_type: some(op),
        input: vec!["x".to_owned()],
        output: vec![format!("{name}_out")],
        ..NodeProto::default()
    };
    let graph = GraphProto {
        node: nodes.iter().map(node).collect(),
        input: vec![info("x")],
        output: nodes.iter().map(|(name, _)| info(&format!("{name}_out"))).collect(),
        ..GraphProto::default()
    };
    let opset_import = vec![OperatorSetIdProto { domain: some(""), version: Some(17) }];
    ModelProto { ir_version: Some(8), opset_import, graph: Some(graph), ..ModelProto::default() }.encode_to_vec()
}

#[test]
fn check_without_sizes_says_no_to_what_none_can_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flat.onnx");
    std::fs::write(&path, model(&[("fine", "Relu"), ("flat", "GlobalAveragePool")])).unwrap();
    fails(&["check", path.to_str().unwrap()], &["flat.onnx", "1 nodes"]);
}

#[test]
fn every_node_without_support_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("strange.onnx");
    std::fs::write(&path, model(&[("first", "Nonesuch"), ("fine", "Relu"), ("second", "Einsum")])).unwrap();
    let path = path.to_str().unwrap();
    fails(&["check", path], &["strange.onnx", "2 nodes"]);
    for command in ["run", "mix"] {
        fails(&[command, path], &["strange.onnx", "first", "Nonesuch"]);
    }
    let output = run(&["check", path]);
    let text = stdout(&output) + &stderr(&output);
    for word in ["first", "Nonesuch", "second", "Einsum", "17", "f32[2]"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    let output = run(&["check", path, "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let unsupported = report["unsupported"].as_array().unwrap();
    assert_eq!(unsupported.len(), 2, "{report}");
    assert_eq!(report["runs"], false);
}

#[test]
fn check_says_what_was_unfolded() {
    let case = |name: &str| Path::new(ROOT).join("tests/cases").join(name).join("model.onnx").display().to_string();
    let report = json(&["check", &case("function-nested")]);
    assert_eq!(report["functions"][1], serde_json::json!({"function": "test.Outer", "calls": 2}));
    let report = json(&["check", &case("if-constant")]);
    assert_eq!(report["branches"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(report["branches"][0]["branch"], "then");
    let table = text(&["check", &case("group-normalization")]);
    assert!(table.contains("GroupNormalization (1 calls)"), "{table}");
}
