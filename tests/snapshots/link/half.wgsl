enable f16;

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> weights_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn half_0_(group: u32, local_1: u32, record_0_1: vec4<u32>, record_2_1: vec4<u32>, record_1_1: vec4<u32>, record_3_1: vec4<u32>) {
    let _e4 = ((group * 64u) + local_1);
    let a_base = record_0_1.z;
    let fours_base = record_2_1.x;
    let threes_base = record_1_1.x;
    let twos_base = record_2_1.z;
    let pairs_base = record_1_1.z;
    if (_e4 >= record_3_1.x) {
        return;
    }
    let _e21 = (_e4 >> 1u);
    let _e28 = weights_1_[(a_base + (_e21 >> 2u))][(_e21 & 3u)];
    let _e40 = (_e4 * 2u);
    let _e41 = (_e4 * 2u);
    let _e47 = weights_1_[(threes_base + (_e41 >> 2u))][(_e41 & 3u)];
    let _e50 = (_e41 + 1u);
    let _e56 = weights_1_[(threes_base + (_e50 >> 2u))][(_e50 & 3u)];
    let _e62 = (_e4 * 2u);
    let _e69 = heap_0_[(fours_base + (_e62 >> 2u))][(_e62 & 3u)];
    let _e72 = (_e62 + 1u);
    let _e78 = heap_0_[(fours_base + (_e72 >> 2u))][(_e72 & 3u)];
    let _e82 = (vec4<f16>(vec3<f16>(vec2<f16>(unpack2x16float(_e47)), vec2<f16>(unpack2x16float(_e56)).x), (vec2<f16>(unpack2x16float((_e28 >> ((_e4 & 1u) * 16u)))).x * f16(bitcast<f32>(record_3_1.y)))) + vec4<f16>(vec2<f16>(unpack2x16float(_e69)), vec2<f16>(unpack2x16float(_e78))));
    heap_0_[(fours_base + (_e40 >> 2u))][(_e40 & 3u)] = pack2x16float(vec2<f32>(f32(_e82.x), f32(_e82.y)));
    let _e100 = (_e40 + 1u);
    heap_0_[(fours_base + (_e100 >> 2u))][(_e100 & 3u)] = pack2x16float(vec2<f32>(f32(_e82.z), f32(_e82.w)));
    let _e106 = (_e4 * 2u);
    let _e112 = weights_1_[(pairs_base + (_e106 >> 2u))][(_e106 & 3u)];
    let _e116 = (_e4 & 1u);
    let _e119 = (((_e4 * 2u) + (_e116 >> 1u)) + 1u);
    let _e125 = weights_1_[(pairs_base + (_e119 >> 2u))][(_e119 & 3u)];
    let _e132 = (_e4 ^ 1u);
    let _e133 = (_e132 >> 1u);
    let _e139 = weights_1_[(a_base + (_e133 >> 2u))][(_e133 & 3u)];
    let _e147 = (vec2<f16>(unpack2x16float(_e112)) * vec2<f16>(vec2<f16>(unpack2x16float((_e125 >> ((_e116 & 1u) * 16u)))).x, vec2<f16>(unpack2x16float((_e139 >> ((_e132 & 1u) * 16u)))).x));
    heap_0_[(twos_base + (_e4 >> 2u))][(_e4 & 3u)] = pack2x16float(vec2<f32>(f32(_e147.x), f32(_e147.y)));
    return;
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var lane: u32 = 1u;
    var record_0_: vec4<u32>;
    var record_1_: vec4<u32>;
    var record_2_: vec4<u32>;
    var record_3_: vec4<u32>;
    var low: u32;
    var high: u32;
    var found: u32;

    let linear = ((workgroup_.y * workgroups.x) + workgroup_.x);
    let _e11 = lanes[0u];
    if (linear >= _e11.y) {
        return;
    }
    let _e19 = lanes[1u];
    record_0_ = _e19;
    let _e23 = lanes[2u];
    record_1_ = _e23;
    let _e27 = lanes[3u];
    record_2_ = _e27;
    let _e31 = lanes[4u];
    record_3_ = _e31;
    if (_e11.x > 1u) {
        if (_e11.w == 0u) {
            let _e45 = lanes[(_e11.z + (linear >> 2u))][(linear & 3u)];
            found = _e45;
        } else {
            low = 0u;
            high = _e11.x;
            loop {
                let _e47 = low;
                let _e48 = high;
                if ((_e47 + 1u) >= _e48) {
                    break;
                }
                let middle = ((_e47 + _e48) >> 1u);
                let _e59 = lanes[(_e11.z + (middle >> 2u))][(middle & 3u)];
                if (_e59 > linear) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let _e61 = low;
            found = ((_e61 * _e11.w) + 1u);
        }
        let _e64 = found;
        lane = _e64;
        let _e66 = lanes[_e64];
        record_0_ = _e66;
        let _e69 = lanes[(_e64 + 1u)];
        record_1_ = _e69;
        let _e72 = lanes[(_e64 + 2u)];
        record_2_ = _e72;
        let _e75 = lanes[(_e64 + 3u)];
        record_3_ = _e75;
    }
    let _e76 = record_0_;
    let _e77 = record_1_;
    let _e78 = record_2_;
    let _e79 = record_3_;
    let group_1 = (linear + _e76.y);
    half_0_(group_1, local, _e76, _e78, _e77, _e79);
}
