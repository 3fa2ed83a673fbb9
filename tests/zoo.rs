//! The models of `tests/zoo` against onnxruntime's outputs: each alone, and all of them at once.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::OnceLock;
use std::time::Duration;

use fascine::link::Clamp;
use fascine::lower::DeviceClass;
use fascine::reference::{Case, Suite};
use fascine::{LoadOptions, Model, Options, Request, Runtime, Tensor};

const ZOO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zoo");
/// In half precision.
const HALVES: [&str; 2] = ["resnet18_f16", "minilm_f16"];
const MODELS: [&str; 5] = ["squeezenet1_1", "resnet18", "mobilenet_v2", "minilm", "lstm_vad"];
/// Quantised: a graph of dynamic quantisations and integer products, one of Q/DQ pairs, one of products with 4-bit weights.
const QUANTISED: [&str; 3] = ["minilm_int8", "resnet18_int8", "llama_tiny_q4"];
/// What has a kernel of every sort, of those that are quickly compiled and run.
const QUICK: [&str; 4] = ["squeezenet1_1", "minilm", "lstm_vad", "minilm_int8"];
/// The others in f32, from both of PyTorch's exporters.
const OTHERS: [&str; 12] = [
    "efficientnet_b0",
    "gpt2_small_kv",
    "llama_tiny_kv",
    "llama_tiny_kv_op23",
    "mobilenet_v3_small",
    "resnet50",
    "shufflenet_v2_x0_5",
    "unet_small",
    "unet_small_dyn",
    "vit_tiny_patch16_224",
    "whisper_tiny_decoder_kv",
    "whisper_tiny_encoder",
];

fn runtime() -> Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(Options::default()).unwrap()).clone()
}

fn load(name: &str) -> (Suite, Model) {
    load_on(&runtime(), name)
}

fn load_on(runtime: &Runtime, name: &str) -> (Suite, Model) {
    let suite = Suite::open(ZOO, name).unwrap();
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = runtime.load_with(&suite.model, &options).unwrap();
    (suite, model)
}

fn submit(model: &Model, case: &Case, deadline: Option<Duration>) -> Request {
    let mut request = model.request();
    for (name, tensor) in &case.inputs {
        request = request.input(name, tensor.clone()).unwrap();
    }
    if let Some(deadline) = deadline {
        request = request.deadline(deadline);
    }
    request.submit().unwrap()
}

type Outputs = Vec<(String, Tensor)>;

/// The outputs of a request, checked against the case.
fn collect(name: &str, case: &Case, request: Request) -> Outputs {
    let done = request.wait().unwrap_or_else(|error| panic!("{name}, {}: {error}", case.name));
    let deviation = case.check(done.outputs()).unwrap_or_else(|why| panic!("{name}, {}: {why}", case.name));
    println!(
        "{name}, {}: {:.2} of the tolerance, nrmse {:.1e}, {:?}",
        case.name,
        deviation.worst,
        deviation.nrmse,
        done.timing().total
    );
    done.outputs().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
}

fn bits(outputs: &Outputs) -> Vec<(&str, &[usize], &[u8])> {
    outputs.iter().map(|(name, tensor)| (name.as_str(), tensor.shape(), tensor.bytes())).collect()
}

fn alone(name: &str) {
    let (suite, model) = load(name);
    assert!(!suite.cases.is_empty());
    for case in &suite.cases {
        collect(name, case, submit(&model, case, None));
    }
}

#[test]
fn squeezenet1_1_matches_its_reference() {
    alone("squeezenet1_1");
}

#[test]
fn resnet18_matches_its_reference() {
    alone("resnet18");
}

#[test]
fn mobilenet_v2_matches_its_reference() {
    alone("mobilenet_v2");
}

#[test]
fn minilm_matches_its_reference() {
    alone("minilm");
}

#[test]
fn lstm_vad_matches_its_reference() {
    alone("lstm_vad");
}

#[test]
fn models_of_half_precision_match_their_references() {
    HALVES.into_iter().for_each(alone);
}

#[test]
fn quantised_models_match_their_references() {
    QUANTISED.into_iter().for_each(alone);
}

/// Weights of quantised models lie as they are stored: within a tenth of their bytes in the file.
#[test]
fn quantised_weights_stay_packed() {
    for (name, file) in QUANTISED.into_iter().zip([22_657_731, 11_777_667, 11_551_973]) {
        let runtime = Runtime::new(Options::default()).unwrap();
        let (suite, model) = load_on(&runtime, name);
        collect(name, &suite.cases[0], submit(&model, &suite.cases[0], None));
        let bytes = runtime.stats().unwrap().memory.weights_used;
        assert!(bytes * 10 < file * 11, "{name}: {bytes} bytes of weights, {file} in the file");
    }
}

/// Dispatches divided into many lanes have the bits of whole ones.
#[test]
fn quantised_models_have_the_same_bits_in_parts() {
    let schedule = fascine::schedule::Options { slice: 500_000, ..fascine::schedule::Options::for_parallelism(4) };
    let parted = Runtime::new(Options { schedule: Some(schedule), ..Options::default() }).unwrap();
    for name in QUANTISED {
        let (suite, whole) = load(name);
        let (_, model) = load_on(&parted, name);
        let case = &suite.cases[0];
        let whole = collect(name, case, submit(&whole, case, None));
        assert!(bits(&collect(name, case, submit(&model, case, None))) == bits(&whole), "{name}: bits differ");
    }
}

/// Every case of the other models alone, then the whole zoo's cases all in flight together: no bit differs from alone.
#[test]
fn other_models_match_their_references_and_the_whole_zoo_at_once_itself_alone() {
    let runtime = Runtime::new(Options::default()).unwrap();
    // So many kernels in one pipeline take a CPU's driver minutes; the test below has merged ones.
    runtime.set_merging(false).unwrap();
    let loaded: Vec<(Suite, Model)> =
        MODELS.iter().chain(&HALVES).chain(&QUANTISED).chain(&OTHERS).map(|name| load_on(&runtime, name)).collect();
    let cases = || loaded.iter().flat_map(|(suite, model)| suite.cases.iter().map(move |case| (suite, model, case)));
    let alone: Vec<Outputs> =
        cases().map(|(suite, model, case)| collect(&suite.name, case, submit(model, case, None))).collect();
    let submitted: Vec<Request> =
        cases().map(|(_, model, case)| submit(model, case, Some(Duration::from_millis(500)))).collect();
    for (((suite, _, case), alone), request) in cases().zip(&alone).zip(submitted) {
        let outputs = collect(&suite.name, case, request);
        assert!(bits(&outputs) == bits(alone), "{}, {}: bits differ from alone", suite.name, case.name);
    }
}

/// Every case of several models twice, all in flight together and with merged pipelines: the references hold, and no bit differs
/// from alone.
#[test]
fn models_in_merged_pipelines_match_their_references_and_themselves_alone() {
    let loaded: Vec<(Suite, Model)> = QUICK.iter().chain(&["minilm_f16"]).map(|name| load(name)).collect();
    let cases = || loaded.iter().flat_map(|(suite, model)| suite.cases.iter().map(move |case| (suite, model, case)));
    let alone: Vec<Outputs> =
        cases().map(|(suite, model, case)| collect(&suite.name, case, submit(model, case, None))).collect();

    let mut flights = Vec::new();
    for deadline in [None, Some(Duration::from_millis(200))] {
        for (at, (suite, model, case)) in cases().enumerate() {
            flights.push((at, suite, case, submit(model, case, deadline)));
        }
    }
    for (at, suite, case, request) in flights {
        let outputs = collect(&suite.name, case, request);
        assert!(bits(&outputs) == bits(&alone[at]), "{}, {}: bits differ from alone", suite.name, case.name);
    }
    let stats = runtime().stats().unwrap();
    assert!(stats.lanes > stats.bundles, "nothing was bundled: {stats:?}");
}

/// The project's kernels run without clamps; with every index clamped they give the same bits, so none reaches outside.
#[test]
fn clamping_every_index_changes_no_bit() {
    let clamped = Runtime::new(Options { clamp: Clamp::All, ..Options::default() }).unwrap();
    for name in QUICK {
        let (suite, plain) = load(name);
        let (_, model) = load_on(&clamped, name);
        let case = &suite.cases[0];
        let plain = collect(name, case, submit(&plain, case, None));
        assert!(bits(&collect(name, case, submit(&model, case, None))) == bits(&plain), "{name}: bits differ");
    }
}

/// What the rules for transformers' layers come to, for the first case: what is fused must not come apart unseen.
#[test]
fn dispatches_stay_few() {
    for (name, most) in [
        ("gpt2_small_kv", 67),
        ("llama_tiny_kv", 60),
        ("llama_tiny_kv_op23", 59),
        ("minilm", 60),
        ("minilm_int8", 121),
        ("resnet18", 23),
        ("resnet18_int8", 45),
        ("vit_tiny_patch16_224", 89),
        ("whisper_tiny_decoder_kv", 67),
        ("whisper_tiny_encoder", 32),
    ] {
        let (suite, model) = load(name);
        let given = &suite.cases[0].inputs;
        let shape = |input: &str| given.iter().find(|(name, _)| name == input).unwrap().1.shape().to_vec();
        let shapes: Vec<Vec<usize>> = model.inputs().iter().map(|input| shape(&input.name)).collect();
        let dispatches = model.plan(&shapes).unwrap().dispatches;
        assert!(dispatches <= most, "{name}: {dispatches} dispatches, not at most {most}");
    }
}

/// The variants for GPUs, which a CPU adapter runs as well, if slowly.
#[test]
fn variants_for_gpus_match_the_references() {
    let runtime = Runtime::new(Options { class: Some(DeviceClass::Gpu), ..Options::default() }).unwrap();
    for name in QUICK.into_iter().chain(["mobilenet_v2", "llama_tiny_q4"]) {
        let (suite, model) = load_on(&runtime, name);
        collect(name, &suite.cases[0], submit(&model, &suite.cases[0], None));
    }
}
