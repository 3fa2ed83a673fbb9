@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(3) 
var<storage, read_write> heap_2_: array<vec4<u32>>;
@group(0) @binding(4) 
var<storage, read_write> heap_3_: array<vec4<u32>>;

fn scale_0_(lane: u32, group: u32, local_1: u32) {
    let _e6 = ((group * 64u) + local_1);
    let _e10 = lanes[(lane + 4u)];
    let _e14 = lanes[(lane + 3u)];
    let out_base = _e14.x;
    let _e19 = lanes[(lane + 2u)];
    let a_base = _e19.x;
    let b_base = _e19.z;
    if (_e6 < _e10.x) {
        let _e30 = heap_0_[(a_base + (_e6 >> 2u))][(_e6 & 3u)];
        let _e39 = heap_0_[(b_base + (_e6 >> 2u))][(_e6 & 3u)];
        heap_0_[(out_base + (_e6 >> 2u))][(_e6 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e30), bitcast<f32>(_e10.y), bitcast<f32>(_e39)));
        return;
    } else {
        return;
    }
}

fn scale_1_(lane_1: u32, group_1: u32, local_2: u32) {
    let _e6 = ((group_1 * 64u) + local_2);
    let _e10 = lanes[(lane_1 + 4u)];
    let _e14 = lanes[(lane_1 + 3u)];
    let out_base_1 = _e14.x;
    let _e19 = lanes[(lane_1 + 2u)];
    let a_base_1 = _e19.x;
    let b_base_1 = _e19.z;
    if (_e6 < _e10.x) {
        let _e30 = slab_1_[(a_base_1 + (_e6 >> 2u))][(_e6 & 3u)];
        let _e39 = slab_1_[(b_base_1 + (_e6 >> 2u))][(_e6 & 3u)];
        heap_0_[(out_base_1 + (_e6 >> 2u))][(_e6 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e30), bitcast<f32>(_e10.y), bitcast<f32>(_e39)));
        return;
    } else {
        return;
    }
}

fn scale_2_(lane_2: u32, group_2: u32, local_3: u32) {
    let _e6 = ((group_2 * 64u) + local_3);
    let _e10 = lanes[(lane_2 + 4u)];
    let _e14 = lanes[(lane_2 + 3u)];
    let out_base_2 = _e14.x;
    let _e19 = lanes[(lane_2 + 2u)];
    let a_base_2 = _e19.x;
    let b_base_2 = _e19.z;
    if (_e6 < _e10.x) {
        let _e30 = heap_2_[(a_base_2 + (_e6 >> 2u))][(_e6 & 3u)];
        let _e40 = slab_1_[(b_base_2 + (_e6 >> 2u))][(_e6 & 3u)];
        heap_3_[(out_base_2 + (_e6 >> 2u))][(_e6 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e30), bitcast<f32>(_e10.y), bitcast<f32>(_e40)));
        return;
    } else {
        return;
    }
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
    let lane_3 = ((_e11.z >> 2u) + (_e34 * (_e11.w >> 2u)));
    let _e48 = lanes[lane_3];
    let group_3 = ((linear - _e40) + _e48.y);
    switch _e48.x {
        case 0u: {
            scale_0_(lane_3, group_3, local);
        }
        case 1u: {
            scale_1_(lane_3, group_3, local);
        }
        case 2u: {
            scale_2_(lane_3, group_3, local);
        }
        default: {
        }
    }
}
