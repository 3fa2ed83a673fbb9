//! Steps into [`Place`]s and loads from them.

use naga::{
    ArraySize, BinaryOperator, Expression, Handle, Literal, MathFunction, Scalar, ScalarKind, SwizzleComponent,
    TypeInner, VectorSize,
};

use super::Taken;
use super::function::Relocator;
use super::place::{Index, Place, Shape, Source};
use crate::error::{Error, Result};
use crate::link::table;

/// Scalars and vectors of one whole load or store: each is code.
pub(super) const MAX_LEAVES: u32 = 256;

type Expr = Handle<Expression>;

/// What a function knows of one of its lane's tensors.
#[derive(Clone, Copy)]
pub(super) struct Operand {
    /// Where it starts, in units of 16 bytes.
    base: Expr,
    /// Where it starts, in words, if its scalars are accessed through the segment's words.
    base_words: Option<Expr>,
    /// Elements of its run-time array; the whole binding's where that is the array.
    len: Option<Expr>,
    /// The last valid index of the run-time array.
    last: Option<Expr>,
    /// Whether the tensor holds at least the fixed part and one element; only asked for when clamping.
    present: Option<Expr>,
}

/// Which component of a `vec4<u32>` a word is.
#[derive(Clone, Copy)]
pub(super) enum Component {
    Constant(u32),
    Dynamic(Expr),
}

impl Relocator<'_, '_> {
    /// The record's entry of a binding.
    pub(super) fn load_operand(&mut self, position: u32) -> Operand {
        let binding = &self.context.kernel.bindings[position as usize];
        let word = table::operand_word(position);
        let record = self.take(Taken::Record(word / 4));
        let base = self.builder.component(record, word % 4);
        self.builder.name(base, format!("{}_base", binding.name));
        let bytes = self.builder.component(record, word % 4 + 1);
        let base_words = self.context.words[position as usize].map(|_| self.builder.mul_const(base, 4));
        let mut operand = Operand { base, base_words, len: None, last: None, present: None };
        if let Some((start, stride)) = self.run_time_array(position) {
            let mut tail = bytes;
            if start > 0 {
                let start = self.builder.u32(start);
                let covered = self.builder.math2(MathFunction::Min, bytes, start);
                tail = self.builder.binary(BinaryOperator::Subtract, bytes, covered);
            }
            let len = self.builder.div_const(tail, stride);
            let one = self.builder.u32(1);
            let at_least_one = self.builder.math2(MathFunction::Max, len, one);
            operand.len = Some(len);
            operand.last = Some(self.builder.binary(BinaryOperator::Subtract, at_least_one, one));
        }
        if self.context.clamp {
            let least = self.builder.u32(self.least_bytes(position));
            operand.present = Some(self.builder.binary(BinaryOperator::GreaterEqual, bytes, least));
        }
        operand
    }

    /// Start and stride of a binding's run-time array.
    fn run_time_array(&self, position: u32) -> Option<(u32, u32)> {
        let module = &self.context.kernel.module;
        let variable = self.context.kernel.bindings[position as usize].variable;
        let mut ty = module.global_variables[variable].ty;
        let mut start = 0;
        if let TypeInner::Struct { members, span: _ } = &module.types[ty].inner {
            let tail = members.last()?;
            (ty, start) = (tail.ty, tail.offset);
        }
        match module.types[ty].inner {
            TypeInner::Array { base: _, size: ArraySize::Dynamic, stride } => Some((start, stride)),
            _ => None,
        }
    }

    /// Bytes that a tensor must have for any access to be possible.
    fn least_bytes(&self, position: u32) -> u32 {
        let binding = &self.context.kernel.bindings[position as usize];
        self.run_time_array(position).map_or(binding.stride, |(start, stride)| start.saturating_add(stride))
    }

    /// The place one step below: an element, a component, a column or a member.
    pub(super) fn step(&mut self, mut place: Place, index: Index) -> Result<Place> {
        let types = &self.context.special.module.types;
        let Some(level) = place.elements(types) else {
            let (Shape::Composite(ty), Index::Constant(index)) = (place.shape, index) else {
                return Err(Error::internal("an index into a scalar"));
            };
            let TypeInner::Struct { members, span: _ } = &types[ty].inner else {
                return Err(Error::internal("a member of something that is no struct"));
            };
            let member = &members[index as usize];
            place.offset.constant = place.offset.constant.saturating_add(member.offset);
            place.shape = Shape::of(member.ty, types);
            return Ok(place);
        };
        place.shape = level.shape;
        match (self.clamped(place.source, index, level.len)?, level.stride) {
            (Index::Constant(index), stride) => match index.checked_mul(stride) {
                Some(bytes) if bytes < u32::MAX / 2 => {
                    place.offset.constant = place.offset.constant.saturating_add(bytes)
                }
                _ => {
                    let index = self.builder.u32(index);
                    place.offset.add(&mut self.builder, index, stride);
                }
            },
            (Index::Dynamic(index), stride) => place.offset.add(&mut self.builder, index, stride),
        }
        Ok(place)
    }

    /// The index, limited to the array's own elements where the kernel is clamped.
    fn clamped(&mut self, source: Source, index: Index, len: Option<u32>) -> Result<Index> {
        if !self.context.clamp {
            return Ok(index);
        }
        let last = match (len, index) {
            (Some(len), Index::Constant(index)) => return Ok(Index::Constant(index.min(len - 1))),
            (Some(len), Index::Dynamic(_)) => self.builder.u32(len - 1),
            (None, _) => {
                let Source::Operand(position) = source else {
                    return Err(Error::internal("a run-time array among the parameters"));
                };
                self.operand(position)?.last.ok_or_else(|| Error::internal("a run-time array without length"))?
            }
        };
        let index = match index {
            // The first element is there, or the binding is not present at all.
            Index::Constant(0) => return Ok(Index::Constant(0)),
            Index::Constant(index) => self.builder.u32(index),
            Index::Dynamic(index) => index,
        };
        Ok(Index::Dynamic(self.builder.math2(MathFunction::Min, index, last)))
    }

    /// `arrayLength` of a binding's run-time array.
    pub(super) fn array_length(&mut self, place: Place) -> Result<Expr> {
        let Source::Operand(position) = place.source else {
            return Err(Error::internal("a run-time array among the parameters"));
        };
        self.operand(position)?.len.ok_or_else(|| Error::internal("a run-time array without length"))
    }

    pub(super) fn operand(&self, position: u32) -> Result<Operand> {
        let known = self.operands.get(position as usize).copied().flatten();
        known.ok_or_else(|| Error::internal("a binding that the function does not name"))
    }

    pub(super) fn present(&self, place: &Place) -> Result<Option<Expr>> {
        match place.source {
            Source::Operand(position) => Ok(self.operand(position)?.present),
            Source::Params => Ok(None),
        }
    }

    /// The value at a place.
    pub(super) fn load(&mut self, place: Place) -> Result<Expr> {
        self.leaves = 0;
        self.load_shape(&place, 0)
    }

    fn load_shape(&mut self, place: &Place, at: u32) -> Result<Expr> {
        let types = &self.context.special.module.types;
        let ty = match place.shape {
            Shape::Scalar(scalar) => return self.load_leaf(place, None, scalar, at),
            Shape::Vector(size, scalar) => return self.load_leaf(place, Some(size), scalar, at),
            Shape::Matrix(columns, rows, scalar) => {
                self.merged.insert_type(TypeInner::Matrix { columns, rows, scalar })
            }
            Shape::Composite(ty) => self.context.map.types.get(ty),
        };
        let mut components = Vec::new();
        if let Some(level) = place.elements(types) {
            let len = level.len.ok_or_else(|| Error::internal("a load of a run-time array"))?;
            if len > MAX_LEAVES {
                return Err(self.too_large(place));
            }
            let element = Place { shape: level.shape, ..*place };
            for i in 0..len {
                components.push(self.load_shape(&element, at + i * level.stride)?);
            }
        } else if let Shape::Composite(old) = place.shape
            && let TypeInner::Struct { members, span: _ } = &types[old].inner
        {
            for member in members {
                let element = Place { shape: Shape::of(member.ty, types), ..*place };
                components.push(self.load_shape(&element, at + member.offset)?);
            }
        }
        Ok(self.builder.compose(ty, components))
    }

    pub(super) fn too_large(&self, place: &Place) -> Error {
        let what = format!("a load or store of more than {MAX_LEAVES} elements at once; copy it in a loop");
        self.context.refuse_binding(place.source, what)
    }

    pub(super) fn count_leaf(&mut self, place: &Place) -> Result<()> {
        self.leaves += 1;
        if self.leaves > MAX_LEAVES { Err(self.too_large(place)) } else { Ok(()) }
    }

    fn load_leaf(&mut self, place: &Place, size: Option<VectorSize>, scalar: Scalar, at: u32) -> Result<Expr> {
        self.count_leaf(place)?;
        let value = match (scalar.width, size) {
            (2, None) => self.load_half(place, at)?,
            (2, Some(size)) => self.load_halves(place, size, at)?,
            (_, None) => {
                let word = self.load_word(place, at)?;
                self.decode(word, scalar)
            }
            (_, Some(size)) => {
                let words = self.load_words(place, size, at)?;
                self.decode(words, scalar)
            }
        };
        let Some(present) = self.present(place)? else { return Ok(value) };
        let ty = match size {
            None => TypeInner::Scalar(scalar),
            Some(size) => TypeInner::Vector { size, scalar },
        };
        let ty = self.merged.insert_type(ty);
        let zero = self.builder.push_unemitted(Expression::ZeroValue(ty));
        Ok(self.builder.push(Expression::Select { condition: present, accept: value, reject: zero }))
    }

    fn decode(&mut self, words: Expr, scalar: Scalar) -> Expr {
        if scalar.kind == ScalarKind::Uint { words } else { self.builder.bitcast(words, scalar.kind) }
    }

    pub(super) fn encode(&mut self, value: Expr, scalar: Scalar) -> Expr {
        if scalar.kind == ScalarKind::Uint { value } else { self.builder.bitcast(value, ScalarKind::Uint) }
    }

    /// Index of the `vec4<u32>` in the place's memory, and the word within it, of the word at `at` bytes past the place.
    pub(super) fn word(&mut self, place: &Place, at: u32) -> Result<(Expr, Component)> {
        let constant = place.offset.constant.saturating_add(at);
        let mut index = match place.source {
            Source::Operand(position) => self.operand(position)?.base,
            Source::Params => {
                let lane = self.take(Taken::Lane);
                self.builder.add_const(lane, self.context.params_word() / 4)
            }
        };
        if let Some(vec4s) = place.offset.vec4s {
            index = self.builder.binary(BinaryOperator::Add, index, vec4s);
        }
        index = self.builder.add_const(index, constant / 16);
        let mut words = place.offset.words;
        if let Some(halves) = place.offset.halves {
            let halves = self.builder.add_const(halves, constant % 4 / 2);
            let whole = self.builder.div_const(halves, 2);
            words = Some(match words {
                Some(words) => self.builder.binary(BinaryOperator::Add, words, whole),
                None => whole,
            });
        }
        let Some(words) = words else { return Ok((index, Component::Constant(constant % 16 / 4))) };
        let words = self.builder.add_const(words, constant % 16 / 4);
        let whole = self.builder.div_const(words, 4);
        let index = self.builder.binary(BinaryOperator::Add, index, whole);
        Ok((index, Component::Dynamic(self.builder.rem_const(words, 4))))
    }

    /// Pointers to `N` words, of which the first is at `at` bytes past the place.
    pub(super) fn word_pointers<const N: usize>(&mut self, place: &Place, at: u32) -> Result<[Expr; N]> {
        if let Source::Operand(position) = place.source
            && let (Some(words), Some(base)) =
                (self.context.words[position as usize], self.operand(position)?.base_words)
        {
            let index = self.word_index(place, base, at);
            return Ok(std::array::from_fn(|plus| {
                let index = self.builder.add_const(index, plus as u32);
                self.builder.element_pointer(words, index)
            }));
        }
        let (index, component) = self.word(place, at)?;
        Ok(std::array::from_fn(|plus| self.component_pointer(place, index, component, plus as u32)))
    }

    /// Index in the segment's words of the one at `at` bytes past the place.
    fn word_index(&mut self, place: &Place, base: Expr, at: u32) -> Expr {
        let constant = place.offset.constant.saturating_add(at);
        let mut index = base;
        if let Some(vec4s) = place.offset.vec4s {
            let words = self.builder.mul_const(vec4s, 4);
            index = self.builder.binary(BinaryOperator::Add, index, words);
        }
        if let Some(words) = place.offset.words {
            index = self.builder.binary(BinaryOperator::Add, index, words);
        }
        if let Some(halves) = place.offset.halves {
            let halves = self.builder.add_const(halves, constant % 4 / 2);
            let words = self.builder.div_const(halves, 2);
            index = self.builder.binary(BinaryOperator::Add, index, words);
        }
        self.builder.add_const(index, constant / 4)
    }

    fn component_pointer(&mut self, place: &Place, index: Expr, component: Component, plus: u32) -> Expr {
        let memory = match place.source {
            Source::Operand(position) => self.context.memory[position as usize],
            Source::Params => self.merged.table,
        };
        let base = self.builder.element_pointer(memory, index);
        match component {
            Component::Constant(component) => self.builder.component(base, component + plus),
            Component::Dynamic(component) => {
                let index = self.builder.add_const(component, plus);
                self.builder.push(Expression::Access { base, index })
            }
        }
    }

    /// Parameters at a constant offset are handed to the function.
    fn known_params(&mut self, place: &Place, at: u32) -> Option<(Expr, u32)> {
        if place.source != Source::Params || !place.offset.is_constant() {
            return None;
        }
        let constant = place.offset.constant.saturating_add(at);
        let size = self.context.kernel.params.as_ref().map_or(0, |params| params.size);
        let record = Taken::Record(self.context.params_word() / 4 + constant / 16);
        (constant < size).then(|| (self.take(record), constant % 16 / 4))
    }

    fn load_word(&mut self, place: &Place, at: u32) -> Result<Expr> {
        if let Some((vec4, component)) = self.known_params(place, at) {
            return Ok(self.builder.component(vec4, component));
        }
        let [pointer] = self.word_pointers(place, at)?;
        Ok(self.builder.push(Expression::Load { pointer }))
    }

    /// A vector of 32-bit words.
    fn load_words(&mut self, place: &Place, size: VectorSize, at: u32) -> Result<Expr> {
        if size == VectorSize::Bi {
            let ty = self.merged.insert_type(TypeInner::Vector { size, scalar: Scalar::U32 });
            let components = match self.known_params(place, at) {
                Some((vec4, c)) => [self.builder.component(vec4, c), self.builder.component(vec4, c + 1)],
                None => {
                    let pointers: [Expr; 2] = self.word_pointers(place, at)?;
                    pointers.map(|pointer| self.builder.push(Expression::Load { pointer }))
                }
            };
            return Ok(self.builder.compose(ty, components.to_vec()));
        }
        let vec4 = match self.known_params(place, at) {
            Some((vec4, _)) => vec4,
            None => {
                let (index, _) = self.word(place, at)?;
                let memory = match place.source {
                    Source::Operand(position) => self.context.memory[position as usize],
                    Source::Params => self.merged.table,
                };
                self.builder.load_vec4(memory, index)
            }
        };
        if size == VectorSize::Quad {
            return Ok(vec4);
        }
        use SwizzleComponent::{W, X, Y, Z};
        Ok(self.builder.push(Expression::Swizzle { size, vector: vec4, pattern: [X, Y, Z, W] }))
    }

    /// Two 16-bit floats of one word, as `vec2<f16>`.
    fn unpack(&mut self, word: Expr) -> Expr {
        let pair = self.builder.math1(MathFunction::Unpack2x16float, word);
        self.builder.push(Expression::As { expr: pair, kind: ScalarKind::Float, convert: Some(2) })
    }

    fn load_half(&mut self, place: &Place, at: u32) -> Result<Expr> {
        let odd = (place.offset.constant + at) % 4 / 2;
        let mut word = self.load_word(place, at)?;
        let Some(halves) = place.offset.halves else {
            let pair = self.unpack(word);
            return Ok(self.builder.component(pair, odd));
        };
        let halves = self.builder.add_const(halves, odd);
        let odd = self.builder.rem_const(halves, 2);
        let bits = self.builder.mul_const(odd, 16);
        word = self.builder.binary(BinaryOperator::ShiftRight, word, bits);
        let pair = self.unpack(word);
        Ok(self.builder.component(pair, 0))
    }

    fn load_halves(&mut self, place: &Place, size: VectorSize, at: u32) -> Result<Expr> {
        let first = self.load_word(place, at)?;
        let first = self.unpack(first);
        if size == VectorSize::Bi {
            return Ok(first);
        }
        let second = self.load_word(place, at + 4)?;
        let mut second = self.unpack(second);
        if size == VectorSize::Tri {
            second = self.builder.component(second, 0);
        }
        let ty = self.merged.insert_type(TypeInner::Vector { size, scalar: Scalar::F16 });
        Ok(self.builder.compose(ty, vec![first, second]))
    }

    /// The value of a constant index.
    pub(super) fn constant_index(&self, index: Expr) -> Option<u32> {
        match self.builder.function.expressions[index] {
            Expression::Literal(Literal::U32(value)) => Some(value),
            Expression::Literal(Literal::I32(value)) => u32::try_from(value).ok(),
            _ => None,
        }
    }
}
