enable f16;

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn half_0_(lane: u32, group: u32, local_1: u32) {
    let _e7 = ((group * 64u) + local_1);
    let _e11 = lanes[(lane + 3u)];
    let _e13 = lanes[lane];
    let a_base = _e13.z;
    let _e18 = lanes[(lane + 2u)];
    let fours_base = _e18.x;
    let _e22 = lanes[(lane + 1u)];
    let threes_base = _e22.x;
    let twos_base = _e18.z;
    let pairs_base = _e22.z;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e30 = (_e7 >> 1u);
    let _e37 = slab_1_[(a_base + (_e30 >> 2u))][(_e30 & 3u)];
    let _e49 = (_e7 * 2u);
    let _e50 = (_e7 * 2u);
    let _e56 = slab_1_[(threes_base + (_e50 >> 2u))][(_e50 & 3u)];
    let _e59 = (_e50 + 1u);
    let _e65 = slab_1_[(threes_base + (_e59 >> 2u))][(_e59 & 3u)];
    let _e71 = (_e7 * 2u);
    let _e78 = heap_0_[(fours_base + (_e71 >> 2u))][(_e71 & 3u)];
    let _e81 = (_e71 + 1u);
    let _e87 = heap_0_[(fours_base + (_e81 >> 2u))][(_e81 & 3u)];
    let _e91 = (vec4<f16>(vec3<f16>(vec2<f16>(unpack2x16float(_e56)), vec2<f16>(unpack2x16float(_e65)).x), (vec2<f16>(unpack2x16float((_e37 >> ((_e7 & 1u) * 16u)))).x * f16(bitcast<f32>(_e11.y)))) + vec4<f16>(vec2<f16>(unpack2x16float(_e78)), vec2<f16>(unpack2x16float(_e87))));
    heap_0_[(fours_base + (_e49 >> 2u))][(_e49 & 3u)] = pack2x16float(vec2<f32>(f32(_e91.x), f32(_e91.y)));
    let _e109 = (_e49 + 1u);
    heap_0_[(fours_base + (_e109 >> 2u))][(_e109 & 3u)] = pack2x16float(vec2<f32>(f32(_e91.z), f32(_e91.w)));
    let _e115 = (_e7 * 2u);
    let _e121 = slab_1_[(pairs_base + (_e115 >> 2u))][(_e115 & 3u)];
    let _e125 = (_e7 & 1u);
    let _e128 = (((_e7 * 2u) + (_e125 >> 1u)) + 1u);
    let _e134 = slab_1_[(pairs_base + (_e128 >> 2u))][(_e128 & 3u)];
    let _e141 = (_e7 ^ 1u);
    let _e142 = (_e141 >> 1u);
    let _e148 = slab_1_[(a_base + (_e142 >> 2u))][(_e142 & 3u)];
    let _e156 = (vec2<f16>(unpack2x16float(_e121)) * vec2<f16>(vec2<f16>(unpack2x16float((_e134 >> ((_e125 & 1u) * 16u)))).x, vec2<f16>(unpack2x16float((_e148 >> ((_e141 & 1u) * 16u)))).x));
    heap_0_[(twos_base + (_e7 >> 2u))][(_e7 & 3u)] = pack2x16float(vec2<f32>(f32(_e156.x), f32(_e156.y)));
    return;
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var low: u32 = 0u;
    var high: u32;
    var found: u32;

    let linear = ((workgroup_.y * workgroups.x) + workgroup_.x);
    let _e11 = lanes[0u];
    if (linear >= _e11.y) {
        return;
    }
    if (_e11.w == 0u) {
        let _e28 = lanes[((linear >> 2u) + 1u)][(linear & 3u)];
        found = _e28;
    } else {
        high = _e11.x;
        loop {
            let _e30 = low;
            let _e31 = high;
            if ((_e30 + 1u) >= _e31) {
                break;
            }
            let middle = ((_e30 + _e31) >> 1u);
            let _e41 = lanes[((middle >> 2u) + 1u)][(middle & 3u)];
            if (_e41 > linear) {
                high = middle;
            } else {
                low = middle;
            }
        }
        let _e43 = low;
        found = (_e11.z + (_e43 * _e11.w));
    }
    let lane_1 = found;
    let _e49 = lanes[lane_1];
    let group_1 = (linear + _e49.y);
    half_0_(lane_1, group_1, local);
}
