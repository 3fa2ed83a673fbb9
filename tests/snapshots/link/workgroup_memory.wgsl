@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
var<workgroup> shared_0_: array<atomic<u32>, 4>;
var<workgroup> shared_1_: u32;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<workgroup> shared_2_: array<f32, 64>;
var<workgroup> shared_3_: array<f32, 64>;
var<workgroup> shared_4_: array<array<i32, 9>, 8>;

fn atomics_0_(lane: u32, group: u32, local_1: u32) {
    let _e7 = ((group * 64u) + local_1);
    let _e14 = lanes[(lane + 4u)];
    let _e18 = lanes[(lane + 2u)];
    let a_base = _e18.x;
    let _e23 = lanes[(lane + 3u)];
    let parts_base = _e23.x;
    let bins_base = _e18.z;
    if (local_1 < 4u) {
        atomicStore((&shared_0_[local_1]), 0u);
    }
    workgroupBarrier();
    if (_e7 < _e14.x) {
        let _e46 = slab_1_[(a_base + (_e7 >> 2u))][(_e7 & 3u)];
        let _e48 = modf(bitcast<f32>(_e46));
        let _e54 = slab_1_[(a_base + (_e7 >> 2u))][(_e7 & 3u)];
        let _e57 = (_e7 * 2u);
        let _e64 = bitcast<vec2<u32>>(vec2<f32>((_e48.fract + f32(frexp(bitcast<f32>(_e54)).exp)), _e48.whole));
        let _e66 = (parts_base + (_e57 >> 2u));
        let _e67 = (_e57 & 3u);
        heap_0_[_e66][_e67] = _e64.x;
        heap_0_[_e66][(_e67 + 1u)] = _e64.y;
        let _e81 = atomicAdd((&shared_0_[(u32(abs(_e48.whole)) & 3u)]), 1u);
    }
    workgroupBarrier();
    if (local_1 == 0u) {
        let _e84 = atomicLoad((&shared_0_[0]));
        let _e86 = atomicLoad((&shared_0_[1]));
        shared_1_ = (_e84 + _e86);
    }
    let _e88 = workgroupUniformLoad((&shared_1_));
    if (local_1 < 4u) {
        let _e91 = atomicLoad((&shared_0_[local_1]));
        heap_0_[((bins_base + group) + (local_1 >> 2u))][(local_1 & 3u)] = (_e91 + _e88);
        return;
    } else {
        return;
    }
}

fn reduce_1_(lane_1: u32, group_1: u32, local_2: u32) {
    var value: f32 = 0f;
    var width: u32 = 32u;

    let _e7 = ((group_1 * 64u) + local_2);
    let _e14 = lanes[(lane_1 + 3u)];
    let _e18 = lanes[(lane_1 + 2u)];
    let a_base_1 = _e18.x;
    let sums_base = _e18.z;
    if (_e7 < _e14.x) {
        let _e42 = slab_1_[(a_base_1 + (_e7 >> 2u))][(_e7 & 3u)];
        value = bitcast<f32>(_e42);
    }
    let _e45 = value;
    shared_2_[local_2] = _e45;
    let _e47 = value;
    shared_3_[local_2] = _e47;
    workgroupBarrier();
    loop {
        let _e48 = width;
        if (_e48 > 0u) {
        } else {
            break;
        }
        {
            let _e50 = width;
            if (local_2 < _e50) {
                let _e53 = shared_2_[local_2];
                let _e54 = width;
                let _e57 = shared_2_[(local_2 + _e54)];
                shared_2_[local_2] = (_e53 + _e57);
                let _e61 = shared_3_[local_2];
                let _e62 = width;
                let _e65 = shared_3_[(local_2 + _e62)];
                shared_3_[local_2] = max(_e61, _e65);
            }
            workgroupBarrier();
        }
        continuing {
            let _e67 = width;
            width = (_e67 / 2u);
        }
    }
    if (local_2 == 0u) {
        let _e70 = (group_1 * 2u);
        let _e72 = shared_2_[0];
        let _e74 = shared_3_[0];
        let _e76 = bitcast<vec2<u32>>(vec2<f32>(_e72, _e74));
        let _e78 = (sums_base + (_e70 >> 2u));
        let _e79 = (_e70 & 3u);
        heap_0_[_e78][_e79] = _e76.x;
        heap_0_[_e78][(_e79 + 1u)] = _e76.y;
        return;
    } else {
        return;
    }
}

fn transpose_2_at(lane_2: u32, row: u32, column: u32) -> i32 {
    let _e7 = lanes[(lane_2 + 2u)];
    let a_base_2 = _e7.x;
    let _e12 = lanes[(lane_2 + 3u)];
    let _e15 = ((row * _e12.y) + column);
    let _e22 = slab_1_[(a_base_2 + (_e15 >> 2u))][(_e15 & 3u)];
    return bitcast<i32>(_e22);
}

fn transpose_2_put(lane_3: u32, row_1: u32, column_1: u32, value_1: i32) {
    let _e8 = lanes[(lane_3 + 2u)];
    let out_base = _e8.z;
    let _e13 = lanes[(lane_3 + 3u)];
    let _e16 = ((column_1 * _e13.x) + row_1);
    heap_0_[(out_base + (_e16 >> 2u))][(_e16 & 3u)] = bitcast<u32>(value_1);
    return;
}

fn transpose_2_(lane_4: u32, group_2: u32, local_3: u32) {
    var local_4: bool;

    let _e5 = lanes[lane_4];
    let _e12 = (local_3 & 7u);
    let _e14 = (local_3 >> 3u);
    let _e19 = lanes[(lane_4 + 3u)];
    let _e27 = ((((group_2 / _e5.z) % _e5.w) * 8u) + _e14);
    let _e29 = (((group_2 % _e5.z) * 8u) + _e12);
    if (_e27 < _e19.x) {
        local_4 = (_e29 < _e19.y);
    } else {
        local_4 = false;
    }
    let _e34 = local_4;
    if _e34 {
        let _e37 = transpose_2_at(lane_4, _e27, _e29);
        shared_4_[_e14][_e12] = _e37;
    }
    workgroupBarrier();
    if _e34 {
        let _e40 = shared_4_[_e14][_e12];
        transpose_2_put(lane_4, _e27, _e29, (_e40 + i32(((_e5.z * 1000u) + _e5.w))));
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
    let lane_5 = ((_e11.z >> 2u) + (_e34 * (_e11.w >> 2u)));
    let _e48 = lanes[lane_5];
    let group_3 = ((linear - _e40) + _e48.y);
    switch _e48.x {
        case 0u: {
            atomics_0_(lane_5, group_3, local);
        }
        case 1u: {
            reduce_1_(lane_5, group_3, local);
        }
        case 2u: {
            transpose_2_(lane_5, group_3, local);
        }
        default: {
        }
    }
}
