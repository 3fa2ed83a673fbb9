//! Tensors that stay on the device: outputs that are kept, and feed the inputs of other models without a read-back.

use std::sync::OnceLock;

use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph};
use fascine::runtime::Drive;
use fascine::schedule::Admission;
use fascine::tensor::Element;
use fascine::{DType, DeviceTensor, ErrorKind, LoadOptions, Model, Options, Runtime, Tensor, Value};
use half::f16;

fn runtime() -> Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(Options::default()).unwrap()).clone()
}

fn manual(memory_cap: Option<u64>) -> Runtime {
    Runtime::new(Options { drive: Drive::Manual, memory_cap, ..Options::default() }).unwrap()
}

fn tensor<T: Element>(shape: &[usize], data: Vec<T>) -> Tensor {
    Tensor::new(shape, data).unwrap()
}

fn ramp(shape: &[usize]) -> Tensor {
    let len: usize = shape.iter().product();
    tensor(shape, (0..len).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect())
}

/// `y` = exp(`x`) - 1 for `x` of any two sizes, and its columns turned into rows.
fn encoder() -> Graph {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n", "k"]);
    let one = b.floats([1], [1.0]);
    let exp = b.node("Exp", [x], []);
    let y = b.node("Sub", [exp, one], []);
    let turned = b.node("Transpose", [y], [("perm", Attr::Ints(vec![1, 0]))]);
    b.finish_named([("y", y), ("turned", turned)])
}

/// The product of `a` and `b`, of kernels that compile fast, and the largest of each row of `a`.
fn head() -> Graph {
    let mut g = GraphBuilder::new(17);
    let (a, b) = (g.input("a", DType::F32, ["n", "k"]), g.input("b", DType::F32, ["k", "m"]));
    let (one, two) = (g.ints([1]), g.ints([2]));
    let rows = g.node("Unsqueeze", [a, one], []);
    let columns = g.node("Transpose", [b], [("perm", Attr::Ints(vec![1, 0]))]);
    let each = g.node("Mul", [rows, columns], []);
    let product = g.node("ReduceSum", [each, two], [("keepdims", Attr::Int(0))]);
    let best = g.node("ReduceMax", [a], [("axes", Attr::Ints(vec![1])), ("keepdims", Attr::Int(0))]);
    g.finish_named([("product", product), ("best", best)])
}

/// As many bytes of tensors as outlive requests, once nothing is under way.
fn held(runtime: &Runtime) -> u64 {
    loop {
        runtime.poll().unwrap();
        let stats = runtime.stats().unwrap();
        if stats.now.requests == 0 && stats.now.submissions == 0 {
            assert!(stats.memory.heap_used >= stats.held_bytes, "{stats:?}");
            return stats.held_bytes;
        }
    }
}

/// Waits until nothing of the heap is in use.
fn emptied(runtime: &Runtime) {
    let start = std::time::Instant::now();
    while held(runtime) > 0 || runtime.memory().unwrap().heap_used > 0 {
        assert!(start.elapsed().as_secs() < 60, "{:?}", runtime.memory().unwrap());
    }
}

fn kept(model: &Model, input: Tensor, name: &str) -> DeviceTensor {
    let request = model.request().input("x", input).unwrap().keep(name).unwrap();
    request.submit().unwrap().wait().unwrap().kept(name).unwrap().clone()
}

fn by_host(model: &Model, inputs: &[(&str, Tensor)]) -> Vec<Tensor> {
    let mut request = model.request();
    for (name, tensor) in inputs {
        request = request.input(name, tensor.clone()).unwrap();
    }
    request.submit().unwrap().wait().unwrap().outputs().map(|(_, tensor)| tensor.clone()).collect()
}

#[test]
fn a_pipeline_without_read_back_has_the_bits_of_one_through_the_host() {
    for runtime in [Runtime::new(Options::default()).unwrap(), manual(None)] {
        let (encoder, head) = (runtime.load_graph(encoder()).unwrap(), runtime.load_graph(head()).unwrap());
        for (n, k) in [(1, 1), (5, 3), (16, 64), (33, 7)] {
            let x = ramp(&[n, k]);
            let [y, turned] = by_host(&encoder, &[("x", x.clone())]).try_into().unwrap();
            let expected = by_host(&head, &[("a", y.clone()), ("b", turned.clone())]);

            let request = encoder.request().input("x", x).unwrap().keep("y").unwrap().keep("turned").unwrap();
            let done = request.submit().unwrap().wait().unwrap();
            assert_eq!(done.outputs().len(), 0);
            let (a, b) = (done.kept("y").unwrap(), done.kept("turned").unwrap());
            assert_eq!((a.dtype(), a.shape(), b.shape()), (DType::F32, &[n, k][..], &[k, n][..]));
            assert!(a.device_bytes() >= (n * k * 4) as u64);
            let request = head.request().input("a", a).unwrap().input("b", b.clone()).unwrap();
            let result = request.submit().unwrap().wait().unwrap();
            for ((_, got), expected) in result.outputs().zip(&expected) {
                assert_eq!(got, expected, "{n} x {k}");
            }
            assert_eq!(a.download().unwrap().wait().unwrap(), y);
            assert_eq!(b.download().unwrap().wait().unwrap(), turned);
        }
        drop((encoder, head));
        emptied(&runtime);
    }
}

#[test]
fn one_tensor_feeds_many_requests_at_once_beside_others() {
    let runtime = runtime();
    let (encoder, head) = (runtime.load_graph(encoder()).unwrap(), runtime.load_graph(head()).unwrap());
    let x = ramp(&[12, 40]);
    let expected: Vec<Vec<Tensor>> = (0..12)
        .map(|k| {
            let y = by_host(&encoder, &[("x", x.clone())]).swap_remove(0);
            by_host(&head, &[("a", y), ("b", ramp(&[40, 1 + k]))])
        })
        .collect();
    let y = kept(&encoder, x.clone(), "y");
    let other = by_host(&encoder, &[("x", ramp(&[9, 9]))]);
    let mut requests = Vec::new();
    for (k, expected) in expected.iter().enumerate() {
        let request = head.request().input("a", &y).unwrap().input("b", ramp(&[40, 1 + k])).unwrap();
        requests.push((request.submit().unwrap(), expected.clone()));
        let beside = encoder.request().input("x", ramp(&[9, 9])).unwrap();
        requests.push((beside.submit().unwrap(), other.clone()));
    }
    // The requests keep it.
    drop(y);
    for (request, expected) in requests {
        let done = request.wait().unwrap();
        let got: Vec<Tensor> = done.outputs().map(|(_, tensor)| tensor.clone()).collect();
        assert_eq!(got, expected);
    }
    // One tensor as two inputs of one request.
    let square = kept(&encoder, ramp(&[8, 8]), "y");
    let host = square.download().unwrap().wait().unwrap();
    let request = head.request().input("a", &square).unwrap().input("b", &square).unwrap();
    let done = request.submit().unwrap().wait().unwrap();
    assert_eq!(*done.output("product").unwrap(), by_host(&head, &[("a", host.clone()), ("b", host)])[0]);
}

#[test]
fn memory_of_kept_tensors_is_counted_and_freed_with_the_last_clone() {
    let runtime = manual(None);
    let encoder = runtime.load_graph(encoder()).unwrap();
    assert_eq!(held(&runtime), 0);
    let first = kept(&encoder, ramp(&[64, 64]), "y");
    let one = held(&runtime);
    assert!(one >= 64 * 64 * 4 && one == first.device_bytes(), "{one}");
    let second = first.clone();
    assert!(first == second && first != kept(&encoder, ramp(&[64, 64]), "y"));
    let third = kept(&encoder, ramp(&[64, 64]), "turned");
    assert_eq!(held(&runtime), 2 * one);
    drop(first);
    assert_eq!(held(&runtime), 2 * one);
    // The model may go.
    drop(encoder);
    assert_eq!(second.download().unwrap().wait().unwrap().shape(), [64, 64]);
    drop((second, third));
    assert_eq!(held(&runtime), 0);
    emptied(&runtime);
}

#[test]
fn a_request_that_only_kept_tensors_leave_no_room_for_fails_and_says_so() {
    for drive in [Drive::Thread, Drive::Manual] {
        // A tensor is 1 MiB; a request needs room for its input, its outputs and what lies between.
        let runtime = Runtime::new(Options { drive, memory_cap: Some(12 << 20), ..Options::default() }).unwrap();
        let encoder = runtime.load_graph(encoder()).unwrap();
        let x = ramp(&[512, 512]);
        let mut tensors = vec![kept(&encoder, x.clone(), "y")];
        let error = loop {
            let request = encoder.request().input("x", x.clone()).unwrap().keep("y").unwrap();
            match request.submit().unwrap().wait() {
                Ok(done) => tensors.push(done.kept("y").unwrap().clone()),
                Err(error) => break error,
            }
            assert!(tensors.len() < 12, "the cap does not hold so many");
        };
        assert_eq!(error.kind(), ErrorKind::Memory);
        let bytes: u64 = tensors.iter().map(DeviceTensor::device_bytes).sum();
        assert!(
            error.message().contains(&bytes.to_string()) && error.message().contains("kept on the device"),
            "{error}"
        );
        let expected = tensors[0].download().unwrap().wait().unwrap();
        tensors.clear();
        assert_eq!(by_host(&encoder, &[("x", x.clone())])[0], expected);
    }
}

#[test]
fn wrong_tensors_and_names_are_named() {
    let runtime = runtime();
    let (encoder, head) = (runtime.load_graph(encoder()).unwrap(), runtime.load_graph(head()).unwrap());
    let y = kept(&encoder, ramp(&[2, 3]), "y");
    let other = manual(None).load_graph(self::head()).unwrap();
    let foreign = other.request().input("a", &y).unwrap().input("b", ramp(&[3, 1])).unwrap().submit().unwrap_err();
    assert!(foreign.kind() == ErrorKind::Input, "{foreign}");
    assert!(foreign.message().contains("'a'") && foreign.message().contains("another runtime"), "{foreign}");

    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F16, ["n", "3"]);
    let rows = b.node("Neg", [x], []);
    let mut graph = b.finish([rows]);
    graph.name = "narrow".to_owned();
    let narrow = runtime.load_graph(graph).unwrap();
    let error = narrow.request().input("x", &y).unwrap().submit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    for word in ["'narrow'", "'x'", "f32[2, 3]", "f16[n, 3]"] {
        assert!(error.message().contains(word), "no {word}: {error}");
    }
    let error = head.request().input("a", &y).unwrap().input("b", &y).unwrap().submit().unwrap_err();
    assert!(error.kind() == ErrorKind::Input, "{error}");
    assert!(error.message().contains("'b'") && error.message().contains("[2, 3]"), "{error}");

    let done =
        encoder.request().input("x", ramp(&[1, 1])).unwrap().keep("y").unwrap().submit().unwrap().wait().unwrap();
    assert!(done.output("y").unwrap_err().message().contains("kept"));
    assert!(done.kept("turned").unwrap_err().message().contains("'turned'"));
    assert!(done.output("turned").is_ok() && done.kept("none").is_err());
    assert_eq!(done.value("y").unwrap(), Value::from(done.kept("y").unwrap()));
    for name in ["none", "x"] {
        let error = encoder.request().keep(name).unwrap_err();
        assert!(error.kind() == ErrorKind::Input && error.message().contains("turned"), "{error}");
    }
    assert!(encoder.request().keep("y").unwrap().keep("y").unwrap_err().message().contains("already"));
}

#[test]
fn a_request_that_ends_otherwise_makes_no_tensor() {
    let runtime = manual(None);
    let encoder = runtime.load_graph(encoder()).unwrap();
    let request = || encoder.request().input("x", ramp(&[32, 32])).unwrap().keep("y").unwrap();
    drop(request().submit().unwrap());
    assert_eq!(held(&runtime), 0);
    let late = request().deadline(std::time::Duration::ZERO).admission(Admission::DropLate).submit().unwrap();
    assert_eq!(late.wait().unwrap_err().kind(), ErrorKind::Dropped);
    let replaced = request().key(1).submit().unwrap();
    let last = request().key(1).submit().unwrap();
    assert_eq!(replaced.wait().unwrap_err().kind(), ErrorKind::Superseded);
    // What nobody takes is free as well.
    assert!(last.wait().unwrap().kept("y").is_ok());
    emptied(&runtime);
}

#[test]
fn narrow_and_empty_tensors_stay_packed() {
    let mut b = GraphBuilder::new(17);
    let (half, byte, flag) =
        (b.input("half", DType::F16, ["n"]), b.input("byte", DType::I8, ["n"]), b.input("flag", DType::Bool, ["n"]));
    let long = b.input("long", DType::I64, ["n"]);
    let outputs = [("Neg", half), ("Abs", byte), ("Not", flag), ("Neg", long)].map(|(op, x)| b.node(op, [x], []));
    let model =
        runtime().load_graph(b.finish_named(["half2", "byte2", "flag2", "long2"].into_iter().zip(outputs))).unwrap();
    for n in [0usize, 1, 5, 1000] {
        let inputs = [
            ("half", tensor(&[n], (0..n).map(|i| f16::from_f32(i as f32 / 8.0)).collect::<Vec<f16>>())),
            ("byte", tensor(&[n], (0..n).map(|i| (i % 255) as i8).collect::<Vec<i8>>())),
            ("flag", tensor(&[n], (0..n).map(|i| i % 3 == 0).collect::<Vec<bool>>())),
            ("long", tensor(&[n], (0..n).map(|i| i as i64 * -77).collect::<Vec<i64>>())),
        ];
        let names = ["half2", "byte2", "flag2", "long2"];
        let mut once = by_host(&model, &inputs);
        let mut request = model.request();
        for (name, tensor) in &inputs {
            request = request.input(name, tensor.clone()).unwrap();
        }
        let keep_all = |request: fascine::RequestBuilder| {
            let request = names.iter().try_fold(request, |request, name| request.keep(name)).unwrap();
            request.submit().unwrap().wait().unwrap()
        };
        let mut done = keep_all(request);
        for _ in 0..3 {
            for (name, expected) in names.iter().zip(&once) {
                let kept = done.kept(name).unwrap();
                assert_eq!((kept.dtype(), kept.shape()), (expected.dtype(), expected.shape()));
                assert_eq!(kept.download().unwrap().wait().unwrap(), *expected, "{name} of {n}");
                let bytes = (n * expected.dtype().size()) as u64;
                let packed = if *name == "long2" { bytes / 2 } else { bytes };
                assert!(kept.device_bytes() < packed + 4096, "{name}: {} for {packed}", kept.device_bytes());
            }
            let again: Vec<_> = ["half", "byte", "flag", "long"].into_iter().zip(once).collect();
            once = by_host(&model, &again);
            let mut request = model.request();
            for ((name, _), from) in again.iter().zip(names) {
                request = request.input(name, done.kept(from).unwrap()).unwrap();
            }
            done = keep_all(request);
        }
    }
}

#[test]
fn outputs_that_are_views_inputs_or_constants_are_kept_too() {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n", "4"]);
    let shape = b.ints([-1]);
    let flat = b.node("Reshape", [x, shape], []);
    let turned = b.node("Transpose", [x], [("perm", Attr::Ints(vec![1, 0]))]);
    let constant = b.floats([2], [3.0, 4.0]);
    let known = b.node("Identity", [constant], []);
    let sizes = b.node("Shape", [x], []);
    let names = ["flat", "turned", "known", "sizes", "x"];
    let graph = b.finish_named(names.into_iter().zip([flat, turned, known, sizes, x]));
    let model = runtime().load_graph(graph).unwrap();
    for n in [0, 1, 6] {
        let given = ramp(&[n, 4]);
        let expected = by_host(&model, &[("x", given.clone())]);
        let keep_all = |input: Value| {
            let request = model.request().input("x", input).unwrap();
            let request = names.iter().try_fold(request, |request, name| request.keep(name)).unwrap();
            request.submit().unwrap().wait().unwrap()
        };
        let mut done = keep_all(given.into());
        for round in 0..3 {
            for (name, expected) in names.iter().zip(&expected) {
                let kept = done.kept(name).unwrap().download().unwrap().wait().unwrap();
                assert_eq!(kept, *expected, "{name} of {n}, round {round}");
            }
            done = keep_all(done.kept("x").unwrap().into());
        }
        // Read back and kept, of one request.
        let request = model.request().input("x", done.kept("x").unwrap()).unwrap().keep("turned").unwrap();
        let mixed = request.submit().unwrap().wait().unwrap();
        assert_eq!(mixed.outputs().map(|(name, _)| name).collect::<Vec<_>>(), ["flat", "known", "sizes", "x"]);
        for (name, expected) in names.iter().zip(&expected).filter(|(name, _)| **name != "turned") {
            assert_eq!(mixed.output(name).unwrap(), expected, "{name} of {n}");
        }
    }
}

/// The part of `x` from `start` on, twice that, and how much is left; by a value that the host needs.
fn by_value() -> Graph {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n"]);
    let start = b.input("start", DType::I64, ["1"]);
    let (end, axis) = (b.ints([i64::MAX]), b.ints([0]));
    let part = b.node("Slice", [x, start, end, axis], []);
    let two = b.floats([1], [2.0]);
    let double = b.node("Mul", [part, two], []);
    let one = b.ints([1]);
    let next = b.node("Add", [start, one], []);
    let all = b.node("Identity", [x], []);
    b.finish_named([("double", double), ("next", next), ("all", all)])
}

/// What of `x` differs from zero: its shape is the device's to tell.
fn by_data() -> Graph {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n"]);
    let two = b.floats([1], [2.0]);
    let scaled = b.node("Mul", [x, two], []);
    let at = b.node("NonZero", [scaled], []);
    let axis = b.ints([0]);
    let flat = b.node("Squeeze", [at, axis], []);
    let left = b.node("Gather", [scaled, flat], []);
    let minus = b.node("Neg", [left], []);
    b.finish_named([("left", minus), ("scaled", scaled), ("places", flat)])
}

#[test]
fn models_in_stages_take_and_leave_tensors_on_the_device() {
    for runtime in [Runtime::new(Options::default()).unwrap(), manual(None)] {
        let (by_value, by_data) = (runtime.load_graph(by_value()).unwrap(), runtime.load_graph(by_data()).unwrap());
        let data: Vec<f32> = (0..40).map(|i| (i % 4) as f32).collect();
        let host = by_host(&by_data, &[("x", tensor(&[40], data.clone()))]);
        let names = ["left", "scaled", "places"];
        // Each kept by itself, and all at once.
        for keep in [&names[..1], &names[1..2], &names[2..], &names] {
            let mut request = by_data.request().input("x", tensor(&[40], data.clone())).unwrap();
            for name in keep {
                request = request.keep(name).unwrap();
            }
            let done = request.submit().unwrap().wait().unwrap();
            for (name, expected) in names.iter().zip(&host) {
                if keep.contains(name) {
                    assert_eq!(done.kept(name).unwrap().download().unwrap().wait().unwrap(), *expected, "{name}");
                } else {
                    assert_eq!(done.output(name).unwrap(), expected, "{name}");
                }
            }
        }
        // A pipeline of both, whose second model needs a value that is on the device.
        let mut done = {
            let start = by_value.request().input("start", tensor(&[1], vec![4i64])).unwrap();
            let x = kept(&by_data, tensor(&[40], data.clone()), "left");
            start.input("x", x).unwrap().keep("double").unwrap().keep("next").unwrap().keep("all").unwrap()
        }
        .submit()
        .unwrap()
        .wait()
        .unwrap();
        let mut expected = by_host(&by_value, &[("x", host[0].clone()), ("start", tensor(&[1], vec![4i64]))]);
        for round in 0..4 {
            for (name, expected) in ["double", "next", "all"].iter().zip(&expected) {
                let got = done.kept(name).unwrap().download().unwrap().wait().unwrap();
                assert_eq!(got, *expected, "{name} in round {round}");
            }
            let request = by_value.request().input("x", done.kept("double").unwrap()).unwrap();
            let request = request.input("start", done.kept("next").unwrap()).unwrap();
            let request = request.keep("double").unwrap().keep("next").unwrap().keep("all").unwrap();
            done = request.submit().unwrap().wait().unwrap();
            expected = by_host(&by_value, &[("x", expected[0].clone()), ("start", expected[1].clone())]);
        }
        drop(done);
        emptied(&runtime);
    }
}

#[test]
fn requests_in_parts_that_read_kept_tensors_begin_anew_where_memory_is_short() {
    let runtime = manual(Some(6 << 20));
    let model = runtime.load_graph(by_data()).unwrap();
    let n = 200_000;
    let x = tensor(&[n], (0..n).map(|i| (i % 7) as f32).collect());
    let expected = by_host(&model, &[("x", x.clone())]);
    let y = {
        let request = model.request().input("x", x).unwrap().keep("scaled").unwrap();
        request.submit().unwrap().wait().unwrap().kept("scaled").unwrap().clone()
    };
    let half = |tensor: &Tensor| tensor.as_slice::<f32>().unwrap().iter().map(|x| x * 2.0).collect::<Vec<f32>>();
    let requests: Vec<_> = (0..5).map(|_| model.request().input("x", &y).unwrap().submit().unwrap()).collect();
    for request in requests {
        let done = request.wait().unwrap();
        assert_eq!(done.output("left").unwrap().as_slice::<f32>().unwrap(), half(&expected[0]));
        assert_eq!(done.output("places").unwrap(), &expected[2]);
    }
    drop(y);
    emptied(&runtime);
}

#[test]
fn sessions_take_and_leave_tensors_beside_their_state() {
    let mut b = GraphBuilder::new(17);
    let past = b.input("past", DType::F32, ["p", "2"]);
    let x = b.input("x", DType::F32, ["n", "2"]);
    let all = b.node("Concat", [past, x], [("axis", Attr::Int(0))]);
    let axes = b.ints([0]);
    let sum = b.node("ReduceSum", [all, axes], [("keepdims", Attr::Int(1))]);
    let least = b.node("ReduceMin", [all], [("keepdims", Attr::Int(0))]);
    let model = runtime().load_graph(b.finish_named([("sum", sum), ("all", all), ("least", least)])).unwrap();
    let session = model.session(&[("all", "past")]).unwrap();
    assert!(session.request().keep("all").unwrap_err().message().contains("state"));
    // The first state is on the device already, and may be given to another session as well.
    let start = model.request().input("past", ramp(&[1, 2])).unwrap().input("x", ramp(&[2, 2])).unwrap();
    let start = start.keep("all").unwrap().submit().unwrap().wait().unwrap().kept("all").unwrap().clone();
    let mut past = start.download().unwrap().wait().unwrap();
    let before = past.clone();
    let mut x = Value::from(ramp(&[1, 2]));
    let mut on_host = ramp(&[1, 2]);
    for step in 0..5 {
        let mut request = session.request().input("x", x).unwrap().keep("sum").unwrap();
        if step == 0 {
            request = request.input("past", &start).unwrap();
        }
        let done = request.submit().unwrap().wait().unwrap();
        let [sum, all, least] = by_host(&model, &[("past", past), ("x", on_host)]).try_into().unwrap();
        assert_eq!(done.output("least").unwrap(), &least, "step {step}");
        let kept = done.kept("sum").unwrap();
        assert_eq!(kept.download().unwrap().wait().unwrap(), sum, "step {step}");
        // What one step gave is the next one's input.
        (x, on_host, past) = (kept.into(), sum, all);
    }
    assert_eq!(start.download().unwrap().wait().unwrap(), before, "the state that was given is as it was");
}

#[test]
fn models_of_sequences_say_that_they_cannot() {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n", "3"]);
    let one = b.constant(Tensor::scalar(1i64));
    let list = b.node("SplitToSequence", [x, one], [("axis", Attr::Int(1))]);
    let y = b.node("Neg", [x], []);
    let model = runtime().load_graph(b.finish_named([("list", list), ("y", y)])).unwrap();
    for name in ["list", "y"] {
        let error = model.request().keep(name).unwrap_err();
        assert!(error.kind() == ErrorKind::Unsupported && error.message().contains(name), "{error}");
    }
    let encoder = runtime().load_graph(encoder()).unwrap();
    let device = kept(&encoder, ramp(&[4, 3]), "y");
    let optional = Value::Optional(Some(Box::new((&device).into())));
    let error = encoder.request().input("x", optional).unwrap().submit().unwrap_err();
    assert!(error.kind() == ErrorKind::Input && error.message().contains("on the device"), "{error}");
    let done = model.request().input("x", &device).unwrap().submit().unwrap().wait().unwrap();
    assert_eq!(done.output("list[2]").unwrap().shape(), [4, 1]);
}

#[test]
fn downloads_take_seats_and_may_be_dropped() {
    let runtime = Runtime::new(Options { drive: Drive::Manual, max_queued: 2, ..Options::default() }).unwrap();
    let encoder = runtime.load_graph(encoder()).unwrap();
    let y = kept(&encoder, ramp(&[30, 30]), "y");
    let expected = y.download().unwrap().wait().unwrap();
    let (first, second) = (y.download().unwrap(), y.download().unwrap());
    let error = y.download().unwrap_err();
    assert!(error.kind() == ErrorKind::QueueFull && error.message().contains("download"), "{error}");
    drop(first);
    assert_eq!(second.wait().unwrap(), expected);
    assert_eq!(held(&runtime), y.device_bytes());
    // On the way when the tensor goes, and when the runtime's other handles do.
    let last = y.download().unwrap();
    drop((y, encoder));
    assert_eq!(last.wait().unwrap(), expected);
    emptied(&runtime);
}

#[test]
fn a_tensor_outlives_all_other_handles() {
    let runtime = Runtime::new(Options::default()).unwrap();
    let encoder = runtime.load_graph(encoder()).unwrap();
    let expected = by_host(&encoder, &[("x", ramp(&[3, 3]))]);
    let y = kept(&encoder, ramp(&[3, 3]), "y");
    drop((runtime, encoder));
    let other = std::thread::spawn(move || y.download().unwrap().wait().unwrap());
    assert_eq!(other.join().unwrap(), expected[0]);
}

#[test]
fn a_detectors_state_stays_on_the_device() {
    let runtime = runtime();
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = runtime.load_with("tests/zoo/lstm_vad.onnx", &options).unwrap();
    let audio = ramp(&[1, 512]);
    let start = ramp(&[2, 1, 64]);
    let (mut h, mut c) = (start.clone(), start.clone());
    let (mut h2, mut c2) = (Value::from(start.clone()), Value::from(start));
    for step in 0..3 {
        let by_hand = model.request().input("audio", audio.clone()).unwrap();
        let by_hand = by_hand.input("h", h).unwrap().input("c", c).unwrap().submit().unwrap().wait().unwrap();
        let request = model.request().input("audio", audio.clone()).unwrap().input("h", h2).unwrap();
        let request = request.input("c", c2).unwrap().keep("h_out").unwrap().keep("c_out").unwrap();
        let done = request.submit().unwrap().wait().unwrap();
        assert_eq!(done.output("probability").unwrap(), by_hand.output("probability").unwrap(), "step {step}");
        (h, c) = (by_hand.output("h_out").unwrap().clone(), by_hand.output("c_out").unwrap().clone());
        (h2, c2) = (done.kept("h_out").unwrap().into(), done.kept("c_out").unwrap().into());
    }
}
