//! What is done to the sums of a product of integers where it is known: scales, bias, residual and an elementwise program.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::kernel::parts::Weights;
use crate::lower::{BufferId, Lowering, View};
use crate::ops::elementwise::Epilogue;
use crate::size::Size;

/// Which inputs of a node are what; but for the scale they may be left out.
pub(super) const SCALE: usize = 4;
pub(super) const FACTOR: usize = 5;
pub(super) const BIAS: usize = 6;
pub(super) const RESIDUAL: usize = 7;

/// One f32, or one for each column: where it lies, and from one column to the next.
type ByColumns = (BufferId, Size);

/// `sum * (scale * factor) + bias + residual`, each rounded, and then the program.
pub(super) struct Scaling {
    scale: ByColumns,
    factor: Option<ByColumns>,
    bias: Option<BufferId>,
    residual: Option<BufferId>,
    program: Epilogue,
}

impl Scaling {
    /// What the node's inputs say, of a product of so many columns.
    pub(super) fn of(cx: &mut Lowering<'_>, program: &Epilogue, columns: Size) -> Result<Scaling> {
        let scale = by_columns(cx, SCALE, columns)?;
        let scale = scale.ok_or_else(|| Error::invalid_model("a scaled product without scale"))?;
        let factor = by_columns(cx, FACTOR, columns)?;
        let bias = cx.input(BIAS).is_some().then(|| cx.contiguous(BIAS)).transpose()?.map(|view| view.buffer);
        let residual = cx.input(RESIDUAL).is_some().then(|| cx.contiguous(RESIDUAL)).transpose()?;
        Ok(Scaling { scale, factor, bias, residual: residual.map(|view| view.buffer), program: program.clone() })
    }
}

fn by_columns(cx: &mut Lowering<'_>, i: usize, columns: Size) -> Result<Option<ByColumns>> {
    if cx.input(i).is_none() {
        return Ok(None);
    }
    let View { buffer, shape, .. } = cx.contiguous(i)?;
    let len: Size = shape.iter().product();
    match len {
        len if len == 1 => Ok(Some((buffer, Size::ZERO))),
        len if len == columns => Ok(Some((buffer, Size::ONE))),
        _ => Err(Error::shape(format!("a scale {shape:?} that is not one for each of {columns} columns"))),
    }
}

/// The same as the kernels take it.
pub(super) struct End {
    pub(super) kernel: Arc<Kernel>,
    pub(super) variant: (&'static str, f64),
    pub(super) numbers: [(&'static str, Size); 5],
    pub(super) program: Vec<Size>,
    /// Scale, factor, bias and residual.
    pub(super) operands: [BufferId; 4],
}

impl End {
    /// `other` lies where operands do that are not there: a linked kernel has the segments of all.
    pub(super) fn of(scaling: Option<&Scaling>, kernel: &'static str, other: BufferId) -> Result<End> {
        let none = Epilogue::default();
        let program = scaling.map_or(&none, |scaling| &scaling.program);
        let flag = |is: bool| Size::from(u8::from(is));
        let (scale, scale_column) = scaling.map_or((other, Size::ZERO), |scaling| scaling.scale);
        let factor = scaling.and_then(|scaling| scaling.factor);
        let bias = scaling.and_then(|scaling| scaling.bias);
        let residual = scaling.and_then(|scaling| scaling.residual);
        Ok(End {
            kernel: program.kernel(kernel, Weights::Words)?,
            variant: ("SCALED", f64::from(u8::from(scaling.is_some()))),
            numbers: [
                ("scale_column", scale_column),
                ("factor_column", factor.map_or(Size::ZERO, |(_, column)| column)),
                ("has_factor", flag(factor.is_some())),
                ("has_bias", flag(bias.is_some())),
                ("has_residual", flag(residual.is_some())),
            ],
            program: program.words()?.into_iter().map(Size::from).collect(),
            operands: [
                scale,
                factor.map_or(other, |(buffer, _)| buffer),
                bias.unwrap_or(other),
                residual.unwrap_or(other),
            ],
        })
    }
}
