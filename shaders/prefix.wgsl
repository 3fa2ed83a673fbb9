// How many flags before each element are set, or up to it: from the numbers before each chunk of 64.

override INCLUSIVE: bool = false;

struct Params {
    len: u32,
    // Taken off each.
    less: u32,
}

@group(0) @binding(0) var<storage, read> flags: array<u32>;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let chunk = workgroup.x * 64u + local;
    let start = chunk * 64u;
    if start >= params.len {
        return;
    }
    var sum = offsets[chunk] - params.less;
    for (var i = start; i < min(start + 64u, params.len); i++) {
        let before = sum;
        sum += flags[i];
        result[i] = select(before, sum, INCLUSIVE);
    }
}
