// The least and the largest element of each of some parts of a tensor; NaN counts as both. With INVOCATIONS 1 an invocation has a part,
// with 64 a workgroup.

struct Params {
    len: u32,
    vectors: u32,
    parts: u32,
    // Bits of +infinity (a constant would be an error in WGSL).
    infinity: u32,
}

override INVOCATIONS: u32 = 1u;

@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> result: array<vec2<u32>>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> ranges: array<vec2<u32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var part = workgroup.x * 64u + local;
    var invocation = 0u;
    if INVOCATIONS > 1u {
        part = workgroup.x;
        invocation = local;
    }
    if part >= p.parts {
        return;
    }
    var low = vec4(p.infinity);
    var high = low | vec4(0x80000000u);
    for (var v = part * INVOCATIONS + invocation; v < p.vectors; v += p.parts * INVOCATIONS) {
        var x = source[v];
        x = select(vec4(x.x), x, v * 4u + vec4(0u, 1u, 2u, 3u) < vec4(p.len));
        low = min_f(low, x);
        high = max_f(high, x);
    }
    low = min_f(low, low.zwxy);
    high = max_f(high, high.zwxy);
    var range = vec2(min_f(low, low.yxwz).x, max_f(high, high.yxwz).x);
    if INVOCATIONS > 1u {
        ranges[local] = range;
        for (var step = 32u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if local < step {
                ranges[local] = join_ranges(ranges[local], ranges[local + step]);
            }
        }
        range = ranges[0];
    }
    if invocation == 0u {
        result[part] = range;
    }
}
