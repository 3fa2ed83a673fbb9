const MODE: u32 = 0u;
const SCALE: f32 = 1.5f;
const TILE: u32 = 64u;
const MODE_1: u32 = 1u;
const SCALE_1: f32 = 1.5f;
const TILE_1: u32 = 64u;
const MODE_2: u32 = 2u;
const SCALE_2: f32 = 1.5f;
const TILE_2: u32 = 64u;

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
var<workgroup> shared_0_: array<f32, 64>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn variant_0_apply(x: f32) -> f32 {
    {
        return (x * SCALE);
    }
}

fn variant_0_(lane: u32, group: u32, local_1: u32) {
    let _e8 = ((group * 64u) + local_1);
    let _e11 = lanes[(lane + 1u)];
    let _e16 = lanes[lane];
    let a_base = _e16.z;
    if (_e8 < _e11.x) {
        let _e33 = heap_0_[(a_base + (_e8 >> 2u))][(_e8 & 3u)];
        shared_0_[((local_1 + 1u) % TILE)] = bitcast<f32>(_e33);
    }
    workgroupBarrier();
    if (_e8 < _e11.x) {
        let _e40 = shared_0_[((local_1 + 1u) % TILE)];
        let _e41 = variant_0_apply(_e40);
        heap_0_[(a_base + (_e8 >> 2u))][(_e8 & 3u)] = bitcast<u32>(_e41);
        return;
    } else {
        return;
    }
}

fn variant_1_apply(x_1: f32) -> f32 {
    {
        return (max(x_1, 0f) + SCALE_1);
    }
}

fn variant_1_(lane_1: u32, group_1: u32, local_2: u32) {
    let _e8 = ((group_1 * 64u) + local_2);
    let _e11 = lanes[(lane_1 + 1u)];
    let _e16 = lanes[lane_1];
    let a_base_1 = _e16.z;
    if (_e8 < _e11.x) {
        let _e33 = heap_0_[(a_base_1 + (_e8 >> 2u))][(_e8 & 3u)];
        shared_0_[((local_2 + 1u) % TILE_1)] = bitcast<f32>(_e33);
    }
    workgroupBarrier();
    if (_e8 < _e11.x) {
        let _e40 = shared_0_[((local_2 + 1u) % TILE_1)];
        let _e41 = variant_1_apply(_e40);
        heap_0_[(a_base_1 + (_e8 >> 2u))][(_e8 & 3u)] = bitcast<u32>(_e41);
        return;
    } else {
        return;
    }
}

fn variant_2_apply(x_2: f32) -> f32 {
    {
        return exp((-(x_2) * x_2));
    }
}

fn variant_2_(lane_2: u32, group_2: u32, local_3: u32) {
    let _e8 = ((group_2 * 64u) + local_3);
    let _e11 = lanes[(lane_2 + 1u)];
    let _e16 = lanes[lane_2];
    let a_base_2 = _e16.z;
    if (_e8 < _e11.x) {
        let _e33 = heap_0_[(a_base_2 + (_e8 >> 2u))][(_e8 & 3u)];
        shared_0_[((local_3 + 1u) % TILE_2)] = bitcast<f32>(_e33);
    }
    workgroupBarrier();
    if (_e8 < _e11.x) {
        let _e40 = shared_0_[((local_3 + 1u) % TILE_2)];
        let _e41 = variant_2_apply(_e40);
        heap_0_[(a_base_2 + (_e8 >> 2u))][(_e8 & 3u)] = bitcast<u32>(_e41);
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
    let lane_3 = found;
    let _e49 = lanes[lane_3];
    switch _e49.x {
        case 0u: {
            let group_3 = (linear + _e49.y);
            variant_0_(lane_3, group_3, local);
        }
        case 1u: {
            let group_4 = (linear + _e49.y);
            variant_1_(lane_3, group_4, local);
        }
        case 2u: {
            let group_5 = (linear + _e49.y);
            variant_2_(lane_3, group_5, local);
        }
        default: {
        }
    }
}
