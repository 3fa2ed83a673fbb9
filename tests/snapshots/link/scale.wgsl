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

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var lane: u32 = 1u;
    var record_0_: vec4<u32>;
    var record_1_: vec4<u32>;
    var record_2_: vec4<u32>;
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
    if (_e10.x > 1u) {
        if (_e10.w == 0u) {
            let _e42 = lanes[(_e10.z + (linear >> 2u))][(linear & 3u)];
            found = _e42;
        } else {
            low = 0u;
            high = _e10.x;
            loop {
                let _e44 = low;
                let _e45 = high;
                if ((_e44 + 1u) >= _e45) {
                    break;
                }
                let middle = ((_e44 + _e45) >> 1u);
                let _e56 = lanes[(_e10.z + (middle >> 2u))][(middle & 3u)];
                if (_e56 > linear) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let _e58 = low;
            found = ((_e58 * _e10.w) + 1u);
        }
        let _e61 = found;
        lane = _e61;
        let _e63 = lanes[_e61];
        record_0_ = _e63;
        let _e66 = lanes[(_e61 + 1u)];
        record_1_ = _e66;
        let _e69 = lanes[(_e61 + 2u)];
        record_2_ = _e69;
    }
    let _e70 = record_0_;
    let _e71 = record_1_;
    let _e72 = record_2_;
    let group_1 = (linear + _e70.y);
    scale_0_(group_1, local, _e71, _e70, _e72);
}
