// Reverses the first elements along the time axis, as many as the batch's length says. The tensor is row-major; time and batch are
// its first two axes, in either order.

override TIME_FIRST: bool = true;

struct Params {
    // Elements in all.
    len: u32,
    time: u32,
    batch: u32,
    inner: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> lengths: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@group(0) @binding(3) var<storage, read_write> report: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    let inner = at % params.inner;
    let row = at / params.inner;
    let time = select(row % params.time, row / params.batch, TIME_FIRST);
    let batch = select(row / params.time, row % params.batch, TIME_FIRST);
    let given = lengths[batch];
    let length = clamp(given, 0, i32(params.time));
    if length != given {
        report[0] = 1u;
    }
    let from_ = select(time, u32(length) - 1u - time, time < u32(length));
    let other = select(batch * params.time + from_, from_ * params.batch + batch, TIME_FIRST);
    y[at] = x[other * params.inner + inner];
}
