//! Stores to [`Place`]s.

use naga::{ArraySize, Expression, Handle, MathFunction, Scalar, ScalarKind, Statement, Type, TypeInner, VectorSize};

use super::access::MAX_LEAVES;
use super::function::Relocator;
use super::place::{Place, Shape, Source, column_stride};
use crate::error::{Error, Result};

type Expr = Handle<Expression>;

impl Relocator<'_, '_> {
    /// Writes a value to a place; nothing happens where the lane's tensor is too short to be there at all.
    pub(super) fn store(&mut self, place: Place, value: Expr) -> Result<()> {
        self.leaves = 0;
        let Some(condition) = self.present(&place)? else { return self.store_shape(&place, value, 0) };
        let outer = self.builder.begin_block();
        let stored = self.store_shape(&place, value, 0);
        let accept = self.builder.end_block(outer);
        self.builder.statement(Statement::If { condition, accept, reject: naga::Block::new() });
        stored
    }

    fn store_shape(&mut self, place: &Place, value: Expr, at: u32) -> Result<()> {
        let types = &self.context.special.module.types;
        match place.shape {
            Shape::Scalar(scalar) => return self.store_leaf(place, None, scalar, value, at),
            Shape::Vector(size, scalar) => return self.store_leaf(place, Some(size), scalar, value, at),
            Shape::Matrix(columns, rows, scalar) => {
                for i in 0..columns as u32 {
                    let column = self.builder.component(value, i);
                    let at = at + i * column_stride(rows, scalar);
                    self.store_leaf(place, Some(rows), scalar, column, at)?;
                }
            }
            Shape::Composite(ty) => {
                let elements: Vec<(Handle<Type>, u32)> = match &types[ty].inner {
                    TypeInner::Array { base, size: ArraySize::Constant(len), stride } if len.get() <= MAX_LEAVES => {
                        (0..len.get()).map(|i| (*base, i * stride)).collect()
                    }
                    TypeInner::Struct { members, span: _ } => members.iter().map(|m| (m.ty, m.offset)).collect(),
                    _ => return Err(self.too_large(place)),
                };
                for (i, (ty, offset)) in elements.into_iter().enumerate() {
                    let element = Place { shape: Shape::of(ty, types), ..*place };
                    let value = self.builder.component(value, i as u32);
                    self.store_shape(&element, value, at + offset)?;
                }
            }
        }
        Ok(())
    }

    fn store_leaf(
        &mut self,
        place: &Place,
        size: Option<VectorSize>,
        scalar: Scalar,
        value: Expr,
        at: u32,
    ) -> Result<()> {
        self.count_leaf(place)?;
        if scalar.width == 2 {
            return self.store_halves(place, size, value, at);
        }
        let bits = self.encode(value, scalar);
        match size {
            None => {
                let [pointer] = self.word_pointers(place, at)?;
                self.builder.statement(Statement::Store { pointer, value: bits });
            }
            Some(VectorSize::Quad) => {
                let (index, _) = self.word(place, at)?;
                let Source::Operand(position) = place.source else {
                    return Err(Error::internal("a store to the parameters"));
                };
                let pointer = self.builder.element_pointer(self.context.memory[position as usize], index);
                self.builder.statement(Statement::Store { pointer, value: bits });
            }
            Some(VectorSize::Tri) => self.store_words::<3>(place, bits, at)?,
            Some(VectorSize::Bi) => self.store_words::<2>(place, bits, at)?,
        }
        Ok(())
    }

    /// The components of a vector, one by one.
    fn store_words<const N: usize>(&mut self, place: &Place, bits: Expr, at: u32) -> Result<()> {
        let pointers: [Expr; N] = self.word_pointers(place, at)?;
        for (i, pointer) in pointers.into_iter().enumerate() {
            let value = self.builder.component(bits, i as u32);
            self.builder.statement(Statement::Store { pointer, value });
        }
        Ok(())
    }

    /// 16-bit floats are stored two at a time: half a word cannot be written without its neighbour.
    fn store_halves(&mut self, place: &Place, size: Option<VectorSize>, value: Expr, at: u32) -> Result<()> {
        let pairs: &[[u32; 2]] = match size {
            Some(VectorSize::Bi) => &[[0, 1]],
            Some(VectorSize::Quad) => &[[0, 1], [2, 3]],
            None | Some(VectorSize::Tri) => {
                let what = "a store of one or three f16 shares a word with its neighbour; store vec2<f16> or vec4<f16>";
                return Err(self.context.refuse_binding(place.source, what));
            }
        };
        let ty = self.merged.insert_type(TypeInner::Vector { size: VectorSize::Bi, scalar: Scalar::F32 });
        for (k, &[a, b]) in pairs.iter().enumerate() {
            let halves = [a, b].map(|i| {
                let half = self.builder.component(value, i);
                self.builder.push(Expression::As { expr: half, kind: ScalarKind::Float, convert: Some(4) })
            });
            let pair = self.builder.compose(ty, halves.to_vec());
            let word = self.builder.math1(MathFunction::Pack2x16float, pair);
            let [pointer] = self.word_pointers(place, at + 4 * k as u32)?;
            self.builder.statement(Statement::Store { pointer, value: word });
        }
        Ok(())
    }
}
