@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
var<workgroup> shared_0_: array<u32, 256>;

fn narrow_0_(lane: u32, group: u32, local_1: u32) {
    var local_2: bool;

    let _e7 = lanes[(lane + 2u)];
    let _e20 = (((group % _e7.x) * 16u) + (local_1 & 15u));
    let _e22 = ((((group / _e7.x) % _e7.y) * 2u) + (local_1 >> 4u));
    let _e29 = lanes[(lane + 1u)];
    let _e34 = lanes[lane];
    let out_base = _e34.z;
    if (_e20 < _e29.y) {
        local_2 = (_e22 < _e29.x);
    } else {
        local_2 = false;
    }
    let _e43 = local_2;
    if _e43 {
        let _e46 = ((_e22 * _e29.y) + _e20);
        let _e54 = heap_0_[(out_base + (_e46 >> 2u))][(_e46 & 3u)];
        heap_0_[(out_base + (_e46 >> 2u))][(_e46 & 3u)] = (((((_e54 * 7u) + local_1) + ((group % _e7.x) * 100u)) + (((group / _e7.x) % _e7.y) * 10000u)) + ((_e7.x * _e7.y) * _e7.z));
        return;
    } else {
        return;
    }
}

fn scale_1_(lane_1: u32, group_1: u32, local_3: u32) {
    let _e8 = ((group_1 * 64u) + local_3);
    let _e12 = lanes[(lane_1 + 2u)];
    let _e15 = lanes[(lane_1 + 1u)];
    let out_base_1 = _e15.z;
    let _e18 = lanes[lane_1];
    let a_base = _e18.z;
    let b_base = _e15.x;
    if (_e8 < _e12.x) {
        let _e29 = slab_1_[(a_base + (_e8 >> 2u))][(_e8 & 3u)];
        let _e38 = slab_1_[(b_base + (_e8 >> 2u))][(_e8 & 3u)];
        heap_0_[(out_base_1 + (_e8 >> 2u))][(_e8 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e29), bitcast<f32>(_e12.y), bitcast<f32>(_e38)));
        return;
    } else {
        return;
    }
}

fn wide_2_(lane_2: u32, group_2: u32, local_4: u32) {
    let _e10 = lanes[lane_2];
    let a_base_1 = _e10.z;
    let _e15 = lanes[(lane_2 + 2u)];
    let _e19 = lanes[(lane_2 + 1u)];
    let out_base_2 = _e19.x;
    let _e26 = ((group_2 * 256u) + local_4);
    let _e30 = min(_e26, (_e15.x - 1u));
    let _e37 = slab_1_[(a_base_1 + (_e30 >> 2u))][(_e30 & 3u)];
    shared_0_[local_4] = select(0u, _e37, (_e26 < _e15.x));
    workgroupBarrier();
    if (_e26 < _e15.x) {
        let _e45 = shared_0_[(255u - local_4)];
        let _e47 = shared_0_[local_4];
        heap_0_[(out_base_2 + (_e26 >> 2u))][(_e26 & 3u)] = ((_e45 + (_e47 * 3u)) + _e15.y);
        return;
    } else {
        return;
    }
}

@compute @workgroup_size(256, 1, 1) 
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
    let lane_3 = found;
    let _e49 = lanes[lane_3];
    switch _e49.x {
        case 0u: {
            let group_3 = (((linear * 8u) + _e49.y) + (local >> 5u));
            let _e62 = lanes[(lane_3 + 2u)];
            if (group_3 < _e62.w) {
                narrow_0_(lane_3, group_3, (local & 31u));
            }
        }
        case 1u: {
            let group_4 = (((linear * 4u) + _e49.y) + (local >> 6u));
            let _e75 = lanes[(lane_3 + 3u)];
            if (group_4 < _e75.w) {
                scale_1_(lane_3, group_4, (local & 63u));
            }
        }
        case 2u: {
            let group_5 = (linear + _e49.y);
            wide_2_(lane_3, group_5, local);
        }
        default: {
        }
    }
}
