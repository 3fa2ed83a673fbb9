//! `fascine-bench modules`: what models run on a GPU as SPIR-V files, for compilers that tell what they make of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fascine::error::{Error, ErrorKind, Result};
use fascine::kernel::Variant;
use fascine::link::{Clamp, Head, Language, LinkedKernel, Scalars, emit, link};
use fascine::reference::Suite;
use fascine::schedule::Nanos;
use fascine_bench::simulator::{Arrivals, Stream, simulate};
use serde::Serialize;

use crate::Answer;
use crate::scenarios::virtual_zoo::{Virtual, plan_for_gpu, variants_of};
use crate::scenarios::zoo::with_cases;
use crate::simulate::calibration::kernel as name_of;
use crate::table::{self, Align};

/// How long the tenants of the merged pipelines run, on the virtual device.
const COMPANY: Nanos = 4_000_000_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to write to: single-N.spv for each kernel variant, merged-N.spv for each merged pipeline
    folder: PathBuf,
    /// A model whose kernels are wanted; may be given several times. All of the folder that have cases, by default
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// The folder of the models
    #[arg(long, value_name = "DIR", default_value = "tests/zoo")]
    zoo: PathBuf,
    /// Workgroups that the GPU runs at the same time: tiles are chosen by it
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    parallelism: u32,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    modules: Vec<Module>,
}

#[derive(Serialize)]
struct Module {
    file: String,
    /// With their overrides.
    kernels: Vec<String>,
    workgroup_size: u32,
    workgroup_bytes: u32,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    let mut variants = BTreeMap::new();
    let names = if args.models.is_empty() { with_cases(&args.zoo)? } else { args.models.clone() };
    for name in names {
        of_model(args, &name, &mut variants)?;
    }
    let merged = merged(args)?;
    let io = |error: std::io::Error| Error::new(ErrorKind::Io, error.to_string()).in_file(&args.folder);
    std::fs::create_dir_all(&args.folder).map_err(io)?;
    let mut modules = Vec::new();
    for (at, variant) in variants.values().enumerate() {
        modules.push(write(&args.folder, &format!("single-{at}"), std::slice::from_ref(variant))?);
    }
    for (at, kernels) in merged.iter().enumerate() {
        modules.push(write(&args.folder, &format!("merged-{at}"), kernels)?);
    }
    let report = Report { modules };
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report)) })
}

/// The variants of a model's plan at the shapes of its first case.
fn of_model(args: &Args, name: &str, variants: &mut BTreeMap<String, Variant>) -> Result<()> {
    let suite = Suite::open(&args.zoo, name)?;
    let case = suite.cases.first().ok_or_else(|| Error::new(ErrorKind::Input, format!("{name} has no case")))?;
    let (plan, _) = plan_for_gpu(&suite.model, args.parallelism, |graph| {
        let shape = |&id| {
            let wanted = &graph.value(id).name;
            let given = case.inputs.iter().find(|(name, _)| name == wanted).map(|(_, tensor)| tensor.shape().to_vec());
            given.ok_or_else(|| Error::new(ErrorKind::Input, format!("{name} has no input '{wanted}'")))
        };
        graph.inputs.iter().map(shape).collect()
    })?;
    variants.extend(variants_of(&plan).map(|variant| (name_of(variant), variant.clone())));
    Ok(())
}

/// What the scheduler has merged once the virtual zoo's models have run beside each other for a while.
fn merged(args: &Args) -> Result<Vec<Vec<Variant>>> {
    let mut machine = Virtual::open(&args.zoo, None)?;
    let mut scenario = machine.scenario(0);
    scenario.duration = COMPANY;
    let (models, kernels) = (&machine.models, &mut machine.kernels);
    let stream = |(at, model): (usize, &crate::simulate::calibration::ModelTable)| -> Result<Stream> {
        Ok(Stream { arrivals: Arrivals::Closed { outstanding: 2 }, ..model.stream(at as u32, kernels)? })
    };
    scenario.streams = models.iter().enumerate().map(stream).collect::<Result<Vec<_>>>()?;
    let pipelines = simulate(&scenario).pipelines;
    let sets = pipelines.iter().filter(|kernels| kernels.len() > 1);
    let variant = |&id| {
        let name = machine.kernels.name(id).expect("the stream's kernels have names");
        machine.variants.get(name).cloned().expect("a calibration was not given, so all is planned")
    };
    Ok(sets.map(|kernels| kernels.iter().map(variant).collect()).collect())
}

fn write(folder: &Path, name: &str, variants: &[Variant]) -> Result<Module> {
    let mut kernels: Vec<LinkedKernel> = variants.iter().cloned().map(LinkedKernel::with_default_segments).collect();
    kernels.sort();
    let linked = link(&kernels, Clamp::Users, Head::Immediates, Scalars::Components)?;
    let file = format!("{name}.spv");
    let path = folder.join(&file);
    let io = |error: std::io::Error| Error::new(ErrorKind::Io, error.to_string()).in_file(&path);
    std::fs::write(&path, emit(&linked, Language::SpirV)?).map_err(io)?;
    Ok(Module {
        file,
        kernels: kernels.iter().map(|kernel| name_of(&kernel.variant)).collect(),
        workgroup_size: linked.workgroup_size,
        workgroup_bytes: linked.workgroup_bytes,
    })
}

fn text(report: &Report) -> String {
    let header = [
        ("file", Align::Left),
        ("workgroup", Align::Right),
        ("workgroup memory", Align::Right),
        ("kernels", Align::Left),
    ];
    let rows: Vec<Vec<String>> = report
        .modules
        .iter()
        .map(|module| {
            let kernels = if module.kernels.len() == 1 {
                module.kernels[0].clone()
            } else {
                format!("{}: {}", module.kernels.len(), module.kernels.join(" "))
            };
            vec![
                module.file.clone(),
                module.workgroup_size.to_string(),
                table::bytes(module.workgroup_bytes.into()),
                kernels,
            ]
        })
        .collect();
    table::render(&header, &rows)
}
