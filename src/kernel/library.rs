//! The project's own kernels: one line per file under `shaders/`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::{Kernel, Trust};

macro_rules! kernels {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every kernel, in order of name.
        pub const SOURCES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))),*];
    };
}

kernels! {
    "attention",
    "attention_lanes",
    "cast",
    "conv_depthwise",
    "conv_lanes",
    "conv_tile",
    "copy",
    "copy_strided",
    "elementwise",
    "gather",
    "integer",
    "layer_norm",
    "lstm_input",
    "lstm_step",
    "matmul_lanes",
    "matmul_tile",
    "pool",
    "pool_global",
    "range",
    "reduce",
    "reduce_integer",
    "softmax",
}

static LIBRARY: LazyLock<BTreeMap<&'static str, Arc<Kernel>>> = LazyLock::new(|| {
    SOURCES
        .iter()
        .map(|&(name, text)| {
            let kernel = Kernel::parse(name, text, Trust::Project)
                .unwrap_or_else(|error| panic!("shaders/{name}.wgsl: {error}"));
            (name, Arc::new(kernel))
        })
        .collect()
});

/// The project's kernel of that name.
///
/// # Panics
/// If there is no such kernel: names are written in this crate only, and a test looks each of them up.
pub fn get(name: &str) -> Arc<Kernel> {
    LIBRARY.get(name).unwrap_or_else(|| panic!("no kernel named {name}")).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_and_every_listed_kernel_loads() {
        let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders"))
            .unwrap()
            .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".wgsl")?.to_owned()))
            .collect();
        files.sort();
        let names: Vec<&str> = SOURCES.iter().map(|(name, _)| *name).collect();
        assert_eq!(files, names, "files under shaders/ against the list in library.rs, which is sorted by name");
        for name in names {
            let kernel = get(name);
            assert_eq!(kernel.workgroup_size, [64, 1, 1], "{name}");
            assert!(kernel.linear, "{name} reads more than x of its workgroup's id");
        }
    }
}
