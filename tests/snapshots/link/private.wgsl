const FACTORS: array<i32, 4> = array<i32, 4>(3i, -5i, 7i, 11i);

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<private> stride_1_steps: i32 = 1i;

fn scale_0_(lane: u32, group: u32, local_1: u32) {
    let _e5 = lanes[lane];
    let _e10 = (((group % _e5.z) * 64u) + local_1);
    let _e14 = lanes[(lane + 4u)];
    let _e18 = lanes[(lane + 3u)];
    let out_base = _e18.x;
    let _e23 = lanes[(lane + 2u)];
    let a_base = _e23.x;
    let b_base = _e23.z;
    if (_e10 < _e14.x) {
        let _e34 = slab_1_[(a_base + (_e10 >> 2u))][(_e10 & 3u)];
        let _e43 = slab_1_[(b_base + (_e10 >> 2u))][(_e10 & 3u)];
        heap_0_[(out_base + (_e10 >> 2u))][(_e10 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e34), bitcast<f32>(_e14.y), bitcast<f32>(_e43)));
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
    let _e14 = lanes[(lane_1 + 2u)];
    let out_base_1 = _e14.z;
    let _e22 = lanes[(lane_1 + 3u)];
    let a_base_1 = _e14.x;
    let _e28 = i32((_e14.w >> 2u));
    i_1 = i32((((group_1 % _e5.z) * 64u) + local_2));
    loop {
        let _e30 = i_1;
        if (_e30 < _e28) {
        } else {
            break;
        }
        {
            let _e32 = i_1;
            let _e36 = ((_e32 + bitcast<i32>(_e22.x)) % _e28);
            let _e37 = i_1;
            switch (_e37 & 3i) {
                case 0: {
                    let _e39 = i_1;
                    let _e40 = u32(_e39);
                    let _e41 = u32(_e36);
                    let _e48 = slab_1_[(a_base_1 + (_e41 >> 2u))][(_e41 & 3u)];
                    let _e50 = i_1;
                    let _e52 = stride_1_factor(u32(_e50));
                    heap_0_[(out_base_1 + (_e40 >> 2u))][(_e40 & 3u)] = bitcast<u32>((bitcast<i32>(_e48) * _e52));
                }
                case 1, 2: {
                    let _e61 = i_1;
                    let _e62 = u32(_e61);
                    let _e65 = u32(((_e28 - 1i) - _e36));
                    let _e71 = slab_1_[(a_base_1 + (_e65 >> 2u))][(_e65 & 3u)];
                    let _e73 = i_1;
                    let _e75 = stride_1_factor(u32(_e73));
                    heap_0_[(out_base_1 + (_e62 >> 2u))][(_e62 & 3u)] = bitcast<u32>((bitcast<i32>(_e71) - _e75));
                    continue;
                }
                default: {
                    let _e83 = i_1;
                    let _e84 = u32(_e83);
                    heap_0_[(out_base_1 + (_e84 >> 2u))][(_e84 & 3u)] = bitcast<u32>(_e28);
                }
            }
            let _e91 = stride_1_steps;
            let _e92 = i_1;
            stride_1_steps = (_e91 + _e92);
        }
        continuing {
            let _e94 = i_1;
            i_1 = (_e94 + i32((_e5.z * 64u)));
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
