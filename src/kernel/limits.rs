//! What keeps a text from exhausting the parser's stack, the linker or the driver's compiler.

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{AddressSpace, Block, Function, Module, Statement, TypeInner};

use crate::error::{Error, Result};

/// Bytes of kernel text. A guess: far above any kernel written by hand.
const MAX_TEXT: usize = 1 << 18;
/// Operators between two separators: the parser's tree of an unbroken chain is as deep as it is long.
const MAX_CHAIN: usize = 512;
/// `else` in one text: each nests the next one.
const MAX_ELSE: usize = 256;
/// Declarations in one text: they are resolved recursively along their dependencies.
const MAX_DECLARATIONS: usize = 1024;
/// Open brackets of all kinds. The parser's own limit is 200 levels, but not for each kind of bracket.
const MAX_NESTING: usize = 128;

/// Expressions and statements once every call is inlined, as drivers do. A guess: the project's largest has 3,000.
const MAX_INLINED: u64 = 200_000;
/// Bytes of a function's variables, of all private variables, and of one value: WGSL's own limits.
const MAX_LOCAL_BYTES: u32 = 8192;

/// Refuses texts whose shape alone could exhaust the parser.
pub(super) fn check(name: &str, text: &str) -> Result<()> {
    let refuse = |what: String| Err(Error::kernel(format!("kernel {name}: {what}")));
    if text.len() > MAX_TEXT {
        return refuse(format!("the text has {} bytes; at most {MAX_TEXT} are accepted", text.len()));
    }
    let (mut chain, mut nesting, mut elses, mut declarations) = (0, 0usize, 0, 0);
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        match word.as_str() {
            "else" => elses += 1,
            "fn" | "const" | "override" | "struct" | "alias" => declarations += 1,
            _ => {}
        }
        word.clear();
        match c {
            '(' | '[' | '{' => nesting += 1,
            ')' | ']' | '}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        match c {
            ';' | ',' | '{' | '}' => chain = 0,
            c if c.is_whitespace() => {}
            _ => chain += 1,
        }
        // A comment's text counts like code: it does no harm to be strict about 512 signs without a separator.
        if chain > MAX_CHAIN {
            return refuse(format!("more than {MAX_CHAIN} operators in one expression"));
        }
        if nesting > MAX_NESTING {
            return refuse(format!("brackets nest deeper than {MAX_NESTING}"));
        }
    }
    if elses > MAX_ELSE {
        return refuse(format!("{elses} else branches; at most {MAX_ELSE} are accepted"));
    }
    if declarations > MAX_DECLARATIONS {
        return refuse(format!("{declarations} declarations; at most {MAX_DECLARATIONS} are accepted"));
    }
    Ok(())
}

/// Refuses modules that are small as text and large as machine code. The module is valid. Gives the size of its largest entry
/// point: expressions and statements once every call is inlined.
pub(super) fn check_module(module: &Module, info: &ModuleInfo) -> Result<u64, String> {
    let mut inlined = Vec::with_capacity(module.functions.len());
    for (handle, function) in module.functions.iter() {
        let size = check_function(module, function, &info[handle], &inlined)?;
        inlined.push(size);
    }
    let mut largest = 0;
    for (i, entry) in module.entry_points.iter().enumerate() {
        largest = largest.max(check_function(module, &entry.function, info.get_entry_point(i), &inlined)?);
    }
    let private = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::Private);
    let private = private.map(|(_, v)| size(module, &module.types[v.ty].inner)).fold(0, u32::saturating_add);
    if private > MAX_LOCAL_BYTES {
        return Err(format!("private variables take {private} bytes; at most {MAX_LOCAL_BYTES} are accepted"));
    }
    Ok(largest)
}

fn size(module: &Module, inner: &TypeInner) -> u32 {
    inner.try_size(module.to_ctx()).unwrap_or(u32::MAX)
}

/// The function's size with its calls inlined; `inlined` has those of the functions before it.
fn check_function(module: &Module, function: &Function, info: &FunctionInfo, inlined: &[u64]) -> Result<u64, String> {
    let name = function.name.as_deref().unwrap_or("(unnamed)");
    let locals = function.local_variables.iter().map(|(_, v)| size(module, &module.types[v.ty].inner));
    let locals = locals.fold(0, u32::saturating_add);
    let largest_value = function.expressions.iter().map(|(handle, _)| {
        let inner = info[handle].ty.inner_with(&module.types);
        let is_value = matches!(inner, TypeInner::Array { .. } | TypeInner::Struct { .. });
        if is_value { size(module, inner) } else { 0 }
    });
    let largest = largest_value.max().unwrap_or(0);
    if locals.max(largest) > MAX_LOCAL_BYTES {
        return Err(format!("function {name}: variables or a value of more than {MAX_LOCAL_BYTES} bytes"));
    }
    let calls = inlined_calls(&function.body, inlined);
    let total = calls.saturating_add(function.expressions.len() as u64);
    if total > MAX_INLINED {
        return Err(format!("function {name}: more than {MAX_INLINED} operations once its calls are inlined"));
    }
    Ok(total)
}

fn inlined_calls(block: &Block, inlined: &[u64]) -> u64 {
    let sizes = block.iter().map(|statement| match statement {
        Statement::Call { function, arguments: _, result: _ } => inlined[function.index()],
        Statement::Block(block) => inlined_calls(block, inlined),
        Statement::If { condition: _, accept, reject } => {
            inlined_calls(accept, inlined).saturating_add(inlined_calls(reject, inlined))
        }
        Statement::Switch { selector: _, cases } => {
            cases.iter().map(|case| inlined_calls(&case.body, inlined)).fold(0, u64::saturating_add)
        }
        Statement::Loop { body, continuing, break_if: _ } => {
            inlined_calls(body, inlined).saturating_add(inlined_calls(continuing, inlined))
        }
        _ => 1,
    });
    sizes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::kernel::Kernel;

    #[test]
    fn hostile_texts_are_refused_without_a_panic() {
        let head = "@group(0) @binding(0) var<storage, read_write> a: array<u32>;\n";
        let body = |s: String| format!("{head}@compute @workgroup_size(64) fn main() {{ {s} }}");
        let cases = [
            ("long sum", body(format!("a[0] = 1u{};", " + 1u".repeat(50_000)))),
            ("deep brackets", body(format!("a[0] = {}1u{};", "(".repeat(10_000), ")".repeat(10_000)))),
            ("deep blocks", body(format!("{}{}", "{".repeat(10_000), "}".repeat(10_000)))),
            ("unary chain", body(format!("a[0] = {}1u;", "~".repeat(10_000)))),
            ("else chain", body(format!("if a[0] == 0u {{}} {}", "else if a[0] == 1u {} ".repeat(5_000)))),
            ("deep types", format!("alias T = {}u32{};", "array<".repeat(5_000), ", 2>".repeat(5_000))),
            ("empty", String::new()),
            ("binary noise", "\u{0}\u{1}\u{fffd}@@@".to_owned()),
            ("huge", " ".repeat(1 << 19)),
        ];
        for (name, text) in cases {
            let error = Kernel::user(&text).expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Kernel, "{name}");
        }
    }

    #[test]
    fn what_grows_when_compiled_is_refused() {
        let mut doubling = String::from("fn f0(x: u32) -> u32 { return x * 3u; }\n");
        for i in 1..64 {
            doubling += &format!("fn f{i}(x: u32) -> u32 {{ return f{p}(x) + f{p}(x + 1u); }}\n", p = i - 1);
        }
        let cases = [
            ("doubling calls", doubling.as_str(), "a[0] = f63(1u);", "inlined"),
            ("large local", "", "var t: array<u32, 100000000>; a[0] = t[a[1]];", "8192"),
            ("large private", "var<private> t: array<u32, 100000000>;", "a[0] = t[a[1]];", "8192"),
            ("large value", "", "a[0] = array<u32, 100000000>()[a[1]];", "8192"),
        ];
        for (name, declarations, body, expected) in cases {
            let text = format!(
                "@group(0) @binding(0) var<storage, read_write> a: array<u32>;
                {declarations}
                @compute @workgroup_size(64) fn main() {{ {body} }}"
            );
            let error = Kernel::user(&text).expect_err(name);
            assert!(error.message().contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn a_long_dependency_chain_does_not_overflow() {
        let mut text = String::from("@group(0) @binding(0) var<storage, read_write> a: array<u32>;\n");
        for i in (1..900).rev() {
            text += &format!("const c{i} = c{} + 1u;\n", i - 1);
        }
        text += "const c0 = 1u;\n@compute @workgroup_size(64) fn main() { a[0] = c899; }";
        Kernel::user(&text).unwrap();
    }
}
