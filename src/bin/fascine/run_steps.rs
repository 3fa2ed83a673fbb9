//! `fascine run --state`: a model step by step, what is state on the device between them.

use std::time::Instant;

use fascine::error::{Error, ErrorKind, Result};
use fascine::npy;
use fascine::runtime::{InputInfo, Model, Runtime, Value};
use fascine::tensor::Tensor;
use indicatif::ProgressBar;

use crate::args::RunArgs;
use crate::inputs::{self, Dims};
use crate::run::{Ran, check_given};
use crate::run_host::timed;
use crate::state;

/// Where an input comes from.
enum Origin {
    /// From the last step; before the first it is this.
    State { output: String, value: Value },
    /// The same in all steps.
    Given(Tensor),
    /// An entry for each step.
    Each(Tensor),
    /// Made up, by its shape.
    Random,
}

/// Runs the steps, one after the other.
pub(crate) fn run(
    runtime: &Runtime,
    model: &Model,
    args: &RunArgs,
    given: Vec<(String, Tensor)>,
    progress: &ProgressBar,
) -> Result<Ran> {
    let info = model.inputs();
    check_given(&info, &given)?;
    let links = state::links(&args.state, &info, &model.outputs())?;
    let is_state = |name: &str| links.iter().any(|link| link.input == name);
    let each = read_each(args, &info, &given, is_state)?;
    let mut dims = start_dims(args, &info, &given, &each, is_state)?;
    let mut origins = Vec::with_capacity(info.len());
    let shapes = inputs::resolve(&info, &dims).map_err(|missing| inputs::unresolved(&missing))?;
    let mut planned = shapes.clone();
    for ((input, shape), planned) in info.iter().zip(&shapes).zip(&mut planned) {
        let find = |list: &[(String, Tensor)]| {
            list.iter().find(|(name, _)| *name == input.name).map(|(_, tensor)| tensor.clone())
        };
        let link = links.iter().find(|link| link.input == input.name);
        origins.push(match (link, find(&given), find(&each)) {
            (Some(link), start, _) => {
                let start = start.map_or_else(|| Tensor::zeros(input.dtype, shape.clone()), Ok)?;
                *planned = start.shape().to_vec();
                Origin::State { output: link.output.clone(), value: start.into() }
            }
            (None, Some(tensor), _) => {
                *planned = tensor.shape().to_vec();
                Origin::Given(tensor)
            }
            (None, None, Some(tensor)) => {
                *planned = tensor.shape()[1..].to_vec();
                Origin::Each(tensor)
            }
            (None, None, None) => Origin::Random,
        });
    }
    // A plan first: it refuses shapes that no device could hold before the host tries to.
    let start = Instant::now();
    let summary = model.plan(&planned).map_err(|error| error.in_file(&args.model))?;
    let plan = start.elapsed();

    let outputs: Vec<String> = model.outputs().into_iter().map(|output| output.name).collect();
    let (mut times, mut at_first) = (Vec::with_capacity(args.steps), 0);
    progress.set_message("compiling and running");
    for step in 0..args.steps {
        let last = step + 1 == args.steps;
        let request = || {
            let shapes = inputs::resolve(&info, &dims).map_err(|missing| inputs::unresolved(&missing))?;
            let mut request = model.request();
            for ((input, origin), shape) in info.iter().zip(&origins).zip(&shapes) {
                let value = match origin {
                    Origin::State { value, .. } => value.clone(),
                    Origin::Given(tensor) => tensor.clone().into(),
                    Origin::Each(tensor) => tensor.entry(step)?.into(),
                    Origin::Random => inputs::random(&input.name, input.dtype, shape, args.seed)?.into(),
                };
                request = request.input(&input.name, value)?;
            }
            // What nobody wants of this step is not read back either.
            let kept = if last { &[][..] } else { &outputs };
            kept.iter().try_fold(request, |request, output| request.keep(output))
        };
        let (time, completion) = timed(request).map_err(|error| in_step(step, &error))?;
        times.push(time);
        progress.inc(1);
        if step == 0 {
            at_first = runtime.stats()?.pipelines.compiled;
            progress.set_message("running");
        }
        if last {
            return Ok(Ran { summary, plan, at_first, times, completion });
        }
        for origin in &mut origins {
            if let Origin::State { output, value } = origin {
                *value = completion.kept(output)?.into();
            }
        }
        for (name, by) in &args.grow {
            if let Some(size) = dims.get_mut(name) {
                *size = size.saturating_add(*by);
            }
        }
    }
    Err(Error::new(ErrorKind::Input, "--steps 0: at least 1 is needed"))
}

fn in_step(step: usize, error: &Error) -> Error {
    Error::new(error.kind(), format!("step {}: {error}", step + 1))
}

/// The inputs of `--each`.
fn read_each(
    args: &RunArgs,
    info: &[InputInfo],
    given: &[(String, Tensor)],
    is_state: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Tensor)>> {
    let mut each: Vec<(String, Tensor)> = Vec::with_capacity(args.each.len());
    for (name, file) in &args.each {
        let wrong = |why: String| Err(Error::new(ErrorKind::Input, format!("--each {name}: {why}")));
        if info.iter().all(|input| input.name != *name) {
            let known: Vec<&str> = info.iter().map(|input| input.name.as_str()).collect();
            return wrong(format!("the model has no such input; its inputs are {}", known.join(", ")));
        }
        if is_state(name) {
            return wrong("it is state, which comes from the step before".to_owned());
        }
        if given.iter().chain(&each).any(|(other, _)| other == name) {
            return wrong("given twice".to_owned());
        }
        let tensor = npy::read(file)?;
        match tensor.shape().first() {
            Some(&entries) if entries == args.steps => each.push((name.clone(), tensor)),
            _ => {
                return wrong(format!(
                    "its shape is {:?}; the first axis has to be --steps {}",
                    tensor.shape(),
                    args.steps
                ));
            }
        }
    }
    Ok(each)
}

/// The sizes of the first step. An open dimension that only the state has begins at 0, unless it is given.
fn start_dims(
    args: &RunArgs,
    info: &[InputInfo],
    given: &[(String, Tensor)],
    each: &[(String, Tensor)],
    is_state: impl Fn(&str) -> bool,
) -> Result<Dims> {
    let mut dims = inputs::dims(&args.load.dims)?;
    let known = inputs::symbols(info);
    inputs::check_names(&dims, &known)?;
    for (k, (name, _)) in args.grow.iter().enumerate() {
        let wrong = |why: &str| Err(Error::new(ErrorKind::Input, format!("--grow {name}: {why}")));
        if !known.contains(&name.as_str()) {
            return wrong("no input has such an open dimension");
        }
        if args.grow[..k].iter().any(|(other, _)| other == name) {
            return wrong("given twice");
        }
    }
    let firsts = each.iter().map(|(name, tensor)| Ok((name.clone(), tensor.entry(0)?)));
    let firsts = firsts.collect::<Result<Vec<_>>>()?;
    inputs::learn(&mut dims, info, &[given, &firsts].concat())?;
    let (states, others): (Vec<_>, Vec<_>) = info.iter().cloned().partition(|input| is_state(&input.name));
    let others = inputs::symbols(&others);
    for symbol in inputs::symbols(&states) {
        if !others.contains(&symbol) {
            dims.entry(symbol.to_owned()).or_insert(0);
        }
    }
    Ok(dims)
}
