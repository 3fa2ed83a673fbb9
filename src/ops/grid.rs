//! Sampling at the points of a grid, and grids of affine maps.

use std::ops::Range;

use super::{Entry, Operator, check_arity, given, one_float, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::ops::window::vector;
use crate::size::{Size, checked_len, decided, presumed};
use crate::tensor::DType;

pub(super) const OPERATORS: &[Entry] = &[
    ("", "AffineGrid", |node| operator(AffineGrid::parse(node))),
    ("", "GridSample", |node| operator(GridSample::parse(node))),
];

/// <https://onnx.ai/onnx/operators/onnx__GridSample.html>: input `[n, c, d.., h, w]` with up to three axes after the channels, grid
/// `[n, points.., axes]`; f32 and f16.
#[derive(Debug)]
struct GridSample {
    /// Elements of each axis that make one of the result.
    taps: u32,
    beyond: u32,
    align_corners: bool,
}

impl GridSample {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 2..=2, 1..=1)?;
        let taps = match node.str("mode", "linear")? {
            "nearest" => 1,
            "linear" | "bilinear" => 2,
            "cubic" | "bicubic" => 4,
            other => return Err(Error::invalid_model(format!("mode '{other}'"))),
        };
        let beyond = match node.str("padding_mode", "zeros")? {
            "zeros" => 0,
            "border" => 1,
            "reflection" => 2,
            other => return Err(Error::invalid_model(format!("padding_mode '{other}'"))),
        };
        Ok(GridSample { taps, beyond, align_corners: node.int("align_corners", 0)? != 0 })
    }
}

impl Operator for GridSample {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        // The grid may be of another type.
        inputs.iter().skip(1).try_for_each(|&grid| one_float(&[grid]).map(|_| ()))?;
        one_float(&inputs[..inputs.len().min(1)])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (input, grid) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        let axes = input.len().saturating_sub(2);
        let fits = grid.len() == input.len()
            && (1..=3).contains(&axes)
            && presumed(|| grid[0] == input[0])
            && presumed(|| grid[grid.len() - 1] == axes);
        if !fits {
            return Err(Error::shape(format!("a grid of shape {grid:?} for an input of shape {input:?}")));
        }
        let shape = [&input[..2], &grid[1..grid.len() - 1]].concat();
        checked_len(&shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let (input, grid) = (cx.contiguous(0)?, cx.contiguous(1)?);
        if input.is_empty() {
            return Err(Error::unsupported("sampling of an input without elements"));
        }
        if input.shape[2..].iter().any(|&size| size >= Size::number(1 << 24)) {
            return Err(Error::limit(format!("sampling of an input of shape {:?}", input.shape)));
        }
        let axes = input.shape.len() - 2;
        let items = output.len();
        let numbers = [
            ("items", items),
            ("channels", input.shape[1]),
            ("points", output.shape[2..].iter().product()),
            ("axes", Size::from(axes)),
            ("taps", Size::from(self.taps)),
            ("beyond", Size::from(self.beyond)),
            ("align_corners", Size::from(u8::from(self.align_corners))),
        ];
        let reads = (self.taps as usize).pow(axes as u32);
        cx.emit(Emit {
            kernel: "grid_sample",
            constants: &[],
            groups: item_groups(items),
            operands: &[input.buffer, grid.buffer, output.buffer],
            params: params("grid_sample", &numbers, &[("size", &vector(&input.shape[2..]))])?,
            cost: Work::of_words(items * (reads * 2 + 30), input.len() + grid.len() + items),
        })
    }
}

/// <https://onnx.ai/onnx/operators/onnx__AffineGrid.html>: theta `[n, axes, axes + 1]` and the size `[n, c, (d,) h, w]`, which the
/// host has to know. Not supported is an axis of one element between aligned corners, of which the standard's formula makes no
/// number.
#[derive(Debug)]
struct AffineGrid {
    align_corners: bool,
}

impl AffineGrid {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 2..=2, 1..=1)?;
        Ok(AffineGrid { align_corners: node.int("align_corners", 0)? != 0 })
    }
}

impl Operator for AffineGrid {
    fn host_inputs(&self) -> Range<usize> {
        1..2
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        if let Some(other) = inputs.get(1).copied().flatten().filter(|&dtype| dtype != DType::I64) {
            return Err(Error::invalid_model(format!("a size of type {other}")));
        }
        one_float(&inputs[..inputs.len().min(1)])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let theta = &given(inputs, 0)?.shape;
        let size = given(inputs, 1)?
            .integers()
            .ok_or_else(|| Error::unsupported("input 1 decides the shape, but only the device knows it"))?;
        let axes = size.len().saturating_sub(2);
        let fits = matches!(axes, 2 | 3)
            && theta.len() == 3
            && presumed(|| theta[0] == size[0])
            && presumed(|| theta[1] == axes)
            && presumed(|| theta[2] == axes + 1);
        if !fits || size.iter().any(|&size| !presumed(|| size >= Size::ZERO)) {
            return Err(Error::shape(format!("maps of shape {theta:?} for a grid of size {size:?}")));
        }
        if self.align_corners && size[2..].iter().any(|&size| decided(|| size == 1) == Some(true)) {
            return Err(Error::unsupported("aligned corners of an axis of one element"));
        }
        let shape = [&size[..1], &size[2..], &[Size::from(axes)]].concat();
        checked_len(&shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let theta = cx.contiguous(0)?;
        let axes = output.shape.len() - 2;
        let sides = &output.shape[1..=axes];
        if sides.iter().any(|&size| size >= Size::number(1 << 30)) {
            return Err(Error::limit(format!("a grid of shape {:?}", output.shape)));
        }
        let mut size = [Size::ONE; 4];
        for (to, &side) in size.iter_mut().zip(sides.iter().rev()) {
            *to = side;
        }
        let items = output.len();
        let numbers = [
            ("items", items),
            ("axes", Size::from(axes)),
            ("points", sides.iter().product()),
            ("align_corners", Size::from(u8::from(self.align_corners))),
        ];
        cx.emit(Emit {
            kernel: "affine_grid",
            constants: &[],
            groups: item_groups(items),
            operands: &[theta.buffer, output.buffer],
            params: params("affine_grid", &numbers, &[("size", &size)])?,
            cost: Work::of_words(items * (axes * 4), theta.len() + items),
        })
    }
}
