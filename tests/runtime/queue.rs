//! A runtime whose queue is full: who is refused, and when there is room again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::common::kernels::{SCALE, ramp, scale, scaled};
use fascine::graph::builder::GraphBuilder;
use fascine::runtime::{Drive, RequestBuilder};
use fascine::schedule::Admission;
use fascine::{DType, ErrorKind, Model, Options, Request, Runtime, Tensor, UserKernel};

fn bounded(drive: Drive, max_queued: usize) -> Runtime {
    Runtime::new(Options { drive, max_queued, ..Options::default() }).unwrap()
}

/// The sum of a state and one, which is the next state, and its negation.
fn counter(runtime: &Runtime) -> Model {
    let mut b = GraphBuilder::new(17);
    let state = b.input("state", DType::F32, ["n"]);
    let one = b.floats([1], [1.0]);
    let next = b.node("Add", [state, one], []);
    let y = b.node("Neg", [next], []);
    let mut graph = b.finish_named([("next", next), ("y", y)]);
    graph.name = "counter".into();
    runtime.load_graph(graph).unwrap()
}

fn count(model: &Model, from: f32) -> RequestBuilder {
    model.request().input("state", Tensor::new([1], vec![from]).unwrap()).unwrap()
}

fn counted(request: Request) -> f32 {
    request.wait().unwrap().output("y").unwrap().as_slice::<f32>().unwrap()[0]
}

fn assert_full(result: fascine::Result<Request>, name: &str, most: usize) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QueueFull, "{error}");
    assert!(error.message().contains(name) && error.message().contains(&format!(": {most} ")), "{error}");
}

/// Asserts that `most` requests fit once nothing is under way, and no more; of a runtime that works only when it is polled.
fn fits_exactly(runtime: &Runtime, kernel: &UserKernel, most: usize) {
    let settle = || {
        while runtime.stats().unwrap().now.requests > 0 {
            runtime.poll().unwrap();
        }
    };
    settle();
    let requests: Vec<_> = (0..most).map(|_| scale(kernel, 5, 2.0).submit().unwrap()).collect();
    assert_full(scale(kernel, 5, 2.0).submit(), "'user:", most);
    drop(requests);
    settle();
}

#[test]
fn a_full_queue_refuses_until_a_request_ends() {
    let none = Options { max_queued: 0, ..Options::default() };
    assert_eq!(Runtime::new(none).map(|_| ()).unwrap_err().kind(), ErrorKind::Input);
    let runtime = bounded(Drive::Manual, 3);
    let (kernel, model) = (runtime.load_kernel(SCALE).unwrap(), counter(&runtime));
    let requests = [count(&model, 1.0).submit(), scale(&kernel, 9, 2.0).submit(), count(&model, 2.0).submit()];
    let [first, second, third] = requests.map(Result::unwrap);
    assert_full(count(&model, 3.0).submit(), "'counter'", 3);
    assert_full(scale(&kernel, 9, 2.0).submit(), "'user:", 3);
    assert_eq!(runtime.stats().unwrap().now.requests, 3);
    assert_eq!(counted(first), -2.0);
    let fourth = count(&model, 3.0).submit().unwrap();
    assert_eq!(second.wait().unwrap().output("y").unwrap().as_slice::<f32>().unwrap(), scaled(9, 2.0));
    assert_eq!((counted(third), counted(fourth)), (-3.0, -4.0));
    fits_exactly(&runtime, &kernel, 3);
    // A cancelled one keeps its place until the engine has heard of it.
    let requests: Vec<_> = (0..3).map(|_| scale(&kernel, 9, 2.0).submit().unwrap()).collect();
    drop(requests);
    assert_full(scale(&kernel, 9, 2.0).submit(), "'user:", 3);
    fits_exactly(&runtime, &kernel, 3);
}

#[test]
fn however_a_request_ends_its_place_is_free_once() {
    let runtime =
        Runtime::new(Options { drive: Drive::Manual, max_queued: 2, memory_cap: Some(8 << 20), ..Options::default() });
    let runtime = runtime.unwrap();
    let kernel = runtime.load_kernel(SCALE).unwrap();
    let kind = |request: Request| request.wait().unwrap_err().kind();
    // Refused before it is sent, failed, dropped at its deadline, superseded, cancelled.
    let wrong = kernel.request().output("y", DType::F32, [4]).unwrap();
    (0..3).for_each(|_| assert_eq!(wrong.clone().submit().unwrap_err().kind(), ErrorKind::Input));
    fits_exactly(&runtime, &kernel, 2);
    assert_eq!(kind(scale(&kernel, 4 << 20, 1.0).submit().unwrap()), ErrorKind::Memory);
    fits_exactly(&runtime, &kernel, 2);
    let late = scale(&kernel, 9, 1.0).deadline(Duration::ZERO).admission(Admission::DropLate);
    assert_eq!(kind(late.submit().unwrap()), ErrorKind::Dropped);
    fits_exactly(&runtime, &kernel, 2);
    let [earlier, later] = [0; 2].map(|_| scale(&kernel, 9, 1.0).key(7).submit().unwrap());
    assert_eq!(kind(earlier), ErrorKind::Superseded);
    later.wait().unwrap();
    fits_exactly(&runtime, &kernel, 2);
    for polls in [0, 1, 3, 50] {
        let request = scale(&kernel, 5000, 2.0).submit().unwrap();
        (0..polls).for_each(|_| runtime.poll().unwrap());
        drop(request);
        fits_exactly(&runtime, &kernel, 2);
    }
    // The parts of a staged request have one place.
    let runtime = bounded(Drive::Manual, 1);
    let kernel = runtime.load_kernel(SCALE).unwrap();
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n"]);
    let y = b.node("NonZero", [x], []);
    let model = runtime.load_graph(b.finish([y])).unwrap();
    for _ in 0..3 {
        let request = model.request().input("x", Tensor::new([9], ramp(9)).unwrap()).unwrap().submit().unwrap();
        assert_full(scale(&kernel, 9, 2.0).submit(), "'user:", 1);
        assert_eq!(request.wait().unwrap().outputs().next().unwrap().1.shape(), [1, 8]);
    }
    fits_exactly(&runtime, &kernel, 1);
}

#[test]
fn ten_thousand_requests_go_through_a_queue_of_eight() {
    for (drive, threads) in [(Drive::Manual, 1), (Drive::Thread, 3)] {
        let runtime = bounded(drive, 8);
        let (kernel, model) = (runtime.load_kernel(SCALE).unwrap(), counter(&runtime));
        let work = |thread: usize| {
            let (mut under_way, mut refused) = (VecDeque::new(), 0usize);
            let check = |(at, request): (usize, Request)| {
                let done = request.wait().unwrap();
                let y = done.output("y").unwrap().as_slice::<f32>().unwrap()[0];
                assert_eq!(y, if at.is_multiple_of(4) { -(at as f32) - 1.0 } else { 3.0 * at as f32 });
            };
            for at in (thread..10_000).step_by(threads) {
                let scale = || {
                    let request = scale(&kernel, 1, at as f32).tensor("x", Tensor::new([1], vec![3f32]).unwrap());
                    request.unwrap().submit()
                };
                let request = loop {
                    match if at.is_multiple_of(4) { count(&model, at as f32).submit() } else { scale() } {
                        Ok(request) => break request,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::QueueFull, "{error}"),
                    }
                    refused += 1;
                    under_way.pop_front().map_or_else(std::thread::yield_now, check);
                };
                under_way.push_back((at, request));
            }
            under_way.into_iter().for_each(check);
            refused
        };
        let refused: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(refused > 0, "{drive:?}");
        let outcomes = runtime.stats().unwrap().outcomes;
        assert_eq!((outcomes.completed, outcomes.failed), (10_000, 0), "{drive:?}");
        if drive == Drive::Manual {
            fits_exactly(&runtime, &kernel, 8);
        }
    }
}

#[test]
fn a_session_goes_on_after_a_refusal() {
    let runtime = bounded(Drive::Manual, 2);
    let model = counter(&runtime);
    let session = model.session(&[("next", "state")]).unwrap();
    let begin =
        |from: Vec<f32>| session.request().input("state", Tensor::new([from.len()], from).unwrap()).unwrap().submit();
    // Refused before it has begun: there is no state yet.
    let others = [0; 2].map(|_| count(&model, 0.0).submit().unwrap());
    assert_full(begin(vec![0.0]), "'counter'", 2);
    assert_eq!(session.state("state").unwrap(), None);
    others.into_iter().for_each(|request| assert_eq!(counted(request), -1.0));
    let (first, second) = (begin(vec![0.0]).unwrap(), session.request().submit().unwrap());
    assert_full(session.request().submit(), "'counter'", 2);
    // Nor does one that would start afresh, with another shape, leave a trace.
    assert_full(begin(vec![50.0, 60.0]), "'counter'", 2);
    assert_eq!(session.state("state").unwrap(), Some((DType::F32, vec![1])));
    assert_eq!((counted(first), counted(second)), (-1.0, -2.0));
    assert_eq!(counted(session.request().submit().unwrap()), -3.0);
    // One that is cancelled leaves the state as it was, and so does a refusal.
    drop(session.request().submit().unwrap());
    let other = count(&model, 0.0).submit().unwrap();
    assert_full(begin(vec![9.0]), "'counter'", 2);
    counted(other);
    assert_eq!(session.state("state").unwrap(), Some((DType::F32, vec![1])));
    while runtime.stats().unwrap().now.requests > 0 {
        runtime.poll().unwrap();
    }
    assert_eq!(counted(session.request().submit().unwrap()), -4.0);
    assert_eq!(counted(begin(vec![9.0]).unwrap()), -10.0);
    assert_eq!(counted(session.request().submit().unwrap()), -11.0);
}
