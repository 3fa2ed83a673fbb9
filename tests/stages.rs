//! Models whose plans depend on values that only the device computes run in stages; sessions keep state on the device.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph, Subgraph};
use fascine::runtime::Drive;
use fascine::schedule::Admission;
use fascine::{DType, ErrorKind, LoadOptions, Model, Options, Runtime, Tensor};
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

fn ints(tensor: &Tensor) -> Vec<i64> {
    tensor.as_slice::<i64>().unwrap().to_vec()
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

/// The coordinates of what differs from zero, one row for each dimension.
fn coordinates(shape: &[usize], differs: impl Fn(usize) -> bool) -> (usize, Vec<i64>) {
    let len: usize = shape.iter().product();
    let at: Vec<usize> = (0..len).filter(|&i| differs(i)).collect();
    let mut rows = Vec::new();
    for (axis, &size) in shape.iter().enumerate() {
        let stride: usize = shape[axis + 1..].iter().product();
        rows.extend(at.iter().map(|i| (i / stride % size) as i64));
    }
    (at.len(), rows)
}

/// Dimensions of an input of that rank.
fn dims(rank: usize) -> Vec<&'static str> {
    ["a", "b", "c", "d", "e", "f", "g", "h"][..rank].to_vec()
}

#[test]
fn nonzero_gives_as_many_coordinates_as_there_are() {
    for runtime in [runtime(), manual()] {
        for shape in
            [vec![], vec![1], vec![5], vec![64], vec![65], vec![7, 9], vec![2, 3, 4], vec![3, 1, 50, 40], vec![0, 3]]
        {
            let mut b = GraphBuilder::new(17);
            let x = b.input("x", DType::F32, dims(shape.len()));
            let y = b.node("NonZero", [x], []);
            let model = runtime.load_graph(b.finish([y])).unwrap();
            let len: usize = shape.iter().product();
            for period in [1usize, 3, 7, usize::MAX] {
                // -0 is zero; NaN and the least number are not.
                let value = |i: usize| match (i % period == period / 2, i % 3) {
                    (false, even) => [0.0, -0.0, 0.0][even],
                    (true, 0) => f32::NAN,
                    (true, 1) => f32::from_bits(1),
                    (true, _) => -2.5,
                };
                let x = tensor(&shape, (0..len).map(value).collect::<Vec<f32>>());
                let (count, want) = coordinates(&shape, |i| i % period == period / 2);
                let got = run(&model, &[("x", x)]).unwrap().remove(0);
                assert_eq!(got.shape(), [shape.len(), count], "{shape:?}, every {period}");
                assert_eq!(ints(&got), want, "{shape:?}, every {period}");
            }
        }
    }
}

#[test]
fn nonzero_takes_bools_and_integers_and_what_follows_is_planned_for_their_number() {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::I64, ["n"]);
    let limit = b.constant(Tensor::scalar(3i64));
    let large = b.node("Greater", [x, limit], []);
    let at = b.node("NonZero", [large], []);
    // 2 x + 1 of the large ones, in order, and how many there are.
    let axis = b.ints([0]);
    let flat = b.node("Squeeze", [at, axis], []);
    let picked = b.node("Gather", [x, flat], []);
    let (two, one) = (b.constant(Tensor::scalar(2i64)), b.constant(Tensor::scalar(1i64)));
    let twice = b.node("Mul", [picked, two], []);
    let y = b.node("Add", [twice, one], []);
    let count = b.node("Shape", [flat], []);
    let model = runtime().load_graph(b.finish([y, count, large])).unwrap();
    for n in [1i64, 4, 5, 6, 40, 300] {
        let data: Vec<i64> = (0..n).map(|i| i * 7 % 11).collect();
        let outputs = run(&model, &[("x", tensor(&[n as usize], data.clone()))]).unwrap();
        let want: Vec<i64> = data.iter().filter(|&&x| x > 3).map(|x| 2 * x + 1).collect();
        assert_eq!((ints(&outputs[0]), ints(&outputs[1])), (want.clone(), vec![want.len() as i64]), "{n}");
        assert_eq!(outputs[2].as_slice::<bool>().unwrap(), data.iter().map(|&x| x > 3).collect::<Vec<bool>>());
    }
}

/// `x[start .. end]`, where the ends come as inputs.
fn slice_of_inputs() -> Graph {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n", "3"]);
    let (start, end) = (b.input("start", DType::I64, ["1"]), b.input("end", DType::I64, ["1"]));
    let axis = b.ints([0]);
    let part = b.node("Slice", [x, start, end, axis], []);
    let y = b.node("Exp", [part], []);
    let z = b.node("Neg", [x], []);
    b.finish([y, z])
}

#[test]
fn a_slice_by_values_of_the_request_is_planned_for_them() {
    let model = runtime().load_graph(slice_of_inputs()).unwrap();
    let n = 40usize;
    let data: Vec<f32> = (0..n * 3).map(|i| i as f32 / 50.0).collect();
    for (start, end) in [(0i64, 40i64), (3, 9), (5, 5), (-4, i64::MAX), (i64::MIN, -30), (17, 18), (100, 200), (30, 3)]
    {
        let inputs = [
            ("x", tensor(&[n, 3], data.clone())),
            ("start", tensor(&[1], vec![start])),
            ("end", tensor(&[1], vec![end])),
        ];
        let outputs = run(&model, &inputs).unwrap();
        let clamp = |at: i64| (if at < 0 { at.saturating_add(n as i64) } else { at }).clamp(0, n as i64) as usize;
        let (from, to) = (clamp(start), clamp(end).max(clamp(start)));
        assert_eq!(outputs[0].shape(), [to - from, 3], "{start} to {end}");
        for (got, x) in floats(&outputs[0]).iter().zip(&data[from * 3..to * 3]) {
            assert!((got - x.exp()).abs() <= 1e-5 * x.exp(), "{start} to {end}: {got}, not {}", x.exp());
        }
        assert_eq!(floats(&outputs[1]), data.iter().map(|x| -x).collect::<Vec<f32>>());
    }
}

/// The part of `x` from its largest element on, and with it what both parts read: `x` itself and a product of the first.
fn slice_of_data() -> Graph {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n"]);
    let three = b.floats([1], [3.0]);
    let tripled = b.node("Mul", [x, three], []);
    let top = b.node("ArgMax", [x], [("axis", Attr::Int(0)), ("keepdims", Attr::Int(1))]);
    let (end, axis) = (b.ints([i64::MAX]), b.ints([0]));
    let of_input = b.node("Slice", [x, top, end, axis], []);
    let of_product = b.node("Slice", [tripled, top, end, axis], []);
    let y = b.node("Add", [of_input, of_product], []);
    b.finish([y, tripled, top])
}

fn check_slice_of_data(outputs: &[Tensor], data: &[f32]) {
    let top = (0..data.len()).rev().max_by(|&a, &b| data[a].total_cmp(&data[b])).unwrap();
    assert_eq!(ints(&outputs[2]), [top as i64]);
    assert_eq!(floats(&outputs[1]), data.iter().map(|x| x * 3.0).collect::<Vec<f32>>());
    assert_eq!(floats(&outputs[0]), data[top..].iter().map(|x| x + x * 3.0).collect::<Vec<f32>>());
}

#[test]
fn a_slice_by_values_of_the_device_runs_in_two_parts() {
    for runtime in [runtime(), manual()] {
        let model = runtime.load_graph(slice_of_data()).unwrap();
        for seed in 0..30u64 {
            let n = 1 + (seed as usize * 37) % 300;
            let data: Vec<f32> = (0..n as u64).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32).collect();
            check_slice_of_data(&run(&model, &[("x", tensor(&[n], data.clone()))]).unwrap(), &data);
        }
    }
}

#[test]
fn stages_follow_stages() {
    // Thrice: what differs from zero of what is left, less one.
    let mut b = GraphBuilder::new(17);
    let input = b.input("x", DType::F32, ["n"]);
    let (axis, one) = (b.ints([0]), b.floats([1], [1.0]));
    let (mut x, mut counts) = (input, Vec::new());
    for _ in 0..3 {
        let at = b.node("NonZero", [x], []);
        let flat = b.node("Squeeze", [at, axis], []);
        let left = b.node("Gather", [x, flat], []);
        x = b.node("Sub", [left, one], []);
        counts.push(b.node("Shape", [x], []));
    }
    let model = runtime().load_graph(b.finish([x, counts[0], counts[1], input])).unwrap();
    for n in [1usize, 9, 130] {
        let data: Vec<f32> = (0..n).map(|i| (i % 5) as f32).collect();
        let outputs = run(&model, &[("x", tensor(&[n], data.clone()))]).unwrap();
        let (mut left, mut counts) = (data.clone(), Vec::new());
        for _ in 0..3 {
            left = left.into_iter().filter(|&x| x != 0.0).map(|x| x - 1.0).collect();
            counts.push(left.len() as i64);
        }
        assert_eq!((floats(&outputs[0]), floats(&outputs[3])), (left, data));
        assert_eq!([ints(&outputs[1])[0], ints(&outputs[2])[0]], [counts[0], counts[1]]);
    }
}

/// If the sum is positive: twice `x` and its softmax; else the first half of `x` and a constant.
fn branches() -> Graph {
    let mut then = GraphBuilder::new(17);
    let x = then.input("x", DType::F32, ["n"]);
    let two = then.floats([1], [2.0]);
    let twice = then.node("Mul", [x, two], []);
    let soft = then.node("Softmax", [x], [("axis", Attr::Int(0))]);
    let then = then.finish([twice, soft]);
    let mut other = GraphBuilder::new(17);
    let x = other.input("x", DType::F32, ["n"]);
    let (start, axis) = (other.ints([0]), other.ints([0]));
    let n = other.node("Shape", [x], []);
    let two = other.ints([2]);
    let half = other.node("Div", [n, two], []);
    let first = other.node("Slice", [x, start, half, axis], []);
    let seven = other.floats([2], [7.0, 8.0]);
    let other = other.finish([first, seven]);
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n"]);
    let sum = b.node("ReduceSum", [x], [("keepdims", Attr::Int(0))]);
    let zero = b.floats([], [0.0]);
    let condition = b.node("Greater", [sum, zero], []);
    let branch = |graph| Attr::Graph(Box::new(Subgraph { graph, captures: vec![1] }));
    let attrs = [("then_branch", branch(then)), ("else_branch", branch(other))];
    let outputs = b.node_with("If", [Some(condition), Some(x)], attrs, 2);
    let negative = b.node("Neg", [outputs[0]], []);
    b.finish([negative, outputs[1], sum])
}

#[test]
fn an_if_on_data_is_its_branch() {
    for runtime in [runtime(), manual()] {
        let model = runtime.load_graph(branches()).unwrap();
        for (n, offset) in [(4usize, 1.0f32), (4, -9.0), (7, -9.0), (7, 1.0), (5, 1.0), (1, -9.0), (4, 1.0)] {
            let data: Vec<f32> = (0..n).map(|i| i as f32 * 0.5 + offset).collect();
            let outputs = run(&model, &[("x", tensor(&[n], data.clone()))]).unwrap();
            if data.iter().sum::<f32>() > 0.0 {
                assert_eq!(floats(&outputs[0]), data.iter().map(|x| -2.0 * x).collect::<Vec<f32>>());
                assert!((floats(&outputs[1]).iter().sum::<f32>() - 1.0).abs() < 1e-5);
            } else {
                assert_eq!(floats(&outputs[0]), data[..n / 2].iter().map(|x| -x).collect::<Vec<f32>>());
                assert_eq!(floats(&outputs[1]), [7.0, 8.0]);
            }
        }
    }
}

#[test]
fn what_a_branch_cannot_do_is_said_at_load() {
    let mut graph = branches();
    let node = graph.nodes.iter_mut().find(|node| node.op == "If").unwrap();
    let Some(Attr::Graph(branch)) = Arc::make_mut(node).attrs.get_mut("else_branch") else {
        panic!("a branch is wanted")
    };
    Arc::make_mut(&mut branch.graph.nodes[0]).op = "NoSuchOperator".to_owned();
    let error = runtime().load_graph(graph).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("NoSuchOperator") && error.to_string().contains("else_branch"), "{error}");
}

#[test]
fn requests_in_parts_run_beside_others_and_leave_nothing_behind() {
    parts_beside_others(None);
}

#[test]
fn requests_in_parts_that_memory_does_not_hold_together_all_end() {
    // The smaller one holds two or three that have begun, and none of them can go on then.
    for cap in [1536, 4096] {
        parts_beside_others(Some(cap));
    }
}

fn parts_beside_others(memory_cap: Option<u64>) {
    let runtime = Runtime::new(Options { memory_cap, ..Options::default() }).unwrap();
    let models = [slice_of_data(), branches()].map(|graph| runtime.load_graph(graph).unwrap());
    let data = |k: usize| (0..50 + k % 5).map(|i| ((i * 31 + k * 17) % 97) as f32 - 20.0).collect::<Vec<f32>>();
    let mut used = Vec::new();
    for round in 0..6 {
        let submit = |k: usize| {
            let x = tensor(&[data(k).len()], data(k));
            let request = models[k % 2].request().input("x", x).unwrap();
            request.deadline(Duration::from_secs(60)).submit().unwrap()
        };
        let requests: Vec<_> = (0..24).map(submit).collect();
        for (k, request) in requests.into_iter().enumerate() {
            // A handle that is dropped cancels the request, in whatever part it is.
            if k % 7 == round {
                continue;
            }
            let done = request.wait().unwrap();
            assert_eq!(done.timing().in_time, Some(true));
            if k % 2 == 0 {
                let outputs: Vec<Tensor> = done.outputs().map(|(_, tensor)| tensor.clone()).collect();
                check_slice_of_data(&outputs, &data(k));
            }
        }
        let start = Instant::now();
        while runtime.stats().unwrap().now.requests > 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "requests that were dropped do not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        used.push(runtime.memory().unwrap().heap_used);
    }
    assert_eq!(used, [0; 6]);
    let outcomes = runtime.stats().unwrap().outcomes;
    assert_eq!((outcomes.failed, outcomes.completed + outcomes.cancelled), (0, 6 * 24), "{outcomes:?}");
}

#[test]
fn a_request_that_stops_half_way_ends_with_its_error() {
    let runtime = runtime();
    // Three coordinates fit the weights; with any other number the second part's shapes do not, and the error names its node.
    let model = runtime.load_graph({
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["n"]);
        let at = b.node("NonZero", [x], []);
        let floats = b.node("Cast", [at], [("to", Attr::Int(1))]);
        let weights = b.floats([3, 2], [1.0; 6]);
        let y = b.node("MatMul", [floats, weights], []);
        b.finish([y])
    });
    let model = model.unwrap();
    let good = run(&model, &[("x", tensor(&[5], vec![1.0f32, 0.0, 1.0, 0.0, 1.0]))]).unwrap();
    assert_eq!(floats(&good[0]), [6.0, 6.0]);
    let error = run(&model, &[("x", tensor(&[5], vec![1.0f32, 0.0, 1.0, 0.0, 0.0]))]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape, "{error}");
    assert!(error.to_string().contains("MatMul"), "{error}");
    // Without the values of a request only the first stage can be planned.
    let summary = model.plan(&[vec![5]]).unwrap();
    assert!(summary.staged && summary.dispatches == 2, "{summary:?}");
    let by_inputs = runtime.load_graph(slice_of_inputs()).unwrap().plan(&[vec![5, 3], vec![1], vec![1]]).unwrap();
    assert!(by_inputs.staged && by_inputs.dispatches == 0, "{by_inputs:?}");
}

/// `all`: `past` and then `x`; `sum`: of all.
fn cache() -> Graph {
    let mut b = GraphBuilder::new(17);
    let past = b.input("past", DType::F32, ["p", "2"]);
    let x = b.input("x", DType::F32, ["n", "2"]);
    let all = b.node("Concat", [past, x], [("axis", Attr::Int(0))]);
    let axes = b.ints([0]);
    let sum = b.node("ReduceSum", [all, axes], [("keepdims", Attr::Int(0))]);
    let mut graph = b.finish([all, sum]);
    let all = graph.outputs[0];
    graph.value_mut(all).name = "all".to_owned();
    let sum = graph.outputs[1];
    graph.value_mut(sum).name = "sum".to_owned();
    graph
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
    let mut graph = b.finish([result, twice]);
    for (index, name) in ["after", "twice"].into_iter().enumerate() {
        let id = graph.outputs[index];
        graph.value_mut(id).name = name.to_owned();
    }
    graph
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
    let mut graph = b.finish([all, odd, wide, number]);
    for (at, name) in ["all", "odd", "wide", "number"].into_iter().enumerate() {
        let id = graph.outputs[at];
        graph.value_mut(id).name = name.to_owned();
    }
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
    let mut graph = b.finish([rest, all, next]);
    for (at, name) in ["rest", "all", "next"].into_iter().enumerate() {
        let id = graph.outputs[at];
        graph.value_mut(id).name = name.to_owned();
    }
    graph
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
        // One that fails breaks the session off.
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
