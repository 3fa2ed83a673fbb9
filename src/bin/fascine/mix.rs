//! `fascine mix`.

use fascine::error::{Error, ErrorKind, Result};
use fascine::graph::Graph;
use fascine::onnx::{self, LoadOptions};
use fascine::runtime::{InputInfo, Runtime};
use serde::Serialize;

use crate::Answer;
use crate::args::{MixArgs, Mixed};
use crate::arms::{self, ArmReport, Bench, Job, Measured, Tenant, Timeline, Workload};
use crate::inputs::{self, Dims};
use crate::progress::bar;
use crate::{chrome, report};

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    adapter: &'a str,
    arms: Vec<&'a ArmReport>,
    outputs_equal: bool,
}

pub(crate) fn run(args: &MixArgs, json: bool) -> Result<Answer> {
    let policies = args.arm.policies();
    let progress = bar(policies.len() as u64, "loading");
    let workload = workload(args)?;
    let timeline = if args.report.is_some() || args.trace.is_some() { Timeline::Record } else { Timeline::Skip };
    let bench = Bench::new(&workload, args.device.options(), timeline)?;
    let measure = |&policy| bench.measure(&workload, policy, None, &progress);
    let measured = policies.iter().map(measure).collect::<Result<Vec<Measured>>>()?;
    progress.finish_and_clear();

    let difference = measured[1..].iter().find_map(|arm| arms::difference(&workload, &measured[0], arm));
    let error = difference.as_ref().map(|what| Error::new(ErrorKind::Internal, what.clone()));
    if let Some(path) = &args.report {
        report::write(path, "fascine mix", &workload, &measured)?;
    }
    if let (Some(path), Some(last)) = (&args.trace, measured.last()) {
        chrome::write(path, &last.records)?;
    }
    let name = &measured[0].adapter;
    let answer = if json {
        let arms = measured.iter().map(|arm| &arm.report).collect();
        Answer::json(&Report { adapter: name, arms, outputs_equal: difference.is_none() })
    } else {
        let requests = workload.jobs.len();
        let models = workload.tenants.len();
        let mut text = format!("{requests} requests to {models} models at once on {name}, warm\n\n");
        text += &arms::table(&measured);
        if difference.is_none() && measured.len() > 1 {
            text += "\nthe outputs of all arms are equal to the bit\n";
        }
        if let Some(path) = &args.report {
            text += &format!("\nwrote {}\n", path.display());
        }
        if let Some(path) = &args.trace {
            text += &format!("\nwrote {}\n", path.display());
        }
        Answer::text(text)
    };
    Ok(Answer { error, ..answer })
}

fn workload(args: &MixArgs) -> Result<Workload> {
    let dims = inputs::dims(&args.load.dims)?;
    let probe = Runtime::new(args.device.options())?;
    let mut tenants = Vec::new();
    let mut shapes: Vec<(Vec<InputInfo>, Vec<Vec<usize>>)> = Vec::new();
    for mixed in &args.models {
        for copy in 0..mixed.copies {
            let options = LoadOptions {
                synthetic_weights: args.load.synthetic_weights,
                seed: copy as u64,
                ..LoadOptions::default()
            };
            let graph = onnx::load(&mixed.path, &options)?;
            let (info, concrete) = concrete(&graph, &dims).map_err(|error| error.in_file(&mixed.path))?;
            if copy == 0 {
                // A plan first: it refuses shapes that no device could hold before the host tries to.
                let model = probe.load_graph(graph.clone());
                model.and_then(|model| model.plan(&concrete)).map_err(|error| error.in_file(&mixed.path))?;
            }
            shapes.push((info, concrete));
            tenants.push(Tenant { label: label(mixed, copy), graph });
        }
    }
    let known: Vec<&str> = shapes.iter().flat_map(|(info, _)| inputs::symbols(info)).collect();
    inputs::check_names(&dims, &known)?;
    let mut jobs = Vec::with_capacity(args.requests * tenants.len());
    for request in 0..args.requests {
        for (tenant, (info, shapes)) in shapes.iter().enumerate() {
            let seed = (tenant as u64) << 32 | request as u64;
            let tensors = info
                .iter()
                .zip(shapes)
                .map(|(input, shape)| Ok((input.name.clone(), inputs::random(&input.name, input.dtype, shape, seed)?)));
            jobs.push(Job { tenant, inputs: tensors.collect::<Result<_>>()?, deadline: args.deadline });
        }
    }
    Ok(Workload { tenants, jobs })
}

/// Inputs of a graph and their shapes under `dims`.
fn concrete(graph: &Graph, dims: &Dims) -> Result<(Vec<InputInfo>, Vec<Vec<usize>>)> {
    let info = |&id| {
        let value = graph.value(id);
        let missing = |what: &str| Error::new(ErrorKind::InvalidModel, format!("input '{}' has no {what}", value.name));
        Ok(InputInfo {
            name: value.name.clone(),
            dtype: value.dtype.ok_or_else(|| missing("element type"))?,
            shape: value.shape.clone().ok_or_else(|| missing("shape"))?,
            kind: value.kind,
        })
    };
    let info = graph.inputs.iter().map(info).collect::<Result<Vec<InputInfo>>>()?;
    let shapes = inputs::resolve(&info, dims).map_err(|missing| inputs::unresolved(&missing))?;
    Ok((info, shapes))
}

fn label(mixed: &Mixed, copy: usize) -> String {
    let stem = mixed.path.file_stem().unwrap_or(mixed.path.as_os_str()).to_string_lossy();
    if mixed.copies == 1 { stem.into_owned() } else { format!("{stem} #{copy}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_told_apart() {
        let mixed = Mixed { path: "zoo/resnet18.onnx".into(), copies: 2 };
        assert_eq!(label(&mixed, 1), "resnet18 #1");
        assert_eq!(label(&Mixed { copies: 1, ..mixed }, 0), "resnet18");
    }

    #[test]
    fn shapes_need_every_dimension() {
        let mut graph = Graph::default();
        let value = fascine::graph::Value {
            name: "x".into(),
            dtype: Some(fascine::tensor::DType::F32),
            shape: Some(vec![fascine::graph::Dim::Symbol("batch".into()), fascine::graph::Dim::Known(3)]),
            ..fascine::graph::Value::default()
        };
        let id = graph.add_value(value);
        graph.inputs.push(id);
        assert!(concrete(&graph, &Dims::new()).unwrap_err().to_string().contains("--dim batch=N"));
        let dims = Dims::from([("batch".to_owned(), 2)]);
        assert_eq!(concrete(&graph, &dims).unwrap().1, [vec![2, 3]]);
    }
}
