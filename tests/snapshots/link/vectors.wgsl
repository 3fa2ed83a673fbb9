@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn vectors_0_(lane: u32, group: u32, local_1: u32) {
    let _e5 = lanes[lane];
    let _e11 = (((group % _e5.z) * 64u) + local_1);
    let _e15 = lanes[(lane + 4u)];
    let _e19 = lanes[(lane + 2u)];
    let fours_base = _e19.x;
    let twos_base = _e19.z;
    let _e27 = lanes[(lane + 3u)];
    let threes_base = _e27.x;
    let out_base = _e27.z;
    if (_e11 >= _e15.x) {
        return;
    }
    let _e39 = slab_1_[(fours_base + _e11)];
    let _e41 = (_e11 * 2u);
    let _e43 = (twos_base + (_e41 >> 2u));
    let _e44 = (_e41 & 3u);
    let _e48 = heap_0_[_e43][_e44];
    let _e52 = heap_0_[_e43][(_e44 + 1u)];
    let _e54 = bitcast<vec2<i32>>(vec2<u32>(_e48, _e52));
    let _e55 = (_e11 * 2u);
    let _e59 = bitcast<vec2<u32>>((_e54.yx + vec2<i32>(1i, -1i)));
    let _e61 = (twos_base + (_e55 >> 2u));
    let _e62 = (_e55 & 3u);
    heap_0_[_e61][_e62] = _e59.x;
    heap_0_[_e61][(_e62 + 1u)] = _e59.y;
    let _e73 = heap_0_[(threes_base + _e11)].x;
    heap_0_[(threes_base + _e11)].y = (_e73 + u32(_e54.x));
    let _e82 = heap_0_[(threes_base + _e11)];
    let _e83 = _e82.xyz;
    let _e84 = _e83.zyx;
    let _e85 = (threes_base + _e11);
    heap_0_[_e85].x = _e84.x;
    heap_0_[_e85].y = _e84.y;
    heap_0_[_e85].z = _e84.z;
    heap_0_[(out_base + _e11)] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e39).wzyx * 2f));
    let _e102 = u32((_e54.x & 3i));
    let _e103 = (_e11 & 3u);
    let _e110 = slab_1_[((fours_base + _e11) + (_e103 >> 2u))][(_e103 & 3u)];
    heap_0_[((out_base + _e11) + (_e102 >> 2u))][(_e102 & 3u)] = bitcast<u32>((bitcast<f32>(_e110) + f32((_e83.y & 255u))));
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
