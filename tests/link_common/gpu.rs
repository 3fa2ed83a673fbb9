//! Runs linked modules, and kernels with bindings of their own, on the adapter.

use std::sync::OnceLock;

use fascine::link::table::{Case, EncodedLane, LaneTable};
use fascine::link::{Head, Linked, SegmentBinding};

pub struct Gpu {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub f16: bool,
    pub subgroups: bool,
    immediates: bool,
}

/// The adapter's device, shared by the tests of a binary.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))
            .expect("these tests need a Vulkan, Metal or DX12 adapter; scripts/setup-vulkan.sh installs lavapipe");
        let features =
            adapter.features() & (wgpu::Features::SHADER_F16 | wgpu::Features::SUBGROUP | wgpu::Features::IMMEDIATES);
        let descriptor = wgpu::DeviceDescriptor {
            required_features: features,
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("a device");
        let f16 = features.contains(wgpu::Features::SHADER_F16);
        let [subgroups, immediates] =
            [wgpu::Features::SUBGROUP, wgpu::Features::IMMEDIATES].map(|feature| features.contains(feature));
        Gpu { device, queue, f16, subgroups, immediates }
    })
}

/// In turn the ways to read the head of a lane table that the device has.
pub fn head(turn: usize) -> Head {
    if gpu().immediates && turn.is_multiple_of(2) { Head::Immediates } else { Head::Table }
}

/// A buffer with those bytes.
pub fn buffer(bytes: &[u8]) -> wgpu::Buffer {
    let gpu = gpu();
    let usage = wgpu::BufferUsages::STORAGE
        | wgpu::BufferUsages::UNIFORM
        | wgpu::BufferUsages::COPY_DST
        | wgpu::BufferUsages::COPY_SRC;
    let size = bytes.len().next_multiple_of(16).max(16) as u64;
    let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    let buffer = gpu.device.create_buffer(&descriptor);
    gpu.queue.write_buffer(&buffer, 0, bytes);
    buffer
}

/// The bytes of the buffers.
pub fn read(buffers: &[&wgpu::Buffer]) -> Vec<Vec<u8>> {
    let gpu = gpu();
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let mut staged = Vec::new();
    for buffer in buffers {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: None, size: buffer.size(), usage, mapped_at_creation: false };
        let copy = gpu.device.create_buffer(&descriptor);
        encoder.copy_buffer_to_buffer(buffer, 0, &copy, 0, buffer.size());
        staged.push(copy);
    }
    gpu.queue.submit([encoder.finish()]);
    for copy in &staged {
        copy.slice(..).map_async(wgpu::MapMode::Read, |result| result.unwrap());
    }
    gpu.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: None }).unwrap();
    staged.iter().map(|copy| copy.slice(..).get_mapped_range().unwrap().to_vec()).collect()
}

/// A compute pipeline from a naga module, with run-time checks.
pub fn pipeline(module: naga::Module, zero_workgroup_memory: bool) -> wgpu::ComputePipeline {
    let gpu = gpu();
    let source = wgpu::ShaderSource::Naga(std::borrow::Cow::Owned(module));
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
    gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: zero_workgroup_memory,
            ..Default::default()
        },
        cache: None,
    })
}

/// A linked module, ready to run.
pub struct Merged {
    pub pipeline: wgpu::ComputePipeline,
    bindings: Vec<SegmentBinding>,
    immediate_bytes: usize,
    /// `Linked::per_workgroup`.
    pub per_workgroup: Vec<u32>,
}

impl Merged {
    pub fn new(linked: Linked) -> Self {
        let bindings = linked.bindings;
        let per_workgroup = linked.per_workgroup;
        let immediate_bytes = linked.immediate_bytes as usize;
        Merged { pipeline: pipeline(linked.module, linked.has_user_kernel), bindings, immediate_bytes, per_workgroup }
    }
}

/// A bundle: lanes that run at once in one dispatch of a merged module, on the memory given segment by segment.
pub struct Bundle<'a> {
    pub merged: &'a Merged,
    pub lanes: Vec<(Case, EncodedLane)>,
    pub memory: &'a [wgpu::Buffer],
    /// The greatest number of workgroups in x.
    pub width: u32,
}

/// Runs the bundles one after another in one submission.
pub fn run(bundles: &[Bundle<'_>]) {
    let gpu = gpu();
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    for bundle in bundles {
        let mut words = Vec::new();
        let groups = LaneTable::encode(bundle.lanes.iter().map(|(case, lane)| (*case, lane)), &mut words);
        let table = buffer(bytemuck::cast_slice(&words));
        let segments = bundle.merged.bindings.iter().map(|bound| wgpu::BindGroupEntry {
            binding: bound.binding,
            resource: bundle.memory[bound.segment.index as usize].as_entire_binding(),
        });
        let entries: Vec<wgpu::BindGroupEntry<'_>> =
            std::iter::once(wgpu::BindGroupEntry { binding: 0, resource: table.as_entire_binding() })
                .chain(segments)
                .collect();
        let layout = bundle.merged.pipeline.get_bind_group_layout(0);
        let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries };
        let group = gpu.device.create_bind_group(&descriptor);
        pass.set_pipeline(&bundle.merged.pipeline);
        pass.set_bind_group(0, &group, &[]);
        if bundle.merged.immediate_bytes > 0 {
            pass.set_immediates(0, &bytemuck::cast_slice(&words)[..bundle.merged.immediate_bytes]);
        }
        let [x, y, z] = LaneTable::fold(groups, bundle.width);
        pass.dispatch_workgroups(x, y, z);
    }
    drop(pass);
    gpu.queue.submit([encoder.finish()]);
}

/// Runs a kernel as its author wrote it, with a buffer for each binding.
pub fn run_direct(pipeline: &wgpu::ComputePipeline, bindings: &[(u32, &wgpu::Buffer)], grid: [u32; 3]) {
    let gpu = gpu();
    let entries: Vec<wgpu::BindGroupEntry<'_>> = bindings
        .iter()
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding: *binding, resource: buffer.as_entire_binding() })
        .collect();
    let layout = pipeline.get_bind_group_layout(0);
    let group =
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries });
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
    drop(pass);
    gpu.queue.submit([encoder.finish()]);
}
