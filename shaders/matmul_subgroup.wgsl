// Matrix product on CPU adapters whose subgroups have 8 invocations. A subgroup computes up to 32 rows of 32 columns: an invocation holds 4
// columns, and the left matrix, 4 values of a row an invocation, reaches the others by broadcast. Invocations past the last row or
// column repeat the last one.

struct Params {
    // Factors of the product and of the bias.
    scale: f32,
    bias_scale: f32,
    // What halves of the weights are multiplied with.
    factor: f32,
    // Subgroups' worth of work: batch x row tiles x column tiles.
    tiles: u32,
    rows: u32,
    // Of a tile of one request: 8, 16 or 32.
    row_tile: u32,
    columns: u32,
    // All below in vec4: the length of a row on the left, and distances.
    depth: u32,
    left_offset: u32,
    left_row: u32,
    right_offset: u32,
    right_tile: u32,
    right_row: u32,
    // Vectors of a row on the right that may be read, and how many fewer for each further tile.
    right_width: u32,
    right_step: u32,
    // Of the bias, in elements.
    bias_row: u32,
    bias_column: u32,
    // Whether the product is an operator's result before the bias is added.
    apart: u32,
    has_residual: u32,
    // Batch dimensions from the innermost outwards.
    left_batch: vec4<u32>,
    right_batch: vec4<u32>,
    batch: vec4<u32>,
    // With COALESCE: the number of requests, then how far the tensors of each further one lie from the first's, in vec4.
    coalesced: array<vec4<u32>, 2>,
    // What its function takes: a zero that no compiler knows, and constants.
    epilogue: array<vec4<u32>, EPILOGUE>,
}

// Whether the rows of several requests are computed, all in one tile.
override COALESCE: bool = false;

@group(0) @binding(0) var<storage, read> left: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> right: array<WEIGHTS>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;

// Four steps of a sum, one after the other.
fn four_steps(sum: vec4<f32>, a: vec4<f32>, bx: vec4<f32>, by: vec4<f32>, bz: vec4<f32>, bw: vec4<f32>) -> vec4<f32> {
    return fma(vec4(a.w), bw, fma(vec4(a.z), bz, fma(vec4(a.y), by, fma(vec4(a.x), bx, sum))));
}

fn distance(request: u32) -> u32 {
    return select(params.coalesced[request >> 2u][request & 3u], 0u, request == 0u);
}

// Where a row on the left starts; rows of one request after those of the other.
fn row_start(row: u32) -> u32 {
    if COALESCE {
        return distance(row / params.rows) + row % params.rows * params.left_row;
    }
    return row * params.left_row;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let invocation = local & 7u;
    var tile = workgroup.x * 8u + (local >> 3u);
    if tile >= p.tiles {
        return;
    }
    var rows = p.rows;
    if COALESCE {
        rows *= params.coalesced[0].x;
    }
    let row_tile = select(p.row_tile, select(8u, 16u, rows > 8u), COALESCE);
    let row_tiles = (p.rows + row_tile - 1u) / row_tile;
    let row = tile % row_tiles * row_tile;
    tile /= row_tiles;
    let column_tiles = (p.columns + 31u) / 32u;
    let column_tile = tile % column_tiles;
    let batch = tile / column_tiles;
    let index = vec3(
        batch % p.batch.x,
        batch / p.batch.x % p.batch.y,
        batch / (p.batch.x * p.batch.y),
    );
    let left_at = p.left_offset + dot(index, p.left_batch.xyz);
    var near = left_at + row_start(min(row + invocation, rows - 1u));
    var far = left_at + row_start(min(row + 8u + invocation, rows - 1u));
    var third = left_at + row_start(min(row + 16u + invocation, rows - 1u));
    var fourth = left_at + row_start(min(row + 24u + invocation, rows - 1u));
    var right_at = p.right_offset + dot(index, p.right_batch.xyz) + column_tile * p.right_tile
        + min(invocation, p.right_width - 1u - column_tile * p.right_step);
    var c0 = mat4x4<f32>();
    var c1 = mat4x4<f32>();
    var c2 = mat4x4<f32>();
    var c3 = mat4x4<f32>();
    var c4 = mat4x4<f32>();
    var c5 = mat4x4<f32>();
    var c6 = mat4x4<f32>();
    var c7 = mat4x4<f32>();
    if !COALESCE && rows == 1u {
        // Invocations hold the same values of the row, which need no broadcast; in the order of the rows of a tile, so that a row
        // among others has the same bits.
        var sum = vec4(0.0);
        for (var k = 0u; k < p.depth; k++) {
            let a = left[near];
            near++;
            sum = fma(vec4(a.x), weights_of(right[right_at], p.factor), sum);
            sum = fma(vec4(a.y), weights_of(right[right_at + p.right_row], p.factor), sum);
            sum = fma(vec4(a.z), weights_of(right[right_at + 2u * p.right_row], p.factor), sum);
            sum = fma(vec4(a.w), weights_of(right[right_at + 3u * p.right_row], p.factor), sum);
            right_at += 4u * p.right_row;
        }
        c0[0] = sum;
    } else {
        for (var k = 0u; k < p.depth; k++) {
            let bx = weights_of(right[right_at], p.factor);
            let by = weights_of(right[right_at + p.right_row], p.factor);
            let bz = weights_of(right[right_at + 2u * p.right_row], p.factor);
            let bw = weights_of(right[right_at + 3u * p.right_row], p.factor);
            right_at += 4u * p.right_row;
            let a = left[near];
            near++;
            c0[0] = four_steps(c0[0], subgroupBroadcast(a, 0u), bx, by, bz, bw);
            c0[1] = four_steps(c0[1], subgroupBroadcast(a, 1u), bx, by, bz, bw);
            c0[2] = four_steps(c0[2], subgroupBroadcast(a, 2u), bx, by, bz, bw);
            c0[3] = four_steps(c0[3], subgroupBroadcast(a, 3u), bx, by, bz, bw);
            c1[0] = four_steps(c1[0], subgroupBroadcast(a, 4u), bx, by, bz, bw);
            c1[1] = four_steps(c1[1], subgroupBroadcast(a, 5u), bx, by, bz, bw);
            c1[2] = four_steps(c1[2], subgroupBroadcast(a, 6u), bx, by, bz, bw);
            c1[3] = four_steps(c1[3], subgroupBroadcast(a, 7u), bx, by, bz, bw);
            if row_tile > 8u {
                let a = left[far];
                far++;
                c2[0] = four_steps(c2[0], subgroupBroadcast(a, 0u), bx, by, bz, bw);
                c2[1] = four_steps(c2[1], subgroupBroadcast(a, 1u), bx, by, bz, bw);
                c2[2] = four_steps(c2[2], subgroupBroadcast(a, 2u), bx, by, bz, bw);
                c2[3] = four_steps(c2[3], subgroupBroadcast(a, 3u), bx, by, bz, bw);
                c3[0] = four_steps(c3[0], subgroupBroadcast(a, 4u), bx, by, bz, bw);
                c3[1] = four_steps(c3[1], subgroupBroadcast(a, 5u), bx, by, bz, bw);
                c3[2] = four_steps(c3[2], subgroupBroadcast(a, 6u), bx, by, bz, bw);
                c3[3] = four_steps(c3[3], subgroupBroadcast(a, 7u), bx, by, bz, bw);
            }
            if row_tile > 16u {
                let a = left[third];
                third++;
                c4[0] = four_steps(c4[0], subgroupBroadcast(a, 0u), bx, by, bz, bw);
                c4[1] = four_steps(c4[1], subgroupBroadcast(a, 1u), bx, by, bz, bw);
                c4[2] = four_steps(c4[2], subgroupBroadcast(a, 2u), bx, by, bz, bw);
                c4[3] = four_steps(c4[3], subgroupBroadcast(a, 3u), bx, by, bz, bw);
                c5[0] = four_steps(c5[0], subgroupBroadcast(a, 4u), bx, by, bz, bw);
                c5[1] = four_steps(c5[1], subgroupBroadcast(a, 5u), bx, by, bz, bw);
                c5[2] = four_steps(c5[2], subgroupBroadcast(a, 6u), bx, by, bz, bw);
                c5[3] = four_steps(c5[3], subgroupBroadcast(a, 7u), bx, by, bz, bw);
                let d = left[fourth];
                fourth++;
                c6[0] = four_steps(c6[0], subgroupBroadcast(d, 0u), bx, by, bz, bw);
                c6[1] = four_steps(c6[1], subgroupBroadcast(d, 1u), bx, by, bz, bw);
                c6[2] = four_steps(c6[2], subgroupBroadcast(d, 2u), bx, by, bz, bw);
                c6[3] = four_steps(c6[3], subgroupBroadcast(d, 3u), bx, by, bz, bw);
                c7[0] = four_steps(c7[0], subgroupBroadcast(d, 4u), bx, by, bz, bw);
                c7[1] = four_steps(c7[1], subgroupBroadcast(d, 5u), bx, by, bz, bw);
                c7[2] = four_steps(c7[2], subgroupBroadcast(d, 6u), bx, by, bz, bw);
                c7[3] = four_steps(c7[3], subgroupBroadcast(d, 7u), bx, by, bz, bw);
            }
        }
    }

    let last = p.columns - 1u;
    let first = column_tile * 32u + invocation * 4u;
    let whole = p.columns % 4u == 0u;
    var column = min(first + vec4(0u, 1u, 2u, 3u), vec4(last));
    if whole {
        column = min(first, p.columns - 4u) + vec4(0u, 1u, 2u, 3u);
    }
    // A loop: stores written out for each row would take the driver longer to compile than all the rest.
    var fours = array<mat4x4<f32>, 8>(c0, c1, c2, c3, c4, c5, c6, c7);
    for (var i = 0u; i < row_tile && row + i < rows; i++) {
        var own = row + i;
        var away = 0u;
        if COALESCE {
            away = distance(own / p.rows);
            own %= p.rows;
        }
        let b = own * p.bias_row + column * p.bias_column;
        let start = vec4(bias[b.x], bias[b.y], bias[b.z], bias[b.w]);
        var v = fours[i >> 2u][i & 3u] * p.scale;
        if p.apart != 0u {
            v = rounded(v);
        }
        v = fma(start, vec4(p.bias_scale), v);
        if p.has_residual != 0u {
            v = rounded(v);
        }
        let at = (batch * p.rows + own) * p.columns + column + 4u * away;
        if whole {
            if p.has_residual != 0u {
                v += residual[at.x >> 2u];
            }
            output[at.x >> 2u] = epilogue(v);
        } else {
            if p.has_residual != 0u {
                v += vec4(
                    residual[at.x >> 2u][at.x & 3u],
                    residual[at.y >> 2u][at.y & 3u],
                    residual[at.z >> 2u][at.z & 3u],
                    residual[at.w >> 2u][at.w & 3u],
                );
            }
            v = epilogue(v);
            output[at.x >> 2u][at.x & 3u] = v.x;
            output[at.y >> 2u][at.y & 3u] = v.y;
            output[at.z >> 2u][at.z & 3u] = v.z;
            output[at.w >> 2u][at.w & 3u] = v.w;
        }
    }
}
