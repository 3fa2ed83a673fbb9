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
    let lane_1 = found;
    let _e49 = lanes[lane_1];
    let group_1 = (linear + _e49.y);
    scale_0_(lane_1, group_1, local);
}
