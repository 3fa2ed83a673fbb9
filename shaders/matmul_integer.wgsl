// Product of bytes less their zero points, exact modulo 2^32: rows of both sides in vectors of sixteen, as pack_rows leaves them.
// 4 rows of 4 columns for each invocation.

struct Params {
    // Invocations: batches x tiles of four rows x tiles of four columns.
    items: u32,
    rows: u32,
    columns: u32,
    // Elements of a row, and its vectors.
    depth: u32,
    vectors: u32,
    // What makes the bytes of a word signed ones, and what that takes from each: 0 or 128. Those that were packed are signed already.
    left_flip: u32,
    right_flip: u32,
    left_shift: i32,
    right_shift: i32,
    // Of the zero points, in elements.
    left_zero_offset: u32,
    left_zero_row: u32,
    right_zero_offset: u32,
    right_zero_column: u32,
    // Of the result, in elements.
    result_batch: u32,
    result_row: u32,
    result_column: u32,
    // With SCALED, distances from one column to the next, 0 or 1.
    scale_column: u32,
    factor_column: u32,
    has_factor: u32,
    has_bias: u32,
    has_residual: u32,
    // Batch dimensions from the innermost outwards; distances in vectors, for zero points in elements.
    batch: array<vec4<u32>, 2>,
    left_batch: array<vec4<u32>, 2>,
    right_batch: array<vec4<u32>, 2>,
    left_zero_batch: array<vec4<u32>, 2>,
    right_zero_batch: array<vec4<u32>, 2>,
    // What its function takes: a zero that no compiler knows, and constants.
    epilogue: array<vec4<u32>, EPILOGUE>,
}

// Whether there is more than one row.
override TALL: bool = true;
// Whether the result is the sum times scales, with bias, residual and program, as f32; else it is the sum.
override SCALED: bool = false;

@group(0) @binding(0) var<storage, read> left: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> right: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> left_zero: array<i32>;
@group(0) @binding(3) var<storage, read> right_zero: array<i32>;
@group(0) @binding(4) var<storage, read> scale: array<u32>;
@group(0) @binding(5) var<storage, read> factor: array<u32>;
@group(0) @binding(6) var<storage, read> bias: array<u32>;
@group(0) @binding(7) var<storage, read> residual: array<u32>;
@group(0) @binding(8) var<storage, read_write> result: array<u32>;
@group(0) @binding(9) var<uniform> params: Params;

fn sixteen(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

fn products(a: vec4<u32>, b: array<vec4<u32>, 4>) -> vec4<i32> {
    return vec4(sixteen(a, b[0]), sixteen(a, b[1]), sixteen(a, b[2]), sixteen(a, b[3]));
}

// Elements of a row from `at` on, so many, which are those of `columns`.
fn put(at: u32, columns: vec4<u32>, count: u32, step: u32, sums: vec4<i32>) {
    var v = bitcast<vec4<u32>>(sums);
    if SCALED {
        let p = params;
        let zero = vec4(p.epilogue[0].x);
        let s = columns * p.scale_column;
        var scales = vec4(scale[s.x], scale[s.y], scale[s.z], scale[s.w]);
        if p.has_factor != 0u {
            let f = columns * p.factor_column;
            scales = mul_f(scales, vec4(factor[f.x], factor[f.y], factor[f.z], factor[f.w])) ^ zero;
        }
        v = mul_f(int_to_float_w(v) ^ zero, scales);
        if p.has_bias != 0u {
            v = add_f(v ^ zero, vec4(bias[columns.x], bias[columns.y], bias[columns.z], bias[columns.w]));
        }
        if p.has_residual != 0u {
            let r = at + columns - columns.x;
            v = add_f(v ^ zero, vec4(residual[r.x], residual[r.y], residual[r.z], residual[r.w]));
        }
        v = bitcast<vec4<u32>>(epilogue(bitcast<vec4<f32>>(v)));
    }
    for (var i = 0u; i < count; i++) {
        result[at + i * step] = v[i];
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let column_tiles = (p.columns + 3u) / 4u;
    let column = item % column_tiles * 4u;
    item /= column_tiles;
    let row_tiles = select(1u, (p.rows + 3u) / 4u, TALL);
    let row = item % row_tiles * 4u;
    let batch = item / row_tiles;
    var rest = batch;
    var left_at = 0u;
    var right_at = 0u;
    var left_zero_at = p.left_zero_offset;
    var right_zero_at = p.right_zero_offset;
    for (var axis = 0u; axis < 8u; axis++) {
        let size = params.batch[axis / 4u][axis % 4u];
        let index = rest % size;
        left_at += index * params.left_batch[axis / 4u][axis % 4u];
        right_at += index * params.right_batch[axis / 4u][axis % 4u];
        left_zero_at += index * params.left_zero_batch[axis / 4u][axis % 4u];
        right_zero_at += index * params.right_zero_batch[axis / 4u][axis % 4u];
        rest /= size;
    }

    // Rows and columns past the end repeat the last.
    let rows = min(row + vec4(0u, 1u, 2u, 3u), vec4(p.rows - 1u));
    let columns = min(column + vec4(0u, 1u, 2u, 3u), vec4(p.columns - 1u));
    let lz = left_zero_at + rows * p.left_zero_row;
    let rz = right_zero_at + columns * p.right_zero_column;
    let left_zeros = vec4(left_zero[lz.x], left_zero[lz.y], left_zero[lz.z], left_zero[lz.w]) - p.left_shift;
    let right_zeros = vec4(right_zero[rz.x], right_zero[rz.y], right_zero[rz.z], right_zero[rz.w]) - p.right_shift;
    let sums_left = any(right_zeros != vec4(0));
    let sums_right = any(left_zeros != vec4(0));
    let a_at = left_at + rows * p.vectors;
    let b_at = right_at + columns * p.vectors;
    let ones = vec4(0x01010101u);
    var acc = array<vec4<i32>, 4>();
    var left_sum = vec4(0);
    var right_sum = vec4(0);
    for (var k = 0u; k < p.vectors; k++) {
        let b = array<vec4<u32>, 4>(
            right[b_at.x + k] ^ vec4(p.right_flip),
            right[b_at.y + k] ^ vec4(p.right_flip),
            right[b_at.z + k] ^ vec4(p.right_flip),
            right[b_at.w + k] ^ vec4(p.right_flip),
        );
        let a0 = left[a_at.x + k] ^ vec4(p.left_flip);
        acc[0] += products(a0, b);
        if sums_right {
            right_sum += products(ones, b);
        }
        if TALL {
            let a1 = left[a_at.y + k] ^ vec4(p.left_flip);
            let a2 = left[a_at.z + k] ^ vec4(p.left_flip);
            let a3 = left[a_at.w + k] ^ vec4(p.left_flip);
            acc[1] += products(a1, b);
            acc[2] += products(a2, b);
            acc[3] += products(a3, b);
            if sums_left {
                left_sum += products(ones, array<vec4<u32>, 4>(a0, a1, a2, a3));
            }
        } else if sums_left {
            left_sum.x += sixteen(ones, a0);
        }
    }

    let count = min(4u, p.columns - column);
    let first = batch * p.result_batch + row * p.result_row + column * p.result_column;
    let depth = bitcast<i32>(p.depth);
    for (var i = 0u; i < select(1u, min(4u, p.rows - row), TALL); i++) {
        let less = left_zeros[i] * right_sum + left_sum[i] * right_zeros - left_zeros[i] * right_zeros * depth;
        put(first + i * p.result_row, columns, count, p.result_column, acc[i] - less);
    }
}
