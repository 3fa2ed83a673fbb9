//! Models whose plans depend on values that only the device computes run in stages.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph, Subgraph};
use fascine::runtime::Drive;
use fascine::{DType, ErrorKind, Model, Options, Runtime, Tensor};

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
