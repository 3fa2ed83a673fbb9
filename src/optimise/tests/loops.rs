//! Loops that become their bodies, and why others do not.

use super::*;
use crate::graph::{Kind, Subgraph, ValueId};

/// A loop that carries `x` and `count`, and goes on while `goes_on(trip, x, count, limit)`; it adds one to both.
fn counting(
    trips: Option<i64>,
    goes_on: impl FnOnce(&mut GraphBuilder, ValueId, ValueId, ValueId) -> ValueId,
) -> Graph {
    let mut inner = GraphBuilder::new(17);
    let trip = inner.input("trip", DType::I64, [""; 0]);
    let _ = inner.input("going", DType::Bool, [""; 0]);
    let (x, count) = (inner.input("x", DType::F32, ["n"]), inner.input("count", DType::I64, [""; 0]));
    let (one, step) = (inner.floats([1], [1.0]), inner.constant(Tensor::scalar(1i64)));
    let (more, next) = (inner.node("Add", [x, one], []), inner.node("Add", [count, step], []));
    let condition = goes_on(&mut inner, trip, more, next);
    let body = Subgraph { graph: inner.finish([condition, more, next, more]), captures: Vec::new() };
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n"]);
    let (zero, count) = (b.constant(Tensor::scalar(0i64)), trips.map(|trips| b.constant(Tensor::scalar(trips))));
    let yes = b.constant(Tensor::scalar(true));
    let inputs = [count, Some(yes), Some(x), Some(zero)];
    let outputs = b.node_with("Loop", inputs, [("body", Attr::Graph(Box::new(body)))], 3);
    b.finish([outputs[0], outputs[2]])
}

fn less(b: &mut GraphBuilder, value: ValueId, limit: i64) -> ValueId {
    let limit = b.constant(Tensor::scalar(limit));
    b.node("Less", [value, limit], [])
}

fn reason(graph: &mut Graph) -> String {
    kinds::find(graph);
    let outcome = [&UnrollLoops as &dyn Rewrite, &ScansAsLoops, &ResolveSequences].map(|rule| {
        let outcome = rule.apply(graph, &mut Operators::default());
        assert_eq!(outcome.fired, 0, "{}", rule.name());
        outcome.skipped
    });
    outcome.into_iter().flatten().map(|skip| skip.reason).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_condition_of_constants_tells_the_number_of_trips() {
    let cases = [
        // By the counter: the fourth trip, of number 3, ends it.
        (counting(Some(100), |b, trip, _, _| less(b, trip, 3)), 4),
        (counting(None, |b, trip, _, _| less(b, trip, 3)), 4),
        // By what is carried, which is one more.
        (counting(Some(100), |b, _, _, count| less(b, count, 3)), 3),
        (counting(Some(2), |b, _, _, count| less(b, count, 3)), 2),
        (counting(Some(0), |b, _, _, count| less(b, count, 3)), 0),
        (counting(Some(9), |b, _, _, _| b.constant(Tensor::scalar(false))), 1),
        (counting(Some(9), |b, _, _, _| b.constant(Tensor::scalar(true))), 9),
    ];
    for (index, (mut graph, trips)) in cases.into_iter().enumerate() {
        assert!(prepare(&mut graph, &mut Operators::default()).is_empty(), "{index}");
        let count = |op: &str| graph.nodes.iter().filter(|node| node.op == op).count();
        assert_eq!((count("Loop"), count("Add"), count("Unsqueeze")), (0, trips, trips), "{index}");
    }
}

#[test]
fn without_a_condition_to_begin_what_the_body_says_is_ignored() {
    let mut graph = counting(Some(6), |b, trip, _, _| less(b, trip, 3));
    Arc::make_mut(&mut graph.nodes[0]).inputs[1] = None;
    assert!(prepare(&mut graph, &mut Operators::default()).is_empty());
    assert_eq!(graph.nodes.iter().filter(|node| node.op == "Add").count(), 6);
}

#[test]
fn loops_whose_trips_are_not_known_stay() {
    let by_data = |b: &mut GraphBuilder, x: ValueId| {
        let limit = b.floats([], [3.0]);
        let sum = b.node("ReduceSum", [x], [("keepdims", Attr::Int(0))]);
        b.node("Less", [sum, limit], [])
    };
    let mut graph = counting(Some(5), |b, _, x, _| by_data(b, x));
    assert!(reason(&mut graph).contains("whether it goes on"));
    assert!(prepare(&mut graph, &mut Operators::default()).is_empty(), "it runs trip by trip");
    assert_eq!(graph.nodes[0].op, "Loop");
    let mut graph = counting(Some(1000), |b, _, _, _| b.constant(Tensor::scalar(true)));
    graph.limits.max_unrolled = 1999;
    assert!(reason(&mut graph).contains("max_unrolled"));
    graph.limits.max_unrolled = 2000;
    assert_eq!(UnrollLoops.apply(&mut graph, &mut Operators::default()).fired, 1);
    assert_eq!(graph.unrolled, 2000);
    let mut graph = counting(None, |b, trip, _, _| less(b, trip, 1 << 40));
    assert!(reason(&mut graph).contains("max_unrolled"));
}

#[test]
fn loops_within_loops_share_what_they_may_unroll_to() {
    let inner = counting(Some(100), |b, _, _, _| b.constant(Tensor::scalar(true)));
    let mut outer = GraphBuilder::new(17);
    let _ = outer.input("trip", DType::I64, [""; 0]);
    let going = outer.input("going", DType::Bool, [""; 0]);
    let x = outer.input("x", DType::F32, ["n"]);
    let zero = outer.constant(Tensor::scalar(0i64));
    let count = outer.constant(Tensor::scalar(100i64));
    let attrs = inner.nodes[0].attrs.clone();
    let attrs = attrs.iter().map(|(name, attr)| (name.as_str(), attr.clone()));
    let again = outer.node_with("Loop", [Some(count), None, Some(x), Some(zero)], attrs, 3);
    let body = Subgraph { graph: outer.finish([going, again[0]]), captures: Vec::new() };
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n"]);
    let count = b.constant(Tensor::scalar(100i64));
    let y = b.node_with("Loop", [Some(count), None, Some(x)], [("body", Attr::Graph(Box::new(body)))], 1);
    let mut graph = b.finish(y);
    graph.limits.max_unrolled = 1000;
    assert!(prepare(&mut graph, &mut Operators::default()).is_empty());
    assert!(graph.unrolled <= 1000 && graph.node_count() <= 2500, "{} of {}", graph.unrolled, graph.node_count());
}

#[test]
fn scans_that_cannot_be_loops_say_why() {
    let scan = |opset: i64, count: i64, lengths: bool, dims: [&str; 3]| {
        let mut inner = GraphBuilder::new(opset);
        let (state, element) = (inner.input("state", DType::F32, ["m"]), inner.input("element", DType::F32, ["m"]));
        let sum = inner.node("Add", [state, element], []);
        let body = Attr::Graph(Box::new(Subgraph { graph: inner.finish([sum]), captures: Vec::new() }));
        let mut b = GraphBuilder::new(opset);
        let (state, x) = (b.input("state", DType::F32, ["a", "m"]), b.input("x", DType::F32, dims));
        let lengths = if lengths { Some(b.ints([3])) } else { None };
        let mut inputs = if opset < 9 { vec![lengths] } else { Vec::new() };
        inputs.extend([Some(state), Some(x)]);
        let attrs = [("body", body), ("num_scan_inputs", Attr::Int(count))];
        let y = b.node_with("Scan", inputs, attrs, 1);
        b.finish(y)
    };
    for (mut graph, why) in [
        (scan(11, 0, false, ["a", "b", "m"]), "number of scanned inputs"),
        (scan(11, 3, false, ["a", "b", "m"]), "number of scanned inputs"),
        (scan(8, 1, true, ["1", "b", "m"]), "several lengths"),
        (scan(8, 1, false, ["a", "b", "m"]), "size of its batch"),
    ] {
        assert!(reason(&mut graph).contains(why), "{why}: {}", reason(&mut graph));
    }
}

#[test]
fn sequences_that_no_request_can_tell_are_refused_at_load() {
    let mut inner = GraphBuilder::new(17);
    let (x, y) = (inner.input("x", DType::F32, ["n"]), inner.input("y", DType::F32, ["n"]));
    let sum = inner.node("Add", [x, y], []);
    let map = Attr::Graph(Box::new(Subgraph { graph: inner.finish([sum]), captures: Vec::new() }));
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n"]);
    let (one, two) = (b.node("SequenceConstruct", [x], []), b.node("SequenceConstruct", [x, x], []));
    let sums = b.node("SequenceMap", [one, two], [("body", map)]);
    let mut graph = b.finish([sums]);
    let objections = prepare(&mut graph, &mut Operators::default());
    let error = objection::refusal(&graph, &objections).unwrap_err().to_string();
    assert!(error.contains("SequenceMap") && error.contains("differ in length"), "{error}");
    // One that a request brings waits.
    let mut b = GraphBuilder::new(17);
    let list = b.input("list", DType::F32, ["n"]);
    b.set_kind(list, Kind::Sequence);
    let length = b.node("SequenceLength", [list], []);
    let mut graph = b.finish([length]);
    assert!(prepare(&mut graph, &mut Operators::default()).is_empty());
    // An optional without anything has no element.
    let mut b = GraphBuilder::new(18);
    let nothing = b.node_with("Optional", [], [], 1)[0];
    let element = b.node("OptionalGetElement", [nothing], []);
    let y = b.node("Neg", [element], []);
    let mut graph = b.finish([y]);
    let objections = prepare(&mut graph, &mut Operators::default());
    let error = objection::refusal(&graph, &objections).unwrap_err().to_string();
    assert!(error.contains("nothing is in its optional"), "{error}");
}
