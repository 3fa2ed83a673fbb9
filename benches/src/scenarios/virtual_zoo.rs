//! The zoo on a virtual GPU: real plans, costed by the device's rates.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fascine::error::{Error, ErrorKind, Result};
use fascine::graph::{Dim, Graph};
use fascine::kernel::Variant;
use fascine::lower::ModelWeights;
use fascine::lower::{DeviceClass, Target, Tuning};
use fascine::onnx::{self, LoadOptions};
use fascine::ops::Operators;
use fascine::optimise::{self, objection};
use fascine::plan::{Plan, plan};
use fascine::schedule::{Nanos, Options};
use fascine_bench::simulator::{Scenario, VirtualDevice};

use crate::simulate::calibration::{Calibration, Kernels, ModelTable, kernel};
use crate::simulate::device::DeviceFile;
use crate::simulate::scenario;

/// Time to compile a pipeline, per kernel, where compiling is not what is looked at. It is over before measuring begins.
const QUICK: Nanos = 1_000_000;

/// A file of the zoo at some sizes.
struct Member {
    name: &'static str,
    file: &'static str,
    dims: &'static [(&'static str, usize)],
}

/// Eight models: five networks, three of them at two sizes.
const MEMBERS: [Member; 8] = [
    Member { name: "lstm_vad 0.1 s", file: "lstm_vad", dims: &[("batch", 1), ("samples", 1_600)] },
    Member { name: "minilm 16", file: "minilm", dims: &[("batch", 1), ("sequence", 16)] },
    Member { name: "squeezenet1_1", file: "squeezenet1_1", dims: &[] },
    Member { name: "mobilenet_v2", file: "mobilenet_v2", dims: &[("batch", 1)] },
    Member { name: "resnet18 224", file: "resnet18", dims: &[("batch", 1), ("height", 224), ("width", 224)] },
    Member { name: "lstm_vad 0.3 s", file: "lstm_vad", dims: &[("batch", 1), ("samples", 4_800)] },
    Member { name: "minilm 64", file: "minilm", dims: &[("batch", 1), ("sequence", 64)] },
    Member { name: "resnet18 128", file: "resnet18", dims: &[("batch", 1), ("height", 128), ("width", 128)] },
];

/// A virtual device and what runs on it.
pub(crate) struct Virtual {
    /// For people.
    pub(crate) label: String,
    pub(crate) device: VirtualDevice,
    pub(crate) models: Vec<ModelTable>,
    pub(crate) kernels: Kernels,
    /// By name, those of models that were planned (a calibration has names alone).
    pub(crate) variants: BTreeMap<String, Variant>,
}

impl Virtual {
    pub(crate) fn open(zoo: &Path, calibration: Option<&Path>) -> Result<Self> {
        let file = DeviceFile::default();
        let calibration = calibration.map(Calibration::read).transpose()?;
        let device = file.build(calibration.as_ref())?;
        let mut variants = BTreeMap::new();
        let (label, models) = match calibration {
            Some(Calibration { adapter, models, .. }) if !models.is_empty() => {
                (format!("{adapter} as calibrated"), models)
            }
            known => {
                let models = MEMBERS.iter().map(|member| planned(zoo, member, device.model.parallelism, &mut variants));
                let name = known.map_or_else(|| "a default GPU".to_owned(), |known| known.adapter);
                (name, models.collect::<Result<Vec<_>>>()?)
            }
        };
        let model = device.model;
        let label = format!(
            "{label}: {} workgroups at a time, {:.3} TFLOP/s, {:.0} GB/s, {:.1} us a bundle, {:.2} us a lane, {:.1} us a submission",
            model.parallelism,
            model.flops / 1e12,
            model.bytes / 1e9,
            model.bundle as f64 / 1e3,
            model.lane as f64 / 1e3,
            model.submission as f64 / 1e3,
        );
        Ok(Virtual { label, device, models, kernels: Kernels::default(), variants })
    }

    /// A scenario without streams, in which pipelines are there soon.
    pub(crate) fn scenario(&self, seed: u64) -> Scenario {
        let model = self.device.model;
        Scenario {
            seed,
            warm_up: 0,
            duration: 0,
            device: VirtualDevice { compile: QUICK, ..self.device },
            options: Options { device: model, ..Options::for_parallelism(model.parallelism) },
            front: Default::default(),
            losses: Vec::new(),
            streams: Vec::new(),
        }
    }

    /// The median latency of a model that has the device for itself.
    pub(crate) fn alone(&mut self, model: usize, seed: u64) -> Result<Nanos> {
        let stream = self.models[model].stream(0, &mut self.kernels)?;
        Ok(scenario::alone(&self.scenario(seed), stream).max(1))
    }
}

/// Plans a member for a GPU. No device is needed for it.
fn planned(
    zoo: &Path,
    member: &Member,
    parallelism: u32,
    variants: &mut BTreeMap<String, Variant>,
) -> Result<ModelTable> {
    let path = zoo.join(format!("{}.onnx", member.file));
    let (plan, weights) = plan_for_gpu(&path, parallelism, |graph| {
        let size = |dim: &Dim| match dim {
            Dim::Known(size) => Ok(*size),
            Dim::Symbol(symbol) => {
                let known = member.dims.iter().find(|(name, _)| name == symbol).map(|(_, size)| *size);
                known.ok_or_else(|| Error::new(ErrorKind::Shape, format!("dimension '{symbol}' has no size")))
            }
        };
        let shape = |&id| graph.value(id).shape.iter().flatten().map(size).collect::<Result<Vec<usize>>>();
        graph.inputs.iter().map(shape).collect()
    })?;
    variants.extend(variants_of(&plan).map(|variant| (kernel(variant), variant.clone())));
    let mut table = ModelTable::new(member.name.to_owned(), &plan.dispatches, &[], &[]);
    table.weight_bytes = weights;
    table.heap_bytes = plan.regions.iter().sum();
    Ok(table)
}

/// The kernels of a plan, those for several requests at once among them.
pub(crate) fn variants_of(plan: &Plan) -> impl Iterator<Item = &Variant> {
    plan.dispatches.iter().flat_map(|dispatch| {
        let coalesced = dispatch.coalesce.as_ref().map(|coalesce| &coalesce.variant);
        std::iter::once(&dispatch.variant).chain(coalesced)
    })
}

/// A model's plan with the kernels for GPUs at the shapes that its inputs are given, and the bytes of its weights.
///
/// # Errors
/// Those of reading, optimising and planning, with the file's name.
pub(crate) fn plan_for_gpu(
    path: &Path,
    parallelism: u32,
    shapes: impl FnOnce(&Graph) -> Result<Vec<Vec<usize>>>,
) -> Result<(Plan, u64)> {
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let mut graph = onnx::load(path, &options).map_err(|error| match error.kind() {
        ErrorKind::Io => Error::new(
            ErrorKind::Io,
            format!("{}; give the folder of the models with --zoo, or run in the repository's root", error.message()),
        )
        .in_file(path),
        _ => error,
    })?;
    let mut operators = Operators::default();
    let objections = optimise::prepare(&mut graph, &mut operators);
    objection::refusal(&graph, &objections)?;
    let _: optimise::Report = optimise::optimise(&mut graph, &mut operators);
    let shapes = shapes(&graph).map_err(|error| error.in_file(path))?;
    let weights = Arc::new(ModelWeights::new());
    let target = Target {
        class: DeviceClass::Gpu,
        parallelism,
        max_binding_bytes: 1 << 30,
        subgroup_size: 32,
        tuning: Tuning::NONE,
    };
    let plan = plan(&graph, &shapes, &weights, &target).map_err(|error| error.in_file(path))?;
    Ok((plan, weights.total_bytes()))
}

/// Calls `job` with 0 to `count`, on every core, and returns the results in order.
pub(crate) fn spread<T: Send>(count: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(count.max(1));
    let mut results: Vec<(usize, T)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if at >= count {
                    return done;
                }
                done.push((at, job(at)));
            }
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .flat_map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
