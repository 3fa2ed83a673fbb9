struct Head {
    header: vec4<u32>,
    record_0_: vec4<u32>,
    record_1_: vec4<u32>,
    record_2_: vec4<u32>,
}

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
var<workgroup> shared_0_: array<atomic<u32>, 4>;
var<workgroup> shared_1_: u32;
@group(0) @binding(2) 
var<storage> weights_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<workgroup> shared_2_: array<f32, 64>;
var<workgroup> shared_3_: array<f32, 64>;
var<workgroup> shared_4_: array<array<i32, 9>, 8>;
var<immediate> head: Head;

fn atomics_0_(group: u32, local_1: u32, record_0_1: vec4<u32>, record_1_1: vec4<u32>, record_2_1: vec4<u32>) {
    let _e4 = ((group * 64u) + local_1);
    let a_base = record_0_1.z;
    let parts_base = record_1_1.z;
    let bins_base = record_1_1.x;
    if (local_1 < 4u) {
        atomicStore((&shared_0_[local_1]), 0u);
    }
    workgroupBarrier();
    if (_e4 < record_2_1.x) {
        let _e37 = weights_1_[(a_base + (_e4 >> 2u))][(_e4 & 3u)];
        let _e39 = modf(bitcast<f32>(_e37));
        let _e45 = weights_1_[(a_base + (_e4 >> 2u))][(_e4 & 3u)];
        let _e48 = (_e4 * 2u);
        let _e55 = bitcast<vec2<u32>>(vec2<f32>((_e39.fract + f32(frexp(bitcast<f32>(_e45)).exp)), _e39.whole));
        let _e57 = (parts_base + (_e48 >> 2u));
        let _e58 = (_e48 & 3u);
        heap_0_[_e57][_e58] = _e55.x;
        heap_0_[_e57][(_e58 + 1u)] = _e55.y;
        let _e72 = atomicAdd((&shared_0_[(u32(abs(_e39.whole)) & 3u)]), 1u);
    }
    workgroupBarrier();
    if (local_1 == 0u) {
        let _e75 = atomicLoad((&shared_0_[0]));
        let _e77 = atomicLoad((&shared_0_[1]));
        shared_1_ = (_e75 + _e77);
    }
    let _e79 = workgroupUniformLoad((&shared_1_));
    if (local_1 < 4u) {
        let _e82 = atomicLoad((&shared_0_[local_1]));
        heap_0_[((bins_base + group) + (local_1 >> 2u))][(local_1 & 3u)] = (_e82 + _e79);
        return;
    } else {
        return;
    }
}

fn reduce_1_(group_1: u32, local_2: u32, record_0_2: vec4<u32>, record_1_2: vec4<u32>, record_2_2: vec4<u32>) {
    var value: f32 = 0f;
    var width: u32 = 32u;

    let _e4 = ((group_1 * 64u) + local_2);
    let a_base_1 = record_0_2.z;
    let sums_base = record_1_2.x;
    if (_e4 < record_2_2.x) {
        let _e37 = weights_1_[(a_base_1 + (_e4 >> 2u))][(_e4 & 3u)];
        value = bitcast<f32>(_e37);
    }
    let _e40 = value;
    shared_2_[local_2] = _e40;
    let _e42 = value;
    shared_3_[local_2] = _e42;
    workgroupBarrier();
    loop {
        let _e43 = width;
        if (_e43 > 0u) {
        } else {
            break;
        }
        {
            let _e45 = width;
            if (local_2 < _e45) {
                let _e48 = shared_2_[local_2];
                let _e49 = width;
                let _e52 = shared_2_[(local_2 + _e49)];
                shared_2_[local_2] = (_e48 + _e52);
                let _e56 = shared_3_[local_2];
                let _e57 = width;
                let _e60 = shared_3_[(local_2 + _e57)];
                shared_3_[local_2] = max(_e56, _e60);
            }
            workgroupBarrier();
        }
        continuing {
            let _e62 = width;
            width = (_e62 / 2u);
        }
    }
    if (local_2 == 0u) {
        let _e65 = (group_1 * 2u);
        let _e67 = shared_2_[0];
        let _e69 = shared_3_[0];
        let _e71 = bitcast<vec2<u32>>(vec2<f32>(_e67, _e69));
        let _e73 = (sums_base + (_e65 >> 2u));
        let _e74 = (_e65 & 3u);
        heap_0_[_e73][_e74] = _e71.x;
        heap_0_[_e73][(_e74 + 1u)] = _e71.y;
        return;
    } else {
        return;
    }
}

fn transpose_2_at(row: u32, column: u32, record_0_3: vec4<u32>, record_2_3: vec4<u32>) -> i32 {
    let a_base_2 = record_0_3.z;
    let _e8 = ((row * record_2_3.y) + column);
    let _e16 = weights_1_[(a_base_2 + (_e8 >> 2u))][(_e8 & 3u)];
    return bitcast<i32>(_e16);
}

fn transpose_2_put(row_1: u32, column_1: u32, value_1: i32, record_1_3: vec4<u32>, record_2_4: vec4<u32>) {
    let out_base = record_1_3.x;
    let _e9 = ((column_1 * record_2_4.x) + row_1);
    heap_0_[(out_base + (_e9 >> 2u))][(_e9 & 3u)] = bitcast<u32>(value_1);
    return;
}

fn transpose_2_(group_2: u32, local_3: u32, record_3_1: vec4<u32>, record_2_5: vec4<u32>, record_0_4: vec4<u32>, record_1_4: vec4<u32>) {
    var local_4: bool;

    let _e9 = (local_3 & 7u);
    let _e11 = (local_3 >> 3u);
    let _e23 = ((((group_2 / record_3_1.x) % record_3_1.y) * 8u) + _e11);
    let _e25 = (((group_2 % record_3_1.x) * 8u) + _e9);
    if (_e23 < record_2_5.x) {
        local_4 = (_e25 < record_2_5.y);
    } else {
        local_4 = false;
    }
    let _e31 = local_4;
    if _e31 {
        let _e35 = transpose_2_at(_e23, _e25, record_0_4, record_2_5);
        shared_4_[_e11][_e9] = _e35;
    }
    workgroupBarrier();
    if _e31 {
        let _e38 = shared_4_[_e11][_e9];
        transpose_2_put(_e23, _e25, (_e38 + i32(((record_3_1.x * 1000u) + record_3_1.y))), record_1_4, record_2_5);
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
            let group_3 = (linear + _e77.y);
            atomics_0_(group_3, local, _e77, _e78, _e79);
        }
        case 1u: {
            let group_4 = (linear + _e77.y);
            reduce_1_(group_4, local, _e77, _e78, _e79);
        }
        case 2u: {
            let group_5 = (linear + _e77.y);
            transpose_2_(group_5, local, _e80, _e79, _e77, _e78);
        }
        default: {
        }
    }
}
