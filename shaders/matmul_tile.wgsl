// Matrix product from workgroup memory: 32 x 32 outputs for each workgroup and 4 x 4 for each invocation, or 64 x 64 and 8 x 8. Every
// output is one chain of `fma` over the depth, whatever the tile.

struct Params {
    // Factors of the product and of the bias.
    scale: f32,
    bias_scale: f32,
    // What halves of the weights are multiplied with.
    factor: f32,
    rows: u32,
    columns: u32,
    depth: u32,
    batches: u32,
    // All below in elements.
    left_offset: u32,
    left_row: u32,
    left_column: u32,
    right_offset: u32,
    right_row: u32,
    right_column: u32,
    // With QUADS: from 32 columns to the next.
    right_tile: u32,
    bias_row: u32,
    bias_column: u32,
    // Whether the product is an operator's result before the bias is added.
    apart: u32,
    has_residual: u32,
    // Batch dimensions from the innermost outwards.
    batch: array<vec4<u32>, 2>,
    left_batch: array<vec4<u32>, 2>,
    right_batch: array<vec4<u32>, 2>,
    // With COALESCE: the number of requests, then how far the tensors of each further one lie from the first's, in vec4.
    coalesced: array<vec4<u32>, 2>,
    // What its function takes: a zero that no compiler knows, and constants.
    epilogue: array<vec4<u32>, EPILOGUE>,
}

// Vectors of four rows, and of four columns, of a tile: 8 or 16.
override WIDTH: u32 = 8u;
// Whether both sides are read four at a time: the left along the depth, of which there are fours, the right along its columns.
override QUADS: bool = false;
// Without QUADS, whether neighbouring invocations load along the rows of the left matrix, and along the depth of the right one.
override LEFT_ROWS: bool = false;
override RIGHT_ROWS: bool = false;
// Whether the rows of several requests are computed, all in one tile.
override COALESCE: bool = false;

@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<WEIGHT>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;
// The same tensors.
@group(0) @binding(6) var<storage, read> left_quads: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> right_quads: array<WEIGHTS>;
@group(0) @binding(8) var<storage, read> residual_quads: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> output_quads: array<vec4<f32>>;

// Four rows or columns each, at `place_in_tile`.
var<workgroup> tile_a: array<vec4<f32>, 264>;
var<workgroup> tile_b: array<vec4<f32>, 264>;

// Rows of all requests.
fn all_rows() -> u32 {
    if COALESCE {
        return params.rows * params.coalesced[0].x;
    }
    return params.rows;
}

// How far a request's tensors lie from the first's, in elements.
fn distance(request: u32) -> u32 {
    return 4u * select(params.coalesced[request >> 2u][request & 3u], 0u, request == 0u);
}

// Where a row on the left starts; rows of one request after those of the other.
fn row_start(row: u32) -> u32 {
    if COALESCE {
        return distance(row / params.rows) + row % params.rows * params.left_row;
    }
    return row * params.left_row;
}

// The columns of the tile's vector; without QUADS neighbouring vectors have neighbouring columns, so that each access of one of the four
// is of a run of memory.
fn columns_of(first: u32, four: u32) -> vec4<u32> {
    if QUADS {
        return vec4(first + four * 4u) + vec4(0u, 1u, 2u, 3u);
    }
    return vec4(first + four) + vec4(0u, 1u, 2u, 3u) * WIDTH;
}

fn put(p: Params, batch: u32, place: u32, columns: vec4<u32>, value: vec4<f32>) {
    if place >= all_rows() || columns.x >= p.columns {
        return;
    }
    var row = place;
    var away = 0u;
    if COALESCE {
        row = place % p.rows;
        away = distance(place / p.rows);
    }
    let near = min(columns, vec4(p.columns - 1u));
    let b = row * p.bias_row + near * p.bias_column;
    var v = value * p.scale;
    if p.apart != 0u {
        v = rounded(v);
    }
    v = fma(vec4(bias[b.x], bias[b.y], bias[b.z], bias[b.w]), vec4(p.bias_scale), v);
    let first = away + (batch * p.rows + row) * p.columns;
    let at = first + near;
    if QUADS && p.columns % 4u == 0u {
        if p.has_residual != 0u {
            v = rounded(v) + residual_quads[at.x >> 2u];
        }
        output_quads[at.x >> 2u] = epilogue(v);
        return;
    }
    if p.has_residual != 0u {
        v = rounded(v) + vec4(residual[at.x], residual[at.y], residual[at.z], residual[at.w]);
    }
    v = epilogue(v);
    for (var i = 0u; i < 4u; i++) {
        if columns[i] < p.columns {
            output[first + columns[i]] = v[i];
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let side = 4u * WIDTH;
    var tile = workgroup.x;
    let row_tiles = (p.rows + side - 1u) / side;
    let row = tile % row_tiles * side;
    tile /= row_tiles;
    let column_tiles = (p.columns + side - 1u) / side;
    let column = tile % column_tiles * side;
    let batch = tile / column_tiles;
    if batch >= p.batches {
        return;
    }
    var left_at = p.left_offset;
    var right_at = p.right_offset;
    var rest = batch;
    for (var axis = 0u; axis < 8u; axis++) {
        let size = p.batch[axis / 4u][axis % 4u];
        left_at += rest % size * p.left_batch[axis / 4u][axis % 4u];
        right_at += rest % size * p.right_batch[axis / 4u][axis % 4u];
        rest /= size;
    }

    // What this invocation loads of a step of the depth: four depths of a vector of rows, and of one of columns.
    let groups = 64u / WIDTH;
    let am = select(local / groups, local % WIDTH, LEFT_ROWS);
    let ak = select(local % groups, local / WIDTH, LEFT_ROWS);
    let bn = select(local % WIDTH, local / groups, RIGHT_ROWS);
    let bk = select(local / WIDTH, local % groups, RIGHT_ROWS);
    let r = min(vec4(row + am) + vec4(0u, 1u, 2u, 3u) * WIDTH, vec4(all_rows() - 1u));
    let a_at = left_at + vec4(row_start(r.x), row_start(r.y), row_start(r.z), row_start(r.w));
    var b_at = right_at + min(columns_of(column, bn), vec4(p.columns - 1u)) * p.right_column;
    if QUADS {
        let four = min(column / 4u + bn, (p.columns - 1u) / 4u);
        b_at = vec4(right_at + four / 8u * p.right_tile + four % 8u * 4u);
    }
    let last = p.depth - 1u;

    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    let m = local / 8u;
    let n = local % 8u;
    for (var start = 0u; start < p.depth; start += 4u * groups) {
        if QUADS {
            let at = (a_at + min(start + 4u * ak, last)) / 4u;
            let a = transpose(mat4x4<f32>(left_quads[at.x], left_quads[at.y], left_quads[at.z], left_quads[at.w]));
            let place = place_in_tile(4u * ak, am, WIDTH);
            tile_a[place] = a[0];
            tile_a[place + WIDTH] = a[1];
            tile_a[place + 2u * WIDTH] = a[2];
            tile_a[place + 3u * WIDTH] = a[3];
        }
        for (var i = 0u; i < 4u; i++) {
            if !QUADS {
                let k = i * groups + ak;
                let at = a_at + min(start + k, last) * p.left_column;
                let a = vec4(left[at.x], left[at.y], left[at.z], left[at.w]);
                tile_a[place_in_tile(k, am, WIDTH)] = select(vec4(0.0), a, start + k <= last);
            }
            let k = i * groups + bk;
            let at = b_at + min(start + k, last) * p.right_row;
            if QUADS {
                tile_b[place_in_tile(k, bn, WIDTH)] = weights_of(right_quads[at.x / 4u], p.factor);
            } else {
                let b = vec4(
                    weight_of(right[at.x >> WEIGHT_SHIFT], at.x, p.factor),
                    weight_of(right[at.y >> WEIGHT_SHIFT], at.y, p.factor),
                    weight_of(right[at.z >> WEIGHT_SHIFT], at.z, p.factor),
                    weight_of(right[at.w >> WEIGHT_SHIFT], at.w, p.factor),
                );
                tile_b[place_in_tile(k, bn, WIDTH)] = select(vec4(0.0), b, start + k <= last);
            }
        }
        workgroupBarrier();
        let end = min(groups, (p.depth - start + 3u) / 4u);
        for (var group = 0u; group < end; group++) {
            for (var i = 0u; i < 4u; i++) {
                let at = place_in_tile(4u * group + i, 0u, WIDTH);
                let a = tile_a[at + m];
                let b = tile_b[at + n];
                c00 = outer(c00, a, b);
                if WIDTH == 16u {
                    let far_a = tile_a[at + m + 8u];
                    let far_b = tile_b[at + n + 8u];
                    c01 = outer(c01, a, far_b);
                    c10 = outer(c10, far_a, b);
                    c11 = outer(c11, far_a, far_b);
                }
            }
        }
        workgroupBarrier();
    }

    // A copy: an index that is not constant would keep the sums in memory from the start.
    var sums = array<mat4x4<f32>, 4>(c00, c01, c10, c11);
    for (var i = 0u; i < WIDTH * WIDTH / 16u; i++) {
        let quarter = i / 4u;
        let place = row + m + quarter / 2u * 8u + i % 4u * WIDTH;
        put(p, batch, place, columns_of(column, n + quarter % 2u * 8u), sums[quarter][i % 4u]);
    }
}
