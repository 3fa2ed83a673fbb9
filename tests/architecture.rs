//! Modules of the crate name only those below them: the order of docs/architecture.md, held against the paths in the sources.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// From the bottom upwards. Modules of one line do not name each other.
const ORDER: &[&[&str]] = &[
    &["error", "exit", "size"],
    &["tensor"],
    &["graph", "npy"],
    &["kernel", "onnx"],
    &["lower"],
    &["ops"],
    &["optimise"],
    &["plan"],
    &["link", "schedule"],
    &["gpu"],
    &["runtime"],
    &["reference"],
];

/// Names that are neither above nor below: others' crates, and paths of the crate's own that the root re-exports.
const ROOT: &[(&str, &str)] = &[("Error", "error"), ("ErrorKind", "error"), ("Result", "error")];

/// Arrows upwards that stand, by the module that names and the one that is named, with the reason.
const KNOWN: &[(&str, &str, &str)] = &[];

/// The text without comments, and with nothing in its strings and characters.
fn code(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (String::new(), 0);
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(k, c)| bytes.get(at + k) == Some(&c));
    while at < bytes.len() {
        if starts(at, "//") {
            while at < bytes.len() && bytes[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "/*") {
            let mut depth = 0;
            while at < bytes.len() {
                if starts(at, "/*") {
                    (depth, at) = (depth + 1, at + 2);
                } else if starts(at, "*/") {
                    (depth, at) = (depth - 1, at + 2);
                    if depth == 0 {
                        break;
                    }
                } else {
                    at += 1;
                }
            }
        } else if let Some(hashes) = raw_string(&bytes, at) {
            let end: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            at += 2 + hashes;
            while at < bytes.len() && !starts(at, &end) {
                at += 1;
            }
            at += end.len();
            out.push_str("\"\"");
        } else if bytes[at] == '"' {
            at += 1;
            while at < bytes.len() && bytes[at] != '"' {
                at += 1 + usize::from(bytes[at] == '\\');
            }
            at += 1;
            out.push_str("\"\"");
        } else if bytes[at] == '\'' && (bytes.get(at + 2) == Some(&'\'') || bytes.get(at + 1) == Some(&'\\')) {
            // A character, not a lifetime.
            at += 1 + usize::from(bytes[at + 1] == '\\');
            at += 1;
            while at < bytes.len() && bytes[at] != '\'' {
                at += 1;
            }
            at += 1;
            out.push('0');
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// How many `#` a raw string that starts here has.
fn raw_string(bytes: &[char], at: usize) -> Option<usize> {
    let named = at > 0 && (bytes[at - 1].is_alphanumeric() || bytes[at - 1] == '_') && bytes[at - 1] != 'b';
    if bytes[at] != 'r' || named {
        return None;
    }
    let hashes = bytes[at + 1..].iter().take_while(|&&c| c == '#').count();
    (bytes.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

/// Names, numbers, `::`, and single characters.
fn tokens(code: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), code.trim_start());
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let len = match first {
            _ if word > 0 => word,
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        tokens.push(rest[..len].to_owned());
        rest = rest[len..].trim_start();
    }
    tokens
}

/// Where the bracket that opens at `at` closes.
fn closing(tokens: &[String], at: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len()
}

/// Takes items under `#[cfg(test)]` out; returns the modules among them that have a file of their own.
fn without_tests(tokens: &[String]) -> (Vec<String>, Vec<String>) {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut files, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        if !attribute.iter().enumerate().all(|(k, want)| tokens.get(at + k).is_some_and(|token| token == want)) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += attribute.len();
        let start = at;
        // An item ends with its braces, or with a semicolon outside all brackets.
        while at < tokens.len() && tokens[at] != ";" && tokens[at] != "{" {
            at = if tokens[at] == "(" || tokens[at] == "[" { closing(tokens, at) + 1 } else { at + 1 };
        }
        let item = &tokens[start..at.min(tokens.len())];
        if tokens.get(at).is_some_and(|token| token == "{") {
            at = closing(tokens, at);
            // `use a::{b, c};`
            at += usize::from(tokens.get(at + 1).is_some_and(|token| token == ";"));
        } else if let Some(name) = item.iter().position(|token| token == "mod").and_then(|k| item.get(k + 1)) {
            files.push(name.clone());
        }
        at += 1;
    }
    (kept, files)
}

/// First names of the paths from the crate's root, in a module `depth` below it.
fn roots(tokens: &[String], depth: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let is = |at: usize, what: &str| tokens.get(at).is_some_and(|token| token == what);
    for at in 0..tokens.len() {
        let after_path = at > 0 && is(at - 1, "::");
        let mut next = if is(at, "crate") && is(at + 1, "::") && !after_path {
            at + 2
        } else if is(at, "super") && !after_path {
            let supers = (0..).take_while(|k| is(at + 2 * k, "super") && is(at + 2 * k + 1, "::")).count();
            if supers == 0 || supers != depth {
                continue;
            }
            at + 2 * supers
        } else {
            continue;
        };
        if !is(next, "{") {
            names.extend(tokens.get(next).cloned());
            continue;
        }
        // Of a group, the first name of each path.
        let end = closing(tokens, next);
        next += 1;
        while next < end {
            names.extend(tokens.get(next).cloned());
            while next < end && !is(next, ",") {
                next = if is(next, "{") { closing(tokens, next) + 1 } else { next + 1 };
            }
            next += 1;
        }
    }
    names
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    into.sort();
}

/// Who names whom, by module, with the files.
fn arrows(src: &Path) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut files = Vec::new();
    sources(src, &mut files);
    let mut found = BTreeMap::new();
    let mut tests: BTreeSet<PathBuf> = BTreeSet::new();
    for path in &files {
        let relative = path.strip_prefix(src).unwrap();
        let parts: Vec<String> = relative.with_extension("").iter().map(|part| part.to_string_lossy().into()).collect();
        if parts[0] == "bin" || parts == ["lib"] {
            continue;
        }
        let is_mod = parts.last().is_some_and(|part| part == "mod");
        let (kept, test_modules) = without_tests(&tokens(&code(&std::fs::read_to_string(path).unwrap())));
        let own = if is_mod { path.parent().unwrap().to_owned() } else { path.with_extension("") };
        tests.extend(test_modules.iter().map(|name| own.join(name)));
        for to in roots(&kept, parts.len() - usize::from(is_mod)) {
            found.entry((parts[0].clone(), to, path.clone())).or_insert(());
        }
    }
    let mut arrows: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (from, to, path) in found.into_keys() {
        let to = ROOT.iter().find(|(name, _)| *name == to).map_or(to.clone(), |(_, module)| (*module).to_owned());
        let in_tests = tests.iter().any(|test| path.starts_with(test) || path.with_extension("") == *test);
        if from != to && !in_tests {
            let file = path.strip_prefix(src).unwrap().display().to_string();
            arrows.entry((from, to)).or_default().insert(file);
        }
    }
    arrows
}

fn level(module: &str) -> Option<usize> {
    ORDER.iter().position(|line| line.contains(&module))
}

#[test]
fn arrows_between_modules_go_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let arrows = arrows(&src);
    let mut wrong = Vec::new();
    for ((from, to), files) in &arrows {
        let known = KNOWN.iter().any(|(a, b, _)| a == from && b == to);
        let files = files.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match (level(from), level(to)) {
            (None, _) => wrong.push(format!("{from} is not in ORDER")),
            (_, None) => wrong.push(format!("{from} names `{to}`, which is not in ORDER: {files}")),
            (Some(above), Some(below)) if above <= below && !known => wrong.push(format!("{from} -> {to}: {files}")),
            (Some(above), Some(below)) if above > below && known => {
                wrong.push(format!("{from} -> {to} goes down; take it out of KNOWN"))
            }
            _ => {}
        }
    }
    for (from, to, _) in KNOWN {
        if !arrows.contains_key(&((*from).to_owned(), (*to).to_owned())) {
            wrong.push(format!("{from} -> {to} is no more; take it out of KNOWN"));
        }
    }
    assert!(wrong.is_empty(), "{} arrows:\n  {}", wrong.len(), wrong.join("\n  "));
    // What is not found cannot be wrong.
    for (from, to) in [("runtime", "gpu"), ("gpu", "link"), ("ops", "lower"), ("graph", "tensor")] {
        assert!(arrows.contains_key(&(from.to_owned(), to.to_owned())), "{from} -> {to} was not seen");
    }
}

#[test]
fn every_module_has_its_place() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let names = std::fs::read_dir(&src).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        path.file_stem().unwrap().to_string_lossy().into_owned()
    });
    let names: BTreeSet<String> = names.filter(|name| name != "bin" && name != "lib").collect();
    let placed: BTreeSet<String> = ORDER.iter().flat_map(|line| line.iter().map(|&name| name.to_owned())).collect();
    assert_eq!(names, placed);
}

#[test]
fn without_features_few_modules_are_public() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let bare = lines.windows(2).filter(|pair| !pair[0].starts_with("#["));
    let public: Vec<&str> = bare.filter_map(|pair| pair[1].strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(public, ["error", "runtime", "tensor"]);
}

#[test]
fn the_simulator_names_the_scheduler_alone() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/src/simulator"), &mut files);
    assert!(files.len() > 4);
    for path in files {
        let tokens = tokens(&code(&std::fs::read_to_string(&path).unwrap()));
        for path_of_fascine in tokens.windows(3).filter(|names| names[0] == "fascine" && names[1] == "::") {
            assert_eq!(path_of_fascine[2], "schedule", "{}", path.display());
        }
    }
}

#[test]
fn paths_are_found_and_tests_are_not() {
    let text = r##"
        use crate::error::{Error, Result};
        use crate::{graph::Graph, ops::{self, Operator}, plan};
        use super::view::View; // crate::comment
        fn f() -> super::super::kernel::Kernel { let s = "crate::string"; let c = '"'; other::crate_::x(r#"crate::raw"#) }
        #[cfg(test)]
        use crate::runtime::{Model};
        #[cfg(test)]
        mod fixtures;
        #[cfg(test)]
        mod tests { use crate::schedule::Options; fn g() { if true {} } }
        fn after<'a>(x: &'a crate::tensor::Tensor) {}
    "##;
    let (kept, files) = without_tests(&tokens(&code(text)));
    assert_eq!(files, ["fixtures"]);
    let names: Vec<String> = roots(&kept, 2).into_iter().collect();
    assert_eq!(names, ["error", "graph", "kernel", "ops", "plan", "tensor"]);
    assert_eq!(roots(&kept, 1).into_iter().filter(|name| name == "view").count(), 1);
}
