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
    "copy",
    "copy_strided",
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
