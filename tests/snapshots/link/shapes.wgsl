@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<workgroup> shared_0_: array<array<i32, 9>, 8>;
@group(0) @binding(2) 
var<storage> weights_1_: array<vec4<u32>>;

fn cube_0_(group: u32, local_1: u32, record_2_1: vec4<u32>, record_0_1: vec4<u32>, record_1_1: vec4<u32>) {
    let _e6 = (group / record_2_1.x);
    let _e17 = (((group % record_2_1.x) * 4u) + (local_1 & 3u));
    let _e19 = (((_e6 % record_2_1.y) * 4u) + ((local_1 >> 2u) & 3u));
    let _e21 = (((_e6 / record_2_1.y) * 4u) + (local_1 >> 4u));
    let _e22 = vec3<u32>(_e17, _e19, _e21);
    let _e26 = (group / record_2_1.x);
    let out_base = record_0_1.z;
    if any((_e22 >= record_1_1.xyz)) {
        return;
    }
    heap_0_[(out_base + ((((_e21 * record_1_1.y) + _e19) * record_1_1.x) + _e17))] = (vec4<u32>(_e22, local_1) + vec4<u32>((vec3<u32>((group % record_2_1.x), (_e26 % record_2_1.y), (_e26 / record_2_1.y)) * 100u), 7u));
    return;
}

fn transpose_1_at(row: u32, column: u32, record_0_2: vec4<u32>, record_2_2: vec4<u32>) -> i32 {
    let a_base = record_0_2.z;
    let _e8 = ((row * record_2_2.y) + column);
    let _e16 = weights_1_[(a_base + (_e8 >> 2u))][(_e8 & 3u)];
    return bitcast<i32>(_e16);
}

fn transpose_1_put(row_1: u32, column_1: u32, value: i32, record_1_2: vec4<u32>, record_2_3: vec4<u32>) {
    let out_base_1 = record_1_2.x;
    let _e9 = ((column_1 * record_2_3.x) + row_1);
    heap_0_[(out_base_1 + (_e9 >> 2u))][(_e9 & 3u)] = bitcast<u32>(value);
    return;
}

fn transpose_1_(group_1: u32, local_2: u32, record_3_1: vec4<u32>, record_2_4: vec4<u32>, record_0_3: vec4<u32>, record_1_3: vec4<u32>) {
    var local_3: bool;

    let _e9 = (local_2 & 7u);
    let _e11 = (local_2 >> 3u);
    let _e23 = ((((group_1 / record_3_1.x) % record_3_1.y) * 8u) + _e11);
    let _e25 = (((group_1 % record_3_1.x) * 8u) + _e9);
    if (_e23 < record_2_4.x) {
        local_3 = (_e25 < record_2_4.y);
    } else {
        local_3 = false;
    }
    let _e31 = local_3;
    if _e31 {
        let _e35 = transpose_1_at(_e23, _e25, record_0_3, record_2_4);
        shared_0_[_e11][_e9] = _e35;
    }
    workgroupBarrier();
    if _e31 {
        let _e38 = shared_0_[_e11][_e9];
        transpose_1_put(_e23, _e25, (_e38 + i32(((record_3_1.x * 1000u) + record_3_1.y))), record_1_3, record_2_4);
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
    let _e11 = lanes[0u];
    if (linear >= _e11.y) {
        return;
    }
    let _e19 = lanes[1u];
    record_0_ = _e19;
    let _e23 = lanes[2u];
    record_1_ = _e23;
    let _e27 = lanes[3u];
    record_2_ = _e27;
    let _e31 = lanes[4u];
    record_3_ = _e31;
    if (_e11.x > 1u) {
        if (_e11.w == 0u) {
            let _e45 = lanes[(_e11.z + (linear >> 2u))][(linear & 3u)];
            found = _e45;
        } else {
            low = 0u;
            high = _e11.x;
            loop {
                let _e47 = low;
                let _e48 = high;
                if ((_e47 + 1u) >= _e48) {
                    break;
                }
                let middle = ((_e47 + _e48) >> 1u);
                let _e59 = lanes[(_e11.z + (middle >> 2u))][(middle & 3u)];
                if (_e59 > linear) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let _e61 = low;
            found = ((_e61 * _e11.w) + 1u);
        }
        let _e64 = found;
        lane = _e64;
        let _e66 = lanes[_e64];
        record_0_ = _e66;
        let _e69 = lanes[(_e64 + 1u)];
        record_1_ = _e69;
        let _e72 = lanes[(_e64 + 2u)];
        record_2_ = _e72;
        let _e75 = lanes[(_e64 + 3u)];
        record_3_ = _e75;
    }
    let _e76 = record_0_;
    let _e77 = record_1_;
    let _e78 = record_2_;
    let _e79 = record_3_;
    switch _e76.x {
        case 0u: {
            let group_2 = (linear + _e76.y);
            cube_0_(group_2, local, _e78, _e76, _e77);
        }
        case 1u: {
            let group_3 = (linear + _e76.y);
            transpose_1_(group_3, local, _e79, _e78, _e76, _e77);
        }
        default: {
        }
    }
}
