//! Times one case: every choice that it allows, in turns, straight on the executor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::case::{self, Case};
use super::{Choice, Share};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{
    Allocation, Download, EncodedBundle, Executor, ExecutorOptions, Finished, Gpu, Upload, WeightRange, WeightsId,
    Work, linked_segments,
};
use crate::link::table::{EncodedLane, LaneOperand};
use crate::link::{LinkedKernel, SegmentId};
use crate::lower::tuning::Timed;
use crate::lower::{ModelWeights, Target, Tuning, WeightId};
use crate::plan::{self, Dispatch, Location, Operand, Plan, Source};
use crate::schedule::{KernelId, Pipelines as _, SubmissionId};
use crate::tensor::Tensor;

/// How long a submission should take, so that a clock's tick and what the driver adds count little.
const LONG: u64 = 200_000;
/// The most runs of a plan in a submission.
const REPEATS: u64 = 16;
/// After so long the device has failed.
const LOST: Duration = Duration::from_secs(60);
/// Regions begin at multiples of this.
const ALIGNMENT: u64 = 256;

/// A device to measure on.
pub(super) struct Bench {
    executor: Executor,
    target: Target,
    runs: usize,
    submissions: u64,
}

/// A case with its plans, and weights on the device.
pub(super) struct Prepared {
    tiles: usize,
    depth: usize,
    input: Tensor,
    /// What plans do where nothing was measured.
    rule: Choice,
    plans: Vec<(Choice, Plan)>,
    /// Those of each copy one after the other; `None` if there is no room for them.
    weights: Option<(WeightsId, Vec<WeightRange>)>,
    /// Weights of a copy.
    count: usize,
}

/// What came of a case at a share.
pub(super) struct Measured {
    pub(super) timed: Vec<Timed>,
    pub(super) rule: Choice,
    /// Choices that were found wrong, and how.
    pub(super) faults: Vec<(Choice, String)>,
}

/// A choice with its memory, ready to run.
struct Candidate {
    choice: Choice,
    memory: Allocation,
    /// Of each dispatch, all copies.
    bundles: Vec<EncodedBundle>,
    uploads: Vec<Upload>,
    /// The last copy's results.
    results: Download,
    times: Vec<u64>,
}

impl Bench {
    pub(super) fn new(gpu: Gpu, options: ExecutorOptions, target: Target, runs: usize) -> Result<Self> {
        Ok(Bench { executor: Executor::new(gpu, options)?, target, runs, submissions: 0 })
    }

    /// Plans a case by every choice, and brings weights for `copies` of it to the device.
    pub(super) fn prepare(&mut self, case: &Case, copies: usize) -> Result<Prepared> {
        let &Case { kernel, depth, tiles, .. } = case;
        let (graph, input) = case.model()?;
        let store = Arc::new(ModelWeights::new());
        let shapes = [input.shape().to_vec()];
        let plan = |tuning| plan::plan(&graph, &shapes, &store, &Target { tuning, ..self.target.clone() });
        let rule = chosen(&plan(Tuning::NONE)?, tiles)?;
        let mut plans = Vec::new();
        for choice in Choice::all() {
            let plan = plan(Tuning::only(kernel, [depth as u32, tiles as u32], choice))?;
            // Where a choice does not fit, the plan is by the rule.
            if chosen(&plan, tiles)? == choice {
                plans.push((choice, plan));
            }
        }
        let bytes = |id| store.bytes(WeightId(id)).ok_or_else(|| Error::internal("weights without bytes"));
        let blobs: Vec<Arc<[u8]>> = (0..store.count()).map(bytes).collect::<Result<_>>()?;
        let all: Vec<Arc<[u8]>> = (0..copies).flat_map(|_| blobs.iter().cloned()).collect();
        let weights = if_there_is_room(self.executor.upload_weights(&all))?;
        Ok(Prepared { tiles, depth, input, rule, plans, weights, count: blobs.len() })
    }

    pub(super) fn end(&mut self, prepared: Prepared) {
        if let Some((id, _)) = prepared.weights {
            self.executor.free_weights(id);
        }
    }

    /// Times every choice with as many copies beside each other as the device has shares; none if there is no room for them.
    ///
    /// # Errors
    /// `Device` if the device failed.
    pub(super) fn measure(&mut self, prepared: &Prepared, share: Share) -> Result<Measured> {
        let copies = share.divisor();
        let most = 2 * case::MOST * self.target.parallelism.max(1) as usize;
        let mut candidates = Vec::new();
        let mut faults = Vec::new();
        for (choice, plan) in &prepared.plans {
            // More tiles than that fill any device without parts, and the sums of all parts take memory.
            if choice.parts > 1 && prepared.tiles * choice.parts * copies > most {
                continue;
            }
            let Some(candidate) = self.candidate(prepared, *choice, plan, copies)? else { continue };
            match self.compile(&candidate)? {
                None => candidates.push(candidate),
                Some(why) => {
                    faults.push((*choice, why));
                    self.executor.free(candidate.memory);
                }
            }
        }
        let timed = if_there_is_room(self.time(prepared, &mut candidates, &mut faults));
        for candidate in candidates {
            self.executor.free(candidate.memory);
        }
        Ok(Measured { timed: timed?.unwrap_or_default(), rule: prepared.rule, faults })
    }

    /// Compares the results of all candidates with the plain one's, takes those out that differ, and times the rest in turns.
    fn time(
        &mut self,
        prepared: &Prepared,
        candidates: &mut Vec<Candidate>,
        faults: &mut Vec<(Choice, String)>,
    ) -> Result<Vec<Timed>> {
        let Some(plain) = candidates.first().filter(|candidate| candidate.choice == Choice::PLAIN) else {
            return Ok(Vec::new());
        };
        let expected = self.results(plain)?;
        // Terms are below 1, and each adds at most half a unit of the last place of a sum that is far smaller than their number.
        let allowed = 1e-6 * prepared.depth as f32;
        for at in (1..candidates.len()).rev() {
            let got = self.results(&candidates[at])?;
            let wrong = differing(&got, &expected, allowed);
            if wrong > 0 {
                let candidate = candidates.remove(at);
                faults.push((candidate.choice, format!("{wrong} of {} results are wrong", expected.len())));
                self.executor.free(candidate.memory);
            }
        }
        let once = self.run(&candidates[0], 1)?;
        let repeats = LONG.div_ceil(once.max(1)).clamp(1, REPEATS);
        for _ in 0..self.runs {
            for candidate in candidates.iter_mut() {
                let nanos = self.run(candidate, repeats)?;
                candidate.times.push(nanos);
            }
        }
        let timed = candidates.iter_mut().map(|candidate| {
            candidate.times.sort_unstable();
            Timed { choice: candidate.choice, nanos: candidate.times[candidate.times.len() / 2].max(1) }
        });
        Ok(timed.collect())
    }

    /// `None` if there is no room.
    fn candidate(
        &mut self,
        prepared: &Prepared,
        choice: Choice,
        plan: &Plan,
        copies: usize,
    ) -> Result<Option<Candidate>> {
        let Some((_, ranges)) = &prepared.weights else { return Ok(None) };
        let (Some(input), Some(output)) = (plan.inputs.first(), plan.outputs.first()) else {
            return Err(Error::internal("a model of one node has an input and an output"));
        };
        let (Some(input_at), Source::Device(output_at)) = (input.operand, &output.source) else {
            return Err(Error::internal("input and output lie on the device"));
        };
        // The input has memory of its own, since the sum of parts may lie where it lay, and the next run reads it again.
        let lengths: Vec<u64> = plan.regions.iter().copied().chain([input_at.bytes]).collect();
        let begin =
            |region: usize| lengths[..region].iter().map(|bytes| bytes.next_multiple_of(ALIGNMENT)).sum::<u64>();
        let (own_input, stride) = (begin(plan.regions.len()), begin(lengths.len()));
        let Some(memory) = if_there_is_room(self.executor.allocate(stride * copies as u64))? else { return Ok(None) };
        let place = |copy: usize, dispatch: usize, operand: &Operand| {
            let copy_at = memory.base() + copy as u64 * stride;
            match operand.location {
                Location::Weight(id) => {
                    let range = &ranges[copy * prepared.count + id.0 as usize];
                    (range.segment, range.base)
                }
                at if dispatch == 0 && at == input_at.location => (memory.segment(), copy_at + own_input),
                Location::Activation { region, offset } => {
                    (memory.segment(), copy_at + begin(usize::from(region)) + offset)
                }
            }
        };
        let mut bundles = Vec::with_capacity(plan.dispatches.len());
        for (index, dispatch) in plan.dispatches.iter().enumerate() {
            let mut bundle = EncodedBundle::default();
            for copy in 0..copies {
                let places = dispatch.operands.iter().map(|operand| (place(copy, index, operand), operand.bytes));
                let (lane, segments) = lane(dispatch, places)?;
                let linked = linked_segments(&segments);
                let mut bound: Vec<_> = linked.iter().copied().zip(segments).collect();
                bound.sort_unstable();
                bound.dedup();
                if copy > 0 && bound != bundle.bound {
                    // Weights in different segments: that would be several dispatches.
                    self.executor.free(memory);
                    return Ok(None);
                }
                let linked = LinkedKernel { variant: dispatch.variant.clone(), segments: linked };
                bundle.lanes.push((self.executor.intern(linked), lane));
                bundle.bound = bound;
            }
            bundles.push(bundle);
        }
        let bytes: Arc<[u8]> = input.storage.encode(&prepared.input)?.into();
        let upload = |copy, operand: &Operand, bytes: &Arc<[u8]>| {
            let (segment, offset) = place(copy, 0, operand);
            Upload { segment, offset, bytes: bytes.clone() }
        };
        let uploads = (0..copies).flat_map(|copy| {
            let constants = plan.constants.iter().map(move |(operand, bytes)| upload(copy, operand, bytes));
            constants.chain([upload(copy, &input_at, &bytes)])
        });
        let uploads = uploads.collect();
        let (segment, offset) = place(copies - 1, plan.dispatches.len() - 1, output_at);
        let results = Download { segment, offset, bytes: output_at.bytes, tag: 0 };
        Ok(Some(Candidate { choice, memory, bundles, uploads, results, times: Vec::new() }))
    }

    /// Waits for the pipelines of a candidate; gives why there are none.
    fn compile(&mut self, candidate: &Candidate) -> Result<Option<String>> {
        let mut kernels: Vec<KernelId> =
            candidate.bundles.iter().flat_map(|bundle| bundle.lanes.iter().map(|&(kernel, _)| kernel)).collect();
        kernels.dedup();
        self.executor.pipelines().want_each(&kernels);
        for kernel in kernels {
            while !self.executor.pipelines().ready(&[kernel]) {
                if let Some(error) = self.executor.pipelines().failure(kernel) {
                    return Ok(Some(error.to_string()));
                }
                // The device may be lost meanwhile.
                self.executor.poll()?;
                self.executor.pipelines().want(&[kernel]);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(None)
    }

    /// Runs a candidate once on fresh inputs, and reads the last copy's results.
    fn results(&mut self, candidate: &Candidate) -> Result<Vec<f32>> {
        // One by one: together they may be more than there is staging for.
        for upload in &candidate.uploads {
            self.submit(Vec::new(), vec![upload.clone()], Vec::new())?;
        }
        let (finished, _) = self.submit(candidate.bundles.clone(), Vec::new(), vec![candidate.results])?;
        let (_, bytes) = finished.downloads.first().ok_or_else(|| Error::internal("no results came back"))?;
        Ok(bytemuck::pod_collect_to_vec(bytes))
    }

    /// Nanoseconds of a run of a candidate, over so many behind each other.
    fn run(&mut self, candidate: &Candidate, repeats: u64) -> Result<u64> {
        let bundles = (0..repeats).flat_map(|_| candidate.bundles.iter().cloned()).collect();
        let (finished, elapsed) = self.submit(bundles, Vec::new(), Vec::new())?;
        let nanos = finished.gpu_nanos().unwrap_or(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        Ok(nanos / repeats)
    }

    /// Submits work and waits for its end.
    fn submit(
        &mut self,
        bundles: Vec<EncodedBundle>,
        uploads: Vec<Upload>,
        downloads: Vec<Download>,
    ) -> Result<(Finished, Duration)> {
        self.submissions += 1;
        let work = Work { id: SubmissionId(self.submissions), clears: Vec::new(), uploads, bundles, downloads };
        let start = Instant::now();
        self.executor.submit(work)?;
        loop {
            self.executor.wait(LOST)?;
            if let Some(finished) = self.executor.poll()?.pop() {
                return Ok((finished, start.elapsed()));
            }
            if start.elapsed() > LOST {
                return Err(Error::device("the device did not end what is measured in time"));
            }
        }
    }
}

/// The lane of a whole dispatch whose operands lie in these segments at these bytes, of such lengths.
fn lane(
    dispatch: &Dispatch,
    places: impl Iterator<Item = ((SegmentId, u64), u64)>,
) -> Result<(EncodedLane, Vec<SegmentId>)> {
    let (mut operands, mut segments) = (Vec::new(), Vec::new());
    for ((segment, base), bytes) in places {
        let operand = LaneOperand::new(base, bytes);
        operands.push(operand.ok_or_else(|| Error::internal(format!("an operand of {bytes} bytes at {base}")))?);
        segments.push(segment);
    }
    let (grid, params) = (dispatch.grid, dispatch.params.as_slice().into());
    Ok((EncodedLane { grid, first: 0, count: dispatch.workgroups(), operands, params }, segments))
}

/// How a plan divides results of so many small tiles.
fn chosen(plan: &Plan, tiles: usize) -> Result<Choice> {
    let first = plan.dispatches.first().ok_or_else(|| Error::internal("a plan without dispatches"))?;
    let width = first.variant.constants().find_map(|(name, value)| (name == "WIDTH").then_some(value as usize));
    let side = width.map_or(Choice::SMALL, |width| 4 * width);
    let of_side = tiles * Choice::SMALL * Choice::SMALL / (side * side);
    Ok(Choice { side, parts: first.workgroups() as usize / of_side.max(1) })
}

/// How many results are further than `allowed` from what is expected, or are no numbers.
fn differing(got: &[f32], expected: &[f32], allowed: f32) -> usize {
    let near = |(got, expected): (&f32, &f32)| (got - expected).abs() <= allowed;
    expected.len() - got.iter().zip(expected).filter(|&pair| near(pair)).count()
}

/// `None` where there is no room for what was wanted.
fn if_there_is_room<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::Memory | ErrorKind::Limit) => Ok(None),
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_or_missing_differs() {
        assert_eq!(differing(&[1.0, 2.05, -3.0], &[1.0, 2.0, -3.05], 0.1), 0);
        assert_eq!(differing(&[1.0, 2.2, f32::NAN, f32::INFINITY], &[1.0, 2.0, 3.0, 4.0], 0.1), 3);
        assert_eq!(differing(&[1.0], &[1.0, 2.0], 0.1), 1);
        assert_eq!(differing(&[0.0], &[f32::NAN], 0.1), 1);
    }
}
