enable f16;

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn half_0_(lane: u32, group: u32, local_1: u32) {
    let _e7 = ((group * 64u) + local_1);
    let _e11 = lanes[(lane + 5u)];
    let _e15 = lanes[(lane + 2u)];
    let a_base = _e15.x;
    let _e20 = lanes[(lane + 3u)];
    let fours_base = _e20.z;
    let threes_base = _e15.z;
    let _e26 = lanes[(lane + 4u)];
    let twos_base = _e26.x;
    let pairs_base = _e20.x;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e33 = (_e7 >> 1u);
    let _e40 = slab_1_[(a_base + (_e33 >> 2u))][(_e33 & 3u)];
    let _e52 = (_e7 * 2u);
    let _e53 = (_e7 * 2u);
    let _e59 = slab_1_[(threes_base + (_e53 >> 2u))][(_e53 & 3u)];
    let _e62 = (_e53 + 1u);
    let _e68 = slab_1_[(threes_base + (_e62 >> 2u))][(_e62 & 3u)];
    let _e74 = (_e7 * 2u);
    let _e81 = heap_0_[(fours_base + (_e74 >> 2u))][(_e74 & 3u)];
    let _e84 = (_e74 + 1u);
    let _e90 = heap_0_[(fours_base + (_e84 >> 2u))][(_e84 & 3u)];
    let _e94 = (vec4<f16>(vec3<f16>(vec2<f16>(unpack2x16float(_e59)), vec2<f16>(unpack2x16float(_e68)).x), (vec2<f16>(unpack2x16float((_e40 >> ((_e7 & 1u) * 16u)))).x * f16(bitcast<f32>(_e11.y)))) + vec4<f16>(vec2<f16>(unpack2x16float(_e81)), vec2<f16>(unpack2x16float(_e90))));
    heap_0_[(fours_base + (_e52 >> 2u))][(_e52 & 3u)] = pack2x16float(vec2<f32>(f32(_e94.x), f32(_e94.y)));
    let _e112 = (_e52 + 1u);
    heap_0_[(fours_base + (_e112 >> 2u))][(_e112 & 3u)] = pack2x16float(vec2<f32>(f32(_e94.z), f32(_e94.w)));
    let _e118 = (_e7 * 2u);
    let _e124 = slab_1_[(pairs_base + (_e118 >> 2u))][(_e118 & 3u)];
    let _e128 = (_e7 & 1u);
    let _e131 = (((_e7 * 2u) + (_e128 >> 1u)) + 1u);
    let _e137 = slab_1_[(pairs_base + (_e131 >> 2u))][(_e131 & 3u)];
    let _e144 = (_e7 ^ 1u);
    let _e145 = (_e144 >> 1u);
    let _e151 = slab_1_[(a_base + (_e145 >> 2u))][(_e145 & 3u)];
    let _e159 = (vec2<f16>(unpack2x16float(_e124)) * vec2<f16>(vec2<f16>(unpack2x16float((_e137 >> ((_e128 & 1u) * 16u)))).x, vec2<f16>(unpack2x16float((_e151 >> ((_e144 & 1u) * 16u)))).x));
    heap_0_[(twos_base + (_e7 >> 2u))][(_e7 & 3u)] = pack2x16float(vec2<f32>(f32(_e159.x), f32(_e159.y)));
    return;
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var low: u32 = 0u;
    var high: u32;

    let linear = ((workgroup_.y * workgroups.x) + workgroup_.x);
    let _e11 = lanes[0u];
    if (linear >= _e11.y) {
        return;
    }
    high = _e11.x;
    loop {
        let _e18 = low;
        let _e19 = high;
        if ((_e18 + 1u) >= _e19) {
            break;
        }
        let middle = ((_e18 + _e19) >> 1u);
        let _e32 = lanes[((middle >> 2u) + 1u)][(middle & 3u)];
        if (_e32 > linear) {
            high = middle;
        } else {
            low = middle;
        }
    }
    let _e34 = low;
    let _e40 = lanes[((_e34 >> 2u) + 1u)][(_e34 & 3u)];
    let lane_1 = ((_e11.z >> 2u) + (_e34 * (_e11.w >> 2u)));
    let _e48 = lanes[lane_1];
    let group_1 = ((linear - _e40) + _e48.y);
    half_0_(lane_1, group_1, local);
}
