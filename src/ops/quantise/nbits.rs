//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits>

use super::product::on_subgroups;
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::storage::Storage;
use crate::lower::{Emit, Fact, Lowering, Work, bits, params};
use crate::ops::{Operator, check_arity, given};
use crate::size::{Size, is_empty, presumed};
use crate::tensor::{DType, Tensor, TensorData};

/// Columns of a vector.
const LANES: usize = 4;

/// Invocations of a subgroup of `matmul_nbits_subgroup`, each of which has a vector of columns; and the subgroups of a workgroup.
const SUBGROUP: usize = 8;

/// Vectors of columns of a workgroup of `matmul_nbits_row`.
const ROW_VECTORS: usize = 8;

/// A `[.., k]` of f32, f16 or bf16 times the transpose of a constant `[n, k]` of 2, 4 or 8 bits, in blocks along k with a scale each and a zero point?
/// each, the lowest bits first, and a bias? `[n]`. The weights stay packed. An order of the rows (`g_idx`) is not supported. That of domain
/// `fascine` has blocks of any whole number of words.
#[derive(Debug)]
pub(super) struct MatMulNBits {
    depth: usize,
    columns: usize,
    bits: usize,
    block: usize,
}

impl MatMulNBits {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 3..=6, 1..=1)?;
        let size = |name: &str, default: i64| match usize::try_from(node.int(name, default)?) {
            Ok(size) if (1..1 << 30).contains(&size) => Ok(size),
            _ => Err(Error::invalid_model(format!("attribute '{name}' is missing or not positive"))),
        };
        let operator = MatMulNBits {
            depth: size("K", 0)?,
            columns: size("N", 0)?,
            bits: size("bits", 4)?,
            block: size("block_size", 0)?,
        };
        if ![2, 4, 8].contains(&operator.bits) {
            return Err(Error::unsupported(format!("weights of {} bits; 2, 4 and 8 are supported", operator.bits)));
        }
        let whole_words = (operator.block * operator.bits).is_multiple_of(32);
        let fits = operator.block >= 16 && operator.block.is_power_of_two();
        if !(fits || node.domain == "fascine" && whole_words) {
            return Err(Error::invalid_model(format!("blocks of {}, no power of two from 16 on", operator.block)));
        }
        if node.inputs.get(4).copied().flatten().is_some() {
            return Err(Error::unsupported("an order of the rows (g_idx)"));
        }
        Ok(operator)
    }

    fn blocks(&self) -> usize {
        self.depth.div_ceil(self.block)
    }

    /// Bytes of a block.
    fn block_bytes(&self) -> usize {
        self.block * self.bits / 8
    }

    /// Bytes of a column's zero points, where they are packed.
    fn zero_bytes(&self) -> usize {
        (self.blocks() * self.bits).div_ceil(8)
    }

    /// Words in the order of the kernel: word `w` of each column, columns filled up to a whole vector with what `padding` is.
    fn interleaved(&self, words: usize, of: impl Fn(usize, usize) -> u32) -> Vec<u8> {
        let width = self.columns.next_multiple_of(LANES);
        let mut out = Vec::with_capacity(words * width * 4);
        for w in 0..words {
            for column in 0..width {
                let word = if column < self.columns { of(column, w) } else { 0 };
                out.extend(word.to_ne_bytes());
            }
        }
        out
    }

    fn weights(&self, weight: &Tensor) -> Result<Vec<u8>> {
        let bytes = weight.as_slice::<u8>()?;
        let words = self.blocks() * self.block_bytes() / 4;
        Ok(self.interleaved(words, |column, w| {
            let at = (column * words + w) * 4;
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        }))
    }

    fn floats(&self, tensor: &Tensor) -> Result<Vec<u8>> {
        let (data, blocks) = (tensor.as_slice::<f32>()?, self.blocks());
        Ok(self.interleaved(blocks, |column, block| data[column * blocks + block].to_bits()))
    }

    /// A byte for each zero point, by block and column.
    fn zeros(&self, tensor: &Tensor) -> Result<Vec<u8>> {
        let (data, row) = (tensor.as_slice::<u8>()?, self.zero_bytes());
        let mut out = Vec::new();
        for block in 0..self.blocks() {
            for column in 0..self.columns.next_multiple_of(LANES) {
                let bit = block * self.bits;
                let byte = if column < self.columns { data[column * row + bit / 8] } else { 0 };
                out.push((u32::from(byte) >> (bit % 8) & ((1 << self.bits) - 1)) as u8);
            }
        }
        Ok(out)
    }
}

impl Operator for MatMulNBits {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let given = |i: usize| inputs.get(i).copied().flatten();
        let float = match given(0) {
            Some(dtype @ (DType::F32 | DType::F16 | DType::Bf16)) => dtype,
            other => {
                let other = other.map_or("none", DType::name);
                return Err(Error::unsupported(format!("an input of type {other}; f32, f16 and bf16 are supported")));
            }
        };
        if given(1) != Some(DType::U8) {
            return Err(Error::unsupported("weights that are not u8"));
        }
        for i in [2, 5] {
            if given(i).is_some_and(|dtype| dtype != float) {
                return Err(Error::invalid_model(format!("input {i} is not of the first one's type {float}")));
            }
        }
        match given(3) {
            None | Some(DType::U8) => {}
            Some(dtype) if dtype == float => {}
            Some(other) => return Err(Error::unsupported(format!("zero points of type {other}"))),
        }
        Ok(vec![float])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let mut shape = given(inputs, 0)?.shape.clone();
        let (depth, columns, blocks) = (self.depth, self.columns, self.blocks());
        match shape.last_mut() {
            Some(last) if presumed(|| *last == depth) => *last = Size::from(columns),
            _ => return Err(Error::shape(format!("an input of shape {shape:?} where K is {depth}"))),
        }
        let packed = |fact: &Fact| if fact.dtype == DType::U8 { self.zero_bytes() } else { blocks };
        let expected = [
            (1, "weight", columns * blocks * self.block_bytes()),
            (2, "scale", columns * blocks),
            (3, "zero point", inputs.get(3).copied().flatten().map_or(0, |fact| columns * packed(fact))),
            (5, "bias", columns),
        ];
        for (i, name, wanted) in expected {
            let Some(fact) = inputs.get(i).copied().flatten() else { continue };
            let len: Size = fact.shape.iter().product();
            if !presumed(|| len == wanted) {
                let shape = &fact.shape;
                return Err(Error::shape(format!(
                    "a {name} of shape {shape:?} has not the {wanted} elements of {self:?}"
                )));
            }
        }
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        if is_empty(&output.shape) {
            return Ok(());
        }
        for i in [1, 2, 3] {
            if cx.input(i).is_some() && cx.constant(i).is_none() {
                return Err(Error::unsupported("weights, scales or zero points that are no constants"));
            }
        }
        let left = cx.contiguous(0)?;
        let key = format!("{self:?}");
        let weight = cx.packed(1, &key, |tensor| self.weights(tensor))?;
        let scales = cx.packed(2, &key, |tensor| self.floats(tensor))?;
        let (zeros, kind) = match cx.constant(3).map(Tensor::data) {
            None => (scales, 0),
            Some(TensorData::U8(_)) => (cx.packed(3, &key, |tensor| self.zeros(tensor))?, 1),
            Some(_) => (cx.packed(3, &key, |tensor| self.floats(tensor))?, 2),
        };
        let bias = match cx.input(5) {
            Some(_) => cx.contiguous(5)?.buffer,
            None => cx.constant_bytes(vec![0; 16])?,
        };
        let rows: Size = output.shape[..output.shape.len() - 1].iter().product();
        let tall = rows > 1;
        let width = self.columns.div_ceil(LANES);
        let block_words = self.block_bytes() / 4;
        let both = [
            ("columns", Size::from(self.columns)),
            ("depth", Size::from(self.depth)),
            ("words", Size::from(self.blocks() * block_words)),
            ("block_words", Size::from(block_words)),
            ("width", Size::from(width)),
            ("has_bias", Size::from(u8::from(cx.input(5).is_some()))),
            ("zero", bits(f32::from(1u8 << (self.bits - 1)))),
        ];
        let tiles = rows.div_ceil(if rows > 8 { 16 } else { 8 }) * width.div_ceil(SUBGROUP);
        let items = rows.div_ceil(4) * width;
        let (kernel, groups, own) = if on_subgroups(cx) {
            ("matmul_nbits_subgroup", tiles.div_ceil(SUBGROUP), vec![("tiles", tiles), ("rows", rows)])
        } else if tall {
            let own = vec![("items", items), ("rows", rows), ("left_row", Size::from(self.depth))];
            ("matmul_nbits", item_groups(items), own)
        } else {
            ("matmul_nbits_row", Size::from(width.div_ceil(ROW_VECTORS)), Vec::new())
        };
        let mut constants = vec![("BITS", self.bits as f64), ("ZEROS", f64::from(kind))];
        if kernel == "matmul_nbits_subgroup" {
            constants.push(("TALL", f64::from(u8::from(tall))));
        }
        let weights = Size::from(self.columns * self.blocks() * (self.block_bytes() + 4));
        cx.emit(Emit {
            kernel,
            constants: &constants,
            groups,
            operands: &[left.buffer, weight, scales, zeros, bias, output.buffer],
            params: params(kernel, &[&both[..], &own].concat(), &[])?,
            cost: Work {
                flops: rows * self.columns * self.depth * 2,
                bytes: weights + Storage::Word.bytes(rows * (self.depth + self.columns)),
            },
        })
    }
}
