// The coordinates of the elements that differ from zero, in row-major order: one row for each dimension, the outermost first.
struct Params {
    len: u32,
    mask: u32,
    // Dimensions, 1 to 8.
    rank: u32,
    // Elements that differ from zero.
    count: u32,
    size_low: vec4<u32>,
    size_high: vec4<u32>,
    stride_low: vec4<u32>,
    stride_high: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let chunk = workgroup.x * 64u + local;
    let start = chunk * 64u;
    if start >= params.len {
        return;
    }
    let end = min(start + 64u, params.len);
    let low = min(params.rank, 4u);
    var at = offsets[chunk];
    for (var i = start; i < end; i += 1u) {
        if (x[i] & params.mask) == 0u || at >= params.count {
            continue;
        }
        for (var k = 0u; k < low; k += 1u) {
            y[k * params.count + at] = (i / params.stride_low[k]) % params.size_low[k];
        }
        for (var k = 4u; k < params.rank; k += 1u) {
            y[k * params.count + at] = (i / params.stride_high[k - 4u]) % params.size_high[k - 4u];
        }
        at += 1u;
    }
}
