// A strided window of words, packed in row-major order: a word of the result an invocation. Dimensions are numbered from the
// innermost.

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
    let shift = elements_log2(params.format);
    let bits = 32u >> shift;
    let first = index << shift;
    if first >= params.len {
        return;
    }
    var packed = 0u;
    for (var element = 0u; element < min(1u << shift, params.len - first); element++) {
        var rest = first + element;
        var at = params.offset;
        for (var k = 0u; k < params.rank; k++) {
            let size = params.sizes[k >> 2u][k & 3u];
            at += rest % size * params.strides[k >> 2u][k & 3u];
            rest /= size;
        }
        var x = source[at];
        if params.format == 1u {
            x = narrow_half(vec4(x)).x;
        } else if params.format == 6u {
            x = narrow_brain(vec4(x)).x;
        }
        packed |= (x & ((1u << bits) - 1u)) << (element * bits);
    }
    result[index] = packed;
}
