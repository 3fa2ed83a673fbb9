//! A user's kernel, its requests and their results.

use fascine::runtime::KernelRequest;
use fascine::{DType, Tensor, UserKernel};

/// `y = factor * x`.
pub const SCALE: &str = "
struct Params { factor: f32, len: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.len { y[id.x] = x[id.x] * params.factor; }
}
";

/// 0, 1, 2 and so on.
pub fn ramp(len: usize) -> Vec<f32> {
    (0..len).map(|i| i as f32).collect()
}

/// A request of [`SCALE`] over a [`ramp`].
pub fn scale(kernel: &UserKernel, len: usize, factor: f32) -> KernelRequest {
    kernel
        .request()
        .tensor("x", Tensor::new([len], ramp(len)).unwrap())
        .unwrap()
        .output("y", DType::F32, [len])
        .unwrap()
        .param("factor", factor)
        .unwrap()
        .param("len", len as u32)
        .unwrap()
        .workgroups([(len as u32).div_ceil(64), 1, 1])
}

/// What a request of [`scale`] gives.
pub fn scaled(len: usize, factor: f32) -> Vec<f32> {
    ramp(len).into_iter().map(|x| x * factor).collect()
}
