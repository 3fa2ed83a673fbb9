//! From a prepared request to one that the scheduler knows: weights, memory, arms.

use std::sync::Arc;

use super::{Active, Engine, closed, ended};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::hold::{Hold, Region};
use crate::runtime::message::Prepared;
use crate::runtime::resolve::{Resolved, Weights};
use crate::runtime::stages;
use crate::schedule::{Admission, Outcome, Pipelines as _, RequestDesc};

impl Engine {
    pub(super) fn submit(&mut self, prepared: Prepared) {
        if let Some(error) = &self.lost {
            return self.reply(prepared, Err(error.clone()));
        }
        if self.abandoned {
            return self.reply(prepared, Err(closed()));
        }
        self.models.entry(prepared.plan.model).or_default().active += 1;
        match prepared.course.as_ref().and_then(|course| course.turn.as_ref()).map(|turn| turn.session) {
            Some(session) => self.queue_turn(session, prepared),
            None => self.enter(prepared),
        }
    }

    /// Takes a request that may run now.
    pub(super) fn enter(&mut self, prepared: Prepared) {
        if prepared.key.is_some()
            && let Some(earlier) = self.take_unplaced(|earlier| earlier.key == prepared.key)
        {
            self.end_unplaced(earlier, Outcome::Superseded, ended(Outcome::Superseded));
        }
        // Those that wait go first, so that a stream of small requests cannot starve a large one.
        self.waiting.push_back(prepared);
        self.admit_waiting();
    }

    /// Places waiting requests as far as memory goes.
    pub(super) fn admit_waiting(&mut self) -> bool {
        let mut any = false;
        let now = self.clock.now();
        while let Some(prepared) = self.waiting.pop_front() {
            let late = prepared.deadline.is_some_and(|deadline| deadline < now);
            if late && prepared.admission == Admission::DropLate {
                any = true;
                self.end_unplaced(prepared, Outcome::Dropped, ended(Outcome::Dropped));
                continue;
            }
            match self.place(&prepared) {
                Ok(None) => {
                    any = true;
                    self.loading.push_back(prepared);
                }
                Ok(Some((regions, resolved))) => {
                    any = true;
                    tracing::trace!(parent: &prepared.span, "placed");
                    self.stats.blocked += u64::from(!self.compiled(&resolved));
                    self.start(prepared, regions, resolved);
                }
                // Someone else's memory will come free.
                Err(error) if error.kind() == ErrorKind::Memory && self.may_fit_later(&prepared) => {
                    if self.stalled.replace(prepared.id) != Some(prepared.id) {
                        tracing::debug!(parent: &prepared.span, %error, waiting = self.waiting.len(), "waits for memory");
                    }
                    self.waiting.push_front(prepared);
                    return any;
                }
                Err(error) => {
                    any = true;
                    self.end_unplaced(prepared, Outcome::Failed, error);
                }
            }
        }
        any
    }

    fn may_fit_later(&self, prepared: &Prepared) -> bool {
        let under_way = !self.active.is_empty() || !self.loading.is_empty() || !self.between.is_empty();
        let others = under_way || self.returning.any();
        others && prepared.plan.plan.regions.iter().all(|&bytes| self.executor.fits_ever(bytes))
    }

    /// Memory and arms; `None` if the weights are not there yet.
    fn place(&mut self, prepared: &Prepared) -> Result<Option<(Vec<Region>, Arc<Resolved>)>> {
        let plan = &prepared.plan;
        let residency = self.models.entry(plan.model).or_default();
        if residency.ensure(&mut self.executor, plan)? == Weights::Loading {
            return Ok(None);
        }
        let mut regions = Vec::with_capacity(plan.plan.regions.len());
        for (region, &bytes) in plan.plan.regions.iter().enumerate() {
            let taken = match held(prepared, region) {
                Some(hold) if hold.bytes() >= bytes => Ok(Region::Held(hold)),
                Some(_) => Err(Error::internal("a tensor on the device is smaller than planned")),
                None => self.executor.allocate(bytes).map(Region::Own),
            };
            match taken {
                Ok(taken) => regions.push(taken),
                Err(error) => {
                    self.free(regions);
                    return Err(error);
                }
            }
        }
        let slots = self.executor.slots_of(regions.iter().map(Region::allocation));
        let key = (plan.id, slots.iter().map(|slot| slot.index).collect::<Vec<u8>>());
        if let Some(resolved) = self.resolved.get(&key) {
            return Ok(Some((regions, resolved.clone())));
        }
        let residency = self.models.entry(plan.model).or_default();
        match Resolved::new(plan, residency, &slots, &mut self.executor) {
            Ok(resolved) => {
                // Every kernel is compiled ahead of its turn, not when the request gets there.
                self.executor.pipelines().want_each(&resolved.arms);
                self.teach();
                let resolved = Arc::new(resolved);
                self.resolved.insert(key, resolved.clone());
                Ok(Some((regions, resolved)))
            }
            Err(error) => {
                self.free(regions);
                Err(error)
            }
        }
    }

    /// Gives back what is a request's own.
    pub(super) fn free(&mut self, regions: Vec<Region>) {
        for region in regions {
            if let Region::Own(allocation) = region {
                self.executor.free(allocation);
            }
        }
    }

    /// Whether every kernel of a plan is compiled, but for those of gathered lanes. Where all known ones are, nothing is
    /// looked up.
    fn compiled(&mut self, resolved: &Resolved) -> bool {
        let pipelines = self.executor.pipelines();
        let stats = pipelines.stats();
        stats.singles == stats.arms || resolved.arms.iter().all(|&arm| pipelines.ready(&[arm]))
    }

    fn start(&mut self, prepared: Prepared, regions: Vec<Region>, resolved: Arc<Resolved>) {
        let now = self.clock.now();
        let desc = RequestDesc {
            plan: resolved.desc.clone(),
            deadline: prepared.deadline,
            class: prepared.class,
            admission: prepared.admission,
            key: prepared.key,
        };
        let outputs = prepared.outputs().len();
        let active = Active {
            remaining: resolved.workgroups,
            resolved,
            regions,
            first: None,
            started: None,
            failed: None,
            downloads: vec![None; outputs],
            report: None,
            timing: prepared
                .course
                .as_ref()
                .and_then(|course| course.begun)
                .map(|(_, timing)| timing)
                .unwrap_or_default(),
            prepared,
        };
        if active.remaining == 0 {
            return self.finish(active, Outcome::Completed, now);
        }
        let caller = active.prepared.id;
        let id = self.scheduler.submit(desc, now);
        self.names.insert(caller, id);
        self.active.insert(id, active);
        self.note_levels(now);
    }
}

/// What is in a region already.
fn held(prepared: &Prepared, region: usize) -> Option<Arc<Hold>> {
    let inputs = prepared.plan.plan.inputs.iter().zip(&prepared.held);
    inputs.filter(|(input, _)| stages::own_region(input) == Some(region)).find_map(|(_, hold)| hold.clone())
}
