//! A runtime with tenants, warmed up for one arm after another.

use std::time::{Duration, Instant};

use fascine::error::Result;
use fascine::gpu::{Caps, HeapLayout};
use fascine::runtime::trace::Trace;
use fascine::runtime::{Clock, Options, Runtime};
use fascine::schedule::{Admission, Class, Nanos, Policy};
use serde::Serialize;

use super::Common;
use super::arm::Arm;
use super::batch::Batching;
use super::load::{self, Load, Rules, Served, Source, Stream};
use super::tenants::{self, Tenant, Wanted};
use super::watch::Watch;
use crate::table;

/// Passes before measuring: at most this many, until no pipeline is being made any more.
const MAX_WARM_UP: usize = 12;
/// How long a pass of the warm-up takes.
pub(crate) const PASS: Nanos = 1_000_000_000;
/// A tenant runs alone for so long, and so often at least, before its time alone is taken.
const ALONE: Duration = Duration::from_millis(400);
const ALONE_RUNS: usize = 5;

pub(crate) struct Rig {
    pub(crate) runtime: Runtime,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) watch: Watch,
    clock: Clock,
    limit: Duration,
}

/// The device and the limits that apply, as they stand beside every table.
#[derive(Serialize)]
pub(crate) struct Setup {
    pub(crate) adapter: String,
    pub(crate) limits: Caps,
    pub(crate) slice_ms: f64,
    pub(crate) in_flight: usize,
    pub(crate) longest_wait_ms: f64,
}

/// A stream's model.
#[derive(Serialize)]
pub(crate) struct StreamReport {
    pub(crate) model: String,
    pub(crate) dispatches: usize,
    pub(crate) alone_ms: f64,
}

impl StreamReport {
    pub(crate) fn of(tenants: &[Tenant], alone: &[Nanos]) -> Vec<Self> {
        let of = |(tenant, &alone): (&Tenant, &Nanos)| StreamReport {
            model: tenant.label.clone(),
            dispatches: tenant.summary.dispatches,
            alone_ms: millis(alone),
        };
        tenants.iter().zip(alone).map(of).collect()
    }
}

/// What the batching arm chose.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct BatchReport {
    pub(crate) window_ms: f64,
    pub(crate) largest: usize,
}

impl BatchReport {
    pub(crate) fn of(batching: Batching) -> Self {
        BatchReport { window_ms: millis(batching.window), largest: batching.largest }
    }
}

impl Rig {
    /// Opens the device, loads the models, and runs each alone once.
    pub(crate) fn new(common: &Common, wanted: &[Wanted], heap: HeapLayout) -> Result<Self> {
        let (trace, clock) = (Trace::default(), Clock::default());
        let runtime = Runtime::new(Options {
            trace: Some(trace.clone()),
            clock: clock.clone(),
            heap,
            policy: if heap == HeapLayout::Apart { Policy::OnePass } else { Policy::default() },
            // Plans for every size of a batch.
            plan_cache: 64,
            // Those of open streams come when they come.
            max_queued: usize::MAX,
            // Nothing else runs here while pipelines are compiled.
            compile_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            ..common.device.options()
        })?;
        // Merged pipelines are made for the arms that want them, in their warm-up.
        runtime.set_merging(false)?;
        let mut tenants = tenants::load(&runtime, &common.zoo, wanted, &common.dims, common.seed)?;
        tenants.iter_mut().try_for_each(Tenant::learn_outputs)?;
        Ok(Rig { runtime, tenants, watch: Watch::new(trace), clock, limit: common.warm_up() })
    }

    /// Takes a runtime of its own for an arm that needs one; returns the one of the others, for [`Rig::leave`].
    pub(crate) fn enter(&mut self, common: &Common, wanted: &[Wanted], arm: Arm) -> Result<Option<Rig>> {
        if arm.heap() == HeapLayout::Shared {
            return Ok(None);
        }
        let own = Rig::new(common, wanted, arm.heap())?;
        Ok(Some(std::mem::replace(self, own)))
    }

    /// Goes back to the runtime of the others, with the trace that was kept.
    pub(crate) fn leave(&mut self, shared: Option<Rig>) {
        if let Some(shared) = shared {
            let own = std::mem::replace(self, shared);
            self.watch.adopt(own.watch);
        }
    }

    pub(crate) fn setup(&self) -> Setup {
        Setup::of(&self.runtime)
    }

    /// Serves as `arm` does from now on. What was learned of durations is forgotten.
    pub(crate) fn set(&self, arm: Arm) -> Result<()> {
        self.runtime.set_schedule(arm.options(self.runtime.schedule()))
    }

    /// Runs a load. The device is idle afterwards.
    pub(crate) fn drive(&mut self, streams: &[Stream], rules: Rules, until: Nanos) -> Result<Vec<Served>> {
        let Rig { runtime, tenants, watch, clock, .. } = self;
        let before = runtime.stats()?.requests;
        let driven = load::drive(&Load { tenants, clock, streams, rules, until }, watch)?;
        while runtime.stats()?.requests < before + driven.sent {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(driven.served)
    }

    /// Runs the load as [`warm_up`] does.
    pub(crate) fn warm_up(&mut self, streams: &[Stream], rules: Rules, pass: Nanos) -> Result<()> {
        let (runtime, limit) = (self.runtime.clone(), self.limit);
        warm_up(&runtime, limit, || self.drive(streams, rules, pass).map(drop))
    }

    /// Runs a batch of every size, so that its plan and kernels are there.
    pub(crate) fn warm_batches(&self, largest: usize) -> Result<()> {
        for tenant in &self.tenants {
            let Some(axes) = &tenant.axes else { continue };
            for count in 2..=largest {
                let members: Vec<_> = (0..count).map(|_| &tenant.samples[0].inputs).collect();
                tenant.request(&axes.join(&members)?)?.submit()?.wait()?;
            }
        }
        Ok(())
    }

    /// The median latency of each tenant that has the device for itself, one request at a time.
    pub(crate) fn alone(&mut self) -> Result<Vec<Nanos>> {
        self.set(Arm::TimeOnly)?;
        let one = |rig: &mut Self, tenant: usize| {
            let streams = [Stream { tenant, source: Source::Open(vec![0]), deadline: None, class: Class::Normal }];
            // The first is not counted: it brings weights to the device.
            rig.drive(&streams, Rules::default(), 1)?;
            let start = Instant::now();
            let mut times = Vec::new();
            while times.len() < ALONE_RUNS || start.elapsed() < ALONE {
                let served = rig.drive(&streams, Rules::default(), 1)?;
                times.extend(served.iter().filter_map(|served| served.latency));
            }
            times.sort_unstable();
            Ok(quantile(&times, 0.5))
        };
        (0..self.tenants.len()).map(|tenant| one(self, tenant)).collect()
    }
}

/// Passes until one neither made nor asked for a pipeline, or until the time is up; a compile that is under way then is waited
/// for. After that no pipeline is made until the next warm-up: compiling beside what is measured would be measured with it.
pub(crate) fn warm_up(runtime: &Runtime, limit: Duration, mut pass: impl FnMut() -> Result<()>) -> Result<()> {
    runtime.set_merging(true)?;
    let start = Instant::now();
    let mut last = None;
    for _ in 0..MAX_WARM_UP {
        pass()?;
        let mut stats = runtime.stats()?;
        while stats.pipelines.compiling + stats.pipelines.waiting > 0 {
            if start.elapsed() >= limit {
                runtime.set_merging(false)?;
            }
            std::thread::sleep(Duration::from_millis(10));
            stats = runtime.stats()?;
        }
        if start.elapsed() >= limit || last == Some(stats.pipelines.compiled) {
            break;
        }
        last = Some(stats.pipelines.compiled);
    }
    runtime.set_merging(false)
}

/// What an arm tells the scheduler.
pub(crate) fn rules(arm: Arm, admission: Admission, batching: Batching) -> Rules {
    let batching = (arm == Arm::Batching).then_some(batching);
    Rules { deadlines: arm.knows_deadlines(), admission, batching }
}

/// The nearest rank in sorted values; 0 if there are none.
pub(crate) fn quantile(sorted: &[Nanos], quantile: f64) -> Nanos {
    let rank = (sorted.len() as f64 * quantile).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0)
}

/// The middle value, or the mean of the two; 0 if there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

pub(crate) fn geometric(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    (values.map(f64::ln).sum::<f64>() / count).exp()
}

pub(crate) fn millis(nanos: Nanos) -> f64 {
    // Microseconds are as far as these clocks mean anything.
    (nanos as f64 / 1e3).round() / 1e3
}

impl Setup {
    pub(crate) fn of(runtime: &Runtime) -> Self {
        let schedule = runtime.schedule();
        Setup {
            adapter: runtime.adapter(),
            limits: runtime.caps().clone(),
            slice_ms: millis(schedule.slice),
            in_flight: schedule.in_flight,
            longest_wait_ms: millis(schedule.longest_wait()),
        }
    }

    pub(crate) fn text(&self) -> String {
        let Setup { adapter, limits, slice_ms, in_flight, longest_wait_ms } = self;
        let timestamps = format!("{:?}", limits.timestamps).to_lowercase();
        format!(
            "{adapter}\nlimits: buffers of {}, {} of them bound, {} workgroups at a time, timestamps: {timestamps}; slice {} ms, \
             {in_flight} in flight, longest wait {} ms\n",
            table::bytes(limits.max_segment_bytes),
            limits.max_segments,
            limits.parallelism,
            table::millis(*slice_ms),
            table::millis(*longest_wait_ms),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let sorted: Vec<Nanos> = (1..=200).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|q| quantile(&sorted, q)), [1, 100, 198, 200]);
        assert_eq!((quantile(&[], 0.5), quantile(&[7], 0.99)), (0, 7));
        assert_eq!((median(&[]), median(&[3.0, 1.0]), median(&[9.0, 1.0, 2.0])), (0.0, 2.0, 2.0));
    }
}
