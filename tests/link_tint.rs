//! Tint, the compiler of Chromium's WebGPU, reads what the linker writes: every snapshot, the project's kernels, and what is
//! compiled while the demo's models run beside each other (with the kernels for GPUs, one of them).
//!
//! `FASCINE_TINT` names the `node_modules` folder with the package `webgpu` (`scripts/tint.sh` installs it and says where).
//! Without it nothing is judged, and the test says so.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use fascine::kernel::{Variant, library};
use fascine::link::{Clamp, Head, Language, LinkedKernel, Scalars, emit, link};
use fascine::lower::DeviceClass;
use fascine::reference::Suite;
use fascine::{LoadOptions, Options, Runtime};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What Tint may refuse: in modules with a kernel whose name starts so, a message that contains this; and why.
const REFUSED: &[(&str, &str, &str)] = &[];

/// Keeps the WGSL of the modules that the runtime compiles.
#[derive(Clone, Default)]
struct Linked(Arc<Mutex<BTreeSet<String>>>);

impl Visit for Linked {
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "wgsl" {
            self.0.lock().unwrap().insert(value.to_owned());
        }
    }
}

impl Subscriber for Linked {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "fascine::linked"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Runs models beside each other, with the kernels of one device class.
fn run_models(class: DeviceClass, models: &[&str]) {
    let runtime = Runtime::new(Options { class: Some(class), ..Options::default() }).unwrap();
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let models: Vec<_> = models
        .iter()
        .map(|name| {
            let suite = Suite::open(Path::new(ROOT).join("tests/zoo"), name).unwrap();
            let model = runtime.load_with(&suite.model, &options).unwrap();
            (suite, model)
        })
        .collect();
    let mut requests = Vec::new();
    for _ in 0..2 {
        for (suite, model) in &models {
            let inputs = &suite.cases[0].inputs;
            let request = inputs.iter().fold(model.request(), |r, (name, t)| r.input(name, t.clone()).unwrap());
            requests.push(request.submit().unwrap());
        }
    }
    for request in requests {
        request.wait().unwrap();
    }
}

/// Every kernel of the project by itself, with the overrides that choose between ways of working.
fn kernels() -> Vec<(String, String)> {
    let mut modules = Vec::new();
    for (name, _) in library::SOURCES {
        let kernel = library::get(name);
        for (constant, value) in [("", 0.0), ("INVOCATIONS", 64.0), ("COALESCE", 8.0)] {
            if !constant.is_empty() && !kernel.overrides.iter().any(|o| o == constant) {
                continue;
            }
            let constants = (!constant.is_empty()).then_some((constant, value));
            let kernel = LinkedKernel::with_default_segments(Variant::new(kernel.clone(), constants));
            let ways = [
                (Clamp::Users, Head::Immediates, Scalars::Components),
                (Clamp::All, Head::Table, Scalars::Components),
                (Clamp::Users, Head::Immediates, Scalars::Words),
            ];
            for (clamp, head, scalars) in ways {
                let linked = link(std::slice::from_ref(&kernel), clamp, head, scalars).unwrap();
                let text = String::from_utf8(emit(&linked, Language::Wgsl).unwrap()).unwrap();
                modules.push((format!("{name}_{constant}_{clamp:?}_{scalars:?}"), text));
            }
        }
    }
    modules
}

fn write(folder: &Path, modules: impl IntoIterator<Item = (String, String)>) -> Vec<PathBuf> {
    let write = |(name, text): (String, String)| {
        let path = folder.join(format!("{name}.wgsl"));
        std::fs::write(&path, text).unwrap();
        path
    };
    modules.into_iter().map(write).collect()
}

/// Whether the message is one of those listed for a kernel in the module.
fn listed(text: &str, message: &str) -> Option<usize> {
    REFUSED.iter().position(|(kernel, part, _)| message.contains(part) && text.contains(&format!("fn {kernel}")))
}

#[test]
fn tint_accepts_what_the_linker_writes() {
    let Some(packages) = std::env::var_os("FASCINE_TINT") else {
        println!("skipped: Tint is not asked (FASCINE_TINT is not set; scripts/tint.sh tells how)");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tint");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(ROOT).join("tests/snapshots/link"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.extend(write(&folder, kernels()));
    let bundles = Linked::default();
    tracing::subscriber::set_global_default(bundles.clone()).unwrap();
    run_models(DeviceClass::Cpu, &["lstm_vad", "minilm", "squeezenet1_1", "mobilenet_v2"]);
    // A CPU adapter takes minutes for the others' kernels.
    run_models(DeviceClass::Gpu, &["lstm_vad"]);
    let bundles = std::mem::take(&mut *bundles.0.lock().unwrap());
    assert!(bundles.len() > 20, "the models compiled {} modules only", bundles.len());
    files.extend(write(&folder, (0..).map(|i| format!("bundle_{i}")).zip(bundles)));

    let output = Command::new("node")
        .arg(Path::new(ROOT).join("scripts/tint.mjs"))
        .arg(packages)
        .args(&files)
        .output()
        .unwrap_or_else(|error| panic!("node: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said: BTreeMap<PathBuf, Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    let (mut wrong, mut known) = (Vec::new(), vec![0; REFUSED.len()]);
    for (file, messages) in &said {
        let text = std::fs::read_to_string(file).unwrap();
        for message in messages {
            match listed(&text, message) {
                Some(at) => known[at] += 1,
                None => wrong.push(format!("{}: {message}", file.display())),
            }
        }
    }
    for ((kernel, part, why), count) in REFUSED.iter().zip(&known) {
        println!("{count} refusals of {kernel} are listed ({part}): {why}");
    }
    println!("Tint was given {} modules; {} hold a listed refusal", files.len(), said.len());
    assert!(wrong.is_empty(), "Tint refuses:\n{}", wrong.join("\n"));
}
