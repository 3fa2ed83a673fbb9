enable f16;

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn half_0_(lane: u32, group: u32, local_1: u32) {
    let _e5 = lanes[lane];
    let _e11 = (((group % _e5.z) * 64u) + local_1);
    let _e15 = lanes[(lane + 5u)];
    let _e19 = lanes[(lane + 2u)];
    let a_base = _e19.x;
    let _e24 = lanes[(lane + 3u)];
    let fours_base = _e24.z;
    let threes_base = _e19.z;
    let _e30 = lanes[(lane + 4u)];
    let twos_base = _e30.x;
    let pairs_base = _e24.x;
    if (_e11 >= _e15.x) {
        return;
    }
    let _e37 = (_e11 >> 1u);
    let _e44 = slab_1_[(a_base + (_e37 >> 2u))][(_e37 & 3u)];
    let _e56 = (_e11 * 2u);
    let _e57 = (_e11 * 2u);
    let _e63 = slab_1_[(threes_base + (_e57 >> 2u))][(_e57 & 3u)];
    let _e66 = (_e57 + 1u);
    let _e72 = slab_1_[(threes_base + (_e66 >> 2u))][(_e66 & 3u)];
    let _e78 = (_e11 * 2u);
    let _e85 = heap_0_[(fours_base + (_e78 >> 2u))][(_e78 & 3u)];
    let _e88 = (_e78 + 1u);
    let _e94 = heap_0_[(fours_base + (_e88 >> 2u))][(_e88 & 3u)];
    let _e98 = (vec4<f16>(vec3<f16>(vec2<f16>(unpack2x16float(_e63)), vec2<f16>(unpack2x16float(_e72)).x), (vec2<f16>(unpack2x16float((_e44 >> ((_e11 & 1u) * 16u)))).x * f16(bitcast<f32>(_e15.y)))) + vec4<f16>(vec2<f16>(unpack2x16float(_e85)), vec2<f16>(unpack2x16float(_e94))));
    heap_0_[(fours_base + (_e56 >> 2u))][(_e56 & 3u)] = pack2x16float(vec2<f32>(f32(_e98.x), f32(_e98.y)));
    let _e116 = (_e56 + 1u);
    heap_0_[(fours_base + (_e116 >> 2u))][(_e116 & 3u)] = pack2x16float(vec2<f32>(f32(_e98.z), f32(_e98.w)));
    let _e122 = (_e11 * 2u);
    let _e128 = slab_1_[(pairs_base + (_e122 >> 2u))][(_e122 & 3u)];
    let _e132 = (_e11 & 1u);
    let _e135 = (((_e11 * 2u) + (_e132 >> 1u)) + 1u);
    let _e141 = slab_1_[(pairs_base + (_e135 >> 2u))][(_e135 & 3u)];
    let _e148 = (_e11 ^ 1u);
    let _e149 = (_e148 >> 1u);
    let _e155 = slab_1_[(a_base + (_e149 >> 2u))][(_e149 & 3u)];
    let _e163 = (vec2<f16>(unpack2x16float(_e128)) * vec2<f16>(vec2<f16>(unpack2x16float((_e141 >> ((_e132 & 1u) * 16u)))).x, vec2<f16>(unpack2x16float((_e155 >> ((_e148 & 1u) * 16u)))).x));
    heap_0_[(twos_base + (_e11 >> 2u))][(_e11 & 3u)] = pack2x16float(vec2<f32>(f32(_e163.x), f32(_e163.y)));
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
