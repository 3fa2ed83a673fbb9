//! The library of functions: the files under `shaders/functions/`, of which a kernel gets those that it calls.
//!
//! A file holds functions only, each starting at the beginning of a line. They are pure: no bindings, no overrides, so that
//! the linker keeps one copy for all kernels of a module.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every file, in order of name.
        pub const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../shaders/functions/", $name, ".wgsl")))),*];
    };
}

files! {
    "activations",
    "combine",
    "epilogue",
    "exponential",
    "minifloat",
    "operations",
    "random",
    "storage",
    "tiles",
    "trigonometric",
    "whole",
    "window",
    "words",
}

/// A function's text, and the functions of the library that it calls.
struct Function {
    text: &'static str,
    calls: BTreeSet<&'static str>,
}

static FUNCTIONS: LazyLock<BTreeMap<&'static str, Function>> = LazyLock::new(|| {
    let texts: BTreeMap<&str, &str> = FILES.iter().flat_map(|(_, text)| functions(text)).collect();
    let called = |name: &'static str, text: &'static str| {
        words_called(text)
            .filter_map(|word| texts.get_key_value(word))
            .map(|(&name, _)| name)
            .filter(move |&n| n != name)
    };
    texts.iter().map(|(&name, &text)| (name, Function { text, calls: called(name, text).collect() })).collect()
});

/// Whether the library has a function of that name.
pub fn contains(name: &str) -> bool {
    FUNCTIONS.contains_key(name)
}

/// The text with the functions of the library that it calls and lacks, and those that they call, behind it in order of name.
pub fn join(text: &str) -> String {
    let own: BTreeSet<&str> = functions(text).map(|(name, _)| name).collect();
    let mut wanted = BTreeSet::new();
    let mut open: Vec<&str> =
        words_called(text).filter_map(|word| FUNCTIONS.get_key_value(word)).map(|(name, _)| *name).collect();
    while let Some(name) = open.pop() {
        if !own.contains(name) && wanted.insert(name) {
            open.extend(&FUNCTIONS[name].calls);
        }
    }
    let mut joined = text.to_owned();
    for name in wanted {
        joined.push('\n');
        joined.push_str(FUNCTIONS[name].text);
    }
    joined
}

/// Name and text of each function of a file.
fn functions(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let starts = text.match_indices("fn ").filter(|&(at, _)| at == 0 || text.as_bytes()[at - 1] == b'\n');
    starts.map(|(at, _)| {
        let rest = &text[at..];
        let line = rest.find('\n').unwrap_or(rest.len());
        // Of one line, or up to a brace at the start of a line.
        let end = if rest[..line].ends_with('}') { line } else { rest.find("\n}").map_or(rest.len(), |end| end + 2) };
        let name = rest[3..].split('(').next().unwrap_or_default();
        (name, &rest[..end])
    })
}

/// Every word before an opening parenthesis, outside comments.
fn words_called(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| {
        line.match_indices('(').map(|(at, _)| {
            let before = &line[..at];
            let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
            &before[start..]
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::library;

    #[test]
    fn every_file_is_listed_and_holds_nothing_but_functions() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/functions");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().replace(".wgsl", ""))
            .collect();
        files.sort();
        assert_eq!(files, FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (name, text) in FILES {
            let mut rest = (*text).to_owned();
            for (_, function) in functions(text) {
                rest = rest.replacen(function, "", 1);
            }
            let left = rest.lines().find(|line| !line.is_empty() && !line.starts_with("//"));
            assert_eq!(left, None, "{name}.wgsl");
        }
    }

    #[test]
    fn all_functions_together_are_valid_and_each_has_one_definition() {
        let all: String = FILES.iter().map(|(_, text)| *text).collect();
        let module =
            naga::front::wgsl::parse_str(&all).unwrap_or_else(|error| panic!("{}", error.emit_to_string(&all)));
        assert!(module.global_variables.is_empty() && module.overrides.is_empty());
        assert_eq!(module.functions.len(), FUNCTIONS.len());
        super::super::validator().validate(&module).unwrap();
        for (name, text) in library::SOURCES {
            let twice = functions(text).map(|(function, _)| function).find(|function| contains(function));
            assert_eq!(twice, None, "{name}.wgsl defines a function of the library");
        }
    }

    #[test]
    fn a_kernel_gets_what_it_calls_and_no_more() {
        let text = "fn main() { let x = tanh_(y); } // cosh_(y)";
        let joined = join(text);
        for (name, there) in [("tanh_", true), ("exp_scaled", true), ("is_nan", true), ("cosh_", false), ("inf", false)]
        {
            assert_eq!(joined.contains(&format!("fn {name}(")), there, "{name} in {joined}");
        }
        assert_eq!(join("fn main() {}"), "fn main() {}");
    }
}
