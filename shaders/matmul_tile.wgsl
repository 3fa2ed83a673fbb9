// Matrix product from workgroup memory, any strides: 32 x 32 outputs for each workgroup, 4 x 4 for each invocation.

struct Params {
    alpha: f32,
    beta: f32,
    // Factors of the product and of the bias.
    scale: f32,
    bias_scale: f32,
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
    // Batch dimensions from the innermost outwards.
    batch: array<vec4<u32>, 2>,
    left_batch: array<vec4<u32>, 2>,
    right_batch: array<vec4<u32>, 2>,
    // With GATHER: the number of requests, then how far the tensors of each further one lie from the first's, in vec4.
    gather: array<vec4<u32>, 2>,
}

// 0 none, 1 relu, 2 clip, 3 leaky_relu, 4 sigmoid, 5 tanh, 6 hard_swish, 7 hard_sigmoid, 8 silu, 9 gelu, 10 gelu_tanh
override ACTIVATION: u32 = 0u;
override RESIDUAL: bool = false;
// Whether neighbouring invocations load along the rows of the left matrix, and along the columns of the right one.
override LEFT_ROWS: bool = false;
override RIGHT_ROWS: bool = false;
// Whether the rows of several requests are computed, all in one tile.
override GATHER: bool = false;

@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

// By depth, then row or column.
var<workgroup> tile_a: array<f32, 512>;
var<workgroup> tile_b: array<f32, 512>;

fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(-x));
}

fn safe_tanh(x: vec4<f32>) -> vec4<f32> {
    return tanh(clamp(x, vec4(-15.0), vec4(15.0)));
}

// Abramowitz and Stegun 7.1.26.
fn erf(x: vec4<f32>) -> vec4<f32> {
    let t = 1.0 / fma(abs(x), vec4(0.3275911), vec4(1.0));
    var p = fma(t, vec4(1.061405429), vec4(-1.453152027));
    p = fma(p, t, vec4(1.421413741));
    p = fma(p, t, vec4(-0.284496736));
    p = fma(p, t, vec4(0.254829592));
    return sign(x) * (1.0 - p * t * exp(-x * x));
}

fn activate(x: vec4<f32>, parameters: vec2<f32>) -> vec4<f32> {
    let alpha = vec4(parameters.x);
    let beta = vec4(parameters.y);
    switch ACTIVATION {
        case 1u: { return max(x, vec4(0.0)); }
        case 2u: { return min(max(x, alpha), beta); }
        case 3u: { return select(x, alpha * x, x < vec4(0.0)); }
        case 4u: { return sigmoid(x); }
        case 5u: { return safe_tanh(x); }
        case 6u: { return x * clamp(fma(x, vec4(1.0 / 6.0), vec4(0.5)), vec4(0.0), vec4(1.0)); }
        case 7u: { return clamp(fma(x, alpha, beta), vec4(0.0), vec4(1.0)); }
        case 8u: { return x * sigmoid(x); }
        case 9u: { return 0.5 * x * (1.0 + erf(x * 0.70710678)); }
        case 10u: { return 0.5 * x * (1.0 + safe_tanh(0.7978845608 * fma(0.044715 * x * x, x, x))); }
        default: { return x; }
    }
}

fn outer(acc: mat4x4<f32>, w: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        fma(vec4(w.x), b, acc[0]),
        fma(vec4(w.y), b, acc[1]),
        fma(vec4(w.z), b, acc[2]),
        fma(vec4(w.w), b, acc[3]),
    );
}

// Rows of all requests.
fn all_rows() -> u32 {
    if GATHER {
        return params.rows * params.gather[0].x;
    }
    return params.rows;
}

// How far a request's tensors lie from the first's, in elements.
fn distance(request: u32) -> u32 {
    return 4u * select(params.gather[request >> 2u][request & 3u], 0u, request == 0u);
}

// Where a row on the left starts; rows of one request after those of the other.
fn row_start(row: u32) -> u32 {
    if GATHER {
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
    if GATHER {
        row = place % p.rows;
        away = distance(place / p.rows);
    }
    let columns = min(column + vec4(0u, 1u, 2u, 3u), vec4(p.columns - 1u));
    let b = row * p.bias_row + columns * p.bias_column;
    var v = fma(vec4(bias[b.x], bias[b.y], bias[b.z], bias[b.w]), vec4(p.bias_scale), value * p.scale);
    let first = away + (batch * p.rows + row) * p.columns;
    let at = first + columns;
    if RESIDUAL {
        v += vec4(residual[at.x], residual[at.y], residual[at.z], residual[at.w]);
    }
    v = activate(v, vec2(p.alpha, p.beta));
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
        for (var i = 0u; i < 8u; i++) {
            let e = local + i * 64u;
            let am = select(e / 16u, e % 32u, LEFT_ROWS);
            let ak = select(e % 16u, e / 32u, LEFT_ROWS);
            let bn = select(e % 32u, e / 16u, RIGHT_ROWS);
            let bk = select(e / 32u, e % 16u, RIGHT_ROWS);
            let last = p.depth - 1u;
            let a = left[left_at + row_start(min(row + am, rows - 1u)) + min(start + ak, last) * p.left_column];
            let b = right[right_at + min(start + bk, last) * p.right_row
                + min(column + bn, p.columns - 1u) * p.right_column];
            tile_a[ak * 32u + am] = select(0.0, a, start + ak <= last);
            tile_b[bk * 32u + bn] = select(0.0, b, start + bk <= last);
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k++) {
            let a = k * 32u + m * 4u;
            let b = k * 32u + n * 4u;
            acc = outer(
                acc,
                vec4(tile_a[a], tile_a[a + 1u], tile_a[a + 2u], tile_a[a + 3u]),
                vec4(tile_b[b], tile_b[b + 1u], tile_b[b + 2u], tile_b[b + 3u]),
            );
        }
        workgroupBarrier();
    }

    for (var i = 0u; i < 4u; i++) {
        put(p, batch, row + m * 4u + i, column + n * 4u, acc[i]);
    }
}
