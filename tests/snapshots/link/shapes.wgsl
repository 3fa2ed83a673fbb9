@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<workgroup> shared_0_: array<array<i32, 9>, 8>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;

fn cube_0_(lane: u32, group: u32, local_1: u32) {
    let _e5 = lanes[lane];
    let _e9 = (group / _e5.z);
    let _e20 = (((group % _e5.z) * 4u) + (local_1 & 3u));
    let _e22 = (((_e9 % _e5.w) * 4u) + ((local_1 >> 2u) & 3u));
    let _e24 = (((_e9 / _e5.w) * 4u) + (local_1 >> 4u));
    let _e25 = vec3<u32>(_e20, _e22, _e24);
    let _e27 = (group / _e5.z);
    let _e33 = lanes[(lane + 3u)];
    let _e36 = lanes[(lane + 2u)];
    let out_base = _e36.x;
    if any((_e25 >= _e33.xyz)) {
        return;
    }
    heap_0_[(out_base + ((((_e24 * _e33.y) + _e22) * _e33.x) + _e20))] = (vec4<u32>(_e25, local_1) + vec4<u32>((vec3<u32>((group % _e5.z), (_e27 % _e5.w), (_e27 / _e5.w)) * 100u), 7u));
    return;
}

fn transpose_1_at(lane_1: u32, row: u32, column: u32) -> i32 {
    let _e7 = lanes[(lane_1 + 2u)];
    let a_base = _e7.x;
    let _e12 = lanes[(lane_1 + 3u)];
    let _e15 = ((row * _e12.y) + column);
    let _e22 = slab_1_[(a_base + (_e15 >> 2u))][(_e15 & 3u)];
    return bitcast<i32>(_e22);
}

fn transpose_1_put(lane_2: u32, row_1: u32, column_1: u32, value: i32) {
    let _e8 = lanes[(lane_2 + 2u)];
    let out_base_1 = _e8.z;
    let _e13 = lanes[(lane_2 + 3u)];
    let _e16 = ((column_1 * _e13.x) + row_1);
    heap_0_[(out_base_1 + (_e16 >> 2u))][(_e16 & 3u)] = bitcast<u32>(value);
    return;
}

fn transpose_1_(lane_3: u32, group_1: u32, local_2: u32) {
    var local_3: bool;

    let _e5 = lanes[lane_3];
    let _e12 = (local_2 & 7u);
    let _e14 = (local_2 >> 3u);
    let _e19 = lanes[(lane_3 + 3u)];
    let _e27 = ((((group_1 / _e5.z) % _e5.w) * 8u) + _e14);
    let _e29 = (((group_1 % _e5.z) * 8u) + _e12);
    if (_e27 < _e19.x) {
        local_3 = (_e29 < _e19.y);
    } else {
        local_3 = false;
    }
    let _e34 = local_3;
    if _e34 {
        let _e37 = transpose_1_at(lane_3, _e27, _e29);
        shared_0_[_e14][_e12] = _e37;
    }
    workgroupBarrier();
    if _e34 {
        let _e40 = shared_0_[_e14][_e12];
        transpose_1_put(lane_3, _e27, _e29, (_e40 + i32(((_e5.z * 1000u) + _e5.w))));
        return;
    } else {
        return;
    }
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
    let lane_4 = ((_e11.z >> 2u) + (_e34 * (_e11.w >> 2u)));
    let _e48 = lanes[lane_4];
    let group_2 = ((linear - _e40) + _e48.y);
    switch _e48.x {
        case 0u: {
            cube_0_(lane_4, group_2, local);
        }
        case 1u: {
            transpose_1_(lane_4, group_2, local);
        }
        default: {
        }
    }
}
