// Layer normalisation of rows of a row-major tensor, with scale and, if wanted, bias, mean and inverse deviation; or, not centred,
// normalisation by the root of the mean square.
// With INVOCATIONS 1 an invocation makes one row; with INVOCATIONS 64 a workgroup does.

override BIAS: bool = true;
override CENTRED: bool = true;
// Whether mean and inverse deviation are wanted too.
override STATISTICS: bool = false;
override INVOCATIONS: u32 = 1u;
// What results are rounded to: f16 (1), bf16 (2) or not at all.
override ROUNDING: u32 = 0u;

struct Params {
    rows: u32,
    len: u32,
    epsilon: f32,
    pad: u32,
}

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<storage, read_write> means: array<f32>;
@group(0) @binding(5) var<storage, read_write> deviations: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

// Of the tiles' type, so that merged pipelines need no memory beside theirs.
var<workgroup> part: array<vec4<f32>, 64>;

fn join(local: u32, x: f32) -> f32 {
    if INVOCATIONS == 1u {
        return x;
    }
    workgroupBarrier();
    part[local].x = x;
    for (var step = 32u; step > 0u; step /= 2u) {
        workgroupBarrier();
        if local < step {
            part[local].x += part[local + step].x;
        }
    }
    workgroupBarrier();
    return part[0].x;
}

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
    let base = row * params.len;
    var sum = 0.0;
    var mean = 0.0;
    if CENTRED {
        for (var k = invocation; k < params.len; k += INVOCATIONS) {
            sum += source[base + k];
        }
        mean = join(local, sum) / f32(params.len);
        sum = 0.0;
    }
    for (var k = invocation; k < params.len; k += INVOCATIONS) {
        let d = source[base + k] - mean;
        sum = fma(d, d, sum);
    }
    let inverse = 1.0 / sqrt(join(local, sum) / f32(params.len) + params.epsilon);
    for (var k = invocation; k < params.len; k += INVOCATIONS) {
        var y = (source[base + k] - mean) * inverse * scale[k];
        if BIAS {
            y += bias[k];
        }
        result[base + k] = rounded_to(vec4(y), ROUNDING).x;
    }
    if STATISTICS && invocation == 0u {
        means[row] = mean;
        deviations[row] = inverse;
    }
}
