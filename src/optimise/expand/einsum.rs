//! Sums of products over named axes, two operands at a time.

use super::{Body, Built};
use crate::graph::{Attr, ValueId};

/// An axis: a letter, or one of those that an ellipsis stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    /// Counted from the last.
    Ellipsis(usize),
    Letter(char),
}

/// A value whose axes are named, each once.
struct Operand {
    value: ValueId,
    labels: Vec<Label>,
}

type Made<T> = Result<T, &'static str>;

/// <https://onnx.ai/onnx/operators/onnx__Einsum.html>
pub(super) fn einsum(body: &mut Body<'_>) -> Built {
    let equation = body.node.str("equation", "").map_err(|_| "its equation is no text")?.replace(' ', "");
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != body.node.inputs.len() {
        return Err("its equation has not one term for each input");
    }
    let mut open = Vec::new();
    for (i, term) in terms.iter().enumerate() {
        let value = body.input(i)?;
        let labels = labels(term, usize::try_from(body.rank(value)?).ok())?;
        open.push((value, labels));
    }
    let output = match right {
        Some(right) => {
            let broadcast = open.iter().flat_map(|(_, labels)| labels).filter(|l| matches!(l, Label::Ellipsis(_)));
            let most = broadcast.map(|l| if let Label::Ellipsis(at) = l { at + 1 } else { 0 }).max().unwrap_or(0);
            let letters = right.replacen("...", "", 1).chars().count();
            labels_of(right, if right.contains("...") { most + letters } else { letters })?
        }
        None => implicit(open.iter().map(|(_, labels)| labels.as_slice())),
    };
    let unknown = |label: &Label| !open.iter().any(|(_, labels)| labels.contains(label));
    if output.iter().any(unknown) || (1..output.len()).any(|i| output[..i].contains(&output[i])) {
        return Err("its equation names an axis of the output twice, or one that no input has");
    }
    let mut operands = Vec::new();
    for (value, labels) in open {
        operands.push(diagonal(body, value, labels)?);
    }
    let mut rest = operands.into_iter();
    let mut result = rest.next().ok_or("it has no inputs")?;
    while let Some(next) = rest.next() {
        let needed: Vec<Label> =
            output.iter().chain(rest.as_slice().iter().flat_map(|operand| &operand.labels)).copied().collect();
        result = product(body, result, next, &needed)?;
    }
    let result = reduced(body, result, &output)?;
    Ok(vec![ordered(body, result, &output).value])
}

/// The axes of a term for a tensor of that rank.
fn labels(term: &str, rank: Option<usize>) -> Made<Vec<Label>> {
    labels_of(term, rank.ok_or("the rank of its input is not known")?)
}

fn labels_of(term: &str, rank: usize) -> Made<Vec<Label>> {
    let letters = |text: &str| -> Made<Vec<Label>> {
        let letter =
            |c: char| if c.is_ascii_alphabetic() { Ok(Label::Letter(c)) } else { Err("its equation is wrong") };
        text.chars().map(letter).collect()
    };
    let Some((before, after)) = term.split_once("...") else {
        let all = letters(term)?;
        return if all.len() == rank { Ok(all) } else { Err("a term has not one letter for each axis") };
    };
    let (before, after) = (letters(before)?, letters(after)?);
    let more = rank.checked_sub(before.len() + after.len()).ok_or("a term has more letters than axes")?;
    Ok(before.into_iter().chain((0..more).rev().map(Label::Ellipsis)).chain(after).collect())
}

/// What stands in no arrow's right side: what an ellipsis stands for, then the letters that occur once.
fn implicit<'a>(terms: impl Iterator<Item = &'a [Label]>) -> Vec<Label> {
    let all: Vec<Label> = terms.flatten().copied().collect();
    let most = all.iter().map(|l| if let Label::Ellipsis(at) = l { at + 1 } else { 0 }).max().unwrap_or(0);
    let once = |label: &&Label| matches!(label, Label::Letter(_)) && all.iter().filter(|l| l == label).count() == 1;
    let mut letters: Vec<Label> = all.iter().filter(once).copied().collect();
    letters.sort_unstable();
    (0..most).rev().map(Label::Ellipsis).chain(letters).collect()
}

/// The operand with each label once: of axes of the same name, the elements at equal places.
fn diagonal(body: &mut Body<'_>, value: ValueId, labels: Vec<Label>) -> Made<Operand> {
    let mut operand = Operand { value, labels };
    while let Some((i, j)) = twice(&operand.labels) {
        let rank = operand.labels.len();
        let order: Vec<usize> = (0..rank).filter(|&axis| axis != i && axis != j).chain([i, j]).collect();
        let turned = transposed(body, operand.value, &order);
        // Both axes as one, of which every (n + 1)st element is taken.
        let last = rank as i64 - 1;
        let size = body.sizes(turned, last, last + 1);
        let one = body.ints(vec![1])?;
        let (square, step) = (body.op("Mul", &[size, size]), body.op("Add", &[size, one]));
        let flat = match rank {
            2 => square,
            _ => {
                let kept = body.sizes(turned, 0, last - 1);
                body.concat(&[kept, square], 0)
            }
        };
        let flat = body.op("Reshape", &[turned, flat]);
        let (start, end, axes) = (body.ints(vec![0])?, body.ints(vec![i64::MAX])?, body.ints(vec![last - 1])?);
        let label = operand.labels[i];
        let mut labels: Vec<Label> = order[..rank - 2].iter().map(|&axis| operand.labels[axis]).collect();
        labels.push(label);
        operand = Operand { value: body.op("Slice", &[flat, start, end, axes, step]), labels };
    }
    Ok(operand)
}

/// Two axes of one name.
fn twice(labels: &[Label]) -> Option<(usize, usize)> {
    (1..labels.len()).find_map(|j| labels[..j].iter().position(|label| *label == labels[j]).map(|i| (i, j)))
}

/// Sums over the axes that are not needed.
fn reduced(body: &mut Body<'_>, operand: Operand, needed: &[Label]) -> Made<Operand> {
    let (kept, gone): (Vec<usize>, Vec<usize>) =
        (0..operand.labels.len()).partition(|&axis| needed.contains(&operand.labels[axis]));
    if gone.is_empty() {
        return Ok(operand);
    }
    let axes = body.ints(gone.iter().map(|&axis| axis as i64).collect())?;
    let value = body.op_set("ReduceSum", &[operand.value, axes], &[("keepdims", 0)]);
    Ok(Operand { value, labels: kept.iter().map(|&axis| operand.labels[axis]).collect() })
}

fn transposed(body: &mut Body<'_>, value: ValueId, order: &[usize]) -> ValueId {
    if order.iter().enumerate().all(|(to, &from)| to == from) {
        return value;
    }
    let perm = order.iter().map(|&axis| axis as i64).collect();
    body.op_with("Transpose", &[value], [("perm", Attr::Ints(perm))])
}

/// The operand with its axes in that order; it has no others.
fn ordered(body: &mut Body<'_>, operand: Operand, labels: &[Label]) -> Operand {
    let order: Vec<usize> =
        labels.iter().filter_map(|label| operand.labels.iter().position(|own| own == label)).collect();
    Operand { value: transposed(body, operand.value, &order), labels: labels.to_vec() }
}

/// The product of two operands, summed over what is not needed after it.
fn product(body: &mut Body<'_>, a: Operand, b: Operand, needed: &[Label]) -> Made<Operand> {
    let with = |other: &Operand| needed.iter().chain(&other.labels).copied().collect::<Vec<_>>();
    let (for_a, for_b) = (with(&b), with(&a));
    let (a, b) = (reduced(body, a, &for_a)?, reduced(body, b, &for_b)?);
    let split = |own: &[Label], shared: &dyn Fn(&Label) -> bool| -> Vec<Label> {
        own.iter().filter(|label| shared(label)).copied().collect()
    };
    let batch = split(&a.labels, &|l| b.labels.contains(l) && needed.contains(l));
    let summed = split(&a.labels, &|l| b.labels.contains(l) && !needed.contains(l));
    let rows = split(&a.labels, &|l| !b.labels.contains(l));
    let columns = split(&b.labels, &|l| !a.labels.contains(l));
    let labels = [batch.as_slice(), &rows, &columns].concat();
    let is_float = body.dtype(body.input(0)?)?.is_f32();
    if summed.is_empty() || !is_float {
        let all = [labels.as_slice(), &summed].concat();
        let (a, b) = (spread(body, a, &all)?, spread(body, b, &all)?);
        let value = body.op("Mul", &[a, b]);
        return reduced(body, Operand { value, labels: all }, &labels);
    }
    let a = ordered(body, a, &[batch.as_slice(), &rows, &summed].concat()).value;
    let b = ordered(body, b, &[batch.as_slice(), &summed, &columns].concat()).value;
    let (left, right) = (
        merged(body, a, [batch.len(), rows.len(), summed.len()])?,
        merged(body, b, [batch.len(), summed.len(), columns.len()])?,
    );
    let mut value = body.op("MatMul", &[left, right]);
    if rows.len() != 1 || columns.len() != 1 {
        let first = batch.len() as i64;
        let mut shape = Vec::new();
        if !batch.is_empty() {
            shape.push(body.sizes(value, 0, first));
        }
        if !rows.is_empty() {
            shape.push(body.sizes(a, first, first + rows.len() as i64));
        }
        if !columns.is_empty() {
            let first = first + summed.len() as i64;
            shape.push(body.sizes(b, first, first + columns.len() as i64));
        }
        let shape = if shape.is_empty() { body.ints(Vec::new())? } else { body.concat(&shape, 0) };
        value = body.op("Reshape", &[value, shape]);
    }
    Ok(Operand { value, labels })
}

/// The operand with axes of size 1 for those of `all` that it lacks.
fn spread(body: &mut Body<'_>, operand: Operand, all: &[Label]) -> Made<ValueId> {
    let own: Vec<Label> = all.iter().filter(|label| operand.labels.contains(label)).copied().collect();
    let missing: Vec<i64> = (0..all.len()).filter(|&at| !own.contains(&all[at])).map(|at| at as i64).collect();
    let value = ordered(body, operand, &own).value;
    if missing.is_empty() { Ok(value) } else { body.unsqueeze(value, missing) }
}

/// Matrices: the axes of each of the last two groups as one. `counts` says how many axes a group has; the first stay as they are.
fn merged(body: &mut Body<'_>, value: ValueId, [batch, outer, inner]: [usize; 3]) -> Made<ValueId> {
    if outer == 1 && inner == 1 {
        return Ok(value);
    }
    let mut shape = Vec::new();
    if batch > 0 {
        shape.push(body.sizes(value, 0, batch as i64));
    }
    let mut at = batch as i64;
    for count in [outer, inner] {
        let end = at + count as i64;
        let mut size = body.ints(vec![1])?;
        for axis in at..end {
            let one = body.sizes(value, axis, axis + 1);
            size = if axis == at { one } else { body.op("Mul", &[size, one]) };
        }
        shape.push(size);
        at = end;
    }
    let shape = body.concat(&shape, 0);
    Ok(body.op("Reshape", &[value, shape]))
}
