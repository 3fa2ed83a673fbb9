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
    let _e7 = ((group_1 * 64u) + local_2);
    let _e11 = lanes[(lane_1 + 3u)];
    let _e15 = lanes[(lane_1 + 2u)];
    let items_base = _e15.x;
    let out_base_1 = _e15.z;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e28 = (_e7 * 7u);
    let _e32 = heap_0_[(items_base + _e28)];
    let _e38 = heap_0_[((items_base + _e28) + 1u)];
    let _e44 = heap_0_[((items_base + _e28) + 2u)];
    let _e48 = (_e7 % 3u);
    let _e54 = heap_0_[(items_base + ((_e7 * 7u) + _e48))];
    let _e59 = (_e7 % 3u);
    let _e67 = heap_0_[(((items_base + (_e7 * 7u)) + 2u) + (_e59 >> 2u))][(_e59 & 3u)];
    let _e71 = bitcast<vec3<u32>>(((mat3x3<f32>(bitcast<vec3<f32>>(_e32.xyz), bitcast<vec3<f32>>(_e38.xyz), bitcast<vec3<f32>>(_e44.xyz))[_e48] + bitcast<vec3<f32>>(_e54.xyz)) + vec3(bitcast<f32>(_e67))));
    let _e72 = (out_base_1 + _e7);
    heap_0_[_e72].x = _e71.x;
    heap_0_[_e72].y = _e71.y;
    heap_0_[_e72].z = _e71.z;
    let _e82 = (_e7 * 7u);
    let _e87 = heap_0_[((items_base + (_e7 * 7u)) + 4u)];
    let _e93 = heap_0_[((items_base + (_e7 * 7u)) + 3u)];
    let _e95 = mat2x4<f32>(bitcast<vec4<f32>>(_e87), bitcast<vec4<f32>>(_e93));
    heap_0_[((items_base + _e82) + 3u)] = bitcast<vec4<u32>>(_e95[0]);
    heap_0_[((items_base + _e82) + 4u)] = bitcast<vec4<u32>>(_e95[1]);
    let _e108 = ((_e7 & 3u) * 2u);
    let _e112 = ((3u - (_e7 & 3u)) * 2u);
    let _e117 = (((items_base + (_e7 * 7u)) + 5u) + (_e112 >> 2u));
    let _e118 = (_e112 & 3u);
    let _e121 = heap_0_[_e117][_e118];
    let _e125 = heap_0_[_e117][(_e118 + 1u)];
    let _e128 = bitcast<vec2<u32>>(bitcast<vec2<f32>>(vec2<u32>(_e121, _e125)));
    let _e132 = (((items_base + (_e7 * 7u)) + 5u) + (_e108 >> 2u));
    let _e133 = (_e108 & 3u);
    heap_0_[_e132][_e133] = _e128.x;
    heap_0_[_e132][(_e133 + 1u)] = _e128.y;
    heap_0_[((items_base + (_e7 * 7u)) + 5u)].w = bitcast<u32>(4f);
    return;
}

fn nested_2_(lane_2: u32, group_2: u32, local_3: u32) {
    var changed: Inner;

    let _e7 = ((group_2 * 64u) + local_3);
    let _e11 = lanes[(lane_2 + 3u)];
    let _e15 = lanes[(lane_2 + 5u)];
    let _e19 = lanes[(lane_2 + 2u)];
    let data_base = _e19.x;
    let out_base_2 = _e19.z;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e39 = (_e7 * 7u);
    let _e47 = heap_0_[((data_base + 2u) + (_e39 >> 2u))][(_e39 & 3u)];
    let _e49 = (_e39 + 1u);
    let _e55 = heap_0_[((data_base + 2u) + (_e49 >> 2u))][(_e49 & 3u)];
    let _e57 = (_e39 + 2u);
    let _e63 = heap_0_[((data_base + 2u) + (_e57 >> 2u))][(_e57 & 3u)];
    let _e66 = (_e39 + 3u);
    let _e72 = heap_0_[((data_base + 2u) + (_e66 >> 2u))][(_e66 & 3u)];
    let _e79 = heap_0_[((data_base + 3u) + (_e39 >> 2u))][(_e39 & 3u)];
    let _e81 = (_e39 + 1u);
    let _e87 = heap_0_[((data_base + 3u) + (_e81 >> 2u))][(_e81 & 3u)];
    let _e91 = (_e39 + 2u);
    let _e97 = heap_0_[((data_base + 3u) + (_e91 >> 2u))][(_e91 & 3u)];
    let _e98 = Inner(array<array<u32, 3>, 2>(array<u32, 3>(_e47, _e55, _e63), array<u32, 3>(_e72, _e79, _e87)), _e97);
    let _e110 = (((_e7 * 7u) + ((1u - (_e7 & 1u)) * 3u)) + 2u);
    let _e116 = heap_0_[((data_base + 2u) + (_e110 >> 2u))][(_e110 & 3u)];
    let _e121 = ((_e7 >> 1u) & 3u);
    let _e130 = lanes[((((lane_2 + 3u) + (_e7 & 1u)) + 1u) + (_e121 >> 2u))][(_e121 & 3u)];
    let _e141 = heap_0_[((data_base + 1u) + (_e11.y >> 2u))][(_e11.y & 3u)];
    heap_0_[(out_base_2 + (_e7 >> 2u))][(_e7 & 3u)] = (((((_e98.table[(_e7 & 1u)][(_e7 % 3u)] + _e116) + ((_e19.y - min(_e19.y, 32u)) / 28u)) + _e130) + _e15.y) + _e141);
    changed = _e98;
    let _e153 = heap_0_[(data_base + 1u)].x;
    let _e157 = heap_0_[(data_base + 1u)].y;
    let _e161 = heap_0_[(data_base + 1u)].z;
    changed.table[0] = array<u32, 3>(_e153, _e157, _e161);
    let _e164 = changed.last;
    let _e167 = heap_0_[data_base].x;
    changed.last = (_e164 + _e167);
    let _e169 = (_e7 * 7u);
    let _e170 = changed;
    heap_0_[((data_base + 2u) + (_e169 >> 2u))][(_e169 & 3u)] = _e170.table[0][0];
    let _e182 = (_e169 + 1u);
    heap_0_[((data_base + 2u) + (_e182 >> 2u))][(_e182 & 3u)] = _e170.table[0][1];
    let _e190 = (_e169 + 2u);
    heap_0_[((data_base + 2u) + (_e190 >> 2u))][(_e190 & 3u)] = _e170.table[0][2];
    let _e199 = (_e169 + 3u);
    heap_0_[((data_base + 2u) + (_e199 >> 2u))][(_e199 & 3u)] = _e170.table[1][0];
    heap_0_[((data_base + 3u) + (_e169 >> 2u))][(_e169 & 3u)] = _e170.table[1][1];
    let _e214 = (_e169 + 1u);
    heap_0_[((data_base + 3u) + (_e214 >> 2u))][(_e214 & 3u)] = _e170.table[1][2];
    let _e222 = (_e169 + 2u);
    heap_0_[((data_base + 3u) + (_e222 >> 2u))][(_e222 & 3u)] = _e170.last;
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
    let _e11 = lanes[(lane_3 + 3u)];
    let _e15 = lanes[(lane_3 + 2u)];
    let particles_base = _e15.x;
    let copies_base = _e15.z;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e22 = (_e7 * 2u);
    let _e23 = (_e7 * 2u);
    let _e27 = heap_0_[(particles_base + _e22)];
    let _e33 = heap_0_[(particles_base + _e22)].w;
    let _e36 = ((particles_base + _e22) + 1u);
    let _e39 = heap_0_[_e36].x;
    let _e42 = heap_0_[_e36].y;
    let _e49 = heap_0_[((particles_base + _e22) + 1u)].z;
    let _e53 = particles_3_moved(Particle(bitcast<vec3<f32>>(_e27.xyz), bitcast<f32>(_e33), bitcast<vec2<f32>>(vec2<u32>(_e39, _e42)), _e49), bitcast<f32>(_e11.y));
    let _e55 = bitcast<vec3<u32>>(_e53.position);
    let _e56 = (copies_base + _e23);
    heap_0_[_e56].x = _e55.x;
    heap_0_[_e56].y = _e55.y;
    heap_0_[_e56].z = _e55.z;
    heap_0_[(copies_base + _e23)].w = bitcast<u32>(_e53.mass);
    let _e72 = bitcast<vec2<u32>>(_e53.velocity);
    let _e74 = ((copies_base + _e23) + 1u);
    heap_0_[_e74].x = _e72.x;
    heap_0_[_e74].y = _e72.y;
    heap_0_[((copies_base + _e23) + 1u)].z = _e53.id;
    let _e90 = heap_0_[((particles_base + _e22) + 1u)].y;
    heap_0_[((particles_base + _e22) + 1u)].y = bitcast<u32>((bitcast<f32>(_e90) + 0.5f));
    let _e101 = heap_0_[(particles_base + _e22)].w;
    heap_0_[(particles_base + _e22)].w = bitcast<u32>((bitcast<f32>(_e101) * 2f));
    return;
}

fn reduce_4_(lane_4: u32, group_4: u32, local_5: u32) {
    var value: f32 = 0f;
    var width: u32 = 32u;

    let _e7 = ((group_4 * 64u) + local_5);
    let _e14 = lanes[(lane_4 + 3u)];
    let _e18 = lanes[(lane_4 + 2u)];
    let a_base = _e18.x;
    let sums_base = _e18.z;
    if (_e7 < _e14.x) {
        let _e42 = slab_1_[(a_base + (_e7 >> 2u))][(_e7 & 3u)];
        value = bitcast<f32>(_e42);
    }
    let _e45 = value;
    shared_0_[local_5] = _e45;
    let _e47 = value;
    shared_1_[local_5] = _e47;
    workgroupBarrier();
    loop {
        let _e48 = width;
        if (_e48 > 0u) {
        } else {
            break;
        }
        {
            let _e50 = width;
            if (local_5 < _e50) {
                let _e53 = shared_0_[local_5];
                let _e54 = width;
                let _e57 = shared_0_[(local_5 + _e54)];
                shared_0_[local_5] = (_e53 + _e57);
                let _e61 = shared_1_[local_5];
                let _e62 = width;
                let _e65 = shared_1_[(local_5 + _e62)];
                shared_1_[local_5] = max(_e61, _e65);
            }
            workgroupBarrier();
        }
        continuing {
            let _e67 = width;
            width = (_e67 / 2u);
        }
    }
    if (local_5 == 0u) {
        let _e70 = (group_4 * 2u);
        let _e72 = shared_0_[0];
        let _e74 = shared_1_[0];
        let _e76 = bitcast<vec2<u32>>(vec2<f32>(_e72, _e74));
        let _e78 = (sums_base + (_e70 >> 2u));
        let _e79 = (_e70 & 3u);
        heap_0_[_e78][_e79] = _e76.x;
        heap_0_[_e78][(_e79 + 1u)] = _e76.y;
        return;
    } else {
        return;
    }
}

fn scale_5_(lane_5: u32, group_5: u32, local_6: u32) {
    let _e6 = ((group_5 * 64u) + local_6);
    let _e10 = lanes[(lane_5 + 4u)];
    let _e14 = lanes[(lane_5 + 3u)];
    let out_base_3 = _e14.x;
    let _e19 = lanes[(lane_5 + 2u)];
    let a_base_1 = _e19.x;
    let b_base = _e19.z;
    if (_e6 < _e10.x) {
        let _e30 = slab_1_[(a_base_1 + (_e6 >> 2u))][(_e6 & 3u)];
        let _e39 = slab_1_[(b_base + (_e6 >> 2u))][(_e6 & 3u)];
        heap_0_[(out_base_3 + (_e6 >> 2u))][(_e6 & 3u)] = bitcast<u32>(fma(bitcast<f32>(_e30), bitcast<f32>(_e10.y), bitcast<f32>(_e39)));
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
    let _e13 = lanes[(lane_6 + 2u)];
    let out_base_4 = _e13.z;
    let _e21 = lanes[(lane_6 + 3u)];
    let a_base_2 = _e13.x;
    let _e27 = i32((_e13.w >> 2u));
    i_1 = i32(((group_6 * 64u) + local_7));
    loop {
        let _e29 = i_1;
        if (_e29 < _e27) {
        } else {
            break;
        }
        {
            let _e31 = i_1;
            let _e35 = ((_e31 + bitcast<i32>(_e21.x)) % _e27);
            let _e36 = i_1;
            switch (_e36 & 3i) {
                case 0: {
                    let _e38 = i_1;
                    let _e39 = u32(_e38);
                    let _e40 = u32(_e35);
                    let _e47 = slab_1_[(a_base_2 + (_e40 >> 2u))][(_e40 & 3u)];
                    let _e49 = i_1;
                    let _e51 = stride_6_factor(u32(_e49));
                    heap_0_[(out_base_4 + (_e39 >> 2u))][(_e39 & 3u)] = bitcast<u32>((bitcast<i32>(_e47) * _e51));
                }
                case 1, 2: {
                    let _e60 = i_1;
                    let _e61 = u32(_e60);
                    let _e64 = u32(((_e27 - 1i) - _e35));
                    let _e70 = slab_1_[(a_base_2 + (_e64 >> 2u))][(_e64 & 3u)];
                    let _e72 = i_1;
                    let _e74 = stride_6_factor(u32(_e72));
                    heap_0_[(out_base_4 + (_e61 >> 2u))][(_e61 & 3u)] = bitcast<u32>((bitcast<i32>(_e70) - _e74));
                    continue;
                }
                default: {
                    let _e82 = i_1;
                    let _e83 = u32(_e82);
                    heap_0_[(out_base_4 + (_e83 >> 2u))][(_e83 & 3u)] = bitcast<u32>(_e27);
                }
            }
            let _e90 = stride_6_steps;
            let _e91 = i_1;
            stride_6_steps = (_e90 + _e91);
        }
        continuing {
            let _e93 = i_1;
            i_1 = (_e93 + i32((_e5.z * 64u)));
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
    let _e7 = ((group_8 * 64u) + local_10);
    let _e11 = lanes[(lane_10 + 4u)];
    let _e15 = lanes[(lane_10 + 2u)];
    let fours_base = _e15.x;
    let twos_base = _e15.z;
    let _e23 = lanes[(lane_10 + 3u)];
    let threes_base = _e23.x;
    let out_base_6 = _e23.z;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e35 = slab_1_[(fours_base + _e7)];
    let _e37 = (_e7 * 2u);
    let _e39 = (twos_base + (_e37 >> 2u));
    let _e40 = (_e37 & 3u);
    let _e44 = heap_0_[_e39][_e40];
    let _e48 = heap_0_[_e39][(_e40 + 1u)];
    let _e50 = bitcast<vec2<i32>>(vec2<u32>(_e44, _e48));
    let _e51 = (_e7 * 2u);
    let _e55 = bitcast<vec2<u32>>((_e50.yx + vec2<i32>(1i, -1i)));
    let _e57 = (twos_base + (_e51 >> 2u));
    let _e58 = (_e51 & 3u);
    heap_0_[_e57][_e58] = _e55.x;
    heap_0_[_e57][(_e58 + 1u)] = _e55.y;
    let _e69 = heap_0_[(threes_base + _e7)].x;
    heap_0_[(threes_base + _e7)].y = (_e69 + u32(_e50.x));
    let _e78 = heap_0_[(threes_base + _e7)];
    let _e79 = _e78.xyz;
    let _e80 = _e79.zyx;
    let _e81 = (threes_base + _e7);
    heap_0_[_e81].x = _e80.x;
    heap_0_[_e81].y = _e80.y;
    heap_0_[_e81].z = _e80.z;
    heap_0_[(out_base_6 + _e7)] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e35).wzyx * 2f));
    let _e98 = u32((_e50.x & 3i));
    let _e99 = (_e7 & 3u);
    let _e106 = slab_1_[((fours_base + _e7) + (_e99 >> 2u))][(_e99 & 3u)];
    heap_0_[((out_base_6 + _e7) + (_e98 >> 2u))][(_e98 & 3u)] = bitcast<u32>((bitcast<f32>(_e106) + f32((_e79.y & 255u))));
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
