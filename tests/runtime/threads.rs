//! The runtime as an application sees it: users' kernels, threads, cancelling, unloading, an app's own device.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::common::kernels::{SCALE, ramp, scale, scaled};
use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Dim, Graph, Node, Value};
use fascine::runtime::{Device, DeviceModel, Drive, Figures, ScheduleOptions, Source};
use fascine::{DType, ErrorKind, Options, Runtime, Tensor};

fn runtime() -> Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(Options::default()).unwrap()).clone()
}

#[test]
fn a_users_kernel_is_a_request() {
    let kernel = runtime().load_kernel(SCALE).unwrap();
    let done = scale(&kernel, 1000, 3.0).deadline(Duration::from_secs(5)).submit().unwrap().wait().unwrap();
    assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), scaled(1000, 3.0));
    let timing = done.timing();
    assert_eq!((timing.bundles, timing.lanes), (1, 1));
    assert!(timing.in_time.is_some() && timing.total >= timing.queued);
    assert_eq!(done.output("x").unwrap_err().kind(), ErrorKind::Input);
}

#[test]
fn requests_of_many_threads_end_right() {
    let kernel = runtime().load_kernel(SCALE).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8u32 {
            let kernel = &kernel;
            scope.spawn(move || {
                let requests: Vec<_> = (1..=16u32)
                    .map(|n| {
                        let (len, factor) = ((n * 37) as usize, (thread * 100 + n) as f32);
                        (len, factor, scale(kernel, len, factor).submit().unwrap())
                    })
                    .collect();
                for (len, factor, request) in requests {
                    let done = pollster::block_on(request).unwrap();
                    assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), scaled(len, factor));
                }
            });
        }
    });
}

#[test]
fn dropping_a_request_cancels_it_at_every_stage() {
    let runtime = Runtime::new(Options { drive: Drive::Manual, ..Options::default() }).unwrap();
    let kernel = runtime.load_kernel(SCALE).unwrap();
    // Before the engine knows of it, while its kernel compiles, when it is issued, when it is done.
    for polls in [0, 1, 3, 200] {
        let request = scale(&kernel, 5000, 2.0).submit().unwrap();
        for _ in 0..polls {
            runtime.poll().unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(request);
    }
    let done = scale(&kernel, 64, 2.0).submit().unwrap().wait().unwrap();
    assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), scaled(64, 2.0));
    assert_eq!(runtime.stats().unwrap().requests, 5);
    assert_eq!(runtime.memory().unwrap().heap_used, 0);
}

#[test]
fn zero_workgroups_and_empty_tensors_are_legal() {
    let kernel = runtime().load_kernel(SCALE).unwrap();
    let done = scale(&kernel, 0, 2.0).workgroups([1, 1, 1]).submit().unwrap().wait().unwrap();
    assert_eq!(done.output("y").unwrap().shape(), [0]);
    let done = scale(&kernel, 8, 2.0).workgroups([0, 1, 1]).submit().unwrap().wait().unwrap();
    assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), [0.0; 8]);
}

#[test]
fn a_kernel_that_cannot_run_is_an_error() {
    let cases = [
        ("fn broken(", ErrorKind::Kernel),
        ("@compute @workgroup_size(64) fn main() { let x: i32 = 1.5; }", ErrorKind::Kernel),
        (
            "@group(0) @binding(0) var<storage, read_write> count: atomic<u32>;
             @compute @workgroup_size(64) fn main() { atomicAdd(&count, 1u); }",
            ErrorKind::Kernel,
        ),
        (
            "@group(0) @binding(0) var image: texture_2d<f32>;
             @compute @workgroup_size(64) fn main() { _ = textureLoad(image, vec2(0u), 0); }",
            ErrorKind::Kernel,
        ),
    ];
    for (text, kind) in cases {
        let error = runtime().load_kernel(text).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let error = runtime().load_kernel(cases[2].0).unwrap_err();
    assert!(error.to_string().contains("count"), "{error}");
}

#[test]
fn wrong_arguments_are_named() {
    let kernel = runtime().load_kernel(SCALE).unwrap();
    let request = kernel.request();
    assert!(request.clone().param("factr", 1.0f32).unwrap_err().to_string().contains("factr"));
    assert!(request.clone().param("factor", 1.0f64).unwrap_err().to_string().contains("4 bytes"));
    assert!(request.clone().tensor("z", Tensor::scalar(1.0f32)).unwrap_err().to_string().contains('z'));
    assert!(request.clone().constant("N", 1.0).unwrap_err().to_string().contains('N'));
    let error = request.clone().output("y", DType::F32, [4]).unwrap().submit().unwrap_err();
    assert!(error.to_string().contains("'x' has no tensor"), "{error}");
    let error = scale(&kernel, 4, 1.0).workgroups([u32::MAX, 2, 1]).submit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    let error = scale(&kernel, 4, 1.0).output("y", DType::F64, [4]).unwrap().submit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
}

#[test]
fn a_request_larger_than_the_cap_is_an_error_and_others_go_on() {
    let runtime = Runtime::new(Options { memory_cap: Some(8 << 20), ..Options::default() }).unwrap();
    let kernel = runtime.load_kernel(SCALE).unwrap();
    let error = scale(&kernel, 4 << 20, 1.0).submit().and_then(|request| request.wait()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
    let done = scale(&kernel, 64, 2.0).submit().unwrap().wait().unwrap();
    assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), scaled(64, 2.0));
}

#[test]
fn requests_wait_for_memory_that_others_hold() {
    let runtime = Runtime::new(Options { memory_cap: Some(16 << 20), ..Options::default() }).unwrap();
    let kernel = runtime.load_kernel(SCALE).unwrap();
    let len = 500_000;
    let requests: Vec<_> = (0..8).map(|n| scale(&kernel, len, n as f32).submit().unwrap()).collect();
    for (n, request) in requests.into_iter().enumerate() {
        let done = request.wait().unwrap();
        assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap()[len - 1], (len - 1) as f32 * n as f32);
    }
}

#[test]
fn no_adapter_of_that_name_is_an_error() {
    let options = Options {
        adapter: fascine::gpu::AdapterOptions {
            select: fascine::gpu::Select::Name("no such adapter".into()),
            ..Default::default()
        },
        ..Options::default()
    };
    let error = Runtime::new(options).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoAdapter);
}

/// A device as an app would make it, with nothing but WebGPU's default limits.
fn default_device() -> (wgpu::Adapter, wgpu::Device, wgpu::Queue) {
    pollster::block_on(async {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await.unwrap();
        let (device, queue) = adapter.request_device(&wgpu::DeviceDescriptor::default()).await.unwrap();
        (adapter, device, queue)
    })
}

#[test]
fn an_apps_device_with_default_limits_will_do() {
    let (adapter, device, queue) = default_device();
    for drive in [Drive::Thread, Drive::Manual] {
        let options = Options { drive, device: Figures::Measured, ..Options::default() };
        let runtime = Runtime::from_device(adapter.clone(), device.clone(), queue.clone(), options).unwrap();
        let kernel = runtime.load_kernel(SCALE).unwrap();
        let requests: Vec<_> = (1..5).map(|n| scale(&kernel, 100 * n, n as f32).submit().unwrap()).collect();
        for (n, request) in (1..5).zip(requests) {
            let done = request.wait().unwrap();
            assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), scaled(100 * n, n as f32));
        }
    }
    // The app goes on with its device.
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 16,
        usage: wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    queue.write_buffer(&buffer, 0, &[1; 16]);
    queue.submit([]);
}

#[test]
fn a_device_is_measured_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = || {
        let mut paths = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        paths.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("device_"))
    };
    let open = |device| {
        let cache_dir = Some(folder.path().to_owned());
        Runtime::new(Options { device, cache_dir, drive: Drive::Manual, ..Options::default() }).unwrap()
    };
    // Beside other work there may be no time for some figure; then nothing is kept.
    let start = Instant::now();
    let first = loop {
        let runtime = open(Figures::Measured);
        if file().is_some() {
            break runtime;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no figures are kept: {:?}", runtime.device());
    };
    let device = first.device();
    let model = device.model;
    assert_eq!(device.source, Source::Measured);
    assert!(model.parallelism >= 1 && model.flops > 1e8 && model.bytes > 1e7 && model.bundle > 0, "{model:?}");
    assert_eq!((first.caps().parallelism, first.schedule().device), (model.parallelism, model));

    let kept = Device { model, source: Source::Kept };
    assert_eq!(open(Figures::Measured).device(), kept);
    std::fs::write(file().unwrap(), "damaged").unwrap();
    assert_ne!(open(Figures::Measured).device().source, Source::Kept);

    let given = DeviceModel { parallelism: 4_000, ..model };
    let runtime = open(Figures::Given(given));
    assert_eq!((runtime.device().model, runtime.schedule().device, runtime.caps().parallelism), (given, given, 4_000));
    assert_eq!(runtime.device().source, Source::Given);
    // They go before those of a schedule, which are given as well if there is nothing else.
    let other = ScheduleOptions { device: DeviceModel { parallelism: 5, ..model }, ..ScheduleOptions::default() };
    for (device, expected) in [(Figures::Given(given), given), (Figures::Auto, other.device)] {
        let options = Options { device, schedule: Some(other.clone()), drive: Drive::Manual, ..Options::default() };
        let runtime = Runtime::new(options).unwrap();
        assert_eq!((runtime.device().model, runtime.schedule().device), (expected, expected));
        assert_eq!(runtime.device().source, Source::Given);
    }
}

#[test]
fn handles_may_outlive_the_runtime() {
    let kernel = Runtime::new(Options::default()).unwrap().load_kernel(SCALE).unwrap();
    let request = scale(&kernel, 10, 4.0).submit().unwrap();
    drop(kernel);
    assert_eq!(request.wait().unwrap().output("y").unwrap().as_slice::<f32>().unwrap(), scaled(10, 4.0));
}

#[test]
fn a_kernel_that_reaches_outside_sees_only_its_own() {
    let runtime = Arc::new(runtime());
    let kernel = runtime
        .load_kernel(
            "@group(0) @binding(0) var<storage, read> x: array<u32>;
             @group(0) @binding(1) var<storage, read_write> y: array<u32>;
             @compute @workgroup_size(64)
             fn main(@builtin(global_invocation_id) id: vec3<u32>) {
                 y[id.x] = x[id.x * 4099u] + x[0xffffffffu - id.x];
                 y[id.x * 65537u + 64u] = 7u;
             }",
        )
        .unwrap();
    let neighbour = runtime.load_kernel(SCALE).unwrap();
    for _ in 0..10 {
        let before = scale(&neighbour, 300, 5.0).submit().unwrap();
        let hostile = kernel
            .request()
            .tensor("x", Tensor::new([16], vec![1u32; 16]).unwrap())
            .unwrap()
            .output("y", DType::U32, [65])
            .unwrap()
            .workgroups([4, 1, 1])
            .submit()
            .unwrap();
        let after = scale(&neighbour, 300, 6.0).submit().unwrap();
        let y = hostile.wait().unwrap();
        assert!(y.output("y").unwrap().as_slice::<u32>().unwrap().iter().all(|&y| y == 2 || y == 7));
        assert_eq!(before.wait().unwrap().output("y").unwrap().as_slice::<f32>().unwrap(), scaled(300, 5.0));
        assert_eq!(after.wait().unwrap().output("y").unwrap().as_slice::<f32>().unwrap(), scaled(300, 6.0));
    }
}

#[test]
fn the_schedule_changes_only_while_nothing_is_in_flight() {
    let runtime = Runtime::new(Options { drive: Drive::Manual, ..Options::default() }).unwrap();
    let kernel = runtime.load_kernel(SCALE).unwrap();
    let one_pass =
        fascine::schedule::Options { policy: fascine::schedule::Policy::OnePass, ..runtime.schedule().clone() };
    runtime.set_merging(false).unwrap();
    runtime.set_schedule(one_pass.clone()).unwrap();
    let request = scale(&kernel, 100, 2.0).submit().unwrap();
    assert_eq!(runtime.set_schedule(one_pass.clone()).unwrap_err().kind(), ErrorKind::Input);
    assert_eq!(request.wait().unwrap().output("y").unwrap().as_slice::<f32>().unwrap(), scaled(100, 2.0));
    runtime.set_schedule(one_pass).unwrap();
    let done = scale(&kernel, 100, 3.0).submit().unwrap().wait().unwrap();
    assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), scaled(100, 3.0));
}

#[test]
fn requests_on_buffers_of_their_own_give_the_same_and_share_pipelines() {
    use fascine::gpu::HeapLayout;
    use fascine::schedule::Policy;
    let options = Options { heap: HeapLayout::Apart, policy: Policy::OnePass, ..Options::default() };
    let runtime = Runtime::new(options).unwrap();
    let kernel = runtime.load_kernel(SCALE).unwrap();
    // More than there can be buffers at a time, of three sizes.
    let requests: Vec<_> = (1..=80u32)
        .map(|n| {
            let (len, factor) = ([300, 5_000, 40_000][n as usize % 3], n as f32);
            (len, factor, scale(&kernel, len, factor).submit().unwrap())
        })
        .collect();
    for (len, factor, request) in requests {
        let done = request.wait().unwrap();
        assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), scaled(len, factor));
        assert_eq!(done.timing().lanes_shared, 0);
    }
    let stats = runtime.stats().unwrap();
    assert_eq!((stats.pipelines.kernels, stats.pipelines.compiled), (1, 1), "one kernel, whatever the buffers");
    assert!((2..=32).contains(&stats.memory.heap_segments), "{:?}", stats.memory);
    assert_eq!(stats.memory.heap_used, 0);

    let bundled = fascine::schedule::Options { policy: Policy::Bundled, ..runtime.schedule().clone() };
    assert_eq!(runtime.set_schedule(bundled).unwrap_err().kind(), ErrorKind::Input);
    let bundled = Options { heap: HeapLayout::Apart, ..Options::default() };
    assert_eq!(Runtime::new(bundled).map(|_| ()).unwrap_err().kind(), ErrorKind::Input);
}

/// Rows of a constant table of `rows` times 1024 numbers; row `k` holds `k`.
fn table(rows: usize) -> Graph {
    let mut graph = Graph { name: "table".into(), ..Graph::default() };
    let data = (0..rows * 1024).map(|at| (at / 1024) as f32).collect();
    let data = graph.add_constant("data", Tensor::new([rows, 1024], data).unwrap());
    let shape = Some(vec![Dim::Known(1)]);
    let index = graph.add_value(Value { name: "row".into(), dtype: Some(DType::I64), shape, ..Value::default() });
    let output = graph.add_value(Value { name: "y".into(), ..Value::default() });
    graph.inputs.push(index);
    graph.outputs.push(output);
    graph.add_node(Node {
        name: "rows".into(),
        op: "Gather".into(),
        opset: 13,
        inputs: vec![Some(data), Some(index)],
        outputs: vec![Some(output)],
        ..Node::default()
    });
    graph
}

#[test]
fn a_large_model_loads_while_others_run() {
    let runtime = Runtime::new(Options::default()).unwrap();
    let kernel = runtime.load_kernel(SCALE).unwrap();
    let stream = || scale(&kernel, 256, 2.0).submit().unwrap().wait().unwrap();
    stream();
    // 100 MiB of weights, in pieces.
    let model = runtime.load_graph(table(25 << 10)).unwrap();
    let row = |row: i64| model.request().input("row", Tensor::new([1], vec![row]).unwrap()).unwrap().submit().unwrap();
    let large = row(20_000);
    let mut between = 0;
    while runtime.stats().unwrap().loading == 1 {
        let done = stream();
        assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), scaled(256, 2.0));
        between += 1;
    }
    let done = large.wait().unwrap();
    assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), [20_000.0; 1024]);
    let stats = runtime.stats().unwrap();
    println!("{between} requests while 100 MiB were loaded; longest step {} us", stats.longest_step_nanos / 1000);
    assert!(between >= 5, "only {between} requests ran while the weights were loaded");
    // The last handle goes while another's load is under way, and a request is dropped that waits for it.
    let other = runtime.load_graph(table(25 << 10)).unwrap();
    drop(other.request().input("row", Tensor::new([1], vec![1i64]).unwrap()).unwrap().submit().unwrap());
    let kept = other.request().input("row", Tensor::new([1], vec![7i64]).unwrap()).unwrap().submit().unwrap();
    drop(other);
    assert_eq!(kept.wait().unwrap().output("y").unwrap().as_slice::<f32>().unwrap(), [7.0; 1024]);
    drop(row(1));
    drop(model);
    // What was issued before the drop comes back first.
    for _ in 0..500 {
        let memory = runtime.memory().unwrap();
        if (memory.heap_used, memory.weights_used) == (0, 0) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{:?}", runtime.memory().unwrap());
}

#[test]
fn thousands_of_lengths_leave_nothing_behind() {
    let runtime = Runtime::new(Options::default()).unwrap();
    let mut b = GraphBuilder::new(17);
    let x = b.input("x", DType::F32, ["n", "8"]);
    let weights = b.floats([8, 8], (0..64).map(|i| i as f32 / 64.0).collect::<Vec<f32>>());
    let product = b.node("MatMul", [x, weights], []);
    let soft = b.node("Softmax", [product], [("axis", Attr::Int(1))]);
    // The length itself goes up with each request.
    let length = b.node("Shape", [x], []);
    let length = b.node("Cast", [length], [("to", Attr::Int(1))]);
    let axes = b.ints([0]);
    let sum = b.node("ReduceSum", [length, axes], [("keepdims", Attr::Int(1))]);
    let y = b.node("Add", [soft, sum], []);
    let model = runtime.load_graph(b.finish([y])).unwrap();
    let lengths = 1_999usize;
    let mut half = None;
    for k in 0..lengths {
        let n = 1 + k * 1_236 % lengths;
        let request = model.request().input("x", Tensor::new([n, 8], ramp(n * 8)).unwrap()).unwrap();
        let done = request.submit().unwrap().wait().unwrap();
        let (_, y) = done.outputs().next().unwrap();
        let total: f64 = y.as_slice::<f32>().unwrap().iter().map(|&y| f64::from(y)).sum();
        // Each row of a softmax sums to one, and every element has the sum of the shape beside it.
        let want = n as f64 * (1.0 + 8.0 * (n as f64 + 8.0));
        assert!((total - want).abs() <= 1e-5 * want, "{n}: {total}, not {want}");
        if k == lengths / 2 {
            half = Some(runtime.stats().unwrap());
        }
    }
    let (half, all) = (half.unwrap(), runtime.stats().unwrap());
    let kept = |stats: &fascine::runtime::Stats| {
        let memory = &stats.memory;
        let memory = [memory.heap_used, memory.heap_reserved, memory.weights_used, memory.weights_reserved];
        (stats.kept.plans, stats.kept.names, stats.pipelines.kernels, memory)
    };
    assert_eq!(kept(&half), kept(&all));
    // The scheduler forgets half of the plans that nobody uses at a time, and learns by powers of two.
    let scheduler = all.kept.scheduler;
    assert!(scheduler.plans <= 128 && scheduler.ratios <= 64 && scheduler.requests <= 8, "{scheduler:?}");
}
