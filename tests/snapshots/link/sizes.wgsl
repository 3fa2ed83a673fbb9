struct Head {
    header: vec4<u32>,
    record_0_: vec4<u32>,
    record_1_: vec4<u32>,
    record_2_: vec4<u32>,
}

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> weights_1_: array<vec4<u32>>;
var<workgroup> shared_0_: array<u32, 256>;
var<immediate> head: Head;

fn narrow_0_(group: u32, local_1: u32, record_2_1: vec4<u32>, record_0_1: vec4<u32>, record_1_1: vec4<u32>) {
    var local_2: bool;

    let _e14 = (((group % record_2_1.x) * 16u) + (local_1 & 15u));
    let _e17 = ((((group / record_2_1.x) % record_2_1.y) * 2u) + (local_1 >> 4u));
    let out_base = record_0_1.z;
    if (_e14 < record_1_1.y) {
        local_2 = (_e17 < record_1_1.x);
    } else {
        local_2 = false;
    }
    let _e39 = local_2;
    if _e39 {
        let _e42 = ((_e17 * record_1_1.y) + _e14);
        let _e50 = heap_0_[(out_base + (_e42 >> 2u))][(_e42 & 3u)];
        heap_0_[(out_base + (_e42 >> 2u))][(_e42 & 3u)] = (((((_e50 * 7u) + local_1) + ((group % record_2_1.x) * 100u)) + (((group / record_2_1.x) % record_2_1.y) * 10000u)) + ((record_2_1.x * record_2_1.y) * record_2_1.z));
        return;
    } else {
        return;
    }
}

fn scale_1_(group_1: u32, local_3: u32, record_1_2: vec4<u32>, record_0_2: vec4<u32>, record_2_2: vec4<u32>) {
    let _e4 = ((group_1 * 64u) + local_3);
    let out_base_1 = record_1_2.z;
    let a_base = record_0_2.z;
    let b_base = record_1_2.x;
    if (_e4 < record_2_2.x) {
        let _e21 = weights_1_[(a_base + (_e4 >> 2u))][(_e4 & 3u)];
        let _e30 = weights_1_[(b_base + (_e4 >> 2u))][(_e4 & 3u)];
        heap_0_[(out_base_1 + (_e4 >> 2u))][(_e4 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e21), bitcast<f32>(record_2_2.y), bitcast<f32>(_e30)));
        return;
    } else {
        return;
    }
}

fn wide_2_(group_2: u32, local_4: u32, record_0_3: vec4<u32>, record_1_3: vec4<u32>, record_2_3: vec4<u32>) {
    let a_base_1 = record_0_3.z;
    let out_base_2 = record_1_3.x;
    let _e16 = ((group_2 * 256u) + local_4);
    let _e21 = min(_e16, (record_2_3.x - 1u));
    let _e29 = weights_1_[(a_base_1 + (_e21 >> 2u))][(_e21 & 3u)];
    shared_0_[local_4] = select(0u, _e29, (_e16 < record_2_3.x));
    workgroupBarrier();
    if (_e16 < record_2_3.x) {
        let _e37 = shared_0_[(255u - local_4)];
        let _e39 = shared_0_[local_4];
        heap_0_[(out_base_2 + (_e16 >> 2u))][(_e16 & 3u)] = ((_e37 + (_e39 * 3u)) + record_2_3.y);
        return;
    } else {
        return;
    }
}

@compute @workgroup_size(256, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var lane: u32 = 1u;
    var record_0_: vec4<u32>;
    var record_1_: vec4<u32>;
    var record_2_: vec4<u32>;
    var record_3_: vec4<u32>;
    var low: u32;
    var high: u32;
    var found: u32;

    let linear = ((workgroup_.y * workgroups.x) + workgroup_.x);
    let _e10 = head.header;
    if (linear >= _e10.y) {
        return;
    }
    let _e17 = head.record_0_;
    record_0_ = _e17;
    let _e20 = head.record_1_;
    record_1_ = _e20;
    let _e23 = head.record_2_;
    record_2_ = _e23;
    let _e28 = lanes[4u];
    record_3_ = _e28;
    if (_e10.x > 1u) {
        if (_e10.w == 0u) {
            let _e46 = lanes[(_e10.z + (linear >> 2u))][(linear & 3u)];
            found = _e46;
        } else {
            low = 0u;
            high = _e10.x;
            loop {
                let _e48 = low;
                let _e49 = high;
                if ((_e48 + 1u) >= _e49) {
                    break;
                }
                let middle = ((_e48 + _e49) >> 1u);
                let _e60 = lanes[(_e10.z + (middle >> 2u))][(middle & 3u)];
                if (_e60 > linear) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let _e62 = low;
            found = ((_e62 * _e10.w) + 1u);
        }
        let _e65 = found;
        lane = _e65;
        let _e67 = lanes[_e65];
        record_0_ = _e67;
        let _e70 = lanes[(_e65 + 1u)];
        record_1_ = _e70;
        let _e73 = lanes[(_e65 + 2u)];
        record_2_ = _e73;
        let _e76 = lanes[(_e65 + 3u)];
        record_3_ = _e76;
    }
    let _e77 = record_0_;
    let _e78 = record_1_;
    let _e79 = record_2_;
    let _e80 = record_3_;
    switch _e77.x {
        case 0u: {
            let group_3 = (((linear * 8u) + _e77.y) + (local >> 5u));
            if (group_3 < _e79.w) {
                narrow_0_(group_3, (local & 31u), _e79, _e77, _e78);
            }
        }
        case 1u: {
            let group_4 = (((linear * 4u) + _e77.y) + (local >> 6u));
            if (group_4 < _e80.w) {
                scale_1_(group_4, (local & 63u), _e78, _e77, _e79);
            }
        }
        case 2u: {
            let group_5 = (linear + _e77.y);
            wide_2_(group_5, local, _e77, _e78, _e79);
        }
        default: {
        }
    }
}
