//! The `tracing` spans of a request, from load to its end, as a subscriber of the application's sees them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use fascine::{LoadOptions, Options, Runtime, Tensor};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

#[derive(Clone, Debug, Default)]
struct Span {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
    handles: usize,
}

impl Visit for Span {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

/// Keeps every span that it is told of.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<BTreeMap<u64, Span>>>,
    next: Arc<AtomicU64>,
}

impl Collector {
    fn spans(&self) -> MutexGuard<'_, BTreeMap<u64, Span>> {
        self.spans.lock().unwrap()
    }

    fn named(&self, name: &str) -> Vec<Span> {
        self.spans().values().filter(|span| span.name == name).cloned().collect()
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("fascine")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut new = Span { name: span.metadata().name(), handles: 1, ..Span::default() };
        span.record(&mut new);
        self.spans().insert(id, new);
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        values.record(self.spans().get_mut(&id.into_u64()).unwrap());
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.spans().get_mut(&id.into_u64()).unwrap().handles += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut spans = self.spans();
        let span = spans.get_mut(&id.into_u64()).unwrap();
        span.handles -= 1;
        span.handles == 0
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_request_is_seen_from_load_to_its_end() {
    let collector = Collector::default();
    // The engine and the compilers have threads of their own.
    tracing::subscriber::set_global_default(collector.clone()).unwrap();
    let runtime = Runtime::new(Options::default()).unwrap();
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = runtime.load_with("tests/zoo/lstm_vad.onnx", &options).unwrap();
    let mut request = model.request();
    for input in model.inputs() {
        let shape: Vec<usize> = input
            .shape
            .iter()
            .map(|dim| match dim {
                fascine::graph::Dim::Known(size) => *size,
                fascine::graph::Dim::Symbol(name) if name == "samples" => 512,
                fascine::graph::Dim::Symbol(_) => 1,
            })
            .collect();
        request = request.input(&input.name, Tensor::zeros(input.dtype, shape).unwrap()).unwrap();
    }
    let done = request.submit().unwrap().wait().unwrap();

    for (name, fields) in [
        ("load", &["path"][..]),
        ("parse", &["path"]),
        ("optimise", &["name", "nodes"]),
        ("plan", &["model", "name", "shapes"]),
        ("compile", &["kernels", "name"]),
        ("link", &[]),
        ("issue", &["submission", "bundles", "lanes"]),
        ("submit", &["submission", "bundles"]),
        ("retire", &["submission"]),
    ] {
        let spans = collector.named(name);
        assert!(!spans.is_empty(), "no span {name}");
        for field in fields {
            assert!(spans[0].fields.contains_key(field), "{:?} lacks {field}", spans[0]);
        }
    }
    // The engine lets go of the span after it has replied.
    let start = Instant::now();
    let request = loop {
        let [request] = &collector.named("request")[..] else { panic!("one request") };
        if request.handles == 0 {
            break request.clone();
        }
        assert!(start.elapsed() < Duration::from_secs(20), "still open: {request:?}");
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(request.fields["outcome"], "Completed");
    assert_eq!(request.fields["bundles"], done.timing().bundles.to_string());
    assert_eq!(request.fields["lanes"], done.timing().lanes.to_string());
    assert!(request.fields.contains_key("model") && request.fields.contains_key("total_us"), "{request:?}");
}
