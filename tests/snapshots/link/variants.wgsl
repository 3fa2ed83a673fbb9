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
    let _e6 = ((group * 64u) + local_1);
    let _e10 = lanes[(lane + 3u)];
    let _e17 = lanes[(lane + 2u)];
    let a_base = _e17.x;
    if (_e6 < _e10.x) {
        let _e33 = heap_0_[(a_base + (_e6 >> 2u))][(_e6 & 3u)];
        shared_0_[((local_1 + 1u) % TILE)] = bitcast<f32>(_e33);
    }
    workgroupBarrier();
    if (_e6 < _e10.x) {
        let _e40 = shared_0_[((local_1 + 1u) % TILE)];
        let _e41 = variant_0_apply(_e40);
        heap_0_[(a_base + (_e6 >> 2u))][(_e6 & 3u)] = bitcast<u32>(_e41);
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
    let _e6 = ((group_1 * 64u) + local_2);
    let _e10 = lanes[(lane_1 + 3u)];
    let _e17 = lanes[(lane_1 + 2u)];
    let a_base_1 = _e17.x;
    if (_e6 < _e10.x) {
        let _e33 = heap_0_[(a_base_1 + (_e6 >> 2u))][(_e6 & 3u)];
        shared_0_[((local_2 + 1u) % TILE_1)] = bitcast<f32>(_e33);
    }
    workgroupBarrier();
    if (_e6 < _e10.x) {
        let _e40 = shared_0_[((local_2 + 1u) % TILE_1)];
        let _e41 = variant_1_apply(_e40);
        heap_0_[(a_base_1 + (_e6 >> 2u))][(_e6 & 3u)] = bitcast<u32>(_e41);
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
    let _e6 = ((group_2 * 64u) + local_3);
    let _e10 = lanes[(lane_2 + 3u)];
    let _e17 = lanes[(lane_2 + 2u)];
    let a_base_2 = _e17.x;
    if (_e6 < _e10.x) {
        let _e33 = heap_0_[(a_base_2 + (_e6 >> 2u))][(_e6 & 3u)];
        shared_0_[((local_3 + 1u) % TILE_2)] = bitcast<f32>(_e33);
    }
    workgroupBarrier();
    if (_e6 < _e10.x) {
        let _e40 = shared_0_[((local_3 + 1u) % TILE_2)];
        let _e41 = variant_2_apply(_e40);
        heap_0_[(a_base_2 + (_e6 >> 2u))][(_e6 & 3u)] = bitcast<u32>(_e41);
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
            variant_0_(lane_3, group_3, local);
        }
        case 1u: {
            variant_1_(lane_3, group_3, local);
        }
        case 2u: {
            variant_2_(lane_3, group_3, local);
        }
        default: {
        }
    }
}
