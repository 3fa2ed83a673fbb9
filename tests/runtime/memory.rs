//! Memory belongs to the scheduler's order: who waits for it can be overtaken, cancelled and replaced, and what can never fit is
//! refused at once.

use std::time::Duration;

use fascine::runtime::{Drive, KernelRequest, Stats};
use fascine::{DType, ErrorKind, Options, Request, Runtime, Tensor, UserKernel};

const TWICE: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&y) { y[id.x] = 2.0 * x[id.x]; }
}
";
/// A request of so many elements takes 2 MB.
const LEN: usize = 250_000;
/// What holds one request, and what holds four.
const ONE: u64 = 3 << 20;
const FOUR: u64 = 8 << 20;

/// A runtime that works only while a caller waits, with its kernel compiled.
fn fixture(cap: u64) -> (Runtime, UserKernel) {
    let runtime = Runtime::new(Options { drive: Drive::Manual, memory_cap: Some(cap), ..Options::default() }).unwrap();
    let kernel = runtime.load_kernel(TWICE).unwrap();
    check(twice(&kernel, LEN).submit().unwrap(), LEN);
    (runtime, kernel)
}

fn twice(kernel: &UserKernel, len: usize) -> KernelRequest {
    let ramp = (0..len).map(|i| i as f32).collect::<Vec<_>>();
    let request = kernel.request().tensor("x", Tensor::new([len], ramp).unwrap()).unwrap();
    request.output("y", DType::F32, [len]).unwrap().workgroups([(len as u32).div_ceil(64), 1, 1])
}

fn check(request: Request, len: usize) {
    let done = request.wait().unwrap();
    let y = done.output("y").unwrap().as_slice::<f32>().unwrap();
    assert!(y.len() == len && y.iter().enumerate().all(|(i, &y)| y == 2.0 * i as f32));
}

fn stats(runtime: &Runtime) -> Stats {
    runtime.poll().unwrap();
    runtime.stats().unwrap()
}

fn settle(runtime: &Runtime) -> Stats {
    while stats(runtime).now.requests > 0 {}
    let stats = runtime.stats().unwrap();
    assert_eq!((stats.now.submissions, stats.memory.heap_used), (0, 0), "{stats:?}");
    stats
}

#[test]
fn an_urgent_request_overtakes_those_that_wait_for_memory() {
    for cap in [ONE, FOUR] {
        let (runtime, kernel) = fixture(cap);
        let waiting: Vec<_> = (0..40).map(|_| twice(&kernel, LEN).submit().unwrap()).collect();
        let before = stats(&runtime);
        assert!(cap > ONE || before.now.waiting_for_memory > 20, "{before:?}");
        check(twice(&kernel, LEN).deadline(Duration::from_secs(30)).submit().unwrap(), LEN);
        let after = runtime.stats().unwrap();
        let before_it = after.outcomes.completed - before.outcomes.completed - 1;
        assert!(before_it <= 5, "{before_it} of those that waited ended before it");
        waiting.into_iter().for_each(|request| check(request, LEN));
        let stats = settle(&runtime);
        assert_eq!((stats.outcomes.completed, stats.outcomes.failed), (42, 0));
        assert!(stats.memory.heap_reserved <= cap, "{:?}", stats.memory);
    }
}

#[test]
fn one_that_waits_for_memory_can_be_cancelled_and_replaced() {
    let (runtime, kernel) = fixture(ONE);
    let mut waiting: Vec<_> = (0..8).map(|_| twice(&kernel, LEN).submit().unwrap()).collect();
    let replaced = twice(&kernel, LEN).key(3).submit().unwrap();
    assert!(stats(&runtime).now.waiting_for_memory >= 5);
    drop(waiting.pop());
    let last = twice(&kernel, LEN).key(3).submit().unwrap();
    let outcomes = stats(&runtime).outcomes;
    assert_eq!((outcomes.cancelled, outcomes.superseded), (1, 1), "at once, not when there is room");
    assert_eq!(replaced.wait().unwrap_err().kind(), ErrorKind::Superseded);
    waiting.into_iter().chain([last]).for_each(|request| check(request, LEN));
    settle(&runtime);
}

#[test]
fn what_never_fits_is_refused_at_once_though_others_hold_memory() {
    let (runtime, kernel) = fixture(ONE);
    let others: Vec<_> = (0..8).map(|_| twice(&kernel, LEN).submit().unwrap()).collect();
    stats(&runtime);
    let large = twice(&kernel, 3_000_000).submit().unwrap();
    let after = stats(&runtime);
    assert_eq!(after.outcomes.failed, 1);
    let error = large.wait().unwrap_err();
    assert!(error.kind() == ErrorKind::Memory && error.message().contains("24000"), "{error}");
    assert!(error.message().contains("'user:"), "{error}");
    others.into_iter().for_each(|request| check(request, LEN));
    settle(&runtime);
}
