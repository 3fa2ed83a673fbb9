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

const FACTORS: array<i32, 4> = array<i32, 4>(3i, -5i, 7i, 11i);

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
var<workgroup> shared_0_: array<f32, 64>;
var<workgroup> shared_1_: array<f32, 64>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
var<private> stride_6_steps: i32 = 1i;
var<workgroup> shared_2_: array<array<i32, 9>, 8>;

fn cube_0_(lane: u32, group: u32, local_1: u32) {
    let _e7 = lanes[(lane + 2u)];
    let _e11 = (group / _e7.x);
    let _e21 = (((group % _e7.x) * 4u) + (local_1 & 3u));
    let _e23 = (((_e11 % _e7.y) * 4u) + ((local_1 >> 2u) & 3u));
    let _e25 = (((_e11 / _e7.y) * 4u) + (local_1 >> 4u));
    let _e26 = vec3<u32>(_e21, _e23, _e25);
    let _e28 = (group / _e7.x);
    let _e35 = lanes[(lane + 1u)];
    let _e37 = lanes[lane];
    let out_base = _e37.z;
    if any((_e26 >= _e35.xyz)) {
        return;
    }
    heap_0_[(out_base + ((((_e25 * _e35.y) + _e23) * _e35.x) + _e21))] = (vec4<u32>(_e26, local_1) + vec4<u32>((vec3<u32>((group % _e7.x), (_e28 % _e7.y), (_e28 / _e7.y)) * 100u), 7u));
    return;
}

fn matrices_1_(lane_1: u32, group_1: u32, local_2: u32) {
    let _e8 = ((group_1 * 64u) + local_2);
    let _e12 = lanes[(lane_1 + 2u)];
    let _e14 = lanes[lane_1];
    let items_base = _e14.z;
    let _e19 = lanes[(lane_1 + 1u)];
    let out_base_1 = _e19.x;
    if (_e8 >= _e12.x) {
        return;
    }
    let _e30 = (_e8 * 7u);
    let _e34 = heap_0_[(items_base + _e30)];
    let _e40 = heap_0_[((items_base + _e30) + 1u)];
    let _e46 = heap_0_[((items_base + _e30) + 2u)];
    let _e50 = (_e8 % 3u);
    let _e56 = heap_0_[(items_base + ((_e8 * 7u) + _e50))];
    let _e61 = (_e8 % 3u);
    let _e69 = heap_0_[(((items_base + (_e8 * 7u)) + 2u) + (_e61 >> 2u))][(_e61 & 3u)];
    let _e73 = bitcast<vec3<u32>>(((mat3x3<f32>(bitcast<vec3<f32>>(_e34.xyz), bitcast<vec3<f32>>(_e40.xyz), bitcast<vec3<f32>>(_e46.xyz))[_e50] + bitcast<vec3<f32>>(_e56.xyz)) + vec3(bitcast<f32>(_e69))));
    let _e74 = (out_base_1 + _e8);
    heap_0_[_e74].x = _e73.x;
    heap_0_[_e74].y = _e73.y;
    heap_0_[_e74].z = _e73.z;
    let _e84 = (_e8 * 7u);
    let _e89 = heap_0_[((items_base + (_e8 * 7u)) + 4u)];
    let _e95 = heap_0_[((items_base + (_e8 * 7u)) + 3u)];
    let _e97 = mat2x4<f32>(bitcast<vec4<f32>>(_e89), bitcast<vec4<f32>>(_e95));
    heap_0_[((items_base + _e84) + 3u)] = bitcast<vec4<u32>>(_e97[0]);
    heap_0_[((items_base + _e84) + 4u)] = bitcast<vec4<u32>>(_e97[1]);
    let _e110 = ((_e8 & 3u) * 2u);
    let _e114 = ((3u - (_e8 & 3u)) * 2u);
    let _e119 = (((items_base + (_e8 * 7u)) + 5u) + (_e114 >> 2u));
    let _e120 = (_e114 & 3u);
    let _e123 = heap_0_[_e119][_e120];
    let _e127 = heap_0_[_e119][(_e120 + 1u)];
    let _e130 = bitcast<vec2<u32>>(bitcast<vec2<f32>>(vec2<u32>(_e123, _e127)));
    let _e134 = (((items_base + (_e8 * 7u)) + 5u) + (_e110 >> 2u));
    let _e135 = (_e110 & 3u);
    heap_0_[_e134][_e135] = _e130.x;
    heap_0_[_e134][(_e135 + 1u)] = _e130.y;
    heap_0_[((items_base + (_e8 * 7u)) + 5u)].w = bitcast<u32>(4f);
    return;
}

fn nested_2_(lane_2: u32, group_2: u32, local_3: u32) {
    var changed: Inner;

    let _e7 = ((group_2 * 64u) + local_3);
    let _e11 = lanes[(lane_2 + 2u)];
    let _e16 = lanes[(lane_2 + 4u)];
    let _e18 = lanes[lane_2];
    let data_base = _e18.z;
    let _e28 = lanes[(lane_2 + 1u)];
    let out_base_2 = _e28.x;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e41 = (_e7 * 7u);
    let _e49 = heap_0_[((data_base + 2u) + (_e41 >> 2u))][(_e41 & 3u)];
    let _e51 = (_e41 + 1u);
    let _e57 = heap_0_[((data_base + 2u) + (_e51 >> 2u))][(_e51 & 3u)];
    let _e59 = (_e41 + 2u);
    let _e65 = heap_0_[((data_base + 2u) + (_e59 >> 2u))][(_e59 & 3u)];
    let _e68 = (_e41 + 3u);
    let _e74 = heap_0_[((data_base + 2u) + (_e68 >> 2u))][(_e68 & 3u)];
    let _e81 = heap_0_[((data_base + 3u) + (_e41 >> 2u))][(_e41 & 3u)];
    let _e83 = (_e41 + 1u);
    let _e89 = heap_0_[((data_base + 3u) + (_e83 >> 2u))][(_e83 & 3u)];
    let _e93 = (_e41 + 2u);
    let _e99 = heap_0_[((data_base + 3u) + (_e93 >> 2u))][(_e93 & 3u)];
    let _e100 = Inner(array<array<u32, 3>, 2>(array<u32, 3>(_e49, _e57, _e65), array<u32, 3>(_e74, _e81, _e89)), _e99);
    let _e112 = (((_e7 * 7u) + ((1u - (_e7 & 1u)) * 3u)) + 2u);
    let _e118 = heap_0_[((data_base + 2u) + (_e112 >> 2u))][(_e112 & 3u)];
    let _e123 = ((_e7 >> 1u) & 3u);
    let _e132 = lanes[((((lane_2 + 2u) + (_e7 & 1u)) + 1u) + (_e123 >> 2u))][(_e123 & 3u)];
    let _e143 = heap_0_[((data_base + 1u) + (_e11.y >> 2u))][(_e11.y & 3u)];
    heap_0_[(out_base_2 + (_e7 >> 2u))][(_e7 & 3u)] = (((((_e100.table[(_e7 & 1u)][(_e7 % 3u)] + _e118) + ((_e18.w - min(_e18.w, 32u)) / 28u)) + _e132) + _e16.y) + _e143);
    changed = _e100;
    let _e155 = heap_0_[(data_base + 1u)].x;
    let _e159 = heap_0_[(data_base + 1u)].y;
    let _e163 = heap_0_[(data_base + 1u)].z;
    changed.table[0] = array<u32, 3>(_e155, _e159, _e163);
    let _e166 = changed.last;
    let _e169 = heap_0_[data_base].x;
    changed.last = (_e166 + _e169);
    let _e171 = (_e7 * 7u);
    let _e172 = changed;
    heap_0_[((data_base + 2u) + (_e171 >> 2u))][(_e171 & 3u)] = _e172.table[0][0];
    let _e184 = (_e171 + 1u);
    heap_0_[((data_base + 2u) + (_e184 >> 2u))][(_e184 & 3u)] = _e172.table[0][1];
    let _e192 = (_e171 + 2u);
    heap_0_[((data_base + 2u) + (_e192 >> 2u))][(_e192 & 3u)] = _e172.table[0][2];
    let _e201 = (_e171 + 3u);
    heap_0_[((data_base + 2u) + (_e201 >> 2u))][(_e201 & 3u)] = _e172.table[1][0];
    heap_0_[((data_base + 3u) + (_e171 >> 2u))][(_e171 & 3u)] = _e172.table[1][1];
    let _e216 = (_e171 + 1u);
    heap_0_[((data_base + 3u) + (_e216 >> 2u))][(_e216 & 3u)] = _e172.table[1][2];
    let _e224 = (_e171 + 2u);
    heap_0_[((data_base + 3u) + (_e224 >> 2u))][(_e224 & 3u)] = _e172.last;
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

fn particles_3_(lane_3: u32, group_3: u32, local_4: u32) {
    let _e7 = ((group_3 * 64u) + local_4);
    let _e11 = lanes[(lane_3 + 2u)];
    let _e13 = lanes[lane_3];
    let particles_base = _e13.z;
    let _e17 = lanes[(lane_3 + 1u)];
    let copies_base = _e17.x;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e23 = (_e7 * 2u);
    let _e24 = (_e7 * 2u);
    let _e28 = heap_0_[(particles_base + _e23)];
    let _e34 = heap_0_[(particles_base + _e23)].w;
    let _e37 = ((particles_base + _e23) + 1u);
    let _e40 = heap_0_[_e37].x;
    let _e43 = heap_0_[_e37].y;
    let _e50 = heap_0_[((particles_base + _e23) + 1u)].z;
    let _e54 = particles_3_moved(Particle(bitcast<vec3<f32>>(_e28.xyz), bitcast<f32>(_e34), bitcast<vec2<f32>>(vec2<u32>(_e40, _e43)), _e50), bitcast<f32>(_e11.y));
    let _e56 = bitcast<vec3<u32>>(_e54.position);
    let _e57 = (copies_base + _e24);
    heap_0_[_e57].x = _e56.x;
    heap_0_[_e57].y = _e56.y;
    heap_0_[_e57].z = _e56.z;
    heap_0_[(copies_base + _e24)].w = bitcast<u32>(_e54.mass);
    let _e73 = bitcast<vec2<u32>>(_e54.velocity);
    let _e75 = ((copies_base + _e24) + 1u);
    heap_0_[_e75].x = _e73.x;
    heap_0_[_e75].y = _e73.y;
    heap_0_[((copies_base + _e24) + 1u)].z = _e54.id;
    let _e91 = heap_0_[((particles_base + _e23) + 1u)].y;
    heap_0_[((particles_base + _e23) + 1u)].y = bitcast<u32>((bitcast<f32>(_e91) + 0.5f));
    let _e102 = heap_0_[(particles_base + _e23)].w;
    heap_0_[(particles_base + _e23)].w = bitcast<u32>((bitcast<f32>(_e102) * 2f));
    return;
}

fn reduce_4_(lane_4: u32, group_4: u32, local_5: u32) {
    var value: f32 = 0f;
    var width: u32 = 32u;

    let _e8 = ((group_4 * 64u) + local_5);
    let _e15 = lanes[(lane_4 + 2u)];
    let _e17 = lanes[lane_4];
    let a_base = _e17.z;
    let _e32 = lanes[(lane_4 + 1u)];
    let sums_base = _e32.x;
    if (_e8 < _e15.x) {
        let _e44 = slab_1_[(a_base + (_e8 >> 2u))][(_e8 & 3u)];
        value = bitcast<f32>(_e44);
    }
    let _e47 = value;
    shared_0_[local_5] = _e47;
    let _e49 = value;
    shared_1_[local_5] = _e49;
    workgroupBarrier();
    loop {
        let _e50 = width;
        if (_e50 > 0u) {
        } else {
            break;
        }
        {
            let _e52 = width;
            if (local_5 < _e52) {
                let _e55 = shared_0_[local_5];
                let _e56 = width;
                let _e59 = shared_0_[(local_5 + _e56)];
                shared_0_[local_5] = (_e55 + _e59);
                let _e63 = shared_1_[local_5];
                let _e64 = width;
                let _e67 = shared_1_[(local_5 + _e64)];
                shared_1_[local_5] = max(_e63, _e67);
            }
            workgroupBarrier();
        }
        continuing {
            let _e69 = width;
            width = (_e69 / 2u);
        }
    }
    if (local_5 == 0u) {
        let _e72 = (group_4 * 2u);
        let _e74 = shared_0_[0];
        let _e76 = shared_1_[0];
        let _e78 = bitcast<vec2<u32>>(vec2<f32>(_e74, _e76));
        let _e80 = (sums_base + (_e72 >> 2u));
        let _e81 = (_e72 & 3u);
        heap_0_[_e80][_e81] = _e78.x;
        heap_0_[_e80][(_e81 + 1u)] = _e78.y;
        return;
    } else {
        return;
    }
}

fn scale_5_(lane_5: u32, group_5: u32, local_6: u32) {
    let _e8 = ((group_5 * 64u) + local_6);
    let _e12 = lanes[(lane_5 + 2u)];
    let _e15 = lanes[(lane_5 + 1u)];
    let out_base_3 = _e15.z;
    let _e18 = lanes[lane_5];
    let a_base_1 = _e18.z;
    let b_base = _e15.x;
    if (_e8 < _e12.x) {
        let _e29 = slab_1_[(a_base_1 + (_e8 >> 2u))][(_e8 & 3u)];
        let _e38 = slab_1_[(b_base + (_e8 >> 2u))][(_e8 & 3u)];
        heap_0_[(out_base_3 + (_e8 >> 2u))][(_e8 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e29), bitcast<f32>(_e12.y), bitcast<f32>(_e38)));
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

fn stride_6_(lane_6: u32, group_6: u32, local_7: u32) {
    var i_1: i32;

    let _e7 = lanes[(lane_6 + 3u)];
    let _e15 = lanes[(lane_6 + 1u)];
    let out_base_4 = _e15.x;
    let _e23 = lanes[(lane_6 + 2u)];
    let _e26 = lanes[lane_6];
    let a_base_2 = _e26.z;
    let _e31 = i32((_e15.y >> 2u));
    i_1 = i32(((group_6 * 64u) + local_7));
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
                    let _e51 = slab_1_[(a_base_2 + (_e44 >> 2u))][(_e44 & 3u)];
                    let _e53 = i_1;
                    let _e55 = stride_6_factor(u32(_e53));
                    heap_0_[(out_base_4 + (_e43 >> 2u))][(_e43 & 3u)] = bitcast<u32>((bitcast<i32>(_e51) * _e55));
                }
                case 1, 2: {
                    let _e64 = i_1;
                    let _e65 = u32(_e64);
                    let _e68 = u32(((_e31 - 1i) - _e39));
                    let _e74 = slab_1_[(a_base_2 + (_e68 >> 2u))][(_e68 & 3u)];
                    let _e76 = i_1;
                    let _e78 = stride_6_factor(u32(_e76));
                    heap_0_[(out_base_4 + (_e65 >> 2u))][(_e65 & 3u)] = bitcast<u32>((bitcast<i32>(_e74) - _e78));
                    continue;
                }
                default: {
                    let _e86 = i_1;
                    let _e87 = u32(_e86);
                    heap_0_[(out_base_4 + (_e87 >> 2u))][(_e87 & 3u)] = bitcast<u32>(_e31);
                }
            }
            let _e94 = stride_6_steps;
            let _e95 = i_1;
            stride_6_steps = (_e94 + _e95);
        }
        continuing {
            let _e97 = i_1;
            i_1 = (_e97 + i32((_e7.x * 64u)));
        }
    }
    return;
}

fn transpose_7_at(lane_7: u32, row: u32, column: u32) -> i32 {
    let _e5 = lanes[lane_7];
    let a_base_3 = _e5.z;
    let _e10 = lanes[(lane_7 + 2u)];
    let _e13 = ((row * _e10.y) + column);
    let _e21 = slab_1_[(a_base_3 + (_e13 >> 2u))][(_e13 & 3u)];
    return bitcast<i32>(_e21);
}

fn transpose_7_put(lane_8: u32, row_1: u32, column_1: u32, value_1: i32) {
    let _e8 = lanes[(lane_8 + 1u)];
    let out_base_5 = _e8.x;
    let _e13 = lanes[(lane_8 + 2u)];
    let _e16 = ((column_1 * _e13.x) + row_1);
    heap_0_[(out_base_5 + (_e16 >> 2u))][(_e16 & 3u)] = bitcast<u32>(value_1);
    return;
}

fn transpose_7_(lane_9: u32, group_7: u32, local_8: u32) {
    var local_9: bool;

    let _e7 = lanes[(lane_9 + 3u)];
    let _e14 = (local_8 & 7u);
    let _e15 = (local_8 >> 3u);
    let _e21 = lanes[(lane_9 + 2u)];
    let _e29 = ((((group_7 / _e7.x) % _e7.y) * 8u) + _e15);
    let _e31 = (((group_7 % _e7.x) * 8u) + _e14);
    if (_e29 < _e21.x) {
        local_9 = (_e31 < _e21.y);
    } else {
        local_9 = false;
    }
    let _e36 = local_9;
    if _e36 {
        let _e39 = transpose_7_at(lane_9, _e29, _e31);
        shared_2_[_e15][_e14] = _e39;
    }
    workgroupBarrier();
    if _e36 {
        let _e42 = shared_2_[_e15][_e14];
        transpose_7_put(lane_9, _e29, _e31, (_e42 + i32(((_e7.x * 1000u) + _e7.y))));
        return;
    } else {
        return;
    }
}

fn vectors_8_(lane_10: u32, group_8: u32, local_10: u32) {
    let _e7 = ((group_8 * 64u) + local_10);
    let _e11 = lanes[(lane_10 + 3u)];
    let _e13 = lanes[lane_10];
    let fours_base = _e13.z;
    let _e17 = lanes[(lane_10 + 1u)];
    let twos_base = _e17.x;
    let threes_base = _e17.z;
    let _e25 = lanes[(lane_10 + 2u)];
    let out_base_6 = _e25.x;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e36 = slab_1_[(fours_base + _e7)];
    let _e38 = (_e7 * 2u);
    let _e40 = (twos_base + (_e38 >> 2u));
    let _e41 = (_e38 & 3u);
    let _e45 = heap_0_[_e40][_e41];
    let _e49 = heap_0_[_e40][(_e41 + 1u)];
    let _e51 = bitcast<vec2<i32>>(vec2<u32>(_e45, _e49));
    let _e52 = (_e7 * 2u);
    let _e56 = bitcast<vec2<u32>>((_e51.yx + vec2<i32>(1i, -1i)));
    let _e58 = (twos_base + (_e52 >> 2u));
    let _e59 = (_e52 & 3u);
    heap_0_[_e58][_e59] = _e56.x;
    heap_0_[_e58][(_e59 + 1u)] = _e56.y;
    let _e70 = heap_0_[(threes_base + _e7)].x;
    heap_0_[(threes_base + _e7)].y = (_e70 + u32(_e51.x));
    let _e79 = heap_0_[(threes_base + _e7)];
    let _e80 = _e79.xyz;
    let _e81 = _e80.zyx;
    let _e82 = (threes_base + _e7);
    heap_0_[_e82].x = _e81.x;
    heap_0_[_e82].y = _e81.y;
    heap_0_[_e82].z = _e81.z;
    heap_0_[(out_base_6 + _e7)] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e36).wzyx * 2f));
    let _e99 = u32((_e51.x & 3i));
    let _e100 = (_e7 & 3u);
    let _e107 = slab_1_[((fours_base + _e7) + (_e100 >> 2u))][(_e100 & 3u)];
    heap_0_[((out_base_6 + _e7) + (_e99 >> 2u))][(_e99 & 3u)] = bitcast<u32>((bitcast<f32>(_e107) + f32((_e80.y & 255u))));
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
    let lane_11 = found;
    let _e49 = lanes[lane_11];
    switch _e49.x {
        case 0u: {
            let group_9 = (linear + _e49.y);
            cube_0_(lane_11, group_9, local);
        }
        case 1u: {
            let group_10 = (linear + _e49.y);
            matrices_1_(lane_11, group_10, local);
        }
        case 2u: {
            let group_11 = (linear + _e49.y);
            nested_2_(lane_11, group_11, local);
        }
        case 3u: {
            let group_12 = (linear + _e49.y);
            particles_3_(lane_11, group_12, local);
        }
        case 4u: {
            let group_13 = (linear + _e49.y);
            reduce_4_(lane_11, group_13, local);
        }
        case 5u: {
            let group_14 = (linear + _e49.y);
            scale_5_(lane_11, group_14, local);
        }
        case 6u: {
            let group_15 = (linear + _e49.y);
            stride_6_(lane_11, group_15, local);
        }
        case 7u: {
            let group_16 = (linear + _e49.y);
            transpose_7_(lane_11, group_16, local);
        }
        case 8u: {
            let group_17 = (linear + _e49.y);
            vectors_8_(lane_11, group_17, local);
        }
        default: {
        }
    }
}
