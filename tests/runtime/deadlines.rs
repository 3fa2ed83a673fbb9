//! What becomes of requests with deadlines, on a clock that the test turns.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fascine::runtime::trace::Trace;
use fascine::runtime::{Clock, Drive, KernelRequest};
use fascine::schedule::{Admission, Outcome};
use fascine::{DType, ErrorKind, Options, Runtime, UserKernel};

const COUNT: &str = "
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    y[id.x] = id.x * 3u;
}
";
const LEN: usize = 1 << 19;
const MILLI: u64 = 1_000_000;
/// From which on predictions rest on measurements, with room to spare.
const RUNS: usize = 12;

struct Fixture {
    runtime: Runtime,
    kernel: UserKernel,
    clock: Arc<AtomicU64>,
    trace: Trace,
}

impl Fixture {
    fn new(cache_dir: Option<&Path>) -> Self {
        let clock = Arc::new(AtomicU64::new(0));
        let read = clock.clone();
        let trace = Trace::default();
        let options = Options {
            drive: Drive::Manual,
            clock: Clock::new(move || read.load(Ordering::Relaxed)),
            cache_dir: cache_dir.map(Path::to_owned),
            trace: Some(trace.clone()),
            ..Options::default()
        };
        let runtime = Runtime::new(options).unwrap();
        let kernel = runtime.load_kernel(COUNT).unwrap();
        Fixture { runtime, kernel, clock, trace }
    }

    fn request(&self) -> KernelRequest {
        let request = self.kernel.request().output("y", DType::U32, [LEN]).unwrap();
        request.workgroups([(LEN / 64) as u32, 1, 1])
    }

    fn warm(&self) {
        for _ in 0..RUNS {
            let request = self.request().submit().unwrap();
            self.clock.fetch_add(MILLI, Ordering::Relaxed);
            request.wait().unwrap();
        }
    }
}

#[test]
fn a_late_request_runs_or_is_dropped_as_asked() {
    let fixture = Fixture::new(None);
    let deadline = Duration::from_millis(1);
    let submit = |admission| fixture.request().deadline(deadline).admission(admission).submit().unwrap();
    let (late, dropped) = (submit(Admission::RunLate), submit(Admission::DropLate));
    fixture.clock.fetch_add(10 * MILLI, Ordering::Relaxed);
    assert_eq!(dropped.wait().unwrap_err().kind(), ErrorKind::Dropped);
    let late = late.wait().unwrap();
    assert_eq!(late.timing().in_time, Some(false));
    assert_eq!(late.output("y").unwrap().as_slice::<u32>().unwrap()[LEN - 1], 3 * (LEN as u32 - 1));
    let easy = fixture.request().deadline(Duration::from_secs(9)).admission(Admission::DropLate);
    assert_eq!(easy.submit().unwrap().wait().unwrap().timing().in_time, Some(true));

    let stats = fixture.runtime.stats().unwrap();
    let outcomes = stats.outcomes;
    assert_eq!((outcomes.completed, outcomes.late, outcomes.dropped, outcomes.failed), (1, 1, 1, 0));
    assert_eq!((stats.requests, stats.blocked), (3, 1), "one came before the kernel was compiled, and waited for it");
    let traced: Vec<_> = fixture.trace.take_all().requests.iter().map(|request| request.outcome).collect();
    assert_eq!(traced, [Outcome::Dropped, Outcome::CompletedLate, Outcome::Completed]);
}

#[test]
fn a_predicted_miss_is_refused() {
    let fixture = Fixture::new(None);
    fixture.warm();
    let submit = |deadline| {
        let request = fixture.request().admission(Admission::RejectPredictedMiss);
        request.deadline(deadline).submit().unwrap().wait()
    };
    assert_eq!(submit(Duration::from_nanos(1)).unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(submit(Duration::from_secs(9)).unwrap().timing().in_time, Some(true));
    let stats = fixture.runtime.stats().unwrap();
    assert_eq!((stats.outcomes.rejected, stats.outcomes.completed), (1, RUNS as u64 + 1));
    assert!(stats.prediction.bundles >= RUNS as u64);
}

#[test]
fn the_latest_of_a_key_wins() {
    let fixture = Fixture::new(None);
    let submit = |key| fixture.request().key(key).submit().unwrap();
    let (first, other, second) = (submit(1), submit(2), submit(1));
    assert!(second.wait().is_ok());
    assert_eq!(first.wait().unwrap_err().kind(), ErrorKind::Superseded);
    assert!(other.wait().is_ok());
    assert_eq!(fixture.runtime.stats().unwrap().outcomes.superseded, 1);
}

#[test]
fn what_was_learned_is_known_to_the_next_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |fixture: &Fixture| {
        let request = fixture.request().admission(Admission::RejectPredictedMiss);
        let answer = request.deadline(Duration::from_nanos(1)).submit().unwrap().wait();
        answer.is_err_and(|error| error.kind() == ErrorKind::Rejected)
    };
    let files = || {
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|ext| ext == "txt")).collect::<Vec<_>>()
    };
    let first = Fixture::new(Some(folder.path()));
    assert!(!refused(&first), "nothing is known yet");
    first.warm();
    assert!(refused(&first));
    drop(first);
    let [file] = &files()[..] else { panic!("{:?}", files()) };
    assert!(refused(&Fixture::new(Some(folder.path()))));
    std::fs::write(file, "nonsense").unwrap();
    assert!(!refused(&Fixture::new(Some(folder.path()))), "a damaged file counts as none");
}
