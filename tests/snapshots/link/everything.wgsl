struct Inner {
    table: array<array<u32, 3>, 2>,
    last: u32,
}

struct Particle {
    position: vec3<f32>,
    mass: f32,
    velocity: vec2<f32>,
    id: u32,
}

struct Head {
    header: vec4<u32>,
    record_0_: vec4<u32>,
    record_1_: vec4<u32>,
    record_2_: vec4<u32>,
}

const FACTORS: array<i32, 4> = array<i32, 4>(3i, -5i, 7i, 11i);

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<workgroup> shared_0_: array<f32, 64>;
var<workgroup> shared_1_: array<f32, 64>;
@group(0) @binding(2) 
var<storage> weights_1_: array<vec4<u32>>;
var<private> stride_6_steps: i32 = 1i;
var<workgroup> shared_2_: array<array<i32, 9>, 8>;
var<immediate> head: Head;

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

fn matrices_1_(group_1: u32, local_2: u32, record_0_2: vec4<u32>, record_1_2: vec4<u32>, record_2_2: vec4<u32>) {
    let _e4 = ((group_1 * 64u) + local_2);
    let items_base = record_0_2.z;
    let out_base_1 = record_1_2.x;
    if (_e4 >= record_2_2.x) {
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
    let _e67 = (out_base_1 + _e4);
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

fn nested_2_(group_2: u32, local_3: u32, record_0_3: vec4<u32>, record_1_3: vec4<u32>, record_2_3: vec4<u32>, lane_1: u32, record_4_1: vec4<u32>) {
    var changed: Inner;

    let _e4 = ((group_2 * 64u) + local_3);
    let data_base = record_0_3.z;
    let out_base_2 = record_1_3.x;
    if (_e4 >= record_2_3.x) {
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
    let _e135 = heap_0_[((data_base + 1u) + (record_2_3.y >> 2u))][(record_2_3.y & 3u)];
    heap_0_[(out_base_2 + (_e4 >> 2u))][(_e4 & 3u)] = (((((_e89.table[(_e4 & 1u)][(_e4 % 3u)] + _e107) + ((record_0_3.w - min(record_0_3.w, 32u)) / 28u)) + _e123) + record_4_1.y) + _e135);
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

fn particles_3_moved(p: Particle, step_: f32) -> Particle {
    var q: Particle;

    q = p;
    let _e5 = q.position;
    q.position = (_e5 + (vec3<f32>(p.velocity, 0f) * step_));
    let _e10 = q;
    return _e10;
}

fn particles_3_(group_3: u32, local_4: u32, record_0_4: vec4<u32>, record_1_4: vec4<u32>, record_2_4: vec4<u32>) {
    let _e4 = ((group_3 * 64u) + local_4);
    let particles_base = record_0_4.z;
    let copies_base = record_1_4.x;
    if (_e4 >= record_2_4.x) {
        return;
    }
    let _e16 = (_e4 * 2u);
    let _e17 = (_e4 * 2u);
    let _e21 = heap_0_[(particles_base + _e16)];
    let _e27 = heap_0_[(particles_base + _e16)].w;
    let _e30 = ((particles_base + _e16) + 1u);
    let _e35 = heap_0_[_e30].x;
    let _e36 = heap_0_[_e30].y;
    let _e43 = heap_0_[((particles_base + _e16) + 1u)].z;
    let _e47 = particles_3_moved(Particle(bitcast<vec3<f32>>(_e21.xyz), bitcast<f32>(_e27), bitcast<vec2<f32>>(vec2<u32>(_e35, _e36)), _e43), bitcast<f32>(record_2_4.y));
    let _e49 = bitcast<vec3<u32>>(_e47.position);
    let _e50 = (copies_base + _e17);
    heap_0_[_e50].x = _e49.x;
    heap_0_[_e50].y = _e49.y;
    heap_0_[_e50].z = _e49.z;
    heap_0_[(copies_base + _e17)].w = bitcast<u32>(_e47.mass);
    let _e66 = bitcast<vec2<u32>>(_e47.velocity);
    let _e68 = ((copies_base + _e17) + 1u);
    heap_0_[_e68].x = _e66.x;
    heap_0_[_e68].y = _e66.y;
    heap_0_[((copies_base + _e17) + 1u)].z = _e47.id;
    let _e84 = heap_0_[((particles_base + _e16) + 1u)].y;
    heap_0_[((particles_base + _e16) + 1u)].y = bitcast<u32>((bitcast<f32>(_e84) + 0.5f));
    let _e95 = heap_0_[(particles_base + _e16)].w;
    heap_0_[(particles_base + _e16)].w = bitcast<u32>((bitcast<f32>(_e95) * 2f));
    return;
}

fn reduce_4_(group_4: u32, local_5: u32, record_0_5: vec4<u32>, record_1_5: vec4<u32>, record_2_5: vec4<u32>) {
    var value: f32 = 0f;
    var width: u32 = 32u;

    let _e4 = ((group_4 * 64u) + local_5);
    let a_base = record_0_5.z;
    let sums_base = record_1_5.x;
    if (_e4 < record_2_5.x) {
        let _e37 = weights_1_[(a_base + (_e4 >> 2u))][(_e4 & 3u)];
        value = bitcast<f32>(_e37);
    }
    let _e40 = value;
    shared_0_[local_5] = _e40;
    let _e42 = value;
    shared_1_[local_5] = _e42;
    workgroupBarrier();
    loop {
        let _e43 = width;
        if (_e43 > 0u) {
        } else {
            break;
        }
        {
            let _e45 = width;
            if (local_5 < _e45) {
                let _e48 = shared_0_[local_5];
                let _e49 = width;
                let _e52 = shared_0_[(local_5 + _e49)];
                shared_0_[local_5] = (_e48 + _e52);
                let _e56 = shared_1_[local_5];
                let _e57 = width;
                let _e60 = shared_1_[(local_5 + _e57)];
                shared_1_[local_5] = max(_e56, _e60);
            }
            workgroupBarrier();
        }
        continuing {
            let _e62 = width;
            width = (_e62 / 2u);
        }
    }
    if (local_5 == 0u) {
        let _e65 = (group_4 * 2u);
        let _e67 = shared_0_[0];
        let _e69 = shared_1_[0];
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

fn scale_5_(group_5: u32, local_6: u32, record_1_6: vec4<u32>, record_0_6: vec4<u32>, record_2_6: vec4<u32>) {
    let _e4 = ((group_5 * 64u) + local_6);
    let out_base_3 = record_1_6.z;
    let a_base_1 = record_0_6.z;
    let b_base = record_1_6.x;
    if (_e4 < record_2_6.x) {
        let _e21 = weights_1_[(a_base_1 + (_e4 >> 2u))][(_e4 & 3u)];
        let _e30 = weights_1_[(b_base + (_e4 >> 2u))][(_e4 & 3u)];
        heap_0_[(out_base_3 + (_e4 >> 2u))][(_e4 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e21), bitcast<f32>(record_2_6.y), bitcast<f32>(_e30)));
        return;
    } else {
        return;
    }
}

fn stride_6_factor(i: u32) -> i32 {
    var factors: array<i32, 4> = FACTORS;

    let _e7 = stride_6_steps;
    stride_6_steps = (_e7 + 1i);
    let _e11 = factors[(i & 3u)];
    let _e12 = stride_6_steps;
    return (_e11 + _e12);
}

fn stride_6_(group_6: u32, local_7: u32, record_3_1: vec4<u32>, record_1_7: vec4<u32>, record_0_7: vec4<u32>, record_2_7: vec4<u32>) {
    var i_1: i32;

    let out_base_4 = record_1_7.x;
    let a_base_2 = record_0_7.z;
    let _e19 = i32((record_1_7.y >> 2u));
    i_1 = i32(((group_6 * 64u) + local_7));
    loop {
        let _e21 = i_1;
        if (_e21 < _e19) {
        } else {
            break;
        }
        {
            let _e23 = i_1;
            let _e28 = ((_e23 + bitcast<i32>(record_2_7.x)) % _e19);
            let _e29 = i_1;
            switch (_e29 & 3i) {
                case 0: {
                    let _e31 = i_1;
                    let _e32 = u32(_e31);
                    let _e33 = u32(_e28);
                    let _e41 = weights_1_[(a_base_2 + (_e33 >> 2u))][(_e33 & 3u)];
                    let _e43 = i_1;
                    let _e45 = stride_6_factor(u32(_e43));
                    heap_0_[(out_base_4 + (_e32 >> 2u))][(_e32 & 3u)] = bitcast<u32>((bitcast<i32>(_e41) * _e45));
                }
                case 1, 2: {
                    let _e54 = i_1;
                    let _e55 = u32(_e54);
                    let _e58 = u32(((_e19 - 1i) - _e28));
                    let _e64 = weights_1_[(a_base_2 + (_e58 >> 2u))][(_e58 & 3u)];
                    let _e66 = i_1;
                    let _e68 = stride_6_factor(u32(_e66));
                    heap_0_[(out_base_4 + (_e55 >> 2u))][(_e55 & 3u)] = bitcast<u32>((bitcast<i32>(_e64) - _e68));
                    continue;
                }
                default: {
                    let _e76 = i_1;
                    let _e77 = u32(_e76);
                    heap_0_[(out_base_4 + (_e77 >> 2u))][(_e77 & 3u)] = bitcast<u32>(_e19);
                }
            }
            let _e84 = stride_6_steps;
            let _e85 = i_1;
            stride_6_steps = (_e84 + _e85);
        }
        continuing {
            let _e87 = i_1;
            i_1 = (_e87 + i32((record_3_1.x * 64u)));
        }
    }
    return;
}

fn transpose_7_at(row: u32, column: u32, record_0_8: vec4<u32>, record_2_8: vec4<u32>) -> i32 {
    let a_base_3 = record_0_8.z;
    let _e8 = ((row * record_2_8.y) + column);
    let _e16 = weights_1_[(a_base_3 + (_e8 >> 2u))][(_e8 & 3u)];
    return bitcast<i32>(_e16);
}

fn transpose_7_put(row_1: u32, column_1: u32, value_1: i32, record_1_8: vec4<u32>, record_2_9: vec4<u32>) {
    let out_base_5 = record_1_8.x;
    let _e9 = ((column_1 * record_2_9.x) + row_1);
    heap_0_[(out_base_5 + (_e9 >> 2u))][(_e9 & 3u)] = bitcast<u32>(value_1);
    return;
}

fn transpose_7_(group_7: u32, local_8: u32, record_3_2: vec4<u32>, record_2_10: vec4<u32>, record_0_9: vec4<u32>, record_1_9: vec4<u32>) {
    var local_9: bool;

    let _e9 = (local_8 & 7u);
    let _e11 = (local_8 >> 3u);
    let _e23 = ((((group_7 / record_3_2.x) % record_3_2.y) * 8u) + _e11);
    let _e25 = (((group_7 % record_3_2.x) * 8u) + _e9);
    if (_e23 < record_2_10.x) {
        local_9 = (_e25 < record_2_10.y);
    } else {
        local_9 = false;
    }
    let _e31 = local_9;
    if _e31 {
        let _e35 = transpose_7_at(_e23, _e25, record_0_9, record_2_10);
        shared_2_[_e11][_e9] = _e35;
    }
    workgroupBarrier();
    if _e31 {
        let _e38 = shared_2_[_e11][_e9];
        transpose_7_put(_e23, _e25, (_e38 + i32(((record_3_2.x * 1000u) + record_3_2.y))), record_1_9, record_2_10);
        return;
    } else {
        return;
    }
}

fn vectors_8_(group_8: u32, local_10: u32, record_0_10: vec4<u32>, record_1_10: vec4<u32>, record_2_11: vec4<u32>, record_3_3: vec4<u32>) {
    let _e4 = ((group_8 * 64u) + local_10);
    let fours_base = record_0_10.z;
    let twos_base = record_1_10.x;
    let threes_base = record_1_10.z;
    let out_base_6 = record_2_11.x;
    if (_e4 >= record_3_3.x) {
        return;
    }
    let _e26 = weights_1_[(fours_base + _e4)];
    let _e29 = (_e4 * 2u);
    let _e31 = (twos_base + (_e29 >> 2u));
    let _e32 = (_e29 & 3u);
    let _e39 = heap_0_[_e31][_e32];
    let _e40 = heap_0_[_e31][(_e32 + 1u)];
    let _e42 = bitcast<vec2<i32>>(vec2<u32>(_e39, _e40));
    let _e43 = (_e4 * 2u);
    let _e47 = bitcast<vec2<u32>>((_e42.yx + vec2<i32>(1i, -1i)));
    let _e49 = (twos_base + (_e43 >> 2u));
    let _e50 = (_e43 & 3u);
    heap_0_[_e49][_e50] = _e47.x;
    heap_0_[_e49][(_e50 + 1u)] = _e47.y;
    let _e61 = heap_0_[(threes_base + _e4)].x;
    heap_0_[(threes_base + _e4)].y = (_e61 + u32(_e42.x));
    let _e70 = heap_0_[(threes_base + _e4)];
    let _e71 = _e70.xyz;
    let _e72 = _e71.zyx;
    let _e73 = (threes_base + _e4);
    heap_0_[_e73].x = _e72.x;
    heap_0_[_e73].y = _e72.y;
    heap_0_[_e73].z = _e72.z;
    heap_0_[(out_base_6 + _e4)] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e26).wzyx * 2f));
    let _e90 = u32((_e42.x & 3i));
    let _e91 = (_e4 & 3u);
    let _e98 = weights_1_[((fours_base + _e4) + (_e91 >> 2u))][(_e91 & 3u)];
    heap_0_[((out_base_6 + _e4) + (_e90 >> 2u))][(_e90 & 3u)] = bitcast<u32>((bitcast<f32>(_e98) + f32((_e71.y & 255u))));
    return;
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var lane: u32 = 1u;
    var record_0_: vec4<u32>;
    var record_1_: vec4<u32>;
    var record_2_: vec4<u32>;
    var record_3_: vec4<u32>;
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
    let _e28 = lanes[4u];
    record_3_ = _e28;
    let _e32 = lanes[5u];
    record_4_ = _e32;
    if (_e10.x > 1u) {
        if (_e10.w == 0u) {
            let _e50 = lanes[(_e10.z + (linear >> 2u))][(linear & 3u)];
            found = _e50;
        } else {
            low = 0u;
            high = _e10.x;
            loop {
                let _e52 = low;
                let _e53 = high;
                if ((_e52 + 1u) >= _e53) {
                    break;
                }
                let middle = ((_e52 + _e53) >> 1u);
                let _e64 = lanes[(_e10.z + (middle >> 2u))][(middle & 3u)];
                if (_e64 > linear) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let _e66 = low;
            found = ((_e66 * _e10.w) + 1u);
        }
        let _e69 = found;
        lane = _e69;
        let _e71 = lanes[_e69];
        record_0_ = _e71;
        let _e74 = lanes[(_e69 + 1u)];
        record_1_ = _e74;
        let _e77 = lanes[(_e69 + 2u)];
        record_2_ = _e77;
        let _e80 = lanes[(_e69 + 3u)];
        record_3_ = _e80;
        let _e83 = lanes[(_e69 + 4u)];
        record_4_ = _e83;
    }
    let _e84 = lane;
    let _e85 = record_0_;
    let _e86 = record_1_;
    let _e87 = record_2_;
    let _e88 = record_3_;
    let _e89 = record_4_;
    switch _e85.x {
        case 0u: {
            let group_9 = (linear + _e85.y);
            cube_0_(group_9, local, _e87, _e85, _e86);
        }
        case 1u: {
            let group_10 = (linear + _e85.y);
            matrices_1_(group_10, local, _e85, _e86, _e87);
        }
        case 2u: {
            let group_11 = (linear + _e85.y);
            nested_2_(group_11, local, _e85, _e86, _e87, _e84, _e89);
        }
        case 3u: {
            let group_12 = (linear + _e85.y);
            particles_3_(group_12, local, _e85, _e86, _e87);
        }
        case 4u: {
            let group_13 = (linear + _e85.y);
            reduce_4_(group_13, local, _e85, _e86, _e87);
        }
        case 5u: {
            let group_14 = (linear + _e85.y);
            scale_5_(group_14, local, _e86, _e85, _e87);
        }
        case 6u: {
            let group_15 = (linear + _e85.y);
            stride_6_(group_15, local, _e88, _e86, _e85, _e87);
        }
        case 7u: {
            let group_16 = (linear + _e85.y);
            transpose_7_(group_16, local, _e88, _e87, _e85, _e86);
        }
        case 8u: {
            let group_17 = (linear + _e85.y);
            vectors_8_(group_17, local, _e85, _e86, _e87, _e88);
        }
        default: {
        }
    }
}
