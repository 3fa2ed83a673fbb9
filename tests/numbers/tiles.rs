//! Products and convolutions on GPUs: large tiles have the bits of small ones, parts of the depth and rows alone are right, and each is
//! chosen where it should be, by rule and by what was measured.

use std::sync::Arc;

use crate::common::direct::{direct, target};
use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph};
use fascine::lower::tuning::{Choice, Share, TileTable, Tiled, Timed};
use fascine::lower::{DeviceClass, ModelWeights, Target, Tuning};
use fascine::plan::{Plan, plan};
use fascine::tensor::{DType, Tensor};

/// Some numbers between -2 and 2, from `seed` on.
fn numbers(shape: &[usize], seed: u32) -> Tensor {
    let number = |k: u32| (k.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 22) as f32 - 2.0;
    let len = shape.iter().product::<usize>() as u32;
    Tensor::new(shape, (0..len).map(|k| number(k + 977 * seed)).collect::<Vec<_>>()).unwrap()
}

fn relu() -> [(&'static str, Attr); 4] {
    [
        ("codes", Attr::Strs(vec!["ReluF".to_owned()])),
        ("args", Attr::Ints(vec![0, -1, -1])),
        ("constants", Attr::Ints(Vec::new())),
        ("dtype", Attr::Int(1)),
    ]
}

/// A model of one node, its inputs, and its results in f64.
struct Case {
    name: String,
    graph: Graph,
    inputs: Vec<Tensor>,
    expected: Vec<f64>,
}

fn input(b: &mut GraphBuilder, name: &str, shape: &[usize]) -> fascine::graph::ValueId {
    let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
    b.input(name, DType::F32, shape.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A node of the operator with a Relu behind, and what is fed: x, weights if they are not constant, and a residual.
fn model<const N: usize>(
    op: &str,
    attrs: [(&'static str, Attr); N],
    [x, w, bias, residual]: [Tensor; 4],
    constant: bool,
) -> (Graph, Vec<Tensor>) {
    let mut b = GraphBuilder::new(17);
    let left = input(&mut b, "x", x.shape());
    let mut inputs = vec![x];
    let right = match constant {
        true => b.constant(w),
        false => {
            let right = input(&mut b, "w", w.shape());
            inputs.push(w);
            right
        }
    };
    let bias = b.constant(bias);
    let added = input(&mut b, "residual", residual.shape());
    inputs.push(residual);
    let y = b.node(op, [left, right, bias, added], relu().into_iter().chain(attrs));
    (b.finish([y]), inputs)
}

/// `relu(x w + bias + residual)`, the right side constant or given.
fn product([batch, rows, depth, columns]: [usize; 4], constant: bool) -> Case {
    let x = numbers(&[batch, rows, depth], 1);
    let w = match constant {
        true => numbers(&[depth, columns], 2),
        false => numbers(&[batch, depth, columns], 2),
    };
    let (bias, residual) = (numbers(&[columns], 3), numbers(&[batch, rows, columns], 4));
    let at = |tensor: &Tensor, index: usize| f64::from(tensor.as_slice::<f32>().unwrap()[index]);
    let result = |index: usize| {
        let (plane, row, column) = (index / columns / rows, index / columns % rows, index % columns);
        let first = if constant { 0 } else { plane * depth * columns };
        let sum: f64 =
            (0..depth).map(|k| at(&x, (plane * rows + row) * depth + k) * at(&w, first + k * columns + column)).sum();
        (sum + at(&bias, column) + at(&residual, index)).max(0.0)
    };
    let expected = (0..batch * rows * columns).map(result).collect();
    let name = format!("{batch} x {rows} x {depth} x {columns}, constant {constant}");
    let (graph, inputs) = model("fascine.MatMul", [], [x, w, bias, residual], constant);
    Case { name, graph, inputs, expected }
}

/// `relu(conv(x, w) + bias + residual)` with a kernel of `side`, padded by one less than half of it.
fn conv([images, groups, channels, out, size, side]: [usize; 6], constant: bool) -> Case {
    let pad = side / 2;
    let x = numbers(&[images, groups * channels, size, size + 1], 1);
    let w = numbers(&[groups * out, channels, side, side], 2);
    let shape = [images, groups * out, size, size + 1];
    let (bias, residual) = (numbers(&[groups * out], 3), numbers(&shape, 4));
    let at = |tensor: &Tensor, index: usize| f64::from(tensor.as_slice::<f32>().unwrap()[index]);
    let [width, height] = [size + 1, size];
    let result = |index: usize| {
        let (column, row) = (index % width, index / width % height);
        let (channel, image) = (index / width / height % (groups * out), index / width / height / (groups * out));
        let mut sum = at(&bias, channel) + at(&residual, index);
        for (c, ky, kx) in (0..channels * side * side).map(|k| (k / side / side, k / side % side, k % side)) {
            let (y, x_at) = ((row + ky).wrapping_sub(pad), (column + kx).wrapping_sub(pad));
            if y < height && x_at < width {
                let plane = (image * groups + channel / out) * channels + c;
                let weight = ((channel * channels + c) * side + ky) * side + kx;
                sum += at(&x, (plane * height + y) * width + x_at) * at(&w, weight);
            }
        }
        sum.max(0.0)
    };
    let expected = (0..shape.iter().product()).map(result).collect();
    let attrs = [("pads", Attr::Ints(vec![pad as i64; 4])), ("group", Attr::Int(groups as i64))];
    let name = format!("{images} x {groups} x {channels} -> {out}, {size}, {side} x {side}, constant {constant}");
    let (graph, inputs) = model("fascine.Conv", attrs, [x, w, bias, residual], constant);
    Case { name, graph, inputs, expected }
}

impl Case {
    /// Plan and results for a device of that parallelism.
    fn run(&self, parallelism: u32) -> (Plan, Vec<f32>) {
        self.tuned(parallelism, Tuning::NONE)
    }

    /// The same by what was measured.
    fn tuned(&self, parallelism: u32, tuning: Tuning) -> (Plan, Vec<f32>) {
        let weights = Arc::new(ModelWeights::new());
        let shapes: Vec<Vec<usize>> = self.inputs.iter().map(|tensor| tensor.shape().to_vec()).collect();
        let target = Target { parallelism, tuning, ..target(DeviceClass::Gpu) };
        let plan = plan(&self.graph, &shapes, &weights, &target).unwrap();
        let outputs = direct().run(&plan, &weights, &self.inputs).unwrap();
        (plan, outputs[0].as_slice::<f32>().unwrap().to_vec())
    }

    fn check(&self, got: &[f32]) {
        assert_eq!(got.len(), self.expected.len(), "{}", self.name);
        for (index, (&got, &expected)) in got.iter().zip(&self.expected).enumerate() {
            let error = (f64::from(got) - expected).abs();
            assert!(error <= 2e-4 + 2e-5 * expected.abs(), "{}: {got} at {index}, not {expected}", self.name);
        }
    }
}

/// Names of the kernels, and the widths of their tiles.
fn kernels(plan: &Plan) -> Vec<(&str, Option<f64>)> {
    let width = |(name, value)| (name == "WIDTH").then_some(value);
    let kernel = |d| -> (&str, Option<f64>) {
        let dispatch: &fascine::plan::Dispatch = d;
        (&dispatch.variant.kernel().name, dispatch.variant.constants().find_map(width))
    };
    plan.dispatches.iter().map(kernel).collect()
}

/// More than any of the grids here has workgroups.
const WIDE: u32 = 1 << 16;

#[test]
fn large_tiles_have_the_bits_of_small_ones() {
    let products = [[1, 64, 64, 64], [1, 100, 36, 68], [2, 65, 20, 70], [1, 130, 33, 65], [1, 40, 252, 36]];
    let convs = [[1, 1, 16, 64, 8, 3], [2, 1, 3, 40, 9, 3], [1, 2, 5, 33, 7, 3], [1, 1, 64, 70, 9, 1]];
    let cases = [true, false].into_iter().flat_map(|constant| {
        let products = products.into_iter().map(move |sizes| (product(sizes, constant), "matmul_tile"));
        products.chain(convs.into_iter().map(move |sizes| (conv(sizes, constant), "conv_tile")))
    });
    for (case, kernel) in cases {
        let ((small, expected), (large, got)) = (case.run(WIDE), case.run(1));
        assert_eq!(kernels(&small), [(kernel, Some(8.0))], "{}", case.name);
        assert_eq!(kernels(&large), [(kernel, Some(16.0))], "{}", case.name);
        case.check(&expected);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert!(bits(&got) == bits(&expected), "{}", case.name);
    }
}

#[test]
fn parts_of_the_depth_are_added() {
    let products = [[1, 40, 256, 36], [1, 9, 768, 35], [3, 33, 1024, 40]];
    let convs = [[1, 1, 32, 40, 7, 3], [2, 1, 256, 33, 5, 1], [1, 1, 128, 36, 4, 3]];
    let cases = [true, false].into_iter().flat_map(|constant| {
        let products = products.into_iter().map(move |sizes| (product(sizes, constant), "matmul_tile"));
        products.chain(convs.into_iter().map(move |sizes| (conv(sizes, constant), "conv_tile")))
    });
    for (case, kernel) in cases {
        let (plan, got) = case.run(WIDE);
        assert_eq!(kernels(&plan), [(kernel, Some(8.0)), ("sum_parts", None)], "{}", case.name);
        case.check(&got);
        let (whole, got) = case.run(2);
        assert_eq!(kernels(&whole).len(), 1, "{}", case.name);
        case.check(&got);
    }
}

#[test]
fn rows_alone_are_products() {
    for (sizes, kernels_of) in [
        ([1, 1, 64, 64], vec!["matmul_row"]),
        ([1, 1, 252, 33], vec!["matmul_row"]),
        ([1, 1, 1024, 100], vec!["matmul_row", "sum_parts"]),
        // Not in fours.
        ([1, 1, 63, 33], vec!["matmul_tile"]),
    ] {
        let case = product(sizes, true);
        let (plan, got) = case.run(WIDE);
        let names: Vec<&str> = kernels(&plan).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, kernels_of, "{}", case.name);
        case.check(&got);
    }
}

#[test]
fn plans_are_by_what_was_measured_for_their_share() {
    let [large_in_parts, parts, large] = [(64, 2), (32, 4), (64, 1)].map(|(side, parts)| Choice { side, parts });
    let mut table = TileTable::default();
    for (kernel, at) in [(Tiled::Product, [512, 6]), (Tiled::Conv, [576, 6])] {
        for (share, best) in [(Share::Whole, large_in_parts), (Share::Half, parts), (Share::Quarter, large)] {
            table.insert(kernel, share, at, vec![Timed { choice: best, nanos: 1 }]);
        }
    }
    table.insert(Tiled::Row, Share::Whole, [512, 2], vec![Timed { choice: Choice { side: 32, parts: 2 }, nanos: 1 }]);
    let table = Arc::new(table);
    let cases = [(product([1, 70, 512, 40], true), "matmul_tile"), (conv([1, 1, 64, 70, 6, 3], true), "conv_tile")];
    for (case, kernel) in cases {
        let run = |share| case.tuned(1 << 10, Tuning::new(table.clone(), share));
        let (plan, got) = run(Share::Whole);
        assert_eq!(kernels(&plan), [(kernel, Some(16.0)), ("sum_parts", None)], "{}", case.name);
        assert_eq!(plan.dispatches[0].workgroups(), 2 * 2, "{}", case.name);
        case.check(&got);
        let (plan, got) = run(Share::Half);
        assert_eq!(kernels(&plan), [(kernel, Some(8.0)), ("sum_parts", None)], "{}", case.name);
        assert_eq!(plan.dispatches[0].workgroups(), 3 * 2 * 4, "{}", case.name);
        case.check(&got);
        let (plan, got) = run(Share::Quarter);
        assert_eq!(kernels(&plan), [(kernel, Some(16.0))], "{}", case.name);
        case.check(&got);
        // Not measured: by the rule.
        assert_eq!(kernels(&run(Share::Eighth).0), kernels(&case.run(1 << 10).0), "{}", case.name);
    }
    let row = product([1, 1, 512, 64], true);
    let (plan, got) = row.tuned(1, Tuning::new(table, Share::Whole));
    assert_eq!(kernels(&plan), [("matmul_row", None), ("sum_parts", None)]);
    assert_eq!(plan.dispatches[0].workgroups(), 2 * 2);
    row.check(&got);
    assert_eq!(kernels(&row.run(1).0), [("matmul_row", None)]);
}
