//! One function, rebuilt statement by statement.

use std::collections::HashMap;

use naga::valid::FunctionInfo;
use naga::{
    AtomicFunction, Block, Expression, Function, FunctionArgument, FunctionResult, Handle, LocalVariable, ScalarKind,
    Span, Statement, SwitchCase, TypeInner,
};

use super::access::Operand;
use super::builder::Builder;
use super::expression::{remap_expression, remap_gather};
use super::place::{Index, Offset, Place, Shape, Source};
use super::{Context, Taken};
use crate::error::{Error, Result};
use crate::link::specialise::Role;
use crate::link::splice::{HandleMap, Merged};

type Expr = Handle<Expression>;

/// What an expression of the kernel has become.
#[derive(Clone, Copy)]
enum Value {
    Unset,
    Expression(Expr),
    Place(Place),
}

pub(super) struct Relocator<'m, 'c> {
    pub(super) merged: &'m mut Merged,
    pub(super) context: &'c Context<'c>,
    old: &'c Function,
    info: &'c FunctionInfo,
    pub(super) builder: Builder,
    values: Vec<Value>,
    /// The kernel's arguments.
    pub(super) arguments: Vec<Expr>,
    locals: HandleMap<LocalVariable>,
    /// What it takes beside its own arguments, in the order in which it came to need it.
    taken: Vec<(Taken, Expr)>,
    pub(super) operands: Vec<Option<Operand>>,
    /// Components of vectors and structs put together here, so that taking one apart costs nothing.
    composed: HashMap<Expr, Vec<Expr>>,
    /// Scalars and vectors of the load or store in progress.
    pub(super) leaves: u32,
}

/// A function that is no entry point, and what it takes after its own arguments.
pub(super) fn relocate_helper(
    merged: &mut Merged,
    context: &Context<'_>,
    handle: Handle<Function>,
    old: &Function,
) -> Result<(Function, Vec<Taken>)> {
    let info = &context.special.info[handle];
    let mut relocator = Relocator::new(merged, context, old, info);
    for argument in &old.arguments {
        let FunctionArgument { name, ty, binding: _ } = argument;
        let ty = context.map.types.get(*ty);
        let argument = relocator.add_argument(name.clone(), ty);
        relocator.arguments.push(argument);
    }
    relocator.builder.function.result = old.result.as_ref().map(|result| {
        let FunctionResult { ty, binding: _ } = result;
        FunctionResult { ty: context.map.types.get(*ty), binding: None }
    });
    relocator.run()
}

impl<'m, 'c> Relocator<'m, 'c> {
    pub(super) fn new(
        merged: &'m mut Merged,
        context: &'c Context<'c>,
        old: &'c Function,
        info: &'c FunctionInfo,
    ) -> Self {
        Relocator {
            merged,
            context,
            old,
            info,
            builder: Builder::default(),
            values: vec![Value::Unset; old.expressions.len()],
            arguments: Vec::new(),
            locals: HandleMap::new(old.local_variables.len()),
            taken: Vec::new(),
            operands: vec![None; context.kernel.bindings.len()],
            composed: HashMap::new(),
            leaves: 0,
        }
    }

    pub(super) fn add_argument(&mut self, name: Option<String>, ty: Handle<naga::Type>) -> Expr {
        let index = self.builder.function.arguments.len() as u32;
        self.builder.function.arguments.push(FunctionArgument { name, ty, binding: None });
        self.builder.push(Expression::FunctionArgument(index))
    }

    /// Has the caller hand it on; the kernel's own arguments are there.
    pub(super) fn take(&mut self, what: Taken) -> Expr {
        if let Some((_, known)) = self.taken.iter().find(|(taken, _)| *taken == what) {
            return *known;
        }
        let (name, ty) = match what {
            Taken::Lane => ("lane".to_owned(), self.merged.u32_type()),
            Taken::Record(index) => (format!("record_{index}"), self.merged.vec4_type),
        };
        let argument = self.add_argument(Some(name), ty);
        self.taken.push((what, argument));
        argument
    }

    pub(super) fn compose_known(&mut self, ty: Handle<naga::Type>, components: Vec<Expr>) -> Expr {
        let composed = self.builder.compose(ty, components.clone());
        self.composed.insert(composed, components);
        composed
    }

    /// Relocates the body; the arguments are there.
    pub(super) fn run(mut self) -> Result<(Function, Vec<Taken>)> {
        let Function {
            name: _,
            arguments: _,
            result: _,
            local_variables,
            expressions: _,
            named_expressions: _,
            body,
            diagnostic_filter_leaf: _,
        } = self.old;
        for (old, variable) in local_variables.iter() {
            let LocalVariable { name, ty, init } = variable;
            let init = match init {
                Some(init) => Some(self.take_initial(*init)?),
                None => None,
            };
            let variable = LocalVariable { name: name.clone(), ty: self.context.map.types.get(*ty), init };
            self.locals.insert(old, self.builder.function.local_variables.append(variable, Span::UNDEFINED));
        }
        self.prologue()?;
        self.statements(body)?;
        Ok((self.builder.finish(), self.taken.into_iter().map(|(taken, _)| taken).collect()))
    }

    /// A local variable's initialiser: a constant expression, which needs no `Emit`.
    fn take_initial(&mut self, old: Expr) -> Result<Expr> {
        if let Value::Expression(known) = self.values[old.index()] {
            return Ok(known);
        }
        let context = self.context;
        let function = self.old;
        let expression = &function.expressions[old];
        let new = remap_expression(expression, &context.map, &mut |child| self.take_initial(child))?;
        let new = self.builder.push_unemitted(new);
        self.values[old.index()] = Value::Expression(new);
        Ok(new)
    }

    /// Everything that is there from the start, and what the table says of the bindings that the function names.
    fn prologue(&mut self) -> Result<()> {
        let old = self.old;
        for (handle, expression) in old.expressions.iter() {
            let value = match *expression {
                Expression::Literal(_) | Expression::Constant(_) | Expression::ZeroValue(_) => {
                    self.take_initial(handle)?;
                    continue;
                }
                Expression::FunctionArgument(index) => Value::Expression(self.arguments[index as usize]),
                Expression::LocalVariable(local) => {
                    Value::Expression(self.builder.push(Expression::LocalVariable(self.locals.get(local))))
                }
                Expression::GlobalVariable(variable) => match self.context.role(variable) {
                    None => {
                        let variable = self.context.map.globals.get(variable);
                        Value::Expression(self.builder.push(Expression::GlobalVariable(variable)))
                    }
                    Some(role) => {
                        let ty = self.context.special.module.global_variables[variable].ty;
                        let shape = Shape::of(ty, &self.context.special.module.types);
                        let source = self.source(role);
                        Value::Place(Place { source, shape, offset: Offset::default() })
                    }
                },
                _ => continue,
            };
            self.set(handle, value);
        }
        Ok(())
    }

    fn source(&mut self, role: Role) -> Source {
        let Role::Operand(position) = role else { return Source::Params };
        if self.operands[position as usize].is_none() {
            self.operands[position as usize] = Some(self.load_operand(position));
        }
        Source::Operand(position)
    }

    fn set(&mut self, old: Expr, value: Value) {
        self.values[old.index()] = value;
        if let (Value::Expression(new), Some(name)) = (value, self.old.named_expressions.get(&old))
            && !self.composed.contains_key(&new)
        {
            self.builder.name(new, name.clone());
        }
    }

    /// What an operand has become; a pointer into storage cannot be a value.
    fn value(&self, old: Expr) -> Result<Expr> {
        match self.values[old.index()] {
            Value::Expression(new) => Ok(new),
            Value::Place(place) => {
                Err(self.context.refuse_binding(place.source, "a pointer into it is passed on as a value"))
            }
            Value::Unset => Err(Error::internal("an expression is used before it is evaluated")),
        }
    }

    fn place(&self, old: Expr) -> Option<Place> {
        match self.values[old.index()] {
            Value::Place(place) => Some(place),
            Value::Unset | Value::Expression(_) => None,
        }
    }

    /// An expression that an `Emit` evaluates.
    fn evaluate(&mut self, handle: Expr) -> Result<()> {
        let context = self.context;
        let old = self.old;
        let expression = &old.expressions[handle];
        let value = match *expression {
            Expression::Access { base, index } if self.place(base).is_some() => {
                let place = self.place(base).expect("just matched");
                let new = self.value(index)?;
                let index = match self.constant_index(new) {
                    Some(constant) => Index::Constant(constant),
                    None => Index::Dynamic(self.unsigned(index, new)),
                };
                Value::Place(self.step(place, index)?)
            }
            Expression::AccessIndex { base, index } => match self.place(base) {
                Some(place) => Value::Place(self.step(place, Index::Constant(index))?),
                None => {
                    let base = self.value(base)?;
                    let known = self.composed.get(&base).and_then(|components| components.get(index as usize));
                    Value::Expression(match known {
                        Some(component) => *component,
                        None => self.builder.component(base, index),
                    })
                }
            },
            Expression::Load { pointer } if self.place(pointer).is_some() => {
                let place = self.place(pointer).expect("just matched");
                Value::Expression(self.load(place)?)
            }
            Expression::ArrayLength(array) => {
                let place = self.place(array).ok_or_else(|| Error::internal("the length of no binding"))?;
                Value::Expression(self.array_length(place)?)
            }
            _ => {
                let new = remap_expression(expression, &context.map, &mut |child| self.value(child));
                Value::Expression(self.builder.push(new.map_err(|error| context.refuse(error.message()))?))
            }
        };
        self.set(handle, value);
        Ok(())
    }

    /// An index as `u32`; a negative one becomes a large one.
    fn unsigned(&mut self, old: Expr, new: Expr) -> Expr {
        let inner = self.info[old].ty.inner_with(&self.context.special.module.types);
        if matches!(inner, TypeInner::Scalar(scalar) if scalar.kind == ScalarKind::Uint) {
            return new;
        }
        self.builder.push(Expression::As { expr: new, kind: ScalarKind::Uint, convert: Some(4) })
    }

    /// The expression that holds a statement's result.
    fn result(&mut self, old: Expr) -> Result<Expr> {
        let new = remap_expression(&self.old.expressions[old], &self.context.map, &mut |child| self.value(child))?;
        let new = self.builder.push_unemitted(new);
        self.set(old, Value::Expression(new));
        Ok(new)
    }

    fn block(&mut self, block: &Block) -> Result<Block> {
        let outer = self.builder.begin_block();
        let result = self.statements(block);
        let inner = self.builder.end_block(outer);
        result.map(|()| inner)
    }

    fn statements(&mut self, block: &Block) -> Result<()> {
        block.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Statement) -> Result<()> {
        let new = match *statement {
            Statement::Emit(ref range) => {
                return range.clone().try_for_each(|expression| self.evaluate(expression));
            }
            Statement::Block(ref block) => Statement::Block(self.block(block)?),
            Statement::If { condition, ref accept, ref reject } => {
                let condition = self.value(condition)?;
                Statement::If { condition, accept: self.block(accept)?, reject: self.block(reject)? }
            }
            Statement::Switch { selector, ref cases } => {
                let selector = self.value(selector)?;
                let cases = cases.iter().map(|case| {
                    let SwitchCase { value, body, fall_through } = case;
                    Ok(SwitchCase { value: *value, body: self.block(body)?, fall_through: *fall_through })
                });
                Statement::Switch { selector, cases: cases.collect::<Result<_>>()? }
            }
            Statement::Loop { ref body, ref continuing, break_if } => {
                let body = self.block(body)?;
                let continuing = self.block(continuing)?;
                Statement::Loop { body, continuing, break_if: break_if.map(|e| self.value(e)).transpose()? }
            }
            Statement::Break => Statement::Break,
            Statement::Continue => Statement::Continue,
            Statement::Return { value } => Statement::Return { value: value.map(|e| self.value(e)).transpose()? },
            Statement::ControlBarrier(barrier) => Statement::ControlBarrier(barrier),
            Statement::MemoryBarrier(barrier) => Statement::MemoryBarrier(barrier),
            Statement::Store { pointer, value } => {
                let value = self.value(value)?;
                if let Some(place) = self.place(pointer) {
                    return self.store(place, value);
                }
                Statement::Store { pointer: self.value(pointer)?, value }
            }
            Statement::Atomic { pointer, fun, value, result } => {
                let pointer = self.value(pointer)?;
                let fun = self.atomic(fun)?;
                let value = self.value(value)?;
                Statement::Atomic { pointer, fun, value, result: result.map(|e| self.result(e)).transpose()? }
            }
            Statement::WorkGroupUniformLoad { pointer, result } => {
                Statement::WorkGroupUniformLoad { pointer: self.value(pointer)?, result: self.result(result)? }
            }
            Statement::Call { function, ref arguments, result } => {
                let mut new = arguments.iter().map(|&argument| self.value(argument)).collect::<Result<Vec<_>>>()?;
                new.extend(self.context.taken[function.index()].iter().map(|&what| self.take(what)));
                let function = self.context.map.functions.get(function);
                Statement::Call { function, arguments: new, result: result.map(|e| self.result(e)).transpose()? }
            }
            Statement::SubgroupBallot { result, predicate } => {
                let predicate = predicate.map(|e| self.value(e)).transpose()?;
                Statement::SubgroupBallot { result: self.result(result)?, predicate }
            }
            Statement::SubgroupGather { mode, argument, result } => {
                let mode = remap_gather(mode, &mut |child| self.value(child))?;
                let argument = self.value(argument)?;
                Statement::SubgroupGather { mode, argument, result: self.result(result)? }
            }
            Statement::SubgroupCollectiveOperation { op, collective_op, argument, result } => {
                let argument = self.value(argument)?;
                let result = self.result(result)?;
                Statement::SubgroupCollectiveOperation { op, collective_op, argument, result }
            }
            Statement::Kill
            | Statement::ImageStore { .. }
            | Statement::ImageAtomic { .. }
            | Statement::RayQuery { .. }
            | Statement::RayPipelineFunction(_)
            | Statement::CooperativeStore { .. } => {
                return Err(self.context.refuse("a statement that compute kernels on the heap cannot have"));
            }
        };
        self.builder.statement(new);
        Ok(())
    }

    fn atomic(&self, fun: AtomicFunction) -> Result<AtomicFunction> {
        Ok(match fun {
            AtomicFunction::Exchange { compare: Some(compare) } => {
                AtomicFunction::Exchange { compare: Some(self.value(compare)?) }
            }
            AtomicFunction::Exchange { compare: None }
            | AtomicFunction::Add
            | AtomicFunction::Subtract
            | AtomicFunction::And
            | AtomicFunction::ExclusiveOr
            | AtomicFunction::InclusiveOr
            | AtomicFunction::Min
            | AtomicFunction::Max => fun,
        })
    }
}
