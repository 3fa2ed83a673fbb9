//! Models of operators that move elements to where data say, and of order, scans and random numbers.
//!
//! Every second case of those with indices names a place that is outside, for which the request has to be refused.

use std::collections::BTreeSet;

use super::{Attr, Case, Family, Tensor, TensorData, ValueId, ints};

/// An i64 input.
fn feed(c: &mut Case<'_>, shape: &[usize], data: Vec<i64>) -> ValueId {
    c.feed(Tensor::from_data(shape, TensorData::I64(data)).unwrap())
}

/// An i64 input of indices, each into an axis of the size that `size` gives for its position: half of them from the end.
fn indices(c: &mut Case<'_>, shape: &[usize], size: impl Fn(usize) -> usize) -> ValueId {
    let len = shape.iter().product();
    let inside = |c: &mut Case<'_>, at| i64::from(c.random.range(0, 2 * size(at) as u32 - 1)) - size(at) as i64;
    let mut data: Vec<i64> = (0..len).map(|at| inside(c, at)).collect();
    if c.outside {
        c.refused = true;
        for at in [0, c.random.range(0, len as u32 - 1) as usize] {
            let end = size(at) as i64;
            let beyond = [end, -end - 1, end + 63, 1 << 20, i32::MAX.into(), i32::MIN.into()];
            data[at] = beyond[c.random.range(0, 5) as usize];
        }
    }
    feed(c, shape, data)
}

/// Numbers from a range that has no negative ones counted from the end; one is outside where the case is.
fn counts(c: &mut Case<'_>, len: usize, most: usize) -> ValueId {
    let mut data: Vec<i64> = (0..len).map(|_| c.random.range(0, most as u32).into()).collect();
    if c.outside {
        c.refused = true;
        let beyond = [-1, most as i64 + 1, i32::MAX.into(), i32::MIN.into()];
        data[c.random.range(0, len as u32 - 1) as usize] = beyond[c.random.range(0, 3) as usize];
    }
    feed(c, &[len], data)
}

fn reduction(c: &mut Case<'_>) -> (&'static str, Attr) {
    ("reduction", Attr::Str(["none", "add", "mul"][c.random.range(0, 2) as usize].into()))
}

/// Updates of a tensor with three axes, the middle one so long, as many to a row.
fn scatter_elements(c: &mut Case<'_>, size: usize, steps: usize) -> Vec<ValueId> {
    let (data, axis) = ([c.size(4), size, c.size(4)], 1);
    let shape = [c.size(data[0] as u32), steps, c.size(data[2] as u32)];
    let (x, updates) = (c.input(&data), c.input(&shape));
    let index = indices(c, &shape, |_| size);
    let attrs = [("axis", Attr::Int(axis)), reduction(c)];
    vec![c.b.node("ScatterElements", [x, index, updates], attrs)]
}

/// So many blocks of integers that go to tuples of indices.
fn scatter_blocks(c: &mut Case<'_>, blocks: usize) -> Vec<ValueId> {
    let data = c.shape(3, 6);
    let depth = c.size(3);
    let x = c.integers(&data, -9, 9);
    // No product of them exceeds 32 bits.
    let updates = c.integers(&[&[blocks], &data[depth..]].concat(), -1, 1);
    let index = indices(c, &[blocks, depth], |at| data[at % depth]);
    let attrs = [reduction(c)];
    vec![c.b.node("ScatterND", [x, index, updates], attrs)]
}

/// Rows of few different elements, and how many different ones there are.
fn repeated(c: &mut Case<'_>, rows: usize, width: usize) -> (ValueId, usize) {
    let data: Vec<i64> = (0..rows * width).map(|_| i64::from(c.random.range(0, 4)) - 2).collect();
    let kinds = data.chunks(width).collect::<BTreeSet<_>>().len();
    (feed(c, &[rows, width], data), kinds)
}

pub(super) const FAMILIES: &[Family] = &[
    ("gather elements", |c| {
        let data = c.shape(3, 9);
        let axis = c.axis(3);
        let at = axis.rem_euclid(3) as usize;
        let mut shape: Vec<usize> = data.iter().map(|&size| c.size(size as u32)).collect();
        shape[at] = c.size(20);
        let x = c.input(&data);
        let index = indices(c, &shape, |_| data[at]);
        vec![c.b.node("GatherElements", [x, index], [("axis", Attr::Int(axis))])]
    }),
    ("gather tuples", |c| {
        let data = c.shape(4, 6);
        let batch = c.random.range(0, 2) as usize;
        let depth = c.size(4 - batch as u32);
        let shape = [&data[..batch], &[c.size(9), depth]].concat();
        let x = c.input(&data);
        let index = indices(c, &shape, |at| data[batch + at % depth]);
        vec![c.b.node("GatherND", [x, index], [("batch_dims", Attr::Int(batch as i64))])]
    }),
    ("few updates", |c| {
        let (size, steps) = (c.size(9), c.size(20));
        scatter_elements(c, size, steps)
    }),
    ("many updates", |c| {
        let (size, steps) = (c.size(90), 64 + c.size(99));
        scatter_elements(c, size, steps)
    }),
    ("few blocks", |c| {
        let blocks = c.size(20);
        scatter_blocks(c, blocks)
    }),
    ("many blocks", |c| {
        let blocks = 64 + c.size(99);
        scatter_blocks(c, blocks)
    }),
    ("cache", |c| {
        let (mut shape, steps) = (c.shape(4, 5), c.size(5));
        shape[2] = steps + c.size(9);
        let (cache, most) = (c.input(&shape), shape[2] - steps);
        let batch = shape[0];
        shape[2] = steps;
        let update = c.input(&shape);
        let starts = counts(c, batch, most);
        vec![c.b.node("TensorScatter", [cache, update, starts], [])]
    }),
    ("circular cache", |c| {
        let (mut shape, steps) = (c.shape(3, 5), c.size(5));
        shape[1] = steps + c.size(9) - 1;
        let cache = c.input(&shape);
        shape[1] = steps;
        let update = c.input(&shape);
        // Every start is inside.
        let starts = [0, -1, 7, i32::MAX.into(), i32::MIN.into()];
        let data = (0..shape[0]).map(|_| starts[c.random.range(0, 4) as usize]).collect();
        let starts = feed(c, &shape[..1], data);
        vec![c.b.node("TensorScatter", [cache, update, starts], [("mode", Attr::Str("circular".into()))])]
    }),
    ("reversed sequences", |c| {
        let (shape, time_first) = (c.shape(3, 9), c.flag());
        let (time, batch) = if time_first { (0, 1) } else { (1, 0) };
        let x = c.input(&shape);
        let lengths = counts(c, shape[batch], shape[time]);
        let attrs = [("time_axis", Attr::Int(time as i64)), ("batch_axis", Attr::Int(batch as i64))];
        vec![c.b.node("ReverseSequence", [x, lengths], attrs)]
    }),
    ("one-hot vectors", |c| {
        let (shape, depth) = (c.shape(2, 9), c.size(9));
        let count: usize = shape.iter().product();
        // An index outside gives a vector of the first value.
        let far = [i32::MAX.into(), i32::MIN.into(), depth as i64, -1 - depth as i64, 0, 1, -1];
        let index = (0..count).map(|_| far[c.random.range(0, 6) as usize]).collect();
        let index = feed(c, &shape, index);
        let (scores, values) = (c.input(&shape), c.input(&[2]));
        let axis = c.axis(3);
        let depth = c.b.ints([depth as i64]);
        let attrs = || [("axis", Attr::Int(axis))];
        [index, scores].map(|index| c.b.node("OneHot", [index, depth, values], attrs())).to_vec()
    }),
    ("triangle", |c| {
        let shape = c.shape(3, 9);
        let x = c.input(&shape);
        let diagonal = [-20, -2, 0, 3, 20, i32::MAX.into(), i32::MIN.into()][c.random.range(0, 6) as usize];
        let diagonal = feed(c, &[1], vec![diagonal]);
        let attrs = [("upper", Attr::Int(c.flag().into()))];
        vec![c.b.node("Trilu", [x, diagonal], attrs)]
    }),
    ("diagonal", |c| {
        let shape = c.shape(2, 20);
        let x = c.input(&shape);
        let k = [i64::MIN, -3, 0, 2, i64::MAX][c.random.range(0, 4) as usize];
        let to = [1, 6, 7, 9, 10][c.random.range(0, 4) as usize];
        c.one("EyeLike", x, [("k", Attr::Int(k)), ("dtype", Attr::Int(to))])
    }),
    ("running sums", |c| {
        let (shape, axis) = (c.shape(3, 9), c.axis(3));
        let (x, y) = (c.input(&shape), c.integers(&shape, -99, 99));
        let axis = c.b.constant(Tensor::scalar(axis));
        let [exclusive, reverse] = [c.flag(), c.flag()].map(|set| Attr::Int(set.into()));
        let attrs = || [("exclusive", exclusive.clone()), ("reverse", reverse.clone())];
        [x, y].map(|x| c.b.node("CumSum", [x, axis], attrs())).to_vec()
    }),
    ("largest", |c| {
        // Longer than a chunk of the sort.
        let (mut shape, axis) = (c.shape(3, 4), c.axis(3));
        shape[axis.rem_euclid(3) as usize] = 64 + c.size(200);
        // The integers have equals.
        let (x, y) = (c.input(&shape), c.integers(&shape, -9, 9));
        let most = c.b.ints([c.random.range(1, 20).into()]);
        let largest = Attr::Int(c.flag().into());
        let attrs = || [("axis", Attr::Int(axis)), ("largest", largest.clone())];
        [x, y].map(|x| c.b.node_with("TopK", [x, most].map(Some), attrs(), 2)).concat()
    }),
    ("unique", |c| {
        let shape = c.shape(2, 20);
        let x = c.input(&shape);
        let sorted = Attr::Int(c.flag().into());
        c.b.node_with("Unique", [Some(x)], [("sorted", sorted)], 4)
    }),
    ("unique in parts", |c| {
        let [rows, width] = [64 + c.size(99), c.size(3)];
        let (x, kinds) = repeated(c, rows, width);
        let sorted = Attr::Int(c.flag().into());
        let attrs = || [("sorted", sorted.clone()), ("axis", Attr::Int(0))];
        let order = c.b.node_with("fascine.UniqueOrder", [Some(x)], attrs(), 4);
        let known = c.b.ints([kinds as i64]);
        let inputs = [x, order[0], order[1], order[2], known].map(Some);
        [&order[3..], &c.b.node_with("fascine.UniqueTake", inputs, attrs(), 4)].concat()
    }),
    ("suppression", |c| {
        let [batch, classes, boxes] = [c.size(2), c.size(3), c.size(90)];
        let (x, scores) = (c.input(&[batch, boxes, 4]), c.input(&[batch, classes, boxes]));
        let most = c.b.ints([c.random.range(1, 20).into()]);
        let (overlap, least) = (c.b.floats([1], [0.3]), c.b.floats([1], [-0.5]));
        let inputs = [x, scores, most, overlap, least].map(Some);
        let centre = Attr::Int(c.flag().into());
        c.b.node_with("NonMaxSuppression", inputs, [("center_point_box", centre)], 1)
    }),
    ("suppression in parts", |c| {
        let [batch, classes, boxes, most] = [c.size(2), c.size(3), c.size(90), c.size(9)];
        // Squares side by side, of which those at one place suppress each other.
        let places: Vec<u32> = (0..batch * boxes).map(|_| c.random.range(0, 11)).collect();
        let corners = |&place: &u32| [0.0, place as f32, 1.0, place as f32 + 1.0];
        let squares = places.iter().flat_map(corners).collect::<Vec<f32>>();
        let kept = |image: &[u32]| image.iter().collect::<BTreeSet<_>>().len().min(most);
        let total = classes * places.chunks(boxes).map(kept).sum::<usize>();
        let x = c.feed(Tensor::new([batch, boxes, 4], squares).unwrap());
        let scores = c.input(&[batch, classes, boxes]);
        let (most, overlap) = (c.b.ints([most as i64]), c.b.floats([1], [0.5]));
        let inputs = [x, scores, most, overlap].map(Some);
        let selected = c.b.node_with("fascine.NonMaxSuppressionSelect", inputs, [], 3);
        let known = c.b.ints([total as i64]);
        let inputs = [scores, selected[0], selected[1], known];
        vec![selected[2], c.b.node("fascine.NonMaxSuppressionWrite", inputs, [])]
    }),
    ("determinants", |c| {
        let [count, size] = [c.size(70), c.size(6)];
        let x = c.input(&[count, size, size]);
        c.one("Det", x, [])
    }),
    ("dropout", |c| {
        let shape = c.shape(3, 9);
        let (x, ratio) = (c.input(&shape), c.b.constant(Tensor::scalar(0.4f32)));
        let trains = c.b.constant(Tensor::scalar(true));
        c.b.node_with("Dropout", [x, ratio, trains].map(Some), [("seed", Attr::Int(7))], 2)
    }),
    ("draws", |c| {
        let shape = c.shape(2, 20);
        let x = c.input(&shape);
        let to = [1, 7, 9][c.random.range(0, 2) as usize];
        let samples = Attr::Int(c.size(90) as i64);
        let drawn = c.b.node("Bernoulli", [x], [("dtype", Attr::Int(to))]);
        vec![drawn, c.b.node("Multinomial", [x], [("sample_size", samples)])]
    }),
    ("random numbers", |c| {
        let shape = c.shape(3, 9);
        let op = if c.flag() { "RandomUniform" } else { "RandomNormal" };
        vec![c.b.node(op, [], [("shape", ints(shape))])]
    }),
];
