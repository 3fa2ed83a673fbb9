//! Submissions that the device has no staging for: they go request by request, each as soon as there is room, so that nobody
//! fails for what others want. Requests do not depend on each other, so that their pieces may go in any order.

use std::collections::VecDeque;

use super::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::schedule::{Lane, RequestId, SubmissionId, Wave};

/// Whether less of the same work may go where this did not: a shortage harms nobody else.
pub(super) fn is_shortage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Memory | ErrorKind::Limit)
}

/// Whose lanes go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    All,
    Of(RequestId),
}

impl Whose {
    pub(super) fn has(self, lane: &Lane) -> bool {
        match self {
            Whose::All => true,
            Whose::Of(request) => lane.request == request,
        }
    }
}

/// The submission that goes request by request. Nothing else is issued meanwhile.
#[derive(Debug)]
pub(super) struct Stuck {
    id: SubmissionId,
    left: VecDeque<RequestId>,
    /// Submissions and pieces in flight when the next had no room: it is of no use to try again before one of them is done.
    waits: Option<usize>,
}

impl Stuck {
    pub(super) fn new(id: SubmissionId, waves: &[Wave]) -> Self {
        let mut left = VecDeque::new();
        for lane in waves.iter().flat_map(|wave| &wave.lanes) {
            if !left.contains(&lane.request) {
                left.push_back(lane.request);
            }
        }
        Stuck { id, left, waits: None }
    }

    pub(super) fn id(&self) -> SubmissionId {
        self.id
    }
}

impl Engine {
    /// Sends the pieces of the stuck submission that there is room for. A request whose piece has no room though nothing is in
    /// flight fails. Whether anything came of it.
    pub(super) fn free_stuck(&mut self) -> Result<bool> {
        let Some(mut stuck) = self.stuck.take() else { return Ok(false) };
        let mut any = false;
        while let Some(&request) = stuck.left.front() {
            let in_flight = self.executor.in_flight();
            if stuck.waits.is_some_and(|waits| waits <= in_flight) {
                self.stuck = Some(stuck);
                return Ok(any);
            }
            match self.send_piece(stuck.id, request) {
                Ok(()) => {}
                Err(error) if is_shortage(&error) && in_flight > 0 => {
                    stuck.waits = Some(in_flight);
                    continue;
                }
                Err(error) if is_shortage(&error) => self.fail_piece(request, &error),
                Err(error) => return Err(error),
            }
            any = true;
            stuck.waits = None;
            stuck.left.pop_front();
        }
        self.retire_whole(stuck.id, Some(Vec::new()), None);
        Ok(true)
    }

    /// Sends the lanes that one request has in a submission.
    fn send_piece(&mut self, id: SubmissionId, request: RequestId) -> Result<()> {
        let whose = Whose::Of(request);
        let Some(flight) = self.in_flight.get_mut(&id) else {
            return Err(Error::internal("a submission that is not in flight has pieces left"));
        };
        let waves = std::mem::take(&mut flight.waves);
        let now = self.clock.now();
        let sent = self
            .work(id, &waves, whose, now)
            .and_then(|(work, _)| self.executor.submit(work).inspect_err(|_| self.unissue(id, &waves, whose)));
        if let Some(flight) = self.in_flight.get_mut(&id) {
            flight.waves = waves;
            flight.pieces += usize::from(sent.is_ok());
        }
        sent
    }

    fn fail_piece(&mut self, request: RequestId, error: &Error) {
        let Some(active) = self.active.get(&request) else { return };
        let name = &active.prepared.plan.name;
        tracing::warn!(parent: &active.prepared.span, %error, "its submission has no room");
        let error = Error::new(error.kind(), format!("a request of '{name}': {}", error.message()));
        self.fail(request, error);
    }

    /// Undoes what [`Engine::work`] noted of requests, as none of it went.
    pub(super) fn unissue(&mut self, id: SubmissionId, waves: &[Wave], whose: Whose) {
        for lane in waves.iter().flat_map(|wave| &wave.lanes).filter(|lane| whose.has(lane)) {
            let Some(active) = self.active.get_mut(&lane.request) else { continue };
            active.remaining += u64::from(lane.count);
            if active.first == Some(id) {
                (active.first, active.started) = (None, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::gpu::{AdapterOptions, ExecutorOptions, Gpu};
    use crate::graph::builder::GraphBuilder;
    use crate::runtime::{Drive, KernelRequest, Options, Runtime, Stats, UserKernel};
    use crate::schedule::Class;
    use crate::tensor::{DType, Tensor};
    use crate::{ErrorKind, Model, Request};

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
        let before = settled(&runtime).submissions;
        let small = twice(&other, 1_000).submit().unwrap();
        let large = twice(&one, 200_000).submit().unwrap();
        let last = twice(&other, 2_000).submit().unwrap();
        check(last, 2_000);
        check(small, 1_000);
        let error = large.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Memory);
        // Two tensors of 800,000 bytes, and the lane tables.
        assert!(error.message().contains("'user:") && error.message().contains("160"), "{error}");
        let stats = settled(&runtime);
        assert_eq!((stats.submissions, stats.short_of_staging), (before + 1, 1), "all went together");
        assert_eq!((stats.outcomes.completed, stats.outcomes.failed), (3, 1));
        runtime.poll().unwrap();
        for len in [10, 100_000] {
            check(twice(&one, len).submit().unwrap(), len);
        }
        assert_eq!(settled(&runtime).short_of_staging, 1);
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

    /// The product of a row with a weight.
    fn product(runtime: &Runtime) -> Model {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["1", "4096"]);
        let w = b.constant(Tensor::new([4096, 8], ramp(4096 * 8)).unwrap());
        let y = b.node("MatMul", [x, w], []);
        runtime.load_graph(b.finish([y])).unwrap()
    }

    fn row(model: &Model, seed: usize) -> Request {
        let row: Vec<f32> = (0..4096).map(|i| ((i * seed) % 17) as f32 * 1e-3).collect();
        model.request().input("x", Tensor::new([1, 4096], row).unwrap()).unwrap().submit().unwrap()
    }

    fn result(request: Request) -> Vec<u32> {
        let done = request.wait().unwrap();
        let (_, tensor) = done.outputs().next().unwrap();
        tensor.as_slice::<f32>().unwrap().iter().map(|y| y.to_bits()).collect()
    }

    #[test]
    fn gathered_requests_that_go_one_by_one_give_the_same_bits() {
        // Room for the weights, and for the inputs of forty.
        let runtime = runtime(640 << 10);
        let model = product(&runtime);
        let alone: Vec<Vec<u32>> = (1..=50).map(|seed| result(row(&model, seed))).collect();
        // Until the gathered kernel is compiled.
        while runtime.stats().unwrap().gathered == 0 {
            let requests: Vec<_> = (1..=4).map(|seed| row(&model, seed)).collect();
            requests.into_iter().for_each(|request| drop(result(request)));
        }
        // Whether some gather and there is no room for all, predictions decide.
        let gathered = (0..100).any(|_| {
            let before = runtime.stats().unwrap();
            let requests: Vec<_> = (1..=50).map(|seed| row(&model, seed)).collect();
            let together: Vec<Vec<u32>> = requests.into_iter().map(result).collect();
            assert_eq!(together, alone);
            let stats = settled(&runtime);
            stats.gathered > before.gathered && stats.short_of_staging > before.short_of_staging
        });
        assert!(gathered, "{:?}", runtime.stats());
    }
}
