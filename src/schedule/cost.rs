//! How long things take: a static estimate, corrected by what was measured.
//!
//! A dispatch is a compute area and a memory area (the time the whole device would take for its operations, and for its
//! bytes) in equal workgroups. A wave takes its fixed cost plus the largest of: the sum of compute areas, the sum of memory
//! areas, and the longest single workgroup. Each arm, by size class, has a ratio of measured to estimated time, as has the
//! fixed cost. Each model has a factor on top, which is 1 unless it straggles (`straggler`).
//!
//! Ratios are learned as by a Kalman filter without covariances: a wave's error is laid on its parts by how uncertain each of
//! them is. So the fixed cost, which every wave tells of, soon keeps still, and what waves of several lanes take longer is
//! laid on the lanes, however small the static estimate took them to be.

use std::collections::HashMap;

use super::{ArmId, DeviceModel, DispatchDesc, GatherDesc, Nanos};

/// Spread of a measurement around a perfect prediction, as a part of it. Guessed: between a GPU's and a busy CPU's.
const SPREAD: f64 = 0.2;
/// How far a ratio may have drifted from one measurement to the next, as a part of it. Guessed; with [`SPREAD`] it gives a new
/// measurement a tenth of the say once a ratio has settled.
const DRIFT: f64 = 0.02;
/// Uncertainty of a lane's time of which nothing is known: multiples of its estimate, or of a wave's fixed cost if that is more.
/// Guessed.
const UNKNOWN: (f64, f64) = (2.0, 0.5);
/// Standard deviations by which a measurement may be off. What is further off counts as that far, and makes its parts less
/// certain, so that one stall does little and a change that stays is learned in a few waves. Guessed.
const OFF: f64 = 3.0;
/// By how much it makes them less certain, in variance. Guessed.
const DOUBT: f64 = 2.0;
/// Shares of waves from which on a ratio counts as measured. Guessed.
const MEASURED: f64 = 1.0;
/// Bounds of a ratio.
const RATIO: (f64, f64) = (1e-4, 1e4);
/// Bounds of the ratio of fixed costs, which completion times alone cannot tell from a host that was late.
const FIXED_RATIO: (f64, f64) = (1.0 / 32.0, 32.0);

/// An arm and size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CostKey(u32);

/// A model, numbered densely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ModelIndex(u32);

impl ModelIndex {
    /// No model's.
    pub(super) const NONE: ModelIndex = ModelIndex(u32::MAX);

    pub(super) fn at(index: usize) -> Self {
        ModelIndex(index as u32)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The fixed cost of waves and lanes.
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
pub(super) struct GatherCost {
    key: CostKey,
    /// Of one request: where nothing was measured yet, its ratio counts.
    single: DispatchCost,
    shared: f64,
}

impl GatherCost {
    /// The same as a dispatch of a model.
    pub(super) fn of(self, model: ModelIndex) -> Self {
        GatherCost { single: self.single.of(model), ..self }
    }

    /// One that takes `factor` times as long.
    pub(super) fn scaled(self, factor: f64) -> Self {
        GatherCost { single: self.single.scaled(factor), shared: self.shared * factor, ..self }
    }
}

/// The load of a wave as it fills.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WaveLoad {
    load: Load,
    lanes: u32,
    separate: f64,
}

/// A lane's share in a wave's prediction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    key: CostKey,
    pub(super) model: ModelIndex,
    /// Predicted time of the lane's work alone.
    pub(super) body: f64,
    /// What the lane adds to its wave if every ratio and factor is 1.
    unit: f64,
}

/// What was learned of an arm's dispatches of a size class, to be kept from run to run on the same adapter.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Learned {
    /// The arm; `None` for the fixed costs of waves and lanes.
    pub arm: Option<ArmId>,
    /// The size class, of no meaning to the caller.
    pub class: u32,
    /// Measured over estimated time.
    pub ratio: f64,
    /// How much it rests on.
    pub weight: f64,
}

#[derive(Clone, Copy, Debug)]
struct Ratio {
    value: f64,
    /// Its uncertainty; `None` before the first measurement.
    variance: Option<f64>,
    seen: f64,
}

#[derive(Debug)]
pub(super) struct CostModel {
    device: DeviceModel,
    ratios: Vec<Ratio>,
    keys: HashMap<(ArmId, u32), CostKey>,
    models: HashMap<u32, ModelIndex>,
    /// By model: how many times as long its dispatches take as others' of the same arms. The first is of no model.
    factors: Vec<f64>,
    /// Of the wave that is learned from: nanoseconds of each ratio in it.
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
            ratios: vec![Ratio { value: 1.0, variance: None, seen: 1.0 }],
            keys: HashMap::new(),
            models: HashMap::new(),
            factors: vec![1.0],
            parts: Vec::new(),
        }
    }

    /// The model of that number.
    pub(super) fn model(&mut self, model: u32) -> ModelIndex {
        let factors = &mut self.factors;
        *self.models.entry(model).or_insert_with(|| {
            factors.push(1.0);
            ModelIndex(factors.len() as u32 - 1)
        })
    }

    /// How many times as long a model's dispatches take as others'.
    pub(super) fn factor(&self, model: ModelIndex) -> f64 {
        self.factors[model.index()]
    }

    pub(super) fn set_factor(&mut self, model: ModelIndex, factor: f64) {
        self.factors[model.index()] = factor;
    }

    /// All that was learned, in a fixed order.
    pub(super) fn learned(&self) -> Vec<Learned> {
        let of = |arm, class, CostKey(key): CostKey| {
            let Ratio { value, seen, .. } = self.ratios[key as usize];
            Learned { arm, class, ratio: value, weight: seen }
        };
        let mut all: Vec<_> = self.keys.iter().map(|(&(arm, class), &key)| of(Some(arm), class, key)).collect();
        all.push(of(None, 0, FIXED));
        all.sort_by_key(|learned| (learned.arm, learned.class));
        all
    }

    /// Takes over what was learned before. What makes no sense is left out.
    pub(super) fn teach(&mut self, learned: &[Learned]) {
        for &Learned { arm, class, ratio, weight } in learned {
            if !ratio.is_finite() || ratio <= 0.0 || !weight.is_finite() || weight < 0.0 {
                continue;
            }
            let key = arm.map_or(FIXED, |arm| self.key(arm, class));
            let (least, most) = bounds(key);
            let value = ratio.clamp(least, most);
            let variance = (weight >= MEASURED).then(|| (value * SPREAD).powi(2));
            self.ratios[key.0 as usize] = Ratio { value, variance, seen: weight };
        }
    }

    fn key(&mut self, arm: ArmId, class: u32) -> CostKey {
        let ratios = &mut self.ratios;
        *self.keys.entry((arm, class)).or_insert_with(|| {
            ratios.push(Ratio { value: 1.0, variance: None, seen: 0.0 });
            CostKey(ratios.len() as u32 - 1)
        })
    }

    /// The static estimate of a dispatch.
    pub(super) fn dispatch(&mut self, desc: &DispatchDesc) -> DispatchCost {
        let compute = desc.flops as f64 * 1e9 / self.device.flops;
        let memory = desc.bytes as f64 * 1e9 / self.device.bytes;
        let class = (desc.flops.max(desc.bytes) / u64::from(desc.workgroups.max(1))).max(1).ilog2() / 2
            + 32 * (desc.workgroups.max(1).ilog2() / 2);
        let key = self.key(desc.arm, class);
        DispatchCost { key, model: ModelIndex::default(), compute, memory, workgroups: desc.workgroups.max(1) }
    }

    /// The static estimate of a dispatch run for several requests.
    pub(super) fn gather(&mut self, desc: &DispatchDesc, gather: &GatherDesc) -> GatherCost {
        let single = self.dispatch(desc);
        let key = self.dispatch(&DispatchDesc { arm: gather.arm, deps: Vec::new(), ..*desc }).key;
        let shared = gather.shared.min(desc.bytes) as f64 * 1e9 / self.device.bytes;
        GatherCost { key, single, shared }
    }

    /// The dispatch as it runs for so many requests: the arithmetic of all, and what they share moved once.
    pub(super) fn gathered(&mut self, cost: &GatherCost, requests: u32) -> DispatchCost {
        let GatherCost { key, single, shared } = *cost;
        if self.ratios[key.0 as usize].seen == 0.0 {
            let value = self.ratio(single.key);
            self.ratios[key.0 as usize] = Ratio { value, variance: None, seen: 0.0 };
        }
        let requests = f64::from(requests);
        let memory = shared + requests * (single.memory - shared);
        DispatchCost { key, compute: requests * single.compute, memory, ..single }
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

    /// How many of `left` workgroups, in whole rounds of the device, a wave of their own may hold within `budget`.
    /// At least one round, and at least as much as takes no longer than the wave's fixed cost.
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

    /// Predicted duration of `load` as a wave of one lane.
    pub(super) fn alone(&self, load: Load) -> f64 {
        self.fixed(1) + load.body()
    }

    /// Whether `count` workgroups fill the device by themselves for longer than a wave's fixed cost: they then gain nothing
    /// from kernels beside them, and lose by the registers and branches of a merged pipeline.
    pub(super) fn is_heavy(&self, cost: &DispatchCost, count: u32) -> bool {
        count >= self.device.parallelism && self.load(cost, count).body() > self.fixed(1)
    }

    /// Predicted duration of a wave.
    pub(super) fn wave(&self, wave: &WaveLoad) -> f64 {
        self.fixed(wave.lanes) + wave.load.body()
    }

    /// Predicted duration of a wave without its fixed cost.
    pub(super) fn body(&self, wave: &WaveLoad) -> f64 {
        wave.load.body()
    }

    /// The wave with one more lane.
    pub(super) fn joined(&self, wave: &WaveLoad, load: Load) -> WaveLoad {
        WaveLoad { load: wave.load.plus(load), lanes: wave.lanes + 1, separate: wave.separate + self.alone(load) }
    }

    /// The wave with one more lane that does the work of so many, each of which would have been `single`.
    pub(super) fn joined_by(&self, wave: &WaveLoad, load: Load, requests: u32, single: Load) -> WaveLoad {
        let separate = wave.separate + f64::from(requests) * self.alone(single);
        WaveLoad { load: wave.load.plus(load), lanes: wave.lanes + 1, separate }
    }

    pub(super) fn share(&self, cost: &DispatchCost, load: Load) -> Share {
        let body = load.body();
        Share { key: cost.key, model: cost.model, body, unit: body / self.scale(cost.key, cost.model) }
    }

    /// Whether a lane's prediction rests on measurements.
    pub(super) fn is_known(&self, share: &Share) -> bool {
        self.ratios[share.key.0 as usize].seen >= MEASURED
    }

    /// Lays on the lanes of a wave what they add to it: those that fill what others leave free add less than their own time.
    pub(super) fn close(&self, wave: &WaveLoad, shares: &mut [Share]) {
        let bodies = shares.iter().map(|share| share.body).sum::<f64>();
        let overlap = if bodies > 0.0 { (wave.load.body() / bodies).min(1.0) } else { 0.0 };
        shares.iter_mut().for_each(|share| share.unit *= overlap);
    }

    /// The duration of a wave by what is known now.
    pub(super) fn predict(&self, shares: &[Share]) -> f64 {
        let part = |share: &Share| share.unit * self.scale(share.key, share.model);
        self.fixed(shares.len() as u32) + shares.iter().map(part).sum::<f64>()
    }

    /// Learns from a wave that took `measured`. Many waves of a submission rest on the same prediction: what counts is how far
    /// off the present one is, or the same error would be corrected again and again.
    pub(super) fn learn(&mut self, shares: &[Share], measured: f64) {
        let predicted = self.predict(shares);
        if predicted <= 0.0 || !measured.is_finite() || shares.is_empty() {
            return;
        }
        let fixed = self.fixed(shares.len() as u32);
        let mut parts = std::mem::take(&mut self.parts);
        parts.clear();
        parts.push((FIXED, fixed));
        for share in shares {
            let part = share.unit * self.scale(share.key, share.model);
            match parts.iter_mut().rev().find(|(key, _)| *key == share.key) {
                Some((_, sum)) => *sum += part,
                None => parts.push((share.key, part)),
            }
        }
        parts.retain(|&(_, part)| part > 0.0);

        let alone = self.fixed(1);
        let doubt = |&(key, part): &(CostKey, f64)| {
            let ratio = &self.ratios[key.0 as usize];
            ratio.variance(part, alone) * (part / ratio.value).powi(2)
        };
        let variance = (SPREAD * predicted).powi(2) + parts.iter().map(doubt).sum::<f64>();
        let (error, most) = (measured - predicted, OFF * variance.sqrt());
        let off = error.abs() > most;
        for &(key, part) in &parts {
            let ratio = &mut self.ratios[key.0 as usize];
            let before = ratio.variance(part, alone);
            let slope = part / ratio.value;
            let gain = before * slope / variance;
            let (least, greatest) = bounds(key);
            ratio.value = (ratio.value + gain * error.clamp(-most, most)).clamp(least, greatest);
            let after = before * if off { DOUBT } else { 1.0 - gain * slope };
            ratio.variance = Some(after + (DRIFT * ratio.value).powi(2));
            ratio.seen += part / predicted;
        }
        self.parts = parts;
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

    /// The fixed cost of a wave.
    pub(super) fn fixed(&self, lanes: u32) -> f64 {
        let device = &self.device;
        self.ratio(FIXED) * (device.wave as f64 + device.lane as f64 * f64::from(lanes))
    }
}

impl Ratio {
    /// Its variance, where it stands for `part` nanoseconds of a wave and a lane's fixed cost is `fixed`.
    fn variance(&self, part: f64, fixed: f64) -> f64 {
        let unknown = (UNKNOWN.0 * part).max(UNKNOWN.1 * fixed) * self.value / part;
        self.variance.unwrap_or(f64::INFINITY).min(unknown.powi(2))
    }
}

fn bounds(key: CostKey) -> (f64, f64) {
    if key == FIXED { FIXED_RATIO } else { RATIO }
}

impl DispatchCost {
    /// One that takes `factor` times as long.
    pub(super) fn scaled(self, factor: f64) -> Self {
        DispatchCost { compute: self.compute * factor, memory: self.memory * factor, ..self }
    }
}

impl WaveLoad {
    pub(super) fn separate(&self) -> Nanos {
        nanos(self.separate)
    }
}

/// To whole nanoseconds, upwards.
pub(super) fn nanos(value: f64) -> Nanos {
    value.ceil() as Nanos
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceModel =
        DeviceModel { parallelism: 4, flops: 1e9, bytes: 1e9, wave: 100, lane: 10, submission: 0 };

    fn desc(workgroups: u32, flops: u64, bytes: u64) -> DispatchDesc {
        DispatchDesc { arm: ArmId(1), workgroups, flops, bytes, deps: Vec::new(), gather: None }
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
        let mut wave = WaveLoad::default();
        for _ in 0..4 {
            wave = model.joined(&wave, load);
        }
        assert_eq!(model.wave(&wave), 140.0 + 4_000.0);
        assert_eq!(wave.separate(), 4 * 4_110);
    }

    #[test]
    fn compute_hides_memory() {
        let mut model = CostModel::new(DEVICE);
        let compute = model.dispatch(&desc(64, 64_000, 0));
        let memory = model.dispatch(&desc(64, 0, 64_000));
        let wave = model.joined(&WaveLoad::default(), model.load(&compute, 64));
        let wave = model.joined(&wave, model.load(&memory, 64));
        assert_eq!(model.wave(&wave), 120.0 + 64_000.0);
    }

    #[test]
    fn what_requests_share_is_moved_once() {
        let mut model = CostModel::new(DEVICE);
        let gather = GatherDesc { arm: ArmId(2), least: 2, width: 8, shared: 9_000 };
        let desc = DispatchDesc { gather: Some(gather), ..desc(64, 2_000, 10_000) };
        let single = model.dispatch(&desc);
        model.ratios[single.key.0 as usize].value = 2.0;
        let cost = model.gather(&desc, &gather);
        // At first by the single dispatch's ratio, then by its own.
        for (requests, expected) in [(2, 2.0 * 11_000.0), (8, 2.0 * 17_000.0)] {
            let together = model.gathered(&cost, requests);
            assert_eq!(model.alone(model.load(&together, 64)), 110.0 + expected, "{requests} requests");
        }
        for _ in 0..60 {
            let together = model.gathered(&cost, 4);
            let load = model.load(&together, 64);
            model.learn(&[model.share(&together, load)], 40_000.0);
        }
        let together = model.gathered(&cost, 4);
        let learned = model.alone(model.load(&together, 64));
        assert!((learned / 40_000.0 - 1.0).abs() < 0.02, "{learned}");
        let alone = model.alone(model.load(&single, 64));
        assert!((alone / 20_110.0 - 1.0).abs() < 0.05, "the single dispatch keeps its own: {alone}");
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

    #[test]
    fn learns_what_it_is_told() {
        let mut model = CostModel::new(DEVICE);
        let slow = model.dispatch(&desc(64, 640_000, 0));
        let load = |model: &CostModel| model.load(&slow, 64);
        for _ in 0..60 {
            let load = load(&model);
            model.learn(&[model.share(&slow, load)], 3.0 * 640_110.0);
        }
        let predicted = model.alone(load(&model));
        assert!((predicted / (3.0 * 640_110.0) - 1.0).abs() < 0.02, "{predicted}");
    }

    #[test]
    fn lanes_that_were_thought_to_be_free_are_not() {
        let mut model = CostModel::new(DEVICE);
        let tiny = model.dispatch(&desc(4, 4, 0));
        let wave = |model: &CostModel, lanes: usize| {
            let load = model.load(&tiny, 4);
            let wave = (0..lanes).fold(WaveLoad::default(), |wave, _| model.joined(&wave, load));
            let mut shares = vec![model.share(&tiny, load); lanes];
            model.close(&wave, &mut shares);
            (shares, model.wave(&wave))
        };
        // The truth: 70 ns, and 60 ns for each lane, of which the static estimate has 110 and 1.
        for round in 0..200 {
            let lanes = 1 + round % 4;
            let (shares, _) = wave(&model, lanes);
            model.learn(&shares, 70.0 + 60.0 * lanes as f64);
        }
        for lanes in [1, 4] {
            let (_, predicted) = wave(&model, lanes);
            let truth = 70.0 + 60.0 * lanes as f64;
            assert!((predicted / truth - 1.0).abs() < 0.15, "{lanes}: {predicted} {truth}");
        }
    }

    #[test]
    fn one_prediction_of_many_waves_is_corrected_once() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(64, 640_000, 0));
        let load = model.load(&cost, 64);
        let share = model.share(&cost, load);
        for _ in 0..60 {
            model.learn(&[share], 200_000.0);
        }
        let predicted = model.alone(model.load(&cost, 64));
        assert!((predicted / 200_000.0 - 1.0).abs() < 0.05, "{predicted}");
        assert!(model.fixed(1) > 20.0, "{}", model.fixed(1));
    }

    #[test]
    fn a_change_that_stays_is_learned_soon() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(64, 640_000, 0));
        let mut learn = |truth: f64, times: usize| {
            for _ in 0..times {
                let load = model.load(&cost, 64);
                model.learn(&[model.share(&cost, load)], truth);
            }
            model.alone(model.load(&cost, 64))
        };
        learn(640_000.0, 200);
        for truth in [2_500_000.0, 160_000.0] {
            let predicted = learn(truth, 20);
            assert!((predicted / truth - 1.0).abs() < 0.2, "{predicted} {truth}");
        }
    }

    #[test]
    fn an_outlier_moves_a_settled_ratio_little() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(64, 640_000, 0));
        let load = model.load(&cost, 64);
        for _ in 0..100 {
            model.learn(&[model.share(&cost, load)], 640_110.0);
        }
        model.learn(&[model.share(&cost, load)], 1e15);
        assert!(model.alone(model.load(&cost, 64)) < 3.0 * 640_110.0);
    }

    #[test]
    fn a_stall_at_first_is_soon_forgotten() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(64, 640_000, 0));
        let alone = |model: &CostModel| model.alone(model.load(&cost, 64));
        for measured in [16.0 * 640_110.0, 640_110.0, 640_110.0, 640_110.0] {
            let load = model.load(&cost, 64);
            model.learn(&[model.share(&cost, load)], measured);
        }
        assert!(alone(&model) < 2.5 * 640_110.0, "{}", alone(&model));
    }

    #[test]
    fn what_was_learned_can_be_taken_over() {
        let mut model = CostModel::new(DEVICE);
        let slow = model.dispatch(&desc(64, 640_000, 0));
        for _ in 0..20 {
            let load = model.load(&slow, 64);
            model.learn(&[model.share(&slow, load)], 5e6);
        }
        let mut other = CostModel::new(DEVICE);
        let nonsense = Learned { arm: None, class: 0, ratio: f64::NAN, weight: 1.0 };
        other.teach(&[model.learned(), vec![nonsense]].concat());
        assert_eq!(other.learned(), model.learned());
        let again = other.dispatch(&desc(64, 640_000, 0));
        assert_eq!(other.alone(other.load(&again, 64)), model.alone(model.load(&slow, 64)));
        assert!(other.is_measured(&again));
    }
}
