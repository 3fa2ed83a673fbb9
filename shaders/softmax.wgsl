// Softmax or LogSoftmax along one dimension of a row-major tensor seen as outer x len x inner.
// With INVOCATIONS 1 an invocation makes one row; with INVOCATIONS 64 a workgroup does.

override LOG: bool = false;
override INVOCATIONS: u32 = 1u;
// What results are rounded to: f16 (1), bf16 (2) or not at all.
override ROUNDING: u32 = 0u;

struct Params {
    rows: u32,
    len: u32,
    inner: u32,
    pad: u32,
}

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

// Of the tiles' type, so that merged pipelines need no memory beside theirs.
var<workgroup> part: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let linear = workgroup.x;
    // Not by select: with a workgroup to a row, its barriers want a branch that is the same for all.
    var row = linear * 64u + local;
    if INVOCATIONS > 1u {
        row = linear;
    }
    if row >= params.rows {
        return;
    }
    let invocation = select(0u, local, INVOCATIONS > 1u);
    let base = row / params.inner * params.len * params.inner + row % params.inner;
    var top = lowest();
    for (var k = invocation; k < params.len; k += INVOCATIONS) {
        top = max(top, source[base + k * params.inner]);
    }
    if INVOCATIONS > 1u {
        part[local].x = top;
        for (var step = 32u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if local < step {
                part[local].x = max(part[local].x, part[local + step].x);
            }
        }
        workgroupBarrier();
        top = part[0].x;
    }
    var sum = 0.0;
    for (var k = invocation; k < params.len; k += INVOCATIONS) {
        let at = base + k * params.inner;
        let e = scalar_exp(source[at] - top);
        if !LOG {
            result[at] = e;
        }
        sum += e;
    }
    if INVOCATIONS > 1u {
        workgroupBarrier();
        part[local].x = sum;
        for (var step = 32u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if local < step {
                part[local].x += part[local + step].x;
            }
        }
        workgroupBarrier();
        sum = part[0].x;
    }
    if LOG {
        let log_sum = scalar_log(sum);
        for (var k = invocation; k < params.len; k += INVOCATIONS) {
            let at = base + k * params.inner;
            result[at] = rounded_to(vec4(source[at] - top - log_sum), ROUNDING).x;
        }
    } else {
        for (var k = invocation; k < params.len; k += INVOCATIONS) {
            let at = base + k * params.inner;
            result[at] = rounded_to(vec4(result[at] / sum), ROUNDING).x;
        }
    }
}
