@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn scale_0_(lane: u32, group: u32, local_1: u32) {
    let _e6 = ((group * 64u) + local_1);
    let _e10 = lanes[(lane + 4u)];
    let _e14 = lanes[(lane + 3u)];
    let out_base = _e14.x;
    let _e19 = lanes[(lane + 2u)];
    let a_base = _e19.x;
    let b_base = _e19.z;
    if (_e6 < _e10.x) {
        let _e30 = slab_1_[(a_base + (_e6 >> 2u))][(_e6 & 3u)];
        let _e39 = slab_1_[(b_base + (_e6 >> 2u))][(_e6 & 3u)];
        heap_0_[(out_base + (_e6 >> 2u))][(_e6 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e30), bitcast<f32>(_e10.y), bitcast<f32>(_e39)));
        return;
    } else {
        return;
    }
}

fn wild_1_(lane_1: u32, group_1: u32, local_2: u32) {
    let _e5 = lanes[lane_1];
    let _e15 = lanes[(lane_1 + 4u)];
    let _e19 = lanes[(lane_1 + 2u)];
    let out_base_1 = _e19.z;
    let _e24 = (max((_e19.w >> 2u), 1u) - 1u);
    let _e25 = (_e19.w >= 4u);
    let source_base = _e19.x;
    let _e30 = (max((_e19.y >> 2u), 1u) - 1u);
    let _e31 = (_e19.y >= 4u);
    let _e37 = lanes[(lane_1 + 3u)];
    let cells_base = _e37.x;
    let _e43 = (max((_e37.y >> 5u), 1u) - 1u);
    let _e45 = (_e37.y >= 32u);
    let _e50 = ((((group_1 % _e5.z) * 64u) + local_2) * _e15.w);
    let _e56 = min(u32((bitcast<i32>(_e15.y) - i32(_e50))), _e24);
    let _e59 = min((_e15.x + _e50), _e30);
    let _e66 = heap_0_[(source_base + (_e59 >> 2u))][(_e59 & 3u)];
    if _e25 {
        heap_0_[(out_base_1 + (_e56 >> 2u))][(_e56 & 3u)] = select(u32(), _e66, _e31);
    }
    let _e77 = min(((_e15.x * 4u) + _e50), _e24);
    let _e82 = min((u32(bitcast<i32>(_e15.y)) - _e50), _e30);
    let _e88 = heap_0_[(source_base + (_e82 >> 2u))][(_e82 & 3u)];
    if _e25 {
        heap_0_[(out_base_1 + (_e77 >> 2u))][(_e77 & 3u)] = (select(u32(), _e88, _e31) | 1u);
    }
    let _e103 = min((_e15.z + _e50), 2u);
    if _e45 {
        heap_0_[((cells_base + (min((_e50 + _e15.x), _e43) * 2u)) + (_e103 >> 2u))][(_e103 & 3u)] = 77u;
    }
    let _e116 = min((_e15.z * _e50), 3u);
    if _e45 {
        heap_0_[(((cells_base + (min((_e50 * _e15.x), _e43) * 2u)) + 1u) + (_e116 >> 2u))][(_e116 & 3u)] = 78u;
    }
    if _e45 {
        heap_0_[((cells_base + (min(u32(bitcast<i32>(_e15.y)), _e43) * 2u)) + 1u)] = vec4(79u);
    }
    let _e137 = min(_e15.z, 2u);
    let _e144 = heap_0_[((cells_base + (min(_e15.x, _e43) * 2u)) + (_e137 >> 2u))][(_e137 & 3u)];
    let _e147 = min(_e50, _e24);
    if _e25 {
        heap_0_[(out_base_1 + (_e147 >> 2u))][(_e147 & 3u)] = select(u32(), _e144, _e45);
    }
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
    let lane_2 = ((_e11.z >> 2u) + (_e34 * (_e11.w >> 2u)));
    let _e48 = lanes[lane_2];
    let group_2 = ((linear - _e40) + _e48.y);
    switch _e48.x {
        case 0u: {
            scale_0_(lane_2, group_2, local);
        }
        case 1u: {
            wild_1_(lane_2, group_2, local);
        }
        default: {
        }
    }
}
