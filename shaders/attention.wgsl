// softmax(q k^T * scale + mask) v with a softmax that runs along the keys. A workgroup makes 4 rows of 64 columns: for 64
// keys at a time, an invocation first scores one key, then adds to one column.

// What scores, weights and results are rounded to, as those of operators of their own: f16 (1), bf16 (2) or not at all.
override ROUNDING: u32 = 0u;

struct Params {
    scale: f32,
    // Sizes: workgroups, query rows, keys, elements of a key, columns.
    groups: u32,
    rows: u32,
    keys: u32,
    depth: u32,
    columns: u32,
    // Distances in elements.
    q_offset: u32,
    q_row: u32,
    q_depth: u32,
    k_offset: u32,
    k_key: u32,
    k_depth: u32,
    v_offset: u32,
    v_key: u32,
    v_column: u32,
    mask_offset: u32,
    mask_row: u32,
    mask_key: u32,
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

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

// For each key of the block the four rows' scores, later weights; and what is being joined.
var<workgroup> weights: array<vec4<f32>, 64>;
var<workgroup> part: array<vec4<f32>, 64>;

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

// The scores of four rows and a key, each step rounded.
fn scored(q_at: vec4<u32>, k_at: u32, mask_at: vec4<u32>) -> vec4<f32> {
    var product = vec4(0.0);
    for (var d = 0u; d < params.depth; d++) {
        let at = q_at + d * params.q_depth;
        product = fma(vec4(q[at.x], q[at.y], q[at.z], q[at.w]), vec4(k[k_at + d * params.k_depth]), product);
    }
    var score = rounded_to(product, ROUNDING);
    if params.scale != 1.0 {
        score = rounded_to(score * params.scale, ROUNDING);
    }
    if params.has_mask != 0u {
        score = rounded_to(score + masks_at(mask_at), ROUNDING);
    }
    return score;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let linear = workgroup.x;
    if linear >= p.groups {
        return;
    }
    let row_blocks = (p.rows + 3u) / 4u;
    let column_blocks = (p.columns + 63u) / 64u;
    let row = linear % row_blocks * 4u;
    let column = linear / row_blocks % column_blocks * 64u + local;
    let batch = linear / row_blocks / column_blocks;
    let index = vec4(
        batch % p.batch.x,
        batch / p.batch.x % p.batch.y,
        batch / (p.batch.x * p.batch.y) % p.batch.z,
        batch / (p.batch.x * p.batch.y * p.batch.z),
    );
    let rows = min(vec4(row) + vec4(0u, 1u, 2u, 3u), vec4(p.rows - 1u));
    let q_at = p.q_offset + dot_four(index, p.q_batch) + rows * p.q_row;
    let mask_at = p.mask_offset + dot_four(index, p.mask_batch) + rows * p.mask_row;
    let k_base = p.k_offset + dot_four(index, p.k_batch);
    let v_base = p.v_offset + dot_four(index, p.v_batch) + min(column, p.columns - 1u) * p.v_column;

    var top = vec4(lowest());
    var sum = vec4(0.0);
    var acc = vec4(0.0);
    // By row: whether a mask of this invocation's keys is not -inf.
    var seen = vec4(0.0);
    for (var first = 0u; first < p.keys; first += 64u) {
        let key = first + local;
        var score = vec4(lowest());
        if key < p.keys {
            let at = mask_at + key * p.mask_key;
            score = scored(q_at, k_base + key * p.k_key, at);
            if p.has_mask != 0u {
                seen = select(seen, vec4(1.0), bitcast<vec4<u32>>(masks_at(at)) != vec4(0xff800000u));
            }
        }
        workgroupBarrier();
        part[local] = score;
        for (var step = 32u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if local < step {
                part[local] = max(part[local], part[local + step]);
            }
        }
        workgroupBarrier();
        let next = max(top, part[0]);
        let shrink = exp_of(top - next);
        top = next;
        weights[local] = exp_of(score - top);
        workgroupBarrier();
        sum *= shrink;
        if ROUNDING == 0u {
            acc *= shrink;
        }
        for (var i = 0u; i < min(64u, p.keys - first); i++) {
            let w = weights[i];
            sum += w;
            if ROUNDING == 0u {
                acc = fma(w, vec4(v[v_base + (first + i) * p.v_key]), acc);
            }
        }
    }
    if ROUNDING != 0u {
        // Quotients are rounded: the sums must be there.
        for (var first = 0u; first < p.keys; first += 64u) {
            let key = first + local;
            workgroupBarrier();
            if key < p.keys {
                let score = scored(q_at, k_base + key * p.k_key, mask_at + key * p.mask_key);
                weights[local] = rounded_to(exp_of(score - top) / sum, ROUNDING);
            }
            workgroupBarrier();
            for (var i = 0u; i < min(64u, p.keys - first); i++) {
                acc = fma(weights[i], vec4(v[v_base + (first + i) * p.v_key]), acc);
            }
        }
    }

    if p.masked_to_zero != 0u {
        workgroupBarrier();
        part[local] = seen;
        for (var step = 32u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if local < step {
                part[local] = max(part[local], part[local + step]);
            }
        }
        workgroupBarrier();
    }
    if column < p.columns {
        var result = acc;
        if ROUNDING == 0u {
            result /= sum;
        } else {
            result = rounded_to(result, ROUNDING);
        }
        if p.nan_to_zero != 0u {
            let is_nan = (bitcast<vec4<u32>>(sum) & vec4(0x7fffffffu)) > vec4(0x7f800000u);
            result = select(result, vec4(0.0), is_nan | (sum == vec4(0.0)));
        }
        if p.masked_to_zero != 0u {
            result = select(result, vec4(0.0), part[0] == vec4(0.0));
        }
        let at = dot_four(index, p.output_batch) + column;
        for (var i = 0u; i < 4u && row + i < p.rows; i++) {
            output[at + (row + i) * p.output_row] = result[i];
        }
    }
}
