// The first `most` elements of each sorted row, and their indices: x is row-major, outer x len x inner.

struct Params {
    // Elements of the result.
    count: u32,
    len: u32,
    inner: u32,
    most: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
// Of each row: which element is where.
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<u32>;
@group(0) @binding(3) var<storage, read_write> indices: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.count {
        return;
    }
    let inner = at % params.inner;
    let outer = at / params.inner / params.most;
    let place = at / params.inner % params.most;
    let index = order[(outer * params.inner + inner) * params.len + place];
    values[at] = x[(outer * params.len + index) * params.inner + inner];
    indices[at] = index;
}
