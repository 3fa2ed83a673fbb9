//! Rotary position embedding, as the body of RotaryEmbedding and the rewrite of its decomposed form give it.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, View, Work, collapse, params, words};
use crate::size::{Size, presumed};
use crate::tensor::DType;

use super::broadcast::broadcasts_to;
use super::{Entry, Operator, check_arity, given, one_float, operator};

pub(super) const OPERATORS: &[Entry] = &[("fascine", "Rotary", |node| operator(Rotary::parse(node)))];

/// Most dimensions of rows, after merging, that the kernel takes; what has more is copied.
const ROW_DIMS: usize = 4;

/// Inputs: x `[.., size]`, cos and sin, which broadcast to x but for the last dimension: a number for each pair, or for each element
/// that is turned. Attributes: `turned`, the elements that are turned (0 for all), and `interleaved`, whether pairs are neighbours
/// and not elements of one half and the other. The shape stays.
#[derive(Debug)]
struct Rotary {
    turned: usize,
    interleaved: bool,
}

impl Rotary {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 3..=3, 1..=1)?;
        let turned = node.int("turned", 0)?;
        let turned = usize::try_from(turned).ok().filter(|turned| turned % 2 == 0);
        let turned = turned.ok_or_else(|| Error::invalid_model("an odd or negative number of elements is turned"))?;
        Ok(Rotary { turned, interleaved: node.int("interleaved", 0)? != 0 })
    }

    /// How many elements of a row are turned, and how many numbers of a row the tables have.
    fn turned(&self, x: &[Size], cos: &[Size], sin: &[Size]) -> Result<[Size; 2]> {
        let wrong = || Error::shape(format!("tables {cos:?} and {sin:?} do not fit rotary embedding of {x:?}"));
        let (Some((&size, rows)), Some(&columns), Some(&others)) = (x.split_last(), cos.last(), sin.last()) else {
            return Err(wrong());
        };
        let turned = if self.turned == 0 { size } else { Size::from(self.turned) };
        let fits = |table: &[Size]| table.len() <= x.len() && broadcasts_to(&table[..table.len() - 1], rows);
        let right = presumed(|| turned <= size && turned.is_multiple_of(2))
            && presumed(|| columns == turned || columns * 2 == turned)
            && presumed(|| columns == others);
        if right && fits(cos) && fits(sin) { Ok([turned, columns]) } else { Err(wrong()) }
    }
}

impl Operator for Rotary {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let [x, cos, sin] = [0, 1, 2].map(|i| given(inputs, i).map(|fact| &fact.shape));
        let x = x?;
        self.turned(x, cos?, sin?)?;
        Ok(vec![x.clone()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        if cx.output_fact(0).is_empty() {
            cx.output(0);
            return Ok(());
        }
        let (mut x, cos, sin) = (cx.view(0)?, cx.view(1)?, cx.view(2)?);
        let shape = x.shape.clone();
        let [turned, columns] = self.turned(&shape, &cos.shape, &sin.shape)?;
        let pairs = turned / 2;
        let (&size, rows) = shape.split_last().ok_or_else(|| Error::internal("a row without elements"))?;
        let table = |view: &View| view.broadcast(&[rows, &[columns]].concat());
        let (mut cos, mut sin) = (table(&cos)?, table(&sin)?);
        let merged = |views: [&View; 3]| collapse(rows, &views.map(|view| &view.strides[..rows.len()]));
        let (mut sizes, mut strides) = merged([&x, &cos, &sin]);
        if sizes.len() > ROW_DIMS {
            (x, cos, sin) = (cx.materialise(&x)?, cx.materialise(&cos)?, cx.materialise(&sin)?);
            (sizes, strides) = merged([&x, &cos, &sin]);
        }
        let output = cx.output(0);
        let work = size - pairs;
        let len = rows.iter().product::<Size>() * work;
        let [x_rows, cos_rows, sin_rows] = [0, 1, 2].map(|i| words::<4>(&strides[i], 0));
        let last = |view: &View| view.strides[rows.len()];
        let numbers = [
            ("len", len),
            ("pairs", pairs),
            ("work", work),
            ("size", size),
            ("interleaved", Size::from(u8::from(self.interleaved))),
            ("whole", Size::from(u8::from(columns == turned))),
            ("zero", Size::ZERO),
            ("x_offset", x.offset),
            ("cos_offset", cos.offset),
            ("sin_offset", sin.offset),
            ("x_last", last(&x)),
            ("cos_last", last(&cos)),
            ("sin_last", last(&sin)),
        ];
        let lists: [(&str, &[Size]); 4] = [
            ("rows", &words::<4>(&sizes, 1)?),
            ("x_rows", &x_rows?),
            ("cos_rows", &cos_rows?),
            ("sin_rows", &sin_rows?),
        ];
        cx.emit(Emit {
            kernel: "rotary",
            constants: &[],
            groups: item_groups(len),
            operands: &[x.buffer, cos.buffer, sin.buffer, output.buffer],
            params: params("rotary", &numbers, &lists)?,
            cost: Work::of_words(len * 6, output.len() * 2 + cos.len().min(output.len()) * 2),
        })
    }
}
