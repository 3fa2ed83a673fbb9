//! The project's own kernels: one line per file under `shaders/`. What they call without defining it is in [`functions`].

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use super::parts::{self, Weights};
use super::{Kernel, Trust, functions};
use crate::error::{Error, Result};

macro_rules! kernels {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every kernel, in order of name.
        pub const SOURCES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))),*];
    };
}

kernels! {
    "affine_grid",
    "attention",
    "attention_subgroup",
    "bernoulli",
    "cast",
    "col2im",
    "conv_depthwise",
    "conv_depthwise_subgroup",
    "conv_integer_subgroup",
    "conv_subgroup",
    "conv_tile",
    "conv_transpose",
    "conv_volume",
    "copy",
    "copy_pair",
    "copy_strided",
    "deform_conv",
    "det",
    "dft",
    "dropout",
    "eye_like",
    "gather",
    "grid_sample",
    "index_elements",
    "index_nd",
    "integer",
    "layer_norm",
    "linear_attention",
    "lrn",
    "lstm_input",
    "matmul_integer",
    "matmul_integer_subgroup",
    "matmul_nbits",
    "matmul_nbits_row",
    "matmul_nbits_subgroup",
    "matmul_row",
    "matmul_subgroup",
    "matmul_tile",
    "max_roi_pool",
    "max_unpool",
    "multinomial",
    "narrow",
    "negative_log_likelihood",
    "nms_select",
    "nms_write",
    "nonzero_count",
    "nonzero_scan",
    "nonzero_write",
    "one_hot",
    "pack_rows",
    "pack_windows",
    "pool",
    "pool_global",
    "pool_window",
    "prefix",
    "quantise_by_range",
    "random",
    "range",
    "recurrent",
    "reduce",
    "reduce_integer",
    "resize_axis",
    "resize_nearest",
    "reverse_sequence",
    "roi_align",
    "rotary",
    "scan",
    "scatter_sorted",
    "scatter_steps",
    "softmax",
    "sort_chunk",
    "sort_keys",
    "sort_merge",
    "sum_parts",
    "tensor_scatter",
    "top_k",
    "tree_ensemble",
    "trilu",
    "unique_flags",
    "unique_starts",
    "unique_take",
    "value_range",
    "widen",
}

static LIBRARY: LazyLock<BTreeMap<&'static str, Arc<Kernel>>> = LazyLock::new(|| {
    SOURCES
        .iter()
        .map(|&(name, text)| {
            let kernel = parse(name, text).unwrap_or_else(|error| panic!("shaders/{name}.wgsl: {error}"));
            (name, Arc::new(kernel))
        })
        .collect()
});

/// Kernels made while planning that are still in use, by name.
static COMPOSED: Mutex<BTreeMap<String, Weak<Kernel>>> = Mutex::new(BTreeMap::new());

/// A kernel as the project's are made of their files: with the functions that it calls, and the plain parts where it leaves some open.
///
/// # Errors
/// As [`Kernel::parse`].
pub fn parse(name: &str, text: &str) -> Result<Kernel> {
    Kernel::parse(name, &functions::join(&parts::filled(text, Weights::Words, None)), Trust::Project)
}

/// The text of the kernel `base` with its weights read so and that definition of `epilogue`, or the common one.
pub(crate) fn with_parts(base: &str, weights: Weights, epilogue: Option<&str>) -> String {
    let (_, text) = SOURCES.iter().find(|(name, _)| *name == base).expect("names are written in this crate only");
    parts::filled(text, weights, epilogue)
}

/// The kernel `base` with its weights read so.
///
/// # Errors
/// As [`composed`].
pub(crate) fn with_weights(base: &'static str, weights: Weights) -> Result<Arc<Kernel>> {
    match weights {
        Weights::Words => Ok(get(base)),
        Weights::F16 | Weights::Bf16 => {
            composed(&format!("{base}{}", weights.suffix()), || with_parts(base, weights, None))
        }
    }
}

/// The kernel of that name: made of `text` and the functions that it calls, unless it is there.
///
/// # Errors
/// `Kernel` if the text is none; `Internal` if another text has the name.
pub(crate) fn composed(name: &str, text: impl FnOnce() -> String) -> Result<Arc<Kernel>> {
    let mut composed = COMPOSED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = composed.get(name).and_then(Weak::upgrade);
    // A name that ends in a hash does not say all.
    if let Some(kernel) = known.as_ref().filter(|kernel| !kernel.name.contains('~')) {
        return Ok(kernel.clone());
    }
    let text = functions::join(&text());
    if let Some(kernel) = known {
        return match *kernel.text == *text {
            true => Ok(kernel),
            false => Err(Error::internal(format!("two kernels named {name}"))),
        };
    }
    let kernel = Arc::new(Kernel::parse(name, &text, Trust::Project)?);
    if composed.len().is_power_of_two() {
        composed.retain(|_, kernel| kernel.strong_count() > 0);
    }
    composed.insert(name.to_owned(), Arc::downgrade(&kernel));
    Ok(kernel)
}

/// The project's kernel of that name.
///
/// # Panics
/// If there is no such kernel: names are written in this crate only, and a test looks each of them up. One that was made while
/// planning is there as long as it is held.
pub fn get(name: &str) -> Arc<Kernel> {
    let known = LIBRARY.get(name).cloned();
    let composed = || COMPOSED.lock().unwrap_or_else(PoisonError::into_inner).get(name).and_then(Weak::upgrade);
    known.or_else(composed).unwrap_or_else(|| panic!("no kernel named {name}"))
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
