//! One plan serves all trips of a loop. Alone in its process: which events are looked at is settled once for all threads.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph, Subgraph};
use fascine::runtime::Drive;
use fascine::{DType, Options, Runtime, Tensor};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// `x` is doubled until its sum is no less than `limit`; the sums of all trips are gathered.
fn doubling() -> Graph {
    let mut b = GraphBuilder::new(17);
    b.input("trip", DType::I64, [""; 0]);
    b.input("going", DType::Bool, [""; 0]);
    let (x, limit) = (b.input("x", DType::F32, ["n"]), b.input("limit", DType::F32, [""; 0]));
    let two = b.floats([], [2.0]);
    let twice = b.node("Mul", [x, two], []);
    let sum = b.node("ReduceSum", [twice], [("keepdims", Attr::Int(0))]);
    let goes_on = b.node("Less", [sum, limit], []);
    let body = b.finish([goes_on, twice, sum]);

    let mut b = GraphBuilder::new(17);
    let (x, limit) = (b.input("x", DType::F32, ["n"]), b.input("limit", DType::F32, [""; 0]));
    let yes = b.constant(Tensor::scalar(true));
    let inputs = [None, Some(yes), Some(x), Some(limit)];
    let attr = Attr::Graph(Box::new(Subgraph { graph: body, captures: vec![3] }));
    let outputs = b.node_with("Loop", inputs, [("body", attr)], 2);
    b.finish(outputs)
}

/// Counts plans that are traced.
struct Traced(Arc<AtomicUsize>);

impl Subscriber for Traced {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.fields().field("guards").is_some()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn one_plan_serves_all_trips() {
    let count = Arc::new(AtomicUsize::new(0));
    // All is done on this thread.
    let _guard = tracing::subscriber::set_default(Traced(count.clone()));
    let runtime = Runtime::new(Options { drive: Drive::Manual, ..Options::default() }).unwrap();
    let model = runtime.load_graph(doubling()).unwrap();
    let traced = |limit: f32, trips: usize| {
        let before = count.load(Ordering::Relaxed);
        let request = model.request().input("x", Tensor::new([2], vec![1.0f32, 2.0]).unwrap()).unwrap();
        let request = request.input("limit", Tensor::scalar(limit)).unwrap();
        let done = request.submit().unwrap().wait().unwrap();
        assert_eq!(done.outputs().nth(1).unwrap().1.shape(), [trips]);
        count.load(Ordering::Relaxed) - before
    };
    // A trip, and what follows two of them; then the same for many more trips but for what gathers as many.
    let first = traced(10.0, 2);
    assert!((1..=4).contains(&first), "{first}");
    assert!(traced(1e6, 19) <= 1);
    assert_eq!((traced(1e6, 19), traced(10.0, 2)), (0, 0));
}
