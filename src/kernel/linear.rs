//! Whether a kernel sees its dispatch as a line of workgroups.

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{Binding, BuiltIn, Expression, Function, FunctionArgument, Module, TypeInner};

/// Whether the only entry point reads no more than x of the workgroup's id, of the invocation's and of the number of
/// workgroups.
pub(super) fn is_linear(module: &Module, info: &ModuleInfo) -> bool {
    let function = &module.entry_points[0].function;
    let info = info.get_entry_point(0);
    function.arguments.iter().zip(0..).all(|(argument, index)| match ids(argument, module) {
        Ids::None => true,
        Ids::Whole => only_x(function, info, index),
        Ids::Member => false,
    })
}

/// How an argument holds one of the three builtins.
enum Ids {
    None,
    Whole,
    Member,
}

fn ids(argument: &FunctionArgument, module: &Module) -> Ids {
    if is_id(argument.binding.as_ref()) {
        return Ids::Whole;
    }
    match &module.types[argument.ty].inner {
        TypeInner::Struct { members, span: _ } if members.iter().any(|member| is_id(member.binding.as_ref())) => {
            Ids::Member
        }
        _ => Ids::None,
    }
}

fn is_id(binding: Option<&Binding>) -> bool {
    let ids = [BuiltIn::WorkGroupId, BuiltIn::GlobalInvocationId, BuiltIn::NumWorkGroups];
    matches!(binding, Some(Binding::BuiltIn(builtin)) if ids.contains(builtin))
}

/// Whether all that names the argument, by the validator's count, are accesses of its x.
fn only_x(function: &Function, info: &FunctionInfo, index: u32) -> bool {
    let is_argument = |e: &Expression| matches!(e, Expression::FunctionArgument(i) if *i == index);
    function.expressions.iter().filter(|(_, expression)| is_argument(expression)).all(|(argument, _)| {
        let takes_x = |e: &Expression| matches!(e, Expression::AccessIndex { base, index: 0 } if *base == argument);
        let accesses = function.expressions.iter().filter(|(_, expression)| takes_x(expression)).count();
        accesses == info[argument].ref_count
    })
}

#[cfg(test)]
mod tests {
    use crate::kernel::{Kernel, Trust};

    #[test]
    fn only_kernels_that_read_x_alone_are_linear() {
        let cases = [
            ("@builtin(workgroup_id) g: vec3<u32>", "g.x", true),
            ("@builtin(workgroup_id) g: vec3<u32>", "0u", true),
            ("@builtin(local_invocation_id) l: vec3<u32>", "l.y", true),
            ("@builtin(workgroup_id) g: vec3<u32>", "g.x + g.x * g.x", true),
            ("@builtin(workgroup_id) g: vec3<u32>", "g.x + g.y", false),
            ("@builtin(workgroup_id) g: vec3<u32>", "g[out[0]]", false),
            ("@builtin(workgroup_id) g: vec3<u32>", "sum(g)", false),
            ("@builtin(workgroup_id) g: vec3<u32>", "(g * 2u).x", false),
            ("@builtin(global_invocation_id) i: vec3<u32>", "i.x", true),
            ("@builtin(global_invocation_id) i: vec3<u32>", "i.xy.x", false),
            ("@builtin(num_workgroups) n: vec3<u32>", "n.x", true),
            ("@builtin(num_workgroups) n: vec3<u32>, @builtin(workgroup_id) g: vec3<u32>", "g.x + n.z", false),
            ("ids: Ids", "ids.group.x", false),
        ];
        let mut wrong = Vec::new();
        for (arguments, value, linear) in cases {
            let text = format!(
                "struct Ids {{ @builtin(workgroup_id) group: vec3<u32> }}
                @group(0) @binding(0) var<storage, read_write> out: array<u32>;
                fn sum(v: vec3<u32>) -> u32 {{ return v.x; }}
                @compute @workgroup_size(64) fn main({arguments}) {{ out[0] = {value}; }}"
            );
            for trust in [Trust::Project, Trust::User] {
                let found = Kernel::parse("k", &text, trust).unwrap().linear;
                if found != (linear && trust == Trust::Project) {
                    wrong.push(format!("{value} of ({arguments}), {trust:?}: {found}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
