//! Models of quantised operators.

use super::{Attr, Case, Family, Tensor, TensorData, ValueId, ints};

/// A tensor of u8, or of i8 where `signed`.
fn bytes(c: &mut Case<'_>, shape: &[usize], signed: bool) -> Tensor {
    let data: Vec<u8> = (0..shape.iter().product()).map(|_| c.random.range(0, 255) as u8).collect();
    let data = match signed {
        true => TensorData::I8(data.into_iter().map(|byte| byte as i8).collect()),
        false => TensorData::U8(data),
    };
    Tensor::from_data(shape, data).unwrap()
}

/// An input or a constant.
fn either(c: &mut Case<'_>, tensor: Tensor) -> ValueId {
    if c.flag() { c.feed(tensor) } else { c.b.constant(tensor) }
}

/// A positive number, or one for each of so many.
fn scale(c: &mut Case<'_>, shape: &[usize]) -> ValueId {
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| 0.01 + c.random.float().abs()).collect();
    either(c, Tensor::new(shape, data).unwrap())
}

/// Each makes one model and gives its outputs.
pub(crate) const FAMILIES: &[Family] = &[
    ("quantised and back", |c| {
        let shape = c.shape(3, 9);
        let axis = c.axis(3);
        let size = shape[if axis < 0 { axis + 3 } else { axis } as usize];
        let per = if c.flag() { vec![size] } else { Vec::new() };
        let (x, scale, signed) = (c.input(&shape), scale(c, &per), c.flag());
        let zero = bytes(c, &per, signed);
        let zero = either(c, zero);
        let attrs = || [("axis", Attr::Int(axis))];
        let q = c.b.node("QuantizeLinear", [x, scale, zero], attrs());
        vec![q, c.b.node("DequantizeLinear", [q, scale, zero], attrs())]
    }),
    ("quantised in blocks", |c| {
        let (blocks, block) = (c.shape(3, 5), c.size(4));
        let axis = c.random.range(0, 2) as usize;
        let mut shape = blocks.clone();
        shape[axis] *= block;
        let (x, scale) = (c.input(&shape), scale(c, &blocks));
        let attrs = || [("axis", Attr::Int(axis as i64)), ("block_size", Attr::Int(block as i64))];
        let q = c.b.node("QuantizeLinear", [x, scale], attrs());
        vec![q, c.b.node("DequantizeLinear", [q, scale], attrs())]
    }),
    ("quantised by range", |c| {
        let shape = c.shape(2, 40);
        let x = c.input(&shape);
        c.b.node_with("DynamicQuantizeLinear", [Some(x)], [], 3)
    }),
    ("integer product", |c| {
        let [batch, rows, depth, columns] = [c.size(3), c.size(9), c.size(50), c.size(9)];
        let (left, right) = (c.flag(), c.flag());
        let (a, b) = (bytes(c, &[batch, rows, depth], left), bytes(c, &[depth, columns], right));
        let (a_zero, b_zero) = (bytes(c, &[], left), bytes(c, &[columns], right));
        let inputs = [c.feed(a), either(c, b), either(c, a_zero), either(c, b_zero)];
        vec![c.b.node("MatMulInteger", inputs, [])]
    }),
    ("integer product of matrices", |c| {
        let [batch, rows, depth, columns] = [c.size(3), c.size(9), c.size(50), c.size(9)];
        let a = bytes(c, &[batch, depth, rows], false);
        let (a, b) = (c.feed(a), bytes(c, &[batch, depth, columns], true));
        let a = c.b.node("Transpose", [a], [("perm", ints([0, 2, 1]))]);
        let zeros = bytes(c, &[batch, rows, 1], false);
        let inputs = [a, either(c, b), c.feed(zeros)];
        vec![c.b.node("MatMulInteger", inputs, [])]
    }),
    ("integer convolution", |c| {
        let (axes, groups) = (c.size(3), c.size(2));
        let kernel = c.shape(axes, 3);
        let size: Vec<usize> = kernel.iter().map(|k| k + c.size(5)).collect();
        let [images, inner, outer] = [c.size(2), c.size(4), c.size(5)];
        let x = bytes(c, &[&[images, groups * inner][..], &size].concat(), false);
        let w = bytes(c, &[&[groups * outer, inner][..], &kernel].concat(), true);
        let (x_zero, w_zero) = (bytes(c, &[], false), bytes(c, &[groups * outer], true));
        let inputs = [c.feed(x), either(c, w), either(c, x_zero), either(c, w_zero)];
        let attrs = [
            ("group", Attr::Int(groups as i64)),
            ("strides", ints(c.shape(axes, 2))),
            ("pads", ints(vec![1; 2 * axes])),
        ];
        vec![c.b.node("ConvInteger", inputs, attrs)]
    }),
    ("weights of few bits", |c| {
        let [rows, depth, columns] = [c.size(9), c.size(90), c.size(13)];
        let (bits, block) = ([2, 4, 8][c.random.range(0, 2) as usize], [16, 32][c.random.range(0, 1) as usize]);
        let blocks = depth.div_ceil(block);
        let weight = bytes(c, &[columns, blocks, block * bits / 8], false);
        let scales = c.weight(&[columns, blocks]);
        let zeros = bytes(c, &[columns, (blocks * bits).div_ceil(8)], false);
        let inputs = [c.input(&[rows, depth]), c.b.constant(weight), scales, c.b.constant(zeros)];
        let given = if c.flag() { 4 } else { 3 };
        let attrs = [("K", depth), ("N", columns), ("bits", bits), ("block_size", block)];
        let attrs = attrs.map(|(name, value)| (name, Attr::Int(value as i64)));
        vec![c.b.node("com.microsoft.MatMulNBits", inputs[..given].to_vec(), attrs)]
    }),
    ("a row by weights of few bits", |c| {
        let (depth, columns) = (c.size(90), c.size(80));
        let (bits, block) = ([2, 4, 8][c.random.range(0, 2) as usize], [16, 32][c.random.range(0, 1) as usize]);
        let blocks = depth.div_ceil(block);
        let weight = bytes(c, &[columns, blocks, block * bits / 8], false);
        let (x, scales) = (c.input(&[1, depth]), c.weight(&[columns, blocks]));
        let inputs = vec![x, c.b.constant(weight), scales];
        let attrs = [("K", depth), ("N", columns), ("bits", bits), ("block_size", block)];
        let attrs = attrs.map(|(name, value)| (name, Attr::Int(value as i64)));
        vec![c.b.node("com.microsoft.MatMulNBits", inputs, attrs)]
    }),
    ("weights that are dequantised", |c| {
        // More than are dequantised at load.
        let [rows, depth, columns] = [c.size(20), 32 + c.size(9), 32 + c.size(9)];
        let signed = c.flag();
        let per = if c.flag() { vec![columns] } else { Vec::new() };
        let (weight, zero) = (bytes(c, &[depth, columns], signed), bytes(c, &per, signed));
        let scale = c.weight(&per);
        let inputs = [c.b.constant(weight), scale, c.b.constant(zero)];
        let weight = c.b.node("DequantizeLinear", inputs, [("axis", Attr::Int(1))]);
        let x = c.input(&[rows, depth]);
        vec![c.b.node("MatMul", [x, weight], [])]
    }),
    ("scaled integer product", |c| {
        let [batch, rows, depth, columns] = [c.size(3), c.size(20), c.size(50), c.size(70)];
        let x = c.input(&[batch, rows, depth]);
        let signed = c.flag();
        let (weight, zero) = (bytes(c, &[depth, columns], signed), bytes(c, &[columns], signed));
        let quantised = c.b.node_with("DynamicQuantizeLinear", [Some(x)], [], 3);
        let (weight, zero) = (c.b.constant(weight), c.b.constant(zero));
        let inputs = [quantised[0], weight, quantised[2], zero];
        let sums = c.b.node("MatMulInteger", inputs, []);
        let own = scale(c, &[columns]);
        let factor = c.b.node("Mul", [quantised[1], own], []);
        let sums = c.b.node("Cast", [sums], [("to", Attr::Int(1))]);
        let mut y = c.b.node("Mul", [sums, factor], []);
        let bias = c.weight(&[columns]);
        y = c.b.node("Add", [y, bias], []);
        if c.flag() {
            let residual = c.input(&[batch, rows, columns]);
            y = c.b.node("Add", [y, residual], []);
        }
        vec![c.b.node("Tanh", [y], [])]
    }),
    ("packed rows by index", |c| {
        let [rows, width, count] = [c.size(9), 4 * c.size(9), c.size(9)];
        let table = bytes(c, &[rows, width], false);
        let (table, index) = (either(c, table), c.integers(&[count], 0, rows as i64 - 1));
        vec![c.b.node("Gather", [table, index], [])]
    }),
];
