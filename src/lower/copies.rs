//! Copies of views of words.

use crate::error::{Error, Result};
use crate::size::{Size, same_shape};

use super::DeviceClass;
use super::builder::{BufferOperand, Part};
use super::grid::item_groups;
use super::lowering::{Emit, Lowering, Work};
use super::params::{params, word, words};
use super::storage::Storage;
use super::view::{View, collapse};

/// A window of words as the kernels go through it: dimensions from the innermost outwards, divided into runs along the first.
struct Rows {
    sizes: Vec<Size>,
    source: Vec<Size>,
    target: Vec<Size>,
    /// Words that an invocation copies.
    run: usize,
    /// Runs of a row.
    runs: Size,
}

impl Rows {
    /// Along the longest dimension if the innermost is shorter than a run.
    fn of(source: &View, target: &View, class: DeviceClass) -> Self {
        let (mut sizes, mut strides) = collapse(&source.shape, &[&source.strides, &target.strides]);
        let run = class.run();
        let short = |size: Size| size.known().is_some_and(|size| size < run as i64);
        if run > 1 && short(sizes[0]) {
            let longest =
                (0..sizes.len()).max_by_key(|&axis| (sizes[axis].known(), std::cmp::Reverse(axis))).unwrap_or(0);
            sizes.swap(0, longest);
            strides.iter_mut().for_each(|strides| strides.swap(0, longest));
        }
        let target = strides.pop().unwrap_or_default();
        let source = strides.pop().unwrap_or_default();
        let runs = sizes[0].div_ceil(run);
        Rows { sizes, source, target, run, runs }
    }

    /// Runs of all rows.
    fn items(&self) -> Size {
        self.runs * self.sizes[1..].iter().product::<Size>()
    }
}

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
        let rows = Rows::of(source, target, self.target().class);
        let (size, from, to) =
            (words::<8>(&rows.sizes, 1)?, words::<8>(&rows.source, 0)?, words::<8>(&rows.target, 0)?);
        let params = params(
            "copy_strided",
            &[
                ("items", rows.items()),
                ("run", Size::from(rows.run)),
                ("runs", rows.runs),
                ("source_offset", source.offset),
                ("target_offset", target.offset),
                ("rank", Size::from(rows.sizes.len())),
            ],
            &[("sizes", &size), ("source_strides", &from), ("target_strides", &to)],
        )?;
        self.emit(Emit {
            kernel: "copy_strided",
            constants: &[],
            groups: item_groups(rows.items()),
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
        let mut numbers = [const { Vec::new() }; 4];
        let class = self.target().class;
        let mut items = [Size::ZERO; 2];
        let mut run = 1;
        for ((source, target), items) in parts.into_iter().zip(&mut items) {
            let fits = same_shape(&source.shape, &target.shape) && !source.is_empty();
            if !fits || [source, target].iter().any(|view| view.storage != Storage::Word) {
                return Err(Error::internal(format!("copy from shape {:?} to {:?}", source.shape, target.shape)));
            }
            let rows = Rows::of(source, target, class);
            lists[0].extend(words::<8>(&rows.sizes, 1)?);
            lists[1].extend(words::<8>(&rows.source, 0)?);
            lists[2].extend(words::<8>(&rows.target, 0)?);
            (*items, run) = (rows.items(), rows.run);
            let own = [source.offset, target.offset, Size::from(rows.sizes.len()), rows.runs];
            for (list, number) in numbers.iter_mut().zip(own) {
                list.push(word(number)?);
            }
        }
        let [(one, target), (other, last)] = parts;
        let len = one.len() + other.len();
        let params = params(
            "copy_pair",
            &[("items", items[0] + items[1]), ("first", items[0]), ("run", Size::from(run))],
            &[
                ("source_offset", &numbers[0]),
                ("target_offset", &numbers[1]),
                ("rank", &numbers[2]),
                ("runs", &numbers[3]),
                ("sizes", &lists[0]),
                ("source_strides", &lists[1]),
                ("target_strides", &lists[2]),
            ],
        )?;
        self.emit(Emit {
            kernel: "copy_pair",
            constants: &[],
            groups: item_groups(items[0] + items[1]),
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
