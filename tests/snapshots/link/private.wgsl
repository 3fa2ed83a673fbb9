const FACTORS: array<i32, 4> = array<i32, 4>(3i, -5i, 7i, 11i);

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<private> stride_1_steps: i32 = 1i;

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

    let _e7 = lanes[(lane_1 + 3u)];
    let _e15 = lanes[(lane_1 + 1u)];
    let out_base_1 = _e15.x;
    let _e23 = lanes[(lane_1 + 2u)];
    let _e26 = lanes[lane_1];
    let a_base_1 = _e26.z;
    let _e31 = i32((_e15.y >> 2u));
    i_1 = i32(((group_1 * 64u) + local_2));
    loop {
        let _e33 = i_1;
        if (_e33 < _e31) {
        } else {
            break;
        }
        {
            let _e35 = i_1;
            let _e39 = ((_e35 + bitcast<i32>(_e23.x)) % _e31);
            let _e40 = i_1;
            switch (_e40 & 3i) {
                case 0: {
                    let _e42 = i_1;
                    let _e43 = u32(_e42);
                    let _e44 = u32(_e39);
                    let _e51 = slab_1_[(a_base_1 + (_e44 >> 2u))][(_e44 & 3u)];
                    let _e53 = i_1;
                    let _e55 = stride_1_factor(u32(_e53));
                    heap_0_[(out_base_1 + (_e43 >> 2u))][(_e43 & 3u)] = bitcast<u32>((bitcast<i32>(_e51) * _e55));
                }
                case 1, 2: {
                    let _e64 = i_1;
                    let _e65 = u32(_e64);
                    let _e68 = u32(((_e31 - 1i) - _e39));
                    let _e74 = slab_1_[(a_base_1 + (_e68 >> 2u))][(_e68 & 3u)];
                    let _e76 = i_1;
                    let _e78 = stride_1_factor(u32(_e76));
                    heap_0_[(out_base_1 + (_e65 >> 2u))][(_e65 & 3u)] = bitcast<u32>((bitcast<i32>(_e74) - _e78));
                    continue;
                }
                default: {
                    let _e86 = i_1;
                    let _e87 = u32(_e86);
                    heap_0_[(out_base_1 + (_e87 >> 2u))][(_e87 & 3u)] = bitcast<u32>(_e31);
                }
            }
            let _e94 = stride_1_steps;
            let _e95 = i_1;
            stride_1_steps = (_e94 + _e95);
        }
        continuing {
            let _e97 = i_1;
            i_1 = (_e97 + i32((_e7.x * 64u)));
        }
    }
    return;
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
    let lane_2 = found;
    let _e49 = lanes[lane_2];
    switch _e49.x {
        case 0u: {
            let group_2 = (linear + _e49.y);
            scale_0_(lane_2, group_2, local);
        }
        case 1u: {
            let group_3 = (linear + _e49.y);
            stride_1_(lane_2, group_3, local);
        }
        default: {
        }
    }
}
