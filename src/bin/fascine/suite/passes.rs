//! The cases of a company: each alone, then all of them at once, several times over, whole and in small parts.

use std::time::Duration;

use fascine::error::{Error, ErrorKind, Result};
use fascine::onnx::{self, LoadOptions};
use fascine::runtime::{Model, Request, RequestBuilder, Runtime};
use fascine::schedule;
use fascine::{Admission, Class, Tensor, Value};

use super::Outcome;
use super::case::{Case, DataSet, is_random};

/// Requests of each data set that are under way together: what may run as one is run as one.
pub(super) const COPIES: usize = 3;

/// A slice so short that whatever can be divided is.
const SHORT: schedule::Nanos = 1;

/// Why a case cannot be judged whose outputs are another generator's.
const OTHER_NUMBERS: &str = "its numbers are random, and the standard leaves the generator open";

/// Passes until no pipeline is asked for any more, at most.
const MAX_MERGING: usize = 6;

/// A data set of a case.
struct Set<'c> {
    /// Which case of the company.
    case: usize,
    name: &'c str,
    model: Model,
    set: DataSet,
    /// Whether its numbers are random.
    random: bool,
    /// What it gave alone.
    outputs: Vec<Value>,
}

/// Whether kernels of different models share pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merging {
    /// Not: lanes of one kernel share a bundle, those of different kernels have bundles of their own.
    Off,
    /// Companies run again until the merged pipelines that would pay are made.
    On,
}

/// What became of each case of a company.
///
/// # Errors
/// What no case is to blame for: the device is lost, the engine has stopped.
pub(super) fn run(runtime: &Runtime, company: &[Case], merging: Merging) -> Result<Vec<Outcome>> {
    let mut outcomes = vec![Outcome::Passed; company.len()];
    let mut sets = Vec::new();
    for (index, case) in company.iter().enumerate() {
        match blamed(load(runtime, index, case))? {
            Ok(loaded) => sets.extend(loaded),
            Err(outcome) => outcomes[index] = outcome,
        }
    }
    runtime.set_merging(false)?;
    make_pipelines(&sets)?;
    for set in &mut sets {
        match blamed(alone(set))? {
            Ok(Some(_)) if set.random => outcomes[set.case] = Outcome::Refused(OTHER_NUMBERS.to_owned()),
            Ok(Some(difference)) => outcomes[set.case] = Outcome::Failed(difference),
            Ok(None) => {}
            Err(outcome) => outcomes[set.case] = outcome,
        }
    }
    sets.retain(|set| outcomes[set.case] == Outcome::Passed);

    let usual = runtime.schedule().clone();
    if merging == Merging::On {
        runtime.set_merging(true)?;
        merge(runtime, &sets, &mut outcomes)?;
    }
    together(&sets, "in company", &mut outcomes)?;
    runtime.set_schedule(schedule::Options { slice: SHORT, ..usual.clone() })?;
    together(&sets, "in parts", &mut outcomes)?;
    runtime.set_schedule(usual)?;
    Ok(outcomes)
}

/// An error as the outcome of its case, unless the case is not to blame.
fn blamed<T>(result: Result<T>) -> Result<Result<T, Outcome>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => outcome_of(&error).map_or(Err(error), |outcome| Ok(Err(outcome))),
    }
}

fn load<'c>(runtime: &Runtime, index: usize, case: &'c Case) -> Result<Vec<Set<'c>>> {
    let graph = onnx::load(case.model(), &LoadOptions::default())?;
    let random = is_random(&graph);
    let model = runtime.load_graph(graph)?;
    let set =
        |set| Set { case: index, name: case.name.as_str(), model: model.clone(), set, random, outputs: Vec::new() };
    Ok(case.data_sets(&model)?.into_iter().map(set).collect())
}

/// Runs all at once and looks at nothing: their pipelines are made beside each other.
fn make_pipelines(sets: &[Set<'_>]) -> Result<()> {
    let submitted: Vec<Result<Request>> = sets.iter().map(|set| request(set)?.submit()).collect();
    for (set, request) in sets.iter().zip(submitted) {
        // What is wrong with a case shows when it runs alone.
        let _ = blamed(request.and_then(|request| outputs(request, &set.model)))?;
    }
    Ok(())
}

/// Runs a set with nothing beside it, and says how it differs from its reference.
fn alone(set: &mut Set<'_>) -> Result<Option<String>> {
    set.outputs = outputs(request(set)?.submit()?, &set.model)?;
    Ok(set.set.difference(&set.outputs))
}

/// Runs all of them until no further pipeline of several kernels is wanted.
fn merge(runtime: &Runtime, sets: &[Set<'_>], outcomes: &mut [Outcome]) -> Result<()> {
    let mut made = None;
    for _ in 0..MAX_MERGING {
        together(sets, "in company", outcomes)?;
        let mut pipelines = runtime.stats()?.pipelines;
        while pipelines.compiling + pipelines.waiting > 0 {
            std::thread::sleep(Duration::from_millis(5));
            pipelines = runtime.stats()?.pipelines;
        }
        if made.replace(pipelines.compiled) == Some(pipelines.compiled) {
            break;
        }
    }
    Ok(())
}

/// What an error says of a case; `None` if it is no matter of the case.
fn outcome_of(error: &Error) -> Option<Outcome> {
    match error.kind() {
        ErrorKind::Unsupported | ErrorKind::Limit => Some(Outcome::Refused(reason(error))),
        ErrorKind::Device | ErrorKind::Closed | ErrorKind::NoAdapter => None,
        _ => Some(Outcome::Failed(reason(error))),
    }
}

/// The message without the file's path, which says nothing that the case's name does not.
fn reason(error: &Error) -> String {
    let text = error.to_string().replace('\n', " ");
    let file = error.file().map(|file| format!("{}: ", file.display())).unwrap_or_default();
    text.strip_prefix(&file).map_or(text.clone(), str::to_owned)
}

fn request(set: &Set<'_>) -> Result<RequestBuilder> {
    let mut request = set.model.request();
    let (inputs, given) = (set.model.inputs(), &set.set.inputs);
    if inputs.len() != given.len() {
        let message = format!("{} inputs are given to a model of {}", given.len(), inputs.len());
        return Err(Error::new(ErrorKind::Input, message));
    }
    for (input, value) in inputs.iter().zip(given) {
        request = request.input(&input.name, value.clone())?;
    }
    Ok(request)
}

fn outputs(request: Request, model: &Model) -> Result<Vec<Value>> {
    let completion = request.wait()?;
    model.outputs().iter().map(|output| completion.value(&output.name)).collect()
}

/// Submits copies of all of them, and compares what comes back with what they gave alone, to the bit.
fn together(sets: &[Set<'_>], how: &str, outcomes: &mut [Outcome]) -> Result<()> {
    let mut under_way = Vec::with_capacity(sets.len() * COPIES);
    for copy in 0..COPIES {
        for (at, set) in sets.iter().enumerate() {
            let request = request(set)?;
            // Urgent beside best effort, of all classes.
            let request = match (at + copy) % 4 {
                0 => request.class(Class::Background),
                1 => request.deadline(Duration::from_millis(5)).admission(Admission::RunLate),
                2 => request.class(Class::Interactive),
                _ => request,
            };
            under_way.push((set, request.submit()));
        }
    }
    for (set, request) in under_way {
        let why = match blamed(request.and_then(|request| outputs(request, &set.model)))? {
            Ok(got) => different_bits(&set.outputs, &got),
            Err(Outcome::Refused(why) | Outcome::Failed(why)) => Some(why),
            Err(Outcome::Passed) => None,
        };
        if let Some(why) = why {
            tracing::debug!(case = set.name, how, why);
            outcomes[set.case] = Outcome::Failed(format!("{how}: {why}"));
        }
    }
    Ok(())
}

fn different_bits(alone: &[Value], got: &[Value]) -> Option<String> {
    let same = |(a, b): (&Value, &Value)| same_bits(a, b);
    if alone.len() != got.len() {
        return Some(format!("{} outputs instead of {}", got.len(), alone.len()));
    }
    let at = alone.iter().zip(got).position(|pair| !same(pair))?;
    Some(format!("output {at} has other bits than alone"))
}

fn same_bits(a: &Value, b: &Value) -> bool {
    let same = |a: &Tensor, b: &Tensor| a.dtype() == b.dtype() && a.shape() == b.shape() && a.bytes() == b.bytes();
    match (a, b) {
        (Value::Tensor(a), Value::Tensor(b)) => same(a, b),
        (Value::Sequence(a), Value::Sequence(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Optional(Some(a)), Value::Optional(Some(b))) => same_bits(a, b),
        (a, b) => matches!((a, b), (Value::Optional(None), Value::Optional(None))),
    }
}
