//! Elementwise operators, products, convolutions, reductions, recurrent networks and what else is in most models.

use super::{Attr, Case, DType, Family, Tensor, TensorData, ValueId, ints};

/// Each makes one model and gives its outputs.
pub(super) const FAMILIES: &[Family] = &[
    ("packed", |c| {
        let shape = c.shape(3, 7);
        let len = shape.iter().product();
        let halves = c.floats(len).into_iter().map(half::f16::from_f32).collect();
        let bytes = (0..len).map(|_| c.random.range(0, 255) as u8).collect();
        let x = c.feed(Tensor::from_data(shape.clone(), TensorData::F16(halves)).unwrap());
        let y = c.feed(Tensor::from_data(shape, TensorData::U8(bytes)).unwrap());
        let turned = c.b.node("Transpose", [x], []);
        // Read packed, widened whole and widened turned; written packed by the chain and behind the node.
        let y = c.b.node("Cast", [y], [("to", Attr::Int(10))]);
        let sum = c.b.node("Add", [x, y], []);
        vec![sum, c.b.node("Softmax", [sum], []), c.b.node("Softmax", [turned], []), turned]
    }),
    ("narrow", |c| {
        let shape = c.shape(3, 9);
        let len: usize = shape.iter().product();
        let mut bytes = || (0..len).map(|_| c.random.range(0, 255) as u8).collect::<Vec<u8>>();
        let [bits, fours, twos, brains] = [DType::F8E4M3Fn, DType::I4, DType::U2, DType::Bf16].map(|dtype| {
            let data = bytes().into_iter().flat_map(|byte| vec![byte; dtype.size()]).collect::<Vec<u8>>();
            TensorData::from_le_bytes(dtype, &data).unwrap()
        });
        let [bits, fours, twos, brains] =
            [bits, fours, twos, brains].map(|data| c.feed(Tensor::from_data(shape.clone(), data).unwrap()));
        // Read packed and turned, widened and packed again, to and from floats.
        let turned = c.b.node("Transpose", [fours], []);
        let halved = c.b.node("Concat", [fours, fours], [("axis", Attr::Int(0))]);
        let packed = c.b.node("BitCast", [halved], [("to", Attr::Int(21))]);
        let floats = [bits, turned, twos].map(|x| c.b.node("Cast", [x], [("to", Attr::Int(16))]));
        let sum = c.b.node("Add", [floats[0], brains], []);
        let [to, mode] = [[17, 18, 19, 20, 23, 24][c.size(6) - 1], c.random.range(0, 1).into()];
        let back = c.b.node("Cast", [sum], [("to", Attr::Int(to)), ("saturate", Attr::Int(mode))]);
        vec![packed, back, floats[1], floats[2], sum]
    }),
    ("elementwise", |c| {
        let shape = c.shape(3, 7);
        let other: Vec<usize> = shape.iter().map(|&size| if c.flag() { size } else { 1 }).collect();
        let ranks_less = c.size(3) - 1;
        let (x, y) = (c.input(&shape), c.input(&other[ranks_less..]));
        let sum = c.b.node("Add", [x, y], []);
        let z = c.b.node(["Tanh", "Sigmoid", "Exp", "Neg"][c.random.range(0, 3) as usize], [sum], []);
        vec![c.b.node("Mul", [z, x], [])]
    }),
    ("matmul", |c| {
        let [m, k, n] = [c.size(40), c.size(70), c.size(50)];
        let rank = c.size(3) - 1;
        let batch = c.shape(rank, 3);
        let x = c.input(&[batch.as_slice(), &[m, k]].concat());
        let w = if c.flag() { c.weight(&[k, n]) } else { c.input(&[batch.as_slice(), &[k, n]].concat()) };
        vec![c.b.node("MatMul", [x, w], [])]
    }),
    ("matmul in fours", |c| {
        let [m, k, n] = [c.size(20), 4 * c.size(30), 4 * c.size(20)];
        let (x, w) = (c.tensor(&[m, k]), c.weight(&[k, n]));
        vec![c.b.node("MatMul", [x, w], [])]
    }),
    ("deep matmul", |c| {
        let [m, k, n] = [c.size(20), 128 * c.size(3) + 128, c.size(32)];
        let (x, w) = (c.input(&[m, k]), c.weight(&[k, n]));
        vec![c.b.node("MatMul", [x, w], [])]
    }),
    ("row in fours", |c| {
        let [k, n] = [4 * c.size(40), c.size(90)];
        let (x, w) = (c.input(&[1, k]), c.weight(&[k, n]));
        vec![c.b.node("MatMul", [x, w], [])]
    }),
    ("row times matrix", |c| {
        let [k, n] = [c.size(200), c.size(90)];
        let (x, w, bias) = (c.input(&[1, k]), c.weight(&[k, n]), c.weight(&[n]));
        let y = c.b.node("MatMul", [x, w], []);
        vec![c.b.node("Add", [y, bias], [])]
    }),
    ("conv", |c| {
        let [n, channels, out, side] = [c.size(2), c.size(9), c.size(20), c.size(6)];
        let [kernel, stride, dilation, pad] = [c.size(3), c.size(2), c.size(2), c.random.range(0, 2) as usize];
        let size = (kernel - 1) * dilation + side;
        let (x, w) = (c.input(&[n, channels, size, size + 1]), c.weight(&[out, channels, kernel, kernel]));
        let attrs =
            [("strides", ints([stride; 2])), ("dilations", ints([dilation; 2])), ("pads", ints([pad, 0, 1, pad]))];
        vec![c.b.node("Conv", [x, w], attrs)]
    }),
    ("depthwise conv", |c| {
        let [channels, side, kernel] = [c.size(20), c.size(8), c.size(3)];
        let (x, w) = (c.input(&[1, channels, side + 2, side + 3]), c.weight(&[channels, 1, kernel, kernel]));
        let bias = c.weight(&[channels]);
        let attrs = [("group", Attr::Int(channels as i64)), ("pads", ints([1, 0, 0, 1]))];
        vec![c.b.node("Conv", [x, w, bias], attrs)]
    }),
    ("pool", |c| {
        let [channels, side, kernel] = [c.size(5), c.size(9), c.size(3)];
        let x = c.input(&[1, channels, side + 2, side + 3]);
        let attrs = [("kernel_shape", ints([kernel; 2])), ("strides", ints([c.size(3); 2]))];
        let op = if c.flag() { "MaxPool" } else { "AveragePool" };
        c.one(op, x, attrs)
    }),
    ("global pool", |c| {
        let shape = [c.size(2), c.size(9), c.size(12), c.size(12)];
        let x = c.input(&shape);
        c.one("GlobalAveragePool", x, [])
    }),
    ("softmax", |c| {
        let shape = c.shape(3, 20);
        let (x, axis) = (c.input(&shape), c.axis(3));
        let op = if c.flag() { "Softmax" } else { "LogSoftmax" };
        c.one(op, x, [("axis", Attr::Int(axis))])
    }),
    ("layer norm", |c| {
        let shape = c.shape(3, 20);
        let x = c.input(&shape);
        let (scale, bias) = (c.weight(&shape[2..]), c.weight(&shape[2..]));
        vec![c.b.node("LayerNormalization", [x, scale, bias], [("axis", Attr::Int(-1))])]
    }),
    ("reduce", |c| {
        let shape = c.shape(4, 8);
        let (x, axis, keep) = (c.input(&shape), c.axis(4), c.flag());
        let op = ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"][c.random.range(0, 3) as usize];
        c.one(op, x, [("axes", Attr::Ints(vec![axis])), ("keepdims", Attr::Int(keep.into()))])
    }),
    ("integer reduce", |c| {
        let shape = c.shape(3, 9);
        let (x, axis) = (c.integers(&shape, -1_000, 1_000), c.axis(3));
        let axes = c.b.ints([axis]);
        vec![c.b.node("ReduceSum", [x, axes], [])]
    }),
    ("integers", |c| {
        let shape = c.shape(3, 9);
        let (x, y) = (c.integers(&shape, -70_000, 70_000), c.integers(&shape[1..], 1, 60_000));
        // Products beyond 32 bits are errors.
        vec![c.b.node(["Add", "Sub", "Mul", "Div"][c.random.range(0, 3) as usize], [x, y], [])]
    }),
    ("casts", |c| {
        let shape = c.shape(2, 30);
        let x = c.integers(&shape, -300, 300);
        let to = [1, 2, 3, 6, 9][c.size(5) - 1];
        let y = c.b.node("Cast", [x], [("to", Attr::Int(to))]);
        // Some casts are views of the input: something must run.
        let z = c.b.node("Cast", [y], [("to", Attr::Int(1))]);
        vec![y, c.b.node("Add", [z, z], [])]
    }),
    ("float to integer", |c| {
        let shape = c.shape(2, 30);
        let x = c.input(&shape);
        let to = [3, 6, 9][c.size(3) - 1];
        c.one("Cast", x, [("to", Attr::Int(to))])
    }),
    ("gather", |c| {
        let shape = c.shape(3, 9);
        let axis = c.axis(3);
        let size = shape[(axis.rem_euclid(3)) as usize] as i64;
        let x = if c.flag() { c.weight(&shape) } else { c.input(&shape) };
        // Half of them hold what lies outside, near and far.
        let beyond = [0, 1, 5, 1 << 20, i64::from(i32::MAX) - size][c.random.range(0, 4) as usize];
        let beyond = if c.flag() { beyond } else { 0 };
        let len = c.size(12);
        let data = (0..len).map(|_| match c.random.range(0, 5) {
            0 => size - 1 + beyond,
            1 => -size - beyond,
            _ => i64::from(c.random.range(0, 2 * size as u32 - 1)) - size,
        });
        let data = data.collect();
        let indices = c.feed(Tensor::from_data([len], TensorData::I64(data)).unwrap());
        vec![c.b.node("Gather", [x, indices], [("axis", Attr::Int(axis))])]
    }),
    ("views", |c| {
        let shape = c.shape(4, 6);
        let x = c.input(&shape);
        let y = c.b.node("Transpose", [x], [("perm", Attr::Ints(vec![2, 0, 3, 1]))]);
        let flat = c.b.ints([-1]);
        vec![c.b.node("Reshape", [y, flat], [])]
    }),
    ("concat", |c| {
        let [rows, axis] = [c.size(5), c.axis(2) as usize & 1];
        let parts: Vec<ValueId> = (0..3)
            .map(|_| {
                let other = c.size(7);
                c.input(&if axis == 0 { [other, rows] } else { [rows, other] })
            })
            .collect();
        vec![c.b.node("Concat", parts, [("axis", Attr::Int(axis as i64 - 2))])]
    }),
    ("pad and steps", |c| {
        let shape = c.shape(2, 9);
        let x = c.input(&shape);
        let [starts, ends, steps] = [[-1, -1], [i64::MIN, i64::MIN], [-1, -2]].map(|data| c.b.ints(data));
        let axes = c.b.ints([-2, -1]);
        let y = c.b.node("Slice", [x, starts, ends, axes, steps], []);
        let pads = c.b.ints((0..4).map(|_| i64::from(c.random.range(0, 3))).collect::<Vec<_>>());
        vec![c.b.node("Pad", [y, pads], [("mode", Attr::Str("constant".into()))])]
    }),
    ("range", |c| {
        // As long as an input whose size is a symbol, so that the device counts.
        let len = 1 + c.size(200);
        let data = c.floats(len);
        let x = c.b.input("symbolic", DType::F32, ["n"]);
        c.inputs.push(("symbolic".to_owned(), Tensor::new([len], data).unwrap()));
        let shape = c.b.node("Shape", [x], []);
        let [first, start, delta] = [0, -3, 2].map(|value| c.b.constant(Tensor::scalar(value as i64)));
        let n = c.b.node("Gather", [shape, first], []);
        let twice = c.b.node("Mul", [n, delta], []);
        let limit = c.b.node("Add", [twice, start], []);
        let range = c.b.node("Range", [start, limit, delta], []);
        let floats = c.b.node("Cast", [range], [("to", Attr::Int(1))]);
        vec![c.b.node("Add", [floats, x], []), range]
    }),
    ("nonzero", |c| {
        let shape = c.shape(3, 30);
        let len: usize = shape.iter().product();
        let data: Vec<f32> = (0..len).map(|_| if c.flag() { c.random.float() } else { 0.0 }).collect();
        let count = data.iter().filter(|&&x| x != 0.0).count();
        let x = c.feed(Tensor::new(shape, data).unwrap());
        let made = c.b.node_with("fascine.NonZeroCount", [Some(x)], [], 2);
        let known = c.b.ints([count as i64]);
        vec![made[1], c.b.node("fascine.NonZeroIndices", [x, made[0], known], [])]
    }),
    ("expand", |c| {
        let shape = c.shape(2, 9);
        let x = c.input(&[shape[0], 1]);
        let to = c.b.ints([2, shape[0] as i64, shape[1] as i64]);
        let y = c.b.node("Expand", [x, to], []);
        let z = c.input(&shape);
        vec![c.b.node("Max", [y, z], []), y]
    }),
    ("attention", |c| {
        let [heads, rows, keys, depth, columns] = [c.size(3), c.size(20), c.size(70), c.size(40), c.size(40)];
        let (q, k) = (c.input(&[heads, rows, depth]), c.input(&[heads, keys, depth]));
        let (v, mask) = (c.input(&[heads, keys, columns]), c.input(&[rows, keys]));
        vec![c.b.node("fascine.Attention", [q, k, v, mask], [("scale", Attr::Float(0.25))])]
    }),
    ("even attention", |c| {
        let [heads, rows, keys] = [c.size(3), c.size(20), c.size(70)];
        let (depth, columns) = (4 * c.size(10), 4 * c.size(10));
        let (q, k) = (c.tensor(&[heads, rows, depth]), c.tensor(&[heads, keys, depth]));
        let v = c.tensor(&[heads, keys, columns]);
        vec![c.b.node("fascine.Attention", [q, k, v], [("scale", Attr::Float(0.25))])]
    }),
    ("attention of groups", |c| {
        let [batch, heads, groups, rows, keys] = [c.size(2), c.size(3), c.size(3), c.size(10), c.size(70)];
        let (depth, columns) = if c.flag() { (c.size(20), c.size(20)) } else { (4 * c.size(5), 4 * c.size(5)) };
        let q = c.input(&[batch, heads * groups, rows, depth]);
        let (k, v) = (c.input(&[batch, heads, keys, depth]), c.input(&[batch, heads, keys, columns]));
        let mask_heads = if c.flag() { 1 } else { heads * groups };
        let hidden = c.random.range(0, rows as u32 - 1) as usize;
        let row = |c: &mut Case<'_>, at: usize| if at == hidden { f32::NEG_INFINITY } else { c.random.float() };
        let len = mask_heads * rows * keys;
        let mask = (0..len).map(|at| row(c, at / keys % rows)).collect();
        let mask = c.feed(Tensor::from_data([1, mask_heads, rows, keys], TensorData::F32(mask)).unwrap());
        let attrs = [("groups", Attr::Int(groups as i64)), ("masked_to_zero", Attr::Int(c.flag().into()))];
        vec![c.b.node("fascine.Attention", [q, k, v, mask], attrs)]
    }),
    ("rotary", |c| {
        let [batch, heads, rows, pairs, rest] = [c.size(2), c.size(3), c.size(5), c.size(9), c.size(4) - 1];
        let x = c.input(&[batch, heads, rows, 2 * pairs + rest]);
        let table = [batch, 1, rows, if c.flag() { pairs } else { 2 * pairs }];
        let (cos, sin) = (c.input(&table), c.input(&table));
        let attrs = [("turned", Attr::Int(2 * pairs as i64)), ("interleaved", Attr::Int(c.flag().into()))];
        vec![c.b.node("fascine.Rotary", [x, cos, sin], attrs)]
    }),
    ("lstm", |c| {
        // Some too large for all steps in a dispatch.
        let larger = if c.size(4) == 1 { 256 } else { 0 };
        let [steps, batch, inputs, hidden] = [c.size(4), c.size(3), c.size(9), larger + c.size(20)];
        let x = c.input(&[steps, batch, inputs]);
        let (w, r) = (c.weight(&[1, 4 * hidden, inputs]), c.weight(&[1, 4 * hidden, hidden]));
        let bias = c.weight(&[1, 8 * hidden]);
        let reverse = ["forward", "reverse"][c.random.range(0, 1) as usize];
        let attrs = [("hidden_size", Attr::Int(hidden as i64)), ("direction", Attr::Str(reverse.into()))];
        c.b.node_with("LSTM", [x, w, r, bias].map(Some), attrs, 3)
    }),
    ("recurrent", |c| {
        let larger = if c.size(4) == 1 { 256 } else { 0 };
        let [steps, batch, inputs, hidden] = [c.size(4), c.size(3), c.size(9), larger + c.size(20)];
        let (op, gates) = [("RNN", 1), ("GRU", 3), ("LSTM", 4)][c.random.range(0, 2) as usize];
        let x = c.input(&[steps, batch, inputs]);
        let (w, r) = (c.weight(&[2, gates * hidden, inputs]), c.weight(&[2, gates * hidden, hidden]));
        let bias = c.weight(&[2, 2 * gates * hidden]);
        let lengths = (0..batch).map(|_| c.random.range(0, steps as u32) as i32).collect::<Vec<_>>();
        let lengths = c.feed(Tensor::new([batch], lengths).unwrap());
        let state = c.tensor(&[2, batch, hidden]);
        let mut attrs =
            vec![("hidden_size", Attr::Int(hidden as i64)), ("direction", Attr::Str("bidirectional".into()))];
        if op == "GRU" {
            attrs.push(("linear_before_reset", Attr::Int(c.flag().into())));
        }
        let outputs = if op == "LSTM" { 3 } else { 2 };
        c.b.node_with(op, [x, w, r, bias, lengths, state].map(Some), attrs, outputs)
    }),
    ("transform", |c| {
        let shape = [c.size(3), c.size(40), c.size(3), c.size(2)];
        let x = c.input(&shape);
        let inverse = Attr::Int(c.flag().into());
        vec![c.b.node("DFT", [x], [("axis", Attr::Int(1)), ("inverse", inverse)])]
    }),
    ("linear attention", |c| {
        let [batch, tokens, heads, group] = [c.size(2), c.size(5), c.size(3), c.size(2)];
        let (key, value) = (c.size(9), c.size(20));
        let q = c.input(&[batch, tokens, heads * group * key]);
        let (k, v) = (c.input(&[batch, tokens, heads * key]), c.input(&[batch, tokens, heads * value]));
        let past = c.input(&[batch, heads, key, value]);
        let (decay, beta) = (c.input(&[batch, tokens, heads * key]), c.input(&[batch, tokens, 1]));
        let attrs = [("q_num_heads", Attr::Int((heads * group) as i64)), ("kv_num_heads", Attr::Int(heads as i64))];
        c.b.node_with("LinearAttention", [q, k, v, past, decay, beta].map(Some), attrs, 2)
    }),
    ("losses", |c| {
        let [batch, classes, inner] = [c.size(9), c.size(9), c.size(9)];
        let (x, weights) = (c.input(&[batch, classes, inner]), c.input(&[classes]));
        let targets = c.integers(&[batch, inner], 0, classes as i64 - 1);
        let inputs = [x, targets, weights].map(Some);
        c.b.node_with("fascine.NegativeLogLikelihood", inputs, [("ignore_index", Attr::Int(0))], 2)
    }),
    ("trees", |c| {
        let (rows, features, targets, trees) = (c.size(70), c.size(5), c.size(3), c.size(4));
        // Node i has the children 2i + 1 and 2i + 2; the leaves are those without.
        let (inner, all) = [(0, 1), (1, 3), (3, 7)][c.size(3) - 1];
        let nodes = || (0..trees).flat_map(|tree| (0..all).map(move |node| (tree, node)));
        let leaves = || nodes().filter(|&(_, node)| node >= inner);
        let pick = |c: &mut Case<'_>, most: usize| c.random.range(0, most as u32 - 1) as usize;
        let modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
        let mode = nodes().map(|(_, node)| if node < inner { modes[pick(c, 6)] } else { "LEAF" }.to_owned()).collect();
        let floats = |c: &mut Case<'_>, len| Attr::Floats((0..len).map(|_| c.random.float()).collect());
        let attrs = [
            ("aggregate_function", Attr::Str(["SUM", "AVERAGE", "MIN", "MAX"][pick(c, 4)].into())),
            ("n_targets", Attr::Int(targets as i64)),
            ("base_values", if c.flag() { floats(c, targets) } else { Attr::Floats(Vec::new()) }),
            ("nodes_treeids", ints(nodes().map(|(tree, _)| tree))),
            ("nodes_nodeids", ints(nodes().map(|(_, node)| node))),
            ("nodes_modes", Attr::Strs(mode)),
            ("nodes_featureids", ints(nodes().map(|_| pick(c, features)).collect::<Vec<_>>())),
            ("nodes_values", floats(c, trees * all)),
            ("nodes_truenodeids", ints(nodes().map(|(_, node)| 2 * node + 1))),
            ("nodes_falsenodeids", ints(nodes().map(|(_, node)| 2 * node + 2))),
            ("nodes_missing_value_tracks_true", ints(nodes().map(|_| pick(c, 2)).collect::<Vec<_>>())),
            ("target_treeids", ints(leaves().map(|(tree, _)| tree))),
            ("target_nodeids", ints(leaves().map(|(_, node)| node))),
            ("target_ids", ints(leaves().map(|_| pick(c, targets)).collect::<Vec<_>>())),
            ("target_weights", floats(c, leaves().count())),
        ];
        let x = c.input(&[rows, features]);
        c.one("ai.onnx.ml.TreeEnsembleRegressor", x, attrs)
    }),
];
