//! Every folder of `tests/cases` is a test: its model is loaded and run, and gives its outputs; or, where the folder has none,
//! an error that says why. `tests/cases/README.md` says what each holds.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;

use fascine::reference::values;
use fascine::{Options, Result, Runtime, Tensor, npy};

/// Cases that do not hold yet, with the reason. One that holds must leave the list.
const OPEN: &[(&str, &str)] = &[];

fn run(runtime: &Runtime, folder: &Path) -> Result<Vec<Tensor>> {
    let model = runtime.load(folder.join("model.onnx"))?;
    let mut request = model.request();
    for (k, input) in model.inputs().iter().enumerate() {
        request = request.input(&input.name, npy::read(folder.join(format!("input_{k}.npy")))?)?;
    }
    Ok(request.submit()?.wait()?.outputs().map(|(_, tensor)| tensor.clone()).collect())
}

fn difference(got: &Tensor, want: &Tensor) -> Option<String> {
    if (got.dtype(), got.shape()) != (want.dtype(), want.shape()) {
        return Some(format!("{}{:?} instead of {}{:?}", got.dtype(), got.shape(), want.dtype(), want.shape()));
    }
    let close = |g: f64, w: f64| g == w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= 1e-6 + 1e-5 * w.abs();
    let (got, want) = (values(got), values(want));
    let at = got.iter().zip(&want).position(|(&g, &w)| !close(g, w))?;
    Some(format!("element {at} is {} instead of {}", got[at], want[at]))
}

/// Why the case does not hold, if it does not.
fn failure(runtime: &Runtime, folder: &Path) -> Option<String> {
    let mut want = Vec::new();
    while let path = folder.join(format!("output_{}.npy", want.len()))
        && path.exists()
    {
        want.push(npy::read(path).unwrap());
    }
    let got = match run(runtime, folder) {
        Ok(_) if want.is_empty() => return Some("it runs, an error is wanted".to_owned()),
        Ok(got) => got,
        Err(_) if want.is_empty() => return None,
        Err(error) => return Some(error.to_string()),
    };
    if got.len() != want.len() {
        return Some(format!("{} outputs instead of {}", got.len(), want.len()));
    }
    let differences = got.iter().zip(&want).enumerate();
    differences.filter_map(|(k, (got, want))| Some(format!("output {k}: {}", difference(got, want)?))).next()
}

#[test]
fn every_case_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.join("model.onnx").exists());
    folders.sort();
    assert!(folders.len() >= OPEN.len() + 20, "only {} cases", folders.len());
    let runtime = Runtime::new(Options::default()).unwrap();
    let mut failures = String::new();
    let mut open = Vec::new();
    for folder in &folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let known = OPEN.iter().find(|(open, _)| *open == name);
        match (failure(&runtime, folder), known) {
            (None, None) => {}
            (Some(_), Some((name, reason))) => open.push(format!("{name}: {reason}")),
            (Some(why), None) => writeln!(failures, "  {name}: {why}").unwrap(),
            (None, Some(_)) => writeln!(failures, "  {name}: it holds; take it off the list of open cases").unwrap(),
        }
    }
    println!("{} cases, {} of them open:\n  {}", folders.len(), open.len(), open.join("\n  "));
    for (name, _) in OPEN {
        assert!(root.join(name).exists(), "the open case {name} is not there");
    }
    assert!(failures.is_empty(), "\n{failures}");
}
