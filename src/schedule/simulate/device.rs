//! The virtual device: how long waves take, and when pipelines are ready.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::VirtualDevice;
use super::dice::Dice;
use crate::schedule::cost::{CostModel, DispatchCost, GatherCost, WaveLoad};
use crate::schedule::{ArmId, Nanos, Pipelines, PlanDesc, Wave};

/// What a dispatch truly costs, alone and as one lane for several requests.
pub(super) type TrueCost = (DispatchCost, Option<GatherCost>);

#[derive(Debug)]
pub(super) struct Device {
    spec: VirtualDevice,
    cost: CostModel,
    factors: BTreeMap<ArmId, f64>,
    dice: Dice,
}

impl Device {
    pub(super) fn new(spec: VirtualDevice, seed: u64) -> Self {
        Device { spec, cost: CostModel::new(spec.model), factors: BTreeMap::new(), dice: Dice::new(seed) }
    }

    /// The true costs of a plan's dispatches.
    pub(super) fn costs(&mut self, plan: &PlanDesc) -> Vec<TrueCost> {
        let (spec, dice) = (self.spec, &mut self.dice);
        let mut cost = |dispatch| {
            let cost = self.cost.dispatch(dispatch);
            let factor = *self.factors.entry(dispatch.arm).or_insert_with(|| dice.log_normal(spec.skew));
            self.cost.assume(&cost, factor);
            let gather = dispatch.gather.map(|gather| self.cost.gather(dispatch, &gather));
            (cost, gather)
        };
        plan.dispatches.iter().map(&mut cost).collect()
    }

    /// The duration of a wave; `lookup` gives each lane's true cost and how many times as long it takes.
    pub(super) fn duration<'a>(
        &mut self,
        wave: &Wave,
        lookup: impl Fn(&crate::schedule::Lane) -> (&'a TrueCost, f64),
    ) -> Nanos {
        let mut load = WaveLoad::default();
        let mut slowest = 1.0f64;
        for run in wave.runs() {
            let (&(alone, gather), _) = lookup(&run[0]);
            slowest = run.iter().map(|lane| lookup(lane).1).fold(slowest, f64::max);
            // Nothing is learned here, so that gathered lanes keep the factor of single ones.
            let cost = match gather.filter(|_| run.len() > 1) {
                Some(gather) => self.cost.gathered(&gather, run.len() as u32),
                None => alone,
            };
            load = self.cost.joined(&load, self.cost.load(&cost, run[0].count));
        }
        (self.cost.wave(&load) * slowest * self.dice.log_normal(self.spec.noise)) as Nanos
    }
}

/// Pipelines that take time to compile, one after the other, those of single arms first.
#[derive(Debug)]
pub(super) struct Compiler {
    ready: Vec<BTreeSet<ArmId>>,
    waiting: VecDeque<Vec<ArmId>>,
    /// What is being compiled, and when it is done.
    current: Option<(Vec<ArmId>, Nanos)>,
    each: Nanos,
    now: Nanos,
    pub(super) compiled: u64,
}

impl Compiler {
    pub(super) fn new(each: Nanos) -> Self {
        Compiler { ready: Vec::new(), waiting: VecDeque::new(), current: None, each, now: 0, compiled: 0 }
    }

    /// When the next compilation ends.
    pub(super) fn next(&self) -> Option<Nanos> {
        self.current.as_ref().map(|(_, at)| *at)
    }

    pub(super) fn advance(&mut self, now: Nanos) {
        self.now = now;
        if let Some((set, _)) = self.current.take_if(|(_, at)| *at <= now) {
            let set: BTreeSet<_> = set.into_iter().collect();
            self.ready.retain(|older| !older.is_subset(&set));
            self.ready.push(set);
            self.compiled += 1;
            self.begin();
        }
    }

    fn begin(&mut self) {
        if self.current.is_none() {
            let next = self.waiting.iter().position(|set| set.len() == 1).unwrap_or(0);
            let set = self.waiting.remove(next);
            self.current = set.map(|set| (set.clone(), self.now + self.each * set.len() as Nanos));
        }
    }
}

impl Pipelines for Compiler {
    fn ready(&mut self, arms: &[ArmId]) -> bool {
        self.ready.iter().any(|set| arms.iter().all(|arm| set.contains(arm)))
    }

    fn want(&mut self, arms: &[ArmId]) {
        let current = self.current.as_ref().is_some_and(|(set, _)| set == arms);
        if !current && !self.ready(arms) && !self.waiting.iter().any(|set| set == arms) {
            self.waiting.push_back(arms.to_vec());
            self.begin();
        }
    }

    fn compatible(&self, _: ArmId, _: ArmId) -> bool {
        true
    }
}
