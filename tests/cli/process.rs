//! Runs the command line, and what it prints.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub(crate) const VAD: &str = "tests/zoo/lstm_vad.onnx";
pub(crate) const VAD_DIMS: [&str; 5] = ["--synthetic-weights", "--dim", "batch=1", "--dim", "samples=1600"];

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fascine"));
    command.current_dir(ROOT).args(args).stdin(Stdio::null());
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn text(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

pub(crate) fn json(args: &[&str]) -> Value {
    let args = [args, &["--json"]].concat();
    serde_json::from_str(&text(&args)).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Runs to failure: code 2, nothing like a panic, and one message that holds all of `words`.
pub(crate) fn fails(args: &[&str], words: &[&str]) {
    let output = run(args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    assert_eq!(message.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{args:?}: {message}");
    assert!(!message.contains("panicked"), "{args:?}: {message}");
    for word in words {
        assert!(message.contains(word), "{args:?}: no '{word}' in: {message}");
    }
}

pub(crate) fn vad<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<&'a str> {
    [before, &VAD_DIMS, after].concat()
}
