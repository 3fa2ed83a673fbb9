//! Which scale and zero point an element has: one for the tensor, one for each index of an axis, or one for each block along an axis.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, View};
use crate::ops::given;
use crate::size::{Size, agree, presumed};

/// Where scale and zero point change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granularity {
    axis: i64,
    /// Elements of the axis that share a scale; 0 if the scale is for the tensor or for each index.
    block: Size,
}

/// How `x` is taken apart so that scale and zero point broadcast to it: shapes of both.
pub(super) struct Parts {
    pub(super) x: Vec<Size>,
    pub(super) scale: Vec<Size>,
    /// The axis of `x` that is divided into blocks.
    divided: Option<usize>,
}

/// Whether it is one number, without dimensions or with one.
fn is_one(shape: &[Size]) -> bool {
    shape.len() <= 1 && shape.iter().all(|size| size.known() == Some(1))
}

impl Granularity {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let block = node.int("block_size", 0)?;
        if block < 0 {
            return Err(Error::invalid_model(format!("attribute 'block_size' is {block}")));
        }
        Ok(Granularity { axis: node.int("axis", 1)?, block: Size::from(block) })
    }

    pub(super) fn parts(self, x: &[Size], scale: &[Size]) -> Result<Parts> {
        let wrong = |what: &str| Error::shape(format!("{what}: input {x:?}, scale {scale:?}, axis {}", self.axis));
        if self.block.is_zero() && is_one(scale) {
            return Ok(Parts { x: x.to_vec(), scale: Vec::new(), divided: None });
        }
        let rank = x.len() as i64;
        let axis = if self.axis < 0 { self.axis + rank } else { self.axis };
        // A vector has one axis, whatever the attribute says.
        let axis = if x.len() == 1 && self.block.is_zero() { 0 } else { axis };
        if !(0..rank).contains(&axis) {
            return Err(wrong("the axis is none of the input's"));
        }
        let axis = axis as usize;
        if self.block.is_zero() {
            if scale.len() != 1 || !presumed(|| scale[0] == x[axis]) {
                return Err(wrong("the scale is neither one number nor one for each index of the axis"));
            }
            let mut along = vec![Size::ONE; x.len() - axis];
            along[0] = x[axis];
            return Ok(Parts { x: x.to_vec(), scale: along, divided: None });
        }
        let others = |shape: &[Size]| [&shape[..axis], &shape[axis + 1..]].concat();
        if scale.len() != x.len() || !agree(&others(x), &others(scale)) {
            return Err(wrong("the scale is not one for each block of the axis"));
        }
        if !presumed(|| scale[axis] * self.block == x[axis]) {
            if presumed(|| x[axis].div_ceil(self.block) == scale[axis]) {
                return Err(Error::unsupported(format!(
                    "blocks of {} do not divide an axis of {}",
                    self.block, x[axis]
                )));
            }
            return Err(wrong(&format!("the scale is not one for each block of {}", self.block)));
        }
        let (mut parts, mut blocks) = (x.to_vec(), scale.to_vec());
        parts[axis] = scale[axis];
        parts.insert(axis + 1, self.block);
        blocks.insert(axis + 1, Size::ONE);
        Ok(Parts { x: parts, scale: blocks, divided: Some(axis) })
    }

    pub(super) fn check(self, inputs: &[Option<&Fact>]) -> Result<Vec<Size>> {
        let (x, scale) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        self.parts(x, scale)?;
        // ONNX's own cases have a scale without dimensions beside a zero point with one.
        let fits = |zero: &Fact| agree(&zero.shape, scale) || is_one(&zero.shape) && is_one(scale);
        if let Some(zero) = inputs.get(2).copied().flatten().filter(|zero| !fits(zero)) {
            return Err(Error::shape(format!("the zero point {:?} is not of the scale's shape {scale:?}", zero.shape)));
        }
        Ok(x.clone())
    }
}

impl Parts {
    /// The input in these parts.
    pub(super) fn divided(&self, x: View) -> View {
        let mut strides = x.strides.clone();
        if let Some(axis) = self.divided {
            strides.insert(axis + 1, x.strides[axis]);
            strides[axis] = x.strides[axis] * self.x[axis + 1];
        }
        View { shape: self.x.clone(), strides, ..x }
    }

    /// Scale or zero point, so that it broadcasts to them.
    pub(super) fn scales(&self, scale: View) -> View {
        let strides = match (self.scale.len(), self.divided) {
            // One number.
            (0, _) => Vec::new(),
            (_, None) => {
                let mut strides = vec![Size::ZERO; self.scale.len()];
                strides[0] = scale.strides[0];
                strides
            }
            (_, Some(axis)) => {
                let mut strides = scale.strides.clone();
                strides.insert(axis + 1, Size::ZERO);
                strides
            }
        };
        View { shape: self.scale.clone(), strides, ..scale }
    }
}
