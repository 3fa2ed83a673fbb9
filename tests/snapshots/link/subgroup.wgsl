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

fn subgroup_1_(lane_1: u32, group_1: u32, local_2: u32, subgroup_size_1: u32, subgroup_invocation_id_1: u32) {
    let _e8 = ((group_1 * 64u) + local_2);
    let _e14 = lanes[(lane_1 + 3u)];
    let _e18 = lanes[(lane_1 + 2u)];
    let out_base_1 = _e18.x;
    let _e26 = subgroupAdd(1u);
    let _e27 = subgroupBroadcastFirst(_e8);
    let _e29 = subgroupBallot((subgroup_invocation_id_1 == 0u));
    if (_e8 < _e14.x) {
        heap_0_[(out_base_1 + (_e8 >> 2u))][(_e8 & 3u)] = ((select(0u, 1u, (_e26 == subgroup_size_1)) + select(0u, 2u, ((_e27 + subgroup_invocation_id_1) == _e8))) + ((_e29.x & 1u) * 4u));
        return;
    } else {
        return;
    }
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32, @builtin(subgroup_size) subgroup_size: u32, @builtin(subgroup_invocation_id) subgroup_invocation_id: u32) {
    var low: u32 = 0u;
    var high: u32;

    let linear = ((workgroup_.y * workgroups.x) + workgroup_.x);
    let _e13 = lanes[0u];
    if (linear >= _e13.y) {
        return;
    }
    high = _e13.x;
    loop {
        let _e20 = low;
        let _e21 = high;
        if ((_e20 + 1u) >= _e21) {
            break;
        }
        let middle = ((_e20 + _e21) >> 1u);
        let _e34 = lanes[((middle >> 2u) + 1u)][(middle & 3u)];
        if (_e34 > linear) {
            high = middle;
        } else {
            low = middle;
        }
    }
    let _e36 = low;
    let _e42 = lanes[((_e36 >> 2u) + 1u)][(_e36 & 3u)];
    let lane_2 = ((_e13.z >> 2u) + (_e36 * (_e13.w >> 2u)));
    let _e50 = lanes[lane_2];
    let group_2 = ((linear - _e42) + _e50.y);
    switch _e50.x {
        case 0u: {
            scale_0_(lane_2, group_2, local);
        }
        case 1u: {
            subgroup_1_(lane_2, group_2, local, subgroup_size, subgroup_invocation_id);
        }
        default: {
        }
    }
}
