// A strided window of packed elements as words, in row-major order. Dimensions are numbered from the innermost.

struct Params {
    // Elements.
    len: u32,
    offset: u32,
    // As lower/storage.rs numbers them: 1 half precision, 2 and 3 signed and unsigned of 16 bits, 4 and 5 of 8 bits, 6 bf16, 7 and 8
    // of 4 bits, 9 and 10 of 2.
    format: u32,
    // Dimensions that matter, 1 to 8.
    rank: u32,
    sizes: array<vec4<u32>, 2>,
    strides: array<vec4<u32>, 2>,
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
    var at = params.offset;
    for (var k = 0u; k < params.rank; k++) {
        let size = params.sizes[k >> 2u][k & 3u];
        at += rest % size * params.strides[k >> 2u][k & 3u];
        rest /= size;
    }
    let shift = elements_log2(params.format);
    let bits = 32u >> shift;
    let first = (at & ((1u << shift) - 1u)) * bits;
    var x = vec4((source[at >> shift] >> first) & ((1u << bits) - 1u));
    switch params.format {
        case 1u: { x = widen_half(x); }
        case 2u: { x = wrap_i16(x); }
        case 4u: { x = wrap_i8(x); }
        case 6u: { x <<= vec4(16u); }
        case 7u: { x = wrap_i4(x); }
        case 9u: { x = wrap_i2(x); }
        default: {}
    }
    result[index] = x.x;
}
