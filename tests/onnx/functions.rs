//! Functions and subgraphs of model files: what they unfold to, and what is wrong with them. What they compute is in
//! `tests/cases`.

use fascine::error::{Error, ErrorKind};
use fascine::graph::{Attr, Graph};
use fascine::onnx::proto::{
    AttributeProto, DataType, Dimension, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TensorType, TypeProto, TypeValue, ValueInfoProto,
};
use fascine::onnx::{self, LoadOptions};
use fascine::ops::Operators;
use fascine::optimise::objection::refusal;
use fascine::optimise::prepare;
use prost::Message as _;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// A node; an operator may name a domain: `f.Call`.
fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let (domain, op) = op.rsplit_once('.').unwrap_or(("", op));
    NodeProto {
        name: some(&format!("n_{op}_{}", outputs.first().unwrap_or(&"none"))),
        domain: some(domain),
        op_type: some(op),
        input: names(inputs),
        output: names(outputs),
        ..NodeProto::default()
    }
}

fn with(mut node: NodeProto, attribute: AttributeProto) -> NodeProto {
    node.attribute.push(attribute);
    node
}

fn subgraph(name: &str, g: GraphProto) -> AttributeProto {
    AttributeProto { name: some(name), r#type: Some(5), g: Some(Box::new(g)), ..AttributeProto::default() }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: some(name), r#type: Some(1), f: Some(f), ..AttributeProto::default() }
}

fn reference(name: &str, outer: &str) -> AttributeProto {
    AttributeProto { name: some(name), r#type: Some(1), ref_attr_name: some(outer), ..AttributeProto::default() }
}

fn info(name: &str) -> ValueInfoProto {
    let dim = vec![Dimension { dim_value: Some(2), dim_param: None }];
    let tensor = TensorType { elem_type: Some(DataType::Float.into()), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: some(name), r#type: Some(TypeProto { value: Some(TypeValue::Tensor(tensor)) }) }
}

fn untyped(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: some(name), r#type: None }
}

fn imports() -> Vec<OperatorSetIdProto> {
    let import = |domain: &str, version| OperatorSetIdProto { domain: some(domain), version: Some(version) };
    vec![import("", 17), import("f", 1)]
}

fn function(name: &str, inputs: &[&str], outputs: &[&str], node: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        name: some(name),
        domain: some("f"),
        input: names(inputs),
        output: names(outputs),
        node,
        opset_import: imports(),
        ..FunctionProto::default()
    }
}

/// From `x` to `y`, both f32[2].
fn model(node: Vec<NodeProto>, functions: Vec<FunctionProto>) -> ModelProto {
    let graph = GraphProto { node, input: vec![info("x")], output: vec![info("y")], ..GraphProto::default() };
    ModelProto { ir_version: Some(10), opset_import: imports(), graph: Some(graph), functions }
}

fn parse(model: &ModelProto) -> Result<Graph, Error> {
    onnx::parse(&model.encode_to_vec(), None, &LoadOptions::default())
}

/// As a runtime loads it.
fn load(model: &ModelProto) -> Result<Graph, Error> {
    let mut graph = parse(model)?;
    let objections = prepare(&mut graph, &mut Operators::default());
    refusal(&graph, &objections)?;
    Ok(graph)
}

fn operators(graph: &Graph) -> Vec<&str> {
    graph.nodes.iter().map(|node| node.op.as_str()).collect()
}

#[test]
fn calls_become_the_nodes_of_their_bodies() {
    let leaky = with(node("LeakyRelu", &["a"], &["t"]), reference("alpha", "slope"));
    let mut inner = function("Inner", &["a"], &["b"], vec![leaky, node("Neg", &["t"], &["b"])]);
    inner.attribute_proto = vec![float("slope", 0.25)];
    let given = with(node("f.Inner", &["x"], &["t"]), float("slope", 0.5));
    let model = model(vec![given, node("f.Inner", &["t"], &["y"])], vec![inner]);
    let graph = load(&model).unwrap();
    assert_eq!(operators(&graph), ["LeakyRelu", "Neg", "LeakyRelu", "Neg"]);
    assert_eq!(graph.nodes[0].attrs["alpha"], Attr::Float(0.5));
    assert_eq!(graph.nodes[2].attrs["alpha"], Attr::Float(0.25));
    assert_eq!(graph.nodes[3].name, "n_Inner_y/n_Neg_b");
    assert_eq!(graph.functions["f.Inner"], 2);
    let mut names: Vec<_> = graph.values.iter().map(|value| &value.name).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "names of values are unique");
}

#[test]
fn an_attribute_that_the_call_leaves_out_is_left_out() {
    let leaky = with(node("LeakyRelu", &["a"], &["b"]), reference("alpha", "slope"));
    let mut body = function("Inner", &["a"], &["b"], vec![leaky]);
    body.attribute = names(&["slope"]);
    let graph = load(&model(vec![node("f.Inner", &["x"], &["y"])], vec![body])).unwrap();
    assert!(graph.nodes[0].attrs.is_empty());
}

/// An `If` on `x`, which is no constant condition, of these branches.
fn branch(then: Vec<NodeProto>, other: Vec<NodeProto>) -> NodeProto {
    let graph = |nodes| GraphProto { node: nodes, output: vec![untyped("r")], ..GraphProto::default() };
    with(with(node("If", &["c"], &["y"]), subgraph("then_branch", graph(then))), subgraph("else_branch", graph(other)))
}

#[test]
fn subgraphs_keep_what_they_need_of_what_is_around_them() {
    let then = vec![node("Add", &["x", "w"], &["r"]), node("Nonesuch", &["unread"], &["q"])];
    let nodes = vec![
        node("IsNaN", &["x"], &["c"]),
        node("Relu", &["x"], &["w"]),
        node("Nonesuch", &["x"], &["unread"]),
        branch(then, vec![node("Identity", &["w"], &["r"])]),
    ];
    let graph = parse(&model(nodes.clone(), vec![])).unwrap();
    assert_eq!(operators(&graph), ["IsNaN", "Relu", "If"]);
    let made = &graph.nodes[2];
    let captured: Vec<&str> = made.inputs.iter().map(|id| graph.value(id.unwrap()).name.as_str()).collect();
    assert_eq!(captured, ["c", "w", "x"]);
    for (name, captures, ops) in [("then_branch", vec![2, 1], vec!["Add"]), ("else_branch", vec![1], vec!["Identity"])]
    {
        let Attr::Graph(inside) = &made.attrs[name] else { panic!("{name} is no graph") };
        assert_eq!((&inside.captures, operators(&inside.graph)), (&captures, ops));
        assert_eq!(inside.graph.inputs.len(), captures.len());
    }
    load(&model(nodes, vec![])).unwrap();
    let other = branch(vec![node("Nonesuch", &["x"], &["r"])], vec![node("Identity", &["x"], &["r"])]);
    let error = load(&model(vec![node("IsNaN", &["x"], &["c"]), other], vec![])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    for part in ["n_If_y", "If of opset 17", "then_branch", "Nonesuch"] {
        assert!(error.to_string().contains(part), "no {part} in: {error}");
    }
}

#[test]
fn a_constant_condition_chooses_its_branch() {
    for (byte, op, taken) in [(1u8, "Relu", true), (0, "Neg", false)] {
        let mut model =
            model(vec![branch(vec![node("Relu", &["x"], &["r"])], vec![node("Neg", &["x"], &["r"])])], vec![]);
        model.graph.as_mut().unwrap().initializer.push(TensorProto {
            name: some("c"),
            data_type: Some(DataType::Bool.into()),
            raw_data: Some(vec![byte].into()),
            ..TensorProto::default()
        });
        let graph = load(&model).unwrap();
        assert_eq!(operators(&graph), [op]);
        assert_eq!((graph.branches.len(), graph.branches[0].taken), (1, taken));
        assert_eq!(graph.branches[0].node, "n_If_y");
    }
}

#[test]
fn what_is_wrong_with_functions_is_named() {
    let call = |inputs: &[&str]| vec![node("f.F", inputs, &["y"])];
    let relu = || vec![node("Relu", &["a"], &["b"])];
    let body = |nodes| vec![function("F", &["a"], &["b"], nodes)];
    // Each of these calls the next one twice.
    let twice = |k: usize| {
        let inner = format!("f.F{}", k + 1);
        function(&format!("F{k}"), &["a"], &["b"], vec![node(&inner, &["a"], &["t"]), node(&inner, &["t"], &["b"])])
    };
    let mut doubling: Vec<_> = (0..40).map(twice).collect();
    doubling.push(function("F40", &["a"], &["b"], relu()));
    let mut chain: Vec<_> = (0..100)
        .map(|k| function(&format!("F{k}"), &["a"], &["b"], vec![node(&format!("f.F{}", k + 1), &["a"], &["b"])]))
        .collect();
    chain.push(function("F100", &["a"], &["b"], relu()));
    let graph_attribute = vec![with(node("f.F", &["x"], &["y"]), subgraph("g", GraphProto::default()))];
    let mut takes_graph = function("F", &["a"], &["b"], relu());
    takes_graph.attribute = names(&["g"]);
    let cases: Vec<(&str, ModelProto, ErrorKind, &[&str])> = vec![
        (
            "calls itself",
            model(call(&["x"]), body(vec![node("f.F", &["a"], &["b"])])),
            ErrorKind::Unsupported,
            &["nest deeper", "f.F"],
        ),
        (
            "doubles forty times",
            model(vec![node("f.F0", &["x"], &["y"])], doubling),
            ErrorKind::Unsupported,
            &["more than"],
        ),
        ("a long chain", model(vec![node("f.F0", &["x"], &["y"])], chain), ErrorKind::Unsupported, &["nest deeper"]),
        ("too many inputs", model(call(&["x", "x"]), body(relu())), ErrorKind::InvalidModel, &["2 inputs", "n_F_y"]),
        (
            "reads what is around the call",
            model(call(&["x"]), body(vec![node("Add", &["a", "x"], &["b"])])),
            ErrorKind::InvalidModel,
            &["'x'", "n_F_y/n_Add_b"],
        ),
        (
            "output of no node",
            model(call(&["x"]), vec![function("F", &["a"], &["c"], relu())]),
            ErrorKind::InvalidModel,
            &["'c'", "no node", "n_F_y"],
        ),
        (
            "an input defined by a node",
            model(call(&["x"]), body(vec![node("Relu", &["a"], &["b"]), node("Neg", &["b"], &["a"])])),
            ErrorKind::InvalidModel,
            &["'a' is defined twice", "n_F_y"],
        ),
        (
            "defined twice",
            model(call(&["x"]), vec![body(relu()).remove(0), body(relu()).remove(0)]),
            ErrorKind::InvalidModel,
            &["f.F", "defined twice"],
        ),
        (
            "a name of the body twice",
            model(call(&["x"]), body(vec![node("Relu", &["a"], &["b"]), node("Neg", &["a"], &["b"])])),
            ErrorKind::InvalidModel,
            &["'b' is defined twice"],
        ),
        (
            "unknown operator in the body",
            model(call(&["x"]), body(vec![node("Nonesuch", &["a"], &["b"])])),
            ErrorKind::Unsupported,
            &["Nonesuch", "n_F_y/n_Nonesuch_b"],
        ),
        (
            "opset of the function",
            model(
                call(&["x"]),
                vec![FunctionProto {
                    opset_import: vec![OperatorSetIdProto { domain: None, version: Some(5) }],
                    ..body(relu()).remove(0)
                }],
            ),
            ErrorKind::Unsupported,
            &["opset 5", "n_F_y"],
        ),
        ("a graph as attribute", model(graph_attribute, vec![takes_graph]), ErrorKind::Unsupported, &["'g'", "graph"]),
        (
            "a reference outside functions",
            model(vec![with(node("LeakyRelu", &["x"], &["y"]), reference("alpha", "slope"))], vec![]),
            ErrorKind::InvalidModel,
            &["'slope'", "n_LeakyRelu_y"],
        ),
        (
            "a branch that reads its own node's output",
            model(
                vec![
                    node("IsNaN", &["x"], &["c"]),
                    branch(vec![node("Relu", &["y"], &["r"])], vec![node("Relu", &["x"], &["r"])]),
                ],
                vec![],
            ),
            ErrorKind::InvalidModel,
            &["cycle", "n_If_y"],
        ),
        (
            "a branch that reads what is not there",
            model(
                vec![
                    node("IsNaN", &["x"], &["c"]),
                    branch(vec![node("Relu", &["nowhere"], &["r"])], vec![node("Relu", &["x"], &["r"])]),
                ],
                vec![],
            ),
            ErrorKind::InvalidModel,
            &["'nowhere'", "n_Relu_r"],
        ),
    ];
    let mut failures = Vec::new();
    for (name, model, kind, parts) in cases {
        match load(&model) {
            Ok(_) => failures.push(format!("{name}: it loads")),
            Err(error) => {
                let text = error.to_string();
                if error.kind() != kind || !parts.iter().all(|part| text.contains(part)) {
                    failures.push(format!("{name}: {error:?}, want {kind:?} with {parts:?}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
