//! From the scheduler's decisions to work for the device.

use std::sync::Arc;

use super::begin::Gate;
use super::delayed::is_shortage;
use super::spare::Spare;
use super::{Active, Engine, InFlight, REPORT};
use crate::error::{Error, Result};
use crate::gpu::{Clear, Download, EncodedBundle, Upload, Work};
use crate::link::SegmentId;
use crate::link::table::{EncodedLane, LaneOperand};
use crate::plan::{Location, Operand, Source};
use crate::runtime::Now;
use crate::runtime::trace::LevelRecord;
use crate::schedule::{Bundle, Lane, Nanos, RequestId, Submission, SubmissionId};

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
            for (id, error) in failed {
                let Some(active) = self.active.get(&id) else { continue };
                let error = self.no_room(&active.prepared, error);
                self.fail(id, error);
            }
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
        let lanes = submission.bundles.iter().map(|bundle| bundle.lanes.len()).sum::<usize>();
        let _span =
            tracing::trace_span!("issue", submission = submission.id.0, bundles = submission.bundles.len(), lanes)
                .entered();
        let Submission { id, bundles } = submission;
        let (work, parts) = self.work(id, &bundles, now)?;
        self.stats.submissions += 1;
        self.stats.bundles += bundles.len() as u64;
        self.stats.lanes += lanes as u64;
        let lanes = bundles.iter().flat_map(|bundle| &bundle.lanes);
        self.stats.coalesced += lanes.filter(|lane| lane.coalesced != 1).count() as u64;
        match self.executor.submit_ref(&work) {
            Ok(()) => self.spare.give_back(work),
            Err(error) if is_shortage(&error) => {
                self.stats.short_of_staging += 1;
                tracing::debug!(submission = id.0, %error, "waits for staging");
                self.delayed = Some(Box::new(work));
            }
            Err(error) => return Err(error),
        }
        self.in_flight.insert(id, InFlight { issued: now, bundles, parts, delayed: self.delayed.is_some() });
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

    /// Turns what the scheduler decided into addresses, uploads and read-backs, with the number of dispatches that each bundle takes.
    fn work(&mut self, id: SubmissionId, bundles: &[Bundle], now: Nanos) -> Result<(Work, Vec<usize>)> {
        let mut counts = self.spare.parts.pop().unwrap_or_default();
        counts.clear();
        let mut work = self.spare.work(id);
        for bundle in bundles {
            let start = work.bundles.len();
            for run in bundle.runs() {
                self.add_lane(run, &mut work.bundles, start)?;
            }
            for lane in &bundle.lanes {
                let active = self
                    .active
                    .get_mut(&lane.request)
                    .ok_or_else(|| Error::internal("the scheduler issued a request that has ended"))?;
                if active.first.is_none() {
                    active.first = Some(id);
                    active.started = Some(now);
                    active.promise.uploads = 0;
                    work.clears.extend(report(active).map(|(segment, offset, bytes)| Clear { segment, offset, bytes }));
                    for input in &active.prepared.uploads {
                        let region = &active.regions[usize::from(input.region)];
                        work.uploads.push(Upload {
                            segment: region.segment(),
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
            let parts = work.bundles.len() - start;
            counts.push(parts);
            self.stats.parted_bundles += u64::from(parts > 1);
        }
        Ok((work, counts))
    }
}

/// The dispatch of a bundle whose kernels' segments are bound to these, as far as both name them. A bundle is one dispatch, unless its lanes
/// need different ones bound for the same segment of their kernels; those of the bundle are `bundles` from `start` on.
fn part<'a>(
    bundles: &'a mut Vec<EncodedBundle>,
    start: usize,
    spare: &mut Spare,
    bound: impl Iterator<Item = (SegmentId, SegmentId)> + Clone,
) -> &'a mut EncodedBundle {
    let agree = |part: &EncodedBundle| {
        let mut named = bound.clone();
        named.all(|(of, to)| part.bound.iter().all(|&(other, already)| other != of || already == to))
    };
    let at = bundles[start..].iter().position(agree).map_or(bundles.len(), |at| start + at);
    if at == bundles.len() {
        bundles.push(spare.bundles.pop().unwrap_or_default());
    }
    let part = &mut bundles[at];
    for pair in bound {
        if !part.bound.contains(&pair) {
            part.bound.push(pair);
        }
    }
    part.bound.sort_unstable();
    part
}

impl Engine {
    /// Adds the lane of a request, or of several that run as one, to a bundle.
    fn add_lane(&mut self, run: &[Lane], bundles: &mut Vec<EncodedBundle>, start: usize) -> Result<()> {
        let Engine { active, spare, .. } = self;
        let member = |lane: &Lane| {
            active.get(&lane.request).ok_or_else(|| Error::internal("the scheduler issued a request that has ended"))
        };
        // Of lanes that run as one, which may be of several plans, all but the bases of their regions is the same.
        let mut first = (member(&run[0])?, run[0].dispatch as usize);
        let planned = &first.0.prepared.plan.plan.dispatches[first.1];
        let params = first.0.prepared.params.clone();
        let mut params = params.unwrap_or_else(|| first.0.resolved.params[first.1].clone());
        let mut furthest = 0;
        if run[0].coalesced != 1 {
            let cannot = || Error::internal("a dispatch that cannot be coalesced");
            let coalesce = planned.coalesce.as_ref().ok_or_else(cannot)?;
            let base = |(active, dispatch): (&Active, usize)| {
                let coalesce = active.prepared.plan.plan.dispatches[dispatch].coalesce.as_ref().ok_or_else(cannot)?;
                Ok::<u64, Error>(active.regions[usize::from(coalesce.region)].base())
            };
            let mut bases = std::mem::take(&mut spare.bases);
            bases.clear();
            let mut least = base(first)?;
            for lane in run {
                let other = (member(lane)?, lane.dispatch as usize);
                let base = base(other)?;
                bases.push(base);
                if base < least {
                    (first, least) = (other, base);
                }
            }
            bases.sort_unstable();
            params = spare.params(&params);
            let words = Arc::get_mut(&mut params).ok_or_else(|| Error::internal("parameters that are shared"))?;
            for (member, base) in bases.iter().enumerate() {
                furthest = base - bases[0];
                let word = words.get_mut(coalesce.word as usize + member).filter(|_| member < coalesce.width as usize);
                let word = word.ok_or_else(|| Error::internal("more requests than a dispatch can coalesce"))?;
                *word = match member {
                    0 => bases.len() as u32,
                    _ => u32::try_from(furthest / 16).map_err(|_| Error::internal("requests too far apart"))?,
                };
            }
            spare.bases = bases;
        }
        let mut operands = spare.operands.pop().unwrap_or_default();
        let (first, dispatch) = first;
        for ((base, bytes), operand) in first.resolved.operands(dispatch, &first.regions).zip(&planned.operands) {
            // Tensors of the requests' own are told to reach up to the furthest's end.
            let bytes = match operand.location {
                Location::Activation { .. } => (bytes + furthest).min(u64::from(u32::MAX)),
                Location::Weight(_) => bytes,
            };
            let encoded = LaneOperand::new(base, bytes);
            operands.push(encoded.ok_or_else(|| Error::internal(format!("an operand of {bytes} bytes at {base}")))?);
        }
        let Lane { kernel, first: from, count, .. } = run[0];
        let lane = EncodedLane { grid: planned.grid, first: from, count, operands, params };
        let part = part(bundles, start, spare, first.resolved.bound(dispatch, &first.regions));
        part.lanes.push((kernel, lane));
        Ok(())
    }
}

/// Where the request's dispatches report what went wrong, if they can: segment, offset, bytes.
fn report(active: &Active) -> Option<(SegmentId, u64, u64)> {
    let Operand { location, bytes } = active.prepared.plan.plan.checks.as_ref()?.report;
    let Location::Activation { region, offset } = location else { return None };
    let region = &active.regions[usize::from(region)];
    Some((region.segment(), region.base() + offset, bytes))
}

/// The read-backs of a request whose last workgroups are being issued.
fn downloads(request: RequestId, active: &Active, downloads: &mut Vec<Download>) {
    if let Some((segment, offset, bytes)) = report(active) {
        downloads.push(Download { segment, offset, bytes, tag: (request.0 << 16) | REPORT });
    }
    for (index, output) in active.prepared.outputs().iter().enumerate() {
        let Source::Device(operand) = &output.source else { continue };
        if output.shape.contains(&0) || !output.keep.is_read() {
            continue;
        }
        let Location::Activation { region, offset } = operand.location else { continue };
        let region = &active.regions[usize::from(region)];
        downloads.push(Download {
            segment: region.segment(),
            offset: region.base() + offset,
            bytes: operand.bytes,
            tag: (request.0 << 16) | index as u64,
        });
    }
}
