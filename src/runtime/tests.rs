//! Memory that grows while requests run: no bit changes, and kernels are the same wherever their tensors lie.

use super::*;
use crate::gpu::AdapterOptions;
use crate::graph::builder::GraphBuilder;
use crate::schedule::Policy;
use crate::tensor::{DType, Tensor};

const TWICE: &str = "
    @group(0) @binding(0) var<storage, read> x: array<f32>;
    @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        if id.x < arrayLength(&y) { y[id.x] = 2.0 * x[id.x]; }
    }";

/// Models of one shape, 2 MiB of weights each.
const MODELS: usize = 8;
const DEPTH: usize = 64;
const WIDTH: usize = 8_192;

fn runtime(options: Options, executor: ExecutorOptions) -> Runtime {
    Runtime::start_with(Gpu::open(&AdapterOptions::default()).unwrap(), options, executor).unwrap()
}

/// Numbers whose products need rounding.
fn noise(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| (((i * 7 + 3) * (2 * seed + 1)) % 1_009) as f32 / 1_009.0 - 0.5).collect()
}

/// A row times a matrix, plus a bias.
fn product(runtime: &Runtime, seed: usize) -> Model {
    wide(runtime, WIDTH, seed)
}

fn wide(runtime: &Runtime, width: usize, seed: usize) -> Model {
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["1", "64"]);
    let w = b.constant(Tensor::new([DEPTH, width], noise(DEPTH * width, seed)).unwrap());
    let bias = b.constant(Tensor::new([width], noise(width, seed + 100)).unwrap());
    let product = b.node("MatMul", [x, w], []);
    let y = b.node("Add", [product, bias], []);
    runtime.load_graph(b.finish([y])).unwrap()
}

fn row(model: &Model, seed: usize) -> Request {
    let row = Tensor::new([1, DEPTH], noise(DEPTH, seed)).unwrap();
    model.request().input("x", row).unwrap().submit().unwrap()
}

fn bits(request: Request) -> Vec<u32> {
    let done = request.wait().unwrap();
    let (_, tensor) = done.outputs().next().unwrap();
    tensor.as_slice::<f32>().unwrap().iter().map(|y| y.to_bits()).collect()
}

/// What each model answers alone on a device of its own.
fn alone() -> Vec<Vec<u32>> {
    let answer = |seed| bits(row(&product(&runtime(Options::default(), ExecutorOptions::default()), seed), seed));
    (0..MODELS).map(answer).collect()
}

/// Loads one model after the other while requests of all earlier ones, and of kernels with ever larger tensors, are under way.
fn under_load(drive: Drive, executor: ExecutorOptions, alone: &[Vec<u32>]) -> Stats {
    let runtime = runtime(Options { drive, ..Options::default() }, executor);
    let kernel = runtime.load_kernel(TWICE).unwrap();
    let (mut models, mut rows, mut doubled) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 0..MODELS {
        models.push(product(&runtime, seed));
        rows.extend(models.iter().enumerate().map(|(seed, model)| (seed, row(model, seed))));
        let x = noise(60_000 * (seed + 1), seed);
        let request = kernel.request().tensor("x", Tensor::new([x.len()], x.clone()).unwrap()).unwrap();
        let request = request.output("y", DType::F32, [x.len()]).unwrap();
        doubled.push((request.workgroups([(x.len() as u32).div_ceil(64), 1, 1]).submit().unwrap(), x));
        for _ in 0..3 {
            runtime.poll().unwrap();
        }
    }
    for (seed, request) in rows {
        assert!(bits(request) == alone[seed], "model {seed}");
    }
    for (request, x) in doubled {
        let expected: Vec<u32> = x.iter().map(|x| (2.0 * x).to_bits()).collect();
        assert!(bits(request) == expected, "{} doubled", x.len());
    }
    // Once more, with all that moved behind them.
    for (seed, model) in models.iter().enumerate() {
        assert!(bits(row(model, seed)) == alone[seed], "model {seed} at last");
    }
    runtime.stats().unwrap()
}

#[test]
fn growth_under_load_keeps_every_bit() {
    let alone = alone();
    for drive in [Drive::Manual, Drive::Thread] {
        let stats = under_load(drive, ExecutorOptions::default(), &alone);
        let memory = stats.memory;
        assert_eq!(
            (memory.weight_segments, memory.heap_segments, memory.refused_moves),
            (1, 1, 0),
            "{drive:?}: {memory:?}"
        );
        assert!(memory.moves > 0 && memory.moved_bytes > 0, "{drive:?}: {memory:?}");
        assert_eq!((stats.outcomes.failed, stats.parted_bundles), (0, 0));

        // The weight segment holds at most 4 MiB, so that there are as many as pairs of models.
        let small = ExecutorOptions { segment_bytes: Some(9 << 19), ..Default::default() };
        let parted = under_load(drive, small, &alone);
        assert_eq!(parted.memory.weight_segments, MODELS / 2, "{drive:?}: {:?}", parted.memory);
        assert_eq!(
            parted.pipelines.kernels, stats.pipelines.kernels,
            "kernels are the same in whatever weight segment"
        );
    }
}

#[test]
fn what_the_cap_does_not_let_grow_goes_on_in_another_segment() {
    let alone = alone();
    // Room for a weight segment of 16 MiB and the heap, but not for another weight segment beside them that holds all models.
    let cap = 40 << 20;
    let stats = under_load(Drive::Manual, ExecutorOptions { memory_cap: Some(cap), ..Default::default() }, &alone);
    let memory = stats.memory;
    assert!(memory.refused_moves > 0 && memory.weight_segments > 1, "{memory:?}");
    assert!(memory.heap_reserved + memory.weights_reserved <= cap, "{memory:?}");
    assert_eq!(stats.outcomes.failed, 0);
}

#[test]
fn copies_of_a_model_need_no_more_pipelines_than_one() {
    let count = |models: usize, segment_bytes: Option<u64>| {
        let executor = ExecutorOptions { segment_bytes, memory_cap: Some(96 << 20), ..Default::default() };
        // Merged pipelines come and go with what happens to meet.
        let runtime = runtime(Options { policy: Policy::OnePass, ..Options::default() }, executor);
        let models: Vec<Model> = (0..models).map(|seed| product(&runtime, seed)).collect();
        for _ in 0..2 {
            let requests: Vec<_> = models.iter().map(|model| row(model, 1)).collect();
            requests.into_iter().for_each(|request| drop(bits(request)));
        }
        let stats = runtime.stats().unwrap();
        (stats.pipelines.kernels, stats.pipelines.compiled, stats.memory.weight_segments)
    };
    let (kernels, compiled, weight_segments) = count(1, None);
    assert!(kernels > 0 && compiled > 0 && weight_segments == 1);
    assert_eq!(count(2 * MODELS, None), (kernels, compiled, 1), "all in one weight segment");
    assert_eq!(count(2 * MODELS, Some(9 << 19)), (kernels, compiled, MODELS), "beyond what the device binds");
}

const SCALE: &str = "
    struct Params { factor: f32 }
    @group(0) @binding(0) var<storage, read> x: array<f32>;
    @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    @group(0) @binding(2) var<uniform> params: Params;
    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        if id.x < arrayLength(&y) { y[id.x] = params.factor * x[id.x]; }
    }";

fn scale(kernel: &UserKernel, len: usize, factor: f32) -> Request {
    let request = kernel.request().tensor("x", Tensor::new([len], vec![3.0f32; len]).unwrap()).unwrap();
    request.output("y", DType::F32, [len]).unwrap().param("factor", factor).unwrap().submit().unwrap()
}

#[test]
fn ten_thousand_requests_leave_the_tables_as_they_were() {
    let runtime = runtime(Options { drive: Drive::Manual, ..Options::default() }, ExecutorOptions::default());
    let (model, kernels) = (wide(&runtime, 64, 1), [0; 2].map(|_| runtime.load_kernel(SCALE).unwrap()));
    let expected = bits(row(&model, 1));
    let round = |requests: usize| {
        for first in (0..requests).step_by(40) {
            let factor = |at: usize| (first + at) as f32;
            let scaled: Vec<_> = (0..36).map(|at| scale(&kernels[at % 2], 1 + at % 3, factor(at))).collect();
            let rows: Vec<_> = (0..4).map(|_| row(&model, 1)).collect();
            for (at, request) in scaled.into_iter().enumerate() {
                // Each has its own parameter, whoever it shares a plan with.
                let done = request.wait().unwrap();
                assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap()[0], 3.0 * factor(at));
            }
            rows.into_iter().for_each(|request| assert!(bits(request) == expected));
        }
        let stats = runtime.stats().unwrap();
        (stats.kept, stats.pipelines.kernels, stats.memory.heap_reserved, stats.memory.weights_reserved)
    };
    let before = round(2_000);
    assert_eq!(round(8_000), before);
    let (Kept { plans, names, scheduler }, ..) = before;
    assert_eq!((plans, names, scheduler.models), (7, 0, 3));
}

#[test]
fn models_and_kernels_that_are_gone_leave_nothing() {
    let runtime = runtime(Options { drive: Drive::Manual, ..Options::default() }, ExecutorOptions::default());
    let round = |models: usize| {
        for seed in 0..models {
            let (model, kernel) = (wide(&runtime, 64, seed), runtime.load_kernel(SCALE).unwrap());
            let (done, scaled) = (row(&model, seed), scale(&kernel, 5, 2.0));
            drop((bits(done), scaled.wait().unwrap()));
            if seed % 3 == 0 {
                // One that is cancelled, and may be on the device still when its model goes.
                drop(row(&model, seed));
                runtime.poll().unwrap();
            }
        }
        while runtime.stats().unwrap().now.models > 0 {
            runtime.poll().unwrap();
        }
        let stats = runtime.stats().unwrap();
        (stats.kept, stats.pipelines.kernels, stats.memory.heap_used, stats.memory.weights_used)
    };
    let before = round(30);
    assert_eq!((before.0.plans, before.0.scheduler.plans, before.2, before.3), (0, 0, 0, 0), "{before:?}");
    assert_eq!(round(100), before);
}
