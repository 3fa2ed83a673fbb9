//! Random numbers: `RandomUniform`, `RandomNormal`, what is like a tensor, `Bernoulli` and `Multinomial`.
//!
//! All come from Philox4x32-10 (`shaders/functions/random.wgsl`): the index of an element is the counter, and the key follows
//! from the attribute `seed` or, without one, from the node's name. So a model gives the same numbers on every device, for every
//! request and after every rewrite that keeps the node's name.

use super::{Entry, Operator, check_arity, given, operator};
use crate::error::{Error, Result};
use crate::graph::{Attr, Node};
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, bits, params};
use crate::size::{Size, is_empty, presumed};
use crate::tensor::DType;

pub(super) static OPERATORS: &[Entry] = &[
    ("", "Bernoulli", |node| operator(Bernoulli::parse(node))),
    ("", "Multinomial", |node| operator(Multinomial::parse(node))),
    ("", "RandomNormal", |node| operator(Random::parse(node, true, false))),
    ("", "RandomNormalLike", |node| operator(Random::parse(node, true, true))),
    ("", "RandomUniform", |node| operator(Random::parse(node, false, false))),
    ("", "RandomUniformLike", |node| operator(Random::parse(node, false, true))),
];

/// The generator's key for a node: its seed, or a hash (FNV-1a) of its name.
pub(super) fn key(node: &Node) -> Result<[Size; 2]> {
    let key = match node.attrs.get("seed") {
        Some(Attr::Float(seed)) => u64::from(seed.to_bits()),
        Some(Attr::Int(seed)) => *seed as u64,
        Some(_) => return Err(Error::invalid_model("attribute 'seed' is not a number")),
        None => node
            .name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)),
    };
    Ok([Size::from(key as u32), Size::from((key >> 32) as u32)])
}

/// The element type that an attribute names, if it does.
fn dtype(node: &Node) -> Result<Option<DType>> {
    match node.int("dtype", 0)? {
        0 => Ok(None),
        number => match i32::try_from(number).ok().and_then(DType::from_onnx) {
            Some(dtype) => Ok(Some(dtype)),
            None => Err(Error::unsupported(format!("random numbers of element type {number}"))),
        },
    }
}

/// The type, if the kernels compute it.
fn float(dtype: DType) -> Result<Vec<DType>> {
    match dtype {
        DType::F32 | DType::F16 | DType::Bf16 => Ok(vec![dtype]),
        other => Err(Error::unsupported(format!("random numbers of type {other}"))),
    }
}

/// <https://onnx.ai/onnx/operators/onnx__RandomUniform.html>, <https://onnx.ai/onnx/operators/onnx__RandomNormal.html> and their
/// `Like`: of f32, f16 or bf16.
#[derive(Debug)]
struct Random {
    normal: bool,
    /// The result's shape, where it is not its input's.
    shape: Option<Vec<Size>>,
    dtype: Option<DType>,
    /// Least and width, or mean and deviation.
    range: [f32; 2],
    key: [Size; 2],
}

impl Random {
    fn parse(node: &Node, normal: bool, like: bool) -> Result<Self> {
        check_arity(node, if like { 1..=1 } else { 0..=0 }, 1..=1)?;
        let shape = match (like, node.ints("shape")?) {
            (true, _) => None,
            (false, Some(shape)) if shape.iter().all(|&size| size >= 0) => {
                Some(shape.iter().map(|&size| Size::from(size)).collect())
            }
            (false, shape) => return Err(Error::invalid_model(format!("a tensor of shape {shape:?}"))),
        };
        let range = if normal {
            [node.float("mean", 0.0)?, node.float("scale", 1.0)?]
        } else {
            let low = node.float("low", 0.0)?;
            [low, node.float("high", 1.0)? - low]
        };
        let dtype = dtype(node)?.or(if like { None } else { Some(DType::F32) });
        Ok(Random { normal, shape, dtype, range, key: key(node)? })
    }
}

impl Operator for Random {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let own = self.dtype.or(inputs.first().copied().flatten());
        float(own.ok_or_else(|| Error::invalid_model("input 0 is missing"))?)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![match &self.shape {
            Some(shape) => shape.clone(),
            None => given(inputs, 0)?.shape.clone(),
        }])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        let len = output.len();
        let numbers = [("len", len), ("low", bits(self.range[0])), ("spread", bits(self.range[1]))];
        cx.emit(Emit {
            kernel: "random",
            constants: &[("NORMAL", f64::from(u8::from(self.normal)))],
            groups: item_groups(len),
            operands: &[output.buffer],
            params: params("random", &numbers, &[("key", &self.key)])?,
            cost: Work::of_words(len * 100, len),
        })
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Bernoulli.html>: of probabilities in f32 or f16.
#[derive(Debug)]
struct Bernoulli {
    dtype: Option<DType>,
    key: [Size; 2],
}

impl Bernoulli {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 1..=1, 1..=1)?;
        Ok(Bernoulli { dtype: dtype(node)?, key: key(node)? })
    }
}

impl Operator for Bernoulli {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let own = inputs.first().copied().flatten().ok_or_else(|| Error::invalid_model("input 0 is missing"))?;
        float(own)?;
        Ok(vec![self.dtype.unwrap_or(own)])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![given(inputs, 0)?.shape.clone()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let (p, output) = (cx.contiguous(0)?, cx.output(0));
        let output = cx.rounded(output);
        let len = output.len();
        let one = super::one(output.dtype);
        cx.emit(Emit {
            kernel: "bernoulli",
            constants: &[],
            groups: item_groups(len),
            operands: &[p.buffer, output.buffer],
            params: params("bernoulli", &[("len", len), ("one", one)], &[("key", &self.key)])?,
            cost: Work::of_words(len * 100, len * 2),
        })
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Multinomial.html>: `[batch, classes]` gives `[batch, samples]`.
#[derive(Debug)]
struct Multinomial {
    dtype: DType,
    samples: Size,
    key: [Size; 2],
}

impl Multinomial {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 1..=1, 1..=1)?;
        let samples = node.int("sample_size", 1)?;
        if !(0..1 << 31).contains(&samples) {
            return Err(Error::invalid_model(format!("{samples} samples")));
        }
        match dtype(node)?.unwrap_or(DType::I32) {
            dtype @ (DType::I32 | DType::I64) => {
                Ok(Multinomial { dtype, samples: Size::from(samples), key: key(node)? })
            }
            other => Err(Error::invalid_model(format!("classes of type {other}"))),
        }
    }
}

impl Operator for Multinomial {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        float(inputs.first().copied().flatten().unwrap_or(DType::F32))?;
        Ok(vec![self.dtype])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        match given(inputs, 0)?.shape.as_slice() {
            &[batch, classes] if presumed(|| !classes.is_zero()) => Ok(vec![vec![batch, self.samples]]),
            other => Err(Error::shape(format!("samples of classes of shape {other:?}"))),
        }
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        if is_empty(&output.shape) {
            return Ok(());
        }
        let x = cx.contiguous(0)?;
        let (len, classes) = (output.len(), x.shape[1]);
        let numbers = [("len", len), ("samples", self.samples), ("classes", classes)];
        cx.emit(Emit {
            kernel: "multinomial",
            constants: &[],
            groups: item_groups(len),
            operands: &[x.buffer, output.buffer],
            params: params("multinomial", &numbers, &[("key", &self.key)])?,
            cost: Work::of_words(len * classes * 40, x.len() + len),
        })
    }
}
