struct Inner {
    table: array<array<u32, 3>, 2>,
    last: u32,
}

struct Head {
    header: vec4<u32>,
    record_0_: vec4<u32>,
    record_1_: vec4<u32>,
    record_2_: vec4<u32>,
}

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<immediate> head: Head;

fn matrices_0_(group: u32, local_1: u32, record_0_1: vec4<u32>, record_1_1: vec4<u32>, record_2_1: vec4<u32>) {
    let _e4 = ((group * 64u) + local_1);
    let items_base = record_0_1.z;
    let out_base = record_1_1.x;
    if (_e4 >= record_2_1.x) {
        return;
    }
    let _e21 = (_e4 * 7u);
    let _e25 = heap_0_[(items_base + _e21)];
    let _e31 = heap_0_[((items_base + _e21) + 1u)];
    let _e38 = heap_0_[((items_base + _e21) + 2u)];
    let _e42 = (_e4 % 3u);
    let _e48 = heap_0_[(items_base + ((_e4 * 7u) + _e42))];
    let _e53 = (_e4 % 3u);
    let _e62 = heap_0_[(((items_base + (_e4 * 7u)) + 2u) + (_e53 >> 2u))][(_e53 & 3u)];
    let _e66 = bitcast<vec3<u32>>(((mat3x3<f32>(bitcast<vec3<f32>>(_e25.xyz), bitcast<vec3<f32>>(_e31.xyz), bitcast<vec3<f32>>(_e38.xyz))[_e42] + bitcast<vec3<f32>>(_e48.xyz)) + vec3(bitcast<f32>(_e62))));
    let _e67 = (out_base + _e4);
    heap_0_[_e67].x = _e66.x;
    heap_0_[_e67].y = _e66.y;
    heap_0_[_e67].z = _e66.z;
    let _e77 = (_e4 * 7u);
    let _e82 = heap_0_[((items_base + (_e4 * 7u)) + 4u)];
    let _e88 = heap_0_[((items_base + (_e4 * 7u)) + 3u)];
    let _e90 = mat2x4<f32>(bitcast<vec4<f32>>(_e82), bitcast<vec4<f32>>(_e88));
    heap_0_[((items_base + _e77) + 3u)] = bitcast<vec4<u32>>(_e90[0]);
    heap_0_[((items_base + _e77) + 4u)] = bitcast<vec4<u32>>(_e90[1]);
    let _e103 = ((_e4 & 3u) * 2u);
    let _e107 = ((3u - (_e4 & 3u)) * 2u);
    let _e112 = (((items_base + (_e4 * 7u)) + 5u) + (_e107 >> 2u));
    let _e113 = (_e107 & 3u);
    let _e119 = heap_0_[_e112][_e113];
    let _e120 = heap_0_[_e112][(_e113 + 1u)];
    let _e123 = bitcast<vec2<u32>>(bitcast<vec2<f32>>(vec2<u32>(_e119, _e120)));
    let _e127 = (((items_base + (_e4 * 7u)) + 5u) + (_e103 >> 2u));
    let _e128 = (_e103 & 3u);
    heap_0_[_e127][_e128] = _e123.x;
    heap_0_[_e127][(_e128 + 1u)] = _e123.y;
    heap_0_[((items_base + (_e4 * 7u)) + 5u)].w = bitcast<u32>(4f);
    return;
}

fn nested_1_(group_1: u32, local_2: u32, record_0_2: vec4<u32>, record_1_2: vec4<u32>, record_2_2: vec4<u32>, lane_1: u32, record_4_1: vec4<u32>) {
    var changed: Inner;

    let _e4 = ((group_1 * 64u) + local_2);
    let data_base = record_0_2.z;
    let out_base_1 = record_1_2.x;
    if (_e4 >= record_2_2.x) {
        return;
    }
    let _e29 = (_e4 * 7u);
    let _e38 = heap_0_[((data_base + 2u) + (_e29 >> 2u))][(_e29 & 3u)];
    let _e40 = (_e29 + 1u);
    let _e46 = heap_0_[((data_base + 2u) + (_e40 >> 2u))][(_e40 & 3u)];
    let _e48 = (_e29 + 2u);
    let _e54 = heap_0_[((data_base + 2u) + (_e48 >> 2u))][(_e48 & 3u)];
    let _e57 = (_e29 + 3u);
    let _e63 = heap_0_[((data_base + 2u) + (_e57 >> 2u))][(_e57 & 3u)];
    let _e70 = heap_0_[((data_base + 3u) + (_e29 >> 2u))][(_e29 & 3u)];
    let _e72 = (_e29 + 1u);
    let _e78 = heap_0_[((data_base + 3u) + (_e72 >> 2u))][(_e72 & 3u)];
    let _e82 = (_e29 + 2u);
    let _e88 = heap_0_[((data_base + 3u) + (_e82 >> 2u))][(_e82 & 3u)];
    let _e89 = Inner(array<array<u32, 3>, 2>(array<u32, 3>(_e38, _e46, _e54), array<u32, 3>(_e63, _e70, _e78)), _e88);
    let _e101 = (((_e4 * 7u) + ((1u - (_e4 & 1u)) * 3u)) + 2u);
    let _e107 = heap_0_[((data_base + 2u) + (_e101 >> 2u))][(_e101 & 3u)];
    let _e112 = ((_e4 >> 1u) & 3u);
    let _e123 = lanes[((((lane_1 + 2u) + (_e4 & 1u)) + 1u) + (_e112 >> 2u))][(_e112 & 3u)];
    let _e135 = heap_0_[((data_base + 1u) + (record_2_2.y >> 2u))][(record_2_2.y & 3u)];
    heap_0_[(out_base_1 + (_e4 >> 2u))][(_e4 & 3u)] = (((((_e89.table[(_e4 & 1u)][(_e4 % 3u)] + _e107) + ((record_0_2.w - min(record_0_2.w, 32u)) / 28u)) + _e123) + record_4_1.y) + _e135);
    changed = _e89;
    let _e147 = heap_0_[(data_base + 1u)].x;
    let _e151 = heap_0_[(data_base + 1u)].y;
    let _e155 = heap_0_[(data_base + 1u)].z;
    changed.table[0] = array<u32, 3>(_e147, _e151, _e155);
    let _e158 = changed.last;
    let _e161 = heap_0_[data_base].x;
    changed.last = (_e158 + _e161);
    let _e163 = (_e4 * 7u);
    let _e164 = changed;
    heap_0_[((data_base + 2u) + (_e163 >> 2u))][(_e163 & 3u)] = _e164.table[0][0];
    let _e176 = (_e163 + 1u);
    heap_0_[((data_base + 2u) + (_e176 >> 2u))][(_e176 & 3u)] = _e164.table[0][1];
    let _e184 = (_e163 + 2u);
    heap_0_[((data_base + 2u) + (_e184 >> 2u))][(_e184 & 3u)] = _e164.table[0][2];
    let _e193 = (_e163 + 3u);
    heap_0_[((data_base + 2u) + (_e193 >> 2u))][(_e193 & 3u)] = _e164.table[1][0];
    heap_0_[((data_base + 3u) + (_e163 >> 2u))][(_e163 & 3u)] = _e164.table[1][1];
    let _e208 = (_e163 + 1u);
    heap_0_[((data_base + 3u) + (_e208 >> 2u))][(_e208 & 3u)] = _e164.table[1][2];
    let _e216 = (_e163 + 2u);
    heap_0_[((data_base + 3u) + (_e216 >> 2u))][(_e216 & 3u)] = _e164.last;
    return;
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var lane: u32 = 1u;
    var record_0_: vec4<u32>;
    var record_1_: vec4<u32>;
    var record_2_: vec4<u32>;
    var record_4_: vec4<u32>;
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
    let _e28 = lanes[5u];
    record_4_ = _e28;
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
        let _e77 = lanes[(_e65 + 4u)];
        record_4_ = _e77;
    }
    let _e78 = lane;
    let _e79 = record_0_;
    let _e80 = record_1_;
    let _e81 = record_2_;
    let _e82 = record_4_;
    switch _e79.x {
        case 0u: {
            let group_2 = (linear + _e79.y);
            matrices_0_(group_2, local, _e79, _e80, _e81);
        }
        case 1u: {
            let group_3 = (linear + _e79.y);
            nested_1_(group_3, local, _e79, _e80, _e81, _e78, _e82);
        }
        default: {
        }
    }
}
