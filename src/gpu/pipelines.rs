//! Which pipelines there are: keyed by kernel set, found by superset, bounded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::compile::{Compiled, Compiler, Job, Tools};
use super::device::Caps;
use crate::error::{Error, Result};
use crate::kernel::Trust;
use crate::link::LinkedKernel;
use crate::link::table::{Case, EncodedLane};
use crate::schedule::{KernelId, Pipelines};

/// Live pipelines beyond these lose the one used longest ago. Guessed: some hundred kilobytes each.
const MAX_MERGED: usize = 256;
const MAX_SINGLES: usize = 1024;
/// Failures of merged sets that are remembered, so that they are not tried over and over.
const MAX_FAILED: usize = 4096;

/// Counts since the start, and what is there now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PipelineStats {
    /// Kernels known.
    pub kernels: usize,
    /// Pipelines of one kernel that are ready.
    pub singles: usize,
    /// Pipelines of several kernels that are ready.
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
    /// Bundles that ran on a superset of their kernels.
    pub on_superset: u64,
}

/// A pipeline with where its kernels are.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) compiled: Compiled,
    /// Each kernel with its position among the cases, sorted by kernel.
    positions: Vec<(KernelId, u32)>,
    used: u64,
}

impl Ready {
    pub(super) fn case(&self, kernel: KernelId) -> Option<Case> {
        let index = self.positions.binary_search_by_key(&kernel, |&(id, _)| id).ok()?;
        let position = self.positions[index].1;
        Some(Case { position, per_workgroup: *self.compiled.per_workgroup.get(position as usize)? })
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
    max_segments: usize,
    kernels: Vec<LinkedKernel>,
    ids: HashMap<LinkedKernel, KernelId>,
    sets: HashMap<Arc<[KernelId]>, State>,
    /// The ready sets that contain each kernel.
    containing: Vec<Vec<Arc<[KernelId]>>>,
    /// Sets looked for, with the smallest ready superset.
    found: HashMap<Arc<[KernelId]>, Option<Arc<[KernelId]>>>,
    failures: Vec<(KernelId, Error)>,
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
            max_segments: caps.max_segments,
            kernels: Vec::new(),
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

    /// Asks for a pipeline of each of these kernels alone, where there is none: the largest kernels first, so that no thread is
    /// left with a long compile when the others are through.
    pub fn want_each(&mut self, kernels: &[KernelId]) {
        let mut missing: Vec<KernelId> = kernels.iter().copied().filter(|&kernel| !self.ready(&[kernel])).collect();
        missing.sort_by_key(|&kernel| {
            std::cmp::Reverse(self.kernel(kernel).map_or(0, |linked| linked.variant.kernel().size))
        });
        for kernel in missing {
            self.want(&[kernel]);
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

    /// A number for `kernel`: an equal one has the same number.
    pub(super) fn intern(&mut self, kernel: LinkedKernel) -> KernelId {
        if let Some(&id) = self.ids.get(&kernel) {
            return id;
        }
        let id = KernelId(u32::try_from(self.kernels.len()).expect("fewer than 2^32 kernels fit memory"));
        self.kernels.push(kernel.clone());
        self.containing.push(Vec::new());
        self.ids.insert(kernel, id);
        id
    }

    /// The kernel of that number.
    pub fn kernel(&self, id: KernelId) -> Option<&LinkedKernel> {
        self.kernels.get(id.0 as usize)
    }

    /// Whether the lane has what its kernel reads from the table.
    ///
    /// # Errors
    /// `Internal` for an unknown kernel, `Input` for missing or surplus operands or parameters.
    pub(super) fn check(&self, kernel: KernelId, lane: &EncodedLane) -> Result<()> {
        let kernel = self.kernel(kernel).ok_or_else(|| Error::internal(format!("{kernel:?} is not known")))?;
        kernel.check_record(lane.operands.len(), lane.params.len())
    }

    /// Counts.
    pub fn stats(&self) -> PipelineStats {
        let (waiting, compiling) = self.compiler.load();
        PipelineStats { kernels: self.kernels.len(), waiting, compiling, ..self.stats }
    }

    /// Kernels that turned out not to compile even alone, since the last call: no dispatch of theirs can ever run.
    pub fn take_failures(&mut self) -> Vec<(KernelId, Error)> {
        self.collect();
        std::mem::take(&mut self.failures)
    }

    /// Why a kernel does not compile alone.
    pub fn failure(&self, kernel: KernelId) -> Option<&Error> {
        match self.sets.get([kernel].as_slice()) {
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
                    if let [kernel] = *outcome.key {
                        self.failures.push((kernel, error.clone()));
                    } else {
                        tracing::debug!(kernels = ?outcome.key, %error, "merged set does not compile");
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
            let merged_failure =
                |key: &Arc<[KernelId]>, state: &State| key.len() > 1 && matches!(state, State::Failed(_));
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
        for kernel in key.iter() {
            self.containing[kernel.0 as usize].retain(|set| *set != key);
        }
        self.found.clear();
        *self.count(key.len()) -= 1;
        self.stats.evicted += 1;
        true
    }

    fn count(&mut self, kernels: usize) -> &mut usize {
        if kernels == 1 { &mut self.stats.singles } else { &mut self.stats.merged }
    }

    fn list(&mut self, key: &Arc<[KernelId]>) {
        self.found.clear();
        for kernel in key.iter() {
            self.containing[kernel.0 as usize].push(key.clone());
        }
    }

    fn sorted(&self, key: &[KernelId]) -> Vec<KernelId> {
        let mut ids = key.to_vec();
        ids.sort_by(|a, b| self.kernels[a.0 as usize].cmp(&self.kernels[b.0 as usize]));
        ids
    }

    fn positions(&self, key: &[KernelId]) -> Vec<(KernelId, u32)> {
        let mut positions: Vec<_> = self.sorted(key).into_iter().zip(0..).collect();
        positions.sort_unstable();
        positions
    }

    /// The smallest ready set that contains `kernels`.
    fn find(&mut self, kernels: &[KernelId]) -> Option<Arc<[KernelId]>> {
        if let Some((key, State::Ready(_))) = self.sets.get_key_value(kernels) {
            return Some(key.clone());
        }
        if let Some(found) = self.found.get(kernels) {
            return found.clone();
        }
        let lists = kernels.iter().map(|kernel| self.containing.get(kernel.0 as usize));
        let shortest = lists.min_by_key(|list| list.map_or(0, Vec::len)).flatten();
        let superset = |set: &&Arc<[KernelId]>| kernels.iter().all(|kernel| set.binary_search(kernel).is_ok());
        let user = |id: &KernelId| self.kernels[id.0 as usize].variant.kernel().trust == Trust::User;
        // A user's kernel brings run-time checks into the whole pipeline.
        let rank = |set: &&Arc<[KernelId]>| (set.iter().any(user), set.len(), (*set).clone());
        let best = shortest.into_iter().flatten().filter(superset).min_by_key(rank).cloned();
        if self.found.len() > MAX_FAILED {
            self.found.clear();
        }
        self.found.insert(kernels.into(), best.clone());
        best
    }

    /// The pipeline that a bundle of exactly these kernels (sorted, no duplicates) runs on.
    ///
    /// # Errors
    /// `Internal` if none is ready.
    pub(super) fn pipeline(&mut self, kernels: &[KernelId]) -> Result<&Ready> {
        let key = self
            .find(kernels)
            .ok_or_else(|| Error::internal(format!("no pipeline is ready for kernels {kernels:?}")))?;
        self.stats.on_superset += u64::from(key.len() > kernels.len());
        match self.sets.get_mut(&key) {
            Some(State::Ready(ready)) => {
                ready.used = self.turn;
                Ok(ready)
            }
            _ => Err(Error::internal(format!("the pipeline for kernels {kernels:?} is gone"))),
        }
    }

    fn admissible(&self, kernels: &[KernelId]) -> bool {
        let known = kernels.iter().all(|kernel| (kernel.0 as usize) < self.kernels.len());
        let ordered = kernels.is_sorted_by(|a, b| a < b) && !kernels.is_empty();
        if !known || !ordered {
            return false;
        }
        let segments: HashSet<_> =
            kernels.iter().flat_map(|kernel| &self.kernels[kernel.0 as usize].segments).collect();
        // A single kernel is tried in any case, so that its failure is reported.
        kernels.len() == 1
            || segments.len() <= self.max_segments && kernels.windows(2).all(|pair| self.compatible(pair[0], pair[1]))
    }
}

impl Pipelines for PipelineStore {
    fn ready(&mut self, kernels: &[KernelId]) -> bool {
        self.collect();
        let found = self.find(kernels);
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

    fn want(&mut self, kernels: &[KernelId]) {
        if kernels.len() > 1 && !self.merging {
            return;
        }
        match self.sets.get(kernels) {
            Some(State::Queued) => self.compiler.want_again(kernels),
            Some(_) => {}
            None if self.admissible(kernels) => {
                let key: Arc<[KernelId]> = kernels.into();
                let linked_order =
                    self.sorted(kernels).into_iter().map(|id| self.kernels[id.0 as usize].clone()).collect();
                self.sets.insert(key.clone(), State::Queued);
                if let Some(dropped) = self.compiler.push(Job { key, kernels: linked_order }) {
                    self.sets.remove(&dropped);
                }
            }
            None => {}
        }
    }

    fn compatible(&self, a: KernelId, b: KernelId) -> bool {
        let (Some(a), Some(b)) = (self.kernel(a), self.kernel(b)) else { return false };
        let size = |kernel: &LinkedKernel| kernel.variant.kernel().workgroup_size.iter().product::<u32>();
        let union: HashSet<_> = a.segments.iter().chain(&b.segments).collect();
        size(a) == size(b) && union.len() <= self.max_segments
    }
}
