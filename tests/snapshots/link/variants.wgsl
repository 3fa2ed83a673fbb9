struct Head {
    header: vec4<u32>,
    record_0_: vec4<u32>,
    record_1_: vec4<u32>,
}

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
var<immediate> head: Head;

fn variant_0_apply(x: f32) -> f32 {
    {
        return (x * SCALE);
    }
}

fn variant_0_(group: u32, local_1: u32, record_0_1: vec4<u32>, record_1_1: vec4<u32>) {
    let _e4 = ((group * 64u) + local_1);
    let a_base = record_0_1.z;
    if (_e4 < record_1_1.x) {
        let _e27 = heap_0_[(a_base + (_e4 >> 2u))][(_e4 & 3u)];
        shared_0_[((local_1 + 1u) % TILE)] = bitcast<f32>(_e27);
    }
    workgroupBarrier();
    if (_e4 < record_1_1.x) {
        let _e34 = shared_0_[((local_1 + 1u) % TILE)];
        let _e35 = variant_0_apply(_e34);
        heap_0_[(a_base + (_e4 >> 2u))][(_e4 & 3u)] = bitcast<u32>(_e35);
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

fn variant_1_(group_1: u32, local_2: u32, record_0_2: vec4<u32>, record_1_2: vec4<u32>) {
    let _e4 = ((group_1 * 64u) + local_2);
    let a_base_1 = record_0_2.z;
    if (_e4 < record_1_2.x) {
        let _e27 = heap_0_[(a_base_1 + (_e4 >> 2u))][(_e4 & 3u)];
        shared_0_[((local_2 + 1u) % TILE_1)] = bitcast<f32>(_e27);
    }
    workgroupBarrier();
    if (_e4 < record_1_2.x) {
        let _e34 = shared_0_[((local_2 + 1u) % TILE_1)];
        let _e35 = variant_1_apply(_e34);
        heap_0_[(a_base_1 + (_e4 >> 2u))][(_e4 & 3u)] = bitcast<u32>(_e35);
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

fn variant_2_(group_2: u32, local_3: u32, record_0_3: vec4<u32>, record_1_3: vec4<u32>) {
    let _e4 = ((group_2 * 64u) + local_3);
    let a_base_2 = record_0_3.z;
    if (_e4 < record_1_3.x) {
        let _e27 = heap_0_[(a_base_2 + (_e4 >> 2u))][(_e4 & 3u)];
        shared_0_[((local_3 + 1u) % TILE_2)] = bitcast<f32>(_e27);
    }
    workgroupBarrier();
    if (_e4 < record_1_3.x) {
        let _e34 = shared_0_[((local_3 + 1u) % TILE_2)];
        let _e35 = variant_2_apply(_e34);
        heap_0_[(a_base_2 + (_e4 >> 2u))][(_e4 & 3u)] = bitcast<u32>(_e35);
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
    if (_e10.x > 1u) {
        if (_e10.w == 0u) {
            let _e39 = lanes[(_e10.z + (linear >> 2u))][(linear & 3u)];
            found = _e39;
        } else {
            low = 0u;
            high = _e10.x;
            loop {
                let _e41 = low;
                let _e42 = high;
                if ((_e41 + 1u) >= _e42) {
                    break;
                }
                let middle = ((_e41 + _e42) >> 1u);
                let _e53 = lanes[(_e10.z + (middle >> 2u))][(middle & 3u)];
                if (_e53 > linear) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let _e55 = low;
            found = ((_e55 * _e10.w) + 1u);
        }
        let _e58 = found;
        lane = _e58;
        let _e60 = lanes[_e58];
        record_0_ = _e60;
        let _e63 = lanes[(_e58 + 1u)];
        record_1_ = _e63;
    }
    let _e64 = record_0_;
    let _e65 = record_1_;
    switch _e64.x {
        case 0u: {
            let group_3 = (linear + _e64.y);
            variant_0_(group_3, local, _e64, _e65);
        }
        case 1u: {
            let group_4 = (linear + _e64.y);
            variant_1_(group_4, local, _e64, _e65);
        }
        case 2u: {
            let group_5 = (linear + _e64.y);
            variant_2_(group_5, local, _e64, _e65);
        }
        default: {
        }
    }
}
