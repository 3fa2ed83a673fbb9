//! Which pipelines there are: keyed by arm set, found by superset, bounded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::compile::{Compiled, Compiler, Job, Tools};
use super::device::Caps;
use super::tables::LinkedArm;
use super::work::LaneWork;
use crate::error::{Error, Result};
use crate::kernel::Trust;
use crate::link::Arm;
use crate::schedule::{ArmId, Pipelines};

/// Live pipelines beyond these lose the one used longest ago. Guessed: some hundred kilobytes each.
const MAX_MERGED: usize = 256;
const MAX_SINGLES: usize = 1024;
/// Failures of merged sets that are remembered, so that they are not tried over and over.
const MAX_FAILED: usize = 4096;

/// Counts since the start, and what is there now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PipelineStats {
    /// Arms known.
    pub arms: usize,
    /// Pipelines of one arm that are ready.
    pub singles: usize,
    /// Pipelines of several arms that are ready.
    pub merged: usize,
    /// Sets that wait for a compile thread.
    pub waiting: usize,
    /// Sets in work.
    pub compiling: usize,
    /// Pipelines compiled.
    pub compiled: u64,
    /// Sets that did not compile.
    pub failed: u64,
    /// Pipelines that made room for others.
    pub evicted: u64,
    /// Nanoseconds of linking and compiling.
    pub compile_nanos: u64,
    /// Times that `Pipelines::ready` said no.
    pub blocked: u64,
    /// Waves that ran on a superset of their arms.
    pub on_superset: u64,
}

/// A pipeline with where its arms are.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) compiled: Compiled,
    /// Each arm with its position among the linked arms, sorted by arm.
    positions: Vec<(ArmId, u32)>,
    used: u64,
}

impl Ready {
    pub(super) fn linked(&self, arm: ArmId) -> Option<LinkedArm> {
        let index = self.positions.binary_search_by_key(&arm, |&(id, _)| id).ok()?;
        let position = self.positions[index].1;
        Some(LinkedArm { position, per_workgroup: *self.compiled.per_workgroup.get(position as usize)? })
    }
}

#[derive(Debug)]
enum State {
    Queued,
    Ready(Ready),
    Failed(Error),
}

/// All pipelines of one device.
#[derive(Debug)]
pub struct PipelineStore {
    compiler: Compiler,
    max_slots: usize,
    arms: Vec<Arm>,
    ids: HashMap<Arm, ArmId>,
    sets: HashMap<Arc<[ArmId]>, State>,
    /// The ready sets that contain each arm.
    containing: Vec<Vec<Arc<[ArmId]>>>,
    /// Sets looked for, with the smallest ready superset.
    found: HashMap<Arc<[ArmId]>, Option<Arc<[ArmId]>>>,
    failures: Vec<(ArmId, Error)>,
    /// Goes up with every look, for "used longest ago".
    turn: u64,
    stats: PipelineStats,
    /// Whether merged sets that are wanted get compiled.
    merging: bool,
}

impl PipelineStore {
    pub(super) fn new(tools: &Tools, caps: &Caps, threads: usize) -> Result<Self> {
        Ok(PipelineStore {
            compiler: Compiler::start(tools, threads)?,
            max_slots: caps.max_slots,
            arms: Vec::new(),
            ids: HashMap::new(),
            sets: HashMap::new(),
            containing: Vec::new(),
            found: HashMap::new(),
            failures: Vec::new(),
            turn: 0,
            stats: PipelineStats::default(),
            merging: true,
        })
    }

    /// Asks for a pipeline of each of these arms alone, where there is none: the largest kernels first, so that no thread is
    /// left with a long compile when the others are through.
    pub fn want_each(&mut self, arms: &[ArmId]) {
        let mut missing: Vec<ArmId> = arms.iter().copied().filter(|&arm| !self.ready(&[arm])).collect();
        missing.sort_by_key(|&arm| std::cmp::Reverse(self.arm(arm).map_or(0, |arm| arm.variant.kernel().size)));
        for arm in missing {
            self.want(&[arm]);
        }
    }

    /// Whether merged sets that are wanted get compiled. Turned off, those that wait for a thread are forgotten.
    pub fn set_merging(&mut self, merging: bool) {
        self.merging = merging;
        if !merging {
            for key in self.compiler.forget_merged() {
                self.sets.remove(&key);
            }
        }
    }

    /// A number for `arm`: the same arm has the same number.
    pub(super) fn intern(&mut self, arm: Arm) -> ArmId {
        if let Some(&id) = self.ids.get(&arm) {
            return id;
        }
        let id = ArmId(u32::try_from(self.arms.len()).expect("fewer than 2^32 arms fit memory"));
        self.arms.push(arm.clone());
        self.containing.push(Vec::new());
        self.ids.insert(arm, id);
        id
    }

    /// The arm of that number.
    pub fn arm(&self, id: ArmId) -> Option<&Arm> {
        self.arms.get(id.0 as usize)
    }

    /// Whether the lane has what its arm's kernel reads from the table.
    ///
    /// # Errors
    /// `Internal` for an unknown arm, `Input` for missing or surplus operands or parameters.
    pub(super) fn check(&self, lane: &LaneWork) -> Result<()> {
        let arm = self.arm(lane.arm).ok_or_else(|| Error::internal(format!("{:?} is not known", lane.arm)))?;
        arm.check_record(lane.operands.len(), lane.params.len())
    }

    /// Counts.
    pub fn stats(&self) -> PipelineStats {
        let (waiting, compiling) = self.compiler.load();
        PipelineStats { arms: self.arms.len(), waiting, compiling, ..self.stats }
    }

    /// Arms that turned out not to compile even alone, since the last call: no dispatch of theirs can ever run.
    pub fn take_failures(&mut self) -> Vec<(ArmId, Error)> {
        self.collect();
        std::mem::take(&mut self.failures)
    }

    /// Why an arm does not compile alone.
    pub fn failure(&self, arm: ArmId) -> Option<&Error> {
        match self.sets.get([arm].as_slice()) {
            Some(State::Failed(error)) => Some(error),
            _ => None,
        }
    }

    /// Takes in what the compile threads have finished.
    pub(super) fn collect(&mut self) {
        let finished: Vec<_> = self.compiler.finished().collect();
        for outcome in finished {
            self.stats.compile_nanos += outcome.took.as_nanos() as u64;
            let state = match outcome.result {
                Ok(compiled) => {
                    self.stats.compiled += 1;
                    *self.count(outcome.key.len()) += 1;
                    self.list(&outcome.key);
                    let positions = self.positions(&outcome.key);
                    State::Ready(Ready { compiled, positions, used: self.turn })
                }
                Err(error) => {
                    self.stats.failed += 1;
                    if let [arm] = *outcome.key {
                        self.failures.push((arm, error.clone()));
                    } else {
                        tracing::debug!(arms = ?outcome.key, %error, "merged set does not compile");
                    }
                    State::Failed(error)
                }
            };
            self.sets.insert(outcome.key, state);
        }
    }

    /// Between rounds of issuing: takes in what is finished, and keeps the number of pipelines bounded.
    pub(super) fn turn(&mut self) {
        self.collect();
        self.turn += 1;
        while self.stats.merged > MAX_MERGED && self.evict(|len| len > 1) {}
        while self.stats.singles > MAX_SINGLES && self.evict(|len| len == 1) {}
        if self.stats.failed > MAX_FAILED as u64 {
            let merged_failure = |key: &Arc<[ArmId]>, state: &State| key.len() > 1 && matches!(state, State::Failed(_));
            if self.sets.iter().filter(|(key, state)| merged_failure(key, state)).count() > MAX_FAILED {
                self.sets.retain(|key, state| !merged_failure(key, state));
            }
        }
    }

    /// Evicts the ready pipeline used longest ago, unless it was used in this turn or the last.
    fn evict(&mut self, which: impl Fn(usize) -> bool) -> bool {
        let candidates = self.sets.iter().filter(|(key, _)| which(key.len())).filter_map(|(key, state)| match state {
            State::Ready(ready) if ready.used + 1 < self.turn => Some((ready.used, key)),
            _ => None,
        });
        let Some(key) = candidates.min().map(|(_, key)| key.clone()) else { return false };
        self.sets.remove(&key);
        for arm in key.iter() {
            self.containing[arm.0 as usize].retain(|set| *set != key);
        }
        self.found.clear();
        *self.count(key.len()) -= 1;
        self.stats.evicted += 1;
        true
    }

    fn count(&mut self, arms: usize) -> &mut usize {
        if arms == 1 { &mut self.stats.singles } else { &mut self.stats.merged }
    }

    fn list(&mut self, key: &Arc<[ArmId]>) {
        self.found.clear();
        for arm in key.iter() {
            self.containing[arm.0 as usize].push(key.clone());
        }
    }

    fn sorted(&self, key: &[ArmId]) -> Vec<ArmId> {
        let mut ids = key.to_vec();
        ids.sort_by(|a, b| self.arms[a.0 as usize].cmp(&self.arms[b.0 as usize]));
        ids
    }

    fn positions(&self, key: &[ArmId]) -> Vec<(ArmId, u32)> {
        let mut positions: Vec<_> = self.sorted(key).into_iter().zip(0..).collect();
        positions.sort_unstable();
        positions
    }

    /// The smallest ready set that contains `arms`.
    fn find(&mut self, arms: &[ArmId]) -> Option<Arc<[ArmId]>> {
        if let Some((key, State::Ready(_))) = self.sets.get_key_value(arms) {
            return Some(key.clone());
        }
        if let Some(found) = self.found.get(arms) {
            return found.clone();
        }
        let lists = arms.iter().map(|arm| self.containing.get(arm.0 as usize));
        let shortest = lists.min_by_key(|list| list.map_or(0, Vec::len)).flatten();
        let superset = |set: &&Arc<[ArmId]>| arms.iter().all(|arm| set.binary_search(arm).is_ok());
        let user = |id: &ArmId| self.arms[id.0 as usize].variant.kernel().trust == Trust::User;
        // A user's kernel brings run-time checks into the whole pipeline.
        let rank = |set: &&Arc<[ArmId]>| (set.iter().any(user), set.len(), (*set).clone());
        let best = shortest.into_iter().flatten().filter(superset).min_by_key(rank).cloned();
        if self.found.len() > MAX_FAILED {
            self.found.clear();
        }
        self.found.insert(arms.into(), best.clone());
        best
    }

    /// The pipeline that a wave of exactly these arms (sorted, no duplicates) runs on.
    ///
    /// # Errors
    /// `Internal` if none is ready.
    pub(super) fn pipeline(&mut self, arms: &[ArmId]) -> Result<&Ready> {
        let key = self.find(arms).ok_or_else(|| Error::internal(format!("no pipeline is ready for arms {arms:?}")))?;
        self.stats.on_superset += u64::from(key.len() > arms.len());
        match self.sets.get_mut(&key) {
            Some(State::Ready(ready)) => {
                ready.used = self.turn;
                Ok(ready)
            }
            _ => Err(Error::internal(format!("the pipeline for arms {arms:?} is gone"))),
        }
    }

    fn admissible(&self, arms: &[ArmId]) -> bool {
        let known = arms.iter().all(|arm| (arm.0 as usize) < self.arms.len());
        let ordered = arms.is_sorted_by(|a, b| a < b) && !arms.is_empty();
        if !known || !ordered {
            return false;
        }
        let slots: HashSet<_> = arms.iter().flat_map(|arm| &self.arms[arm.0 as usize].slots).collect();
        // A single arm is tried in any case, so that its failure is reported.
        arms.len() == 1
            || slots.len() <= self.max_slots && arms.windows(2).all(|pair| self.compatible(pair[0], pair[1]))
    }
}

impl Pipelines for PipelineStore {
    fn ready(&mut self, arms: &[ArmId]) -> bool {
        self.collect();
        let found = self.find(arms);
        match found.as_ref().and_then(|key| self.sets.get_mut(key)) {
            Some(State::Ready(ready)) => {
                ready.used = self.turn;
                true
            }
            _ => {
                self.stats.blocked += 1;
                false
            }
        }
    }

    fn want(&mut self, arms: &[ArmId]) {
        if arms.len() > 1 && !self.merging {
            return;
        }
        match self.sets.get(arms) {
            Some(State::Queued) => self.compiler.want_again(arms),
            Some(_) => {}
            None if self.admissible(arms) => {
                let key: Arc<[ArmId]> = arms.into();
                let linked_order = self.sorted(arms).into_iter().map(|id| self.arms[id.0 as usize].clone()).collect();
                self.sets.insert(key.clone(), State::Queued);
                if let Some(dropped) = self.compiler.push(Job { key, arms: linked_order }) {
                    self.sets.remove(&dropped);
                }
            }
            None => {}
        }
    }

    fn compatible(&self, a: ArmId, b: ArmId) -> bool {
        let (Some(a), Some(b)) = (self.arm(a), self.arm(b)) else { return false };
        let size = |arm: &Arm| arm.variant.kernel().workgroup_size.iter().product::<u32>();
        let union: HashSet<_> = a.slots.iter().chain(&b.slots).collect();
        size(a) == size(b) && union.len() <= self.max_slots
    }
}
