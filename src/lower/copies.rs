//! Copies of views of words.

use crate::error::{Error, Result};
use crate::size::{Size, same_shape};

use super::builder::{BufferOperand, Part};
use super::grid::item_groups;
use super::lowering::{Emit, Lowering, Work};
use super::params::{params, word, words};
use super::storage::Storage;
use super::view::{View, collapse};

impl Lowering<'_> {
    /// Copies the elements of one view of words onto another of the same shape, in another buffer.
    ///
    /// # Errors
    /// `Limit` if it is too large; `Unsupported` if it has more than eight dimensions that cannot be merged.
    pub fn copy(&mut self, source: &View, target: &View) -> Result<()> {
        self.copy_part(source, target, None)
    }

    /// Begins to write a buffer in parts that have no element in common; gives what names them to
    /// [`copy_to`](Lowering::copy_to).
    pub fn divide(&mut self) -> u32 {
        self.builder.wholes += 1;
        self.builder.wholes
    }

    /// As [`copy`](Lowering::copy), where `target` is part `index` of a buffer that was divided: parts do not wait for each
    /// other.
    ///
    /// # Errors
    /// As [`copy`](Lowering::copy).
    pub fn copy_to(&mut self, source: &View, target: &View, whole: u32, index: usize) -> Result<()> {
        self.copy_part(source, target, Some(Part { whole, index: index as u32 }))
    }

    fn copy_part(&mut self, source: &View, target: &View, part: Option<Part>) -> Result<()> {
        let len = source.len();
        if !same_shape(&source.shape, &target.shape) {
            return Err(Error::internal(format!("copy from shape {:?} to {:?}", source.shape, target.shape)));
        }
        if [source, target].iter().any(|view| view.storage != Storage::Word) {
            return Err(Error::internal("a copy of packed elements"));
        }
        if len.is_zero() {
            return Ok(());
        }
        let (shape, strides) = collapse(&source.shape, &[&source.strides, &target.strides]);
        let (size, from, to) = (words::<8>(&shape, 1)?, words::<8>(&strides[0], 0)?, words::<8>(&strides[1], 0)?);
        let params = params(
            "copy_strided",
            &[
                ("len", len),
                ("source_offset", source.offset),
                ("target_offset", target.offset),
                ("rank", Size::from(shape.len())),
            ],
            &[("sizes", &size), ("source_strides", &from), ("target_strides", &to)],
        )?;
        self.emit(Emit {
            kernel: "copy_strided",
            constants: &[],
            groups: item_groups(len),
            operands: &[source.buffer, target.buffer],
            params,
            cost: Work::of_words(Size::ZERO, len * 2),
        })?;
        if let Some(copy) = self.builder.dispatches.last_mut() {
            copy.operands[0].extent = Some(source.extent());
            copy.operands[1] = BufferOperand { extent: Some(target.extent()), part, ..copy.operands[1] };
        }
        Ok(())
    }

    /// As [`copy_to`](Lowering::copy_to), of two parts of the buffer that was divided, in one dispatch. Each is source and target, and
    /// `index` that of the first.
    ///
    /// # Errors
    /// As [`Lowering::copy`].
    pub fn copy_pair(&mut self, parts: [(&View, &View); 2], whole: u32, index: usize) -> Result<()> {
        let mut lists = [const { Vec::new() }; 3];
        let mut numbers = [const { Vec::new() }; 3];
        for (source, target) in parts {
            let fits = same_shape(&source.shape, &target.shape) && !source.is_empty();
            if !fits || [source, target].iter().any(|view| view.storage != Storage::Word) {
                return Err(Error::internal(format!("copy from shape {:?} to {:?}", source.shape, target.shape)));
            }
            let (shape, strides) = collapse(&source.shape, &[&source.strides, &target.strides]);
            lists[0].extend(words::<8>(&shape, 1)?);
            lists[1].extend(words::<8>(&strides[0], 0)?);
            lists[2].extend(words::<8>(&strides[1], 0)?);
            for (list, number) in numbers.iter_mut().zip([source.offset, target.offset, Size::from(shape.len())]) {
                list.push(word(number)?);
            }
        }
        let [(one, target), (other, last)] = parts;
        let len = one.len() + other.len();
        let params = params(
            "copy_pair",
            &[("len", len), ("first", one.len())],
            &[
                ("source_offset", &numbers[0]),
                ("target_offset", &numbers[1]),
                ("rank", &numbers[2]),
                ("sizes", &lists[0]),
                ("source_strides", &lists[1]),
                ("target_strides", &lists[2]),
            ],
        )?;
        self.emit(Emit {
            kernel: "copy_pair",
            constants: &[],
            groups: item_groups(len),
            operands: &[one.buffer, other.buffer, target.buffer],
            params,
            cost: Work::of_words(Size::ZERO, len * 2),
        })?;
        if let Some(copy) = self.builder.dispatches.last_mut() {
            copy.operands[0].extent = Some(one.extent());
            copy.operands[1].extent = Some(other.extent());
            let extent = Some((target.extent().0.min(last.extent().0), target.extent().1.max(last.extent().1)));
            let part = Some(Part { whole, index: index as u32 });
            copy.operands[2] = BufferOperand { extent, part, ..copy.operands[2] };
        }
        Ok(())
    }
}
