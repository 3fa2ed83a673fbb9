//! What losses are made of (`optimise/expand/loss.rs`).

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::size::{Size, agree};
use crate::tensor::DType;

use super::{Entry, Operator, check_arity, given, one_float, operator};

pub(super) static OPERATORS: &[Entry] =
    &[("fascine", "NegativeLogLikelihood", |node| operator(NegativeLogLikelihood::parse(node)))];

/// Inputs: log probabilities `[N, C, ..]`, classes `[N, ..]` (i32 or i64), weights of the classes `[C]` (may be left out).
/// Outputs: `-weight[class] * x[n, class, ..]` and `weight[class]`, both `[N, ..]`, and 0 where the class is the one ignored.
/// A class out of range that is not ignored is an error of the request.
#[derive(Debug)]
struct NegativeLogLikelihood {
    ignored: Option<i64>,
}

impl NegativeLogLikelihood {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 2..=3, 1..=2)?;
        let ignored = node.attrs.contains_key("ignore_index").then(|| node.int("ignore_index", 0)).transpose()?;
        Ok(NegativeLogLikelihood { ignored })
    }
}

impl Operator for NegativeLogLikelihood {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs.get(1).copied().flatten() {
            Some(DType::I32 | DType::I64) => {}
            other => return Err(Error::unsupported(format!("classes of type {}", other.map_or("none", DType::name)))),
        }
        let floats = [inputs.first().copied().flatten(), inputs.get(2).copied().flatten()];
        let dtype = one_float(&floats)?[0];
        Ok(vec![dtype, dtype])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (x, classes) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        if x.len() < 2 {
            return Err(Error::shape(format!("scores of shape {x:?} have no classes")));
        }
        let wanted = [&x[..1], &x[2..]].concat();
        if !agree(classes, &wanted) {
            return Err(Error::shape(format!("classes of shape {classes:?} for scores of shape {x:?}")));
        }
        if let Some(weights) = inputs.get(2).copied().flatten()
            && !agree(&weights.shape, &x[1..2])
        {
            return Err(Error::shape(format!("weights of shape {:?} for {} classes", weights.shape, x[1])));
        }
        Ok(vec![wanted.clone(), wanted])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let x = cx.contiguous(0)?;
        let (loss, share) = (cx.output(0), cx.output(1));
        let (len, classes) = (loss.len(), x.shape[1]);
        if len.is_zero() {
            return Ok(());
        }
        if classes.is_zero() {
            return Err(Error::shape(format!("scores of shape {:?} have no classes", x.shape)));
        }
        let target = cx.contiguous(1)?;
        let weights = if cx.input(2).is_some() { Some(cx.contiguous(2)?.buffer) } else { None };
        // Classes are 32 bits on the device: another number is never met.
        let ignored = self.ignored.and_then(|ignored| i32::try_from(ignored).ok());
        let report = cx.check(ErrorKind::Input, "a class lies outside of the scores");
        let numbers = [
            ("len", len),
            ("classes", classes),
            ("inner", x.shape[2..].iter().product()),
            ("ignored", Size::from(ignored.unwrap_or(0).cast_unsigned())),
            ("ignores", Size::from(u8::from(ignored.is_some()))),
        ];
        cx.emit(Emit {
            kernel: "negative_log_likelihood",
            constants: &[("WEIGHTS", f64::from(u8::from(weights.is_some())))],
            groups: item_groups(len),
            operands: &[x.buffer, target.buffer, weights.unwrap_or(x.buffer), loss.buffer, share.buffer, report],
            params: params("negative_log_likelihood", &numbers, &[])?,
            cost: Work::of_words(len, len * 4),
        })
    }
}
