//! Tests that the parameter structs of Rust are those of the kernels.

use std::collections::BTreeSet;

use crate::kernel::library;

/// A Rust struct that mirrors a kernel's `Params`.
pub(crate) struct Layout {
    pub(crate) kernel: &'static str,
    pub(crate) size: usize,
    /// Name, offset and size in bytes.
    pub(crate) fields: &'static [(&'static str, usize, usize)],
}

/// The size of the field that `_of` gives.
pub(crate) const fn size_of_field<S, F>(_of: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

/// The [`Layout`] of a struct: its kernel, the struct, its fields.
macro_rules! layout {
    ($kernel:literal, $params:ty: $($field:ident),+ $(,)?) => {
        $crate::ops::params::Layout {
            kernel: $kernel,
            size: size_of::<$params>(),
            fields: &[$((
                stringify!($field),
                std::mem::offset_of!($params, $field),
                $crate::ops::params::size_of_field(|params: &$params| &params.$field),
            )),+],
        }
    };
}
pub(crate) use layout;

/// Kernels whose parameters are put at their offsets by name (`lower/params.rs`), or that only tests and benchmarks run.
const BY_NAME: &[&str] =
    &["conv_depthwise", "conv_lanes", "conv_tile", "copy", "matmul_lanes", "matmul_tile", "pool", "pool_global"];

/// The parts of a kernel's struct that one Rust field covers may be told apart by what follows the field's name.
fn mismatch(layout: &Layout) -> Option<String> {
    let kernel = library::get(layout.kernel);
    let params = kernel.params.as_ref()?;
    if params.size as usize != layout.size {
        return Some(format!("{} bytes in the shader, {} in Rust", params.size, layout.size));
    }
    let covered: usize = layout.fields.iter().map(|field| field.2).sum();
    if covered != layout.size {
        return Some(format!("the fields cover {covered} of {} bytes", layout.size));
    }
    for field in &params.fields {
        let (offset, size) = (field.offset as usize, field.size as usize);
        let fits = layout.fields.iter().any(|&(name, start, len)| {
            let whole = field.name == name && (start, len) == (offset, size);
            let part = field.name.starts_with(name) && start <= offset && offset + size <= start + len && size < len;
            whole || part
        });
        if !fits {
            return Some(format!("no Rust field is '{}' at {offset} with {size} bytes", field.name));
        }
    }
    None
}

#[test]
fn parameter_structs_are_those_of_the_kernels() {
    let tables = [
        super::attention::LAYOUTS,
        super::elementwise::LAYOUTS,
        super::integer::LAYOUTS,
        super::layout::LAYOUTS,
        super::norm::LAYOUTS,
        super::reduce::LAYOUTS,
        super::rnn::LAYOUTS,
        crate::lower::LAYOUTS,
    ];
    let layouts: Vec<&Layout> = tables.into_iter().flatten().collect();
    let wrong: Vec<String> =
        layouts.iter().filter_map(|layout| Some(format!("{}: {}", layout.kernel, mismatch(layout)?))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let listed: BTreeSet<&str> = layouts.iter().map(|layout| layout.kernel).chain(BY_NAME.iter().copied()).collect();
    let with_params: BTreeSet<&str> =
        library::SOURCES.iter().map(|(name, _)| *name).filter(|name| library::get(name).params.is_some()).collect();
    assert_eq!(listed, with_params, "kernels with parameters");
}

#[test]
fn a_wrong_struct_is_found() {
    let right = [("rows", 0, 4), ("len", 4, 4), ("inner", 8, 4), ("infinity", 12, 4)];
    let check = |fields: &'static [(&'static str, usize, usize)]| {
        let size = fields.iter().map(|field| field.2).sum();
        mismatch(&Layout { kernel: "softmax", size, fields })
    };
    assert_eq!(check(Box::leak(Box::new(right))), None);
    assert!(check(&[("len", 0, 4), ("rows", 4, 4), ("inner", 8, 4), ("infinity", 12, 4)]).is_some());
    assert!(check(&[("rows", 0, 4), ("len", 4, 4), ("inner", 8, 4)]).is_some());
    assert!(check(&[("rows", 0, 8), ("inner", 8, 4), ("infinity", 12, 4)]).is_some());
}
