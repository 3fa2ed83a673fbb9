//! The hand-over between threads: many threads at random against one runtime, and the races of its end.
//!
//! `FASCINE_CASES` sets the operations of each random test.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::random::{Random, cases};
use fascine::runtime::{Clock, Drive};
use fascine::schedule::{Admission, Class};
use fascine::{DType, ErrorKind, LoadOptions, Model, Options, Request, Runtime, Tensor, UserKernel};

/// Whatever takes longer hangs.
const LIMIT: Duration = Duration::from_secs(240);
const THREADS: u64 = 4;
/// Requests that a thread holds at most.
const HELD: usize = 8;

const SCALE: &str = "
struct Params { factor: f32, len: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.len { y[id.x] = x[id.x] * params.factor; }
}
";

/// Runs `body` on a thread of its own, and fails if it does not come back.
fn watched(body: impl FnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        body();
        done.send(()).unwrap();
    });
    match finished.recv_timeout(LIMIT) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
    }
}

/// A request, and how it may end.
struct Held {
    request: Request,
    len: usize,
    factor: f32,
    allowed: Vec<ErrorKind>,
}

impl Held {
    /// Checks what came of it. Whether it gave results.
    fn check(len: usize, factor: f32, allowed: &[ErrorKind], result: fascine::Result<fascine::Completion>) -> bool {
        match result {
            Ok(_) if len == 0 => true,
            Ok(done) => {
                let y = done.output("y").unwrap().as_slice::<f32>().unwrap().to_vec();
                assert_eq!((y.len(), y[len - 1]), (len, (len - 1) as f32 * factor));
                true
            }
            Err(error) => {
                assert!(allowed.contains(&error.kind()), "{error}, where {allowed:?} are allowed");
                false
            }
        }
    }

    fn wait(self) -> bool {
        let Held { request, len, factor, allowed } = self;
        Self::check(len, factor, &allowed, request.wait())
    }
}

/// What the threads count together.
#[derive(Default)]
struct Counts {
    submitted: AtomicU64,
    with_results: AtomicU64,
}

fn scale(kernel: &UserKernel, len: usize, factor: f32) -> fascine::runtime::KernelRequest {
    let ramp: Vec<f32> = (0..len).map(|i| i as f32).collect();
    let request = kernel.request().tensor("x", Tensor::new([len], ramp).unwrap()).unwrap();
    let request = request.output("y", DType::F32, [len]).unwrap().param("factor", factor).unwrap();
    request.param("len", len as u32).unwrap().workgroups([(len as u32).div_ceil(64), 1, 1])
}

fn submit(kernel: &UserKernel, random: &mut Random) -> Held {
    let len = if random.range(0, 9) == 0 { random.range(200_000, 300_000) } else { random.range(1, 3_000) } as usize;
    let factor = random.range(0, 8) as f32;
    let mut allowed = Vec::new();
    let mut request = scale(kernel, len, factor);
    if random.range(0, 1) == 0 {
        request = request.deadline(Duration::from_micros([1, 2_000, 50_000, 10_000_000][random.range(0, 3) as usize]));
        let admission = [Admission::RunLate, Admission::DropLate, Admission::RejectPredictedMiss];
        let admission = admission[random.range(0, 2) as usize];
        request = request.admission(admission);
        match admission {
            Admission::RunLate => {}
            Admission::DropLate => allowed.push(ErrorKind::Dropped),
            Admission::RejectPredictedMiss => allowed.push(ErrorKind::Rejected),
        }
    }
    if random.range(0, 3) == 0 {
        request = request.key(random.range(0, 2).into());
        allowed.push(ErrorKind::Superseded);
    }
    request = request.class([Class::Interactive, Class::Normal, Class::Background][random.range(0, 2) as usize]);
    Held { request: request.submit().unwrap(), len, factor, allowed }
}

fn load(runtime: &Runtime, seed: u64) -> Model {
    let options = LoadOptions { synthetic_weights: true, seed, ..LoadOptions::default() };
    runtime.load_with("tests/zoo/lstm_vad.onnx", &options).unwrap()
}

fn infer(model: &Model) -> Request {
    let mut request = model.request();
    for input in model.inputs() {
        let size = |dim: &fascine::graph::Dim| match dim {
            fascine::graph::Dim::Known(size) => *size,
            fascine::graph::Dim::Symbol(name) if name == "samples" => 512,
            fascine::graph::Dim::Symbol(_) => 1,
        };
        let shape: Vec<usize> = input.shape.iter().map(size).collect();
        request = request.input(&input.name, Tensor::zeros(input.dtype, shape).unwrap()).unwrap();
    }
    request.submit().unwrap()
}

/// One thread's random operations. Every request that it keeps ends in a way that it may.
fn operate(runtime: &Runtime, mut kernel: UserKernel, seed: u64, operations: usize, counts: &Counts) {
    let mut random = Random::new(seed);
    let mut held: Vec<Held> = Vec::new();
    let results = |got: bool| {
        counts.with_results.fetch_add(u64::from(got), Ordering::Relaxed);
    };
    for operation in 0..operations {
        let any = (!held.is_empty()).then(|| random.range(0, held.len().max(1) as u32 - 1) as usize);
        match (random.range(0, 19), any) {
            (0..=2, Some(at)) => drop(held.swap_remove(at)),
            (3..=7, Some(at)) => results(held.swap_remove(at).wait()),
            (8..=9, Some(at)) => {
                let Held { request, len, factor, allowed } = &mut held[at];
                let mut context = Context::from_waker(Waker::noop());
                if let Poll::Ready(result) = Pin::new(request).poll(&mut context) {
                    results(Held::check(*len, *factor, allowed, result));
                    held.swap_remove(at);
                }
            }
            (10, _) => {
                let now = runtime.stats().unwrap().now;
                assert!(now.queued <= now.requests && now.waiting_for_memory <= now.queued, "{now:?}");
            }
            // The old one is unloaded, perhaps with requests in flight.
            (11, _) => kernel = runtime.load_kernel(SCALE).unwrap(),
            (12, _) if operation % 4 == 0 => {
                let model = load(runtime, seed);
                let requests = [infer(&model), infer(&model)];
                counts.submitted.fetch_add(2, Ordering::Relaxed);
                drop(model);
                let [first, second] = requests;
                drop(first);
                second.wait().unwrap();
                results(true);
            }
            _ => {
                if held.len() >= HELD {
                    results(held.remove(0).wait());
                }
                counts.submitted.fetch_add(1, Ordering::Relaxed);
                held.push(submit(&kernel, &mut random));
            }
        }
    }
    held.into_iter().for_each(|held| results(held.wait()));
}

fn stress(drive: Drive, seed: u64) {
    let options = Options { drive, memory_cap: Some(16 << 20), ..Options::default() };
    let runtime = Runtime::new(options).unwrap();
    let counts = Counts::default();
    let done = AtomicBool::new(false);
    let operations = cases() as usize / THREADS as usize;
    std::thread::scope(|scope| {
        let poller = (drive == Drive::Manual).then(|| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    runtime.poll().unwrap();
                    std::thread::sleep(Duration::from_micros(300));
                }
            })
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (runtime, counts) = (runtime.clone(), &counts);
                let kernel = runtime.load_kernel(SCALE).unwrap();
                scope.spawn(move || operate(&runtime, kernel, seed * 100 + thread, operations, counts))
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        done.store(true, Ordering::Relaxed);
        poller.into_iter().for_each(|poller| poller.join().unwrap());
    });
    // What was cancelled on the device ends when that is done with it.
    let stats = loop {
        let stats = runtime.stats().unwrap();
        if stats.now.requests + stats.now.submissions == 0 {
            break stats;
        }
        runtime.poll().unwrap();
        std::thread::sleep(Duration::from_millis(1));
    };
    let outcomes = stats.outcomes;
    let ended = outcomes.completed
        + outcomes.late
        + outcomes.dropped
        + outcomes.rejected
        + outcomes.superseded
        + outcomes.cancelled
        + outcomes.failed;
    assert_eq!((stats.requests, ended), (counts.submitted.into_inner(), stats.requests), "each ends once");
    assert_eq!(outcomes.failed, 0, "{outcomes:?}");
    assert!(outcomes.completed + outcomes.late >= counts.with_results.into_inner(), "{outcomes:?}");
    assert_eq!((stats.memory.heap_used, stats.memory.weights_used, stats.now.models), (0, 0, 0), "{stats:?}");
}

#[test]
fn many_threads_at_random_with_a_thread_of_the_runtimes_own() {
    watched(|| stress(Drive::Thread, 1));
}

#[test]
fn many_threads_at_random_with_an_engine_that_they_advance() {
    watched(|| stress(Drive::Manual, 2));
}

#[test]
fn the_last_handle_may_go_on_any_thread() {
    watched(|| {
        let mut random = Random::new(3);
        for round in 0..6 {
            let drive = if round % 2 == 0 { Drive::Thread } else { Drive::Manual };
            let runtime = Runtime::new(Options { drive, ..Options::default() }).unwrap();
            let kernel = runtime.load_kernel(SCALE).unwrap();
            let mut handles: Vec<Box<dyn Send>> = vec![Box::new(runtime.clone()), Box::new(kernel.clone())];
            handles.extend((1..6).map(|n| Box::new(scale(&kernel, 500 * n, 2.0).submit().unwrap()) as Box<dyn Send>));
            random.shuffle(&mut handles);
            drop((runtime, kernel));
            let threads: Vec<_> = handles.into_iter().map(|handle| std::thread::spawn(move || drop(handle))).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
    });
}

/// Lets go of what it holds when it is woken: on the engine's thread.
struct LetGo {
    held: Mutex<Option<Request>>,
    done: mpsc::Sender<String>,
}

impl Wake for LetGo {
    fn wake(self: Arc<Self>) {
        drop(self.held.lock().unwrap().take());
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        self.done.send(thread).unwrap();
    }
}

#[test]
fn the_last_handle_may_go_on_the_engines_own_thread() {
    watched(|| {
        let runtime = Runtime::new(Options::default()).unwrap();
        let kernel = runtime.load_kernel(SCALE).unwrap();
        let mut request = scale(&kernel, 3_000, 2.0).submit().unwrap();
        let (done, woken) = mpsc::channel();
        let waker = Arc::new(LetGo { held: Mutex::new(None), done });
        {
            // The request is polled under the lock, so that the engine finds it there however fast it is.
            let mut held = waker.held.lock().unwrap();
            let pending = Pin::new(&mut request).poll(&mut Context::from_waker(&waker.clone().into())).is_pending();
            assert!(pending, "its kernel is not compiled yet");
            *held = Some(request);
        }
        drop((kernel, runtime));
        assert_eq!(woken.recv().unwrap(), "fascine");
    });
}

#[test]
fn an_engine_that_dies_leaves_nobody_waiting() {
    watched(|| {
        let dead = Arc::new(AtomicBool::new(false));
        let read = dead.clone();
        let clock = Clock::new(move || {
            let engine = std::thread::current().name() == Some("fascine");
            assert!(!(engine && read.load(Ordering::Relaxed)), "the test ends the engine");
            0
        });
        let options = Options { clock, memory_cap: Some(16 << 20), ..Options::default() };
        let runtime = Runtime::new(options).unwrap();
        let kernel = runtime.load_kernel(SCALE).unwrap();
        // Some run, some wait for memory.
        let requests: Vec<_> = (0..12).map(|_| scale(&kernel, 400_000, 2.0).submit().unwrap()).collect();
        std::thread::scope(|scope| {
            let waiters: Vec<_> =
                requests.into_iter().map(|request| scope.spawn(|| pollster::block_on(request))).collect();
            dead.store(true, Ordering::Relaxed);
            let closed = waiters
                .into_iter()
                .map(|waiter| waiter.join().unwrap())
                .filter(|result| result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Closed))
                .count();
            assert!(closed > 0);
        });
        assert_eq!(runtime.stats().unwrap_err().kind(), ErrorKind::Closed);
        let error = scale(&kernel, 10, 2.0).submit().and_then(Request::wait).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    });
}

/// A kernel that takes a while to compile, and that no driver has seen.
fn slow() -> String {
    let unique = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let mut body = format!("var a = f32(id.x) * 1e-3 + {}.0;\n", unique % 1_000_003);
    for n in 0..60 {
        body += &format!("a = fma(sin(a), {n}.5, cos(a * {}.25));\n", n + 1);
    }
    format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
         @compute @workgroup_size(64)
         fn main(@builtin(global_invocation_id) id: vec3<u32>) {{ {body} y[id.x] = a; }}"
    )
}

#[test]
fn a_request_that_waits_for_its_kernel_holds_no_memory() {
    watched(|| {
        let now = Arc::new(AtomicU64::new(0));
        let read = now.clone();
        let options = Options {
            memory_cap: Some(16 << 20),
            clock: Clock::new(move || read.load(Ordering::Relaxed)),
            ..Options::default()
        };
        let runtime = Runtime::new(options).unwrap();
        let (slow, quick) = (runtime.load_kernel(&slow()).unwrap(), runtime.load_kernel(SCALE).unwrap());
        let len = 2_500_000;
        let first = slow.request().output("y", DType::F32, [len]).unwrap();
        let first = first.deadline(Duration::from_millis(1)).admission(Admission::DropLate).submit().unwrap();
        let second = scale(&quick, 1_250_000, 2.0).submit().unwrap();
        assert!(second.wait().is_ok());
        now.store(1_000_000_000, Ordering::Relaxed);
        // Nothing else comes to wake the engine.
        assert_eq!(first.wait().unwrap_err().kind(), ErrorKind::Dropped);
    });
}
