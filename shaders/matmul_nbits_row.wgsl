// As matmul_nbits of a row alone, with workgroup memory: a workgroup computes 8 vectors of columns, and the invocations of each vector
// share its words, every eighth; their sums are added in order.

struct Params {
    columns: u32,
    depth: u32,
    // Words of a column, and of a block of it.
    words: u32,
    block_words: u32,
    // Vectors of a word of all columns.
    width: u32,
    has_bias: u32,
    // The zero point where there are none.
    zero: f32,
}

const SLICES: u32 = 8u;

// Bits of a weight.
override BITS: u32 = 4u;
// Zero points: 0 none, 1 a byte each, four columns a word, 2 an f32 each.
override ZEROS: u32 = 0u;

@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> scales: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> zeros: array<u32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> result: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

var<workgroup> sums: array<vec4<f32>, 64>;

fn zero_points(block: u32) -> vec4<f32> {
    if ZEROS == 1u {
        return vec4<f32>((vec4(zeros[block]) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu));
    }
    if ZEROS == 2u {
        let at = block * 4u;
        return bitcast<vec4<f32>>(vec4(zeros[at], zeros[at + 1u], zeros[at + 2u], zeros[at + 3u]));
    }
    return vec4(params.zero);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let quad = workgroup.x * 8u + local % 8u;
    // Columns past the end repeat the last.
    let column = min(quad, p.width - 1u);
    let mask = vec4((1u << BITS) - 1u);
    var sum = vec4(0.0);
    for (var w = local / 8u; w < p.words; w += SLICES) {
        let block = w / p.block_words * p.width + column;
        let scale = scales[block];
        let zero = zero_points(block);
        var bits = weight[w * p.width + column];
        let first = w * (32u / BITS);
        // Weights past the end of a column count nothing.
        for (var i = 0u; i < min(32u / BITS, p.depth - min(first, p.depth)); i++) {
            sum = fma(vec4(left[first + i]), (vec4<f32>(bits & mask) - zero) * scale, sum);
            bits >>= vec4(BITS);
        }
    }
    sums[local] = sum;
    workgroupBarrier();
    if local >= 8u || quad >= p.width {
        return;
    }
    for (var slice = 1u; slice < SLICES; slice++) {
        sum += sums[slice * 8u + local];
    }
    for (var j = 0u; j < min(4u, p.columns - quad * 4u); j++) {
        var one = sum[j];
        if p.has_bias != 0u {
            one += bias[quad * 4u + j];
        }
        result[quad * 4u + j] = one;
    }
}
