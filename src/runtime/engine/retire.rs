//! From what the device finished to answers, timings and the trace.

use std::sync::Arc;
use std::time::Duration;

use super::begin::{self, Taken};
use super::{Active, Engine, InFlight, REPORT, ended};
use crate::error::{Error, Result};
use crate::gpu::Finished;
use crate::plan::Source;
use crate::runtime::completion::Answer;
use crate::runtime::content::Content;
use crate::runtime::hold::{Hold, Region};
use crate::runtime::message::Prepared;
use crate::runtime::stages::{self, Produced, Resident};
use crate::runtime::trace::{BundleRecord, LaneRecord, RequestRecord};
use crate::schedule::{self, Ended, Nanos, Outcome, RequestId, Submission, SubmissionId};
use crate::tensor::Tensor;

impl Engine {
    pub(super) fn collect(&mut self) -> Result<bool> {
        if self.lost.is_some() {
            return Ok(false);
        }
        let mut finished = std::mem::take(&mut self.spare.finished);
        let polled = self.executor.poll_into(&mut finished);
        let any = !finished.is_empty();
        finished.drain(..).for_each(|finished| self.retire(finished));
        self.spare.finished = finished;
        polled.map(|()| any)
    }

    fn retire(&mut self, mut finished: Finished) {
        let gpu_nanos = finished.gpu_nanos();
        let (id, span) = (finished.id, finished.span);
        if self.fetches.is_of(id) {
            return self.deliver(finished);
        }
        let _span = tracing::trace_span!("retire", submission = id.0, gpu_nanos).entered();
        for (tag, bytes) in finished.downloads.drain(..) {
            let (request, output) = (RequestId(tag >> 16), tag & 0xffff);
            if let Some(active) = self.active.get_mut(&request) {
                match output {
                    REPORT => active.report = Some(bytes),
                    output => active.downloads[output as usize] = Some(bytes),
                }
            }
        }
        self.stats.gpu_nanos += gpu_nanos.unwrap_or(0);
        let Some(flight) = self.in_flight.remove(&id) else { return };
        let mut times = std::mem::take(&mut self.spare.nanos);
        times.clear();
        let timed = finished.bundle_nanos.is_some();
        if let Some(nanos) = &finished.bundle_nanos {
            of_bundles(nanos, &flight.parts, &mut times);
        }
        self.executor.recycle(finished);
        let nanos = timed.then_some(times.as_slice());
        let now = self.clock.now();
        for (index, bundle) in flight.bundles.iter().enumerate() {
            let gpu = nanos.and_then(|nanos| nanos.get(index).copied());
            self.account(bundle, gpu);
        }
        if let Some(trace) = &self.trace {
            trace.extend(self.records(id, &flight, nanos, now), span);
        }
        // Without times, nothing is learned of what waited for staging.
        let nanos = nanos.or_else(|| flight.delayed.then_some(&[][..]));
        self.scheduler.retire(id, nanos, now);
        self.spare.nanos = times;
        let InFlight { bundles, parts, .. } = flight;
        self.spare.parts.push(parts);
        self.scheduler.recycle(Submission { id, bundles });
        let schedule::Stats { stragglers, straggled, .. } = self.scheduler.stats();
        if straggled > self.stats.straggled {
            tracing::warn!(stragglers, "a model takes far longer than predicted, and goes behind all others");
        }
        self.stats.straggled = straggled;
        self.take_ended();
        self.note_levels(now);
    }

    /// Adds a bundle to the timing of the requests that had lanes in it.
    fn account(&mut self, bundle: &schedule::Bundle, gpu: Option<Nanos>) {
        let all = bundle.lanes.len() as u32;
        let mut own = std::mem::take(&mut self.spare.lanes_of);
        own.extend(bundle.lanes.iter().map(|lane| (lane.request, 1)));
        own.sort_unstable();
        own.dedup_by(|next, one| {
            let same = next.0 == one.0;
            one.1 += if same { next.1 } else { 0 };
            same
        });
        self.stats.shared_bundles += u64::from(own.len() > 1);
        for (request, lanes) in own.drain(..) {
            let Some(active) = self.active.get_mut(&request) else { continue };
            let timing = &mut active.timing;
            timing.bundles += 1;
            timing.lanes += lanes;
            timing.lanes_shared += all - lanes;
            timing.shared_bundles += u32::from(all > lanes);
            if let Some(gpu) = gpu {
                timing.gpu = Some(timing.gpu.unwrap_or_default() + Duration::from_nanos(gpu));
            }
        }
        self.spare.lanes_of = own;
    }

    fn records(
        &self,
        id: SubmissionId,
        flight: &InFlight,
        nanos: Option<&[Nanos]>,
        retired: Nanos,
    ) -> Vec<BundleRecord> {
        let lane_record = |lane: &schedule::Lane| {
            let active = self.active.get(&lane.request)?;
            let dispatch = &active.prepared.plan.plan.dispatches[lane.dispatch as usize];
            Some(LaneRecord {
                request: active.prepared.id.0,
                model: active.prepared.plan.model.0,
                name: active.prepared.plan.name.clone(),
                label: dispatch.label.clone(),
                kernel: dispatch.variant.kernel().name.as_str().into(),
                dispatch: lane.dispatch,
                coalesced: lane.coalesced,
                first: lane.first,
                count: lane.count,
            })
        };
        let bundle_record = |(index, bundle): (usize, &schedule::Bundle)| BundleRecord {
            submission: id.0,
            issued: flight.issued,
            retired,
            gpu: nanos.and_then(|nanos| nanos.get(index).copied()),
            on_device: None,
            predicted: bundle.predicted,
            separate: bundle.separate,
            lanes: bundle.lanes.iter().filter_map(lane_record).collect(),
        };
        flight.bundles.iter().enumerate().map(bundle_record).collect()
    }

    /// Finishes the requests that ended. Whether there were any.
    pub(super) fn take_ended(&mut self) -> bool {
        let mut any = false;
        let mut ended = std::mem::take(&mut self.spare.ended);
        self.scheduler.drain_ended(&mut ended);
        for Ended { request, outcome, at } in ended.drain(..) {
            if let Some(active) = self.active.remove(&request) {
                any = true;
                self.names.remove(&active.prepared.id);
                self.finish(active, outcome, at);
            }
        }
        // What ends meanwhile is taken by a call of its own.
        if self.spare.ended.capacity() < ended.capacity() {
            self.spare.ended = ended;
        }
        any
    }

    pub(super) fn finish(&mut self, active: Active, mut outcome: Outcome, at: Nanos) {
        let Active {
            mut prepared,
            resolved: _,
            mut regions,
            promise,
            begun: _,
            refused: _,
            remaining: _,
            first: _,
            mut started,
            failed,
            mut downloads,
            report,
            mut timing,
        } = active;
        if let Some(course) = &mut prepared.course
            && let Some((begun, _)) = course.begun
        {
            started = Some(begun);
        }
        timing.queued = Duration::from_nanos(started.unwrap_or(at).saturating_sub(prepared.submitted));
        timing.total = Duration::from_nanos(at.saturating_sub(prepared.submitted));
        timing.in_time = prepared.deadline.map(|deadline| at <= deadline);
        if failed.is_some() {
            // To the scheduler it may have completed: all of it was issued.
            outcome = Outcome::Failed;
        }
        let produced = match outcome {
            Outcome::Completed | Outcome::CompletedLate => {
                regions = self.keep_regions(&prepared, regions);
                outputs(&prepared, &mut downloads, report, &regions)
            }
            _ => Err(failed.unwrap_or_else(|| ended(outcome))),
        };
        downloads.clear();
        self.spare.downloads.push(downloads);
        begin::give_back(&mut self.executor, Taken { regions, promise }, &mut self.spare.regions);
        let produced = match produced {
            Ok(produced) => {
                // One that is planned when its turn comes has not begun by that.
                if let Some(course) = &mut prepared.course
                    && !prepared.plan.plan.regions.is_empty()
                {
                    course.begun = Some((started.unwrap_or(at), timing));
                }
                // Another part may have to be planned first.
                let Some((rest, produced)) = self.after_part(prepared, produced) else { return };
                prepared = rest;
                produced.and_then(|produced| self.leave_state(&prepared, produced))
            }
            Err(error) => Err(error),
        };
        prepared.span.record("bundles", timing.bundles);
        prepared.span.record("lanes", timing.lanes);
        self.record(&prepared, started, at, outcome);
        let kept = std::mem::take(&mut prepared.kept);
        let result = produced.map(|mut outputs| {
            // What the caller does not read is free now.
            let not_kept = outputs.iter_mut().enumerate().filter(|(index, _)| !kept.contains(index));
            not_kept.for_each(|(_, one)| one.resident = None);
            Answer { outputs, kept, timing }
        });
        self.end(prepared, result);
    }

    /// Makes shared regions of those in which outputs stay on the device.
    fn keep_regions(&self, prepared: &Prepared, regions: Vec<Region>) -> Vec<Region> {
        if !prepared.outputs().iter().any(|output| stages::kept_region(output).is_some()) {
            return regions;
        }
        let kept: Vec<usize> = prepared.outputs().iter().filter_map(stages::kept_region).collect();
        let share = |(index, region)| match region {
            Region::Own(allocation) if kept.contains(&index) => {
                Region::Held(Arc::new(Hold::new(allocation, self.port.clone(), self.holds.clone())))
            }
            region => region,
        };
        regions.into_iter().enumerate().map(share).collect()
    }

    /// Notes in the request's span and in the trace how a request ended.
    pub(super) fn record(&self, prepared: &Prepared, started: Option<Nanos>, ended: Nanos, outcome: Outcome) {
        let total_us = ended.saturating_sub(prepared.submitted) / 1_000;
        prepared.span.record("total_us", total_us);
        prepared.span.record("outcome", tracing::field::debug(outcome));
        if let Some(trace) = &self.trace {
            trace.add_request(RequestRecord {
                request: prepared.id.0,
                model: prepared.plan.model.0,
                name: prepared.plan.name.clone(),
                submitted: prepared.submitted,
                started,
                ended,
                deadline: prepared.deadline,
                outcome,
            });
        }
    }

    /// Ends a request that the scheduler does not know of.
    pub(super) fn end_unscheduled(&mut self, prepared: Prepared, outcome: Outcome, error: Error) {
        let now = self.clock.now();
        self.record(&prepared, None, now, outcome);
        self.end(prepared, Err(error));
    }
}

/// The durations of bundles from those of the dispatches that each takes.
fn of_bundles(nanos: &[Nanos], parts: &[usize], into: &mut Vec<Nanos>) {
    let mut rest = nanos;
    for &count in parts {
        let (own, others) = rest.split_at(count.min(rest.len()));
        rest = others;
        into.push(own.iter().sum());
    }
}

fn outputs(
    prepared: &Prepared,
    downloads: &mut Vec<Option<Vec<u8>>>,
    report: Option<Vec<u8>>,
    regions: &[Region],
) -> Result<Vec<Produced>> {
    if let (Some(checks), Some(report)) = (&prepared.plan.plan.checks, report) {
        checks.judge(&report)?;
    }
    let mut outputs = Vec::with_capacity(downloads.len());
    for (output, bytes) in prepared.outputs().iter().zip(downloads.drain(..)) {
        let content = match &output.source {
            Source::Constant(tensor) => Some(Content::Tensor(tensor.clone())),
            Source::Input(index) => {
                let given = prepared.inputs[*index].clone();
                let given =
                    given.ok_or_else(|| Error::internal(format!("'{}' is an input on the device", output.name)))?;
                Some(Content::Tensor(given))
            }
            Source::Device(_) if !output.keep.is_read() => None,
            Source::Device(_) if output.shape.contains(&0) => {
                Some(Content::Tensor(Tensor::zeros(output.dtype, output.shape.clone())?))
            }
            Source::Device(_) => {
                let bytes =
                    bytes.ok_or_else(|| Error::internal(format!("output '{}' was not read back", output.name)))?;
                Some(Content::read_back(bytes, output))
            }
        };
        let resident = stages::kept_region(output).and_then(|region| match &regions[region] {
            Region::Held(hold) => {
                let (dtype, shape, room) = (output.dtype, output.shape.clone(), output.room);
                Some(Resident { hold: hold.clone(), dtype, shape, room })
            }
            Region::Own(_) => None,
        });
        outputs.push(Produced { name: output.name.clone(), content, resident, parts: None });
    }
    Ok(outputs)
}
