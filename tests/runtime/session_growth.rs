//! Sessions: states that grow where they lie, states that pass through, and what failures leave.

use std::time::{Duration, Instant};

use crate::common::sessions::{copied, noise, same, tensor, traced};
use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph};
use fascine::lower::DeviceClass;
use fascine::runtime::Drive;
use fascine::schedule::Admission;
use fascine::{Completion, DType, Error, ErrorKind, Model, Options, Request, Runtime, Session, SessionOptions, Tensor};

/// `all`: `past` and then `x`, along one of four dimensions, of which the others have these sizes; `sum` along it, and `more`, of
/// every element.
fn cache(sizes: [usize; 4], axis: usize) -> Graph {
    let mut b = GraphBuilder::new(17);
    let numbers = sizes.map(|size| size.to_string());
    let dims = |open: &'static str| {
        let mut dims: Vec<String> = numbers.to_vec();
        dims[axis] = open.to_owned();
        dims
    };
    let (past, x) = (dims("p"), dims("n"));
    let past = b.input("past", DType::F32, past.iter().map(String::as_str).collect::<Vec<_>>());
    let x = b.input("x", DType::F32, x.iter().map(String::as_str).collect::<Vec<_>>());
    let all = b.node("Concat", [past, x], [("axis", Attr::Int(axis as i64))]);
    let axes = b.ints([axis as i64]);
    let sum = b.node("ReduceSum", [all, axes], [("keepdims", Attr::Int(0))]);
    let third = b.floats([1], [1.0 / 3.0]);
    let more = b.node("Mul", [all, third], []);
    b.finish_named([("all", all), ("sum", sum), ("more", more)])
}

/// What has gone is given back a moment after the answer is there.
fn settles(runtime: &Runtime, what: &str, mut fits: impl FnMut(u64) -> bool) {
    let start = Instant::now();
    while !fits(runtime.memory().unwrap().heap_used) {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}: {} bytes", runtime.memory().unwrap().heap_used);
        std::thread::yield_now();
    }
}

/// A session and the same loop through the host, whose bits it has to have.
struct Loops {
    model: Model,
    session: Session,
    axis: usize,
    sizes: [usize; 4],
    host: Tensor,
    steps: usize,
    seed: usize,
}

impl Loops {
    fn new(model: &Model, sizes: [usize; 4], axis: usize, max_len: Option<usize>, seed: usize) -> Self {
        let session = model.session_with(&[("all", "past")], &SessionOptions { max_len }).unwrap();
        let mut loops =
            Loops { model: model.clone(), session, axis, sizes, host: Tensor::scalar(0f32), steps: 0, seed };
        loops.host = noise(&loops.shape(0), 0);
        loops
    }

    fn shape(&self, rows: usize) -> Vec<usize> {
        let mut shape = self.sizes.to_vec();
        shape[self.axis] = rows;
        shape
    }

    fn rows(&self) -> usize {
        self.host.shape()[self.axis]
    }

    fn submit(&self, rows: usize) -> fascine::Result<Request> {
        let request = self.session.request().input("x", noise(&self.shape(rows), self.steps + self.seed))?;
        let fresh = self.session.state("past")?.is_none();
        if fresh { request.input("past", self.host.clone())?.submit() } else { request.submit() }
    }

    /// The same through the host.
    fn by_host(&mut self, rows: usize) -> Completion {
        let x = noise(&self.shape(rows), self.steps + self.seed);
        let request = self.model.request().input("x", x).unwrap().input("past", self.host.clone()).unwrap();
        let done = request.submit().unwrap().wait().unwrap();
        self.host = done.output("all").unwrap().clone();
        self.steps += 1;
        done
    }

    fn step(&mut self, rows: usize) {
        let done = self.submit(rows).unwrap().wait().unwrap();
        let host = self.by_host(rows);
        same(&done, &host, &["sum", "more"], &format!("{} rows along {}", self.rows(), self.axis));
        assert_eq!(self.session.state("past").unwrap().unwrap().1, self.host.shape());
    }
}

#[test]
fn a_state_grows_along_any_dimension() {
    let runtime = Runtime::new(Options::default()).unwrap();
    for (axis, sizes) in [(0, [0, 3, 1, 5]), (1, [2, 0, 3, 2]), (2, [1, 2, 0, 4]), (2, [2, 3, 0, 1]), (3, [1, 2, 3, 0])]
    {
        let model = runtime.load_graph(cache(sizes, axis)).unwrap();
        let mut loops = Loops::new(&model, sizes, axis, None, 0);
        // Nothing, more than there is room for, exactly as much, and over several doublings.
        for rows in [0, 3, 12, 1, 0, 1, 40, 7, 1, 1].into_iter().chain([1; 6]).chain([60, 1]) {
            loops.step(rows);
            let live = 4 * loops.host.len() as u64;
            // A request's own memory is gone by now.
            settles(&runtime, "at most twice what is there", |used| used <= 2 * live.max(1_024) + 256);
        }
        drop(loops);
        settles(&runtime, "freed with the session", |used| used == 0);
    }
}

#[test]
fn growing_copies_no_more_than_what_comes_and_each_doubling_once() {
    // A word an invocation, 192 words a row: three workgroups.
    let (runtime, trace) = traced(Some(DeviceClass::Gpu));
    let sizes = [2, 3, 0, 32];
    let model = runtime.load_graph(cache(sizes, 2)).unwrap();
    let run = |max_len| {
        let loops = Loops::new(&model, sizes, 2, max_len, 0);
        copied(&trace);
        for step in 0..150 {
            loops.submit(1).unwrap().wait().unwrap_or_else(|error| panic!("{step}: {error}"));
        }
        copied(&trace)
    };
    // 150 rows, and 16, 32, 64 and 128 that moved; a copy of everything with every request would be 34,000.
    let doubling = run(None);
    assert!((150 * 3..=(150 + 16 + 32 + 64 + 128 + 8) * 3).contains(&doubling), "{doubling}");
    assert_eq!(run(Some(150)), 150 * 3);
}

#[test]
fn a_session_grows_as_far_as_it_was_given() {
    let runtime = Runtime::new(Options::default()).unwrap();
    let sizes = [1, 2, 0, 8];
    let model = runtime.load_graph(cache(sizes, 2)).unwrap();
    let mut loops = Loops::new(&model, sizes, 2, Some(20), 0);
    loops.step(5);
    settles(&runtime, "one region", |used| used == (21 * 16 * 4u64).next_multiple_of(256));
    for rows in [14, 1] {
        loops.step(rows);
    }
    let error = loops.submit(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    for what in ["Concat", "'past'", "[1, 2, 20, 8]", "[1, 2, 21, 8]", "20"] {
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
    // It goes on, with what fits, and afresh; not with a state that is too long from the start.
    loops.step(0);
    let more = |past: usize| {
        let request = loops.session.request().input("past", noise(&[1, 2, past, 8], 3)).unwrap();
        request.input("x", noise(&[1, 2, 1, 8], 4)).unwrap().submit()
    };
    assert_eq!(more(20).unwrap_err().kind(), ErrorKind::Limit);
    more(19).unwrap().wait().unwrap();
    assert_eq!(loops.session.state("past").unwrap().unwrap().1, [1, 2, 20, 8]);
    settles(&runtime, "one region", |used| used == (21 * 16 * 4u64).next_multiple_of(256));
}

#[test]
fn conversations_of_one_model_grow_beside_each_other() {
    for drive in [Drive::Thread, Drive::Manual] {
        let runtime = Runtime::new(Options { drive, ..Options::default() }).unwrap();
        let sizes = [1, 3, 0, 4];
        let model = runtime.load_graph(cache(sizes, 2)).unwrap();
        let max_lens = [None, Some(100), None, Some(90)];
        let mut all: Vec<Loops> = (0..4).map(|k| Loops::new(&model, sizes, 2, max_lens[k], 1_000 * k)).collect();
        for round in 0..12 {
            let rows = |k: usize| 1 + (round * 3 + k * 5) % 7;
            let flights: Vec<Request> = all.iter().enumerate().map(|(k, one)| one.submit(rows(k)).unwrap()).collect();
            for (k, flight) in flights.into_iter().enumerate() {
                let host = all[k].by_host(rows(k));
                same(&flight.wait().unwrap(), &host, &["sum", "more"], &format!("{k} in round {round}"));
            }
        }
    }
}

/// `all`: `past` and the rows of a table that `ids` names; `next`: `last` and one; `sum` of all rows.
fn lookups() -> Graph {
    let mut b = GraphBuilder::new(17);
    let past = b.input("past", DType::F32, ["p", "2"]);
    let last = b.input("last", DType::F32, ["1"]);
    let ids = b.input("ids", DType::I64, ["n"]);
    let table = b.floats([3, 2], [1.0, 10.0, 2.0, 20.0, 4.0, 40.0]);
    let rows = b.node("Gather", [table, ids], []);
    let all = b.node("Concat", [past, rows], [("axis", Attr::Int(0))]);
    let one = b.floats([1], [1.0]);
    let next = b.node("Add", [last, one], []);
    let axes = b.ints([0]);
    let sum = b.node("ReduceSum", [all, axes], [("keepdims", Attr::Int(0))]);
    let count = b.node("Neg", [next], []);
    b.finish_named([("all", all), ("next", next), ("sum", sum), ("count", count)])
}

#[test]
fn a_request_that_fails_leaves_the_state_as_it_was() {
    let runtime = Runtime::new(Options { drive: Drive::Manual, ..Options::default() }).unwrap();
    let model = runtime.load_graph(lookups()).unwrap();
    let session = model.session(&[("all", "past"), ("next", "last")]).unwrap();
    let request = |ids: &[i64]| session.request().input("ids", tensor(&[ids.len()], ids.to_vec())).unwrap();
    let begin = |ids: &[i64]| {
        let empty = tensor(&[0, 2], Vec::<f32>::new());
        request(ids).input("past", empty).unwrap().input("last", tensor(&[1], vec![0f32])).unwrap()
    };
    let numbers = |request: Request| {
        let done = request.wait().unwrap();
        let of = |name: &str| done.output(name).unwrap().as_slice::<f32>().unwrap().to_vec();
        (of("sum"), -of("count")[0])
    };
    let kind = |request: Request| request.wait().map(drop).map_err(|error: Error| error.kind()).unwrap_err();
    // The first: there is no state before it.
    assert_eq!(kind(begin(&[0, 3]).submit().unwrap()), ErrorKind::Input);
    assert_eq!(session.state("past").unwrap(), None);
    assert!(request(&[0]).submit().unwrap_err().to_string().contains("'past' is missing"));
    assert_eq!(numbers(begin(&[0, 1]).submit().unwrap()), (vec![3.0, 30.0], 1.0));
    // On the device, behind the rows that are there; those that were submitted behind it fail with it.
    let (bad, behind) = (request(&[2, 7]).submit().unwrap(), request(&[0]).submit().unwrap());
    assert_eq!(session.state("past").unwrap().unwrap().1, [5, 2]);
    assert_eq!((kind(bad), kind(behind)), (ErrorKind::Input, ErrorKind::Input));
    assert_eq!(session.state("past").unwrap().unwrap().1, [2, 2]);
    assert_eq!(numbers(request(&[2]).submit().unwrap()), (vec![7.0, 70.0], 2.0));
    // So does one that needs more room.
    assert_eq!(kind(request(&[[0; 40].as_slice(), &[9]].concat()).submit().unwrap()), ErrorKind::Input);
    assert_eq!(numbers(request(&[0; 40]).submit().unwrap()), (vec![47.0, 470.0], 3.0));
    // Too late, and cancelled before its turn comes.
    let late = request(&[0]).deadline(Duration::ZERO).admission(Admission::DropLate).submit().unwrap();
    assert_eq!(kind(late), ErrorKind::Dropped);
    assert_eq!(numbers(request(&[0]).submit().unwrap()), (vec![48.0, 480.0], 4.0));
    let good = request(&[0]).submit().unwrap();
    drop(request(&[1]).submit().unwrap());
    let behind = request(&[1]).submit().unwrap();
    assert_eq!(numbers(good), (vec![49.0, 490.0], 5.0));
    assert_eq!(kind(behind), ErrorKind::Cancelled);
    assert_eq!(session.state("past").unwrap().unwrap().1, [45, 2]);
    assert_eq!(numbers(request(&[1]).submit().unwrap()), (vec![51.0, 510.0], 6.0));
    // What starts afresh does not ask what became of those before it; where it fails, the old state is there still.
    let (bad, fresh) = (request(&[5]).submit().unwrap(), begin(&[0]).submit().unwrap());
    let after = request(&[0]).submit().unwrap();
    assert_eq!(kind(bad), ErrorKind::Input);
    assert_eq!((numbers(fresh), numbers(after)), ((vec![1.0, 10.0], 1.0), (vec![2.0, 20.0], 2.0)));
    assert_eq!(kind(begin(&[5]).submit().unwrap()), ErrorKind::Input);
    assert_eq!(numbers(request(&[0]).submit().unwrap()), (vec![3.0, 30.0], 3.0));
}

#[test]
fn a_state_that_is_cancelled_while_it_grows_is_as_it_was() {
    let runtime = Runtime::new(Options::default()).unwrap();
    let sizes = [1, 2, 0, 64];
    let model = runtime.load_graph(cache(sizes, 2)).unwrap();
    let mut loops = Loops::new(&model, sizes, 2, None, 0);
    loops.step(3);
    for round in 0..30 {
        // Whether it was done by then is a matter of luck; if so, the state is the one that it left.
        drop(loops.submit(1 + round % 5).unwrap());
        while runtime.stats().unwrap().now.requests > 0 {
            std::thread::yield_now();
        }
        let rows = loops.session.state("past").unwrap().unwrap().1[2];
        if rows > loops.rows() {
            loops.by_host(1 + round % 5);
        }
        loops.step(1);
    }
}

#[test]
fn a_state_that_passes_through_stays_where_it_is() {
    let (runtime, trace) = traced(None);
    let mut b = GraphBuilder::new(17);
    let keys = b.input("keys", DType::F32, ["n", "4"]);
    let x = b.input("x", DType::F32, ["1", "4"]);
    let kept = b.node("Identity", [keys], []);
    let sum = b.node("Add", [keys, x], []);
    let graph = b.finish_named([("kept", kept), ("sum", sum)]);
    let model = runtime.load_graph(graph).unwrap();
    let session = model.session(&[("kept", "keys")]).unwrap();
    let given = noise(&[600, 4], 1);
    let mut used = None;
    for step in 0..5 {
        let x = tensor(&[1, 4], vec![step as f32; 4]);
        let request = session.request().input("x", x).unwrap();
        let request = if step == 0 { request.input("keys", given.clone()).unwrap() } else { request };
        let done = request.submit().unwrap().wait().unwrap();
        let want: Vec<f32> = given.as_slice::<f32>().unwrap().iter().map(|key| key + step as f32).collect();
        assert_eq!(done.output("sum").unwrap().as_slice::<f32>().unwrap(), want);
        settles(&runtime, "one region", |now| now == *used.get_or_insert(now));
    }
    assert_eq!((used, copied(&trace)), (Some(9_728), 0));
}

#[test]
fn kernels_that_take_no_strides_read_copies_of_a_state() {
    let runtime = Runtime::new(Options::default()).unwrap();
    let mut b = GraphBuilder::new(17);
    let past = b.input("past", DType::F32, ["2", "3", "p", "4"]);
    let x = b.input("x", DType::F32, ["2", "3", "n", "4"]);
    let before = b.node("LRN", [past], [("size", Attr::Int(3))]);
    let all = b.node("Concat", [past, x], [("axis", Attr::Int(2))]);
    let after = b.node("LRN", [all], [("size", Attr::Int(3))]);
    let graph = b.finish_named([("all", all), ("before", before), ("after", after)]);
    let model = runtime.load_graph(graph).unwrap();
    let session = model.session(&[("all", "past")]).unwrap();
    let mut host = noise(&[2, 3, 2, 4], 0);
    for step in 0..20 {
        let with = |request: fascine::RequestBuilder| request.input("x", noise(&[2, 3, 1, 4], step + 1)).unwrap();
        let by_host = with(model.request()).input("past", host.clone()).unwrap().submit().unwrap().wait().unwrap();
        let request = with(session.request());
        let request = if step == 0 { request.input("past", host.clone()).unwrap() } else { request };
        let done = request.submit().unwrap().wait().unwrap();
        same(&done, &by_host, &["before", "after"], &format!("step {step}"));
        host = by_host.output("all").unwrap().clone();
    }
}

#[test]
fn a_state_that_is_part_of_something_else_has_a_place_of_its_own() {
    let runtime = Runtime::new(Options::default()).unwrap();
    let mut b = GraphBuilder::new(17);
    let past = b.input("past", DType::F32, ["p"]);
    let x = b.input("x", DType::F32, ["n"]);
    let two = b.floats([1], [2.0]);
    let new = b.node("Mul", [x, two], []);
    let all = b.node("Concat", [past, new], [("axis", Attr::Int(0))]);
    let whole = b.node("Concat", [all, x, all], [("axis", Attr::Int(0))]);
    let more = b.node("Neg", [whole], []);
    let graph = b.finish_named([("all", all), ("more", more)]);
    let model = runtime.load_graph(graph).unwrap();
    let session = model.session(&[("all", "past")]).unwrap();
    let mut host = noise(&[3], 0);
    for step in 0..50 {
        // A piece that fills whole vectors is computed in place, another is copied there.
        let new = if step % 5 == 0 { 4 } else { 1 };
        let with = |request: fascine::RequestBuilder| request.input("x", noise(&[new], step + 1)).unwrap();
        let by_host = with(model.request()).input("past", host.clone()).unwrap().submit().unwrap().wait().unwrap();
        let request = with(session.request());
        let request = if step == 0 { request.input("past", host.clone()).unwrap() } else { request };
        let done = request.submit().unwrap().wait().unwrap();
        same(&done, &by_host, &["more"], &format!("step {step}"));
        host = by_host.output("all").unwrap().clone();
    }
}

#[test]
fn a_state_counts_as_memory() {
    let cap = 16 << 20;
    let runtime = Runtime::new(Options { memory_cap: Some(cap), ..Options::default() }).unwrap();
    // 64 KiB a row.
    let sizes = [1, 1, 0, 16_384];
    let mut b = GraphBuilder::new(17);
    let past = b.input("past", DType::F32, ["1", "1", "p", "16384"]);
    let x = b.input("x", DType::F32, ["1", "1", "n", "16384"]);
    let all = b.node("Concat", [past, x], [("axis", Attr::Int(2))]);
    let axes = b.ints([2]);
    let last = b.node("ReduceMax", [x], [("axes", Attr::Ints(vec![2, 3]))]);
    let sum = b.node("ReduceSum", [all, axes], []);
    let graph = b.finish_named([("all", all), ("last", last), ("sum", sum)]);
    let model = runtime.load_graph(graph).unwrap();
    let run = |session: &Session, rows: usize| {
        let request = session.request().input("x", noise(&[1, 1, rows, 16_384], rows)).unwrap();
        let fresh = session.state("past").unwrap().is_none();
        let request = if fresh { request.input("past", noise(&[1, 1, 0, 16_384], 0)).unwrap() } else { request };
        request.submit()?.wait().map(drop)
    };
    let session = model.session(&[("all", "past")]).unwrap();
    for step in 0..7 {
        run(&session, 16).unwrap_or_else(|error| panic!("step {step}: {error}"));
    }
    // 112 rows in a region for 128; for 256 there is no room, whoever else goes.
    let error = run(&session, 16).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory);
    assert!(error.to_string().contains("16777216"), "{error}");
    assert_eq!(session.state("past").unwrap().unwrap().1, [1, 1, 112, sizes[3]]);
    run(&session, 8).unwrap();
    drop(session);
    settles(&runtime, "freed with the session", |used| used == 0);
    // Nor for two at once; the first is not harmed.
    let options = SessionOptions { max_len: Some(150) };
    let [one, other] = [0; 2].map(|_| model.session_with(&[("all", "past")], &options).unwrap());
    run(&one, 16).unwrap();
    assert_eq!(run(&other, 16).unwrap_err().kind(), ErrorKind::Memory);
    (0..8).for_each(|_| run(&one, 16).unwrap());
}
