//! What makes graphs runnable before any rule: bodies, sequences, and what no output needs.

use super::*;

#[test]
fn several_nodes_may_stand_for_one() {
    let mut b = GraphBuilder::new(24);
    let x = b.input("x", DType::F32, ["n", "4"]);
    let y = b.node("Swish", [x], [("alpha", Attr::Float(2.0))]);
    let z = b.node("Relu", [y], []);
    let w = b.node("Swish", [z], []);
    let mut graph = b.finish([w]);
    let (fired, ops) = apply(&ExpandOperators, &mut graph);
    assert_eq!((fired, ops), (2, ["Mul", "Sigmoid", "Mul", "Relu", "Sigmoid", "Mul"].map(String::from).to_vec()));
    assert_eq!(graph.functions["Swish"], 2);
    assert_eq!(graph.nodes[2].outputs, [Some(y)]);
    assert_eq!(graph.nodes[5].outputs, [Some(w)]);
    assert!(infer::objections(&mut graph, &mut Operators::default()).is_empty());
}

#[test]
fn a_body_without_what_it_needs_is_refused_by_name() {
    let cases: [(&str, &[&str], &[(&str, Attr)]); 4] = [
        ("InstanceNormalization", &["n", "4"], &[]),
        ("GroupNormalization", &["n", "4", "h"], &[]),
        ("RMSNormalization", &["n", "4"], &[("axis", Attr::Int(2))]),
        ("RMSNormalization", &["n", "4"], &[("axis", Attr::Int(i64::MIN))]),
    ];
    for (op, dims, attrs) in cases {
        let mut b = GraphBuilder::new(23);
        let x = b.input("x", DType::F32, dims.iter().copied());
        let scale = b.floats([4], [1.0; 4]);
        let y = b.node(op, [x, scale, scale], attrs.iter().cloned());
        let mut graph = b.finish([y]);
        let objections = prepare(&mut graph, &mut Operators::default());
        let error = objection::refusal(&graph, &objections).unwrap_err();
        assert!(error.to_string().contains(op), "{op}: {error}");
    }
}

#[test]
fn unread_outputs_and_dead_nodes_are_no_obstacle() {
    let mut b = GraphBuilder::new(17);
    let x = image(&mut b);
    let norm = b.node_with("MaxPool", [Some(x)], [("kernel_shape", Attr::Ints(vec![2, 2]))], 2);
    let _ = b.node("Nonesuch", [norm[1]], []);
    let mut graph = b.finish([norm[0]]);
    assert!(prepare(&mut graph, &mut Operators::default()).is_empty());
    assert_eq!(graph.nodes.len(), 1);
    assert_eq!(graph.nodes[0].outputs, [Some(norm[0])]);
}

/// In training mode a batch is normalised by its own statistics; before opset 14 further outputs say so, read or not. What was
/// saved for the way back is not known.
#[test]
fn a_batch_norm_in_training_is_by_its_own_statistics() {
    let training = [("training_mode", Attr::Int(1))];
    for (opset, outputs, attrs, reads, expands) in [
        (8, 5, &[][..], false, true),
        (8, 1, &[], false, false),
        (14, 3, &training, false, true),
        (14, 3, &[], false, false),
        (14, 3, &training, true, true),
        (8, 5, &[], true, false),
    ] {
        let mut b = GraphBuilder::new(opset);
        let x = image(&mut b);
        let ones = b.floats([4], [1.0; 4]);
        let norm = b.node_with("BatchNormalization", [x, ones, ones, ones, ones].map(Some), attrs.to_vec(), outputs);
        let mut graph = b.finish(if reads { norm.clone() } else { vec![norm[0]] });
        let runs = prepare(&mut graph, &mut Operators::default()).is_empty();
        let kept = graph.nodes.iter().any(|node| node.op == "BatchNormalization");
        assert_eq!((runs, kept), (expands || !reads, !expands), "opset {opset}, {outputs} outputs, {attrs:?}");
    }
}

#[test]
fn a_split_keeps_its_number_of_parts() {
    let mut b = GraphBuilder::new(18);
    let x = b.input("x", DType::F32, ["n", "6"]);
    let parts = b.node_with("Split", [Some(x)], [("axis", Attr::Int(1)), ("num_outputs", Attr::Int(3))], 3);
    let mut graph = b.finish([parts[1]]);
    assert!(prepare(&mut graph, &mut Operators::default()).is_empty());
    assert_eq!(graph.nodes[0].outputs, [Some(parts[0]), Some(parts[1]), Some(parts[2])]);
}

#[test]
fn what_no_rule_changes_is_parsed_once() {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n", "4"]);
    let y = b.node("Softmax", [x], []);
    let z = b.node("Relu", [y], []);
    let w = b.node("Exp", [z], []);
    let mut graph = b.finish([w]);
    let mut operators = Operators::default();
    assert!(prepare(&mut graph, &mut operators).is_empty());
    let before = operators.of_all(&graph).unwrap();
    optimise(&mut graph, &mut operators);
    assert!(prepare(&mut graph, &mut operators).is_empty());
    let after = operators.of_all(&graph).unwrap();
    assert_eq!((before.len(), after.len()), (3, 2));
    assert!(Arc::ptr_eq(&before[0], &after[0]), "{after:?}");
}

/// What reads a sequence is refused with the reason where its members or a position are not known at load.
#[test]
fn sequences_that_are_not_known_are_refused_with_the_reason() {
    let refused = |build: &dyn Fn(&mut GraphBuilder, ValueId) -> ValueId| {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["n", "4"]);
        let y = build(&mut b, x);
        let mut graph = b.finish([y]);
        let objections = prepare(&mut graph, &mut Operators::default());
        objection::refusal(&graph, &objections).map_err(|error| error.to_string())
    };
    let at = |b: &mut GraphBuilder, sequence: ValueId, position: i64| {
        let position = b.constant(Tensor::scalar(position));
        b.node("SequenceAt", [sequence, position], [])
    };
    let three = |b: &mut GraphBuilder, x: ValueId| b.node("SequenceConstruct", [x, x, x], []);
    for (position, runs) in [(0, true), (2, true), (-3, true), (3, false), (-4, false), (i64::MIN, false)] {
        let outcome = refused(&|b, x| {
            let sequence = three(b, x);
            at(b, sequence, position)
        });
        assert_eq!(outcome.is_ok(), runs, "{position}: {outcome:?}");
        assert!(runs || outcome.unwrap_err().contains("outside of the sequence"));
    }
    let rows = refused(&|b, x| {
        let sequence = b.node("SplitToSequence", [x], []);
        at(b, sequence, 0)
    });
    assert!(rows.unwrap_err().contains("not known at load"));
    let nothing = refused(&|b, x| {
        let sequence = three(b, x);
        let sequence = (0..3).fold(sequence, |sequence, _| b.node("SequenceErase", [sequence], []));
        let sequence = b.node("SequenceErase", [sequence], []);
        at(b, sequence, 0)
    });
    assert!(nothing.unwrap_err().contains("outside of the sequence"));
}
