// As matmul_nbits on CPU adapters whose subgroups have 8 invocations. A subgroup computes 16 rows of 32 columns: an invocation holds 4
// columns, whose weights it takes apart once for all rows, and the left matrix, 4 values of a row an invocation, reaches the others by
// broadcast. Of a row alone an invocation holds one value in four.

struct Params {
    // Subgroups' worth of work: row tiles x column tiles.
    tiles: u32,
    rows: u32,
    columns: u32,
    // Elements of a row on the left.
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

// Bits of a weight.
override BITS: u32 = 4u;
// Whether there is more than one row.
override TALL: bool = true;
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

// Four values of a row; past its end they count nothing.
fn values(row: u32, k: u32) -> vec4<f32> {
    let depth = params.depth;
    let at = row * depth + min(k + vec4(0u, 1u, 2u, 3u), vec4(depth - 1u));
    let a = vec4(left[at.x], left[at.y], left[at.z], left[at.w]);
    return select(vec4(0.0), a, k + vec4(0u, 1u, 2u, 3u) < vec4(depth));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let invocation = local & 7u;
    let tile = workgroup.x * 8u + (local >> 3u);
    if tile >= p.tiles {
        return;
    }
    // Whether rows 8 to 15 of a tile are computed.
    let tall = p.rows > 8u;
    let row_tile = select(8u, 16u, tall);
    let row_tiles = (p.rows + row_tile - 1u) / row_tile;
    let row = tile % row_tiles * row_tile;
    let quad = tile / row_tiles * 8u + invocation;
    // Rows and columns past the end repeat the last.
    let near = min(row + invocation, p.rows - 1u);
    let far = min(row + 8u + invocation, p.rows - 1u);
    let column = min(quad, p.width - 1u);
    let mask = vec4((1u << BITS) - 1u);
    var c0 = mat4x4<f32>();
    var c1 = mat4x4<f32>();
    var c2 = mat4x4<f32>();
    var c3 = mat4x4<f32>();
    var sum = vec4(0.0);
    var block = column;
    var next = 0u;
    var scale = vec4(0.0);
    var zero = vec4(0.0);
    var first = 0u;
    for (var w = 0u; w < p.words; w++) {
        if w == next {
            scale = scales[block];
            zero = zero_points(block);
            block += p.width;
            next += p.block_words;
        }
        var bits = weight[w * p.width + column];
        for (var i = 0u; i < 8u / BITS; i++) {
            let bx = (vec4<f32>(bits & mask) - zero) * scale;
            let by = (vec4<f32>((bits >> vec4(BITS)) & mask) - zero) * scale;
            let bz = (vec4<f32>((bits >> vec4(2u * BITS)) & mask) - zero) * scale;
            let bw = (vec4<f32>((bits >> vec4(3u * BITS)) & mask) - zero) * scale;
            // By 0 where that was the whole word.
            bits >>= vec4((4u * BITS) & 31u);
            if TALL {
                let a = values(near, first);
                c0 = outer(c0, broadcast_four(a.x, 0u), bx);
                c1 = outer(c1, broadcast_four(a.x, 4u), bx);
                c0 = outer(c0, broadcast_four(a.y, 0u), by);
                c1 = outer(c1, broadcast_four(a.y, 4u), by);
                c0 = outer(c0, broadcast_four(a.z, 0u), bz);
                c1 = outer(c1, broadcast_four(a.z, 4u), bz);
                c0 = outer(c0, broadcast_four(a.w, 0u), bw);
                c1 = outer(c1, broadcast_four(a.w, 4u), bw);
                if tall {
                    let h = values(far, first);
                    c2 = outer(c2, broadcast_four(h.x, 0u), bx);
                    c3 = outer(c3, broadcast_four(h.x, 4u), bx);
                    c2 = outer(c2, broadcast_four(h.y, 0u), by);
                    c3 = outer(c3, broadcast_four(h.y, 4u), by);
                    c2 = outer(c2, broadcast_four(h.z, 0u), bz);
                    c3 = outer(c3, broadcast_four(h.z, 4u), bz);
                    c2 = outer(c2, broadcast_four(h.w, 0u), bw);
                    c3 = outer(c3, broadcast_four(h.w, 4u), bw);
                }
            } else {
                let k = first + (invocation & 3u);
                let a = broadcast_four(select(0.0, left[min(k, p.depth - 1u)], k < p.depth), 0u);
                sum = fma(vec4(a.x), bx, sum);
                sum = fma(vec4(a.y), by, sum);
                sum = fma(vec4(a.z), bz, sum);
                sum = fma(vec4(a.w), bw, sum);
            }
            first += 4u;
        }
    }
    if !TALL {
        c0[0] = sum;
    }
    let count = p.columns - min(quad * 4u, p.columns);
    // A loop: stores written out for each row would take the driver longer to compile than all the rest.
    var fours = array<mat4x4<f32>, 4>(c0, c1, c2, c3);
    for (var i = 0u; i < select(1u, row_tile, TALL) && row + i < p.rows; i++) {
        let v = fours[i >> 2u][i & 3u];
        for (var j = 0u; j < min(count, 4u); j++) {
            var one = v[j];
            if p.has_bias != 0u {
                one += bias[quad * 4u + j];
            }
            result[(row + i) * p.columns + quad * 4u + j] = one;
        }
    }
}
