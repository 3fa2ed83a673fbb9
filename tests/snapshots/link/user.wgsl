@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn scale_0_(lane: u32, group: u32, local_1: u32) {
    let _e8 = ((group * 64u) + local_1);
    let _e12 = lanes[(lane + 2u)];
    let _e15 = lanes[(lane + 1u)];
    let out_base = _e15.z;
    let _e18 = lanes[lane];
    let a_base = _e18.z;
    let b_base = _e15.x;
    if (_e8 < _e12.x) {
        let _e29 = slab_1_[(a_base + (_e8 >> 2u))][(_e8 & 3u)];
        let _e38 = slab_1_[(b_base + (_e8 >> 2u))][(_e8 & 3u)];
        heap_0_[(out_base + (_e8 >> 2u))][(_e8 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e29), bitcast<f32>(_e12.y), bitcast<f32>(_e38)));
        return;
    } else {
        return;
    }
}

fn wild_1_(lane_1: u32, group_1: u32, local_2: u32) {
    let _e7 = lanes[(lane_1 + 3u)];
    let _e16 = lanes[(lane_1 + 2u)];
    let _e20 = lanes[(lane_1 + 1u)];
    let out_base_1 = _e20.x;
    let _e25 = (max((_e20.y >> 2u), 1u) - 1u);
    let _e27 = (_e20.y >= 4u);
    let _e29 = lanes[lane_1];
    let source_base = _e29.z;
    let _e34 = (max((_e29.w >> 2u), 1u) - 1u);
    let _e35 = (_e29.w >= 4u);
    let cells_base = _e20.z;
    let _e43 = (max((_e20.w >> 5u), 1u) - 1u);
    let _e45 = (_e20.w >= 32u);
    let _e50 = ((((group_1 % _e7.x) * 64u) + local_2) * _e16.w);
    let _e56 = min(u32((bitcast<i32>(_e16.y) - i32(_e50))), _e25);
    let _e59 = min((_e16.x + _e50), _e34);
    let _e66 = heap_0_[(source_base + (_e59 >> 2u))][(_e59 & 3u)];
    if _e27 {
        heap_0_[(out_base_1 + (_e56 >> 2u))][(_e56 & 3u)] = select(u32(), _e66, _e35);
    }
    let _e77 = min(((_e16.x * 4u) + _e50), _e25);
    let _e82 = min((u32(bitcast<i32>(_e16.y)) - _e50), _e34);
    let _e88 = heap_0_[(source_base + (_e82 >> 2u))][(_e82 & 3u)];
    if _e27 {
        heap_0_[(out_base_1 + (_e77 >> 2u))][(_e77 & 3u)] = (select(u32(), _e88, _e35) | 1u);
    }
    let _e103 = min((_e16.z + _e50), 2u);
    if _e45 {
        heap_0_[((cells_base + (min((_e50 + _e16.x), _e43) * 2u)) + (_e103 >> 2u))][(_e103 & 3u)] = 77u;
    }
    let _e116 = min((_e16.z * _e50), 3u);
    if _e45 {
        heap_0_[(((cells_base + (min((_e50 * _e16.x), _e43) * 2u)) + 1u) + (_e116 >> 2u))][(_e116 & 3u)] = 78u;
    }
    if _e45 {
        heap_0_[((cells_base + (min(u32(bitcast<i32>(_e16.y)), _e43) * 2u)) + 1u)] = vec4(79u);
    }
    let _e137 = min(_e16.z, 2u);
    let _e144 = heap_0_[((cells_base + (min(_e16.x, _e43) * 2u)) + (_e137 >> 2u))][(_e137 & 3u)];
    let _e147 = min(_e50, _e25);
    if _e27 {
        heap_0_[(out_base_1 + (_e147 >> 2u))][(_e147 & 3u)] = select(u32(), _e144, _e45);
    }
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
    let lane_2 = found;
    let _e49 = lanes[lane_2];
    switch _e49.x {
        case 0u: {
            let group_2 = (linear + _e49.y);
            scale_0_(lane_2, group_2, local);
        }
        case 1u: {
            let group_3 = (linear + _e49.y);
            wild_1_(lane_2, group_3, local);
        }
        default: {
        }
    }
}
