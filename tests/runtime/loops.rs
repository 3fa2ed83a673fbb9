//! Loops: unrolled where their trips are known, else a stage for each trip; sequences and optionals that a request brings.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph, LoopLimits, Subgraph, ValueId};
use fascine::runtime::Drive;
use fascine::{DType, ErrorKind, Kind, Model, Options, Runtime, Tensor, Value};

fn runtime() -> Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(Options::default()).unwrap()).clone()
}

fn manual() -> Runtime {
    Runtime::new(Options { drive: Drive::Manual, ..Options::default() }).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.as_slice::<f32>().unwrap().to_vec()
}

fn vector(data: impl Into<Vec<f32>>) -> Tensor {
    let data = data.into();
    Tensor::new([data.len()], data).unwrap()
}

fn run(model: &Model, inputs: &[(&str, Tensor)]) -> fascine::Result<Vec<Tensor>> {
    let mut request = model.request();
    for (name, tensor) in inputs {
        request = request.input(name, tensor.clone())?;
    }
    Ok(request.submit()?.wait()?.outputs().map(|(_, tensor)| tensor.clone()).collect())
}

/// A body: counter, condition, what `carried` names, then captures.
fn body(
    carried: &[(&str, &[&str])],
    captured: &[(&str, &[&str])],
    build: impl FnOnce(&mut GraphBuilder, ValueId, ValueId, &[ValueId], &[ValueId]) -> Vec<ValueId>,
) -> Graph {
    let mut b = GraphBuilder::new(17);
    let trip = b.input("trip", DType::I64, [""; 0]);
    let going = b.input("going", DType::Bool, [""; 0]);
    let mut inputs = |list: &[(&str, &[&str])]| -> Vec<ValueId> {
        list.iter().map(|(name, dims)| b.input(name, DType::F32, dims.iter().copied())).collect()
    };
    let (carried, captured) = (inputs(carried), inputs(captured));
    let outputs = build(&mut b, trip, going, &carried, &captured);
    b.finish(outputs)
}

/// The loop's outputs; what it captures comes last among `inputs`.
fn repeat(
    b: &mut GraphBuilder,
    body: Graph,
    inputs: &[Option<ValueId>],
    captured: usize,
    outputs: usize,
) -> Vec<ValueId> {
    let captures = (inputs.len() - captured..inputs.len()).collect();
    let attr = Attr::Graph(Box::new(Subgraph { graph: body, captures }));
    b.node_with("Loop", inputs.iter().copied(), [("body", attr)], outputs)
}

/// `x = x * w + trip`, of which each trip is gathered; by the number of trips, or by the input "trips".
fn affine(trips: Option<i64>) -> Graph {
    let body = body(&[("x", &["n"])], &[("w", &["n"])], |b, trip, going, carried, captured| {
        let number = b.node("Cast", [trip], [("to", Attr::Int(1))]);
        let product = b.node("Mul", [carried[0], captured[0]], []);
        let sum = b.node("Add", [product, number], []);
        vec![going, sum, sum]
    });
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n"]);
    let w = b.floats([4], [1.0, 2.0, 0.5, -1.0]);
    let count = match trips {
        Some(trips) => b.constant(Tensor::scalar(trips)),
        None => b.input("trips", DType::I64, [""; 0]),
    };
    let outputs = repeat(&mut b, body, &[Some(count), None, Some(x), Some(w)], 1, 2);
    let negative = b.node("Neg", [outputs[0]], []);
    b.finish([negative, outputs[1]])
}

fn check_affine(outputs: &[Tensor], x: &[f32; 4], trips: usize) {
    let (mut x, mut all) = (*x, Vec::new());
    for trip in 0..trips {
        for (x, w) in x.iter_mut().zip([1.0, 2.0, 0.5, -1.0]) {
            *x = *x * w + trip as f32;
        }
        all.extend(x);
    }
    assert_eq!(floats(&outputs[0]), x.map(|x| -x), "{trips} trips");
    assert_eq!((outputs[1].shape(), floats(&outputs[1])), ([trips, 4].as_slice(), all), "{trips} trips");
}

#[test]
fn a_loop_of_constant_trips_is_its_bodies() {
    let x = [1.0, -2.0, 4.0, 0.25];
    for trips in [0usize, 1, 2, 7] {
        let model = runtime().load_graph(affine(Some(trips as i64))).unwrap();
        assert!(model.graph().nodes.iter().all(|node| node.op != "Loop"));
        assert!(!model.plan(&[vec![4]]).unwrap().staged);
        check_affine(&run(&model, &[("x", vector(x))]).unwrap(), &x, trips);
    }
    let model = runtime().load_graph(affine(Some(3))).unwrap();
    let names: Vec<&str> = model.graph().nodes.iter().map(|node| node.name.as_str()).collect();
    assert!((0..3).all(|trip| names.iter().any(|name| name.contains(&format!("[{trip}]/")))), "{names:?}");
    // Whatever is more than the option allows runs trip by trip.
    let mut graph = affine(Some(3));
    graph.limits.max_unrolled = 8;
    let model = runtime().load_graph(graph).unwrap();
    assert!(model.plan(&[vec![4]]).unwrap().staged);
    check_affine(&run(&model, &[("x", vector(x))]).unwrap(), &x, 3);
}

#[test]
fn a_loop_by_a_value_of_the_request_runs_trip_by_trip() {
    let x = [1.0, -2.0, 4.0, 0.25];
    for runtime in [runtime(), manual()] {
        let model = runtime.load_graph(affine(None)).unwrap();
        for trips in [3i64, 0, 1, 12, -5, 3, 2] {
            let inputs = [("x", vector(x)), ("trips", Tensor::scalar(trips))];
            check_affine(&run(&model, &inputs).unwrap(), &x, trips.max(0) as usize);
        }
    }
}

/// `x` doubled until its sum is no less than `limit`, and how often; `trips` at most.
fn doubling(trips: Option<i64>) -> Graph {
    let body = body(&[("x", &["n"]), ("count", &["1"])], &[("limit", &["1"])], |b, _, _, carried, captured| {
        let (two, one) = (b.floats([1], [2.0]), b.floats([1], [1.0]));
        let twice = b.node("Mul", [carried[0], two], []);
        let count = b.node("Add", [carried[1], one], []);
        let sum = b.node("ReduceSum", [twice], [("keepdims", Attr::Int(0))]);
        let less = b.node("Less", [sum, captured[0]], []);
        let axis = b.ints([0]);
        let goes_on = b.node("Squeeze", [less, axis], []);
        vec![goes_on, twice, count, sum]
    });
    let mut b = GraphBuilder::new(17);
    let (x, limit) = (b.input("x", DType::F32, ["n"]), b.input("limit", DType::F32, ["1"]));
    let zero = b.floats([1], [0.0]);
    let count = trips.map(|trips| b.constant(Tensor::scalar(trips)));
    // The condition to begin is data as well.
    let start = b.node("Abs", [x], []);
    let sum = b.node("ReduceSum", [start], [("keepdims", Attr::Int(0))]);
    let less = b.node("Less", [sum, limit], []);
    let axis = b.ints([0]);
    let begins = b.node("Squeeze", [less, axis], []);
    let inputs = [count, Some(begins), Some(start), Some(zero), Some(limit)];
    let outputs = repeat(&mut b, body, &inputs, 1, 3);
    b.finish([outputs[0], outputs[1], outputs[2]])
}

fn check_doubling(outputs: &[Tensor], x: &[f32], limit: f32, most: usize) {
    let (mut x, mut sums) = (x.to_vec(), Vec::<f32>::new());
    while x.iter().sum::<f32>() < limit && sums.len() < most {
        x.iter_mut().for_each(|x| *x *= 2.0);
        sums.push(x.iter().sum());
    }
    assert_eq!((floats(&outputs[0]), floats(&outputs[1])), (x, vec![sums.len() as f32]), "up to {limit}");
    assert_eq!(floats(&outputs[2]), sums, "up to {limit}");
}

#[test]
fn a_loop_goes_on_until_data_says_so() {
    for runtime in [runtime(), manual()] {
        for most in [None, Some(4)] {
            let model = runtime.load_graph(doubling(most)).unwrap();
            for (n, limit) in [(3usize, 100.0f32), (3, 1.0), (64, 1e6), (1, 9.0), (3, 1000.0)] {
                let x: Vec<f32> = (0..n).map(|i| 1.0 + i as f32).collect();
                let outputs = run(&model, &[("x", vector(x.clone())), ("limit", vector([limit]))]).unwrap();
                check_doubling(&outputs, &x, limit, most.map_or(usize::MAX, |most| most as usize));
            }
        }
    }
}

#[test]
fn a_loop_that_does_not_end_is_an_error_of_its_request() {
    let runtime = Runtime::new(Options::default()).unwrap();
    let mut graph = doubling(None);
    graph.limits = LoopLimits { max_trips: 5, ..LoopLimits::default() };
    let model = runtime.load_graph(graph).unwrap();
    let request = |x: f32| run(&model, &[("x", vector([x])), ("limit", vector([20.0]))]);
    let error = request(0.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    assert!(error.to_string().contains("max_trips") && error.to_string().contains("Loop_"), "{error}");
    check_doubling(&request(1.0).unwrap(), &[1.0], 20.0, 5);
    // One of which that is known before it begins.
    let endless = |count: Option<i64>| {
        let body = body(&[("x", &["n"])], &[], |b, _, going, carried, _| vec![going, b.node("Exp", [carried[0]], [])]);
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["n"]);
        let count = count.map(|count| b.constant(Tensor::scalar(count)));
        let outputs = repeat(&mut b, body, &[count, None, Some(x)], 0, 1);
        run(&runtime.load_graph(b.finish(outputs)).unwrap(), &[("x", vector([1.0]))]).unwrap_err()
    };
    for count in [None, Some(i64::MAX), Some(20_000)] {
        let error = endless(count);
        assert!(error.kind() == ErrorKind::Limit && error.to_string().contains("max_trips"), "{error}");
    }
    assert_eq!(runtime.stats().unwrap().now.requests, 0);
}

#[test]
fn loops_within_loops() {
    // For each of `trips`: x is doubled until its sum is no less than 50, then divided by 16.
    let inner = body(&[("x", &["n"])], &[], |b, _, _, carried, _| {
        let (two, limit) = (b.floats([], [2.0]), b.floats([], [50.0]));
        let twice = b.node("Mul", [carried[0], two], []);
        let sum = b.node("ReduceSum", [twice], [("keepdims", Attr::Int(0))]);
        vec![b.node("Less", [sum, limit], []), twice]
    });
    let outer = body(&[("x", &["n"])], &[], |b, _, going, carried, _| {
        let yes = b.constant(Tensor::scalar(true));
        let doubled = repeat(b, inner, &[None, Some(yes), Some(carried[0])], 0, 1);
        let sixteen = b.floats([], [16.0]);
        let less = b.node("Div", [doubled[0], sixteen], []);
        vec![going, less, doubled[0]]
    });
    let mut b = GraphBuilder::new(17);
    let (x, trips) = (b.input("x", DType::F32, ["n"]), b.input("trips", DType::I64, [""; 0]));
    let outputs = repeat(&mut b, outer, &[Some(trips), None, Some(x)], 0, 2);
    let model = runtime().load_graph(b.finish(outputs)).unwrap();
    // Without trips nobody knows the rank of what they would give.
    let none = run(&model, &[("x", vector([1.0, 3.0])), ("trips", Tensor::scalar(0i64))]).unwrap_err();
    assert!(none.kind() == ErrorKind::Unsupported && none.to_string().contains("without trips"), "{none}");
    for trips in [2usize, 1, 3] {
        let (mut x, mut all) = (vec![1.0f32, 3.0], Vec::new());
        let outputs = run(&model, &[("x", vector(x.clone())), ("trips", Tensor::scalar(trips as i64))]).unwrap();
        for _ in 0..trips {
            loop {
                x.iter_mut().for_each(|x| *x *= 2.0);
                if x.iter().sum::<f32>() >= 50.0 {
                    break;
                }
            }
            all.extend(x.clone());
            x.iter_mut().for_each(|x| *x /= 16.0);
        }
        assert_eq!((floats(&outputs[0]), floats(&outputs[1])), (x, all), "{trips}");
    }
}

/// The running sum of `x` along an axis, forwards or backwards, and what is left of it in the end.
fn running_sum(axis: i64, backwards: bool, output_axis: i64) -> Graph {
    let mut inner = GraphBuilder::new(17);
    let (state, element) = (inner.input("state", DType::F32, ["m"]), inner.input("element", DType::F32, ["m"]));
    let sum = inner.node("Add", [state, element], []);
    let copy = inner.node("Neg", [sum], []);
    let body = Attr::Graph(Box::new(Subgraph { graph: inner.finish([sum, copy]), captures: Vec::new() }));
    let mut b = GraphBuilder::new(17);
    let (state, x) = (b.input("state", DType::F32, ["m"]), b.input("x", DType::F32, ["a", "b"]));
    let direction = Attr::Ints(vec![i64::from(backwards)]);
    let attrs = [
        ("body", body),
        ("num_scan_inputs", Attr::Int(1)),
        ("scan_input_axes", Attr::Ints(vec![axis])),
        ("scan_input_directions", direction.clone()),
        ("scan_output_axes", Attr::Ints(vec![output_axis])),
        ("scan_output_directions", direction),
    ];
    let outputs = b.node_with("Scan", [Some(state), Some(x)], attrs, 2);
    b.finish(outputs)
}

#[test]
fn a_scan_goes_along_what_the_request_brings() {
    for max_unrolled in [4096usize, 8] {
        for (axis, backwards, output_axis) in [(0i64, false, 0i64), (0, true, 1), (1, false, -1), (-1, true, 0)] {
            let mut graph = running_sum(axis, backwards, output_axis);
            graph.limits.max_unrolled = max_unrolled;
            let model = runtime().load_graph(graph).unwrap();
            for (rows, columns) in [(2usize, 3usize), (5, 2), (1, 4), (2, 3)] {
                let x: Vec<f32> = (0..rows * columns).map(|i| (i * i) as f32).collect();
                let along_rows = axis == 0;
                let (length, width) = if along_rows { (rows, columns) } else { (columns, rows) };
                let at = |k: usize, i: usize| if along_rows { x[k * columns + i] } else { x[i * columns + k] };
                let mut state = vec![1.0f32; width];
                let mut members = vec![Vec::new(); length];
                let order: Vec<usize> = if backwards { (0..length).rev().collect() } else { (0..length).collect() };
                for k in order {
                    state.iter_mut().enumerate().for_each(|(i, sum)| *sum += at(k, i));
                    members[k] = state.iter().map(|sum| -sum).collect();
                }
                let inputs =
                    [("state", vector(vec![1.0; width])), ("x", Tensor::new([rows, columns], x.clone()).unwrap())];
                let outputs = run(&model, &inputs).unwrap();
                let want: Vec<f32> = if output_axis == 0 {
                    members.concat()
                } else {
                    (0..width).flat_map(|i| members.iter().map(move |member| member[i])).collect()
                };
                let case = format!("{rows}x{columns} along {axis}, {backwards}, to {output_axis}, {max_unrolled}");
                assert_eq!((floats(&outputs[0]), floats(&outputs[1])), (state, want), "{case}");
            }
        }
    }
}

#[test]
fn bodies_that_do_not_fit_are_refused_by_name() {
    let plain = |carried: &[(&str, &[&str])], outputs: usize| {
        body(carried, &[], |b, _, going, carried, _| {
            let mut list = vec![going];
            list.extend((1..outputs).map(|_| b.node("Neg", [carried[0]], [])));
            list
        })
    };
    let changes_type = body(&[("x", &["n"])], &[], |b, _, going, carried, _| {
        vec![going, b.node("Cast", [carried[0]], [("to", Attr::Int(7))])]
    });
    let unknown =
        body(&[("x", &["n"])], &[], |b, _, going, carried, _| vec![going, b.node("NoSuchOperator", [carried[0]], [])]);
    let one: &[(&str, &[&str])] = &[("x", &["n"])];
    let two: &[(&str, &[&str])] = &[("x", &["n"]), ("y", &["n"])];
    for (body, why) in [
        (plain(two, 2), "the body has 4 inputs, not 3"),
        (plain(one, 1), "the body has 1 outputs, not 2"),
        (changes_type, "goes on with i64"),
        (unknown, "NoSuchOperator"),
    ] {
        let mut b = GraphBuilder::new(17);
        let (x, trips) = (b.input("x", DType::F32, ["n"]), b.input("trips", DType::I64, [""; 0]));
        let outputs = repeat(&mut b, body, &[Some(trips), None, Some(x)], 0, 1);
        let error = runtime().load_graph(b.finish(outputs)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidModel | ErrorKind::Unsupported), "{error}");
        assert!(error.to_string().contains(why) && error.to_string().contains("Loop_"), "{why}: {error}");
    }
    // Branches whose outputs differ in type.
    let branch = |to: i64| {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["n"]);
        let y = b.node("Cast", [x], [("to", Attr::Int(to))]);
        Attr::Graph(Box::new(Subgraph { graph: b.finish([y]), captures: vec![1] }))
    };
    let mut b = GraphBuilder::new(17);
    let (x, condition) = (b.input("x", DType::F32, ["n"]), b.input("condition", DType::Bool, [""; 0]));
    let y = b.node("If", [condition, x], [("then_branch", branch(7)), ("else_branch", branch(10))]);
    let error = runtime().load_graph(b.finish([y])).unwrap_err();
    assert!(error.to_string().contains("If_") && error.to_string().contains("I64"), "{error}");
}

#[test]
fn loops_run_beside_others_and_leave_nothing_behind() {
    beside_others(None, 4);
}

#[test]
fn loops_run_where_memory_holds_few_of_them() {
    beside_others(Some(4 << 20), 2);
}

fn beside_others(memory_cap: Option<u64>, rounds: u64) {
    let runtime = Runtime::new(Options { memory_cap, ..Options::default() }).unwrap();
    let (by_data, by_value) = (runtime.load_graph(doubling(None)).unwrap(), runtime.load_graph(affine(None)).unwrap());
    let n = 40_000usize;
    let x = vec![1.0f32; n];
    for round in 0..rounds {
        let mut requests = Vec::new();
        for k in 0..12usize {
            let limit = n as f32 * (1 << (k % 5)) as f32 - 1.0;
            let request = if k % 3 == 2 {
                let request = by_value.request().input("x", vector([1.0, -2.0, 4.0, 0.25])).unwrap();
                request.input("trips", Tensor::scalar(k as i64)).unwrap()
            } else {
                let request = by_data.request().input("x", vector(x.clone())).unwrap();
                request.input("limit", vector([limit])).unwrap()
            };
            requests.push((k, limit, request.submit().unwrap()));
        }
        for (k, limit, request) in requests {
            // A handle that is dropped cancels the request, in whatever trip it is.
            if (k as u64 + round) % 4 == 1 {
                std::thread::sleep(Duration::from_millis(round * 7));
                continue;
            }
            let done = request.wait().unwrap();
            let outputs: Vec<Tensor> = done.outputs().map(|(_, tensor)| tensor.clone()).collect();
            if k % 3 == 2 {
                check_affine(&outputs, &[1.0, -2.0, 4.0, 0.25], k);
            } else {
                check_doubling(&outputs, &x, limit, usize::MAX);
            }
        }
        let start = Instant::now();
        while runtime.stats().unwrap().now.requests > 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "requests that were dropped do not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(runtime.memory().unwrap().heap_used, 0);
    }
    let outcomes = runtime.stats().unwrap().outcomes;
    assert_eq!((outcomes.failed, outcomes.completed + outcomes.cancelled), (0, 12 * rounds), "{outcomes:?}");
}

/// Twice each member and their number; and of an optional tensor its negative, or the first member where there is none.
fn of_sequences() -> Graph {
    let mut inner = GraphBuilder::new(17);
    let member = inner.input("member", DType::F32, ["n"]);
    let two = inner.floats([1], [2.0]);
    let twice = inner.node("Mul", [member, two], []);
    let map = Attr::Graph(Box::new(Subgraph { graph: inner.finish([twice]), captures: Vec::new() }));
    let mut b = GraphBuilder::new(18);
    let sequence = b.input("sequence", DType::F32, ["n"]);
    b.set_kind(sequence, Kind::Sequence);
    let maybe = b.input("maybe", DType::F32, ["n"]);
    b.set_kind(maybe, Kind::Optional);
    let doubled = b.node("SequenceMap", [sequence], [("body", map)]);
    let length = b.node("SequenceLength", [sequence], []);
    let has = b.node("OptionalHasElement", [maybe], []);
    let mut then = GraphBuilder::new(18);
    let inside = then.input("maybe", DType::F32, ["n"]);
    let inside = then.node("OptionalGetElement", [inside], []);
    let negative = then.node("Neg", [inside], []);
    let then = Attr::Graph(Box::new(Subgraph { graph: then.finish([negative]), captures: vec![1] }));
    let mut other = GraphBuilder::new(18);
    let list = other.input("sequence", DType::F32, ["n"]);
    let zero = other.constant(Tensor::scalar(0i64));
    let first = other.node("SequenceAt", [list, zero], []);
    let other = Attr::Graph(Box::new(Subgraph { graph: other.finish([first]), captures: vec![2] }));
    let chosen = b.node("If", [has, maybe, sequence], [("then_branch", then), ("else_branch", other)]);
    let mut graph = b.finish_named([("doubled", doubled), ("length", length), ("chosen", chosen)]);
    let doubled = graph.outputs[0];
    graph.value_mut(doubled).kind = Kind::Sequence;
    graph
}

#[test]
fn a_sequence_is_as_long_as_the_request_brings_it() {
    let model = runtime().load_graph(of_sequences()).unwrap();
    assert_eq!(model.inputs().iter().map(|input| input.kind).collect::<Vec<_>>(), [Kind::Sequence, Kind::Optional]);
    assert_eq!(model.outputs()[0].kind, Kind::Sequence);
    let members = |count: usize| -> Vec<Tensor> { (0..count).map(|k| vector(vec![k as f32; 1 + k])).collect() };
    for (count, maybe) in [(2usize, true), (1, false), (4, false), (0, true), (2, true), (3, false)] {
        let inside = maybe.then(|| vector([5.0, 6.0]));
        let request = model.request().input("sequence", members(count)).unwrap();
        let done = request.input("maybe", Value::optional(inside)).unwrap().submit().unwrap().wait().unwrap();
        let doubled = (0..count).map(|k| vector(vec![2.0 * k as f32; 1 + k])).collect::<Vec<_>>();
        assert_eq!(done.value("doubled").unwrap(), Value::Sequence(doubled), "{count}");
        assert_eq!(done.output("length").unwrap(), &Tensor::scalar(count as i64));
        let chosen = if maybe { vec![-5.0, -6.0] } else { vec![0.0] };
        assert_eq!(floats(done.output("chosen").unwrap()), chosen);
    }
    for (sequence, maybe, why) in [
        (Value::from(vector([1.0])), Value::Optional(None), "'sequence' is a tensor, but a sequence is wanted"),
        (Value::from(members(1)), Value::from(vector([1.0])), "'maybe' is a tensor, but an optional is wanted"),
        (Value::from(vec![Tensor::scalar(1i64)]), Value::Optional(None), "'sequence' is i64, but f32 is wanted"),
    ] {
        let request = model.request().input("sequence", sequence).unwrap().input("maybe", maybe).unwrap();
        let error = request.submit().unwrap_err();
        assert!(error.kind() == ErrorKind::Input && error.to_string().contains(why), "{error}");
    }
    // There is no first member.
    let request = model.request().input("sequence", members(0)).unwrap().input("maybe", Value::Optional(None)).unwrap();
    let error = request.submit().unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("outside"), "{error}");
    assert!(model.session(&[("chosen", "maybe")]).is_err());
}

#[test]
fn data_may_decide_what_a_sequence_holds() {
    // If the sum is positive: x and twice x; else x alone.
    let branch = |both: bool| {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["n"]);
        let copy = b.node("Neg", [x], []);
        let list = if both { vec![copy, x] } else { vec![copy] };
        let y = b.node("SequenceConstruct", list, []);
        Attr::Graph(Box::new(Subgraph { graph: b.finish([y]), captures: vec![1] }))
    };
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n"]);
    let sum = b.node("ReduceSum", [x], [("keepdims", Attr::Int(0))]);
    let zero = b.floats([], [0.0]);
    let positive = b.node("Greater", [sum, zero], []);
    let list = b.node("If", [positive, x], [("then_branch", branch(true)), ("else_branch", branch(false))]);
    let all = b.node("ConcatFromSequence", [list], [("axis", Attr::Int(0))]);
    let length = b.node("SequenceLength", [list], []);
    let mut graph = b.finish([list, all, length]);
    let list = graph.outputs[0];
    (graph.value_mut(list).name, graph.value_mut(list).kind) = ("list".to_owned(), Kind::Sequence);
    let model = runtime().load_graph(graph).unwrap();
    for x in [[1.0f32, 2.0], [-1.0, 0.5], [3.0, 1.0], [-4.0, 2.0]] {
        let done = model.request().input("x", vector(x)).unwrap().submit().unwrap().wait().unwrap();
        let negative = vector(x.map(|x| -x));
        let members = if x.iter().sum::<f32>() > 0.0 { vec![negative, vector(x)] } else { vec![negative] };
        let outputs: Vec<Tensor> = done.outputs().map(|(_, tensor)| tensor.clone()).collect();
        assert_eq!(floats(&outputs[members.len()]), members.iter().flat_map(floats).collect::<Vec<f32>>());
        assert_eq!(outputs[members.len() + 1], Tensor::scalar(members.len() as i64));
        assert_eq!(done.value("list").unwrap(), Value::Sequence(members));
    }
}
