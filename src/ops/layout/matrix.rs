//! Operators on diagonals of matrices, and one-hot vectors.

use super::{arity, dtype, is_empty, of_type, sized};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::ops::combine::kind;
use crate::ops::{Operator, given, one};
use crate::size::{Size, presumed};
use crate::tensor::{DType, TensorData};

/// <https://onnx.ai/onnx/operators/onnx__Trilu.html>: of the last two dimensions; the diagonal may come from the device.
#[derive(Debug)]
pub(super) struct Trilu {
    upper: bool,
}

impl Trilu {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        arity(node, 1..=2, 1)?;
        Ok(Trilu { upper: node.int("upper", 1)? != 0 })
    }
}

impl Operator for Trilu {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, &[DType::I64])?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        if shape.len() < 2 {
            return Err(Error::shape(format!("a triangle of shape {shape:?}")));
        }
        if let Some(k) = inputs.get(1).copied().flatten()
            && !presumed(|| k.shape.iter().all(|&size| size == 1))
        {
            return Err(Error::shape(format!("a diagonal of shape {:?}", k.shape)));
        }
        Ok(vec![shape.clone()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        let output = cx.rounded(output);
        if is_empty(&output.shape) {
            return Ok(());
        }
        let x = cx.contiguous(0)?;
        let diagonal = match cx.input(1) {
            Some(_) => cx.contiguous(1)?.buffer,
            None => cx.constant_bytes(vec![0; 4])?,
        };
        let (len, rank) = (output.len(), output.shape.len());
        let sizes = [("len", len), ("rows", output.shape[rank - 2]), ("columns", output.shape[rank - 1])];
        cx.emit(Emit {
            kernel: "trilu",
            constants: &[("UPPER", f64::from(u8::from(self.upper)))],
            groups: item_groups(len),
            operands: &[x.buffer, diagonal, output.buffer],
            params: params("trilu", &sizes, &[])?,
            cost: Work::of_words(Size::ZERO, len * 2),
        })
    }
}

/// <https://onnx.ai/onnx/operators/onnx__EyeLike.html>: of the input's shape `[rows, columns]`.
#[derive(Debug)]
pub(super) struct EyeLike {
    dtype: Option<DType>,
    diagonal: i64,
}

impl EyeLike {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        arity(node, 1..=1, 1)?;
        let dtype = match node.int("dtype", 0)? {
            0 => None,
            number => Some(
                i32::try_from(number)
                    .ok()
                    .and_then(DType::from_onnx)
                    .ok_or_else(|| Error::unsupported(format!("a matrix of element type {number}")))?,
            ),
        };
        Ok(EyeLike { dtype, diagonal: node.int("k", 0)? })
    }
}

impl Operator for EyeLike {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let own = dtype(inputs, 0)?;
        Ok(vec![self.dtype.unwrap_or(own)])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        if shape.len() != 2 {
            return Err(Error::shape(format!("a matrix like one of shape {shape:?}")));
        }
        Ok(vec![shape.clone()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        let output = cx.rounded(output);
        if is_empty(&output.shape) {
            return Ok(());
        }
        // A diagonal that far out has no elements, nor has any beyond it.
        let far = i64::from(i32::MAX);
        let diagonal = self.diagonal.clamp(-far, far) as i32;
        let len = output.len();
        let sizes = [
            ("len", len),
            ("columns", output.shape[1]),
            ("diagonal", Size::from(diagonal as u32)),
            ("one", one(output.dtype)),
        ];
        cx.emit(Emit {
            kernel: "eye_like",
            constants: &[],
            groups: item_groups(len),
            operands: &[output.buffer],
            params: params("eye_like", &sizes, &[])?,
            cost: Work::of_words(Size::ZERO, len),
        })
    }
}

/// <https://onnx.ai/onnx/operators/onnx__OneHot.html>: indices `[a.., b..]`, depth (one element), and the values off and on `[2]`
/// give `[a.., depth, b..]`. An index out of range
/// gives a vector of `off` values.
#[derive(Debug)]
pub(super) struct OneHot {
    axis: i64,
}

impl OneHot {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        arity(node, 3..=3, 1)?;
        Ok(OneHot { axis: node.int("axis", -1)? })
    }

    /// Where the new dimension is, among those of the result.
    fn axis(&self, rank: usize) -> Result<usize> {
        super::axis(self.axis, rank + 1)
    }
}

/// The one number that input `i` is.
fn number(inputs: &[Option<&Fact>], i: usize) -> Result<Size> {
    let fact = given(inputs, i)?;
    let wrong = || Error::shape(format!("input {i} of shape {:?} is not one number", fact.shape));
    if let Some(integers) = fact.integers() {
        let &[only] = integers.as_slice() else { return Err(wrong()) };
        return Ok(only);
    }
    let value = fact.value().ok_or_else(|| Error::unsupported(format!("input {i} is only known on the device")))?;
    if value.len() != 1 {
        return Err(wrong());
    }
    whole(value.data())
        .map(Size::from)
        .ok_or_else(|| Error::invalid_model(format!("input {i} is of type {}", fact.dtype)))
}

/// The first element as an integer, cut towards zero.
fn whole(data: &TensorData) -> Option<i64> {
    match data {
        TensorData::F32(data) => Some(data[0] as i64),
        TensorData::F64(data) => Some(data[0] as i64),
        TensorData::F16(data) => Some(data[0].to_f32() as i64),
        TensorData::Bf16(data) => Some(data[0].to_f32() as i64),
        TensorData::U64(data) => i64::try_from(data[0]).ok(),
        TensorData::I8(data) => Some(data[0].into()),
        TensorData::I16(data) => Some(data[0].into()),
        TensorData::I32(data) => Some(data[0].into()),
        TensorData::I64(data) => Some(data[0]),
        TensorData::U8(data) => Some(data[0].into()),
        TensorData::U16(data) => Some(data[0].into()),
        TensorData::U32(data) => Some(data[0].into()),
        _ => None,
    }
}

impl Operator for OneHot {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        1..2
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        for i in 0..2 {
            if dtype(inputs, i)? == DType::Bool {
                return Err(Error::invalid_model(format!("input {i} is bool")));
            }
        }
        Ok(vec![dtype(inputs, 2)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (mut shape, depth) = (given(inputs, 0)?.shape.clone(), number(inputs, 1)?);
        let at = self.axis(shape.len())?;
        if !presumed(|| depth >= Size::ZERO) {
            return Err(Error::shape(format!("vectors of {depth} elements")));
        }
        let values = &given(inputs, 2)?.shape;
        if !presumed(|| values.len() == 1 && values[0] == 2) {
            return Err(Error::shape(format!("values of shape {values:?}, not two")));
        }
        shape.insert(at, depth);
        Ok(vec![sized(shape)?])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        let output = cx.rounded(output);
        if is_empty(&output.shape) {
            return Ok(());
        }
        let (index, values) = (cx.contiguous(0)?, cx.contiguous(2)?);
        let at = self.axis(index.shape.len())?;
        let len = output.len();
        let sizes = [("len", len), ("depth", output.shape[at]), ("inner", output.shape[at + 1..].iter().product())];
        cx.emit(Emit {
            kernel: "one_hot",
            constants: &[("KIND", f64::from(kind(index.dtype)?))],
            groups: item_groups(len),
            operands: &[index.buffer, values.buffer, output.buffer],
            params: params("one_hot", &sizes, &[])?,
            cost: Work::of_words(Size::ZERO, len + index.len()),
        })
    }
}
