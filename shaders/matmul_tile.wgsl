// Matrix product from workgroup memory, any strides: 32 x 32 outputs for each workgroup, 4 x 4 for each invocation.

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

// Whether neighbouring invocations load along the rows of the left matrix, and along the columns of the right one.
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

// Four rows or columns each, at `place_in_tile`.
var<workgroup> tile_a: array<vec4<f32>, 128>;
var<workgroup> tile_b: array<vec4<f32>, 128>;

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

fn put(p: Params, batch: u32, place: u32, column: u32, value: vec4<f32>) {
    if place >= all_rows() || column >= p.columns {
        return;
    }
    var row = place;
    var away = 0u;
    if COALESCE {
        row = place % p.rows;
        away = distance(place / p.rows);
    }
    let columns = min(column + vec4(0u, 1u, 2u, 3u), vec4(p.columns - 1u));
    let b = row * p.bias_row + columns * p.bias_column;
    var v = value * p.scale;
    if p.apart != 0u {
        v = rounded(v);
    }
    v = fma(vec4(bias[b.x], bias[b.y], bias[b.z], bias[b.w]), vec4(p.bias_scale), v);
    let first = away + (batch * p.rows + row) * p.columns;
    let at = first + columns;
    if p.has_residual != 0u {
        v = rounded(v) + vec4(residual[at.x], residual[at.y], residual[at.z], residual[at.w]);
    }
    v = epilogue(v);
    for (var i = 0u; i < min(4u, p.columns - column); i++) {
        output[first + column + i] = v[i];
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var tile = workgroup.x;
    let row_tiles = (p.rows + 31u) / 32u;
    let row = tile % row_tiles * 32u;
    tile /= row_tiles;
    let column_tiles = (p.columns + 31u) / 32u;
    let column = tile % column_tiles * 32u;
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

    var acc = mat4x4<f32>();
    let rows = all_rows();
    let m = local / 8u;
    let n = local % 8u;
    for (var start = 0u; start < p.depth; start += 16u) {
        for (var i = 0u; i < 2u; i++) {
            let e = local + i * 64u;
            let am = select(e / 16u, e % 8u, LEFT_ROWS);
            let ak = select(e % 16u, e / 8u, LEFT_ROWS);
            let bn = select(e % 8u, e / 16u, RIGHT_ROWS);
            let bk = select(e / 8u, e % 16u, RIGHT_ROWS);
            let last = p.depth - 1u;
            let left_k = left_at + min(start + ak, last) * p.left_column;
            let r = min(vec4(row + am * 4u) + vec4(0u, 1u, 2u, 3u), vec4(rows - 1u));
            let a = vec4(
                left[left_k + row_start(r.x)],
                left[left_k + row_start(r.y)],
                left[left_k + row_start(r.z)],
                left[left_k + row_start(r.w)],
            );
            let c = min(vec4(column + bn * 4u) + vec4(0u, 1u, 2u, 3u), vec4(p.columns - 1u));
            let at = vec4(right_at + min(start + bk, last) * p.right_row) + c * p.right_column;
            let b = vec4(
                weight_of(right[at.x >> WEIGHT_SHIFT], at.x, p.factor),
                weight_of(right[at.y >> WEIGHT_SHIFT], at.y, p.factor),
                weight_of(right[at.z >> WEIGHT_SHIFT], at.z, p.factor),
                weight_of(right[at.w >> WEIGHT_SHIFT], at.w, p.factor),
            );
            tile_a[place_in_tile(ak, am)] = select(vec4(0.0), a, start + ak <= last);
            tile_b[place_in_tile(bk, bn)] = select(vec4(0.0), b, start + bk <= last);
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k++) {
            acc = outer(acc, tile_a[place_in_tile(k, m)], tile_b[place_in_tile(k, n)]);
        }
        workgroupBarrier();
    }

    for (var i = 0u; i < 4u; i++) {
        put(p, batch, row + m * 4u + i, column + n * 4u, acc[i]);
    }
}
