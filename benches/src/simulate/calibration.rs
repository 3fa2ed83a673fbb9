//! Calibration files: what `fascine-bench calibrate` measured on an adapter.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use fascine::error::Result;
use fascine::kernel::Variant;
use fascine::plan::Dispatch;
use fascine::schedule::{CoalesceDesc, DispatchDesc, KernelId, ModelId, Nanos, PlanDesc};
use fascine_bench::simulator::{Arrivals, Stream};
use serde::{Deserialize, Serialize};

use super::{parse, wrong};

/// The device's figures, and models as they ran on it alone.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calibration {
    pub(crate) adapter: String,
    /// Workgroups that run at the same time.
    pub(crate) parallelism: u32,
    /// Per second.
    pub(crate) flops: f64,
    pub(crate) bytes: f64,
    pub(crate) bundle_ns: u64,
    pub(crate) lane_ns: u64,
    pub(crate) submission_ns: u64,
    pub(crate) notice_ns: Option<u64>,
    #[serde(default, rename = "model")]
    pub(crate) models: Vec<ModelTable>,
}

/// A model's plan at some input shapes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelTable {
    pub(crate) name: String,
    /// On the device, once a tenant.
    #[serde(default)]
    pub(crate) weight_bytes: u64,
    /// On the device, for each request that has begun.
    #[serde(default)]
    pub(crate) heap_bytes: u64,
    /// In the plan's order.
    pub(crate) dispatches: Vec<DispatchRow>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DispatchRow {
    /// The kernel variant: those that are alike share pipelines.
    pub(crate) kernel: String,
    pub(crate) workgroups: u32,
    pub(crate) flops: u64,
    pub(crate) bytes: u64,
    /// Those of weights among `bytes`.
    #[serde(default)]
    pub(crate) weights: u64,
    /// Indices of earlier dispatches.
    #[serde(default)]
    pub(crate) deps: Vec<u32>,
    /// Median duration as a bundle of its own, where it was measured.
    pub(crate) nanos: Option<Nanos>,
    /// How it runs for several requests at once, if it can.
    pub(crate) coalesce: Option<CoalesceRow>,
}

/// As [`CoalesceDesc`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CoalesceRow {
    pub(crate) kernel: String,
    pub(crate) least: u32,
    pub(crate) width: u32,
    pub(crate) shared: u64,
    /// Median duration as a bundle of its own for `width` requests, where it was measured.
    pub(crate) nanos: Option<Nanos>,
}

/// Kernels by name, numbered in the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct Kernels(BTreeMap<String, KernelId>);

impl Kernels {
    fn id(&mut self, kernel: &str) -> KernelId {
        let next = KernelId(self.0.len() as u32);
        *self.0.entry(kernel.to_owned()).or_insert(next)
    }

    /// The name of the kernel with that number.
    pub(crate) fn name(&self, id: KernelId) -> Option<&str> {
        self.0.iter().find(|(_, known)| **known == id).map(|(name, _)| name.as_str())
    }
}

impl Calibration {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        parse(path)
    }
}

impl ModelTable {
    /// By dispatch, `nanos` is its time alone, and `coalesced` that for as many requests as it can be coalesced for.
    pub(crate) fn new(name: String, dispatches: &[Dispatch], nanos: &[Nanos], coalesced: &[Option<Nanos>]) -> Self {
        let row = |(index, dispatch): (usize, &Dispatch)| DispatchRow {
            kernel: kernel(&dispatch.variant),
            workgroups: dispatch.workgroups(),
            flops: dispatch.cost.flops,
            bytes: dispatch.cost.bytes,
            weights: dispatch.weight_bytes(),
            deps: dispatch.deps.to_vec(),
            nanos: nanos.get(index).copied(),
            coalesce: dispatch.coalesce.as_ref().map(|coalesce| CoalesceRow {
                kernel: kernel(&coalesce.variant),
                least: coalesce.least,
                width: coalesce.width,
                shared: coalesce.shared,
                nanos: coalesced.get(index).copied().flatten(),
            }),
        };
        let dispatches = dispatches.iter().enumerate().map(row).collect();
        ModelTable { name, weight_bytes: 0, heap_bytes: 0, dispatches }
    }

    /// A tenant of this model, without arrivals and deadline.
    pub(crate) fn stream(&self, model: u32, kernels: &mut Kernels) -> Result<Stream> {
        let mut dispatches = Vec::with_capacity(self.dispatches.len());
        for (index, row) in self.dispatches.iter().enumerate() {
            if row.workgroups == 0 || row.deps.iter().any(|&dep| dep as usize >= index) {
                return Err(wrong(&format!("model '{}': dispatch {index} is malformed", self.name)));
            }
            let &DispatchRow { workgroups, flops, bytes, .. } = row;
            let kernel = kernels.id(&row.kernel);
            let coalesce = row.coalesce.as_ref().map(|&CoalesceRow { ref kernel, least, width, shared, nanos: _ }| {
                if !(2..=width).contains(&least) {
                    return Err(wrong(&format!(
                        "model '{}': dispatch {index} coalesces {least} to {width}",
                        self.name
                    )));
                }
                Ok(CoalesceDesc { kernel: kernels.id(kernel), least, width, shared })
            });
            let coalesce = coalesce.transpose()?;
            dispatches.push(DispatchDesc { kernel, workgroups, flops, bytes, deps: row.deps.clone(), coalesce });
        }
        let plan = PlanDesc { model: ModelId(u64::from(model)), dispatches };
        let measured: Option<Vec<Nanos>> = self.dispatches.iter().map(|row| row.nanos).collect();
        Ok(Stream {
            measured: measured.map(Into::into),
            coalesced: Some(self.dispatches.iter().map(|row| row.coalesce.as_ref()?.nanos).collect()),
            weights: Some(self.dispatches.iter().map(|row| row.weights).collect()),
            ..Stream::new(plan.into(), Arrivals::Closed { outstanding: 0 }, None)
        })
    }
}

/// The kernel's name and overrides.
pub(crate) fn kernel(variant: &Variant) -> String {
    let mut name = variant.kernel().name.clone();
    for (constant, value) in variant.constants() {
        write!(name, ",{constant}={value}").expect("a String takes everything");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_shared_between_models_and_mistakes_are_named() {
        let text =
            "adapter = 'a'\nparallelism = 1\nflops = 1.0\nbytes = 1.0\nbundle_ns = 1\nlane_ns = 1\nsubmission_ns = 1
            [[model]]\nname = 'm'\ndispatches = [
                { kernel = 'k', workgroups = 2, flops = 3, bytes = 4, weights = 1, nanos = 7 },
                { kernel = 'l', workgroups = 2, flops = 3, bytes = 4, deps = [0], nanos = 8 },
            ]";
        let known: Calibration = toml::from_str(text).unwrap();
        let mut kernels = Kernels::default();
        let [a, b] = [0, 1].map(|model| known.models[0].stream(model, &mut kernels).unwrap());
        assert_eq!(a.plan.dispatches[1].kernel, b.plan.dispatches[1].kernel);
        assert_eq!((a.plan.model, b.plan.model), (ModelId(0), ModelId(1)));
        assert_eq!((a.measured.unwrap().to_vec(), a.weights.unwrap().to_vec()), (vec![7, 8], vec![1, 0]));
        let again: Calibration = toml::from_str(&toml::to_string(&known).unwrap()).unwrap();
        assert_eq!(again.models[0].dispatches.len(), 2);

        let mut wrong = known.models[0].clone();
        wrong.dispatches[1].deps = vec![1];
        assert!(wrong.stream(0, &mut kernels).unwrap_err().to_string().contains("dispatch 1"));
    }

    #[test]
    fn coalescing_survives_a_file() {
        let text = "name = 'm'\ndispatches = [
            { kernel = 'k', workgroups = 2, flops = 3, bytes = 9, coalesce = { kernel = 'g', least = 2, width = 8, shared = 5, nanos = 20 } },
            { kernel = 'k', workgroups = 2, flops = 3, bytes = 9, coalesce = { kernel = 'g', least = 3, width = 4, shared = 5 } },
            { kernel = 'k', workgroups = 2, flops = 3, bytes = 9 },
        ]";
        let known: ModelTable = toml::from_str(text).unwrap();
        let again: ModelTable = toml::from_str(&toml::to_string(&known).unwrap()).unwrap();
        for known in [known, again] {
            let stream = known.stream(0, &mut Kernels::default()).unwrap();
            let coalesce = |least, width| Some(CoalesceDesc { kernel: KernelId(1), least, width, shared: 5 });
            let coalesces: Vec<_> = stream.plan.dispatches.iter().map(|dispatch| dispatch.coalesce).collect();
            assert_eq!(coalesces, [coalesce(2, 8), coalesce(3, 4), None]);
            assert_eq!(stream.coalesced.unwrap().to_vec(), [Some(20), None, None]);
            for (least, width) in [(1, 8), (5, 4), (2, 0)] {
                let mut wrong = known.clone();
                let coalesce = wrong.dispatches[0].coalesce.as_mut().unwrap();
                (coalesce.least, coalesce.width) = (least, width);
                assert!(wrong.stream(0, &mut Kernels::default()).unwrap_err().to_string().contains("dispatch 0"));
            }
        }
    }
}
