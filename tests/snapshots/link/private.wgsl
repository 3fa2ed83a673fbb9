const FACTORS: array<i32, 4> = array<i32, 4>(3i, -5i, 7i, 11i);

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<private> stride_1_steps: i32 = 1i;

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

fn stride_1_factor(i: u32) -> i32 {
    var factors: array<i32, 4> = FACTORS;

    let _e7 = stride_1_steps;
    stride_1_steps = (_e7 + 1i);
    let _e11 = factors[(i & 3u)];
    let _e12 = stride_1_steps;
    return (_e11 + _e12);
}

fn stride_1_(lane_1: u32, group_1: u32, local_2: u32) {
    var i_1: i32;

    let _e5 = lanes[lane_1];
    let _e13 = lanes[(lane_1 + 2u)];
    let out_base_1 = _e13.z;
    let _e21 = lanes[(lane_1 + 3u)];
    let a_base_1 = _e13.x;
    let _e27 = i32((_e13.w >> 2u));
    i_1 = i32(((group_1 * 64u) + local_2));
    loop {
        let _e29 = i_1;
        if (_e29 < _e27) {
        } else {
            break;
        }
        {
            let _e31 = i_1;
            let _e35 = ((_e31 + bitcast<i32>(_e21.x)) % _e27);
            let _e36 = i_1;
            switch (_e36 & 3i) {
                case 0: {
                    let _e38 = i_1;
                    let _e39 = u32(_e38);
                    let _e40 = u32(_e35);
                    let _e47 = slab_1_[(a_base_1 + (_e40 >> 2u))][(_e40 & 3u)];
                    let _e49 = i_1;
                    let _e51 = stride_1_factor(u32(_e49));
                    heap_0_[(out_base_1 + (_e39 >> 2u))][(_e39 & 3u)] = bitcast<u32>((bitcast<i32>(_e47) * _e51));
                }
                case 1, 2: {
                    let _e60 = i_1;
                    let _e61 = u32(_e60);
                    let _e64 = u32(((_e27 - 1i) - _e35));
                    let _e70 = slab_1_[(a_base_1 + (_e64 >> 2u))][(_e64 & 3u)];
                    let _e72 = i_1;
                    let _e74 = stride_1_factor(u32(_e72));
                    heap_0_[(out_base_1 + (_e61 >> 2u))][(_e61 & 3u)] = bitcast<u32>((bitcast<i32>(_e70) - _e74));
                    continue;
                }
                default: {
                    let _e82 = i_1;
                    let _e83 = u32(_e82);
                    heap_0_[(out_base_1 + (_e83 >> 2u))][(_e83 & 3u)] = bitcast<u32>(_e27);
                }
            }
            let _e90 = stride_1_steps;
            let _e91 = i_1;
            stride_1_steps = (_e90 + _e91);
        }
        continuing {
            let _e93 = i_1;
            i_1 = (_e93 + i32((_e5.z * 64u)));
        }
    }
    return;
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
    let lane_2 = ((_e11.z >> 2u) + (_e34 * (_e11.w >> 2u)));
    let _e48 = lanes[lane_2];
    let group_2 = ((linear - _e40) + _e48.y);
    switch _e48.x {
        case 0u: {
            scale_0_(lane_2, group_2, local);
        }
        case 1u: {
            stride_1_(lane_2, group_2, local);
        }
        default: {
        }
    }
}
