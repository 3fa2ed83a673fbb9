//! Rules for what exporters make of transformers' layers.

use super::*;

const ROWS: [&str; 3] = ["b", "s", "8"];

fn ops(graph: &Graph) -> Vec<String> {
    graph.nodes.iter().map(|node| node.operator()).collect()
}

#[test]
fn equal_nodes_are_one() {
    let build = |op: &'static str, alphas: [f32; 2], delivered: bool| {
        let mut b = GraphBuilder::new(17);
        let x = image(&mut b);
        let attrs = |alpha| [("alpha", Attr::Float(alpha))];
        let (y, z) = (b.node(op, [x], attrs(alphas[0])), b.node(op, [x], attrs(alphas[1])));
        let (one, same) = (b.floats([1], [1.0]), b.floats([1], [1.0]));
        let (y, w) = (b.node("Add", [y, one], []), b.node("Add", [z, same], []));
        let sum = b.node("Mul", [y, w], []);
        b.finish(if delivered { vec![sum, w] } else { vec![sum] })
    };
    let mut graph = build("LeakyRelu", [0.5, 0.5], false);
    assert_eq!(apply(&MergeDuplicates, &mut graph), (2, ["LeakyRelu", "Add", "Mul"].map(String::from).to_vec()));
    assert_eq!(graph.nodes[2].inputs[0], graph.nodes[2].inputs[1]);
    assert_eq!(apply(&MergeDuplicates, &mut build("LeakyRelu", [0.5, 0.25], false)).0, 0, "another attribute");
    assert_eq!(apply(&MergeDuplicates, &mut build("LeakyRelu", [0.5, 0.5], true)).0, 1, "a graph output stays");
    assert_eq!(apply(&MergeDuplicates, &mut build("RandomNormalLike", [0.5, 0.5], false)).0, 0, "random numbers");
}

#[test]
fn a_concat_of_one_tensor_is_that_tensor() {
    let build = |parts: usize| {
        let mut b = GraphBuilder::new(17);
        let x = image(&mut b);
        let y = b.node("Concat", vec![x; parts], [("axis", Attr::Int(1))]);
        let z = b.node("Relu", [y], []);
        b.finish([z])
    };
    assert_eq!(apply(&DropIdentities, &mut build(1)), (1, vec!["Relu".to_owned()]));
    assert_eq!(apply(&DropIdentities, &mut build(2)).0, 0);
}

#[test]
fn a_transpose_between_reshapes_is_found() {
    for (turn, result, fires) in [
        ([0, 2, 1], ["b", "2", "4", "s"], 1),
        ([1, 0, 2], ["b", "2", "4", "s"], 0),
        ([0, 2, 1], ["b", "2", "s", "4"], 0),
        ([0, 2, 1], ["2", "b", "4", "s"], 0),
    ] {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["b", "2", "s", "4"]);
        let (flat, shape) = (b.input("flat", DType::I64, ["3"]), b.input("shape", DType::I64, ["4"]));
        let y = b.node("Reshape", [x, flat], []);
        let y = b.state(y, DType::F32, ["n", "s", "4"]);
        let y = b.node("Transpose", [y], [("perm", Attr::Ints(turn.to_vec()))]);
        let z = b.node("Reshape", [y, shape], []);
        let z = b.state(z, DType::F32, result);
        let mut graph = b.finish([z]);
        assert_eq!(apply(&TransposeThroughReshapes, &mut graph).0, fires, "{turn:?} {result:?}");
        if fires == 1 {
            let node = graph.nodes.last().unwrap();
            assert_eq!((node.op.as_str(), node.inputs[0]), ("Transpose", Some(x)));
            assert_eq!(node.attrs["perm"], Attr::Ints(vec![0, 1, 3, 2]));
        }
    }
}

#[test]
fn a_gemm_between_reshapes_is_a_matmul() {
    let build = |result: [&'static str; 3], attrs: Vec<(&'static str, Attr)>, again: bool| {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ROWS);
        let (flat, shape) = (b.input("flat", DType::I64, ["2"]), b.input("shape", DType::I64, ["3"]));
        let (weight, bias) = (b.floats([8, 8], vec![0.5; 64]), b.floats([8], vec![1.0; 8]));
        let rows = b.node("Reshape", [x, flat], []);
        let rows = b.state(rows, DType::F32, ["n", "8"]);
        let y = b.node("Gemm", [rows, weight, bias], attrs);
        let y = b.state(y, DType::F32, ["n", "8"]);
        let z = b.node("Reshape", [y, shape], []);
        let z = b.state(z, DType::F32, result);
        b.finish(if again { vec![z, y] } else { vec![z] })
    };
    let mut graph = build(ROWS, vec![], false);
    assert_eq!(apply(&UnflattenGemm, &mut graph), (1, ["Reshape", "MatMul", "Add"].map(String::from).to_vec()));
    assert_eq!(graph.nodes[1].inputs[0], Some(graph.inputs[0]));
    for (result, attrs, again) in [
        (["s", "b", "8"], vec![], false),
        (ROWS, vec![("alpha", Attr::Float(2.0))], false),
        (ROWS, vec![("transB", Attr::Int(1))], false),
        (ROWS, vec![], true),
    ] {
        assert_eq!(
            apply(&UnflattenGemm, &mut build(result, attrs.clone(), again)).0,
            0,
            "{result:?} {attrs:?} {again}"
        );
    }
}

/// Products of x with matrices of so many columns, the second with a bias, each by head.
fn projections(columns: &[usize], follow: impl Fn(&mut GraphBuilder, usize, ValueId) -> ValueId) -> Graph {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ROWS);
    let mut results = Vec::new();
    for (at, &n) in columns.iter().enumerate() {
        let weight = b.floats([8, n], (0..8 * n).map(|i| (at * 1000 + i) as f32).collect::<Vec<_>>());
        let y = b.node("MatMul", [x, weight], []);
        let size = n.to_string();
        let mut y = b.state(y, DType::F32, ["b", "s", &size]);
        if at == 1 {
            let bias = b.floats([n], vec![7.0; n]);
            let sum = b.node("Add", [bias, y], []);
            y = b.state(sum, DType::F32, ["b", "s", &size]);
        }
        results.push(follow(&mut b, at, y));
    }
    b.finish(results)
}

fn by_head(b: &mut GraphBuilder, _: usize, y: ValueId) -> ValueId {
    let shape = b.ints([0, 0, -1, 4]);
    let y = b.node("Reshape", [y, shape], []);
    b.node("Transpose", [y], [("perm", Attr::Ints(vec![0, 2, 1, 3]))])
}

#[test]
fn products_of_one_tensor_join() {
    let mut graph = projections(&[8, 4, 12], by_head);
    let (fired, ops) = apply(&JoinProducts, &mut graph);
    assert_eq!((fired, &ops[..3]), (1, &["MatMul", "Add", "Split"].map(String::from)[..]));
    assert_eq!(ops.iter().filter(|op| *op == "MatMul" || *op == "Add").count(), 2);
    let constant = |node: usize| graph.value(graph.nodes[node].inputs[1].unwrap()).constant.clone().unwrap();
    let (weight, bias, sizes) = (constant(0), constant(1), constant(2));
    assert_eq!(weight.shape(), [8, 24]);
    let row: Vec<f32> = (8..16).chain(1004..1008).chain(2012..2024).map(|i| i as f32).collect();
    assert_eq!(weight.as_slice::<f32>().unwrap()[24..48], row);
    assert_eq!(bias.as_slice::<f32>().unwrap(), [[0.0; 8].as_slice(), &[7.0; 4], &[0.0; 12]].concat());
    assert_eq!(sizes.as_slice::<i64>().unwrap(), [8, 4, 12]);
    assert_eq!(graph.nodes[2].outputs.len(), 3);
}

#[test]
fn products_stay_apart_where_joining_gains_nothing() {
    assert_eq!(apply(&JoinProducts, &mut projections(&[8], by_head)).0, 0, "one product");
    assert_eq!(apply(&JoinProducts, &mut projections(&[8, 6], by_head)).0, 0, "a part between vectors of four");
    let delivered = |_: &mut GraphBuilder, _: usize, y: ValueId| y;
    assert_eq!(apply(&JoinProducts, &mut projections(&[8, 8], delivered)).0, 0, "graph outputs");
    let relu = |b: &mut GraphBuilder, _: usize, y: ValueId| b.node("Relu", [y], []);
    assert_eq!(apply(&JoinProducts, &mut projections(&[8, 8], relu)).0, 0, "what an epilogue takes");
    let scaled = |b: &mut GraphBuilder, at: usize, y: ValueId| {
        let half = b.floats([], [0.5]);
        let y = if at == 0 { b.node("Mul", [y, half], []) } else { y };
        by_head(b, at, y)
    };
    assert_eq!(apply(&JoinProducts, &mut projections(&[8, 8], scaled)).0, 0, "one is won and one lost");
    assert_eq!(apply(&JoinProducts, &mut projections(&[8, 8, 8], scaled)).0, 1);
    let mut graph = projections(&[8, 8], by_head);
    let weight = graph.nodes[0].inputs[1];
    graph.nodes.iter_mut().filter(|node| node.op == "MatMul").for_each(|node| Arc::make_mut(node).inputs[1] = weight);
    assert_eq!(apply(&JoinProducts, &mut graph).0, 0, "a matrix that several products read");
    // Another product between them: the later ones would take memory until then.
    let attended = |b: &mut GraphBuilder, at: usize, y: ValueId| {
        let y = by_head(b, at, y);
        if at == 1 { b.node("MatMul", [y, y], []) } else { y }
    };
    let mut graph = projections(&[8, 8, 8, 8], attended);
    assert_eq!(apply(&JoinProducts, &mut graph).0, 2);
}

#[test]
fn gated_products_join() {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ROWS);
    let product = |b: &mut GraphBuilder| {
        let weight = b.floats([8, 8], vec![0.5; 64]);
        let y = b.node("MatMul", [x, weight], []);
        b.state(y, DType::F32, ROWS)
    };
    let (gate, up) = (product(&mut b), product(&mut b));
    let sigmoid = b.node("Sigmoid", [gate], []);
    let sigmoid = b.state(sigmoid, DType::F32, ROWS);
    let silu = b.node("Mul", [gate, sigmoid], []);
    let silu = b.state(silu, DType::F32, ROWS);
    let y = b.node("Mul", [silu, up], []);
    let y = b.state(y, DType::F32, ROWS);
    let mut graph = b.finish([y]);
    let mut operators = Operators::default();
    optimise(&mut graph, &mut operators);
    assert_eq!(ops(&graph), ["MatMul", "Split", "fascine.Elementwise"]);
}

/// Rotary embedding as it is exported, where elements from `half` on are turned into the others.
fn rotate(b: &mut GraphBuilder, x: ValueId, dims: [&str; 4], half: i64, cos: ValueId, sin: ValueId) -> ValueId {
    let (zero, middle, end) = (b.ints([0]), b.ints([half]), b.ints([i64::MAX]));
    let axis = b.ints([3]);
    let plain = b.node("Mul", [x, cos], []);
    let first = b.node("Slice", [x, zero, middle, axis], []);
    let second = b.node("Slice", [x, middle, end, axis], []);
    let negative = b.node("Neg", [second], []);
    let turned = b.node("Concat", [negative, first], [("axis", Attr::Int(-1))]);
    let crossed = b.node("Mul", [turned, sin], []);
    let y = b.node("Add", [plain, crossed], []);
    b.state(y, DType::F32, dims)
}

#[test]
fn rotary_embedding_is_found() {
    for (table, half, fires) in [
        (["b", "1", "s", "8"], 4, 1),
        (["b", "2", "s", "8"], 4, 1),
        (["b", "1", "s", "8"], 2, 0),
        (["b", "1", "s", "4"], 4, 0),
        (["b", "1", "t", "8"], 4, 0),
    ] {
        let dims = ["b", "2", "s", "8"];
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, dims);
        let (cos, sin) = (b.input("cos", DType::F32, table), b.input("sin", DType::F32, table));
        let y = rotate(&mut b, x, dims, half, cos, sin);
        let mut graph = b.finish([y]);
        assert_eq!(apply(&FuseRotary, &mut graph).0, fires, "{table:?}, {half}");
        if fires == 1 {
            assert_eq!(ops(&graph), ["fascine.Rotary"]);
            assert_eq!(graph.nodes[0].inputs, [Some(x), Some(cos), Some(sin)]);
        }
    }
}

#[test]
fn neighbouring_heads_are_turned_together() {
    // Which of three parts are turned, the tables' dimension of heads.
    for (parts, heads, fires) in [([0, 1], "1", 1), ([1, 0], "1", 1), ([0, 2], "1", 0), ([0, 1], "2", 0)] {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["b", "s", "40"]);
        let table = ["b", heads, "s", "8"];
        let (cos, sin) = (b.input("cos", DType::F32, table), b.input("sin", DType::F32, table));
        let sizes = b.ints([16, 16, 8]);
        let split = b.node_with("Split", [x, sizes].map(Some), [("axis", Attr::Int(-1))], 3);
        let mut results = Vec::new();
        for part in parts {
            let (columns, count) = if part == 2 { ("8", "1") } else { ("16", "2") };
            let y = b.state(split[part], DType::F32, ["b", "s", columns]);
            let shape = b.ints([0, 0, -1, 8]);
            let y = b.node("Reshape", [y, shape], []);
            let y = b.state(y, DType::F32, ["b", "s", count, "8"]);
            let y = b.node("Transpose", [y], [("perm", Attr::Ints(vec![0, 2, 1, 3]))]);
            let y = b.state(y, DType::F32, ["b", count, "s", "8"]);
            let y = b.node("fascine.Rotary", [y, cos, sin], []);
            results.push(b.state(y, DType::F32, ["b", count, "s", "8"]));
        }
        let mut graph = b.finish(results.clone());
        let (fired, names) = apply(&JoinRotaries, &mut graph);
        assert_eq!(fired, fires, "{parts:?} {heads}");
        let rotaries = names.iter().filter(|name| *name == "fascine.Rotary").count();
        assert_eq!(rotaries, 2 - fires);
        if fires == 1 {
            let parted = graph.nodes.iter().rfind(|node| node.op == "Split").unwrap();
            let wanted = if parts == [0, 1] { [results[0], results[1]] } else { [results[1], results[0]] };
            assert_eq!(parted.outputs, wanted.map(Some));
            prune_and_infer(&mut graph);
        }
    }
}

/// What a rule made is what the operators say of it.
fn prune_and_infer(graph: &mut Graph) {
    let before: Vec<_> = graph.values.iter().map(|value| value.shape.clone()).collect();
    assert!(infer::objections(graph, &mut Operators::default()).is_empty());
    for (value, before) in graph.values.iter().zip(before).filter(|(_, before)| before.is_some()) {
        assert_eq!(value.shape, before, "{}", value.name);
    }
}

/// Attention by query head, of keys and values that are given by their own heads and repeated.
fn grouped(groups: [&'static str; 2], scaled: bool) -> (Graph, [ValueId; 3]) {
    let mut b = GraphBuilder::new(17);
    let q = b.input("q", DType::F32, ["b", "s", "32"]);
    let given = ["k", "v"].map(|name| b.input(name, DType::F32, ["b", "2", "t", "8"]));
    let (axis, wide, joined) = (b.ints([2]), b.input("wide", DType::I64, ["5"]), b.input("joined", DType::I64, ["4"]));
    let mut repeated = Vec::new();
    for (x, count) in given.into_iter().zip(groups) {
        let x = b.node("Unsqueeze", [x, axis], []);
        let x = b.state(x, DType::F32, ["b", "2", "1", "t", "8"]);
        let x = b.node("Expand", [x, wide], []);
        let x = b.state(x, DType::F32, ["b", "2", count, "t", "8"]);
        let x = b.node("Reshape", [x, joined], []);
        repeated.push(b.state(x, DType::F32, ["b", "4", "t", "8"]));
    }
    let half = b.floats([], [0.5]);
    let mut query = q;
    if scaled {
        query = b.node("Mul", [q, half], []);
        query = b.state(query, DType::F32, ["b", "s", "32"]);
    }
    let shape = b.ints([0, 0, 4, 8]);
    let query = b.node("Reshape", [query, shape], []);
    let query = b.state(query, DType::F32, ["b", "s", "4", "8"]);
    let query = b.node("Transpose", [query], [("perm", Attr::Ints(vec![0, 2, 1, 3]))]);
    let query = b.state(query, DType::F32, ["b", "4", "s", "8"]);
    let keys = b.node("Transpose", [repeated[0]], [("perm", Attr::Ints(vec![0, 1, 3, 2]))]);
    let keys = b.state(keys, DType::F32, ["b", "4", "8", "t"]);
    let product = b.node("MatMul", [query, keys], []);
    let product = b.state(product, DType::F32, ["b", "4", "s", "t"]);
    let weights = b.node("Softmax", [product], [("axis", Attr::Int(-1))]);
    let weights = b.state(weights, DType::F32, ["b", "4", "s", "t"]);
    let y = b.node("MatMul", [weights, repeated[1]], []);
    (b.finish([y]), [q, given[0], given[1]])
}

#[test]
fn heads_of_keys_are_not_repeated() {
    for (groups, count) in [(["2", "2"], 2), (["2", "3"], 1)] {
        let (mut graph, [_, k, v]) = grouped(groups, false);
        assert_eq!(FuseAttention.apply(&mut graph, &mut Operators::default()).fired, 1);
        let node = graph.nodes.last().unwrap();
        assert_eq!(node.attrs["groups"], Attr::Int(count), "{groups:?}");
        assert_eq!(node.inputs[1..3] == [Some(k), Some(v)], count == 2);
    }
}

#[test]
fn a_scale_before_the_heads_joins_attention() {
    let (mut graph, [q, ..]) = grouped(["2", "2"], true);
    assert_eq!(FuseAttention.apply(&mut graph, &mut Operators::default()).fired, 1);
    assert_eq!(ops(&graph), ["Reshape", "Transpose", "fascine.Attention"]);
    assert_eq!(graph.nodes[0].inputs[0], Some(q));
    assert_eq!(graph.nodes[2].attrs["scale"], Attr::Float(0.5));
}

#[test]
fn rows_that_see_no_key_join_attention() {
    for (axis, zero, fires) in [(-1, 0.0, 1), (-2, 0.0, 0), (-1, 1.0, 0)] {
        let dims = ["b", "4", "s", "8"];
        let mut b = GraphBuilder::new(18);
        let [q, k, v] = ["q", "k", "v"].map(|name| b.input(name, DType::F32, dims));
        let mask = b.input("mask", DType::F32, ["b", "1", "s", "s"]);
        let (axes, zero, hidden) = (b.ints([axis]), b.floats([], [zero]), b.floats([], [f32::NEG_INFINITY]));
        let attention = b.node("fascine.Attention", [q, k, v, mask], [("nan_to_zero", Attr::Int(0))]);
        let attention = b.state(attention, DType::F32, dims);
        let top = b.node("ReduceMax", [mask, axes], [("keepdims", Attr::Int(1))]);
        let unseen = b.node("Equal", [top, hidden], []);
        let y = b.node("Where", [unseen, zero, attention], []);
        let y = b.state(y, DType::F32, dims);
        let mut graph = b.finish([y]);
        assert_eq!(FuseAttention.apply(&mut graph, &mut Operators::default()).fired, fires, "{axis}");
        if fires == 1 {
            assert_eq!(ops(&graph), ["fascine.Attention"]);
            assert_eq!(graph.nodes[0].attrs["masked_to_zero"], Attr::Int(1));
        }
    }
}
