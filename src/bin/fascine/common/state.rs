//! `--state`: which outputs become which inputs.

use fascine::Kind;
use fascine::error::{Error, ErrorKind, Result};
use fascine::runtime::{InputInfo, OutputInfo};

/// An input and the output that it becomes: two names, or two with one `*` each for what they have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatePattern {
    input: String,
    output: String,
}

impl StatePattern {
    pub(crate) fn new(input: &str, output: &str) -> Self {
        StatePattern { input: input.to_owned(), output: output.to_owned() }
    }

    pub(crate) fn parse(text: &str) -> std::result::Result<Self, String> {
        let (input, output) = text.split_once('=').ok_or("INPUT=OUTPUT is wanted")?;
        if input.is_empty() || output.is_empty() {
            return Err("INPUT=OUTPUT is wanted".into());
        }
        let stars = |side: &str| side.matches('*').count();
        if let Some(side) = [input, output].into_iter().find(|side| stars(side) > 1) {
            return Err(format!("'{side}' has several `*`"));
        }
        if stars(input) != stars(output) {
            return Err(format!("of '{input}' and '{output}' only one has a `*`"));
        }
        Ok(Self::new(input, output))
    }

    /// The output that an input of this name becomes.
    pub(crate) fn output_of(&self, input: &str) -> Option<String> {
        let Some((before, after)) = self.input.split_once('*') else {
            return (self.input == input).then(|| self.output.clone());
        };
        let common = input.strip_prefix(before)?.strip_suffix(after)?;
        Some(self.output.replacen('*', common, 1))
    }
}

/// An input that is state, and the output that the next step gets for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) input: String,
    pub(crate) output: String,
}

/// What the patterns link, in the order of the inputs.
///
/// # Errors
/// `Input` for a pattern that no input matches, an input that two do, an output that is not there or of another type.
pub(crate) fn links(patterns: &[StatePattern], inputs: &[InputInfo], outputs: &[OutputInfo]) -> Result<Vec<Link>> {
    let wrong = |pattern: &StatePattern, why: String| {
        Err(Error::new(ErrorKind::Input, format!("--state {}={}: {why}", pattern.input, pattern.output)))
    };
    let names = |list: Vec<&str>| list.join(", ");
    for pattern in patterns {
        if inputs.iter().all(|input| pattern.output_of(&input.name).is_none()) {
            let known = names(inputs.iter().map(|input| input.name.as_str()).collect());
            return wrong(pattern, format!("the model has no such input; its inputs are {known}"));
        }
    }
    let mut links: Vec<Link> = Vec::new();
    for input in inputs {
        let mut matching = patterns.iter().filter_map(|pattern| Some((pattern, pattern.output_of(&input.name)?)));
        let Some((pattern, name)) = matching.next() else { continue };
        if let Some((other, _)) = matching.next() {
            return wrong(other, format!("input '{}' is named by another --state already", input.name));
        }
        let Some(output) = outputs.iter().find(|output| output.name == name) else {
            let known = names(outputs.iter().map(|output| output.name.as_str()).collect());
            return wrong(
                pattern,
                format!("for input '{}' there is no output '{name}'; the outputs are {known}", input.name),
            );
        };
        if output.kind != Kind::Tensor {
            return wrong(pattern, format!("output '{name}' is {}, no tensor", output.kind));
        }
        if let Some(dtype) = output.dtype
            && dtype != input.dtype
        {
            return wrong(
                pattern,
                format!("output '{name}' is {dtype}, but input '{}' is {}", input.name, input.dtype),
            );
        }
        links.push(Link { input: input.name.clone(), output: name });
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use fascine::tensor::DType;

    use super::*;

    #[test]
    fn a_pattern_names_the_output_of_an_input() {
        let pattern = StatePattern::parse("past_key_values.*=present.*").unwrap();
        assert_eq!(pattern.output_of("past_key_values.3.key").as_deref(), Some("present.3.key"));
        assert_eq!(pattern.output_of("past.3.key"), None);
        let middle = StatePattern::parse("past_*_in=past_*_out").unwrap();
        assert_eq!(middle.output_of("past_k0_in").as_deref(), Some("past_k0_out"));
        let exact = StatePattern::parse("h=h_out").unwrap();
        assert_eq!((exact.output_of("h").as_deref(), exact.output_of("hh")), (Some("h_out"), None));
        for text in ["past.*", "past=present.*", "past.*=present", "a.*=b", "*.*=present.*", "=a", "a="] {
            assert!(StatePattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_linked_is_named() {
        let input = |name: &str, dtype| InputInfo { name: name.into(), dtype, shape: Vec::new(), kind: Kind::Tensor };
        let output =
            |name: &str, dtype| OutputInfo { name: name.into(), dtype: Some(dtype), shape: None, kind: Kind::Tensor };
        let inputs = [input("x", DType::F32), input("past.0", DType::F32), input("past.1", DType::I64)];
        let outputs = [output("y", DType::F32), output("present.0", DType::F32), output("present.1", DType::F32)];
        let find = |patterns: &[&str]| {
            let patterns: Vec<_> = patterns.iter().map(|text| StatePattern::parse(text).unwrap()).collect();
            links(&patterns, &inputs, &outputs).map_err(|error| error.to_string())
        };
        let two = find(&["past.0=present.0", "x=y"]).unwrap();
        assert_eq!(two[0], Link { input: "x".into(), output: "y".into() });
        assert_eq!(two[1], Link { input: "past.0".into(), output: "present.0".into() });
        for (patterns, words) in [
            (&["cache.*=present.*"][..], ["cache.*=present.*", "past.0"]),
            (&["x=z"], ["'z'", "present.0"]),
            (&["past.*=present.*"], ["'present.1' is f32", "'past.1' is i64"]),
            (&["x=y", "x=present.0"], ["x=present.0", "'x'"]),
        ] {
            let error = find(patterns).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }
}
