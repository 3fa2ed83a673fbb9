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

fn subgroup_1_(lane_1: u32, group_1: u32, local_2: u32, subgroup_size_1: u32, subgroup_invocation_id_1: u32) {
    let _e10 = ((group_1 * 64u) + local_2);
    let _e15 = lanes[(lane_1 + 1u)];
    let _e17 = lanes[lane_1];
    let out_base_1 = _e17.z;
    let _e25 = subgroupAdd(1u);
    let _e26 = subgroupBroadcastFirst(_e10);
    let _e28 = subgroupBallot((subgroup_invocation_id_1 == 0u));
    if (_e10 < _e15.x) {
        heap_0_[(out_base_1 + (_e10 >> 2u))][(_e10 & 3u)] = ((select(0u, 1u, (_e25 == subgroup_size_1)) + select(0u, 2u, ((_e26 + subgroup_invocation_id_1) == _e10))) + ((_e28.x & 1u) * 4u));
        return;
    } else {
        return;
    }
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32, @builtin(subgroup_size) subgroup_size: u32, @builtin(subgroup_invocation_id) subgroup_invocation_id: u32) {
    var low: u32 = 0u;
    var high: u32;
    var found: u32;

    let linear = ((workgroup_.y * workgroups.x) + workgroup_.x);
    let _e13 = lanes[0u];
    if (linear >= _e13.y) {
        return;
    }
    if (_e13.w == 0u) {
        let _e30 = lanes[((linear >> 2u) + 1u)][(linear & 3u)];
        found = _e30;
    } else {
        high = _e13.x;
        loop {
            let _e32 = low;
            let _e33 = high;
            if ((_e32 + 1u) >= _e33) {
                break;
            }
            let middle = ((_e32 + _e33) >> 1u);
            let _e43 = lanes[((middle >> 2u) + 1u)][(middle & 3u)];
            if (_e43 > linear) {
                high = middle;
            } else {
                low = middle;
            }
        }
        let _e45 = low;
        found = (_e13.z + (_e45 * _e13.w));
    }
    let lane_2 = found;
    let _e51 = lanes[lane_2];
    switch _e51.x {
        case 0u: {
            let group_2 = (linear + _e51.y);
            scale_0_(lane_2, group_2, local);
        }
        case 1u: {
            let group_3 = (linear + _e51.y);
            subgroup_1_(lane_2, group_3, local, subgroup_size, subgroup_invocation_id);
        }
        default: {
        }
    }
}
