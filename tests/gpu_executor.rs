//! The executor as the engine uses it: the project's and a user's kernels in one bundle, over public names only.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use fascine::error::ErrorKind;
use fascine::gpu::{
    AdapterOptions, Download, EncodedBundle, Executor, ExecutorOptions, Finished, Gpu, Select, Upload, Work, adapters,
};
use fascine::kernel::{Kernel, Trust, Variant, library};
use fascine::link::table::{EncodedLane, LaneOperand};
use fascine::link::{Clamp, LinkedKernel};
use fascine::schedule::{KernelId, Pipelines, SubmissionId};

/// Reads and writes far outside its tensors on purpose.
const WILD: &str = "
@group(0) @binding(0) var<storage, read> near: array<u32>;
@group(0) @binding(1) var<storage, read_write> far: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    far[id.x * 97u + 13u] = near[id.x * 1013u] + 1u;
}";

fn executor(clamp: Clamp) -> Executor {
    let gpu = Gpu::open(&AdapterOptions::default()).unwrap();
    Executor::new(gpu, ExecutorOptions { clamp, ..Default::default() }).unwrap()
}

fn prepare(executor: &mut Executor, kernels: &[KernelId]) {
    let start = Instant::now();
    while !executor.pipelines().ready(kernels) {
        executor.pipelines().want(kernels);
        let failures = executor.pipelines().take_failures();
        assert!(failures.is_empty() && start.elapsed() < Duration::from_secs(60), "{failures:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn finish(executor: &mut Executor) -> Finished {
    let start = Instant::now();
    loop {
        executor.wait(Duration::from_millis(20)).unwrap();
        if let Some(finished) = executor.poll().unwrap().pop() {
            return finished;
        }
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}

#[test]
fn a_users_kernel_shares_a_bundle_and_stays_in_its_tensors() {
    for clamp in [Clamp::Users, Clamp::All] {
        let mut executor = executor(clamp);
        let memory = executor.allocate(4096).unwrap();
        let segments = vec![memory.segment(); 2];
        let user = Arc::new(Kernel::parse("user:wild", WILD, Trust::User).unwrap());
        let copy = executor
            .intern(LinkedKernel { variant: Variant::new(library::get("copy"), []), segments: segments.clone() });
        let wild = executor.intern(LinkedKernel { variant: Variant::new(user, []), segments });
        let mut both = [copy, wild];
        both.sort();
        prepare(&mut executor, &both);

        // Four tensors of 256 words: a tenant's source and result, and the user's.
        let image: Vec<u32> = (0..1024).map(|word| word * 3).collect();
        let lane = |kernel, first: u64, params: &[u32]| {
            let tensor = |at: u64| LaneOperand::new(memory.base() + at * 1024, 1024).unwrap();
            let operands = vec![tensor(first), tensor(first + 1)];
            (kernel, EncodedLane { grid: [4, 1, 1], first: 0, count: 4, operands, params: params.into() })
        };
        let bytes: Arc<[u8]> = Arc::from(bytemuck::cast_slice(&image));
        let work = Work {
            id: SubmissionId(3),
            clears: vec![],
            uploads: vec![Upload { segment: memory.segment(), offset: memory.base(), bytes }],
            bundles: vec![EncodedBundle {
                lanes: vec![lane(wild, 2, &[]), lane(copy, 0, &[256])],
                ..Default::default()
            }],
            downloads: vec![Download { segment: memory.segment(), offset: memory.base(), bytes: 4096, tag: 8 }],
        };
        executor.submit(work).unwrap();
        let finished = finish(&mut executor);
        assert_eq!((finished.id, finished.downloads[0].0), (SubmissionId(3), 8));
        let got: Vec<u32> = bytemuck::pod_collect_to_vec(&finished.downloads[0].1);
        assert_eq!(got[..256], image[..256], "the tenant's source");
        assert_eq!(got[256..512], image[..256], "the tenant's copy");
        assert_eq!(got[512..768], image[512..768], "what the user's kernel only reads");
        assert_eq!(got[768 + 13], image[512] + 1, "the user's kernel ran");
        executor.free(memory);
    }
}

#[test]
fn adapters_are_reported_and_selected() {
    let all = adapters();
    let open = |select| Gpu::open(&AdapterOptions { select, ..Default::default() });
    for report in all.iter().filter(|report| report.unfit.is_none()) {
        let gpu = open(Select::Index(report.index)).unwrap();
        assert_eq!(gpu.caps().name, report.caps.name);
        let name = report.caps.name.to_uppercase();
        assert_eq!(open(Select::Name(name)).unwrap().caps().name, report.caps.name);
    }
    let error = open(Select::Name("no such adapter".into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoAdapter);
    assert!(all.iter().all(|report| error.message().contains(&report.caps.name)), "{error}");
    assert_eq!(open(Select::Index(999)).unwrap_err().kind(), ErrorKind::NoAdapter);
}

#[test]
fn an_executor_can_move_to_the_engines_thread() {
    fn movable<T: Send>() {}
    movable::<Executor>();
}
