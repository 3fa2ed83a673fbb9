// How many elements differ from zero in each chunk of 64.
struct Params {
    len: u32,
    // All bits of an element, but for the sign of a float: -0 is 0.
    mask: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> counts: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let chunk = workgroup.x * 64u + local;
    let start = chunk * 64u;
    if start >= params.len {
        return;
    }
    let end = min(start + 64u, params.len);
    var count = 0u;
    for (var i = start; i < end; i += 1u) {
        if (x[i] & params.mask) != 0u {
            count += 1u;
        }
    }
    counts[chunk] = count;
}
