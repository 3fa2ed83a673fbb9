//! Memory and staging of requests that begin: all that a request needs to end, or nothing.
//!
//! The scheduler says who begins, and asks here whether there is room. Later parts of requests that have begun take theirs before
//! anybody else begins.

use std::collections::BTreeMap;

use super::resident::held;
use super::{Active, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Executor, PipelineStore, Promise};
use crate::plan::Source;
use crate::runtime::hold::Region;
use crate::runtime::ids::CallId;
use crate::runtime::message::Prepared;
use crate::schedule::{KernelId, Pipelines, RequestId};

/// What a request holds from its beginning to its end.
pub(super) struct Taken {
    pub(super) regions: Vec<Region>,
    pub(super) promise: Promise,
}

/// Bytes of the heap that a request takes for itself.
pub(super) fn own_bytes(prepared: &Prepared) -> u64 {
    let own = |(region, bytes): (usize, &u64)| held(prepared, region).is_none().then_some(*bytes);
    prepared.plan.plan.regions.iter().enumerate().filter_map(own).sum()
}

/// Bytes of the largest of them.
fn largest(prepared: &Prepared) -> u64 {
    let own = |(region, bytes): (usize, &u64)| held(prepared, region).is_none().then_some(*bytes);
    prepared.plan.plan.regions.iter().enumerate().filter_map(own).max().unwrap_or(0)
}

/// Bytes of staging that a request needs both ways.
pub(super) fn staging(prepared: &Prepared) -> Promise {
    let words = |bytes: u64| bytes.next_multiple_of(4);
    let report = prepared.plan.plan.checks.as_ref().map_or(0, |checks| words(checks.report.bytes));
    let read = prepared.outputs().iter().filter(|output| output.keep.is_read()).map(|output| match &output.source {
        Source::Device(operand) => words(operand.bytes),
        Source::Constant(_) | Source::Input(_) => 0,
    });
    Promise {
        uploads: prepared.uploads.iter().map(|upload| words(upload.bytes.len() as u64)).sum(),
        downloads: report + read.sum::<u64>(),
    }
}

/// Takes what a request needs.
pub(super) fn take(executor: &mut Executor, prepared: &Prepared, lists: &mut Vec<Vec<Region>>) -> Result<Taken> {
    let mut taken = Taken { regions: lists.pop().unwrap_or_default(), promise: Promise::default() };
    match fill(executor, prepared, &mut taken) {
        Ok(()) => Ok(taken),
        Err(error) => {
            give_back(executor, taken, lists);
            Err(error)
        }
    }
}

fn fill(executor: &mut Executor, prepared: &Prepared, taken: &mut Taken) -> Result<()> {
    let bytes = own_bytes(prepared);
    if !executor.may_have(largest(prepared)) {
        return Err(Error::memory(format!("no room for {bytes} bytes of tensor memory beside those in use")));
    }
    let regions = prepared.plan.plan.regions.iter().copied().enumerate();
    let kept_smaller = |(region, bytes)| held(prepared, region).is_some_and(|hold| hold.bytes() < bytes);
    if regions.clone().any(kept_smaller) {
        return Err(Error::internal("a tensor on the device is smaller than planned"));
    }
    // The largest first: a small one may take the segment that would have to go for it.
    let own = regions.clone().filter(|&(region, _)| held(prepared, region).is_none());
    let first = own.max_by_key(|&(region, bytes)| (bytes, std::cmp::Reverse(region)));
    let mut first = first.map(|(region, bytes)| Ok((region, executor.allocate(bytes)?))).transpose()?;
    for (region, bytes) in regions {
        if let Some(hold) = held(prepared, region) {
            taken.regions.push(Region::Held(hold));
        } else if let Some((_, allocation)) = first.take_if(|(largest, _)| *largest == region) {
            taken.regions.push(Region::Own(allocation));
        } else {
            match executor.allocate(bytes) {
                Ok(allocation) => taken.regions.push(Region::Own(allocation)),
                Err(error) => {
                    first.into_iter().for_each(|(_, allocation)| executor.free(allocation));
                    return Err(error);
                }
            }
        }
    }
    let promise = staging(prepared);
    executor.promise(promise)?;
    taken.promise = promise;
    Ok(())
}

/// Gives back what is a request's own.
pub(super) fn give_back(executor: &mut Executor, taken: Taken, lists: &mut Vec<Vec<Region>>) {
    let Taken { mut regions, promise } = taken;
    executor.release(promise);
    for region in regions.drain(..) {
        if let Region::Own(allocation) = region {
            executor.free(allocation);
        }
    }
    if regions.capacity() > 0 {
        lists.push(regions);
    }
}

/// Who may begin besides those that memory and staging let.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    /// Only requests with deadlines: a model waits for the memory of its weights.
    Deadlines,
    /// Nobody: a request that has begun waits for the memory of its next part.
    Shut,
    /// Only this request: memory does not hold it beside others.
    Only(CallId),
}

/// What the scheduler asks about while it decides.
pub(super) struct Gate<'a> {
    executor: &'a mut Executor,
    active: &'a mut BTreeMap<RequestId, Active>,
    lists: &'a mut Vec<Vec<Region>>,
    door: Door,
    /// Whether memory will come free that no request in `active` has.
    others: bool,
    /// Requests for which there is no room, and will be none.
    pub(super) failed: Vec<(RequestId, Error)>,
    /// Requests that have memory, but in other segments than their kernels were chosen for.
    pub(super) elsewhere: Vec<RequestId>,
}

impl<'a> Gate<'a> {
    pub(super) fn new(
        executor: &'a mut Executor,
        active: &'a mut BTreeMap<RequestId, Active>,
        lists: &'a mut Vec<Vec<Region>>,
        door: Door,
        others: bool,
    ) -> Self {
        Gate { executor, active, lists, door, others, failed: Vec::new(), elsewhere: Vec::new() }
    }

    fn store(&mut self) -> &mut PipelineStore {
        self.executor.pipelines()
    }

    fn refuse(&mut self, request: RequestId, why: &str) {
        if let Some(active) = self.active.get_mut(&request)
            && !std::mem::replace(&mut active.refused, true)
        {
            tracing::debug!(parent: &active.prepared.span, why, "waits for memory");
        }
    }
}

impl Pipelines for Gate<'_> {
    fn ready(&mut self, kernels: &[KernelId]) -> bool {
        self.store().ready(kernels)
    }

    fn want(&mut self, kernels: &[KernelId]) {
        self.store().want(kernels);
    }

    fn compatible(&self, a: KernelId, b: KernelId) -> bool {
        self.executor.kernels_compatible(a, b)
    }

    fn begin(&mut self, request: RequestId, spare: u64) -> bool {
        let Some(active) = self.active.get_mut(&request) else { return false };
        let shut = match self.door {
            Door::Open => false,
            Door::Deadlines => active.prepared.deadline.is_none(),
            Door::Shut => true,
            Door::Only(call) => active.prepared.id != call,
        };
        if shut {
            self.refuse(request, "others have begun that wait");
            return false;
        }
        // To try costs moves of what can be moved.
        let others = self.others || self.active.values().any(|active| active.begun);
        let Some(active) = self.active.get_mut(&request) else { return false };
        if others && !self.executor.may_have(largest(&active.prepared)) {
            self.refuse(request, "no room beside what is in use");
            return false;
        }
        match take(self.executor, &active.prepared, self.lists) {
            Ok(taken) if !self.executor.may_have(spare) => {
                give_back(self.executor, taken, self.lists);
                self.refuse(request, "room is kept for requests with deadlines");
                false
            }
            Ok(Taken { regions, promise }) => {
                let fits = active.resolved.serves(self.executor.segments_of(regions.iter().map(Region::allocation)));
                (active.regions, active.promise, active.begun) = (regions, promise, true);
                if !fits {
                    self.elsewhere.push(request);
                }
                fits
            }
            Err(error) => {
                let shortage = matches!(error.kind(), ErrorKind::Memory | ErrorKind::Limit);
                if !(shortage && others) {
                    self.failed.push((request, error));
                    return false;
                }
                self.refuse(request, error.message());
                false
            }
        }
    }
}

impl Engine {
    /// The error of a request for which there is no room, and will be none.
    pub(super) fn no_room(&self, prepared: &Prepared, error: Error) -> Error {
        if error.kind() != ErrorKind::Memory {
            return error;
        }
        let error = error.within(format_args!("a request of '{}'", prepared.plan.name));
        match self.holds.bytes() {
            0 => error,
            bytes => Error::memory(format!(
                "{}; nothing under way will free any, and {bytes} bytes are held by tensors kept on the device and by sessions",
                error.message()
            )),
        }
    }

    /// Why a request can never have what it needs, if that is so.
    pub(super) fn never_fits(&self, prepared: &Prepared) -> Option<Error> {
        let regions = prepared.plan.plan.regions.iter().enumerate();
        let own = regions.filter(|&(region, _)| held(prepared, region).is_none()).map(|(_, &bytes)| bytes);
        let error = self.executor.never_fits(own).or_else(|| self.executor.never_stages(staging(prepared)))?;
        Some(Error::new(error.kind(), format!("a request of '{}': {}", prepared.plan.name, error.message())))
    }

    /// Whether somebody has memory, or will ask for it, that is no request of the scheduler's.
    pub(super) fn others_hold(&mut self) -> bool {
        !self.loading.is_empty() || !self.between.is_empty() || self.holds.any_returning() || self.executor.is_busy()
    }

    pub(super) fn door(&self) -> Door {
        match (self.waiting.front(), self.alone) {
            (Some(prepared), _) if prepared.has_begun() => Door::Shut,
            (_, Some(call)) => Door::Only(call),
            (Some(_), None) => Door::Deadlines,
            (None, None) => Door::Open,
        }
    }

    /// Has the scheduler know a request anew whose memory lies otherwise than its kernels were chosen for.
    pub(super) fn start_elsewhere(&mut self, id: RequestId) {
        let Some(active) = self.active.remove(&id) else { return };
        let Active { prepared, regions, promise, .. } = active;
        self.names.remove(&prepared.id);
        self.scheduler.cancel(id, self.clock.now());
        let segments = self.executor.segments_of(regions.iter().map(Region::allocation)).collect::<Vec<_>>();
        let taken = Taken { regions, promise };
        match self.resolve(&prepared, &segments) {
            Ok(resolved) => self.start(prepared, resolved, Some(taken)),
            Err(error) => {
                give_back(&mut self.executor, taken, &mut self.spare.regions);
                self.end_unscheduled(prepared, crate::schedule::Outcome::Failed, error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::gpu::{AdapterOptions, ExecutorOptions, Gpu};
    use crate::runtime::{Drive, KernelRequest, Options, Runtime, Stats, UserKernel};
    use crate::schedule::Class;
    use crate::tensor::{DType, Tensor};
    use crate::{ErrorKind, Request};

    const TWICE: &str = "
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            if id.x < arrayLength(&y) { y[id.x] = 2.0 * x[id.x]; }
        }";

    /// A runtime with that much staging each way, which works only while a caller waits.
    fn runtime(staging_bytes: u64) -> Runtime {
        let gpu = Gpu::open(&AdapterOptions::default()).unwrap();
        let options = Options { drive: Drive::Manual, ..Options::default() };
        Runtime::start_with(gpu, options, ExecutorOptions { staging_bytes: Some(staging_bytes), ..Default::default() })
            .unwrap()
    }

    fn ramp(len: usize) -> Vec<f32> {
        (0..len).map(|i| i as f32).collect()
    }

    fn twice(kernel: &UserKernel, len: usize) -> KernelRequest {
        let request = kernel.request().tensor("x", Tensor::new([len], ramp(len)).unwrap()).unwrap();
        request.output("y", DType::F32, [len]).unwrap().workgroups([(len as u32).div_ceil(64), 1, 1])
    }

    fn check(request: Request, len: usize) {
        let done = request.wait().unwrap();
        let expected: Vec<f32> = ramp(len).iter().map(|x| 2.0 * x).collect();
        assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), expected);
    }

    /// Nothing is left of anybody.
    fn settled(runtime: &Runtime) -> Stats {
        let stats = runtime.stats().unwrap();
        assert_eq!((stats.now.requests, stats.now.submissions, stats.memory.heap_used), (0, 0, 0), "{stats:?}");
        stats
    }

    #[test]
    fn a_request_that_no_staging_holds_fails_alone() {
        let runtime = runtime(1 << 20);
        let [one, other] = [0; 2].map(|_| runtime.load_kernel(TWICE).unwrap());
        check(twice(&one, 64).submit().unwrap(), 64);
        let small = twice(&other, 1_000).submit().unwrap();
        let large = twice(&one, 200_000).submit().unwrap();
        let last = twice(&other, 2_000).submit().unwrap();
        check(last, 2_000);
        check(small, 1_000);
        let error = large.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Memory);
        // Two tensors of 800,000 bytes.
        assert!(error.message().contains("'user:") && error.message().contains("1600000"), "{error}");
        let stats = settled(&runtime);
        assert_eq!((stats.outcomes.completed, stats.outcomes.failed, stats.short_of_staging), (3, 1, 0));
        for len in [10, 100_000] {
            check(twice(&one, len).submit().unwrap(), len);
        }
        settled(&runtime);
    }

    #[test]
    fn requests_that_staging_holds_one_by_one_all_complete() {
        let runtime = runtime(1 << 20);
        let kernel = runtime.load_kernel(TWICE).unwrap();
        check(twice(&kernel, 64).submit().unwrap(), 64);
        let requests: Vec<_> = (0..6).map(|_| twice(&kernel, 100_000).submit().unwrap()).collect();
        let small = twice(&kernel, 500).class(Class::Interactive).submit().unwrap();
        // One that nobody waits for any more takes nothing from the others.
        drop(twice(&kernel, 100_000).submit().unwrap());
        check(small, 500);
        requests.into_iter().for_each(|request| check(request, 100_000));
        while runtime.stats().unwrap().now.requests > 0 {
            runtime.poll().unwrap();
        }
        let stats = settled(&runtime);
        assert!(stats.short_of_staging > 0);
        assert_eq!((stats.outcomes.completed, stats.outcomes.failed), (8, 0), "{:?}", stats.outcomes);
    }
}
