// Product of f32 with weights of 2, 4 or 8 bits that stay packed: (q - zero) * scale, scale and zero point for each block of a column. A
// vector is a word of each of four columns; words of all columns follow each other, and so do scales. 4 columns of up to 4 rows for each
// invocation.

struct Params {
    // Invocations: tiles of rows x tiles of four columns.
    items: u32,
    rows: u32,
    columns: u32,
    // Elements of a row on the left, and from one row to the next.
    depth: u32,
    left_row: u32,
    // Words of a column, and of a block of it.
    words: u32,
    block_words: u32,
    // Vectors of a word of all columns.
    width: u32,
    has_bias: u32,
    // The zero point where there are none.
    zero: f32,
}

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
    let item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let tile = item % p.width;
    let row = item / p.width * 4u;
    // Rows past the end repeat the last.
    let a_at = min(row + vec4(0u, 1u, 2u, 3u), vec4(p.rows - 1u)) * p.left_row;
    let mask = vec4((1u << BITS) - 1u);
    var acc = mat4x4<f32>();
    var block = tile;
    var next = 0u;
    var scale = vec4(0.0);
    var zero = vec4(0.0);
    for (var w = 0u; w < p.words; w++) {
        if w == next {
            scale = scales[block];
            zero = zero_points(block);
            block += p.width;
            next += p.block_words;
        }
        var bits = weight[w * p.width + tile];
        let first = w * (32u / BITS);
        // Weights past the end of a column count nothing.
        for (var i = 0u; i < min(32u / BITS, p.depth - min(first, p.depth)); i++) {
            let b = (vec4<f32>(bits & mask) - zero) * scale;
            bits >>= vec4(BITS);
            let k = first + i;
            acc[0] += left[a_at.x + k] * b;
            acc[1] += left[a_at.y + k] * b;
            acc[2] += left[a_at.z + k] * b;
            acc[3] += left[a_at.w + k] * b;
        }
    }
    let column = tile * 4u;
    for (var i = 0u; i < min(4u, p.rows - row); i++) {
        for (var j = 0u; j < min(4u, p.columns - column); j++) {
            var sum = acc[i][j];
            if p.has_bias != 0u {
                sum += bias[column + j];
            }
            result[(row + i) * p.columns + column + j] = sum;
        }
    }
}
