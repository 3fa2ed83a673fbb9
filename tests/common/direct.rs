//! The plain path: runs a plan's dispatches one by one with ordinary bindings, each kernel alone from its WGSL text. Neither
//! linker, heap nor scheduler takes part, so their results are compared with these, bit for bit.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use fascine::error::Result;
use fascine::kernel::{Access, Variant};
use fascine::lower::{DeviceClass, Target, Tuning};
use fascine::lower::{ModelWeights, WeightId};
use fascine::plan::{Dispatch, Location, Operand, Plan, Source};
use fascine::tensor::Tensor;

/// The device of this test process and its pipelines.
pub struct Direct {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub info: wgpu::AdapterInfo,
    pipelines: Mutex<BTreeMap<Variant, wgpu::ComputePipeline>>,
}

/// The one device of this test process.
pub fn direct() -> &'static Direct {
    static DIRECT: OnceLock<Direct> = OnceLock::new();
    DIRECT.get_or_init(|| {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let options = wgpu::RequestAdapterOptions::default();
        let adapter = pollster::block_on(instance.request_adapter(&options)).expect("an adapter");
        let descriptor = wgpu::DeviceDescriptor {
            required_limits: adapter.limits(),
            required_features: adapter.features() & wgpu::Features::SUBGROUP,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("a device");
        Direct { device, queue, info: adapter.get_info(), pipelines: Mutex::default() }
    })
}

/// A target that suits the device, of the given class.
pub fn target(class: DeviceClass) -> Target {
    let limit = direct().device.limits().max_storage_buffer_binding_size;
    let info = &direct().info;
    let subgroups = direct().device.features().contains(wgpu::Features::SUBGROUP);
    let fixed = subgroups && info.subgroup_min_size == info.subgroup_max_size;
    let subgroup_size = if fixed { info.subgroup_min_size } else { 0 };
    Target { class, parallelism: 8, max_binding_bytes: limit, subgroup_size, tuning: Tuning::NONE }
}

impl Direct {
    /// Runs a plan on `inputs` (in graph order) and returns its outputs (in graph order).
    pub fn run(&self, plan: &Plan, weights: &ModelWeights, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let regions: Vec<wgpu::Buffer> = plan.regions.iter().map(|&bytes| self.buffer(bytes)).collect();
        let mut weight_segments = BTreeMap::new();
        for (input, tensor) in plan.inputs.iter().zip(inputs) {
            assert_eq!((input.dtype, input.shape.as_slice()), (tensor.dtype(), tensor.shape()), "{}", input.name);
            if let Some(Operand { location: Location::Activation { region, offset }, .. }) = input.operand {
                let mut bytes = input.storage.encode(tensor)?;
                bytes.resize(bytes.len().next_multiple_of(4), 0);
                self.queue.write_buffer(&regions[usize::from(region)], offset, &bytes);
            }
        }
        for (operand, bytes) in &plan.constants {
            let Location::Activation { region, offset } = operand.location else {
                panic!("a constant among the weights")
            };
            self.queue.write_buffer(&regions[usize::from(region)], offset, bytes);
        }
        for dispatch in &plan.dispatches {
            self.dispatch(dispatch, &regions, weights, &mut weight_segments);
        }
        if let Some(checks) = &plan.checks {
            let Location::Activation { region, offset } = checks.report.location else {
                panic!("a report among the weights")
            };
            checks.judge(&self.read(&regions[usize::from(region)], offset, checks.report.bytes))?;
        }
        (plan.outputs.iter())
            .map(|output| match &output.source {
                Source::Constant(value) => Ok(value.clone()),
                Source::Input(index) => Ok(inputs[*index].clone()),
                Source::Device(Operand { location: Location::Activation { region, offset }, bytes }) => {
                    let bytes = self.read(&regions[usize::from(*region)], *offset, *bytes);
                    output.storage.decode(&bytes, output.dtype, &output.shape)
                }
                Source::Device(_) => panic!("output {} lies among the weights", output.name),
            })
            .collect()
    }

    fn dispatch(
        &self,
        dispatch: &Dispatch,
        regions: &[wgpu::Buffer],
        weights: &ModelWeights,
        weight_buffers: &mut BTreeMap<WeightId, wgpu::Buffer>,
    ) {
        let kernel = dispatch.variant.kernel();
        let mut encoder = self.device.create_command_encoder(&Default::default());
        // What two bindings write is one buffer.
        let mut written: BTreeMap<(u16, u64), wgpu::Buffer> = BTreeMap::new();
        let buffers: Vec<wgpu::Buffer> = (dispatch.operands.iter().zip(&kernel.bindings))
            .map(|(operand, binding)| match operand.location {
                Location::Activation { region, offset } => {
                    let writes = binding.access == Access::ReadWrite;
                    if let Some(buffer) = written.get(&(region, offset)).filter(|_| writes) {
                        return buffer.clone();
                    }
                    let buffer = self.buffer(operand.bytes);
                    if writes {
                        written.insert((region, offset), buffer.clone());
                    }
                    encoder.copy_buffer_to_buffer(&regions[usize::from(region)], offset, &buffer, 0, operand.bytes);
                    buffer
                }
                Location::Weight(id) => (weight_buffers.entry(id))
                    .or_insert_with(|| {
                        let buffer = self.buffer(operand.bytes);
                        self.queue.write_buffer(&buffer, 0, &weights.bytes(id).expect("weights are kept in tests"));
                        buffer
                    })
                    .clone(),
            })
            .collect();
        let params = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: (dispatch.params.len() as u64 * 4).next_multiple_of(16).max(16),
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let bytes: Vec<u8> = dispatch.params.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.queue.write_buffer(&params, 0, &bytes);
        let pipeline = self.pipeline(&dispatch.variant);
        let mut entries: Vec<wgpu::BindGroupEntry<'_>> = (kernel.bindings.iter().zip(&buffers))
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: binding.index,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        if let Some(declared) = &kernel.params {
            let binding =
                kernel.module.global_variables[declared.variable].binding.expect("parameters are bound").binding;
            entries.push(wgpu::BindGroupEntry { binding, resource: params.as_entire_binding() });
        }
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(dispatch.grid[0], dispatch.grid[1], dispatch.grid[2]);
        }
        for ((operand, binding), buffer) in dispatch.operands.iter().zip(&kernel.bindings).zip(&buffers) {
            if let (Access::ReadWrite, Location::Activation { region, offset }) = (binding.access, operand.location) {
                encoder.copy_buffer_to_buffer(buffer, 0, &regions[usize::from(region)], offset, operand.bytes);
            }
        }
        self.queue.submit([encoder.finish()]);
    }

    fn pipeline(&self, variant: &Variant) -> wgpu::ComputePipeline {
        let mut pipelines = self.pipelines.lock().unwrap();
        pipelines.entry(variant.clone()).or_insert_with(|| self.create_pipeline(variant)).clone()
    }

    fn create_pipeline(&self, variant: &Variant) -> wgpu::ComputePipeline {
        let kernel = variant.kernel();
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(&kernel.name),
            source: wgpu::ShaderSource::Wgsl(kernel.text.to_string().into()),
        });
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let mut entries: Vec<_> = (kernel.bindings.iter())
            .map(|b| entry(b.index, wgpu::BufferBindingType::Storage { read_only: b.access == Access::Read }))
            .collect();
        if let Some(params) = &kernel.params {
            let binding =
                kernel.module.global_variables[params.variable].binding.expect("parameters are bound").binding;
            entries.push(entry(binding, wgpu::BufferBindingType::Uniform));
        }
        let group =
            self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&group)],
            immediate_size: 0,
        });
        let constants: Vec<(&str, f64)> = variant.constants().collect();
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&kernel.name),
            layout: Some(&layout),
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        })
    }

    fn buffer(&self, bytes: u64) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    fn read(&self, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Vec<u8> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("read-back maps"));
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
        staging.get_mapped_range(..).expect("it is mapped").to_vec()
    }
}
