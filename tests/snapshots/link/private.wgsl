struct Head {
    header: vec4<u32>,
    record_0_: vec4<u32>,
    record_1_: vec4<u32>,
    record_2_: vec4<u32>,
}

const FACTORS: array<i32, 4> = array<i32, 4>(3i, -5i, 7i, 11i);

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> weights_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<private> stride_1_steps: i32 = 1i;
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

fn stride_1_factor(i: u32) -> i32 {
    var factors: array<i32, 4> = FACTORS;

    let _e7 = stride_1_steps;
    stride_1_steps = (_e7 + 1i);
    let _e11 = factors[(i & 3u)];
    let _e12 = stride_1_steps;
    return (_e11 + _e12);
}

fn stride_1_(group_1: u32, local_2: u32, record_3_1: vec4<u32>, record_1_2: vec4<u32>, record_0_2: vec4<u32>, record_2_2: vec4<u32>) {
    var i_1: i32;

    let out_base_1 = record_1_2.x;
    let a_base_1 = record_0_2.z;
    let _e19 = i32((record_1_2.y >> 2u));
    i_1 = i32(((group_1 * 64u) + local_2));
    loop {
        let _e21 = i_1;
        if (_e21 < _e19) {
        } else {
            break;
        }
        {
            let _e23 = i_1;
            let _e28 = ((_e23 + bitcast<i32>(record_2_2.x)) % _e19);
            let _e29 = i_1;
            switch (_e29 & 3i) {
                case 0: {
                    let _e31 = i_1;
                    let _e32 = u32(_e31);
                    let _e33 = u32(_e28);
                    let _e41 = weights_1_[(a_base_1 + (_e33 >> 2u))][(_e33 & 3u)];
                    let _e43 = i_1;
                    let _e45 = stride_1_factor(u32(_e43));
                    heap_0_[(out_base_1 + (_e32 >> 2u))][(_e32 & 3u)] = bitcast<u32>((bitcast<i32>(_e41) * _e45));
                }
                case 1, 2: {
                    let _e54 = i_1;
                    let _e55 = u32(_e54);
                    let _e58 = u32(((_e19 - 1i) - _e28));
                    let _e64 = weights_1_[(a_base_1 + (_e58 >> 2u))][(_e58 & 3u)];
                    let _e66 = i_1;
                    let _e68 = stride_1_factor(u32(_e66));
                    heap_0_[(out_base_1 + (_e55 >> 2u))][(_e55 & 3u)] = bitcast<u32>((bitcast<i32>(_e64) - _e68));
                    continue;
                }
                default: {
                    let _e76 = i_1;
                    let _e77 = u32(_e76);
                    heap_0_[(out_base_1 + (_e77 >> 2u))][(_e77 & 3u)] = bitcast<u32>(_e19);
                }
            }
            let _e84 = stride_1_steps;
            let _e85 = i_1;
            stride_1_steps = (_e84 + _e85);
        }
        continuing {
            let _e87 = i_1;
            i_1 = (_e87 + i32((record_3_1.x * 64u)));
        }
    }
    return;
}

@compute @workgroup_size(64, 1, 1) 
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
            let group_2 = (linear + _e77.y);
            scale_0_(group_2, local, _e78, _e77, _e79);
        }
        case 1u: {
            let group_3 = (linear + _e77.y);
            stride_1_(group_3, local, _e80, _e78, _e77, _e79);
        }
        default: {
        }
    }
}
