//! `fascine generate`: tokens as onnxruntime's greedy loop gives them, text, and how it fails.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use fascine::{Tensor, npy};
use serde_json::Value;

fn generate(model: &str, args: &[&str]) -> Output {
    let path = format!("tests/zoo/{model}.onnx");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fascine"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["generate", &path, "--synthetic-weights"]).args(args);
    command.stdin(Stdio::null()).output().unwrap()
}

fn json(model: &str, args: &[&str]) -> Value {
    let output = generate(model, &[args, &["--json"]].concat());
    assert!(output.status.success(), "{model} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn tokens(report: &Value) -> Vec<u64> {
    report["tokens"].as_array().unwrap().iter().map(|token| token.as_u64().unwrap()).collect()
}

fn fails(model: &str, args: &[&str], words: &[&str]) {
    let output = generate(model, args);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    assert!(words.iter().all(|word| message.contains(word)), "{args:?}: not {words:?} in: {message}");
}

/// onnxruntime 1.32.0 on its CPU, greedy, from the tokens 1 to 5; the likeliest logit leads by 0.0021 at least.
const GPT2: [u64; 12] = [1017, 7820, 6552, 6552, 193, 1774, 193, 1774, 193, 3481, 193, 3481];
/// The same; by 0.021.
const LLAMA: [u64; 12] = [4100, 1902, 5228, 3664, 4100, 241, 2425, 1523, 4100, 56, 4287, 4841];
/// From the tokens 1 and 2, beside the states of [`encoder_states`]; by 0.0017.
const WHISPER: [u64; 5] = [2409, 5481, 2409, 6418, 7532];

#[test]
fn tokens_are_those_of_onnxruntime_and_of_a_loop_through_the_host() {
    for (model, expected) in [("gpt2_small_kv", GPT2), ("llama_tiny_kv", LLAMA)] {
        let with = |more: &[&str]| json(model, &[&["--tokens", "1,2,3,4,5", "--max-tokens", "12"], more].concat());
        let report = with(&[]);
        assert_eq!(tokens(&report), expected, "{model}");
        assert_eq!((&report["ended_by"], &report["text"]), (&"max_tokens".into(), &Value::Null));
        // A token that ends is the last.
        let (fifth, until) = (expected[4].to_string(), expected.iter().position(|token| *token == expected[4]));
        let report = with(&["--host-cache", "--state", "past_key_values.*=present.*", "--eos", &fifth]);
        assert_eq!(tokens(&report), expected[..=until.unwrap()], "{model}, by the host");
        assert_eq!(report["ended_by"], "eos");
    }
}

fn encoder_states(file: &Path) {
    let data: Vec<f32> = (0..1_500 * 384i64).map(|i| ((i * 7_919) % 1_009) as f32 / 504.5 - 1.0).collect();
    npy::write(file, &Tensor::new([1, 1_500, 384], data).unwrap()).unwrap();
}

#[test]
fn a_decoder_beside_an_encoder_takes_its_states_as_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("states.npy");
    encoder_states(&file);
    let input = format!("encoder_hidden_states={}", file.display());
    let report = json("whisper_tiny_decoder_kv", &["--tokens", "1,2", "--max-tokens", "5", "--input", &input]);
    assert_eq!(tokens(&report), WHISPER);
    fails("whisper_tiny_decoder_kv", &["--tokens", "1,2"], &["encoder_hidden_states", "--input"]);
}

#[test]
fn draws_follow_the_seed_and_text_follows_the_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokenizer.json");
    let vocabulary: serde_json::Map<String, Value> = (0..8_192).map(|k| (format!("w{k}"), k.into())).collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "w0" },
    });
    std::fs::write(&file, tokenizer.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let prompt = ["--tokenizer", file, "--prompt", "w1 w2 w3 w4 w5", "--max-tokens", "4"];
    let report = json("gpt2_small_kv", &prompt);
    assert_eq!(report["prompt_tokens"], serde_json::json!([1, 2, 3, 4, 5]));
    assert_eq!(report["text"], "w1017 w7820 w6552 w6552");
    // As it comes, then the figures.
    let output = generate("gpt2_small_kv", &prompt);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("w1017 w7820 w6552 w6552\n\nadapter"), "{text}");

    let drawn = |seed| {
        let how = ["--tokens", "1,2,3", "--temperature", "1.5", "--max-tokens", "5", "--seed", seed];
        tokens(&json("llama_tiny_kv", &how))
    };
    assert_ne!(drawn("1"), drawn("2"));
}

#[test]
fn what_cannot_generate_says_why() {
    fails("minilm", &["--tokens", "1"], &["token_type_ids", "minilm.onnx"]);
    fails("resnet18", &["--tokens", "1"], &["'input'"]);
    fails("gpt2_small_kv", &["--prompt", "x"], &["--tokenizer"]);
    fails("gpt2_small_kv", &["--tokens", "1", "--tokenizer", "tests/zoo/gpt2_small_kv.onnx"], &["gpt2_small_kv.onnx"]);
    fails("gpt2_small_kv", &["--tokens", "1", "--input", "nothing=tests/zoo/none.npy"], &["none.npy"]);
    fails("gpt2_small_kv", &["--tokens", "1", "--state", "past_key_values.*=nothing.*"], &["past_key_values.0.key"]);
    fails("gpt2_small_kv", &["--tokens", "1", "--state", "past=present"], &["--state"]);
    fails("gpt2_small_kv", &["--tokens", "1", "--temperature=-1"], &["--temperature"]);
    fails("gpt2_small_kv", &["--tokens", "1", "--top-p", "2"], &["--top-p"]);
    // Beyond the vocabulary, on the device.
    fails("gpt2_small_kv", &["--tokens", "9000", "--max-tokens", "1"], &["Gather", "an index"]);
    fails("gpt2_small_kv", &[], &["--prompt"]);
}
