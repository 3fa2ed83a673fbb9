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
    let _e8 = ((group * 64u) + local_1);
    let _e15 = lanes[(lane + 2u)];
    let _e17 = lanes[lane];
    let a_base = _e17.z;
    let _e21 = lanes[(lane + 1u)];
    let parts_base = _e21.z;
    let bins_base = _e21.x;
    if (local_1 < 4u) {
        atomicStore((&shared_0_[local_1]), 0u);
    }
    workgroupBarrier();
    if (_e8 < _e15.x) {
        let _e44 = slab_1_[(a_base + (_e8 >> 2u))][(_e8 & 3u)];
        let _e46 = modf(bitcast<f32>(_e44));
        let _e52 = slab_1_[(a_base + (_e8 >> 2u))][(_e8 & 3u)];
        let _e55 = (_e8 * 2u);
        let _e62 = bitcast<vec2<u32>>(vec2<f32>((_e46.fract + f32(frexp(bitcast<f32>(_e52)).exp)), _e46.whole));
        let _e64 = (parts_base + (_e55 >> 2u));
        let _e65 = (_e55 & 3u);
        heap_0_[_e64][_e65] = _e62.x;
        heap_0_[_e64][(_e65 + 1u)] = _e62.y;
        let _e79 = atomicAdd((&shared_0_[(u32(abs(_e46.whole)) & 3u)]), 1u);
    }
    workgroupBarrier();
    if (local_1 == 0u) {
        let _e82 = atomicLoad((&shared_0_[0]));
        let _e84 = atomicLoad((&shared_0_[1]));
        shared_1_ = (_e82 + _e84);
    }
    let _e86 = workgroupUniformLoad((&shared_1_));
    if (local_1 < 4u) {
        let _e89 = atomicLoad((&shared_0_[local_1]));
        heap_0_[((bins_base + group) + (local_1 >> 2u))][(local_1 & 3u)] = (_e89 + _e86);
        return;
    } else {
        return;
    }
}

fn reduce_1_(lane_1: u32, group_1: u32, local_2: u32) {
    var value: f32 = 0f;
    var width: u32 = 32u;

    let _e8 = ((group_1 * 64u) + local_2);
    let _e15 = lanes[(lane_1 + 2u)];
    let _e17 = lanes[lane_1];
    let a_base_1 = _e17.z;
    let _e32 = lanes[(lane_1 + 1u)];
    let sums_base = _e32.x;
    if (_e8 < _e15.x) {
        let _e44 = slab_1_[(a_base_1 + (_e8 >> 2u))][(_e8 & 3u)];
        value = bitcast<f32>(_e44);
    }
    let _e47 = value;
    shared_2_[local_2] = _e47;
    let _e49 = value;
    shared_3_[local_2] = _e49;
    workgroupBarrier();
    loop {
        let _e50 = width;
        if (_e50 > 0u) {
        } else {
            break;
        }
        {
            let _e52 = width;
            if (local_2 < _e52) {
                let _e55 = shared_2_[local_2];
                let _e56 = width;
                let _e59 = shared_2_[(local_2 + _e56)];
                shared_2_[local_2] = (_e55 + _e59);
                let _e63 = shared_3_[local_2];
                let _e64 = width;
                let _e67 = shared_3_[(local_2 + _e64)];
                shared_3_[local_2] = max(_e63, _e67);
            }
            workgroupBarrier();
        }
        continuing {
            let _e69 = width;
            width = (_e69 / 2u);
        }
    }
    if (local_2 == 0u) {
        let _e72 = (group_1 * 2u);
        let _e74 = shared_2_[0];
        let _e76 = shared_3_[0];
        let _e78 = bitcast<vec2<u32>>(vec2<f32>(_e74, _e76));
        let _e80 = (sums_base + (_e72 >> 2u));
        let _e81 = (_e72 & 3u);
        heap_0_[_e80][_e81] = _e78.x;
        heap_0_[_e80][(_e81 + 1u)] = _e78.y;
        return;
    } else {
        return;
    }
}

fn transpose_2_at(lane_2: u32, row: u32, column: u32) -> i32 {
    let _e5 = lanes[lane_2];
    let a_base_2 = _e5.z;
    let _e10 = lanes[(lane_2 + 2u)];
    let _e13 = ((row * _e10.y) + column);
    let _e21 = slab_1_[(a_base_2 + (_e13 >> 2u))][(_e13 & 3u)];
    return bitcast<i32>(_e21);
}

fn transpose_2_put(lane_3: u32, row_1: u32, column_1: u32, value_1: i32) {
    let _e8 = lanes[(lane_3 + 1u)];
    let out_base = _e8.x;
    let _e13 = lanes[(lane_3 + 2u)];
    let _e16 = ((column_1 * _e13.x) + row_1);
    heap_0_[(out_base + (_e16 >> 2u))][(_e16 & 3u)] = bitcast<u32>(value_1);
    return;
}

fn transpose_2_(lane_4: u32, group_2: u32, local_3: u32) {
    var local_4: bool;

    let _e7 = lanes[(lane_4 + 3u)];
    let _e14 = (local_3 & 7u);
    let _e15 = (local_3 >> 3u);
    let _e21 = lanes[(lane_4 + 2u)];
    let _e29 = ((((group_2 / _e7.x) % _e7.y) * 8u) + _e15);
    let _e31 = (((group_2 % _e7.x) * 8u) + _e14);
    if (_e29 < _e21.x) {
        local_4 = (_e31 < _e21.y);
    } else {
        local_4 = false;
    }
    let _e36 = local_4;
    if _e36 {
        let _e39 = transpose_2_at(lane_4, _e29, _e31);
        shared_4_[_e15][_e14] = _e39;
    }
    workgroupBarrier();
    if _e36 {
        let _e42 = shared_4_[_e15][_e14];
        transpose_2_put(lane_4, _e29, _e31, (_e42 + i32(((_e7.x * 1000u) + _e7.y))));
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
    let lane_5 = found;
    let _e49 = lanes[lane_5];
    switch _e49.x {
        case 0u: {
            let group_3 = (linear + _e49.y);
            atomics_0_(lane_5, group_3, local);
        }
        case 1u: {
            let group_4 = (linear + _e49.y);
            reduce_1_(lane_5, group_4, local);
        }
        case 2u: {
            let group_5 = (linear + _e49.y);
            transpose_2_(lane_5, group_5, local);
        }
        default: {
        }
    }
}
