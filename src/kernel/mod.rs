//! Kernels: WGSL compute entry points, parsed, validated and reflected.
//!
//! The project's own kernels are the files under `shaders/`, listed in [`library`], with the [`functions`] that they call,
//! and what lowering composes of them; a user's kernel is WGSL text that goes through the same loader. A [`Variant`] is a kernel with values for its `override`s; it is what a dispatch names.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub mod functions;
pub mod library;
mod limits;
mod linear;
pub mod parts;
mod reflect;

pub(crate) use reflect::{merged_validator, validator};

/// Whose kernel it is. It decides whether the linker clamps its indices and whether the driver's checks stay on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trust {
    /// A file of this project: the plan proves its index ranges.
    Project,
    /// A user's text: every index is clamped to its own tensor.
    User,
}

/// How a kernel uses a storage binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    ReadWrite,
}

/// A storage binding, as reflected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The variable's name.
    pub name: String,
    /// Its `@binding(n)`.
    pub index: u32,
    /// How the kernel uses it.
    pub access: Access,
    /// Bytes from one array element to the next (the whole size where the binding is no run-time array).
    pub stride: u32,
    /// The module-level variable.
    pub variable: naga::Handle<naga::GlobalVariable>,
}

/// A member of the parameter struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The member's name.
    pub name: String,
    /// Bytes from the start of the struct.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

/// The `var<uniform>` parameter struct, as reflected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Bytes of the struct, a multiple of 4.
    pub size: u32,
    /// Its members in order.
    pub fields: Vec<Field>,
    /// The module-level variable.
    pub variable: naga::Handle<naga::GlobalVariable>,
}

/// A parsed and validated kernel with exactly one compute entry point.
#[derive(Debug)]
pub struct Kernel {
    /// The file's stem under `shaders/`, with what was joined to it after a colon, or `user:` and a hash of the text. Unique:
    /// it identifies the kernel.
    pub name: String,
    /// Whose kernel it is.
    pub trust: Trust,
    /// The WGSL text.
    pub text: Arc<str>,
    /// The module as parsed; its only entry point is the kernel.
    pub module: naga::Module,
    /// The validator's findings for `module`.
    pub info: naga::valid::ModuleInfo,
    /// Storage bindings in order of their index; a dispatch gives its operands in this order.
    pub bindings: Vec<Binding>,
    /// The parameter struct, if there is one.
    pub params: Option<Params>,
    /// The entry point's workgroup size.
    pub workgroup_size: [u32; 3],
    /// Whether it is a kernel of this project that reads no more than x of its workgroup's id: then its grids are
    /// one-dimensional, of any length, and a workgroup's index is handed to it as it is. A user's kernel has the grid that the
    /// user gives.
    pub linear: bool,
    /// Bytes of workgroup memory that the entry point uses, with every override at its default.
    pub workgroup_bytes: u32,
    /// Names of the `override`s.
    pub overrides: Vec<String>,
    /// Expressions and statements once every call is inlined: roughly, how long a driver compiles it.
    pub size: u64,
    /// Device features that it needs.
    pub needs: Needs,
}

impl Kernel {
    /// The file that a kernel of the library comes from, `elementwise` for generated ones, `user` for a user's.
    pub fn family(&self) -> &str {
        self.name.split(['-', ':']).next().unwrap_or_default()
    }
}

/// Device features beyond the base that a kernel or a merged module needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Needs {
    /// 16-bit floats in shaders.
    pub f16: bool,
    /// Subgroup operations in shaders.
    pub subgroups: bool,
}

/// A kernel with values for its overrides. Cheap to clone; ordered and hashed by kernel and values.
#[derive(Clone, Debug)]
pub struct Variant {
    kernel: Arc<Kernel>,
    /// Sorted by name; values as the bits of an `f64`, so that they hash.
    constants: Arc<[(String, u64)]>,
}

impl Variant {
    /// `kernel` with the given overrides; those not given keep their defaults.
    pub fn new<'a>(kernel: Arc<Kernel>, constants: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let mut constants: Vec<(String, u64)> =
            constants.into_iter().map(|(name, value)| (name.to_owned(), value.to_bits())).collect();
        constants.sort();
        Variant { kernel, constants: constants.into() }
    }

    /// The kernel.
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }

    /// The override values by name, sorted.
    pub fn constants(&self) -> impl Iterator<Item = (&str, f64)> {
        self.constants.iter().map(|(name, bits)| (name.as_str(), f64::from_bits(*bits)))
    }

    /// A user's kernel is known by its text: the hash in its name is for people.
    fn key(&self) -> (&str, Trust, &str, &[(String, u64)]) {
        (&self.kernel.name, self.kernel.trust, &self.kernel.text, &self.constants)
    }
}

impl PartialEq for Variant {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.kernel, &other.kernel) {
            return self.constants == other.constants;
        }
        self.key() == other.key()
    }
}
impl Eq for Variant {}
impl PartialOrd for Variant {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Variant {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.kernel, &other.kernel) {
            return self.constants.cmp(&other.constants);
        }
        self.key().cmp(&other.key())
    }
}
impl Hash for Variant {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.kernel.name, self.kernel.trust, &self.constants).hash(state);
    }
}
