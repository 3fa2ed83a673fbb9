//! A case on disk.

use std::path::{Path, PathBuf};

use fascine::error::{Error, ErrorKind, Result};
use fascine::graph::Graph;
use fascine::onnx::{Elements, parse_elements, parse_tensor};
use fascine::reference::values;
use fascine::tensor::{DType, Tensor};
use fascine::{Kind, Model, Value};

/// Folders within folders at most.
const MAX_DEPTH: usize = 8;
/// What a float may differ by, as ONNX's own runner has it: absolutely, and as a part of what is wanted.
const TOLERANCE: (f64, f64) = (1e-7, 1e-3);
/// Operators whose numbers are random: the standard leaves the generator open.
const RANDOM: [&str; 7] =
    ["Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"];

/// A folder with a model and data sets.
#[derive(Debug)]
pub(crate) struct Case {
    /// The folder's name, with that of the folder around it where it needs telling.
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
}

/// Inputs and what they should give, in graph order.
#[derive(Debug)]
pub(crate) struct DataSet {
    pub(crate) inputs: Vec<Value>,
    pub(crate) outputs: Vec<Value>,
}

/// What the file system says, of that file.
pub(super) fn io(error: &std::io::Error, path: &Path) -> Error {
    Error::new(ErrorKind::Io, error.to_string()).in_file(path)
}

/// All cases under a folder, by name.
pub(crate) fn find(root: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    walk(root, MAX_DEPTH, &mut |folder| {
        let name = folder.strip_prefix(root).unwrap_or(folder);
        let name = if name.as_os_str().is_empty() { Path::new(folder.file_name().unwrap_or_default()) } else { name };
        cases.push(Case { name: name.to_string_lossy().replace('\\', "/"), folder: folder.to_owned() });
    })?;
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

fn walk(folder: &Path, depth: usize, found: &mut impl FnMut(&Path)) -> Result<()> {
    if folder.join("model.onnx").is_file() {
        found(folder);
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(|error| io(&error, folder))? {
        let path = entry.map_err(|error| io(&error, folder))?.path();
        if path.is_dir() {
            walk(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

impl Case {
    pub(crate) fn model(&self) -> PathBuf {
        self.folder.join("model.onnx")
    }

    /// Its data sets, in order; at least one. What of a file is a sequence and what an optional, the model says.
    pub(crate) fn data_sets(&self, model: &Model) -> Result<Vec<DataSet>> {
        let inputs: Vec<Kind> = model.inputs().iter().map(|input| input.kind).collect();
        let outputs: Vec<Kind> = model.outputs().iter().map(|output| output.kind).collect();
        let mut sets = Vec::new();
        while let folder = self.folder.join(format!("test_data_set_{}", sets.len()))
            && folder.is_dir()
        {
            sets.push(DataSet {
                inputs: values_of(&folder, "input", &inputs)?,
                outputs: values_of(&folder, "output", &outputs)?,
            });
        }
        if sets.is_empty() {
            return Err(Error::new(ErrorKind::Io, "there is no test_data_set_0").in_file(&self.folder));
        }
        Ok(sets)
    }
}

fn values_of(folder: &Path, role: &str, kinds: &[Kind]) -> Result<Vec<Value>> {
    let mut values = Vec::new();
    while let path = folder.join(format!("{role}_{}.pb", values.len()))
        && path.is_file()
    {
        let bytes = std::fs::read(&path).map_err(|error| io(&error, &path))?;
        let kind = kinds.get(values.len()).copied().unwrap_or_default();
        values.push(value(&bytes, kind).map_err(|error| error.in_file(&path))?);
    }
    Ok(values)
}

/// A value of that kind.
fn value(bytes: &[u8], kind: Kind) -> Result<Value> {
    let elements = match kind {
        Kind::Tensor => return parse_tensor(bytes).map(Value::Tensor),
        _ => parse_elements(bytes)?,
    };
    Ok(match (kind, elements) {
        (Kind::Sequence, Elements::Tensors(members)) => Value::Sequence(members),
        (_, Elements::Sequence(members)) => Value::optional(Some(members)),
        (_, Elements::Tensors(mut inside)) => Value::optional(inside.pop()),
    })
}

/// Whether the graph has an operator whose numbers are random.
pub(crate) fn is_random(graph: &Graph) -> bool {
    graph.nodes.iter().any(|node| node.domain.is_empty() && RANDOM.contains(&node.op.as_str()))
}

impl DataSet {
    /// How the outputs differ from those wanted, if they do: integers and bools exactly.
    pub(crate) fn difference(&self, got: &[Value]) -> Option<String> {
        if got.len() != self.outputs.len() {
            return Some(format!("{} outputs instead of {}", got.len(), self.outputs.len()));
        }
        let pairs = got.iter().zip(&self.outputs).enumerate();
        pairs.filter_map(|(k, (got, want))| Some(format!("output {k}: {}", of_values(got, want)?))).next()
    }
}

fn of_values(got: &Value, want: &Value) -> Option<String> {
    match (got, want) {
        (Value::Tensor(got), Value::Tensor(want)) => difference(got, want),
        (Value::Sequence(got), Value::Sequence(want)) if got.len() == want.len() => {
            let pairs = got.iter().zip(want).enumerate();
            pairs.filter_map(|(k, (got, want))| Some(format!("member {k}: {}", difference(got, want)?))).next()
        }
        (Value::Optional(None), Value::Optional(None)) => None,
        (Value::Optional(Some(got)), Value::Optional(Some(want))) => of_values(got, want),
        _ => Some(format!("{got:?} instead of {want:?}")),
    }
}

fn difference(got: &Tensor, want: &Tensor) -> Option<String> {
    if (got.dtype(), got.shape()) != (want.dtype(), want.shape()) {
        return Some(format!("{}{:?} instead of {}{:?}", got.dtype(), got.shape(), want.dtype(), want.shape()));
    }
    // Beyond 2^53 not every integer is an f64.
    if matches!(got.dtype(), DType::I64 | DType::U64) && got.bytes() != want.bytes() {
        return Some("integers differ".to_owned());
    }
    let (least, rtol) = if got.dtype().is_float() { TOLERANCE } else { (0.0, 0.0) };
    // Sums round by the size of their terms, those of the reference too: where it has noise in place of a zero, or rounds every step to
    // f16, one unit in the last place of the largest element is no difference.
    let unit = match got.dtype() {
        DType::F32 => f64::from(f32::EPSILON),
        DType::F16 => f64::from(half::f16::EPSILON),
        DType::Bf16 => f64::from(half::bf16::EPSILON),
        _ => 0.0,
    };
    let largest = values(want).into_iter().filter(|x| x.is_finite()).fold(0.0, |most, x| x.abs().max(most));
    let atol = least.max(unit * largest);
    let near = |g: f64, w: f64| w.is_finite() && (g - w).abs() <= atol + rtol * w.abs();
    let close = |g: f64, w: f64| g == w || (g.is_nan() && w.is_nan()) || near(g, w);
    let (got, want) = (values(got), values(want));
    let at = got.iter().zip(&want).position(|(&g, &w)| !close(g, w))?;
    Some(format!("element {at} is {} instead of {}", got[at], want[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_difference_is_found() {
        let values = |list: &[Tensor]| list.iter().cloned().map(Value::from).collect::<Vec<_>>();
        let of = |outputs: Vec<Value>| DataSet { inputs: Vec::new(), outputs };
        let set = |outputs: Vec<Tensor>| DataSet { inputs: Vec::new(), outputs: values(&outputs) };
        let floats = |values: [f32; 2]| Tensor::new([2], values.to_vec()).unwrap();
        let want = set(vec![floats([1.0, f32::NAN])]);
        assert_eq!(want.difference(&values(&[floats([1.0005, f32::NAN])])), None);
        for other in [[1.002, f32::NAN], [1.0, 0.0], [f32::NAN, f32::NAN], [f32::INFINITY, f32::NAN]] {
            assert!(want.difference(&values(&[floats(other)])).is_some(), "{other:?}");
        }
        assert!(want.difference(&values(&[])).is_some());
        assert!(want.difference(&values(&[floats([1.0, f32::NAN]).reshaped([2, 1]).unwrap()])).is_some());
        assert!(want.difference(&values(&[Tensor::new([2], vec![1i32, 0]).unwrap()])).is_some());
        let whole = set(vec![Tensor::new([1], vec![10_000i32]).unwrap()]);
        assert!(whole.difference(&values(&[Tensor::new([1], vec![10_001i32]).unwrap()])).is_some());
        let far = |value: i64| values(&[Tensor::new([1], vec![value]).unwrap()]);
        assert!(of(far(i64::MAX)).difference(&far(i64::MAX - 1)).is_some());
        // A zero among hundreds may be what is left of hundreds.
        let sums = set(vec![floats([512.0, 0.0])]);
        assert_eq!(sums.difference(&values(&[floats([512.0, 3e-5])])), None);
        assert!(sums.difference(&values(&[floats([512.0, 1e-4])])).is_some());
        let infinite = set(vec![floats([f32::INFINITY, 0.0])]);
        assert!(infinite.difference(&values(&[floats([f32::MAX, 0.0])])).is_some());
        assert_eq!(infinite.difference(&values(&[floats([f32::INFINITY, 0.0])])), None);
    }
}
