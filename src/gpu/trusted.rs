//! Unsafe calls of wgpu: shader modules without the driver's run-time checks, and pipeline caches from disk.
#![allow(unsafe_code)]

use std::borrow::Cow;

use crate::link::Linked;

/// Creates a merged shader module. With a user's kernel among its kernels every run-time check stays on; one of the
/// project's own kernels goes without.
pub(super) fn create_module(device: &wgpu::Device, label: &str, linked: &Linked) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(label),
        source: wgpu::ShaderSource::Naga(Cow::Owned(linked.module.clone())),
    };
    if linked.has_user_kernel {
        return device.create_shader_module(descriptor);
    }
    // SAFETY: the module is linked from kernels of this project only. They index nothing outside their lane's tensors, as the
    // plans prove and the clamped-against-unclamped tests check; their loops are bounded by the lane's parameters; and they
    // divide by no zero.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}

/// Creates a pipeline cache, with data from disk if there is some.
pub(super) fn create_cache(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    let descriptor = wgpu::PipelineCacheDescriptor { label: Some("fascine"), data, fallback: true };
    // SAFETY: `data` is what `PipelineCache::get_data` returned: `cache` keeps it in a file that is named by adapter and driver,
    // and checks its length and hash. wgpu and the driver check their own headers on top, and fall back to an empty cache.
    unsafe { device.create_pipeline_cache(&descriptor) }
}
