// As matmul_integer on CPU adapters whose subgroups have 8 invocations, with constant weights on the right. A subgroup computes 16 rows
// of 32 columns: an invocation holds 4 columns, and the left matrix, a word of a row an invocation, reaches the others by broadcast.
// Left bytes are signed and right ones unsigned: a product of such is a single operation of the processor (that of 16-bit pairs), one of
// 32-bit words is two.

struct Params {
    // Subgroups' worth of work: row tiles x column tiles.
    tiles: u32,
    rows: u32,
    columns: u32,
    // Elements of a row, and its words.
    depth: u32,
    words: u32,
    // From one row to the next, in words, and what makes its bytes signed ones.
    left_row: u32,
    left_flip: u32,
    // What was taken from each element when it was made signed or unsigned.
    left_shift: i32,
    right_shift: i32,
    // Of the zero points, in elements.
    left_zero_offset: u32,
    right_zero_offset: u32,
    right_zero_column: u32,
    // With SCALED, distances from one column to the next, 0 or 1.
    scale_column: u32,
    factor_column: u32,
    has_factor: u32,
    has_bias: u32,
    has_residual: u32,
    // What its function takes: a zero that no compiler knows, and constants.
    epilogue: array<vec4<u32>, EPILOGUE>,
}

// Whether the result is the sum times scales, with bias, residual and program, as f32; else it is the sum.
override SCALED: bool = false;

@group(0) @binding(0) var<storage, read> left: array<u32>;
// [tile of 32 columns][word][32]
@group(0) @binding(1) var<storage, read> right: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> left_zero: array<i32>;
@group(0) @binding(3) var<storage, read> right_zero: array<i32>;
@group(0) @binding(4) var<storage, read> scale: array<u32>;
@group(0) @binding(5) var<storage, read> factor: array<u32>;
@group(0) @binding(6) var<storage, read> bias: array<u32>;
@group(0) @binding(7) var<storage, read> residual: array<u32>;
@group(0) @binding(8) var<storage, read_write> result: array<u32>;
@group(0) @binding(9) var<uniform> params: Params;

fn four(a: i32, first: u32) -> vec4<i32> {
    switch first {
        case 0u: {
            return vec4(subgroupBroadcast(a, 0u), subgroupBroadcast(a, 1u), subgroupBroadcast(a, 2u), subgroupBroadcast(a, 3u));
        }
        default: {
            return vec4(subgroupBroadcast(a, 4u), subgroupBroadcast(a, 5u), subgroupBroadcast(a, 6u), subgroupBroadcast(a, 7u));
        }
    }
}

// The bytes of a word, signed.
fn bytes(word: u32) -> vec4<i32> {
    return (vec4(bitcast<i32>(word)) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u);
}

fn put(at: u32, column: vec4<u32>, count: u32, sums: vec4<i32>) {
    var v = bitcast<vec4<u32>>(sums);
    if SCALED {
        let p = params;
        let zero = vec4(p.epilogue[0].x);
        let s = column * p.scale_column;
        var scales = vec4(scale[s.x], scale[s.y], scale[s.z], scale[s.w]);
        if p.has_factor != 0u {
            let f = column * p.factor_column;
            scales = mul_f(scales, vec4(factor[f.x], factor[f.y], factor[f.z], factor[f.w])) ^ zero;
        }
        v = mul_f(int_to_float_w(v) ^ zero, scales);
        if p.has_bias != 0u {
            v = add_f(v ^ zero, vec4(bias[column.x], bias[column.y], bias[column.z], bias[column.w]));
        }
        if p.has_residual != 0u {
            let r = at + column - column.x;
            v = add_f(v ^ zero, vec4(residual[r.x], residual[r.y], residual[r.z], residual[r.w]));
        }
        v = bitcast<vec4<u32>>(epilogue(bitcast<vec4<f32>>(v)));
    }
    for (var j = 0u; j < count; j++) {
        result[at + j] = v[j];
    }
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
    let column_tile = tile / row_tiles;
    var near = min(row + invocation, p.rows - 1u) * p.left_row;
    var far = min(row + 8u + invocation, p.rows - 1u) * p.left_row;
    var right_at = column_tile * p.words * 8u + invocation;
    var c0 = array<vec4<i32>, 4>();
    var c1 = array<vec4<i32>, 4>();
    var c2 = array<vec4<i32>, 4>();
    var c3 = array<vec4<i32>, 4>();
    // Sums of the invocation's rows and columns.
    var near_sum = vec4(0);
    var far_sum = vec4(0);
    var column_sum = vec4(0);
    if p.rows == 1u {
        // Invocations hold the same bytes of the row, which need no broadcast.
        var sum = vec4(0);
        for (var k = 0u; k < p.words; k++) {
            let a = bytes(left[near + k] ^ p.left_flip);
            let b = right[right_at];
            right_at += 8u;
            let bx = vec4<i32>(b & vec4(255u));
            let by = vec4<i32>((b >> vec4(8u)) & vec4(255u));
            let bz = vec4<i32>((b >> vec4(16u)) & vec4(255u));
            let bw = vec4<i32>(b >> vec4(24u));
            near_sum += a;
            column_sum += bx + by + bz + bw;
            sum += vec4(a.x) * bx + vec4(a.y) * by + vec4(a.z) * bz + vec4(a.w) * bw;
        }
        c0[0] = sum;
    } else {
        for (var k = 0u; k < p.words; k++) {
            let a = bytes(left[near + k] ^ p.left_flip);
            let b = right[right_at];
            right_at += 8u;
            let bx = vec4<i32>(b & vec4(255u));
            let by = vec4<i32>((b >> vec4(8u)) & vec4(255u));
            let bz = vec4<i32>((b >> vec4(16u)) & vec4(255u));
            let bw = vec4<i32>(b >> vec4(24u));
            near_sum += a;
            column_sum += bx + by + bz + bw;
            c0 = outer_i(c0, four(a.x, 0u), bx);
            c1 = outer_i(c1, four(a.x, 4u), bx);
            c0 = outer_i(c0, four(a.y, 0u), by);
            c1 = outer_i(c1, four(a.y, 4u), by);
            c0 = outer_i(c0, four(a.z, 0u), bz);
            c1 = outer_i(c1, four(a.z, 4u), bz);
            c0 = outer_i(c0, four(a.w, 0u), bw);
            c1 = outer_i(c1, four(a.w, 4u), bw);
            if tall {
                let h = bytes(left[far + k] ^ p.left_flip);
                far_sum += h;
                c2 = outer_i(c2, four(h.x, 0u), bx);
                c3 = outer_i(c3, four(h.x, 4u), bx);
                c2 = outer_i(c2, four(h.y, 0u), by);
                c3 = outer_i(c3, four(h.y, 4u), by);
                c2 = outer_i(c2, four(h.z, 0u), bz);
                c3 = outer_i(c3, four(h.z, 4u), bz);
                c2 = outer_i(c2, four(h.w, 0u), bw);
                c3 = outer_i(c3, four(h.w, 4u), bw);
            }
        }
    }

    let near_one = near_sum.x + near_sum.y + near_sum.z + near_sum.w;
    let far_one = far_sum.x + far_sum.y + far_sum.z + far_sum.w;
    let row_sums = array<vec4<i32>, 4>(four(near_one, 0u), four(near_one, 4u), four(far_one, 0u), four(far_one, 4u));
    let first = column_tile * 32u + invocation * 4u;
    let column = min(first + vec4(0u, 1u, 2u, 3u), vec4(p.columns - 1u));
    let zero_at = p.right_zero_offset + column * p.right_zero_column;
    let left_zeros = vec4(left_zero[p.left_zero_offset] - p.left_shift);
    let right_zeros =
        vec4(right_zero[zero_at.x], right_zero[zero_at.y], right_zero[zero_at.z], right_zero[zero_at.w]) - p.right_shift;
    let less = left_zeros * (column_sum - bitcast<i32>(p.depth) * right_zeros);
    let count = p.columns - min(first, p.columns);
    // A loop: stores written out for each row would take the driver longer to compile than all the rest.
    var sums = array<array<vec4<i32>, 4>, 4>(c0, c1, c2, c3);
    var of_rows = row_sums;
    for (var i = 0u; i < row_tile && row + i < p.rows; i++) {
        let sum = sums[i >> 2u][i & 3u] - less - vec4(of_rows[i >> 2u][i & 3u]) * right_zeros;
        put((row + i) * p.columns + first, column, min(count, 4u), sum);
    }
}
