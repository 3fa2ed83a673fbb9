//! What is known of values while a plan is made.

use crate::size::{Size, is_empty, sizes};
use crate::tensor::{DType, Tensor, TensorData};

/// What is known of a value while a plan is made: its type, its shape and, for constants and shape arithmetic, the value
/// itself.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Element type.
    pub dtype: DType,
    /// Shape.
    pub shape: Vec<Size>,
    /// The value, where the host knows it.
    pub known: Option<Known>,
}

/// A value that the host knows: a constant, or integers that follow from the sizes of the model's symbols.
#[derive(Clone, Debug)]
pub struct Known {
    /// The value at the sizes that are traced.
    tensor: Tensor,
    /// The elements of a tensor of integers, in row-major order, where symbols may change them.
    elements: Option<Vec<Size>>,
}

impl Fact {
    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        is_empty(&self.shape)
    }

    /// Whether it is known to have one element, whatever the symbols are.
    pub fn has_one_element(&self) -> bool {
        self.shape.iter().all(|size| size.known() == Some(1))
    }

    /// A value that the device computes.
    pub fn unknown(dtype: DType, shape: Vec<Size>) -> Self {
        Fact { dtype, shape, known: None }
    }

    /// A constant.
    pub fn constant(tensor: Tensor) -> Self {
        Fact { dtype: tensor.dtype(), shape: sizes(tensor.shape()), known: Some(tensor.into()) }
    }

    /// The value, where the host knows it. If symbols may change it, the plan then serves this value alone.
    pub fn value(&self) -> Option<&Tensor> {
        self.known.as_ref().map(Known::pin)
    }

    /// The elements of a known tensor of i64 or i32, in row-major order.
    pub fn integers(&self) -> Option<Vec<Size>> {
        let Known { tensor, elements } = self.known.as_ref()?;
        match (elements, tensor.data()) {
            (Some(elements), _) => Some(elements.clone()),
            (None, TensorData::I64(data)) => Some(data.iter().map(|&x| Size::from(x)).collect()),
            (None, TensorData::I32(data)) => Some(data.iter().map(|&x| Size::from(x)).collect()),
            (None, _) => None,
        }
    }
}

impl Known {
    /// Integers of type `dtype` (i64 or i32) that follow from sizes. `None` if their number is not the shape's, or one does
    /// not fit.
    pub fn integers(dtype: DType, shape: &[usize], elements: Vec<Size>) -> Option<Known> {
        let tensor = match dtype {
            DType::I64 => Tensor::new(shape, elements.iter().map(|x| x.estimate()).collect::<Vec<i64>>()),
            DType::I32 => {
                let narrow = elements.iter().map(|x| i32::try_from(x.estimate()));
                Tensor::new(shape, narrow.collect::<Result<Vec<i32>, _>>().ok()?)
            }
            _ => return None,
        };
        let fixed = elements.iter().all(|x| x.known().is_some());
        Some(Known { tensor: tensor.ok()?, elements: (!fixed).then_some(elements) })
    }

    /// The value at the sizes that are traced.
    pub fn estimate(&self) -> &Tensor {
        &self.tensor
    }

    /// The elements, where symbols may change them.
    pub fn elements(&self) -> Option<&[Size]> {
        self.elements.as_deref()
    }

    /// The value; the plan then serves it alone.
    pub fn pin(&self) -> &Tensor {
        for element in self.elements.iter().flatten() {
            element.pin_signed();
        }
        &self.tensor
    }
}

impl From<Tensor> for Known {
    fn from(tensor: Tensor) -> Self {
        Known { tensor, elements: None }
    }
}
