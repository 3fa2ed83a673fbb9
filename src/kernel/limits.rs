//! What is looked at before a text reaches the parser, so that no text can exhaust the stack or the memory.

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
    fn a_long_dependency_chain_does_not_overflow() {
        let mut text = String::from("@group(0) @binding(0) var<storage, read_write> a: array<u32>;\n");
        for i in (1..900).rev() {
            text += &format!("const c{i} = c{} + 1u;\n", i - 1);
        }
        text += "const c0 = 1u;\n@compute @workgroup_size(64) fn main() { a[0] = c899; }";
        Kernel::user(&text).unwrap();
    }
}
