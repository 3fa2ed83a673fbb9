//! Which adapters there are, and which one to take.

use std::fmt;

use serde::Serialize;

use super::device::{Caps, Timestamps, Vendor};
use crate::error::{Error, ErrorKind, Result};

/// Which adapter to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// The best: a discrete GPU before an integrated one, a virtual one, anything else, and a CPU adapter last.
    #[default]
    Auto,
    /// The best of those whose name contains this text, whatever the case.
    Name(String),
    /// By position in [`adapters`].
    Index(usize),
}

/// Where to look for adapters, and which one to take.
#[derive(Clone, Debug)]
pub struct AdapterOptions {
    /// Which one.
    pub select: Select,
    /// The graphics interfaces to look through.
    pub backends: wgpu::Backends,
}

impl Default for AdapterOptions {
    fn default() -> Self {
        AdapterOptions { select: Select::Auto, backends: wgpu::Backends::PRIMARY | wgpu::Backends::SECONDARY }
    }
}

/// The kind of hardware behind an adapter, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceType {
    /// A GPU with its own memory.
    Discrete,
    /// A GPU that shares memory with the CPU.
    Integrated,
    /// A GPU behind a virtual machine.
    Virtual,
    /// Unknown.
    Other,
    /// A software renderer.
    Cpu,
}

impl From<wgpu::DeviceType> for DeviceType {
    fn from(value: wgpu::DeviceType) -> Self {
        match value {
            wgpu::DeviceType::DiscreteGpu => DeviceType::Discrete,
            wgpu::DeviceType::IntegratedGpu => DeviceType::Integrated,
            wgpu::DeviceType::VirtualGpu => DeviceType::Virtual,
            wgpu::DeviceType::Other => DeviceType::Other,
            wgpu::DeviceType::Cpu => DeviceType::Cpu,
        }
    }
}

impl fmt::Display for DeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeviceType::Discrete => "discrete",
            DeviceType::Integrated => "integrated",
            DeviceType::Virtual => "virtual",
            DeviceType::Other => "other",
            DeviceType::Cpu => "cpu",
        })
    }
}

/// What `fascine devices` says of one adapter.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterReport {
    /// Position, for [`Select::Index`].
    pub index: usize,
    /// What a device of this adapter can do.
    pub caps: Caps,
    /// Optional features that it lacks, each with what that means.
    pub missing: Vec<String>,
    /// Why fascine cannot use it at all.
    pub unfit: Option<String>,
}

/// Every adapter of this machine.
pub fn adapters() -> Vec<AdapterReport> {
    list(AdapterOptions::default().backends).iter().enumerate().map(|(index, adapter)| report(index, adapter)).collect()
}

fn list(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    pollster::block_on(instance.enumerate_adapters(backends))
}

fn report(index: usize, adapter: &wgpu::Adapter) -> AdapterReport {
    let caps = Caps::of(&adapter.get_info(), &adapter.limits(), adapter.features());
    let unfit = unfit(adapter.get_info().backend, &adapter.get_downlevel_capabilities(), &adapter.limits());
    AdapterReport { index, missing: missing(&caps), unfit, caps }
}

fn missing(caps: &Caps) -> Vec<String> {
    let mut missing = Vec::new();
    let mut lacks = |lack: bool, text: &str| {
        if lack {
            missing.push(text.to_owned());
        }
    };
    lacks(caps.timestamps == Timestamps::None, "timestamps: GPU times are taken on the host");
    lacks(caps.timestamps == Timestamps::Pass, "timestamps inside passes: GPU times are known per submission only");
    lacks(!caps.pipeline_cache, "pipeline cache: compiled pipelines are kept by the driver only");
    lacks(!caps.subgroups, "subgroups");
    lacks(!caps.f16, "f16 in shaders");
    lacks(caps.max_segments < 16, "storage buffers: a bundle binds few segments");
    missing
}

/// Why fascine cannot run on an adapter or device with these.
pub(super) fn unfit(
    backend: wgpu::Backend,
    downlevel: &wgpu::DownlevelCapabilities,
    limits: &wgpu::Limits,
) -> Option<String> {
    if backend == wgpu::Backend::Gl {
        // wgpu panics where one thread waits for the context longer than 6 s (1 s on Windows), which compiling takes.
        return Some("OpenGL cannot compile beside running work; Vulkan, Metal and DirectX 12 can".to_owned());
    }
    if !downlevel.flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Some("no compute shaders".to_owned());
    }
    let least = [
        ("max_storage_buffers_per_shader_stage", u64::from(limits.max_storage_buffers_per_shader_stage), 4),
        (
            "max_dynamic_storage_buffers_per_pipeline_layout",
            limits.max_dynamic_storage_buffers_per_pipeline_layout.into(),
            1,
        ),
        ("max_compute_invocations_per_workgroup", u64::from(limits.max_compute_invocations_per_workgroup), 64),
        ("max_compute_workgroup_size_x", u64::from(limits.max_compute_workgroup_size_x), 64),
        ("max_compute_workgroups_per_dimension", u64::from(limits.max_compute_workgroups_per_dimension), 65_535),
        ("max_storage_buffer_binding_size", limits.max_storage_buffer_binding_size, 1 << 20),
    ];
    let (name, has, needs) = least.into_iter().find(|(_, has, needs)| has < needs)?;
    Some(format!("{name} is {has}, at least {needs} is needed"))
}

/// Takes an adapter by `options`.
///
/// # Errors
/// `NoAdapter`, listing what was seen.
pub(super) fn choose(options: &AdapterOptions) -> Result<wgpu::Adapter> {
    let mut adapters = list(options.backends);
    let reports: Vec<AdapterReport> = adapters.iter().enumerate().map(|(index, a)| report(index, a)).collect();
    let index = pick(&reports, &options.select)?;
    Ok(adapters.swap_remove(index))
}

fn pick(reports: &[AdapterReport], select: &Select) -> Result<usize> {
    let wanted = match select {
        Select::Auto => String::new(),
        Select::Name(name) => format!(" named like '{name}'"),
        Select::Index(index) => format!(" with index {index}"),
    };
    let matches = |report: &&AdapterReport| match select {
        Select::Auto => true,
        Select::Name(name) => report.caps.name.to_lowercase().contains(&name.to_lowercase()),
        Select::Index(index) => report.index == *index,
    };
    let fit = |report: &&AdapterReport| report.unfit.is_none();
    let best = reports.iter().filter(matches).filter(fit).min_by_key(|report| {
        let second_rate = report.caps.backend == "gl";
        (report.caps.device_type, second_rate, report.index)
    });
    best.map(|report| report.index).ok_or_else(|| {
        let seen: Vec<String> = reports
            .iter()
            .map(|report| {
                let unfit = report.unfit.as_ref().map(|why| format!(": unfit, {why}")).unwrap_or_default();
                let Caps { name, device_type, backend, .. } = &report.caps;
                format!("{} '{name}' ({device_type}, {backend}{unfit})", report.index)
            })
            .collect();
        let seen = if seen.is_empty() { "none at all".to_owned() } else { seen.join(", ") };
        Error::new(ErrorKind::NoAdapter, format!("no usable adapter{wanted}; adapters seen: {seen}"))
    })
}

/// The class that decides kernel variants.
pub(super) fn class(info: &wgpu::AdapterInfo) -> Vendor {
    // PCI vendor numbers.
    match (info.device_type, info.vendor) {
        (wgpu::DeviceType::Cpu, _) => Vendor::Cpu,
        (_, 0x10de) => Vendor::Nvidia,
        (_, 0x1002 | 0x1022) => Vendor::Amd,
        (_, 0x8086) => Vendor::Intel,
        (_, 0x106b) => Vendor::Apple,
        _ if info.backend == wgpu::Backend::Metal => Vendor::Apple,
        _ => Vendor::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_of(index: usize, name: &str, device_type: wgpu::DeviceType, backend: wgpu::Backend) -> AdapterReport {
        let info = wgpu::AdapterInfo { name: name.to_owned(), ..wgpu::AdapterInfo::new(device_type, backend) };
        let caps = Caps::of(&info, &wgpu::Limits::default(), wgpu::Features::empty());
        AdapterReport { index, missing: missing(&caps), unfit: None, caps }
    }

    #[test]
    fn picks_the_best_by_type_name_and_index() {
        use wgpu::{Backend, DeviceType};
        let mut reports = vec![
            report_of(0, "llvmpipe", DeviceType::Cpu, Backend::Vulkan),
            report_of(1, "Fast GL", DeviceType::DiscreteGpu, Backend::Gl),
            report_of(2, "Small", DeviceType::IntegratedGpu, Backend::Vulkan),
            report_of(3, "Fast", DeviceType::DiscreteGpu, Backend::Vulkan),
        ];
        let cases = [
            (Select::Auto, Some(3)),
            (Select::Name("LLVM".into()), Some(0)),
            (Select::Name("fast".into()), Some(3)),
            (Select::Index(2), Some(2)),
            (Select::Index(4), None),
            (Select::Name("radeon".into()), None),
        ];
        for (select, expected) in cases {
            assert_eq!(pick(&reports, &select).ok(), expected, "{select:?}");
        }
        let error = pick(&reports, &Select::Name("radeon".into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoAdapter);
        assert!(
            error.message().contains("radeon") && error.message().contains("'Small' (integrated, vulkan)"),
            "{error}"
        );

        reports[3].unfit = Some("no compute shaders".into());
        assert_eq!(pick(&reports, &Select::Auto).unwrap(), 1);
        assert!(pick(&reports, &Select::Index(3)).unwrap_err().message().contains("unfit, no compute"));
    }

    #[test]
    fn no_adapter_at_all_says_so() {
        assert!(pick(&[], &Select::Auto).unwrap_err().message().contains("none at all"));
    }

    #[test]
    fn default_limits_are_fit_and_downlevel_ones_are_not() {
        let downlevel = wgpu::DownlevelCapabilities::default();
        assert_eq!(unfit(wgpu::Backend::Vulkan, &downlevel, &wgpu::Limits::default()), None);
        let gl = unfit(wgpu::Backend::Gl, &downlevel, &wgpu::Limits::default()).unwrap();
        assert!(gl.contains("OpenGL"), "{gl}");
        let none = unfit(wgpu::Backend::Vulkan, &downlevel, &wgpu::Limits::downlevel_webgl2_defaults()).unwrap();
        assert!(none.contains("max_storage_buffers_per_shader_stage is 0"), "{none}");
    }
}
