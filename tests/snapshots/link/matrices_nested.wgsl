struct Inner {
    table: array<array<u32, 3>, 2>,
    last: u32,
}

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn matrices_0_(lane: u32, group: u32, local_1: u32) {
    let _e8 = ((group * 64u) + local_1);
    let _e12 = lanes[(lane + 2u)];
    let _e14 = lanes[lane];
    let items_base = _e14.z;
    let _e19 = lanes[(lane + 1u)];
    let out_base = _e19.x;
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
    let _e74 = (out_base + _e8);
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

fn nested_1_(lane_1: u32, group_1: u32, local_2: u32) {
    var changed: Inner;

    let _e7 = ((group_1 * 64u) + local_2);
    let _e11 = lanes[(lane_1 + 2u)];
    let _e16 = lanes[(lane_1 + 4u)];
    let _e18 = lanes[lane_1];
    let data_base = _e18.z;
    let _e28 = lanes[(lane_1 + 1u)];
    let out_base_1 = _e28.x;
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
    let _e132 = lanes[((((lane_1 + 2u) + (_e7 & 1u)) + 1u) + (_e123 >> 2u))][(_e123 & 3u)];
    let _e143 = heap_0_[((data_base + 1u) + (_e11.y >> 2u))][(_e11.y & 3u)];
    heap_0_[(out_base_1 + (_e7 >> 2u))][(_e7 & 3u)] = (((((_e100.table[(_e7 & 1u)][(_e7 % 3u)] + _e118) + ((_e18.w - min(_e18.w, 32u)) / 28u)) + _e132) + _e16.y) + _e143);
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
    let lane_2 = found;
    let _e49 = lanes[lane_2];
    switch _e49.x {
        case 0u: {
            let group_2 = (linear + _e49.y);
            matrices_0_(lane_2, group_2, local);
        }
        case 1u: {
            let group_3 = (linear + _e49.y);
            nested_1_(lane_2, group_3, local);
        }
        default: {
        }
    }
}
