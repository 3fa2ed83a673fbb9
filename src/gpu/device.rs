//! An open device: its features, its limits, and what they mean for the runtime.

use serde::Serialize;

use super::adapter::{AdapterOptions, DeviceType, choose, class, unfit};
use super::fault::Fault;
use crate::error::{Error, Result};
use crate::link::{Ahead, Head, Scalars, table};

/// Whose hardware it is: decides kernel variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// A software renderer.
    Cpu,
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// Intel.
    Intel,
    /// Apple.
    Apple,
    /// Anyone else.
    Other,
}

/// How finely the device can tell its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Timestamps {
    /// Not at all.
    None,
    /// At the ends of a submission.
    Pass,
    /// Between bundles.
    Bundle,
}

/// What a device can do, as far as the runtime cares.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Caps {
    /// The adapter's name.
    pub name: String,
    /// The driver and its version.
    pub driver: String,
    /// The graphics interface, for instance `vulkan`.
    pub backend: String,
    /// The kind of hardware.
    pub device_type: DeviceType,
    /// Whose hardware it is.
    pub class: Vendor,
    /// Largest segment in bytes, and so the largest tensor.
    pub max_segment_bytes: u64,
    /// Segments, of tensors and of weights, that one pipeline can bind.
    pub max_segments: usize,
    /// Segments that there can be at a time.
    pub total_segments: usize,
    /// Alignment of a bundle's lane table in bytes.
    pub table_alignment: u32,
    /// Workgroup memory of one workgroup in bytes.
    pub workgroup_bytes: u32,
    /// Invocations of one workgroup.
    pub workgroup_invocations: u32,
    /// How finely it can tell its time.
    pub timestamps: Timestamps,
    /// Whether compiled pipelines can be kept on disk.
    pub pipeline_cache: bool,
    /// Whether shaders can use subgroups.
    pub subgroups: bool,
    /// Smallest and largest subgroup.
    pub subgroup_size: [u32; 2],
    /// Whether shaders can use f16.
    pub f16: bool,
    /// Whether a dispatch can have the head of its lane table as immediates.
    pub immediates: bool,
    /// Whether segments are bound twice, the second time as words.
    pub words: bool,
    /// Workgroups of 64 that keep it busy: host threads on a CPU adapter; of a GPU what a runtime has measured, or a guess until then.
    pub parallelism: u32,
}

/// Bindings 1 to 47 are segments at most; binding numbers and segment indices stay small on every back end.
const MAX_SEGMENTS: u32 = 47;
/// Where segments are bound twice, at least so many are left.
const LEAST_TWICE: u32 = 16;
/// `link::SegmentId::index` is a `u8`.
const TOTAL_SEGMENTS: u32 = 256;
/// Guessed, where nothing is measured: a mid-range GPU has 32 compute units with room for several workgroups of 64 each.
const GPU_PARALLELISM: u32 = 256;

impl Caps {
    pub(super) fn of(info: &wgpu::AdapterInfo, limits: &wgpu::Limits, features: wgpu::Features) -> Self {
        let class = class(info);
        let driver = [info.driver.as_str(), info.driver_info.as_str()];
        let segment = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(u64::from(u32::MAX));
        let timestamps = match features {
            f if f.contains(wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES) => {
                Timestamps::Bundle
            }
            f if f.contains(wgpu::Features::TIMESTAMP_QUERY) => Timestamps::Pass,
            _ => Timestamps::None,
        };
        let buffers = limits.max_storage_buffers_per_shader_stage.saturating_sub(1);
        // Browsers forbid to bind twice what is written; how Metal's compiler takes it is not known.
        let native = matches!(info.backend, wgpu::Backend::Vulkan | wgpu::Backend::Dx12);
        let words = native && buffers / 2 >= LEAST_TWICE && limits.max_bindings_per_bind_group > 2 * TOTAL_SEGMENTS;
        let segments = if words { buffers / 2 } else { buffers };
        Caps {
            name: info.name.clone(),
            driver: driver.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "),
            backend: info.backend.to_str().to_owned(),
            device_type: info.device_type.into(),
            class,
            max_segment_bytes: segment / 256 * 256,
            max_segments: segments.min(MAX_SEGMENTS) as usize,
            total_segments: limits.max_bindings_per_bind_group.saturating_sub(1).min(TOTAL_SEGMENTS) as usize,
            table_alignment: limits.min_storage_buffer_offset_alignment.max(16),
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            timestamps,
            pipeline_cache: features.contains(wgpu::Features::PIPELINE_CACHE),
            subgroups: features.contains(wgpu::Features::SUBGROUP),
            subgroup_size: [info.subgroup_min_size, info.subgroup_max_size],
            f16: features.contains(wgpu::Features::SHADER_F16),
            immediates: features.contains(wgpu::Features::IMMEDIATES) && limits.max_immediate_size >= table::HEAD_BYTES,
            words,
            parallelism: match class {
                Vendor::Cpu => std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
                _ => GPU_PARALLELISM,
            },
        }
    }

    /// Where shaders for the device read the head of a lane table.
    pub(super) fn head(&self) -> Head {
        if self.immediates { Head::Immediates } else { Head::Table }
    }

    /// What shaders for the device read of a lane's record before they choose its kernel. llvmpipe reads each `vec4<u32>` for every
    /// subgroup, and hides nothing behind other workgroups.
    pub(super) fn ahead(&self) -> Ahead {
        if self.class == Vendor::Cpu { Ahead::Choice } else { Ahead::Table }
    }

    /// How many runs of workgroups of equal length a dispatch is divided into before it starts: llvmpipe's threads take one each, and do not
    /// help each other. 1 where nothing is divided ahead.
    pub(super) fn runs(&self) -> u32 {
        if self.class == Vendor::Cpu { self.parallelism } else { 1 }
    }

    /// How shaders for the device see scalars.
    pub(super) fn scalars(&self) -> Scalars {
        if self.words { Scalars::Words } else { Scalars::Components }
    }
}

/// Optional features, asked for where the adapter has them.
const WANTED: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY
    .union(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES)
    .union(wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS)
    .union(wgpu::Features::PIPELINE_CACHE)
    .union(wgpu::Features::SUBGROUP)
    .union(wgpu::Features::SHADER_F16)
    .union(wgpu::Features::IMMEDIATES);

/// A device and its queue, either fascine's own or an app's.
#[derive(Clone, Debug)]
pub struct Gpu {
    pub(super) adapter: wgpu::Adapter,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) shared: bool,
    pub(super) fault: Fault,
    caps: Caps,
}

impl Gpu {
    /// Opens a device of fascine's own.
    ///
    /// # Errors
    /// `NoAdapter` if none matches, `Device` if the driver refuses.
    pub fn open(options: &AdapterOptions) -> Result<Gpu> {
        let adapter = choose(options)?;
        let (device, queue) = request(&adapter, adapter.features() & WANTED, adapter.limits())?;
        let gpu = Self::assemble(adapter, device, queue, false)?;
        gpu.fault.watch(&gpu.device);
        Ok(gpu)
    }

    /// Works on an app's device, with whatever limits and features it was opened with. The app's handlers stay as they are,
    /// and nothing here waits for the device.
    ///
    /// # Errors
    /// `Limit` if the device has less than WebGPU's default limits where it matters.
    pub fn from_device(adapter: wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Result<Gpu> {
        Self::assemble(adapter, device, queue, true)
    }

    fn assemble(adapter: wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue, shared: bool) -> Result<Gpu> {
        if let Some(why) = unfit(adapter.get_info().backend, &adapter.get_downlevel_capabilities(), &device.limits()) {
            return Err(Error::limit(why));
        }
        let caps = Caps::of(&adapter.get_info(), &device.limits(), device.features());
        Ok(Gpu { adapter, device, queue, shared, fault: Fault::default(), caps })
    }

    /// What the device can do.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// Whether the device belongs to an app.
    pub fn is_shared(&self) -> bool {
        self.shared
    }
}

/// Opens a device with exactly these features and limits.
///
/// # Errors
/// `Device` if the driver refuses.
pub(super) fn request(
    adapter: &wgpu::Adapter,
    required_features: wgpu::Features,
    required_limits: wgpu::Limits,
) -> Result<(wgpu::Device, wgpu::Queue)> {
    let descriptor =
        wgpu::DeviceDescriptor { label: Some("fascine"), required_features, required_limits, ..Default::default() };
    pollster::block_on(adapter.request_device(&descriptor))
        .map_err(|error| Error::device(format!("adapter '{}' did not open a device: {error}", adapter.get_info().name)))
}
