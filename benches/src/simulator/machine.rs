//! A device that does not obey the scheduler's cost formula, to judge the scheduler's rules by.
//!
//! What differs, and why: throughput rises smoothly with the workgroups that are resident (latencies hide each other) instead of in
//! rounds; operations and bytes overlap in part only; kernels in one pipeline take each other's registers (the most demanding one
//! decides how many workgroups are resident) and cache; the clock changes every now and then; somebody else, a compositor, takes a
//! part of the device at sixty hertz; a bundle stalls now and then. None of these figures was measured on a GPU; where a dispatch was
//! measured alone, it takes that time alone, and the rest is what company, clock and compositor make of it.

use std::collections::BTreeMap;

use super::dice::Dice;
use fascine::schedule::{DispatchDesc, KernelId, Nanos};

/// How hard operations and bytes overlap: 1 is not at all, infinity perfectly.
const OVERLAP: i32 = 3;
/// How many times as fast a workgroup is that has the device for itself.
const ALONE: f64 = 2.5;
/// What each further kernel of a bundle costs all of it by its branches and registers, and the most of it.
const COMPANY: (f64, f64) = (0.02, 0.25);
/// Parts of the resident workgroups that are left beside a kernel of many registers.
const RESIDENT: [f64; 4] = [1.0, 1.0, 0.75, 0.5];
/// How much more bytes a kernel moves for each other kernel that uses the cache, at most, and the most in all.
const CACHE: (f64, f64) = (0.08, 0.6);
/// Clocks, of the rated one, and the mean time until the next.
const CLOCKS: [f64; 4] = [1.0, 1.1, 0.85, 0.7];
const CLOCK_LASTS: f64 = 700e6;
/// The compositor: its period, how long it takes of it, and how many times as long others take meanwhile.
const COMPOSITOR: (Nanos, Nanos, f64) = (16_666_667, 1_000_000, 1.6);
/// How often a bundle stalls, and for how long.
const STALL: (f64, f64) = (1e-4, 2e6);
/// Spread of the hidden factors of a kernel's operations and bytes.
const SKEW: f64 = 0.35;

/// The device's true figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rated {
    /// Workgroups of a modest kernel that are resident at a time.
    pub resident: f64,
    /// Operations a second at the rated clock.
    pub flops: f64,
    /// Bytes a second.
    pub bytes: f64,
    /// Fixed cost of a bundle, and of a lane.
    pub bundle: Nanos,
    /// Fixed cost of a lane.
    pub lane: Nanos,
}

/// What is hidden of a kernel.
#[derive(Clone, Copy, Debug)]
struct Kernel {
    compute: f64,
    memory: f64,
    resident: f64,
    cache: f64,
}

/// A lane as the device has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    pub(super) kernel: KernelId,
    pub(super) flops: f64,
    pub(super) bytes: f64,
    pub(super) workgroups: f64,
    /// How many times as long it takes for reasons of its own.
    pub(super) factor: f64,
}

#[derive(Debug)]
pub(super) struct Machine {
    rated: Rated,
    kernels: BTreeMap<KernelId, Kernel>,
    dice: Dice,
    clock: f64,
    clock_until: Nanos,
    present: Vec<KernelId>,
}

impl Machine {
    pub(super) fn new(rated: Rated, seed: u64) -> Self {
        Machine {
            rated,
            kernels: BTreeMap::new(),
            dice: Dice::new(seed ^ 0x6d61_6368),
            clock: 1.0,
            clock_until: 0,
            present: Vec::new(),
        }
    }

    /// The effort of `count` workgroups of a dispatch for so many requests at once.
    pub(super) fn effort(dispatch: &DispatchDesc, kernel: KernelId, requests: u32, count: u32, factor: f64) -> Effort {
        let part = f64::from(count) / f64::from(dispatch.workgroups.max(1));
        let requests = f64::from(requests);
        let shared = dispatch.coalesce.map_or(0, |coalesce| coalesce.shared.min(dispatch.bytes)) as f64;
        let bytes = shared + requests * (dispatch.bytes as f64 - shared);
        let flops = requests * dispatch.flops as f64;
        Effort { kernel, flops: flops * part, bytes: bytes * part, workgroups: f64::from(count), factor }
    }

    /// How many times as long as by its rates a dispatch takes that takes so long alone, at the rated clock. What is hidden of its
    /// kernel's operations and bytes is in that.
    pub(super) fn stretch(&mut self, dispatch: &DispatchDesc, measured: Nanos) -> f64 {
        let hidden = self.hidden(dispatch.kernel);
        (hidden.compute, hidden.memory) = (1.0, 1.0);
        let alone = Self::effort(dispatch, dispatch.kernel, 1, dispatch.workgroups, 1.0);
        self.present.clear();
        self.present.push(dispatch.kernel);
        let fixed = (self.rated.bundle + self.rated.lane) as f64;
        (measured as f64 - fixed).max(0.0) / self.body(&[alone], 1.0).max(1.0)
    }

    fn hidden(&mut self, kernel: KernelId) -> &mut Kernel {
        let dice = &mut self.dice;
        self.kernels.entry(kernel).or_insert_with(|| Kernel {
            compute: dice.log_normal(SKEW),
            memory: dice.log_normal(SKEW),
            resident: RESIDENT[(dice.unit() * RESIDENT.len() as f64) as usize % RESIDENT.len()],
            cache: CACHE.0 * dice.unit(),
        })
    }

    /// How long a bundle of these lanes takes that starts at `at`.
    pub(super) fn duration(&mut self, lanes: &[Effort], at: Nanos, noise: f64) -> Nanos {
        let clock = self.clock(at);
        self.present.clear();
        for lane in lanes {
            if !self.present.contains(&lane.kernel) {
                self.present.push(lane.kernel);
            }
        }
        for lane in lanes {
            self.hidden(lane.kernel);
        }
        let body = self.body(lanes, clock);
        let others = self.present.len().saturating_sub(1) as f64;
        let company = 1.0 + (COMPANY.0 * others).min(COMPANY.1);
        let (period, takes, slower) = COMPOSITOR;
        let beside = if at % period < takes { slower } else { 1.0 };
        let stall = if self.dice.unit() < STALL.0 { STALL.1 } else { 0.0 };
        let fixed = self.rated.bundle as f64 + self.rated.lane as f64 * lanes.len() as f64;
        ((fixed + body * company * beside) * self.dice.log_normal(noise) + stall) as Nanos
    }

    /// What these lanes of the kernels that are present take together, but for fixed costs.
    fn body(&self, lanes: &[Effort], clock: f64) -> f64 {
        let kernels = &self.kernels;
        let others = self.present.len().saturating_sub(1) as f64;
        let least = self.present.iter().map(|kernel| kernels[kernel].resident).fold(1.0, f64::min);
        let resident = (self.rated.resident * least).max(1.0);
        let (mut compute, mut memory, mut workgroups, mut longest) = (0.0, 0.0, 0.0, 0.0f64);
        for lane in lanes {
            let kernel = kernels[&lane.kernel];
            let operations = lane.flops * 1e9 / self.rated.flops * kernel.compute * lane.factor / clock;
            let more = 1.0 + (kernel.cache * others).min(CACHE.1);
            let moved = lane.bytes * 1e9 / self.rated.bytes * kernel.memory * lane.factor * more;
            compute += operations;
            memory += moved;
            workgroups += lane.workgroups;
            longest = longest.max(together(operations, moved) / lane.workgroups * self.rated.resident / ALONE);
        }
        // As many as fit hide each other's latencies; one alone is `ALONE` times as fast as one of a full device.
        let present = workgroups.min(resident);
        let half = self.rated.resident / (ALONE - 1.0).max(0.1);
        let full = self.rated.resident / (self.rated.resident + half);
        let busy = present / (present + half) / full;
        (together(compute, memory) / busy.max(1e-9)).max(longest)
    }

    fn clock(&mut self, at: Nanos) -> f64 {
        while at >= self.clock_until {
            self.clock = CLOCKS[(self.dice.unit() * CLOCKS.len() as f64) as usize % CLOCKS.len()];
            self.clock_until += (self.dice.exponential() * CLOCK_LASTS) as Nanos + 1;
        }
        self.clock
    }
}

fn together(compute: f64, memory: f64) -> f64 {
    (compute.powi(OVERLAP) + memory.powi(OVERLAP)).powf(1.0 / f64::from(OVERLAP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_dispatch_takes_its_time_alone() {
        let rated = Rated { resident: 64.0, flops: 1e12, bytes: 1e11, bundle: 5_000, lane: 100 };
        let dispatch = |kernel, workgroups| DispatchDesc {
            kernel: KernelId(kernel),
            workgroups,
            flops: 50_000_000,
            bytes: 2_000_000,
            deps: Vec::new(),
            coalesce: None,
        };
        for seed in 0..8 {
            let mut machine = Machine::new(rated, seed);
            // A kernel of few workgroups, and one of many.
            for (kernel, workgroups) in [(1, 3), (2, 700)] {
                let dispatch = dispatch(kernel, workgroups);
                let factor = machine.stretch(&dispatch, 800_000);
                let lane = Machine::effort(&dispatch, dispatch.kernel, 1, workgroups, factor);
                let body = machine.body(&[lane], 1.0);
                assert!((body - 794_900.0).abs() < 1.0, "seed {seed}: {body}");
            }
            // What takes no longer than a bundle's fixed cost takes nothing besides.
            assert!(machine.stretch(&dispatch(3, 1), 4_000).abs() < 1e-9);
        }
    }
}
