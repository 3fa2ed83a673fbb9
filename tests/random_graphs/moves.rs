//! Operators that move data.

use fascine::graph::Attr;
use fascine::tensor::DType;

use super::generate::{Family, Generator};
use super::host::{self, Value, moved};

pub const FAMILIES: &[Family] = &[
    transpose,
    reshape,
    flatten,
    squeeze,
    unsqueeze,
    concat,
    split,
    slice,
    pad,
    expand,
    tile,
    gather,
    gather_elements,
    scatter_elements,
    trilu,
    top_k,
    depth_to_space,
    one_hot,
];

fn list(numbers: &[usize]) -> Vec<i64> {
    numbers.iter().map(|&n| n as i64).collect()
}

fn transpose(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.rank() > 1)?;
    let mut perm: Vec<usize> = (0..x.value.rank()).collect();
    for left in (1..perm.len()).rev() {
        perm.swap(left, g.dice().below(left + 1));
    }
    let shape: Vec<usize> = perm.iter().map(|&axis| x.value.shape[axis]).collect();
    let value = moved(&x.value, &shape, |index| {
        let mut from = vec![0; perm.len()];
        perm.iter().zip(index).for_each(|(&axis, &i)| from[axis] = i);
        from
    });
    g.node("Transpose", &[x.id], &[("perm", Attr::Ints(list(&perm)))], value)
}

fn reshape(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| !x.data.is_empty())?;
    let mut rest = x.value.data.len();
    let mut shape = Vec::new();
    for _ in 0..g.dice().below(4) {
        let divisors: Vec<usize> = (1..=rest).filter(|d| rest.is_multiple_of(*d)).collect();
        let size = g.dice().pick(&divisors)?;
        shape.push(size);
        rest /= size;
    }
    shape.push(rest);
    let mut wanted = list(&shape);
    if g.dice().chance(40) {
        let at = g.dice().below(wanted.len());
        wanted[at] = -1;
    }
    let to = g.ints(wanted);
    let value = Value { shape, ..x.value };
    g.node("Reshape", &[x.id, to], &[], value)
}

fn flatten(g: &mut Generator) -> Option<()> {
    let x = g.any(|_| true)?;
    let axis = g.dice().below(x.value.rank() + 1);
    let outer = x.value.shape[..axis].iter().product();
    let inner = x.value.shape[axis..].iter().product();
    let value = Value { shape: vec![outer, inner], ..x.value };
    g.node("Flatten", &[x.id], &[("axis", Attr::Int(axis as i64))], value)
}

fn squeeze(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.shape.contains(&1))?;
    let ones: Vec<usize> = (0..x.value.rank()).filter(|&i| x.value.shape[i] == 1).collect();
    let axis = g.dice().pick(&ones)?;
    let mut shape = x.value.shape.clone();
    shape.remove(axis);
    let axes = g.ints([axis as i64]);
    let value = Value { shape, ..x.value };
    g.node("Squeeze", &[x.id, axes], &[], value)
}

fn unsqueeze(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.rank() < 5)?;
    let axis = g.dice().below(x.value.rank() + 1);
    let mut shape = x.value.shape.clone();
    shape.insert(axis, 1);
    let axes = g.ints([axis as i64]);
    let value = Value { shape, ..x.value };
    g.node("Unsqueeze", &[x.id, axes], &[], value)
}

fn concat(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.rank() > 0)?;
    let axis = g.dice().below(x.value.rank());
    let mut shape = x.value.shape.clone();
    shape[axis] = 1 + g.dice().below(4);
    let y = g.given(x.value.dtype, &shape);
    let (a, b) = if g.dice().chance(50) { (x, y) } else { (y, x) };
    let first = a.value.shape[axis];
    let mut shape = a.value.shape.clone();
    shape[axis] += b.value.shape[axis];
    let value = Value::of(a.value.dtype, &shape, |index| {
        let mut own = index.to_vec();
        if index[axis] < first {
            return a.value.get(&own);
        }
        own[axis] -= first;
        b.value.get(&own)
    });
    let value = value.with_error(a.value.error.max(b.value.error));
    g.node("Concat", &[a.id, b.id], &[("axis", Attr::Int(axis as i64))], value)
}

fn split(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.shape.iter().any(|&size| size > 1))?;
    let long: Vec<usize> = (0..x.value.rank()).filter(|&i| x.value.shape[i] > 1).collect();
    let axis = g.dice().pick(&long)?;
    let first = 1 + g.dice().below(x.value.shape[axis] - 1);
    let part = |from: usize, to: usize| {
        let mut shape = x.value.shape.clone();
        shape[axis] = to - from;
        moved(&x.value, &shape, |index| {
            let mut index = index.to_vec();
            index[axis] += from;
            index
        })
    };
    let values = vec![part(0, first), part(first, x.value.shape[axis])];
    let sizes = g.ints([first as i64, (x.value.shape[axis] - first) as i64]);
    g.nodes("Split", &[x.id, sizes], &[("axis", Attr::Int(axis as i64))], values)
}

fn slice(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.rank() > 0)?;
    let axis = g.dice().below(x.value.rank());
    let size = x.value.shape[axis];
    let back = g.dice().chance(40);
    let step = 1 + g.dice().below(3);
    let (low, high) = (g.dice().below(size), g.dice().below(size));
    let (low, high) = (low.min(high), low.max(high));
    let at: Vec<usize> =
        if back { (low..=high).rev().step_by(step).collect() } else { (low..=high).step_by(step).collect() };
    let mut shape = x.value.shape.clone();
    shape[axis] = at.len();
    let value = moved(&x.value, &shape, |index| {
        let mut index = index.to_vec();
        index[axis] = at[index[axis]];
        index
    });
    let (low, high, signed, step) = (low as i64, high as i64, size as i64, step as i64);
    let (start, end, step) = match back {
        true if low == 0 => (high, i64::MIN, -step),
        true => (high - signed, low - 1, -step),
        false => (low - signed, if high + 1 == signed { i64::MAX } else { high + 1 }, step),
    };
    let lists = [start, end, axis as i64, step].map(|number| g.ints([number]));
    g.node("Slice", &[&[x.id], &lists[..]].concat(), &[], value)
}

fn pad(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.dtype == DType::F32 && x.rank() > 0 && !x.data.is_empty())?;
    let mode = g.dice().pick(&["constant", "edge", "reflect"])?;
    let shape = x.value.shape.clone();
    let reach = |size: usize| if mode == "reflect" { size.min(3) } else { 3 };
    let before: Vec<usize> = shape.iter().map(|&size| g.dice().below(reach(size))).collect();
    let after: Vec<usize> = shape.iter().map(|&size| g.dice().below(reach(size))).collect();
    let padded: Vec<usize> = (0..shape.len()).map(|i| before[i] + shape[i] + after[i]).collect();
    let value = Value::of(DType::F32, &padded, |index| {
        let mut from = Vec::with_capacity(shape.len());
        for (i, &size) in shape.iter().enumerate() {
            let (at, size) = (index[i] as i64 - before[i] as i64, size as i64);
            let inside = (0..size).contains(&at);
            from.push(match mode {
                "edge" => at.clamp(0, size - 1),
                "reflect" if at < 0 => -at,
                "reflect" if at >= size => 2 * (size - 1) - at,
                _ if inside => at,
                _ => return 1.5,
            } as usize);
        }
        x.value.get(&from)
    });
    let value = value.with_error(x.value.error);
    let pads = g.ints(list(&[before, after].concat()));
    let fill = g.constant(Value::new(DType::F32, &[], vec![1.5]));
    g.node("Pad", &[x.id, pads, fill.id], &[("mode", Attr::Str(mode.to_owned()))], value)
}

fn expand(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.rank() < 4)?;
    let lead = g.dice().below(2);
    let mut shape = g.shape(lead);
    shape.extend(&x.value.shape);
    for size in &mut shape {
        if *size == 1 && g.dice().chance(60) {
            *size = 3;
        }
    }
    let ones = Value::new(x.value.dtype, &shape, vec![0.0; shape.iter().product()]);
    let value = host::zip(x.value.dtype, &[&x.value, &ones], |v| v[0])?.with_error(x.value.error);
    let to = g.ints(list(&shape));
    g.node("Expand", &[x.id, to], &[], value)
}

fn tile(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.rank() > 0)?;
    let repeats: Vec<usize> = x.value.shape.iter().map(|_| 1 + g.dice().below(2)).collect();
    let shape: Vec<usize> = x.value.shape.iter().zip(&repeats).map(|(size, times)| size * times).collect();
    let value = moved(&x.value, &shape, |index| index.iter().zip(&x.value.shape).map(|(i, size)| i % size).collect());
    let times = g.ints(list(&repeats));
    g.node("Tile", &[x.id, times], &[], value)
}

/// Indices of an axis of that size, some from its end.
fn positions(g: &mut Generator, shape: &[usize], size: usize) -> (Value, Vec<usize>) {
    let len = shape.iter().product();
    let at: Vec<usize> = (0..len).map(|_| g.dice().below(size)).collect();
    let signed = at.iter().map(|&i| if g.dice().chance(30) { i as f64 - size as f64 } else { i as f64 }).collect();
    (Value::new(DType::I64, shape, signed), at)
}

fn gather(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.rank() > 0)?;
    let axis = g.dice().below(x.value.rank());
    let rank = g.dice().below(3);
    let wanted = g.shape(rank);
    let (index, at) = positions(g, &wanted, x.value.shape[axis]);
    let shape = [&x.value.shape[..axis], &wanted[..], &x.value.shape[axis + 1..]].concat();
    let value = moved(&x.value, &shape, |i| {
        let position = at[host::offset(&wanted, &i[axis..axis + wanted.len()])];
        [&i[..axis], &[position], &i[axis + wanted.len()..]].concat()
    });
    let index = g.constant(index);
    g.node("Gather", &[x.id, index.id], &[("axis", Attr::Int(axis as i64))], value)
}

fn gather_elements(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.rank() > 0 && !x.data.is_empty())?;
    let axis = g.dice().below(x.value.rank());
    let wanted: Vec<usize> = x.value.shape.iter().map(|&size| 1 + g.dice().below(size)).collect();
    let (index, at) = positions(g, &wanted, x.value.shape[axis]);
    let value = moved(&x.value, &wanted, |i| {
        let mut from = i.to_vec();
        from[axis] = at[host::offset(&wanted, i)];
        from
    });
    let index = g.constant(index);
    g.node("GatherElements", &[x.id, index.id], &[("axis", Attr::Int(axis as i64))], value)
}

fn scatter_elements(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.dtype == DType::F32 && x.rank() > 0 && !x.data.is_empty())?;
    let axis = g.dice().below(x.value.rank());
    let wanted: Vec<usize> = x.value.shape.iter().map(|&size| 1 + g.dice().below(size)).collect();
    let (index, at) = positions(g, &wanted, x.value.shape[axis]);
    let updates = g.given(DType::F32, &wanted);
    let mut value = x.value.clone();
    for i in host::indices(&wanted) {
        let mut to = i.clone();
        to[axis] = at[host::offset(&wanted, &i)];
        let to = host::offset(&x.value.shape, &to);
        value.data[to] += updates.value.get(&i);
    }
    let many = wanted[axis] as f64;
    let exact = value.error == 0.0 && value.is_whole() && updates.value.error == 0.0;
    let own = if exact { 0.0 } else { many * host::EPSILON * (x.value.most() + many * updates.value.most()) };
    let error = x.value.error + many * updates.value.error + own;
    let index = g.constant(index);
    let attrs = [("axis", Attr::Int(axis as i64)), ("reduction", Attr::Str("add".to_owned()))];
    g.node("ScatterElements", &[x.id, index.id, updates.id], &attrs, value.with_error(error))
}

fn trilu(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.rank() >= 2 && matches!(x.dtype, DType::F32 | DType::I32 | DType::I64))?;
    let (upper, k) = (g.dice().chance(50), g.dice().below(5) as i64 - 2);
    let value = Value::of(x.value.dtype, &x.value.shape, |index| {
        let (row, column) = (index[index.len() - 2] as i64, index[index.len() - 1] as i64);
        let kept = if upper { column - row >= k } else { column - row <= k };
        if kept { x.value.get(index) } else { 0.0 }
    });
    let shift = g.constant(Value::new(DType::I64, &[], vec![k as f64]));
    g.node("Trilu", &[x.id, shift.id], &[("upper", Attr::Int(upper.into()))], value.with_error(x.value.error))
}

fn top_k(g: &mut Generator) -> Option<()> {
    let x =
        g.any(|x| x.error == 0.0 && matches!(x.dtype, DType::F32 | DType::I32) && x.rank() > 0 && !x.data.is_empty())?;
    let axis = g.dice().below(x.value.rank());
    let k = 1 + g.dice().below(x.value.shape[axis]);
    let largest = g.dice().chance(50);
    let ordered = |row: &[f64]| {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| {
            let (first, second) = if largest { (row[b], row[a]) } else { (row[a], row[b]) };
            // Zeros of either sign are equal, and there is no NaN.
            first.partial_cmp(&second).unwrap().then(a.cmp(&b))
        });
        order
    };
    let sorted = host::rows(&x.value, axis, |row| ordered(row).into_iter().map(|i| row[i]).collect());
    let order = host::rows(&x.value, axis, |row| ordered(row).into_iter().map(|i| i as f64).collect());
    let mut shape = x.value.shape.clone();
    shape[axis] = k;
    let first = |value: &Value| moved(value, &shape, <[usize]>::to_vec);
    let values = vec![first(&sorted), Value { dtype: DType::I64, ..first(&order) }];
    let many = g.ints([k as i64]);
    let attrs = [("axis", Attr::Int(axis as i64)), ("largest", Attr::Int(largest.into()))];
    g.nodes("TopK", &[x.id, many], &attrs, values)
}

fn depth_to_space(g: &mut Generator) -> Option<()> {
    let x = g.any_or_new(DType::F32, 4..=4).filter(|x| x.value.shape[1].is_multiple_of(4))?;
    let &[n, c, h, w] = &x.value.shape[..] else { return None };
    let (made, crd) = (c / 4, g.dice().chance(50));
    let value = moved(&x.value, &[n, made, 2 * h, 2 * w], |i| {
        let (row, column) = (i[2] % 2, i[3] % 2);
        let channel = if crd { i[1] * 4 + row * 2 + column } else { (row * 2 + column) * made + i[1] };
        vec![i[0], channel, i[2] / 2, i[3] / 2]
    });
    let mode = if crd { "CRD" } else { "DCR" };
    g.node("DepthToSpace", &[x.id], &[("blocksize", Attr::Int(2)), ("mode", Attr::Str(mode.to_owned()))], value)
}

fn one_hot(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.dtype == DType::I64 && x.rank() < 4 && x.most() < 100.0)?;
    let depth = 1 + g.dice().below(6);
    let mut shape = x.value.shape.clone();
    shape.push(depth);
    let value = Value::of(DType::F32, &shape, |index| {
        let (own, at) = index.split_at(index.len() - 1);
        let wanted = x.value.get(own);
        let wanted = if wanted < 0.0 { wanted + depth as f64 } else { wanted };
        if wanted == at[0] as f64 { 3.0 } else { -1.0 }
    });
    let count = g.constant(Value::new(DType::I64, &[], vec![depth as f64]));
    let values = g.constant(Value::new(DType::F32, &[2], vec![-1.0, 3.0]));
    g.node("OneHot", &[x.id, count.id, values.id], &[], value)
}
