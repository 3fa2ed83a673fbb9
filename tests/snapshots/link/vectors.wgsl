@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn vectors_0_(lane: u32, group: u32, local_1: u32) {
    let _e7 = ((group * 64u) + local_1);
    let _e11 = lanes[(lane + 4u)];
    let _e15 = lanes[(lane + 2u)];
    let fours_base = _e15.x;
    let twos_base = _e15.z;
    let _e23 = lanes[(lane + 3u)];
    let threes_base = _e23.x;
    let out_base = _e23.z;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e35 = slab_1_[(fours_base + _e7)];
    let _e37 = (_e7 * 2u);
    let _e39 = (twos_base + (_e37 >> 2u));
    let _e40 = (_e37 & 3u);
    let _e44 = heap_0_[_e39][_e40];
    let _e48 = heap_0_[_e39][(_e40 + 1u)];
    let _e50 = bitcast<vec2<i32>>(vec2<u32>(_e44, _e48));
    let _e51 = (_e7 * 2u);
    let _e55 = bitcast<vec2<u32>>((_e50.yx + vec2<i32>(1i, -1i)));
    let _e57 = (twos_base + (_e51 >> 2u));
    let _e58 = (_e51 & 3u);
    heap_0_[_e57][_e58] = _e55.x;
    heap_0_[_e57][(_e58 + 1u)] = _e55.y;
    let _e69 = heap_0_[(threes_base + _e7)].x;
    heap_0_[(threes_base + _e7)].y = (_e69 + u32(_e50.x));
    let _e78 = heap_0_[(threes_base + _e7)];
    let _e79 = _e78.xyz;
    let _e80 = _e79.zyx;
    let _e81 = (threes_base + _e7);
    heap_0_[_e81].x = _e80.x;
    heap_0_[_e81].y = _e80.y;
    heap_0_[_e81].z = _e80.z;
    heap_0_[(out_base + _e7)] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e35).wzyx * 2f));
    let _e98 = u32((_e50.x & 3i));
    let _e99 = (_e7 & 3u);
    let _e106 = slab_1_[((fours_base + _e7) + (_e99 >> 2u))][(_e99 & 3u)];
    heap_0_[((out_base + _e7) + (_e98 >> 2u))][(_e98 & 3u)] = bitcast<u32>((bitcast<f32>(_e106) + f32((_e79.y & 255u))));
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
    vectors_0_(lane_1, group_1, local);
}
