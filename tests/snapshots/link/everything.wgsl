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
    let _e5 = lanes[lane];
    let _e9 = (group / _e5.z);
    let _e20 = (((group % _e5.z) * 4u) + (local_1 & 3u));
    let _e22 = (((_e9 % _e5.w) * 4u) + ((local_1 >> 2u) & 3u));
    let _e24 = (((_e9 / _e5.w) * 4u) + (local_1 >> 4u));
    let _e25 = vec3<u32>(_e20, _e22, _e24);
    let _e27 = (group / _e5.z);
    let _e33 = lanes[(lane + 3u)];
    let _e36 = lanes[(lane + 2u)];
    let out_base = _e36.x;
    if any((_e25 >= _e33.xyz)) {
        return;
    }
    heap_0_[(out_base + ((((_e24 * _e33.y) + _e22) * _e33.x) + _e20))] = (vec4<u32>(_e25, local_1) + vec4<u32>((vec3<u32>((group % _e5.z), (_e27 % _e5.w), (_e27 / _e5.w)) * 100u), 7u));
    return;
}

fn matrices_1_(lane_1: u32, group_1: u32, local_2: u32) {
    let _e5 = lanes[lane_1];
    let _e11 = (((group_1 % _e5.z) * 64u) + local_2);
    let _e15 = lanes[(lane_1 + 3u)];
    let _e19 = lanes[(lane_1 + 2u)];
    let items_base = _e19.x;
    let out_base_1 = _e19.z;
    if (_e11 >= _e15.x) {
        return;
    }
    let _e32 = (_e11 * 7u);
    let _e36 = heap_0_[(items_base + _e32)];
    let _e42 = heap_0_[((items_base + _e32) + 1u)];
    let _e48 = heap_0_[((items_base + _e32) + 2u)];
    let _e52 = (_e11 % 3u);
    let _e58 = heap_0_[(items_base + ((_e11 * 7u) + _e52))];
    let _e63 = (_e11 % 3u);
    let _e71 = heap_0_[(((items_base + (_e11 * 7u)) + 2u) + (_e63 >> 2u))][(_e63 & 3u)];
    let _e75 = bitcast<vec3<u32>>(((mat3x3<f32>(bitcast<vec3<f32>>(_e36.xyz), bitcast<vec3<f32>>(_e42.xyz), bitcast<vec3<f32>>(_e48.xyz))[_e52] + bitcast<vec3<f32>>(_e58.xyz)) + vec3(bitcast<f32>(_e71))));
    let _e76 = (out_base_1 + _e11);
    heap_0_[_e76].x = _e75.x;
    heap_0_[_e76].y = _e75.y;
    heap_0_[_e76].z = _e75.z;
    let _e86 = (_e11 * 7u);
    let _e91 = heap_0_[((items_base + (_e11 * 7u)) + 4u)];
    let _e97 = heap_0_[((items_base + (_e11 * 7u)) + 3u)];
    let _e99 = mat2x4<f32>(bitcast<vec4<f32>>(_e91), bitcast<vec4<f32>>(_e97));
    heap_0_[((items_base + _e86) + 3u)] = bitcast<vec4<u32>>(_e99[0]);
    heap_0_[((items_base + _e86) + 4u)] = bitcast<vec4<u32>>(_e99[1]);
    let _e112 = ((_e11 & 3u) * 2u);
    let _e116 = ((3u - (_e11 & 3u)) * 2u);
    let _e121 = (((items_base + (_e11 * 7u)) + 5u) + (_e116 >> 2u));
    let _e122 = (_e116 & 3u);
    let _e125 = heap_0_[_e121][_e122];
    let _e129 = heap_0_[_e121][(_e122 + 1u)];
    let _e132 = bitcast<vec2<u32>>(bitcast<vec2<f32>>(vec2<u32>(_e125, _e129)));
    let _e136 = (((items_base + (_e11 * 7u)) + 5u) + (_e112 >> 2u));
    let _e137 = (_e112 & 3u);
    heap_0_[_e136][_e137] = _e132.x;
    heap_0_[_e136][(_e137 + 1u)] = _e132.y;
    heap_0_[((items_base + (_e11 * 7u)) + 5u)].w = bitcast<u32>(4f);
    return;
}

fn nested_2_(lane_2: u32, group_2: u32, local_3: u32) {
    var changed: Inner;

    let _e5 = lanes[lane_2];
    let _e11 = (((group_2 % _e5.z) * 64u) + local_3);
    let _e15 = lanes[(lane_2 + 3u)];
    let _e19 = lanes[(lane_2 + 5u)];
    let _e23 = lanes[(lane_2 + 2u)];
    let data_base = _e23.x;
    let out_base_2 = _e23.z;
    if (_e11 >= _e15.x) {
        return;
    }
    let _e43 = (_e11 * 7u);
    let _e51 = heap_0_[((data_base + 2u) + (_e43 >> 2u))][(_e43 & 3u)];
    let _e53 = (_e43 + 1u);
    let _e59 = heap_0_[((data_base + 2u) + (_e53 >> 2u))][(_e53 & 3u)];
    let _e61 = (_e43 + 2u);
    let _e67 = heap_0_[((data_base + 2u) + (_e61 >> 2u))][(_e61 & 3u)];
    let _e70 = (_e43 + 3u);
    let _e76 = heap_0_[((data_base + 2u) + (_e70 >> 2u))][(_e70 & 3u)];
    let _e83 = heap_0_[((data_base + 3u) + (_e43 >> 2u))][(_e43 & 3u)];
    let _e85 = (_e43 + 1u);
    let _e91 = heap_0_[((data_base + 3u) + (_e85 >> 2u))][(_e85 & 3u)];
    let _e95 = (_e43 + 2u);
    let _e101 = heap_0_[((data_base + 3u) + (_e95 >> 2u))][(_e95 & 3u)];
    let _e102 = Inner(array<array<u32, 3>, 2>(array<u32, 3>(_e51, _e59, _e67), array<u32, 3>(_e76, _e83, _e91)), _e101);
    let _e114 = (((_e11 * 7u) + ((1u - (_e11 & 1u)) * 3u)) + 2u);
    let _e120 = heap_0_[((data_base + 2u) + (_e114 >> 2u))][(_e114 & 3u)];
    let _e125 = ((_e11 >> 1u) & 3u);
    let _e134 = lanes[((((lane_2 + 3u) + (_e11 & 1u)) + 1u) + (_e125 >> 2u))][(_e125 & 3u)];
    let _e145 = heap_0_[((data_base + 1u) + (_e15.y >> 2u))][(_e15.y & 3u)];
    heap_0_[(out_base_2 + (_e11 >> 2u))][(_e11 & 3u)] = (((((_e102.table[(_e11 & 1u)][(_e11 % 3u)] + _e120) + ((_e23.y - min(_e23.y, 32u)) / 28u)) + _e134) + _e19.y) + _e145);
    changed = _e102;
    let _e157 = heap_0_[(data_base + 1u)].x;
    let _e161 = heap_0_[(data_base + 1u)].y;
    let _e165 = heap_0_[(data_base + 1u)].z;
    changed.table[0] = array<u32, 3>(_e157, _e161, _e165);
    let _e168 = changed.last;
    let _e171 = heap_0_[data_base].x;
    changed.last = (_e168 + _e171);
    let _e173 = (_e11 * 7u);
    let _e174 = changed;
    heap_0_[((data_base + 2u) + (_e173 >> 2u))][(_e173 & 3u)] = _e174.table[0][0];
    let _e186 = (_e173 + 1u);
    heap_0_[((data_base + 2u) + (_e186 >> 2u))][(_e186 & 3u)] = _e174.table[0][1];
    let _e194 = (_e173 + 2u);
    heap_0_[((data_base + 2u) + (_e194 >> 2u))][(_e194 & 3u)] = _e174.table[0][2];
    let _e203 = (_e173 + 3u);
    heap_0_[((data_base + 2u) + (_e203 >> 2u))][(_e203 & 3u)] = _e174.table[1][0];
    heap_0_[((data_base + 3u) + (_e173 >> 2u))][(_e173 & 3u)] = _e174.table[1][1];
    let _e218 = (_e173 + 1u);
    heap_0_[((data_base + 3u) + (_e218 >> 2u))][(_e218 & 3u)] = _e174.table[1][2];
    let _e226 = (_e173 + 2u);
    heap_0_[((data_base + 3u) + (_e226 >> 2u))][(_e226 & 3u)] = _e174.last;
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
    let _e5 = lanes[lane_3];
    let _e11 = (((group_3 % _e5.z) * 64u) + local_4);
    let _e15 = lanes[(lane_3 + 3u)];
    let _e19 = lanes[(lane_3 + 2u)];
    let particles_base = _e19.x;
    let copies_base = _e19.z;
    if (_e11 >= _e15.x) {
        return;
    }
    let _e26 = (_e11 * 2u);
    let _e27 = (_e11 * 2u);
    let _e31 = heap_0_[(particles_base + _e26)];
    let _e37 = heap_0_[(particles_base + _e26)].w;
    let _e40 = ((particles_base + _e26) + 1u);
    let _e43 = heap_0_[_e40].x;
    let _e46 = heap_0_[_e40].y;
    let _e53 = heap_0_[((particles_base + _e26) + 1u)].z;
    let _e57 = particles_3_moved(Particle(bitcast<vec3<f32>>(_e31.xyz), bitcast<f32>(_e37), bitcast<vec2<f32>>(vec2<u32>(_e43, _e46)), _e53), bitcast<f32>(_e15.y));
    let _e59 = bitcast<vec3<u32>>(_e57.position);
    let _e60 = (copies_base + _e27);
    heap_0_[_e60].x = _e59.x;
    heap_0_[_e60].y = _e59.y;
    heap_0_[_e60].z = _e59.z;
    heap_0_[(copies_base + _e27)].w = bitcast<u32>(_e57.mass);
    let _e76 = bitcast<vec2<u32>>(_e57.velocity);
    let _e78 = ((copies_base + _e27) + 1u);
    heap_0_[_e78].x = _e76.x;
    heap_0_[_e78].y = _e76.y;
    heap_0_[((copies_base + _e27) + 1u)].z = _e57.id;
    let _e94 = heap_0_[((particles_base + _e26) + 1u)].y;
    heap_0_[((particles_base + _e26) + 1u)].y = bitcast<u32>((bitcast<f32>(_e94) + 0.5f));
    let _e105 = heap_0_[(particles_base + _e26)].w;
    heap_0_[(particles_base + _e26)].w = bitcast<u32>((bitcast<f32>(_e105) * 2f));
    return;
}

fn reduce_4_(lane_4: u32, group_4: u32, local_5: u32) {
    var value: f32 = 0f;
    var width: u32 = 32u;

    let _e5 = lanes[lane_4];
    let _e11 = (((group_4 % _e5.z) * 64u) + local_5);
    let _e19 = lanes[(lane_4 + 3u)];
    let _e23 = lanes[(lane_4 + 2u)];
    let a_base = _e23.x;
    let sums_base = _e23.z;
    if (_e11 < _e19.x) {
        let _e47 = slab_1_[(a_base + (_e11 >> 2u))][(_e11 & 3u)];
        value = bitcast<f32>(_e47);
    }
    let _e50 = value;
    shared_0_[local_5] = _e50;
    let _e52 = value;
    shared_1_[local_5] = _e52;
    workgroupBarrier();
    loop {
        let _e53 = width;
        if (_e53 > 0u) {
        } else {
            break;
        }
        {
            let _e55 = width;
            if (local_5 < _e55) {
                let _e58 = shared_0_[local_5];
                let _e59 = width;
                let _e62 = shared_0_[(local_5 + _e59)];
                shared_0_[local_5] = (_e58 + _e62);
                let _e66 = shared_1_[local_5];
                let _e67 = width;
                let _e70 = shared_1_[(local_5 + _e67)];
                shared_1_[local_5] = max(_e66, _e70);
            }
            workgroupBarrier();
        }
        continuing {
            let _e72 = width;
            width = (_e72 / 2u);
        }
    }
    if (local_5 == 0u) {
        let _e75 = ((group_4 % _e5.z) * 2u);
        let _e77 = shared_0_[0];
        let _e79 = shared_1_[0];
        let _e81 = bitcast<vec2<u32>>(vec2<f32>(_e77, _e79));
        let _e83 = (sums_base + (_e75 >> 2u));
        let _e84 = (_e75 & 3u);
        heap_0_[_e83][_e84] = _e81.x;
        heap_0_[_e83][(_e84 + 1u)] = _e81.y;
        return;
    } else {
        return;
    }
}

fn scale_5_(lane_5: u32, group_5: u32, local_6: u32) {
    let _e5 = lanes[lane_5];
    let _e10 = (((group_5 % _e5.z) * 64u) + local_6);
    let _e14 = lanes[(lane_5 + 4u)];
    let _e18 = lanes[(lane_5 + 3u)];
    let out_base_3 = _e18.x;
    let _e23 = lanes[(lane_5 + 2u)];
    let a_base_1 = _e23.x;
    let b_base = _e23.z;
    if (_e10 < _e14.x) {
        let _e34 = slab_1_[(a_base_1 + (_e10 >> 2u))][(_e10 & 3u)];
        let _e43 = slab_1_[(b_base + (_e10 >> 2u))][(_e10 & 3u)];
        heap_0_[(out_base_3 + (_e10 >> 2u))][(_e10 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e34), bitcast<f32>(_e14.y), bitcast<f32>(_e43)));
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

    let _e5 = lanes[lane_6];
    let _e14 = lanes[(lane_6 + 2u)];
    let out_base_4 = _e14.z;
    let _e22 = lanes[(lane_6 + 3u)];
    let a_base_2 = _e14.x;
    let _e28 = i32((_e14.w >> 2u));
    i_1 = i32((((group_6 % _e5.z) * 64u) + local_7));
    loop {
        let _e30 = i_1;
        if (_e30 < _e28) {
        } else {
            break;
        }
        {
            let _e32 = i_1;
            let _e36 = ((_e32 + bitcast<i32>(_e22.x)) % _e28);
            let _e37 = i_1;
            switch (_e37 & 3i) {
                case 0: {
                    let _e39 = i_1;
                    let _e40 = u32(_e39);
                    let _e41 = u32(_e36);
                    let _e48 = slab_1_[(a_base_2 + (_e41 >> 2u))][(_e41 & 3u)];
                    let _e50 = i_1;
                    let _e52 = stride_6_factor(u32(_e50));
                    heap_0_[(out_base_4 + (_e40 >> 2u))][(_e40 & 3u)] = bitcast<u32>((bitcast<i32>(_e48) * _e52));
                }
                case 1, 2: {
                    let _e61 = i_1;
                    let _e62 = u32(_e61);
                    let _e65 = u32(((_e28 - 1i) - _e36));
                    let _e71 = slab_1_[(a_base_2 + (_e65 >> 2u))][(_e65 & 3u)];
                    let _e73 = i_1;
                    let _e75 = stride_6_factor(u32(_e73));
                    heap_0_[(out_base_4 + (_e62 >> 2u))][(_e62 & 3u)] = bitcast<u32>((bitcast<i32>(_e71) - _e75));
                    continue;
                }
                default: {
                    let _e83 = i_1;
                    let _e84 = u32(_e83);
                    heap_0_[(out_base_4 + (_e84 >> 2u))][(_e84 & 3u)] = bitcast<u32>(_e28);
                }
            }
            let _e91 = stride_6_steps;
            let _e92 = i_1;
            stride_6_steps = (_e91 + _e92);
        }
        continuing {
            let _e94 = i_1;
            i_1 = (_e94 + i32((_e5.z * 64u)));
        }
    }
    return;
}

fn transpose_7_at(lane_7: u32, row: u32, column: u32) -> i32 {
    let _e7 = lanes[(lane_7 + 2u)];
    let a_base_3 = _e7.x;
    let _e12 = lanes[(lane_7 + 3u)];
    let _e15 = ((row * _e12.y) + column);
    let _e22 = slab_1_[(a_base_3 + (_e15 >> 2u))][(_e15 & 3u)];
    return bitcast<i32>(_e22);
}

fn transpose_7_put(lane_8: u32, row_1: u32, column_1: u32, value_1: i32) {
    let _e8 = lanes[(lane_8 + 2u)];
    let out_base_5 = _e8.z;
    let _e13 = lanes[(lane_8 + 3u)];
    let _e16 = ((column_1 * _e13.x) + row_1);
    heap_0_[(out_base_5 + (_e16 >> 2u))][(_e16 & 3u)] = bitcast<u32>(value_1);
    return;
}

fn transpose_7_(lane_9: u32, group_7: u32, local_8: u32) {
    var local_9: bool;

    let _e5 = lanes[lane_9];
    let _e12 = (local_8 & 7u);
    let _e14 = (local_8 >> 3u);
    let _e19 = lanes[(lane_9 + 3u)];
    let _e27 = ((((group_7 / _e5.z) % _e5.w) * 8u) + _e14);
    let _e29 = (((group_7 % _e5.z) * 8u) + _e12);
    if (_e27 < _e19.x) {
        local_9 = (_e29 < _e19.y);
    } else {
        local_9 = false;
    }
    let _e34 = local_9;
    if _e34 {
        let _e37 = transpose_7_at(lane_9, _e27, _e29);
        shared_2_[_e14][_e12] = _e37;
    }
    workgroupBarrier();
    if _e34 {
        let _e40 = shared_2_[_e14][_e12];
        transpose_7_put(lane_9, _e27, _e29, (_e40 + i32(((_e5.z * 1000u) + _e5.w))));
        return;
    } else {
        return;
    }
}

fn vectors_8_(lane_10: u32, group_8: u32, local_10: u32) {
    let _e5 = lanes[lane_10];
    let _e11 = (((group_8 % _e5.z) * 64u) + local_10);
    let _e15 = lanes[(lane_10 + 4u)];
    let _e19 = lanes[(lane_10 + 2u)];
    let fours_base = _e19.x;
    let twos_base = _e19.z;
    let _e27 = lanes[(lane_10 + 3u)];
    let threes_base = _e27.x;
    let out_base_6 = _e27.z;
    if (_e11 >= _e15.x) {
        return;
    }
    let _e39 = slab_1_[(fours_base + _e11)];
    let _e41 = (_e11 * 2u);
    let _e43 = (twos_base + (_e41 >> 2u));
    let _e44 = (_e41 & 3u);
    let _e48 = heap_0_[_e43][_e44];
    let _e52 = heap_0_[_e43][(_e44 + 1u)];
    let _e54 = bitcast<vec2<i32>>(vec2<u32>(_e48, _e52));
    let _e55 = (_e11 * 2u);
    let _e59 = bitcast<vec2<u32>>((_e54.yx + vec2<i32>(1i, -1i)));
    let _e61 = (twos_base + (_e55 >> 2u));
    let _e62 = (_e55 & 3u);
    heap_0_[_e61][_e62] = _e59.x;
    heap_0_[_e61][(_e62 + 1u)] = _e59.y;
    let _e73 = heap_0_[(threes_base + _e11)].x;
    heap_0_[(threes_base + _e11)].y = (_e73 + u32(_e54.x));
    let _e82 = heap_0_[(threes_base + _e11)];
    let _e83 = _e82.xyz;
    let _e84 = _e83.zyx;
    let _e85 = (threes_base + _e11);
    heap_0_[_e85].x = _e84.x;
    heap_0_[_e85].y = _e84.y;
    heap_0_[_e85].z = _e84.z;
    heap_0_[(out_base_6 + _e11)] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e39).wzyx * 2f));
    let _e102 = u32((_e54.x & 3i));
    let _e103 = (_e11 & 3u);
    let _e110 = slab_1_[((fours_base + _e11) + (_e103 >> 2u))][(_e103 & 3u)];
    heap_0_[((out_base_6 + _e11) + (_e102 >> 2u))][(_e102 & 3u)] = bitcast<u32>((bitcast<f32>(_e110) + f32((_e83.y & 255u))));
    return;
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
    let lane_11 = ((_e11.z >> 2u) + (_e34 * (_e11.w >> 2u)));
    let _e48 = lanes[lane_11];
    let group_9 = ((linear - _e40) + _e48.y);
    switch _e48.x {
        case 0u: {
            cube_0_(lane_11, group_9, local);
        }
        case 1u: {
            matrices_1_(lane_11, group_9, local);
        }
        case 2u: {
            nested_2_(lane_11, group_9, local);
        }
        case 3u: {
            particles_3_(lane_11, group_9, local);
        }
        case 4u: {
            reduce_4_(lane_11, group_9, local);
        }
        case 5u: {
            scale_5_(lane_11, group_9, local);
        }
        case 6u: {
            stride_6_(lane_11, group_9, local);
        }
        case 7u: {
            transpose_7_(lane_11, group_9, local);
        }
        case 8u: {
            vectors_8_(lane_11, group_9, local);
        }
        default: {
        }
    }
}
