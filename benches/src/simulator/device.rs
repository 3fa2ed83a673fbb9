//! The virtual device: how long bundles take.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::machine::{Effort, Machine};
use super::{Law, VirtualDevice};
use fascine::schedule::{
    Bundle, BundleEstimate, CoalescedEstimate, DispatchDesc, Estimate, Formula, KernelId, Lane, Nanos, PlanDesc,
};

/// What a dispatch truly costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrueCost {
    alone: Estimate,
    /// As one lane for several requests.
    coalesced: Option<CoalescedEstimate>,
    /// How many times as long as estimated it takes.
    factor: f64,
}

#[derive(Debug)]
pub(super) struct Device {
    spec: VirtualDevice,
    cost: Formula,
    factors: BTreeMap<KernelId, f64>,
    dice: Dice,
    machine: Option<Machine>,
    efforts: Vec<Effort>,
}

/// A lane's true cost, and how many times as long it takes for the time being.
pub(super) type Truth<'a> = (&'a TrueCost, f64);

impl Device {
    pub(super) fn new(spec: VirtualDevice, seed: u64) -> Self {
        let machine = match spec.law {
            Law::Formula => None,
            Law::Machine(rated) => Some(Machine::new(rated, seed)),
        };
        let cost = Formula::new(spec.model);
        Device { spec, cost, factors: BTreeMap::new(), dice: Dice::new(seed), machine, efforts: Vec::new() }
    }

    /// How many times as long as estimated each dispatch of a plan takes: so that it takes the measured time alone where
    /// there is one, otherwise by a hidden factor of its kernel.
    pub(super) fn factors(&mut self, plan: &PlanDesc, measured: Option<&[Nanos]>) -> Vec<f64> {
        let factor = |(index, dispatch): (usize, &DispatchDesc)| {
            let measured = measured.and_then(|measured| measured.get(index).copied());
            match (measured, &mut self.machine) {
                (Some(measured), Some(machine)) => machine.stretch(dispatch, measured),
                // It has hidden factors of its own.
                (None, Some(_)) => 1.0,
                (Some(measured), None) => {
                    let cost = self.cost.dispatch(dispatch);
                    self.stretch(&cost, measured)
                }
                (None, None) => {
                    let (skew, dice) = (self.spec.skew, &mut self.dice);
                    *self.factors.entry(dispatch.kernel).or_insert_with(|| dice.log_normal(skew))
                }
            }
        };
        plan.dispatches.iter().enumerate().map(factor).collect()
    }

    /// The true costs of a plan's dispatches. As one lane for as many requests as it takes, a dispatch takes the time in
    /// `coalesced` where there is one, and for fewer as much less as by estimate.
    pub(super) fn costs(
        &mut self,
        plan: &PlanDesc,
        factors: &[f64],
        coalesced: Option<&[Option<Nanos>]>,
    ) -> Vec<TrueCost> {
        let cost = |(index, (dispatch, &factor)): (usize, (&DispatchDesc, &f64))| {
            let coalesce = dispatch.coalesce.map(|coalesce| {
                let cost = self.cost.coalesce(dispatch, &coalesce);
                let measured = coalesced.and_then(|coalesced| coalesced.get(index).copied().flatten());
                let all = self.cost.coalesced(&cost, coalesce.width);
                let factor = measured.map_or(factor, |nanos| self.stretch(&all, nanos));
                cost.scaled(factor)
            });
            TrueCost { alone: self.cost.dispatch(dispatch).scaled(factor), coalesced: coalesce, factor }
        };
        plan.dispatches.iter().zip(factors).enumerate().map(cost).collect()
    }

    /// How many times as long as estimated a dispatch takes that takes so long as a bundle of its own.
    fn stretch(&self, cost: &Estimate, measured: Nanos) -> f64 {
        let (alone, fixed) = (self.cost.alone(cost), self.cost.fixed());
        ((measured as f64 - fixed) / (alone - fixed).max(1.0)).max(0.0)
    }

    /// The duration of a bundle.
    pub(super) fn duration<'a>(
        &mut self,
        bundle: &Bundle,
        at: Nanos,
        lookup: impl Fn(&Lane) -> Truth<'a>,
        desc: impl Fn(&Lane) -> &'a DispatchDesc,
    ) -> Nanos {
        if let Some(machine) = &mut self.machine {
            self.efforts.clear();
            for run in bundle.runs() {
                let slow = |lane| {
                    let (cost, slow) = lookup(lane);
                    cost.factor * slow
                };
                let factor = run.iter().map(slow).fold(0.0, f64::max);
                let lane = &run[0];
                self.efforts.push(Machine::effort(desc(lane), lane.kernel, run.len() as u32, lane.count, factor));
            }
            return machine.duration(&self.efforts, at, self.spec.noise);
        }
        let mut load = BundleEstimate::default();
        self.join(&mut load, bundle, lookup);
        (self.cost.bundle(&load) * self.dice.log_normal(self.spec.noise)) as Nanos
    }

    /// The duration of bundles without barriers between them: one bundle's fixed cost, and the largest of what their
    /// dispatches cost to issue one after the other and what they take at the same time.
    pub(super) fn overlapped<'a>(&mut self, bundles: &[Bundle], lookup: impl Fn(&Lane) -> Truth<'a>) -> Nanos {
        let mut load = BundleEstimate::default();
        bundles.iter().for_each(|bundle| self.join(&mut load, bundle, &lookup));
        let body = self.cost.body(&load);
        let issue = (self.spec.dispatch * bundles.len() as u64) as f64;
        let fixed = self.spec.model.bundle as f64;
        ((fixed + body.max(issue)) * self.dice.log_normal(self.spec.noise)) as Nanos
    }

    fn join<'a>(&mut self, load: &mut BundleEstimate, bundle: &Bundle, lookup: impl Fn(&Lane) -> Truth<'a>) {
        for run in bundle.runs() {
            let (&TrueCost { alone, coalesced: coalesce, .. }, _) = lookup(&run[0]);
            // Members may come from streams of which only some straggle; the slowest holds up all.
            let factor = run.iter().map(|lane| lookup(lane).1).fold(0.0, f64::max);
            // Nothing is learned here, so that coalesced lanes keep the factor of single ones.
            let cost = match coalesce.filter(|_| run.len() > 1) {
                Some(coalesce) => self.cost.coalesced(&coalesce, run.len() as u32),
                None => alone,
            };
            self.cost.join(load, &cost.scaled(factor), run[0].count);
        }
    }
}
