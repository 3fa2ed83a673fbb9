// Copies a strided window of words onto another. Dimensions are numbered from the innermost.

struct Params {
    // Words to copy.
    len: u32,
    source_offset: u32,
    target_offset: u32,
    // Dimensions that matter, 1 to 8.
    rank: u32,
    sizes: array<vec4<u32>, 2>,
    source_strides: array<vec4<u32>, 2>,
    target_strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = workgroup.x * 64u + local;
    if index >= params.len {
        return;
    }
    var rest = index;
    var from_ = params.source_offset;
    var to = params.target_offset;
    for (var k = 0u; k < params.rank; k++) {
        let size = params.sizes[k >> 2u][k & 3u];
        let at = rest % size;
        rest /= size;
        from_ += at * params.source_strides[k >> 2u][k & 3u];
        to += at * params.target_strides[k >> 2u][k & 3u];
    }
    result[to] = source[from_];
}
