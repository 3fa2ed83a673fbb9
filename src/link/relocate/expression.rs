//! One expression, with its handles remapped.

use naga::{Expression, GatherMode, Handle};

use crate::error::{Error, Result};
use crate::link::splice::ModuleMap;

type Child<'a> = &'a mut dyn FnMut(Handle<Expression>) -> Result<Handle<Expression>>;

/// The same expression over the merged module's handles; `child` gives the operands'.
///
/// Variables and accesses of storage never come here: [`super::function`] treats them.
pub(in crate::link) fn remap_expression(
    expression: &Expression,
    map: &ModuleMap,
    child: Child<'_>,
) -> Result<Expression> {
    let optional = |child: Child<'_>, operand: Option<Handle<Expression>>| operand.map(child).transpose();
    Ok(match *expression {
        Expression::Literal(literal) => Expression::Literal(literal),
        Expression::Constant(handle) => Expression::Constant(map.constants.get(handle)),
        Expression::Override(_) => return Err(Error::internal("an override is left after specialisation")),
        Expression::ZeroValue(ty) => Expression::ZeroValue(map.types.get(ty)),
        Expression::Compose { ty, ref components } => Expression::Compose {
            ty: map.types.get(ty),
            components: components.iter().map(|&component| child(component)).collect::<Result<_>>()?,
        },
        Expression::Access { base, index } => Expression::Access { base: child(base)?, index: child(index)? },
        Expression::AccessIndex { base, index } => Expression::AccessIndex { base: child(base)?, index },
        Expression::Splat { size, value } => Expression::Splat { size, value: child(value)? },
        Expression::Swizzle { size, vector, pattern } => Expression::Swizzle { size, vector: child(vector)?, pattern },
        Expression::GlobalVariable(handle) => Expression::GlobalVariable(map.globals.get(handle)),
        Expression::Load { pointer } => Expression::Load { pointer: child(pointer)? },
        Expression::Unary { op, expr } => Expression::Unary { op, expr: child(expr)? },
        Expression::Binary { op, left, right } => Expression::Binary { op, left: child(left)?, right: child(right)? },
        Expression::Select { condition, accept, reject } => {
            Expression::Select { condition: child(condition)?, accept: child(accept)?, reject: child(reject)? }
        }
        Expression::Relational { fun, argument } => Expression::Relational { fun, argument: child(argument)? },
        Expression::Math { fun, arg, arg1, arg2, arg3 } => Expression::Math {
            fun,
            arg: child(arg)?,
            arg1: optional(child, arg1)?,
            arg2: optional(child, arg2)?,
            arg3: optional(child, arg3)?,
        },
        Expression::As { expr, kind, convert } => Expression::As { expr: child(expr)?, kind, convert },
        Expression::CallResult(function) => Expression::CallResult(map.functions.get(function)),
        Expression::AtomicResult { ty, comparison } => Expression::AtomicResult { ty: map.types.get(ty), comparison },
        Expression::WorkGroupUniformLoadResult { ty } => {
            Expression::WorkGroupUniformLoadResult { ty: map.types.get(ty) }
        }
        Expression::SubgroupBallotResult => Expression::SubgroupBallotResult,
        Expression::SubgroupOperationResult { ty } => Expression::SubgroupOperationResult { ty: map.types.get(ty) },
        Expression::FunctionArgument(_) | Expression::LocalVariable(_) | Expression::ArrayLength(_) => {
            return Err(Error::internal("an expression of a function outside its function"));
        }
        Expression::ImageSample { .. } | Expression::ImageLoad { .. } | Expression::ImageQuery { .. } => {
            return Err(Error::kernel("textures cannot be relocated onto the heap"));
        }
        Expression::Derivative { .. } => return Err(Error::kernel("derivatives do not exist in compute shaders")),
        Expression::RayQueryVertexPositions { .. }
        | Expression::RayQueryProceedResult
        | Expression::RayQueryGetIntersection { .. } => return Err(Error::kernel("ray queries are not supported")),
        Expression::CooperativeLoad { .. } | Expression::CooperativeMultiplyAdd { .. } => {
            return Err(Error::kernel("cooperative matrices are not supported"));
        }
    })
}

/// The same way of gathering over the merged module's handles.
pub(super) fn remap_gather(mode: GatherMode, child: Child<'_>) -> Result<GatherMode> {
    Ok(match mode {
        GatherMode::BroadcastFirst => GatherMode::BroadcastFirst,
        GatherMode::Broadcast(index) => GatherMode::Broadcast(child(index)?),
        GatherMode::Shuffle(index) => GatherMode::Shuffle(child(index)?),
        GatherMode::ShuffleDown(index) => GatherMode::ShuffleDown(child(index)?),
        GatherMode::ShuffleUp(index) => GatherMode::ShuffleUp(child(index)?),
        GatherMode::ShuffleXor(index) => GatherMode::ShuffleXor(child(index)?),
        GatherMode::QuadBroadcast(index) => GatherMode::QuadBroadcast(child(index)?),
        GatherMode::QuadSwap(direction) => GatherMode::QuadSwap(direction),
    })
}
