//! In steady state the engine's thread allocates nothing while models run but what a request hands to its caller. wgpu's own
//! allocations are not counted.
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use fascine::gpu::in_driver;
use fascine::graph::builder::GraphBuilder;
use fascine::runtime::Drive;
use fascine::{DType, Model, Options, Request, Runtime, Tensor};

/// The system's allocator, counted where a thread asks for it.
struct Counter;

thread_local! {
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    static COUNTED: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    if COUNTS.get() && !in_driver() {
        COUNTED.set(COUNTED.get() + 1);
    }
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller's.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTER: Counter = Counter;

/// A chain of products, each with an activation.
fn chain(runtime: &Runtime, layers: usize) -> Model {
    let mut graph = GraphBuilder::new(17);
    let mut x = graph.input("x", DType::F32, ["1", "64"]);
    for layer in 0..layers {
        let weights = (0..64 * 64).map(|i| ((i * 7 + layer) % 13) as f32 * 1e-2).collect::<Vec<_>>();
        let weight = graph.constant(Tensor::new([64, 64], weights).unwrap());
        x = graph.node("MatMul", [x, weight], []);
        x = graph.node("Softmax", [x], []);
    }
    runtime.load_graph(graph.finish([x])).unwrap()
}

fn submit(model: &Model) -> Request {
    let row = Tensor::new([1, 64], vec![0.25f32; 64]).unwrap();
    model.request().input("x", row).unwrap().deadline(Duration::from_secs(5)).submit().unwrap()
}

/// Allocations of the engine, its bundles and lanes while so many rounds of one request of each model run.
fn rounds(runtime: &Runtime, models: &[Model], rounds: usize) -> [u64; 4] {
    let before = runtime.stats().unwrap();
    let mut allocated = 0;
    for _ in 0..rounds {
        let requests: Vec<_> = models.iter().map(submit).collect();
        loop {
            COUNTED.set(0);
            COUNTS.set(true);
            runtime.poll().unwrap();
            COUNTS.set(false);
            allocated += COUNTED.get();
            if runtime.stats().unwrap().now.requests == 0 {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        requests.into_iter().for_each(|request| drop(request.wait().unwrap()));
    }
    let after = runtime.stats().unwrap();
    [allocated, after.requests - before.requests, after.bundles - before.bundles, after.lanes - before.lanes]
}

/// What a request hands to its caller: its results in a list, and of each its name, its shape, its bytes and their count of owners.
const ANSWER: u64 = 5;

// One test: others would run beside it.
#[test]
fn the_engine_allocates_nothing_but_answers() {
    let runtime = Runtime::new(Options { drive: Drive::Manual, ..Options::default() }).unwrap();
    for layers in [2, 12] {
        let models = [0; 2].map(|_| chain(&runtime, layers));
        // Until merged pipelines have come.
        (0..20).for_each(|_| assert!(rounds(&runtime, &models, 10)[1] > 0));
        runtime.set_merging(false).unwrap();
        // Memory that is used again has its final size only when each piece has held the largest bundle.
        let mut all = (0..20).map(|_| rounds(&runtime, &models, 20));
        let least = all.find(|[allocated, requests, ..]| *allocated <= ANSWER * requests);
        let [allocated, requests, bundles, lanes] = least.unwrap_or_else(|| rounds(&runtime, &models, 20));
        println!("{allocated} allocations for {requests} requests, {bundles} bundles, {lanes} lanes");
        assert!(lanes >= requests * layers as u64, "{lanes} lanes");
        assert!(allocated <= ANSWER * requests, "{allocated} allocations for {requests} requests");
    }
}
