//! Sessions keep state on the device from one request to the next, of models in one stage and in several.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph, Subgraph};
use fascine::runtime::Drive;
use fascine::schedule::Admission;
use fascine::{DType, ErrorKind, LoadOptions, Model, Options, Runtime, SessionOptions, Tensor};
use half::f16;

fn runtime() -> Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(Options::default()).unwrap()).clone()
}

fn manual() -> Runtime {
    Runtime::new(Options { drive: Drive::Manual, ..Options::default() }).unwrap()
}

fn tensor<T: fascine::tensor::Element>(shape: &[usize], data: Vec<T>) -> Tensor {
    Tensor::new(shape, data).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.as_slice::<f32>().unwrap().to_vec()
}

/// All outputs of one request.
fn run(model: &Model, inputs: &[(&str, Tensor)]) -> fascine::Result<Vec<Tensor>> {
    let mut request = model.request();
    for (name, tensor) in inputs {
        request = request.input(name, tensor.clone())?;
    }
    Ok(request.submit()?.wait()?.outputs().map(|(_, tensor)| tensor.clone()).collect())
}

/// `all`: `past` and then `x`; `sum`: of all.
fn cache() -> Graph {
    let mut b = GraphBuilder::new(17);
    let past = b.input("past", DType::F32, ["p", "2"]);
    let x = b.input("x", DType::F32, ["n", "2"]);
    let all = b.node("Concat", [past, x], [("axis", Attr::Int(0))]);
    let axes = b.ints([0]);
    let sum = b.node("ReduceSum", [all, axes], [("keepdims", Attr::Int(0))]);
    b.finish_named([("all", all), ("sum", sum)])
}

#[test]
fn a_session_keeps_its_state_on_the_device() {
    for drive in [Drive::Thread, Drive::Manual] {
        let runtime = Runtime::new(Options { drive, ..Options::default() }).unwrap();
        let model = runtime.load_graph(cache()).unwrap();
        let sessions: Vec<_> = (0..3).map(|_| model.session(&[("all", "past")]).unwrap()).collect();
        let mut requests = Vec::new();
        // All at once: those of a session wait for each other, those of others do not.
        for step in 0..8usize {
            for (k, session) in sessions.iter().enumerate() {
                let x = tensor(&[1, 2], vec![(step + 1) as f32, (k * 100) as f32]);
                let mut request = session.request().input("x", x).unwrap();
                if step == 0 {
                    request = request.input("past", tensor(&[0, 2], Vec::<f32>::new())).unwrap();
                }
                requests.push((step, k, request.submit().unwrap()));
                assert_eq!(session.state("past").unwrap().unwrap().1, [step + 1, 2]);
            }
        }
        for (step, k, request) in requests {
            let done = request.wait().unwrap();
            let sum: usize = (1..=step + 1).sum();
            assert_eq!(
                floats(done.output("sum").unwrap()),
                [sum as f32, ((step + 1) * k * 100) as f32],
                "{step} of {k}"
            );
            // The state is not read back.
            assert_eq!(done.output("all").unwrap_err().kind(), ErrorKind::Input);
        }
        assert!(runtime.memory().unwrap().heap_used >= 3 * 8 * 2 * 4, "the states lie on the device");
        drop(sessions);
        let start = Instant::now();
        while runtime.memory().unwrap().heap_used > 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "the states are not given back");
        }
    }
}

/// `total` plus `x` if `mode` is 1 more than 16, else times `x`.
fn moded() -> Graph {
    let branch = |operator: &str| {
        let mut b = GraphBuilder::new(17);
        let total = b.input("total", DType::F32, ["n"]);
        let x = b.input("x", DType::F32, ["n"]);
        let result = b.node(operator, [total, x], []);
        Attr::Graph(Box::new(Subgraph { graph: b.finish([result]), captures: vec![1, 2] }))
    };
    let attrs = [("then_branch", branch("Add")), ("else_branch", branch("Mul"))];
    let mut b = GraphBuilder::new(17);
    let total = b.input("total", DType::F32, ["n"]);
    let x = b.input("x", DType::F32, ["n"]);
    let mode = b.input("mode", DType::I64, []);
    let (one, sixteen) = (b.node("Identity", [mode], []), b.ints([16]));
    let less = b.node("Sub", [one, sixteen], []);
    let expected = b.ints([1]);
    let is = b.node("Equal", [less, expected], []);
    let condition = b.node("Squeeze", [is], []);
    let outputs = b.node_with("If", [Some(condition), Some(total), Some(x)], attrs, 1);
    let result = b.node("Identity", [outputs[0]], []);
    let twice = b.node("Add", [result, result], []);
    b.finish_named([("after", result), ("twice", twice)])
}

#[test]
fn a_branch_that_an_input_chooses_is_taken_within_a_session() {
    let runtime = runtime();
    let model = runtime.load_graph(moded()).unwrap();
    let session = model.session(&[("after", "total")]).unwrap();
    let mut total = [1.0f32, 2.0];
    for (step, mode) in [17i64, 17, 3, 17, 1, 0, -4, 17].into_iter().enumerate() {
        let x = [0.5f32, step as f32 + 1.0];
        let mut request = session.request().input("x", tensor(&[2], x.to_vec())).unwrap();
        request = request.input("mode", tensor(&[], vec![mode])).unwrap();
        if step == 0 {
            request = request.input("total", tensor(&[2], total.to_vec())).unwrap();
        }
        let done = request.submit().unwrap().wait().unwrap();
        for (total, x) in total.iter_mut().zip(x) {
            *total = if mode == 17 { *total + x } else { *total * x };
        }
        assert_eq!(floats(done.output("twice").unwrap()), total.map(|total| 2.0 * total), "step {step}");
    }
}

#[test]
fn a_state_that_lies_packed_is_the_next_requests_input() {
    let mut b = GraphBuilder::new(17);
    let past = b.input("past", DType::F16, ["p", "3"]);
    let x = b.input("x", DType::F16, ["n", "3"]);
    let seen = b.input("seen", DType::Bool, ["5"]);
    let all = b.node("Concat", [past, x], [("axis", Attr::Int(0))]);
    let odd = b.node("Not", [seen], []);
    let wide = b.node("Cast", [past], [("to", Attr::Int(1))]);
    let number = b.node("Cast", [seen], [("to", Attr::Int(6))]);
    let graph = b.finish_named([("all", all), ("odd", odd), ("wide", wide), ("number", number)]);
    let model = runtime().load_graph(graph).unwrap();
    let session = model.session(&[("all", "past"), ("odd", "seen")]).unwrap();
    let row = |step: usize| [step as f32, 0.1, -6e-8].map(f16::from_f32);
    for step in 0..6usize {
        let mut request = session.request().input("x", tensor(&[1, 3], row(step).to_vec())).unwrap();
        if step == 0 {
            request = request.input("past", tensor(&[0, 3], Vec::<f16>::new())).unwrap();
            request = request.input("seen", tensor(&[5], vec![true, false, false, true, true])).unwrap();
        }
        let done = request.submit().unwrap().wait().unwrap();
        let past: Vec<f32> = (0..step).flat_map(row).map(f16::to_f32).collect();
        assert_eq!(floats(done.output("wide").unwrap()), past, "step {step}");
        let seen = [1, 0, 0, 1, 1].map(|one| if step % 2 == 0 { one } else { 1 - one });
        assert_eq!(done.output("number").unwrap().as_slice::<i32>().unwrap(), seen, "step {step}");
        assert_eq!(session.state("past").unwrap().unwrap(), (DType::F16, vec![step + 1, 3]));
    }
}

#[test]
fn what_stages_keep_and_read_back_may_lie_packed() {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F16, ["n"]);
    let one = b.constant(Tensor::scalar(f16::ONE));
    let y = b.node("Add", [x, one], []);
    let places = b.node("NonZero", [y], []);
    let mask = b.node("Greater", [y, one], []);
    let picked = b.node("Gather", [y, places], [("axis", Attr::Int(0))]);
    let flags = b.node("Gather", [mask, places], [("axis", Attr::Int(0))]);
    let model = runtime().load_graph(b.finish([picked, flags])).unwrap();
    let x = [-1.0, 2.5, -1.0, 0.0, -3.0f32].map(f16::from_f32);
    let outputs = run(&model, &[("x", tensor(&[5], x.to_vec()))]).unwrap();
    assert_eq!(outputs[0].as_slice::<f16>().unwrap(), [3.5, 1.0, -2.0f32].map(f16::from_f32));
    assert_eq!(outputs[1].as_slice::<bool>().unwrap(), [true, false, false]);
}

#[test]
fn a_session_of_a_detector_has_the_bits_of_states_carried_by_hand() {
    let runtime = runtime();
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = runtime.load_with("tests/zoo/lstm_vad.onnx", &options).unwrap();
    let session = model.session(&[("h_out", "h"), ("c_out", "c")]).unwrap();
    let audio = |step: usize| {
        let samples = 512 + 256 * (step % 3);
        tensor(&[1, samples], (0..samples).map(|i| ((i * (step + 3) * 7919) % 1013) as f32 / 1013.0 - 0.5).collect())
    };
    let start = tensor(&[2, 1, 64], (0..128).map(|i| i as f32 / 128.0).collect::<Vec<f32>>());
    let first = session.request().input("audio", audio(0)).unwrap();
    let mut requests =
        vec![first.input("h", start.clone()).unwrap().input("c", start.clone()).unwrap().submit().unwrap()];
    requests.extend((1..6).map(|step| session.request().input("audio", audio(step)).unwrap().submit().unwrap()));
    let (mut h, mut c) = (start.clone(), start);
    for (step, request) in requests.into_iter().enumerate() {
        let by_hand = model.request().input("audio", audio(step)).unwrap();
        let by_hand = by_hand.input("h", h).unwrap().input("c", c).unwrap().submit().unwrap().wait().unwrap();
        let done = request.wait().unwrap();
        assert_eq!(done.outputs().len(), 1);
        assert_eq!(done.output("probability").unwrap(), by_hand.output("probability").unwrap(), "step {step}");
        (h, c) = (by_hand.output("h_out").unwrap().clone(), by_hand.output("c_out").unwrap().clone());
    }
}

/// `all`: `past`, and twice what of `x` differs from zero; `from`: where in `all` to begin, `rest`: what is from there on; `next`: the
/// place of the largest of `all`.
fn picks() -> Graph {
    let mut b = GraphBuilder::new(17);
    let (past, x) = (b.input("past", DType::F32, ["p"]), b.input("x", DType::F32, ["n"]));
    let from = b.input("from", DType::I64, ["1"]);
    let (axis, end) = (b.ints([0]), b.ints([i64::MAX]));
    let at = b.node("NonZero", [x], []);
    let flat = b.node("Squeeze", [at, axis], []);
    let picked = b.node("Gather", [x, flat], []);
    let twice = b.node("Add", [picked, picked], []);
    let all = b.node("Concat", [past, twice], [("axis", Attr::Int(0))]);
    let rest = b.node("Slice", [all, from, end, axis], []);
    let next = b.node("ArgMax", [all], [("axis", Attr::Int(0)), ("keepdims", Attr::Int(1))]);
    b.finish_named([("rest", rest), ("all", all), ("next", next)])
}

#[test]
fn a_session_of_a_model_in_stages_has_the_bits_of_states_carried_by_hand() {
    for runtime in [Runtime::new(Options::default()).unwrap(), manual()] {
        let model = runtime.load_graph(picks()).unwrap();
        let sessions: Vec<_> = (0..3).map(|_| model.session(&[("all", "past"), ("next", "from")]).unwrap()).collect();
        let x = |k: usize, step: usize| {
            let n = 1 + (k * 7 + step * 5) % 11;
            tensor(&[n], (0..n).map(|i| ((i * 7 + step * 3 + k) % 4) as f32).collect())
        };
        let (past, from) = (tensor(&[2], vec![0.5f32, -1.0]), tensor(&[1], vec![0i64]));
        // All at once: those of a session wait for each other.
        let mut requests = Vec::new();
        for step in 0..6 {
            for (k, session) in sessions.iter().enumerate() {
                let mut request = session.request().input("x", x(k, step)).unwrap();
                // Once more afresh, in the middle.
                if step == 0 || (k, step) == (1, 3) {
                    request = request.input("past", past.clone()).unwrap().input("from", from.clone()).unwrap();
                }
                requests.push((step, k, request.submit().unwrap()));
            }
        }
        let mut states = vec![(past.clone(), from.clone()); 3];
        for (step, k, request) in requests {
            let done = request.wait().unwrap_or_else(|error| panic!("step {step} of {k}: {error}"));
            let (mut before, mut begin) = states[k].clone();
            if (k, step) == (1, 3) {
                (before, begin) = (past.clone(), from.clone());
            }
            let by_hand = run(&model, &[("past", before), ("from", begin), ("x", x(k, step))]).unwrap();
            assert_eq!(done.outputs().len(), 1);
            assert_eq!(done.output("rest").unwrap(), &by_hand[0], "step {step} of {k}");
            states[k] = (by_hand[1].clone(), by_hand[2].clone());
        }
        for (session, (past, _)) in sessions.iter().zip(&states) {
            assert_eq!(session.state("past").unwrap(), Some((DType::F32, past.shape().to_vec())));
        }
        // How long the state gets is known too late for a bound.
        let bounded = model.session_with(&[("all", "past")], &SessionOptions { max_len: Some(64) }).unwrap();
        let request = bounded.request().input("x", x(0, 0)).unwrap().input("past", past.clone()).unwrap();
        let error = request.input("from", from.clone()).unwrap().submit().unwrap_err();
        assert!(error.kind() == ErrorKind::Unsupported && error.message().contains("max_len"), "{error}");
        // After some that fail it can start afresh.
        let session = &sessions[0];
        let bad =
            session.request().input("x", tensor(&[1], vec![1f32])).unwrap().input("from", tensor(&[2], vec![0i64; 2]));
        assert_eq!(bad.unwrap().submit().unwrap_err().kind(), ErrorKind::Input);
        let late = session.request().input("x", x(0, 0)).unwrap();
        let late = late.deadline(Duration::ZERO).admission(Admission::DropLate).submit().unwrap();
        assert_eq!(late.wait().unwrap_err().kind(), ErrorKind::Dropped);
        drop(session.request().input("x", x(0, 0)).unwrap().submit());
        let afresh = session.request().input("x", x(0, 0)).unwrap().input("past", past).unwrap();
        let afresh = afresh.input("from", from).unwrap().submit().unwrap().wait();
        assert!(afresh.is_ok(), "{afresh:?}");
        drop(sessions);
        let start = Instant::now();
        while runtime.memory().unwrap().heap_used > 0 {
            runtime.poll().unwrap();
            assert!(start.elapsed() < Duration::from_secs(60), "the states are not given back");
        }
    }
}

#[test]
fn a_session_goes_on_where_memory_holds_no_third_state() {
    // The state is 6 MiB: the old one and the new one fit, no third.
    let runtime = Runtime::new(Options { memory_cap: Some(16 << 20), ..Options::default() }).unwrap();
    let mut b = GraphBuilder::new(17);
    let state = b.input("state", DType::F32, ["n"]);
    let one = b.floats([1], [1.0]);
    let next = b.node("Add", [state, one], []);
    let least = b.node("ReduceMin", [next], [("axes", Attr::Ints(vec![0])), ("keepdims", Attr::Int(1))]);
    let graph = b.finish([next, least]);
    let names: Vec<String> = graph.outputs.iter().map(|&id| graph.value(id).name.clone()).collect();
    let model = runtime.load_graph(graph).unwrap();
    let session = model.session(&[(&names[0], "state")]).unwrap();
    let n = 3 << 19;
    let first = session.request().input("state", tensor(&[n], vec![0f32; n])).unwrap();
    let mut requests = vec![first.submit().unwrap()];
    requests.extend((0..12).map(|_| session.request().submit().unwrap()));
    for (step, request) in requests.into_iter().enumerate() {
        let done = request.wait().unwrap_or_else(|error| panic!("step {step}: {error}"));
        assert_eq!(floats(done.output(&names[1]).unwrap()), [(step + 1) as f32]);
    }
}

#[test]
fn a_session_that_lost_a_request_goes_on_from_before_it() {
    let runtime = runtime();
    let model = runtime.load_graph(cache()).unwrap();
    let session = model.session(&[("all", "past")]).unwrap();
    let x = || tensor(&[1, 2], vec![1.0f32, 2.0]);
    let missing = session.request().input("x", x()).unwrap().submit().unwrap_err();
    assert!(missing.kind() == ErrorKind::Input && missing.to_string().contains("past"), "{missing}");
    let fresh =
        || session.request().input("past", tensor(&[1, 2], vec![10.0f32, 20.0])).unwrap().input("x", x()).unwrap();
    let sum = |request: fascine::Request| floats(request.wait().unwrap().output("sum").unwrap());
    assert_eq!(sum(fresh().submit().unwrap()), [11.0, 22.0]);
    assert_eq!(sum(session.request().input("x", x()).unwrap().submit().unwrap()), [12.0, 24.0]);
    // One that cannot keep its deadline is dropped.
    let late = session.request().input("x", x()).unwrap();
    let late = late.deadline(Duration::ZERO).admission(Admission::DropLate).submit().unwrap();
    assert_eq!(late.wait().unwrap_err().kind(), ErrorKind::Dropped);
    assert_eq!(session.state("past").unwrap().unwrap().1, [3, 2]);
    assert_eq!(sum(session.request().input("x", x()).unwrap().submit().unwrap()), [13.0, 26.0]);
    assert_eq!(sum(fresh().submit().unwrap()), [11.0, 22.0]);
    assert_eq!(sum(session.request().input("x", x()).unwrap().submit().unwrap()), [12.0, 24.0]);
    for (pairs, why) in [
        (&[("all", "nothing")][..], "nothing"),
        (&[("none", "past")], "none"),
        (&[("all", "past"), ("sum", "past")], "twice"),
    ] {
        let error = model.session(pairs).unwrap_err();
        assert!(error.kind() == ErrorKind::Input && error.to_string().contains(why), "{error}");
    }
}
