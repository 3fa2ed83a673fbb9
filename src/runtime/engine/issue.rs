//! From the scheduler's decisions to work for the device.

use std::sync::Arc;

use super::begin::Gate;
use super::delayed::is_shortage;
use super::spare::Spare;
use super::{Active, Engine, InFlight, REPORT};
use crate::error::{Error, Result};
use crate::gpu::{Clear, Download, LaneWork, Upload, WaveWork, Work};
use crate::link::Slot;
use crate::plan::{Operand, Place, Source};
use crate::runtime::Now;
use crate::runtime::trace::LevelRecord;
use crate::schedule::{Lane, Nanos, RequestId, Submission, SubmissionId, Wave};

impl Engine {
    pub(super) fn issue(&mut self) -> Result<bool> {
        if self.lost.is_some() {
            return Ok(false);
        }
        let mut any = self.send_delayed()?;
        while self.delayed.is_none() {
            let now = self.clock.now();
            let (door, others) = (self.door(), self.others_hold());
            let mut gate = Gate::new(&mut self.executor, &mut self.active, &mut self.spare.regions, door, others);
            let submission = self.scheduler.issue(now, &mut gate);
            let Gate { failed, elsewhere, .. } = gate;
            let changed = !(failed.is_empty() && elsewhere.is_empty());
            failed.into_iter().for_each(|(id, error)| self.fail(id, error));
            elsewhere.into_iter().for_each(|id| self.start_elsewhere(id));
            any |= changed;
            match submission {
                Some(submission) => self.send(submission, now)?,
                None if changed => continue,
                None => break,
            }
            any = true;
        }
        // What ended may have left memory to others.
        Ok(self.take_ended() || any)
    }

    fn send(&mut self, submission: Submission, now: Nanos) -> Result<()> {
        let lanes = submission.waves.iter().map(|wave| wave.lanes.len()).sum::<usize>();
        let _span = tracing::trace_span!("issue", submission = submission.id.0, waves = submission.waves.len(), lanes)
            .entered();
        let Submission { id, waves } = submission;
        let (work, parts) = self.work(id, &waves, now)?;
        self.stats.submissions += 1;
        self.stats.waves += waves.len() as u64;
        self.stats.lanes += lanes as u64;
        let lanes = waves.iter().flat_map(|wave| &wave.lanes);
        self.stats.gathered += lanes.filter(|lane| lane.gathered != 1).count() as u64;
        match self.executor.submit_ref(&work) {
            Ok(()) => self.spare.give_back(work),
            Err(error) if is_shortage(&error) => {
                self.stats.short_of_staging += 1;
                tracing::debug!(submission = id.0, %error, "waits for staging");
                self.delayed = Some(Box::new(work));
            }
            Err(error) => return Err(error),
        }
        self.in_flight.insert(id, InFlight { issued: now, waves, parts, delayed: self.delayed.is_some() });
        self.note_levels(now);
        self.stats.host_nanos += self.clock.now().saturating_sub(now);
        Ok(())
    }

    pub(super) fn note_levels(&self, at: Nanos) {
        if let Some(trace) = &self.trace {
            let Now { requests, queued, lanes, .. } = self.now();
            trace.add_level(LevelRecord { at, requests, queued, lanes, heap_bytes: self.executor.memory().heap_used });
        }
    }

    /// Turns what the scheduler decided into addresses, uploads and read-backs, with the number of dispatches that each wave takes.
    fn work(&mut self, id: SubmissionId, waves: &[Wave], now: Nanos) -> Result<(Work, Vec<usize>)> {
        let mut counts = self.spare.parts.pop().unwrap_or_default();
        counts.clear();
        let mut work = self.spare.work(id);
        for wave in waves {
            let start = work.waves.len();
            for run in wave.runs() {
                self.add_lane(run, &mut work.waves, start)?;
            }
            for lane in &wave.lanes {
                let active = self
                    .active
                    .get_mut(&lane.request)
                    .ok_or_else(|| Error::internal("the scheduler issued a request that has ended"))?;
                if active.first.is_none() {
                    active.first = Some(id);
                    active.started = Some(now);
                    active.promise.uploads = 0;
                    work.clears.extend(report(active).map(|(slot, offset, bytes)| Clear { slot, offset, bytes }));
                    for input in &active.prepared.uploads {
                        let region = &active.regions[usize::from(input.region)];
                        work.uploads.push(Upload {
                            slot: region.slot(),
                            offset: region.base() + input.offset,
                            bytes: input.bytes.clone(),
                        });
                    }
                }
                active.remaining -= u64::from(lane.count);
                if active.remaining == 0 {
                    active.promise.downloads = 0;
                    downloads(lane.request, active, &mut work.downloads);
                }
            }
            let parts = work.waves.len() - start;
            counts.push(parts);
            self.stats.parted_waves += u64::from(parts > 1);
        }
        Ok((work, counts))
    }
}

/// The dispatch of a wave whose slots stand for these segments, as far as both name them. A wave is one dispatch, unless its lanes
/// need different segments in the same slots; those of the wave are `waves` from `start` on.
fn part<'a>(
    waves: &'a mut Vec<WaveWork>,
    start: usize,
    spare: &mut Spare,
    segments: impl Iterator<Item = (Slot, Slot)> + Clone,
) -> &'a mut WaveWork {
    let agree = |part: &WaveWork| {
        let mut named = segments.clone();
        named.all(|(slot, segment)| part.segments.iter().all(|&(s, other)| s != slot || other == segment))
    };
    let at = waves[start..].iter().position(agree).map_or(waves.len(), |at| start + at);
    if at == waves.len() {
        waves.push(spare.waves.pop().unwrap_or_default());
    }
    let part = &mut waves[at];
    for pair in segments {
        if !part.segments.contains(&pair) {
            part.segments.push(pair);
        }
    }
    part.segments.sort_unstable();
    part
}

impl Engine {
    /// Adds the lane of a request, or of several that run as one, to a wave.
    fn add_lane(&mut self, run: &[Lane], waves: &mut Vec<WaveWork>, start: usize) -> Result<()> {
        let Engine { active, spare, .. } = self;
        let member = |lane: &Lane| {
            active.get(&lane.request).ok_or_else(|| Error::internal("the scheduler issued a request that has ended"))
        };
        let mut first = member(&run[0])?;
        let dispatch = run[0].dispatch as usize;
        let planned = &first.prepared.plan.plan.dispatches[dispatch];
        let params = |active: &Active| {
            let own = active.prepared.params.clone();
            own.unwrap_or_else(|| active.resolved.params[dispatch].clone())
        };
        let mut own = params(first);
        let mut furthest = 0;
        if run[0].gathered != 1 {
            let gather =
                planned.gather.as_ref().ok_or_else(|| Error::internal("a dispatch that cannot be gathered"))?;
            let base = |active: &Active| active.regions[usize::from(gather.region)].base();
            let mut bases = std::mem::take(&mut spare.bases);
            bases.clear();
            for lane in run {
                let other = member(lane)?;
                bases.push(base(other));
                if base(other) < base(first) {
                    first = other;
                }
            }
            bases.sort_unstable();
            own = spare.params(&params(first));
            let words = Arc::get_mut(&mut own).ok_or_else(|| Error::internal("parameters that are shared"))?;
            for (member, base) in bases.iter().enumerate() {
                furthest = base - bases[0];
                let word = words.get_mut(gather.word as usize + member).filter(|_| member < gather.width as usize);
                let word = word.ok_or_else(|| Error::internal("more requests than a dispatch can gather"))?;
                *word = match member {
                    0 => bases.len() as u32,
                    _ => u32::try_from(furthest / 16).map_err(|_| Error::internal("requests too far apart"))?,
                };
            }
            spare.bases = bases;
        }
        // Tensors of the requests' own are told to reach up to the furthest's end.
        let reach = |((base, bytes), operand): ((u64, u64), &Operand)| match operand.place {
            Place::Activation { .. } => (base, (bytes + furthest).min(u64::from(u32::MAX))),
            Place::Weight(_) => (base, bytes),
        };
        let mut operands = spare.operands.pop().unwrap_or_default();
        operands.extend(first.resolved.operands(dispatch, &first.regions).zip(&planned.operands).map(reach));
        let Lane { arm, first: from, count, .. } = run[0];
        let grid = planned.grid;
        let part = part(waves, start, spare, first.resolved.segments(dispatch, &first.regions));
        part.lanes.push(LaneWork { arm, grid, first: from, count, operands, params: own });
        Ok(())
    }
}

/// Where the request's dispatches report what went wrong, if they can: slot, offset, bytes.
fn report(active: &Active) -> Option<(Slot, u64, u64)> {
    let Operand { place, bytes } = active.prepared.plan.plan.checks.as_ref()?.report;
    let Place::Activation { region, offset } = place else { return None };
    let region = &active.regions[usize::from(region)];
    Some((region.slot(), region.base() + offset, bytes))
}

/// The read-backs of a request whose last workgroups are being issued.
fn downloads(request: RequestId, active: &Active, downloads: &mut Vec<Download>) {
    if let Some((slot, offset, bytes)) = report(active) {
        downloads.push(Download { slot, offset, bytes, tag: (request.0 << 16) | REPORT });
    }
    for (index, output) in active.prepared.outputs().iter().enumerate() {
        let Source::Device(operand) = &output.source else { continue };
        if output.shape.contains(&0) || !output.keep.is_read() {
            continue;
        }
        let Place::Activation { region, offset } = operand.place else { continue };
        let region = &active.regions[usize::from(region)];
        downloads.push(Download {
            slot: region.slot(),
            offset: region.base() + offset,
            bytes: operand.bytes,
            tag: (request.0 << 16) | index as u64,
        });
    }
}
