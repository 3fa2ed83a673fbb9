// Copies two strided windows of words onto windows of one buffer that have no element in common. Dimensions are numbered from the
// innermost.

struct Params {
    // Words to copy: of both, and of the first.
    len: u32,
    first: u32,
    source_offset: vec2<u32>,
    target_offset: vec2<u32>,
    // Dimensions that matter, 1 to 8.
    rank: vec2<u32>,
    // Two vectors for each of the windows.
    sizes: array<vec4<u32>, 4>,
    source_strides: array<vec4<u32>, 4>,
    target_strides: array<vec4<u32>, 4>,
}

@group(0) @binding(0) var<storage, read> one: array<u32>;
@group(0) @binding(1) var<storage, read> other: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = workgroup.x * 64u + local;
    if index >= params.len {
        return;
    }
    let second = index >= params.first;
    let which = select(0u, 1u, second);
    var rest = index - select(0u, params.first, second);
    var from_ = params.source_offset[which];
    var to = params.target_offset[which];
    for (var k = 0u; k < params.rank[which]; k++) {
        let four = which * 2u + (k >> 2u);
        let size = params.sizes[four][k & 3u];
        let at = rest % size;
        rest /= size;
        from_ += at * params.source_strides[four][k & 3u];
        to += at * params.target_strides[four][k & 3u];
    }
    if second {
        result[to] = other[from_];
    } else {
        result[to] = one[from_];
    }
}
