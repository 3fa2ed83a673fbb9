// DynamicQuantizeLinear behind value_range: u8 with scale and zero point by which 0 is exact and the range is that of the tensor.
// 16 elements for each invocation. With INVOCATIONS 64 those of a workgroup join the ranges of up to 64 parts, with 1 each does by itself.

struct Params {
    items: u32,
    vectors: u32,
    parts: u32,
    // A zero that no compiler knows.
    zero: u32,
    // Bits of 255.0, of the largest number that is rounded, and of +infinity.
    levels: u32,
    far: u32,
    infinity: u32,
}

override INVOCATIONS: u32 = 1u;

@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> parts: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> scales: array<u32>;
@group(0) @binding(4) var<storage, read_write> zeros: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> ranges: array<vec2<u32>, 64>;

fn quantised(x: vec4<u32>, scale: vec4<u32>, offset: vec4<u32>) -> u32 {
    let zero = vec4(params.zero);
    let far = vec4(params.far);
    var v = round_f(div_f(x, scale) ^ zero);
    v = min_f(max_f(v, neg_f(far)), far);
    return store_u8(min_i(max_i(add_i(float_to_int_w(v), offset), vec4(0u)), vec4(255u)));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var range = vec2(p.infinity, p.infinity | 0x80000000u);
    if INVOCATIONS > 1u {
        if local < p.parts {
            range = parts[local];
        }
        ranges[local] = range;
        for (var step = 32u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if local < step {
                ranges[local] = join_ranges(ranges[local], ranges[local + step]);
            }
        }
        workgroupBarrier();
        range = ranges[0];
    } else {
        for (var k = 0u; k < p.parts; k++) {
            range = join_ranges(range, parts[k]);
        }
    }
    let zero = vec4(p.zero);
    let levels = vec4(p.levels);
    let low = min_f(vec4(range.x), vec4(0u));
    let high = max_f(vec4(range.y), vec4(0u));
    let step = div_f(sub_f(high, low) ^ zero, levels);
    let scale = select_w(eq_f(step, vec4(0u)), vec4(0x3f800000u), step) ^ zero;
    let shift = sub_f(vec4(0u), div_f(low, scale) ^ zero) ^ zero;
    let offset = float_to_int_w(round_f(min_f(max_f(shift, vec4(0u)), levels)));
    let item = workgroup.x * 64u + local;
    if item == 0u {
        scales[0] = scale.x;
        zeros[0] = offset.x;
    }
    if item >= p.items {
        return;
    }
    let v = min(item * 4u + vec4(0u, 1u, 2u, 3u), vec4(p.vectors - 1u));
    result[item] = vec4(
        quantised(source[v.x], scale, offset),
        quantised(source[v.y], scale, offset),
        quantised(source[v.z], scale, offset),
        quantised(source[v.w], scale, offset),
    );
}
