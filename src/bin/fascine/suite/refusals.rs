//! The list of refusals that are expected.

use std::collections::BTreeMap;
use std::path::Path;

use fascine::error::{Error, ErrorKind, Result};

use super::Outcome;
use super::case::io;

/// Case and reason.
type Refusals = BTreeMap<String, String>;

/// Reads a list; lines that start with `#` are remarks.
pub(super) fn read(path: &Path) -> Result<Refusals> {
    parse(&std::fs::read_to_string(path).map_err(|error| io(&error, path))?).map_err(|error| error.in_file(path))
}

fn parse(text: &str) -> Result<Refusals> {
    let mut refusals = Refusals::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let pair = line.split_once(": ");
        let (name, reason) =
            pair.ok_or_else(|| Error::new(ErrorKind::Input, format!("'{line}' is no NAME: REASON")))?;
        refusals.insert(name.to_owned(), reason.to_owned());
    }
    Ok(refusals)
}

/// The first line of a list.
const HEAD: &str = "# Cases of scripts/onnx-suite that are refused, and why: `fascine suite target/onnx-suite --write-refusals FILE` writes such a list.\n";

pub(super) fn write(path: &Path, outcomes: &BTreeMap<String, Outcome>) -> Result<()> {
    let mut text = HEAD.to_owned();
    for (name, outcome) in outcomes {
        if let Outcome::Refused(reason) = outcome {
            text += &format!("{name}: {reason}\n");
        }
    }
    std::fs::write(path, text).map_err(|error| io(&error, path))
}

/// What differs from the list, of the cases that `filtered` lets through.
pub(super) fn differences(
    expected: &Refusals,
    outcomes: &BTreeMap<String, Outcome>,
    filtered: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, outcome) in outcomes {
        match (outcome, expected.get(name)) {
            (Outcome::Refused(reason), None) => differences.push(format!("{name} is refused: {reason}")),
            (Outcome::Refused(reason), Some(known)) if reason != known => {
                differences.push(format!("{name} is refused for another reason: {reason}"));
            }
            (Outcome::Passed, Some(_)) => differences.push(format!("{name} passes; take it off the list")),
            _ => {}
        }
    }
    let gone = expected.keys().filter(|name| filtered(name) && !outcomes.contains_key(*name));
    differences.extend(gone.map(|name| format!("{name} is not there")));
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_counts() {
        let expected = parse("# a remark\na: no such type\nb: no\nc: no\ngone: no\n").unwrap();
        let refused = |why: &str| Outcome::Refused(why.to_owned());
        let outcomes = [
            ("a", refused("no such type")),
            ("b", refused("another")),
            ("c", Outcome::Passed),
            ("d", refused("no")),
            ("e", Outcome::Passed),
        ];
        let outcomes = outcomes.map(|(name, outcome)| (name.to_owned(), outcome)).into();
        let differences = differences(&expected, &outcomes, |_| true);
        let names: Vec<&str> = differences.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, ["b", "c", "d", "gone"]);
        assert!(parse("no colon").is_err());
    }
}
