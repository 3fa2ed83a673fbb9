//! The zoo's models load, with the generator's weights.

use std::path::PathBuf;

use fascine::graph::Dim;
use fascine::onnx::{self, LoadOptions};
use fascine::ops::Operators;
use fascine::optimise::infer::infer;
use fascine::optimise::optimise;

fn zoo(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/zoo").join(format!("{name}.onnx"))
}

#[test]
fn models_load_with_synthetic_weights() {
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    // Parameters and nodes (without constants) as the zoo's index states them.
    for (name, parameters, nodes) in [
        ("squeezenet1_1", 1_235_496, 65),
        ("resnet18", 11_684_712, 49),
        ("mobilenet_v2", 3_538_984, 222 - 70),
        ("minilm", 22_565_376, 679 - 227),
        ("lstm_vad", 117_569, 43 - 17),
    ] {
        let graph = onnx::load(zoo(name), &options).unwrap();
        assert_eq!(graph.nodes.len(), nodes, "{name}");
        let floats: usize = graph
            .values
            .iter()
            .filter_map(|v| v.constant.as_ref())
            .filter(|t| t.as_slice::<f32>().is_ok())
            .map(|t| t.len())
            .sum();
        assert!(floats.abs_diff(parameters) < 60_000, "{name}: {floats} floats of constants, {parameters} parameters");
    }
}

#[test]
fn dimensions_keep_their_names() {
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let graph = onnx::load(zoo("resnet18"), &options).unwrap();
    let symbol = |name: &str| Dim::Symbol(name.to_owned());
    let shape = graph.value(graph.inputs[0]).shape.as_deref();
    assert_eq!(shape, Some(&[symbol("batch"), Dim::Known(3), symbol("height"), symbol("width")][..]));
}

#[test]
fn copies_get_other_weights() {
    let load =
        |seed| onnx::load(zoo("lstm_vad"), &LoadOptions { synthetic_weights: true, seed, ..LoadOptions::default() });
    let weights = |seed| {
        let graph = load(seed).unwrap();
        graph.values.into_iter().filter_map(|v| v.constant).collect::<Vec<_>>()
    };
    assert_eq!(weights(0), weights(0));
    assert_ne!(weights(0), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn without_the_flag_a_missing_weight_file_is_an_error() {
    let error = onnx::load(zoo("resnet18"), &LoadOptions::default()).unwrap_err();
    assert_eq!(error.kind(), fascine::error::ErrorKind::Io);
    assert!(error.to_string().contains("resnet18.bin"), "{error}");
}

#[test]
fn rewrites_fuse_what_exporters_decompose() {
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    for (name, rule, at_least) in [
        ("squeezenet1_1", "FuseEpilogue", 26),
        ("resnet18", "FuseEpilogue", 17 + 8),
        ("mobilenet_v2", "FoldBatchNorm", 52),
        ("mobilenet_v2", "FuseEpilogue", 35 + 10),
        ("minilm", "FuseAttention", 6),
        ("minilm", "FuseGelu", 6),
        ("minilm", "FuseEpilogue", 6 * 6),
        ("lstm_vad", "FuseEpilogue", 3),
        ("minilm", "JoinProducts", 6),
        ("llama_tiny_kv", "FuseRmsNorm", 9),
        ("llama_tiny_kv", "FuseRotary", 8),
        ("llama_tiny_kv", "JoinProducts", 8),
        ("llama_tiny_kv", "JoinRotaries", 4),
        ("llama_tiny_kv", "TransposeThroughReshapes", 4),
        ("gpt2_small_kv", "UnflattenGemm", 24),
        ("whisper_tiny_decoder_kv", "JoinProducts", 8),
        ("whisper_tiny_decoder_kv", "MergeDuplicates", 3),
        ("resnet18_int8", "MultiplyIntegers", 20 + 1),
    ] {
        let mut graph = onnx::load(zoo(name), &options).unwrap();
        let mut operators = Operators::default();
        infer(&mut graph, &mut operators).unwrap();
        let before = graph.nodes.len();
        let report = optimise(&mut graph, &mut operators);
        println!("{name}: {before} -> {} nodes", graph.nodes.len());
        assert!(report.fired(rule) >= at_least, "{name}: {rule} fired {} times: {report:#?}", report.fired(rule));
    }
}
