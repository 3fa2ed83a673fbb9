//! How long things take: a static estimate, corrected by what was measured.
//!
//! A dispatch is a compute area and a memory area (the time the whole device would take for its operations, and for its
//! bytes) in equal workgroups. A wave takes its fixed cost plus the largest of: the sum of compute areas, the sum of memory
//! areas, and the longest single workgroup. Each arm, by size class, has a ratio of measured to estimated time, as has the
//! fixed cost. A wave's error is laid on its parts by their share in the prediction.

use std::collections::HashMap;

use super::{ArmId, DeviceModel, DispatchDesc, GatherDesc, Nanos};

/// Weight of a new measurement once a ratio has settled. Guessed.
const SETTLED: f64 = 0.1;
/// Bounds of what one measurement may say, so that a stall does not ruin an estimate. Guessed.
const ERROR: (f64, f64) = (1.0 / 16.0, 16.0);
/// Shares of waves from which on a ratio counts as measured. Guessed.
const MEASURED: f64 = 1.0;
/// Bounds of a ratio.
const RATIO: (f64, f64) = (1e-4, 1e4);
/// Bounds of the ratio of fixed costs, which completion times alone cannot tell from a host that was late.
const FIXED_RATIO: (f64, f64) = (1.0 / 32.0, 32.0);

/// An arm and size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CostKey(u32);

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
    compute: f64,
    memory: f64,
    workgroups: u32,
}

/// What a dispatch costs by the static estimate when several requests run it as one lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatherCost {
    key: CostKey,
    /// Of one request: where nothing was measured yet, its ratio counts.
    single: DispatchCost,
    shared: f64,
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
    /// Predicted time of the lane's work alone.
    pub(super) body: f64,
}

/// What was learned of an arm's dispatches of a size class, to be kept from run to run on the same adapter.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    seen: f64,
}

#[derive(Debug)]
pub(super) struct CostModel {
    device: DeviceModel,
    ratios: Vec<Ratio>,
    keys: HashMap<(ArmId, u32), CostKey>,
}

impl CostModel {
    pub(super) fn new(device: DeviceModel) -> Self {
        let device = DeviceModel {
            parallelism: device.parallelism.max(1),
            flops: if device.flops.is_finite() { device.flops.max(1.0) } else { 1e12 },
            bytes: if device.bytes.is_finite() { device.bytes.max(1.0) } else { 1e11 },
            ..device
        };
        CostModel { device, ratios: vec![Ratio { value: 1.0, seen: 1.0 }], keys: HashMap::new() }
    }

    /// All that was learned, in a fixed order.
    pub(super) fn learned(&self) -> Vec<Learned> {
        let of = |arm, class, CostKey(key): CostKey| {
            let Ratio { value, seen } = self.ratios[key as usize];
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
            self.ratios[key.0 as usize] = Ratio { value: ratio.clamp(least, most), seen: weight };
        }
    }

    fn key(&mut self, arm: ArmId, class: u32) -> CostKey {
        let ratios = &mut self.ratios;
        *self.keys.entry((arm, class)).or_insert_with(|| {
            ratios.push(Ratio { value: 1.0, seen: 0.0 });
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
        DispatchCost { key, compute, memory, workgroups: desc.workgroups.max(1) }
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
            self.ratios[key.0 as usize].value = self.ratio(single.key);
        }
        let requests = f64::from(requests);
        let memory = shared + requests * (single.memory - shared);
        DispatchCost { key, compute: requests * single.compute, memory, ..single }
    }

    /// The load of `count` workgroups of a dispatch.
    pub(super) fn load(&self, cost: &DispatchCost, count: u32) -> Load {
        let ratio = self.ratio(cost.key);
        let part = ratio * f64::from(count) / f64::from(cost.workgroups);
        let longest = ratio * cost.compute.max(cost.memory) * f64::from(self.device.parallelism);
        Load { compute: cost.compute * part, memory: cost.memory * part, longest: longest / f64::from(cost.workgroups) }
    }

    /// Takes a ratio for granted.
    pub(super) fn assume(&mut self, cost: &DispatchCost, ratio: f64) {
        self.ratios[cost.key.0 as usize].value = ratio;
    }

    /// Whether the estimate of a dispatch rests on measurements.
    pub(super) fn is_measured(&self, cost: &DispatchCost) -> bool {
        self.ratios[cost.key.0 as usize].seen >= MEASURED
    }

    /// How many of `left` workgroups, in whole rounds of the device, a wave of their own may hold within `budget`.
    /// At least one round, and at least as much as takes no longer than the wave's fixed cost.
    pub(super) fn fit(&self, cost: &DispatchCost, left: u32, budget: f64) -> u32 {
        let round = self.device.parallelism;
        let each = self.ratio(cost.key) * cost.compute.max(cost.memory) / f64::from(cost.workgroups);
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
        Share { key: cost.key, body: load.body() }
    }

    /// Learns from a wave that was predicted to take `predicted` and took `measured`.
    pub(super) fn learn(&mut self, shares: &[Share], predicted: f64, measured: f64) {
        if predicted <= 0.0 || shares.is_empty() {
            return;
        }
        let error = (measured / predicted).clamp(ERROR.0, ERROR.1);
        let fixed = self.fixed(shares.len() as u32);
        let total = fixed + shares.iter().map(|share| share.body).sum::<f64>();
        if total <= 0.0 {
            return;
        }
        self.correct(FIXED, fixed / total, error);
        for share in shares {
            self.correct(share.key, share.body / total, error);
        }
    }

    /// The fixed cost of a submission.
    pub(super) fn submission(&self) -> f64 {
        self.device.submission as f64
    }

    fn correct(&mut self, key: CostKey, share: f64, error: f64) {
        let ratio = &mut self.ratios[key.0 as usize];
        ratio.seen += share;
        let weight = (share / ratio.seen).max(SETTLED * share);
        let (least, most) = bounds(key);
        ratio.value = (ratio.value * (1.0 + weight * (error - 1.0))).clamp(least, most);
    }

    fn ratio(&self, key: CostKey) -> f64 {
        self.ratios[key.0 as usize].value
    }

    fn fixed(&self, lanes: u32) -> f64 {
        let device = &self.device;
        self.ratio(FIXED) * (device.wave as f64 + device.lane as f64 * f64::from(lanes))
    }
}

fn bounds(key: CostKey) -> (f64, f64) {
    if key == FIXED { FIXED_RATIO } else { RATIO }
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
        model.assume(&single, 2.0);
        let cost = model.gather(&desc, &gather);
        // At first by the single dispatch's ratio, then by its own.
        for (requests, expected) in [(2, 2.0 * 11_000.0), (8, 2.0 * 17_000.0)] {
            let together = model.gathered(&cost, requests);
            assert_eq!(model.alone(model.load(&together, 64)), 110.0 + expected, "{requests} requests");
        }
        for _ in 0..60 {
            let together = model.gathered(&cost, 4);
            let load = model.load(&together, 64);
            model.learn(&[model.share(&together, load)], model.alone(load), 40_000.0);
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
            model.learn(&[model.share(&slow, load)], model.alone(load), 3.0 * 640_110.0);
        }
        let predicted = model.alone(load(&model));
        assert!((predicted / (3.0 * 640_110.0) - 1.0).abs() < 0.02, "{predicted}");
    }

    #[test]
    fn an_outlier_moves_a_settled_ratio_little() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(64, 640_000, 0));
        let load = model.load(&cost, 64);
        for _ in 0..100 {
            model.learn(&[model.share(&cost, load)], 640_110.0, 640_110.0);
        }
        model.learn(&[model.share(&cost, load)], 640_110.0, 1e15);
        assert!(model.alone(model.load(&cost, 64)) < 3.0 * 640_110.0);
    }

    #[test]
    fn what_was_learned_can_be_taken_over() {
        let mut model = CostModel::new(DEVICE);
        let slow = model.dispatch(&desc(64, 640_000, 0));
        for _ in 0..20 {
            let load = model.load(&slow, 64);
            model.learn(&[model.share(&slow, load)], model.alone(load), 5e6);
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
