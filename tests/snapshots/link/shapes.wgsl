@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<workgroup> shared_0_: array<array<i32, 9>, 8>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;

fn cube_0_(lane: u32, group: u32, local_1: u32) {
    let _e7 = lanes[(lane + 2u)];
    let _e11 = (group / _e7.x);
    let _e21 = (((group % _e7.x) * 4u) + (local_1 & 3u));
    let _e23 = (((_e11 % _e7.y) * 4u) + ((local_1 >> 2u) & 3u));
    let _e25 = (((_e11 / _e7.y) * 4u) + (local_1 >> 4u));
    let _e26 = vec3<u32>(_e21, _e23, _e25);
    let _e28 = (group / _e7.x);
    let _e35 = lanes[(lane + 1u)];
    let _e37 = lanes[lane];
    let out_base = _e37.z;
    if any((_e26 >= _e35.xyz)) {
        return;
    }
    heap_0_[(out_base + ((((_e25 * _e35.y) + _e23) * _e35.x) + _e21))] = (vec4<u32>(_e26, local_1) + vec4<u32>((vec3<u32>((group % _e7.x), (_e28 % _e7.y), (_e28 / _e7.y)) * 100u), 7u));
    return;
}

fn transpose_1_at(lane_1: u32, row: u32, column: u32) -> i32 {
    let _e5 = lanes[lane_1];
    let a_base = _e5.z;
    let _e10 = lanes[(lane_1 + 2u)];
    let _e13 = ((row * _e10.y) + column);
    let _e21 = slab_1_[(a_base + (_e13 >> 2u))][(_e13 & 3u)];
    return bitcast<i32>(_e21);
}

fn transpose_1_put(lane_2: u32, row_1: u32, column_1: u32, value: i32) {
    let _e8 = lanes[(lane_2 + 1u)];
    let out_base_1 = _e8.x;
    let _e13 = lanes[(lane_2 + 2u)];
    let _e16 = ((column_1 * _e13.x) + row_1);
    heap_0_[(out_base_1 + (_e16 >> 2u))][(_e16 & 3u)] = bitcast<u32>(value);
    return;
}

fn transpose_1_(lane_3: u32, group_1: u32, local_2: u32) {
    var local_3: bool;

    let _e7 = lanes[(lane_3 + 3u)];
    let _e14 = (local_2 & 7u);
    let _e15 = (local_2 >> 3u);
    let _e21 = lanes[(lane_3 + 2u)];
    let _e29 = ((((group_1 / _e7.x) % _e7.y) * 8u) + _e15);
    let _e31 = (((group_1 % _e7.x) * 8u) + _e14);
    if (_e29 < _e21.x) {
        local_3 = (_e31 < _e21.y);
    } else {
        local_3 = false;
    }
    let _e36 = local_3;
    if _e36 {
        let _e39 = transpose_1_at(lane_3, _e29, _e31);
        shared_0_[_e15][_e14] = _e39;
    }
    workgroupBarrier();
    if _e36 {
        let _e42 = shared_0_[_e15][_e14];
        transpose_1_put(lane_3, _e29, _e31, (_e42 + i32(((_e7.x * 1000u) + _e7.y))));
        return;
    } else {
        return;
    }
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
    let lane_4 = found;
    let _e49 = lanes[lane_4];
    switch _e49.x {
        case 0u: {
            let group_2 = (linear + _e49.y);
            cube_0_(lane_4, group_2, local);
        }
        case 1u: {
            let group_3 = (linear + _e49.y);
            transpose_1_(lane_4, group_3, local);
        }
        default: {
        }
    }
}
