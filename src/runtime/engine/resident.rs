//! From a prepared request to one that the scheduler knows: its weights are resident, its kernels interned.

use std::sync::Arc;

use super::begin::{self, Taken};
use super::{Active, Engine, closed, ended};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::HeapLayout;
use crate::link::{SegmentId, SegmentKind};
use crate::runtime::hold::{Hold, Region};
use crate::runtime::message::Prepared;
use crate::runtime::resolve::{Resolved, Weights};
use crate::runtime::stages;
use crate::schedule::{Admission, Outcome, Pipelines as _, RequestDesc};

/// Ways in which a plan's regions lie that are remembered. Guessed: there is mostly one.
const MOST_LAYOUTS: usize = 8;

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
            && let Some(earlier) = self.take_unscheduled(|earlier| earlier.key == prepared.key)
        {
            self.end_unscheduled(earlier, Outcome::Superseded, ended(Outcome::Superseded));
        }
        if self.is_too_late(&prepared) {
            return self.end_unscheduled(prepared, Outcome::Dropped, ended(Outcome::Dropped));
        }
        if let Err(unscheduled) = self.hand_over(prepared) {
            let (prepared, error) = *unscheduled;
            // Those that wait go first.
            self.waiting.push_back(prepared);
            tracing::debug!(%error, waiting = self.waiting.len(), "waits for the memory of its weights");
            self.admit_waiting();
        }
    }

    /// Places waiting requests as far as memory goes.
    pub(super) fn admit_waiting(&mut self) -> bool {
        let mut any = false;
        while let Some(prepared) = self.waiting.pop_front() {
            if self.is_too_late(&prepared) {
                any = true;
                self.end_unscheduled(prepared, Outcome::Dropped, ended(Outcome::Dropped));
                continue;
            }
            let Err(unscheduled) = self.hand_over(prepared) else {
                any = true;
                continue;
            };
            let (prepared, error) = *unscheduled;
            // Someone else's memory will come free.
            if error.kind() == ErrorKind::Memory && self.may_fit_later(&prepared) {
                if self.stalled.replace(prepared.id) != Some(prepared.id) {
                    tracing::debug!(parent: &prepared.span, %error, waiting = self.waiting.len(), "waits for memory");
                }
                self.waiting.push_front(prepared);
                return any;
            }
            any = true;
            if let Some((prepared, error)) = self.make_way(prepared, error) {
                let error = self.no_room(&prepared, error);
                self.end_unscheduled(prepared, Outcome::Failed, error);
            }
        }
        any
    }

    fn is_too_late(&self, prepared: &Prepared) -> bool {
        let late = prepared.deadline.is_some_and(|deadline| deadline < self.clock.now());
        late && prepared.admission == Admission::DropLate
    }

    fn may_fit_later(&mut self, prepared: &Prepared) -> bool {
        let others = self.others_hold() || self.active.values().any(|active| active.begun);
        others && prepared.plan.plan.regions.iter().all(|&bytes| self.executor.fits_ever(bytes))
    }

    /// Hands a request to the scheduler, which says when it takes memory; a later part, and one that runs alone, take it at once. One whose weights are on
    /// their way waits for them.
    fn hand_over(&mut self, prepared: Prepared) -> std::result::Result<(), Box<(Prepared, Error)>> {
        let residency = self.models.entry(prepared.plan.model).or_default();
        match residency.ensure(&mut self.executor, &prepared.plan) {
            Ok(Weights::Ready) => {}
            Ok(Weights::Loading) => {
                self.loading.push_back(prepared);
                return Ok(());
            }
            Err(error) => return Err(Box::new((prepared, error))),
        }
        if let Some(error) = self.never_fits(&prepared) {
            self.end_unscheduled(prepared, Outcome::Failed, error);
            return Ok(());
        }
        // One without dispatches ends at once; what it leaves on the device needs memory.
        let idle = prepared.plan.plan.dispatches.is_empty();
        let leaves = idle && prepared.outputs().iter().any(|output| stages::kept_region(output).is_some());
        // The scheduler asks first for others, who may not begin while one runs alone.
        let at_once = prepared.has_begun() || leaves || self.alone == Some(prepared.id);
        let taken =
            match at_once.then(|| begin::take(&mut self.executor, &prepared, &mut self.spare.regions)).transpose() {
                Ok(taken) => taken,
                Err(error) => return Err(Box::new((prepared, error))),
            };
        let mut segments = std::mem::take(&mut self.spare.segments);
        segments.clear();
        match &taken {
            Some(taken) => segments.extend(self.executor.segments_of(taken.regions.iter().map(Region::allocation))),
            None => segments.extend(presumed_segments(&prepared, self.executor.heap_layout())),
        }
        let resolved = self.resolve(&prepared, &segments);
        self.spare.segments = segments;
        match resolved {
            Ok(resolved) => {
                tracing::trace!(parent: &prepared.span, "handed over");
                self.stats.blocked += u64::from(!self.compiled(&resolved));
                self.start(prepared, resolved, taken);
                Ok(())
            }
            Err(error) => {
                taken
                    .into_iter()
                    .for_each(|taken| begin::give_back(&mut self.executor, taken, &mut self.spare.regions));
                Err(Box::new((prepared, error)))
            }
        }
    }

    /// A plan's linked kernels for regions that lie so.
    pub(super) fn resolve(&mut self, prepared: &Prepared, segments: &[SegmentId]) -> Result<Arc<Resolved>> {
        let plan = &prepared.plan;
        let mut known = self.resolved.get(&plan.id).into_iter().flatten();
        if let Some(resolved) = known.find(|resolved| resolved.serves(segments.iter().copied())) {
            return Ok(resolved.clone());
        }
        let residency = self.models.entry(plan.model).or_default();
        let resolved = Resolved::new(plan, residency, segments, &mut self.executor, &mut self.alikes)?;
        // Every kernel is compiled ahead of its turn, not when the request gets there.
        self.executor.pipelines().want_each(&resolved.kernels);
        self.teach();
        let resolved = Arc::new(resolved);
        let mut all = self.resolved.get(&plan.id).cloned().unwrap_or_default();
        all.truncate(MOST_LAYOUTS - 1);
        all.insert(0, resolved.clone());
        self.resolved.insert(plan.id, all);
        Ok(resolved)
    }

    /// Whether every kernel of a plan is compiled, but for those of coalesced lanes. Where all known ones are, nothing is
    /// looked up.
    fn compiled(&mut self, resolved: &Resolved) -> bool {
        let pipelines = self.executor.pipelines();
        let stats = pipelines.stats();
        stats.singles == stats.kernels || resolved.kernels.iter().all(|&kernel| pipelines.ready(&[kernel]))
    }

    /// Tells the scheduler of a request, with what it has taken already.
    pub(super) fn start(&mut self, prepared: Prepared, resolved: Arc<Resolved>, taken: Option<Taken>) {
        let now = self.clock.now();
        let desc = RequestDesc {
            plan: resolved.desc.clone(),
            deadline: prepared.deadline,
            class: prepared.class,
            admission: prepared.admission,
            key: prepared.key,
            // One that needs staging alone is asked about too.
            memory: if taken.is_some() { 0 } else { begin::own_bytes(&prepared).max(1) },
        };
        let mut downloads = self.spare.downloads.pop().unwrap_or_default();
        downloads.resize(prepared.outputs().len(), None);
        let begun = taken.is_some();
        let (regions, promise) = taken.map_or_else(Default::default, |taken| (taken.regions, taken.promise));
        let active = Active {
            remaining: resolved.workgroups,
            resolved,
            regions,
            promise,
            begun,
            refused: false,
            first: None,
            started: None,
            failed: None,
            downloads,
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
pub(super) fn held(prepared: &Prepared, region: usize) -> Option<Arc<Hold>> {
    let inputs = prepared.plan.plan.inputs.iter().zip(&prepared.held);
    inputs.filter(|(input, _)| stages::own_region(input) == Some(region)).find_map(|(_, hold)| hold.clone())
}

/// Where a request's regions will lie, most likely: in the first segment, but for those that are there already.
fn presumed_segments(prepared: &Prepared, layout: HeapLayout) -> impl Iterator<Item = SegmentId> {
    let heap = |index: usize| SegmentId { index: index as u8, kind: SegmentKind::Heap };
    (0..prepared.plan.plan.regions.len()).map(move |region| match layout {
        HeapLayout::Apart => heap(region),
        HeapLayout::Shared => held(prepared, region).map_or(heap(0), |hold| Region::Held(hold).allocation().segment()),
    })
}
