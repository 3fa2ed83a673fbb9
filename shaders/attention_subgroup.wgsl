// Attention on CPU adapters whose subgroups have 8 invocations. A subgroup makes 8 rows of 32 columns: for 8 keys at a time, a
// invocation first scores one key, then adds to 4 columns; queries and weights reach the other invocations by broadcast.

// What scores, weights and results are rounded to, as those of operators of their own: f16 (1), bf16 (2) or not at all.
override ROUNDING: u32 = 0u;

struct Params {
    scale: f32,
    // Sizes: subgroups' worth of work, query rows, keys; of a key and of a row of columns in vec4.
    groups: u32,
    rows: u32,
    keys: u32,
    depth: u32,
    columns: u32,
    // Distances in vec4.
    q_offset: u32,
    q_row: u32,
    k_offset: u32,
    k_key: u32,
    v_offset: u32,
    v_key: u32,
    // In elements.
    mask_offset: u32,
    mask_row: u32,
    mask_key: u32,
    // In vec4.
    output_row: u32,
    has_mask: u32,
    // Whether rows of NaN are 0.
    nan_to_zero: u32,
    // Whether rows whose mask is -inf throughout are 0.
    masked_to_zero: u32,
    // Batch dimensions from the innermost outwards.
    batch: vec4<u32>,
    q_batch: vec4<u32>,
    k_batch: vec4<u32>,
    v_batch: vec4<u32>,
    mask_batch: vec4<u32>,
    output_batch: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> k: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;

fn exp_of(x: vec4<f32>) -> vec4<f32> {
    let y = exp(max(x, vec4(-104.0)));
    let is_nan = (bitcast<vec4<u32>>(x) & vec4(0x7fffffffu)) > vec4(0x7f800000u);
    return select(select(y, vec4(0.0), x < vec4(-103.0)), x, is_nan);
}

fn dot_four(a: vec4<u32>, b: vec4<u32>) -> u32 {
    let c = a * b;
    return c.x + c.y + c.z + c.w;
}

// Of four rows and a key.
fn masks_at(at: vec4<u32>) -> vec4<f32> {
    return vec4(mask[at.x], mask[at.y], mask[at.z], mask[at.w]);
}

// Products as scores, each step rounded.
fn scored(product: vec4<f32>, mask_at: vec4<u32>) -> vec4<f32> {
    var s = rounded_to(product, ROUNDING);
    if params.scale != 1.0 {
        s = rounded_to(s * params.scale, ROUNDING);
    }
    if params.has_mask != 0u {
        s = rounded_to(s + masks_at(mask_at), ROUNDING);
    }
    return s;
}

// By row: whether the mask is not -inf.
fn shown_of(seen: vec4<f32>, mask_at: vec4<u32>) -> vec4<f32> {
    return select(seen, vec4(1.0), bitcast<vec4<u32>>(masks_at(mask_at)) != vec4(0xff800000u));
}

struct Products {
    near: vec4<f32>,
    far: vec4<f32>,
}

// Of this invocation's key and the eight rows.
fn products(q_base: u32, k_at: u32) -> Products {
    var s0 = vec4(0.0);
    var s1 = vec4(0.0);
    for (var d = 0u; d < params.depth; d++) {
        let b = k[k_at + d];
        let a = q[q_base + d];
        s0 = fma(near(a.x), vec4(b.x), s0);
        s1 = fma(far(a.x), vec4(b.x), s1);
        s0 = fma(near(a.y), vec4(b.y), s0);
        s1 = fma(far(a.y), vec4(b.y), s1);
        s0 = fma(near(a.z), vec4(b.z), s0);
        s1 = fma(far(a.z), vec4(b.z), s1);
        s0 = fma(near(a.w), vec4(b.w), s0);
        s1 = fma(far(a.w), vec4(b.w), s1);
    }
    return Products(s0, s1);
}

fn near(x: f32) -> vec4<f32> {
    return vec4(subgroupBroadcast(x, 0u), subgroupBroadcast(x, 1u), subgroupBroadcast(x, 2u), subgroupBroadcast(x, 3u));
}

fn far(x: f32) -> vec4<f32> {
    return vec4(subgroupBroadcast(x, 4u), subgroupBroadcast(x, 5u), subgroupBroadcast(x, 6u), subgroupBroadcast(x, 7u));
}

fn shrunk(acc: mat4x4<f32>, w: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(acc[0] * w.x, acc[1] * w.y, acc[2] * w.z, acc[3] * w.w);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let invocation = local & 7u;
    let linear = workgroup.x * 8u + (local >> 3u);
    if linear >= p.groups {
        return;
    }
    let row_blocks = (p.rows + 7u) / 8u;
    let column_blocks = (p.columns + 7u) / 8u;
    let row = linear % row_blocks * 8u;
    let column = linear / row_blocks % column_blocks * 8u + invocation;
    let batch = linear / row_blocks / column_blocks;
    let index = vec4(
        batch % p.batch.x,
        batch / p.batch.x % p.batch.y,
        batch / (p.batch.x * p.batch.y) % p.batch.z,
        batch / (p.batch.x * p.batch.y * p.batch.z),
    );
    let last = p.rows - 1u;
    let q_base = p.q_offset + dot_four(index, p.q_batch) + min(row + invocation, last) * p.q_row;
    let k_base = p.k_offset + dot_four(index, p.k_batch);
    let v_base = p.v_offset + dot_four(index, p.v_batch) + min(column, p.columns - 1u);
    let mask_base = p.mask_offset + dot_four(index, p.mask_batch);
    let mask_near = mask_base + min(vec4(row) + vec4(0u, 1u, 2u, 3u), vec4(last)) * p.mask_row;
    let mask_far = mask_base + min(vec4(row) + vec4(4u, 5u, 6u, 7u), vec4(last)) * p.mask_row;

    var top0 = vec4(lowest());
    var top1 = vec4(lowest());
    var sum0 = vec4(0.0);
    var sum1 = vec4(0.0);
    // By row: whether a mask of this invocation's keys is not -inf.
    var seen0 = vec4(0.0);
    var seen1 = vec4(0.0);
    var c0 = mat4x4<f32>();
    var c1 = mat4x4<f32>();
    for (var first = 0u; first < p.keys; first += 8u) {
        let exists = first + invocation < p.keys;
        let key = min(first + invocation, p.keys - 1u);
        let product = products(q_base, k_base + key * p.k_key);
        let mask_near_at = mask_near + key * p.mask_key;
        let mask_far_at = mask_far + key * p.mask_key;
        let s0 = scored(product.near, mask_near_at);
        let s1 = scored(product.far, mask_far_at);
        if p.has_mask != 0u {
            seen0 = shown_of(seen0, mask_near_at);
            seen1 = shown_of(seen1, mask_far_at);
        }
        // Invocations past the last key repeat it, which leaves the maximum as it is.
        let next0 = max(top0, subgroupMax(s0));
        let next1 = max(top1, subgroupMax(s1));
        let shrink0 = exp_of(top0 - next0);
        let shrink1 = exp_of(top1 - next1);
        top0 = next0;
        top1 = next1;
        let w0 = select(vec4(0.0), exp_of(s0 - top0), exists);
        let w1 = select(vec4(0.0), exp_of(s1 - top1), exists);
        sum0 = fma(sum0, shrink0, w0);
        sum1 = fma(sum1, shrink1, w1);
        if ROUNDING == 0u {
            c0 = shrunk(c0, shrink0);
            c1 = shrunk(c1, shrink1);
            for (var i = 0u; i < 8u && first + i < p.keys; i++) {
                let b = v[v_base + (first + i) * p.v_key];
                c0 = outer(c0, subgroupShuffle(w0, i), b);
                c1 = outer(c1, subgroupShuffle(w1, i), b);
            }
        }
    }
    let total0 = subgroupAdd(sum0);
    let total1 = subgroupAdd(sum1);
    if ROUNDING != 0u {
        // Quotients are rounded: the sums must be there.
        for (var first = 0u; first < p.keys; first += 8u) {
            let key = min(first + invocation, p.keys - 1u);
            let product = products(q_base, k_base + key * p.k_key);
            let s0 = scored(product.near, mask_near + key * p.mask_key);
            let s1 = scored(product.far, mask_far + key * p.mask_key);
            let w0 = rounded_to(exp_of(s0 - top0) / total0, ROUNDING);
            let w1 = rounded_to(exp_of(s1 - top1) / total1, ROUNDING);
            for (var i = 0u; i < 8u && first + i < p.keys; i++) {
                let b = v[v_base + (first + i) * p.v_key];
                c0 = outer(c0, subgroupShuffle(w0, i), b);
                c1 = outer(c1, subgroupShuffle(w1, i), b);
            }
        }
    }
    let shown0 = subgroupMax(seen0);
    let shown1 = subgroupMax(seen1);

    if column < p.columns {
        var fours = array<mat4x4<f32>, 2>(c0, c1);
        var totals = array<vec4<f32>, 2>(total0, total1);
        var shown = array<vec4<f32>, 2>(shown0, shown1);
        let at = dot_four(index, p.output_batch) + column;
        for (var i = 0u; i < 8u && row + i < p.rows; i++) {
            let total = totals[i >> 2u][i & 3u];
            var result = fours[i >> 2u][i & 3u];
            if ROUNDING == 0u {
                result /= total;
            } else {
                result = rounded_to(result, ROUNDING);
            }
            if p.nan_to_zero != 0u && (total == 0.0 || (bitcast<u32>(total) & 0x7fffffffu) > 0x7f800000u) {
                result = vec4(0.0);
            }
            if p.masked_to_zero != 0u && shown[i >> 2u][i & 3u] == 0.0 {
                result = vec4(0.0);
            }
            output[at + (row + i) * p.output_row] = result;
        }
    }
}
