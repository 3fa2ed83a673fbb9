struct Head {
    header: vec4<u32>,
    record_0_: vec4<u32>,
    record_1_: vec4<u32>,
    record_2_: vec4<u32>,
}

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> weights_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<immediate> head: Head;

fn scale_0_(group: u32, local_1: u32, record_1_1: vec4<u32>, record_0_1: vec4<u32>, record_2_1: vec4<u32>) {
    let _e4 = ((group * 64u) + local_1);
    let out_base = record_1_1.z;
    let a_base = record_0_1.z;
    let b_base = record_1_1.x;
    if (_e4 < record_2_1.x) {
        let _e21 = weights_1_[(a_base + (_e4 >> 2u))][(_e4 & 3u)];
        let _e30 = weights_1_[(b_base + (_e4 >> 2u))][(_e4 & 3u)];
        heap_0_[(out_base + (_e4 >> 2u))][(_e4 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e21), bitcast<f32>(record_2_1.y), bitcast<f32>(_e30)));
        return;
    } else {
        return;
    }
}

fn subgroup_1_(group_1: u32, local_2: u32, subgroup_size_1: u32, subgroup_invocation_id_1: u32, record_0_2: vec4<u32>, record_1_2: vec4<u32>) {
    let _e6 = ((group_1 * 64u) + local_2);
    let out_base_1 = record_0_2.z;
    let _e18 = subgroupAdd(1u);
    let _e19 = subgroupBroadcastFirst(_e6);
    let _e21 = subgroupBallot((subgroup_invocation_id_1 == 0u));
    if (_e6 < record_1_2.x) {
        heap_0_[(out_base_1 + (_e6 >> 2u))][(_e6 & 3u)] = ((select(0u, 1u, (_e18 == subgroup_size_1)) + select(0u, 2u, ((_e19 + subgroup_invocation_id_1) == _e6))) + ((_e21.x & 1u) * 4u));
        return;
    } else {
        return;
    }
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32, @builtin(subgroup_size) subgroup_size: u32, @builtin(subgroup_invocation_id) subgroup_invocation_id: u32) {
    var lane: u32 = 1u;
    var record_0_: vec4<u32>;
    var record_1_: vec4<u32>;
    var record_2_: vec4<u32>;
    var low: u32;
    var high: u32;
    var found: u32;

    let linear = ((workgroup_.y * workgroups.x) + workgroup_.x);
    let _e12 = head.header;
    if (linear >= _e12.y) {
        return;
    }
    let _e19 = head.record_0_;
    record_0_ = _e19;
    let _e22 = head.record_1_;
    record_1_ = _e22;
    let _e25 = head.record_2_;
    record_2_ = _e25;
    if (_e12.x > 1u) {
        if (_e12.w == 0u) {
            let _e44 = lanes[(_e12.z + (linear >> 2u))][(linear & 3u)];
            found = _e44;
        } else {
            low = 0u;
            high = _e12.x;
            loop {
                let _e46 = low;
                let _e47 = high;
                if ((_e46 + 1u) >= _e47) {
                    break;
                }
                let middle = ((_e46 + _e47) >> 1u);
                let _e58 = lanes[(_e12.z + (middle >> 2u))][(middle & 3u)];
                if (_e58 > linear) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let _e60 = low;
            found = ((_e60 * _e12.w) + 1u);
        }
        let _e63 = found;
        lane = _e63;
        let _e65 = lanes[_e63];
        record_0_ = _e65;
        let _e68 = lanes[(_e63 + 1u)];
        record_1_ = _e68;
        let _e71 = lanes[(_e63 + 2u)];
        record_2_ = _e71;
    }
    let _e72 = record_0_;
    let _e73 = record_1_;
    let _e74 = record_2_;
    switch _e72.x {
        case 0u: {
            let group_2 = (linear + _e72.y);
            scale_0_(group_2, local, _e73, _e72, _e74);
        }
        case 1u: {
            let group_3 = (linear + _e72.y);
            subgroup_1_(group_3, local, subgroup_size, subgroup_invocation_id, _e72, _e73);
        }
        default: {
        }
    }
}
