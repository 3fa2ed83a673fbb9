//! Places in storage: which binding, what shape, and at what offset from the lane's base.
//!
//! A pointer into storage cannot exist on the heap, where everything is `vec4<u32>`. So each pointer expression of a kernel
//! becomes a [`Place`] (an expression that names memory, as in Rust; WGSL says reference), which generates code when it is loaded from or stored to. Offsets are kept apart by granularity, so
//! that an access of a whole `vec4` costs one addition: the element's index is the offset.

use naga::{ArraySize, BinaryOperator, Expression, Handle, Scalar, Type, TypeInner, VectorSize};

use super::builder::Builder;

/// Which memory a place is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The storage binding at this position among `Kernel::bindings`.
    Operand(u32),
    /// The parameter struct.
    Params,
}

/// What is at a place, in terms of the kernel's types.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Scalar(Scalar),
    Vector(VectorSize, Scalar),
    Matrix(VectorSize, VectorSize, Scalar),
    /// An array or a struct.
    Composite(Handle<Type>),
}

impl Shape {
    pub(super) fn of(ty: Handle<Type>, types: &naga::UniqueArena<Type>) -> Shape {
        match types[ty].inner {
            TypeInner::Scalar(scalar) => Shape::Scalar(scalar),
            TypeInner::Vector { size, scalar } => Shape::Vector(size, scalar),
            TypeInner::Matrix { columns, rows, scalar } => Shape::Matrix(columns, rows, scalar),
            _ => Shape::Composite(ty),
        }
    }
}

/// Bytes between the columns of a matrix in memory.
pub(super) fn column_stride(rows: VectorSize, scalar: Scalar) -> u32 {
    let rows = if rows == VectorSize::Tri { 4 } else { rows as u32 };
    rows * u32::from(scalar.width)
}

/// Whether values of the type are accessed word by word, never as a whole `vec4<u32>`.
pub(super) fn is_words(ty: Handle<Type>, types: &naga::UniqueArena<Type>) -> bool {
    let vector = |size, scalar: Scalar| size == VectorSize::Bi || scalar.width == 2;
    match &types[ty].inner {
        TypeInner::Scalar(_) => true,
        TypeInner::Vector { size, scalar } => vector(*size, *scalar),
        TypeInner::Matrix { columns: _, rows, scalar } => vector(*rows, *scalar),
        TypeInner::Array { base, size: _, stride: _ } => is_words(*base, types),
        TypeInner::Struct { members, span: _ } => members.iter().all(|member| is_words(member.ty, types)),
        _ => false,
    }
}

/// A distance from the lane's base: the sum of its parts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offset {
    /// Bytes.
    pub(super) constant: u32,
    /// Units of 16 bytes.
    pub(super) vec4s: Option<Handle<Expression>>,
    /// Units of 4 bytes.
    pub(super) words: Option<Handle<Expression>>,
    /// Units of 2 bytes.
    pub(super) halves: Option<Handle<Expression>>,
}

impl Offset {
    /// Adds `index * stride`. Strides of storage types are even.
    pub(super) fn add(&mut self, builder: &mut Builder, index: Handle<Expression>, stride: u32) {
        let (part, unit) = if stride.is_multiple_of(16) {
            (&mut self.vec4s, 16)
        } else if stride.is_multiple_of(4) {
            (&mut self.words, 4)
        } else {
            (&mut self.halves, 2)
        };
        let term = builder.mul_const(index, stride / unit);
        *part = Some(match *part {
            Some(part) => builder.binary(BinaryOperator::Add, part, term),
            None => term,
        });
    }

    /// Whether it is known when linking.
    pub(super) fn is_constant(&self) -> bool {
        self.vec4s.is_none() && self.words.is_none() && self.halves.is_none()
    }
}

/// What a pointer into storage points to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) source: Source,
    pub(super) shape: Shape,
    pub(super) offset: Offset,
}

/// The index of a step into an array, vector or matrix.
#[derive(Clone, Copy, Debug)]
pub(super) enum Index {
    Constant(u32),
    /// A `u32` expression.
    Dynamic(Handle<Expression>),
}

/// One level below a place.
pub(super) struct Level {
    /// Shape of the elements.
    pub(super) shape: Shape,
    /// Bytes from one to the next.
    pub(super) stride: u32,
    /// Their number, unless it is known at run time only.
    pub(super) len: Option<u32>,
}

impl Place {
    /// The elements of an array, vector or matrix; `None` for scalars and structs.
    pub(super) fn elements(&self, types: &naga::UniqueArena<Type>) -> Option<Level> {
        Some(match self.shape {
            Shape::Scalar(_) => return None,
            Shape::Vector(size, scalar) => {
                Level { shape: Shape::Scalar(scalar), stride: u32::from(scalar.width), len: Some(size as u32) }
            }
            Shape::Matrix(columns, rows, scalar) => Level {
                shape: Shape::Vector(rows, scalar),
                stride: column_stride(rows, scalar),
                len: Some(columns as u32),
            },
            Shape::Composite(ty) => match types[ty].inner {
                TypeInner::Array { base, size, stride } => {
                    let len = match size {
                        ArraySize::Constant(len) => Some(len.get()),
                        ArraySize::Dynamic | ArraySize::Pending(_) => None,
                    };
                    Level { shape: Shape::of(base, types), stride, len }
                }
                _ => return None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_go_to_the_coarsest_unit_that_holds_them() {
        let mut builder = Builder::default();
        let index = builder.push(Expression::FunctionArgument(0));
        let mut parts = |stride| {
            let mut offset = Offset::default();
            offset.add(&mut builder, index, stride);
            (offset.vec4s.is_some(), offset.words.is_some(), offset.halves.is_some(), offset.vec4s == Some(index))
        };
        assert_eq!(parts(16), (true, false, false, true));
        assert_eq!(parts(48), (true, false, false, false));
        assert_eq!(parts(20), (false, true, false, false));
        assert_eq!(parts(6), (false, false, true, false));
    }

    #[test]
    fn columns_of_three_take_the_room_of_four() {
        assert_eq!(column_stride(VectorSize::Tri, Scalar::F32), 16);
        assert_eq!(column_stride(VectorSize::Bi, Scalar::F32), 8);
        assert_eq!(column_stride(VectorSize::Quad, Scalar::F16), 8);
    }
}
