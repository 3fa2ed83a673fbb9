//! How long things take: a static estimate, corrected by what was measured.
//!
//! A dispatch is a compute area and a memory area (the time the whole device would take for its operations, and for its
//! bytes) in equal workgroups. A bundle takes its fixed cost plus the largest of: the sum of compute areas, the sum of memory
//! areas, and the longest single workgroup. Each kernel, by size class, has a ratio of measured to estimated time, as has the
//! fixed cost (`learn`). Each model has a factor on top, which is 1 unless it straggles (`straggler`).

use std::collections::HashMap;

use super::{CoalesceDesc, DeviceModel, DispatchDesc, KernelId, ModelId, Nanos};

mod learn;

pub use learn::Learned;
use learn::{MEASURED, Ratio};

/// A kernel and size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CostKey(u32);

/// A model, numbered densely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ModelIndex(u32);

impl ModelIndex {
    /// No model's.
    pub(super) const NONE: ModelIndex = ModelIndex(u32::MAX);

    #[cfg(test)]
    pub(super) fn at(index: usize) -> Self {
        ModelIndex(index as u32)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Bundles of a coalesced dispatch after which its own times decide whether it is worth it. Guessed.
const TRIES: f64 = 4.0;

/// The fixed cost of bundles and lanes.
const FIXED: CostKey = CostKey(0);

/// Whole-device nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Load {
    compute: f64,
    memory: f64,
    /// The longest single workgroup.
    longest: f64,
}

impl Load {
    fn body(self) -> f64 {
        self.compute.max(self.memory).max(self.longest)
    }

    fn scaled(self, factor: f64) -> Load {
        Load { compute: self.compute * factor, memory: self.memory * factor, longest: self.longest * factor }
    }

    fn plus(self, other: Load) -> Load {
        Load {
            compute: self.compute + other.compute,
            memory: self.memory + other.memory,
            longest: self.longest.max(other.longest),
        }
    }
}

/// What a dispatch costs by the static estimate.
#[derive(Clone, Copy, Debug)]
pub(super) struct DispatchCost {
    key: CostKey,
    model: ModelIndex,
    compute: f64,
    memory: f64,
    workgroups: u32,
}

impl DispatchCost {
    /// The same as a dispatch of a model.
    pub(super) fn of(self, model: ModelIndex) -> Self {
        DispatchCost { model, ..self }
    }
}

/// What a dispatch costs by the static estimate when several requests run it as one lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct CoalescedCost {
    key: CostKey,
    /// Of one request: where nothing was measured yet, its ratio counts.
    single: DispatchCost,
    shared: f64,
}

impl CoalescedCost {
    /// The same as a dispatch of a model.
    pub(super) fn of(self, model: ModelIndex) -> Self {
        CoalescedCost { single: self.single.of(model), ..self }
    }

    /// One that takes `factor` times as long.
    pub(super) fn scaled(self, factor: f64) -> Self {
        CoalescedCost { single: self.single.scaled(factor), shared: self.shared * factor, ..self }
    }
}

/// The load of a bundle as it fills.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BundleLoad {
    load: Load,
    lanes: u32,
    separate: f64,
}

/// A lane's share in a bundle's prediction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    key: CostKey,
    pub(super) model: ModelIndex,
    /// Predicted time of the lane's work alone.
    pub(super) body: f64,
    /// What the lane adds to its bundle if every ratio and factor is 1.
    unit: f64,
}

#[derive(Debug)]
pub(super) struct CostModel {
    device: DeviceModel,
    ratios: Vec<Ratio>,
    keys: HashMap<(KernelId, u32), CostKey>,
    models: HashMap<ModelId, ModelIndex>,
    /// Numbers of models that are gone.
    free_models: Vec<ModelIndex>,
    /// By model: how many times as long its dispatches take as others' of the same kernels. The first is of no model.
    factors: Vec<f64>,
    /// Of the bundle that is learned from: nanoseconds of each ratio in it.
    parts: Vec<(CostKey, f64)>,
}

impl CostModel {
    pub(super) fn new(device: DeviceModel) -> Self {
        let device = DeviceModel {
            parallelism: device.parallelism.max(1),
            flops: if device.flops.is_finite() { device.flops.max(1.0) } else { 1e12 },
            bytes: if device.bytes.is_finite() { device.bytes.max(1.0) } else { 1e11 },
            ..device
        };
        CostModel {
            device,
            ratios: vec![Ratio::default()],
            keys: HashMap::new(),
            models: HashMap::new(),
            free_models: Vec::new(),
            factors: vec![1.0],
            parts: Vec::new(),
        }
    }

    /// The model of that number.
    pub(super) fn model(&mut self, model: ModelId) -> ModelIndex {
        let Self { factors, free_models, .. } = self;
        *self.models.entry(model).or_insert_with(|| {
            free_models.pop().unwrap_or_else(|| {
                factors.push(1.0);
                ModelIndex(factors.len() as u32 - 1)
            })
        })
    }

    /// The number of a model that has one.
    pub(super) fn known_model(&self, model: ModelId) -> Option<ModelIndex> {
        self.models.get(&model).copied()
    }

    /// Gives a model's number to the next new one.
    pub(super) fn forget_model(&mut self, model: ModelId) {
        if let Some(index) = self.models.remove(&model) {
            self.set_factor(index, 1.0);
            self.free_models.push(index);
        }
    }

    /// Models, and ratios that are learned.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.factors.len() - 1, self.ratios.len())
    }

    /// How many times as long a model's dispatches take as others'.
    pub(super) fn factor(&self, model: ModelIndex) -> f64 {
        self.factors[model.index()]
    }

    pub(super) fn set_factor(&mut self, model: ModelIndex, factor: f64) {
        self.factors[model.index()] = factor;
    }

    fn key(&mut self, kernel: KernelId, class: u32) -> CostKey {
        let ratios = &mut self.ratios;
        *self.keys.entry((kernel, class)).or_insert_with(|| {
            ratios.push(Ratio::default());
            CostKey(ratios.len() as u32 - 1)
        })
    }

    /// The static estimate of a dispatch.
    pub(super) fn dispatch(&mut self, desc: &DispatchDesc) -> DispatchCost {
        let compute = desc.flops as f64 * 1e9 / self.device.flops;
        let memory = desc.bytes as f64 * 1e9 / self.device.bytes;
        let class = (desc.flops.max(desc.bytes) / u64::from(desc.workgroups.max(1))).max(1).ilog2() / 2
            + 32 * (desc.workgroups.max(1).ilog2() / 2);
        let key = self.key(desc.kernel, class);
        DispatchCost { key, model: ModelIndex::default(), compute, memory, workgroups: desc.workgroups.max(1) }
    }

    /// The static estimate of a dispatch run for several requests.
    pub(super) fn coalesce(&mut self, desc: &DispatchDesc, coalesce: &CoalesceDesc) -> CoalescedCost {
        let single = self.dispatch(desc);
        let key = self.dispatch(&DispatchDesc { kernel: coalesce.kernel, deps: Vec::new(), ..*desc }).key;
        let shared = coalesce.shared.min(desc.bytes) as f64 * 1e9 / self.device.bytes;
        CoalescedCost { key, single, shared }
    }

    /// The dispatch as it runs for so many requests: the arithmetic of all, and what they share moved once.
    pub(super) fn coalesced(&mut self, cost: &CoalescedCost, requests: u32) -> DispatchCost {
        let CoalescedCost { key, single, shared } = *cost;
        if self.ratios[key.0 as usize].seen == 0.0 {
            let value = self.ratio(single.key);
            self.ratios[key.0 as usize] = Ratio { value, seen: 0.0 };
        }
        let requests = f64::from(requests);
        let memory = shared + requests * (single.memory - shared);
        DispatchCost { key, compute: requests * single.compute, memory, ..single }
    }

    /// The load of a coalesced dispatch as it may be. Until it was measured a few times it is taken to do no worse than the single
    /// one: had it stalled the first time, it would never be tried again.
    pub(super) fn hoped(&self, cost: &CoalescedCost, load: Load) -> Load {
        let (own, single) = (self.ratios[cost.key.0 as usize], self.ratio(cost.single.key));
        if own.seen < TRIES && own.value > single { load.scaled(single / own.value) } else { load }
    }

    /// The load of `count` workgroups of a dispatch.
    pub(super) fn load(&self, cost: &DispatchCost, count: u32) -> Load {
        let ratio = self.ratio(cost.key) * self.factor(cost.model);
        let part = ratio * f64::from(count) / f64::from(cost.workgroups);
        let longest = ratio * cost.compute.max(cost.memory) * f64::from(self.device.parallelism);
        Load { compute: cost.compute * part, memory: cost.memory * part, longest: longest / f64::from(cost.workgroups) }
    }

    /// Whether the estimate of a dispatch rests on measurements.
    pub(super) fn is_measured(&self, cost: &DispatchCost) -> bool {
        self.ratios[cost.key.0 as usize].seen >= MEASURED
    }

    /// How many of `left` workgroups, in whole rounds of the device, a bundle of their own may hold within `budget`.
    /// At least one round, and at least as much as takes no longer than the bundle's fixed cost.
    pub(super) fn fit(&self, cost: &DispatchCost, left: u32, budget: f64) -> u32 {
        let round = self.device.parallelism;
        let ratio = self.ratio(cost.key) * self.factor(cost.model);
        let each = ratio * cost.compute.max(cost.memory) / f64::from(cost.workgroups);
        let fixed = self.fixed(1);
        let count = (budget - fixed).max(fixed) / each;
        if !count.is_finite() || count >= f64::from(left) {
            return left;
        }
        ((count as u32) / round * round).max(round).min(left)
    }

    /// Predicted duration of `load` as a bundle of one lane.
    pub(super) fn alone(&self, load: Load) -> f64 {
        self.fixed(1) + load.body()
    }

    /// Whether `count` workgroups fill the device by themselves for longer than a bundle's fixed cost: they then gain nothing
    /// from kernels beside them, and lose by the registers and branches of a merged pipeline.
    pub(super) fn is_heavy(&self, cost: &DispatchCost, count: u32) -> bool {
        count >= self.device.parallelism && self.load(cost, count).body() > self.fixed(1)
    }

    /// Predicted duration of a bundle.
    pub(super) fn bundle(&self, bundle: &BundleLoad) -> f64 {
        self.fixed(bundle.lanes) + bundle.load.body()
    }

    /// Predicted duration of a bundle without its fixed cost.
    pub(super) fn body(&self, bundle: &BundleLoad) -> f64 {
        bundle.load.body()
    }

    /// The bundle with one more lane.
    pub(super) fn joined(&self, bundle: &BundleLoad, load: Load) -> BundleLoad {
        BundleLoad {
            load: bundle.load.plus(load),
            lanes: bundle.lanes + 1,
            separate: bundle.separate + self.alone(load),
        }
    }

    /// The bundle with one more lane that does the work of so many, each of which would have been `single`.
    pub(super) fn joined_by(&self, bundle: &BundleLoad, load: Load, requests: u32, single: Load) -> BundleLoad {
        let separate = bundle.separate + f64::from(requests) * self.alone(single);
        BundleLoad { load: bundle.load.plus(load), lanes: bundle.lanes + 1, separate }
    }

    pub(super) fn share(&self, cost: &DispatchCost, load: Load) -> Share {
        let body = load.body();
        Share { key: cost.key, model: cost.model, body, unit: body / self.scale(cost.key, cost.model) }
    }

    /// Whether a lane's prediction rests on measurements.
    pub(super) fn is_known(&self, share: &Share) -> bool {
        self.ratios[share.key.0 as usize].seen >= MEASURED
    }

    /// Lays on the lanes of a bundle what they add to it: those that fill what others leave free add less than their own time.
    pub(super) fn close(&self, bundle: &BundleLoad, shares: &mut [Share]) {
        let bodies = shares.iter().map(|share| share.body).sum::<f64>();
        let overlap = if bodies > 0.0 { (bundle.load.body() / bodies).min(1.0) } else { 0.0 };
        shares.iter_mut().for_each(|share| share.unit *= overlap);
    }

    /// The duration of a bundle by what is known now.
    pub(super) fn predict(&self, shares: &[Share]) -> f64 {
        let part = |share: &Share| share.unit * self.scale(share.key, share.model);
        self.fixed(shares.len() as u32) + shares.iter().map(part).sum::<f64>()
    }

    /// The fixed cost of a submission.
    pub(super) fn submission(&self) -> f64 {
        self.device.submission as f64
    }

    /// How many times its static estimate a lane of a model takes.
    fn scale(&self, key: CostKey, model: ModelIndex) -> f64 {
        self.ratio(key) * self.factor(model)
    }

    fn ratio(&self, key: CostKey) -> f64 {
        self.ratios[key.0 as usize].value
    }

    /// The fixed cost of a bundle.
    pub(super) fn fixed(&self, lanes: u32) -> f64 {
        let device = &self.device;
        self.ratio(FIXED) * (device.bundle as f64 + device.lane as f64 * f64::from(lanes))
    }
}

impl DispatchCost {
    pub(super) fn workgroups(&self) -> u32 {
        self.workgroups
    }

    /// One that takes `factor` times as long.
    pub(super) fn scaled(self, factor: f64) -> Self {
        DispatchCost { compute: self.compute * factor, memory: self.memory * factor, ..self }
    }
}

impl BundleLoad {
    pub(super) fn separate(&self) -> Nanos {
        nanos(self.separate)
    }
}

/// To whole nanoseconds, upwards.
pub(super) fn nanos(value: f64) -> Nanos {
    value.ceil() as Nanos
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(super) const DEVICE: DeviceModel =
        DeviceModel { parallelism: 4, flops: 1e9, bytes: 1e9, bundle: 100, lane: 10, submission: 0 };

    pub(super) fn desc(workgroups: u32, flops: u64, bytes: u64) -> DispatchDesc {
        DispatchDesc { kernel: KernelId(1), workgroups, flops, bytes, deps: Vec::new(), coalesce: None }
    }

    #[test]
    fn a_workgroup_takes_as_long_as_a_round() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(8, 8_000, 80));
        for (count, expected) in [(1, 4_000.0), (4, 4_000.0), (8, 8_000.0)] {
            assert_eq!(model.alone(model.load(&cost, count)), 110.0 + expected, "{count} workgroups");
        }
    }

    #[test]
    fn small_lanes_fill_a_device_together() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(1, 1_000, 0));
        let load = model.load(&cost, 1);
        let mut bundle = BundleLoad::default();
        for _ in 0..4 {
            bundle = model.joined(&bundle, load);
        }
        assert_eq!(model.bundle(&bundle), 140.0 + 4_000.0);
        assert_eq!(bundle.separate(), 4 * 4_110);
    }

    #[test]
    fn compute_hides_memory() {
        let mut model = CostModel::new(DEVICE);
        let compute = model.dispatch(&desc(64, 64_000, 0));
        let memory = model.dispatch(&desc(64, 0, 64_000));
        let bundle = model.joined(&BundleLoad::default(), model.load(&compute, 64));
        let bundle = model.joined(&bundle, model.load(&memory, 64));
        assert_eq!(model.bundle(&bundle), 120.0 + 64_000.0);
    }

    #[test]
    fn what_requests_share_is_moved_once() {
        let mut model = CostModel::new(DEVICE);
        let coalesce = CoalesceDesc { kernel: KernelId(2), least: 2, width: 8, shared: 9_000, alike: None };
        let desc = DispatchDesc { coalesce: Some(coalesce), ..desc(64, 2_000, 10_000) };
        let single = model.dispatch(&desc);
        model.ratios[single.key.0 as usize].value = 2.0;
        let cost = model.coalesce(&desc, &coalesce);
        // At first by the single dispatch's ratio, then by its own.
        for (requests, expected) in [(2, 2.0 * 11_000.0), (8, 2.0 * 17_000.0)] {
            let together = model.coalesced(&cost, requests);
            assert_eq!(model.alone(model.load(&together, 64)), 110.0 + expected, "{requests} requests");
        }
        for _ in 0..60 {
            let together = model.coalesced(&cost, 4);
            let load = model.load(&together, 64);
            model.learn(&[model.share(&together, load)], 40_000.0);
        }
        let together = model.coalesced(&cost, 4);
        let learned = model.alone(model.load(&together, 64));
        assert!((learned / 40_000.0 - 1.0).abs() < 0.02, "{learned}");
        let alone = model.alone(model.load(&single, 64));
        assert!((alone / 20_110.0 - 1.0).abs() < 0.05, "the single dispatch keeps its own: {alone}");
    }

    #[test]
    fn a_coalesced_dispatch_that_stalled_once_is_tried_again() {
        let mut model = CostModel::new(DEVICE);
        let coalesce = CoalesceDesc { kernel: KernelId(2), least: 2, width: 8, shared: 9_000, alike: None };
        let desc = DispatchDesc { coalesce: Some(coalesce), ..desc(64, 2_000, 10_000) };
        let cost = model.coalesce(&desc, &coalesce);
        let mut times = Vec::new();
        for _ in 0..6 {
            let together = model.coalesced(&cost, 2);
            let load = model.load(&together, 64);
            times.push((model.alone(load), model.alone(model.hoped(&cost, load))));
            model.learn(&[model.share(&together, load)], 500_000.0);
        }
        assert!(times[1].0 > 2.0 * times[0].0 && times[1].1 < 1.01 * times[0].0, "{times:?}");
        let (last, hoped) = times[5];
        assert_eq!(last, hoped, "it is that slow");
    }

    #[test]
    fn fits_whole_rounds_and_at_least_one() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(64, 64_000, 0));
        for (left, budget, expected) in
            [(64, 1e9, 64), (64, 10_110.0, 8), (64, 0.0, 4), (3, 0.0, 3), (64, 64_110.0, 64)]
        {
            assert_eq!(model.fit(&cost, left, budget), expected, "{left} left, budget {budget}");
        }
        let free = model.dispatch(&desc(64, 0, 0));
        assert_eq!(model.fit(&free, 64, 1e3), 64);
    }
}
