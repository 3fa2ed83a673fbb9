// A strided window of packed elements as words, in row-major order. Dimensions are numbered from the innermost.

struct Params {
    // Elements.
    len: u32,
    offset: u32,
    // As lower/storage.rs numbers them: 1 half precision, 2 and 3 signed and unsigned of 16 bits, 4 and 5 of 8 bits.
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
    let bytes = params.format >= 4u;
    let word = source[at >> select(1u, 2u, bytes)];
    let bits = word >> select((at & 1u) << 4u, (at & 3u) << 3u, bytes);
    var x = vec4(bits & select(0xffffu, 0xffu, bytes));
    switch params.format {
        case 1u: { x = widen_half(x); }
        case 2u: { x = wrap_i16(x); }
        case 4u: { x = wrap_i8(x); }
        default: {}
    }
    result[index] = x.x;
}
