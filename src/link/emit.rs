//! A merged module as text or bytes, for people, snapshots and other compilers.

use naga::back::{hlsl, msl, spv, wgsl};

use super::Linked;
use crate::error::{Error, Result};

/// A shading language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// WebGPU's.
    Wgsl,
    /// Vulkan's, in binary form.
    SpirV,
    /// Metal's.
    Msl,
    /// Direct3D's.
    Hlsl,
}

/// The largest f32 as naga 30 writes it: rounded up, to a number that is none and that other compilers refuse.
const LARGEST: &str = "340282350000000000000000000000000000000f";

/// Writes the module in a shading language: UTF-8 text, or little-endian words for SPIR-V.
///
/// # Errors
/// `Kernel` if that language cannot express the module.
pub fn emit(linked: &Linked, language: Language) -> Result<Vec<u8>> {
    let Linked { module, info, .. } = linked;
    let fail = |error: &dyn std::fmt::Display| Error::kernel(format!("{language:?}: {error}"));
    Ok(match language {
        Language::Wgsl => {
            let flags = wgsl::WriterFlags::empty();
            let text = wgsl::write_string(module, info, flags).map_err(|e| fail(&e))?;
            text.replace(LARGEST, "0x1.fffffep+127f").into_bytes()
        }
        Language::SpirV => {
            // As the device is given it: one of the project's own kernels goes without checks (gpu/trusted.rs).
            let checked = linked.has_user_kernel;
            let zeroed = spv::ZeroInitializeWorkgroupMemoryMode::Polyfill;
            let options = spv::Options {
                lang_version: (1, 3),
                zero_initialize_workgroup_memory: if checked {
                    zeroed
                } else {
                    spv::ZeroInitializeWorkgroupMemoryMode::None
                },
                force_loop_bounding: checked,
                emit_int_div_checks: checked,
                ..Default::default()
            };
            let words = spv::write_vec(module, info, &options, None).map_err(|e| fail(&e))?;
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        }
        Language::Msl => {
            let options = msl::Options { lang_version: (3, 0), ..Default::default() };
            let pipeline = msl::PipelineOptions::default();
            msl::write_string(module, info, &options, &pipeline).map_err(|e| fail(&e))?.0.into_bytes()
        }
        Language::Hlsl => {
            let options = hlsl::Options {
                shader_model: hlsl::ShaderModel::V6_2,
                immediates_target: Some(hlsl::BindTarget::default()),
                ..Default::default()
            };
            let pipeline = hlsl::PipelineOptions::default();
            let mut text = String::new();
            let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
            writer.write(module, info, None).map_err(|e| fail(&e))?;
            drop(writer);
            text.into_bytes()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Trust;
    use crate::link::{Clamp, link_texts};

    const COPY: &str = include_str!("../../shaders/copy.wgsl");

    fn wgsl(kernels: &[(&str, &str, Trust)]) -> String {
        let linked = link_texts(kernels.iter().copied(), Clamp::Users).unwrap();
        String::from_utf8(emit(&linked, Language::Wgsl).unwrap()).unwrap()
    }

    #[test]
    fn one_kernel_needs_no_switch() {
        let project = Trust::Project;
        assert!(!wgsl(&[("copy", COPY, project)]).contains("switch"));
        assert!(wgsl(&[("copy", COPY, project), ("other", COPY, project)]).contains("switch"));
    }

    #[test]
    fn only_users_kernels_are_clamped() {
        assert!(!wgsl(&[("copy", COPY, Trust::Project)]).contains("min("));
        assert!(wgsl(&[("copy", COPY, Trust::User)]).contains("min("));
    }

    #[test]
    fn the_largest_float_is_written_as_itself() {
        let text = "@group(0) @binding(0) var<storage, read_write> a: array<f32>;
            @compute @workgroup_size(64) fn main() { a[0] = -3.40282347e38; a[1] = 3.40282347e38; }";
        let text = wgsl(&[("k", text, Trust::Project)]);
        assert_eq!(text.matches("0x1.fffffep+127f").count(), 2, "{text}");
        assert!(naga::front::wgsl::parse_str(&text).is_ok());
    }

    #[test]
    fn spirv_is_words_with_its_magic_number() {
        let linked = link_texts([("copy", COPY, Trust::Project)], Clamp::Users).unwrap();
        let bytes = emit(&linked, Language::SpirV).unwrap();
        assert_eq!(bytes[..4], 0x0723_0203u32.to_le_bytes());
        assert_eq!(bytes.len() % 4, 0);
    }
}
