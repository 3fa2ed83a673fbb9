struct Inner {
    table: array<array<u32, 3>, 2>,
    last: u32,
}

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;

fn matrices_0_(lane: u32, group: u32, local_1: u32) {
    let _e7 = ((group * 64u) + local_1);
    let _e11 = lanes[(lane + 3u)];
    let _e15 = lanes[(lane + 2u)];
    let items_base = _e15.x;
    let _e21 = (max((_e15.y / 112u), 1u) - 1u);
    let _e22 = (_e15.y >= 112u);
    let out_base = _e15.z;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e41 = (min(_e7, _e21) * 7u);
    let _e45 = heap_0_[(items_base + _e41)];
    let _e53 = heap_0_[((items_base + _e41) + 1u)];
    let _e61 = heap_0_[((items_base + _e41) + 2u)];
    let _e67 = (_e7 % 3u);
    let _e76 = heap_0_[(items_base + ((min(_e7, _e21) * 7u) + min(_e67, 2u)))];
    let _e85 = min((_e7 % 3u), 2u);
    let _e93 = heap_0_[(((items_base + (min(_e7, _e21) * 7u)) + 2u) + (_e85 >> 2u))][(_e85 & 3u)];
    if (_e15.w >= 16u) {
        let _e99 = bitcast<vec3<u32>>(((mat3x3<f32>(select(vec3<f32>(), bitcast<vec3<f32>>(_e45.xyz), _e22), select(vec3<f32>(), bitcast<vec3<f32>>(_e53.xyz), _e22), select(vec3<f32>(), bitcast<vec3<f32>>(_e61.xyz), _e22))[_e67] + select(vec3<f32>(), bitcast<vec3<f32>>(_e76.xyz), _e22)) + vec3(select(f32(), bitcast<f32>(_e93), _e22))));
        let _e100 = (out_base + min(_e7, (max((_e15.w >> 4u), 1u) - 1u)));
        heap_0_[_e100].x = _e99.x;
        heap_0_[_e100].y = _e99.y;
        heap_0_[_e100].z = _e99.z;
    }
    let _e111 = (min(_e7, _e21) * 7u);
    let _e117 = heap_0_[((items_base + (min(_e7, _e21) * 7u)) + 4u)];
    let _e126 = heap_0_[((items_base + (min(_e7, _e21) * 7u)) + 3u)];
    let _e130 = mat2x4<f32>(select(vec4<f32>(), bitcast<vec4<f32>>(_e117), _e22), select(vec4<f32>(), bitcast<vec4<f32>>(_e126), _e22));
    if _e22 {
        heap_0_[((items_base + _e111) + 3u)] = bitcast<vec4<u32>>(_e130[0]);
        heap_0_[((items_base + _e111) + 4u)] = bitcast<vec4<u32>>(_e130[1]);
    }
    let _e145 = (min((_e7 & 3u), 3u) * 2u);
    let _e151 = (min((3u - (_e7 & 3u)), 3u) * 2u);
    let _e156 = (((items_base + (min(_e7, _e21) * 7u)) + 5u) + (_e151 >> 2u));
    let _e157 = (_e151 & 3u);
    let _e160 = heap_0_[_e156][_e157];
    let _e164 = heap_0_[_e156][(_e157 + 1u)];
    if _e22 {
        let _e169 = bitcast<vec2<u32>>(select(vec2<f32>(), bitcast<vec2<f32>>(vec2<u32>(_e160, _e164)), _e22));
        let _e173 = (((items_base + (min(_e7, _e21) * 7u)) + 5u) + (_e145 >> 2u));
        let _e174 = (_e145 & 3u);
        heap_0_[_e173][_e174] = _e169.x;
        heap_0_[_e173][(_e174 + 1u)] = _e169.y;
    }
    if _e22 {
        heap_0_[((items_base + (min(_e7, _e21) * 7u)) + 5u)].w = bitcast<u32>(4f);
    }
    return;
}

fn nested_1_(lane_1: u32, group_1: u32, local_2: u32) {
    var changed: Inner;

    let _e7 = ((group_1 * 64u) + local_2);
    let _e11 = lanes[(lane_1 + 3u)];
    let _e16 = lanes[(lane_1 + 5u)];
    let _e20 = lanes[(lane_1 + 2u)];
    let data_base = _e20.x;
    let _e27 = ((_e20.y - min(_e20.y, 32u)) / 28u);
    let _e29 = (max(_e27, 1u) - 1u);
    let _e31 = (_e20.y >= 60u);
    let out_base_1 = _e20.z;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e50 = (min(_e7, _e29) * 7u);
    let _e58 = heap_0_[((data_base + 2u) + (_e50 >> 2u))][(_e50 & 3u)];
    let _e62 = (_e50 + 1u);
    let _e68 = heap_0_[((data_base + 2u) + (_e62 >> 2u))][(_e62 & 3u)];
    let _e72 = (_e50 + 2u);
    let _e78 = heap_0_[((data_base + 2u) + (_e72 >> 2u))][(_e72 & 3u)];
    let _e83 = (_e50 + 3u);
    let _e89 = heap_0_[((data_base + 2u) + (_e83 >> 2u))][(_e83 & 3u)];
    let _e98 = heap_0_[((data_base + 3u) + (_e50 >> 2u))][(_e50 & 3u)];
    let _e102 = (_e50 + 1u);
    let _e108 = heap_0_[((data_base + 3u) + (_e102 >> 2u))][(_e102 & 3u)];
    let _e114 = (_e50 + 2u);
    let _e120 = heap_0_[((data_base + 3u) + (_e114 >> 2u))][(_e114 & 3u)];
    let _e123 = Inner(array<array<u32, 3>, 2>(array<u32, 3>(select(u32(), _e58, _e31), select(u32(), _e68, _e31), select(u32(), _e78, _e31)), array<u32, 3>(select(u32(), _e89, _e31), select(u32(), _e98, _e31), select(u32(), _e108, _e31))), select(u32(), _e120, _e31));
    let _e124 = min(_e7, (max((_e20.w >> 2u), 1u) - 1u));
    let _e138 = (((min(_e7, _e29) * 7u) + (min((1u - (_e7 & 1u)), 1u) * 3u)) + 2u);
    let _e144 = heap_0_[((data_base + 2u) + (_e138 >> 2u))][(_e138 & 3u)];
    let _e153 = min(((_e7 >> 1u) & 3u), 3u);
    let _e162 = lanes[((((lane_1 + 3u) + min((_e7 & 1u), 1u)) + 1u) + (_e153 >> 2u))][(_e153 & 3u)];
    let _e167 = min(_e11.y, 2u);
    let _e174 = heap_0_[((data_base + 1u) + (_e167 >> 2u))][(_e167 & 3u)];
    if (_e20.w >= 4u) {
        heap_0_[(out_base_1 + (_e124 >> 2u))][(_e124 & 3u)] = (((((_e123.table[(_e7 & 1u)][(_e7 % 3u)] + select(u32(), _e144, _e31)) + _e27) + _e162) + _e16.y) + select(u32(), _e174, _e31));
    }
    changed = _e123;
    let _e188 = heap_0_[(data_base + 1u)].x;
    let _e194 = heap_0_[(data_base + 1u)].y;
    let _e200 = heap_0_[(data_base + 1u)].z;
    changed.table[0] = array<u32, 3>(select(u32(), _e188, _e31), select(u32(), _e194, _e31), select(u32(), _e200, _e31));
    let _e205 = changed.last;
    let _e208 = heap_0_[data_base].x;
    changed.last = (_e205 + select(u32(), _e208, _e31));
    let _e213 = (min(_e7, _e29) * 7u);
    let _e214 = changed;
    if _e31 {
        heap_0_[((data_base + 2u) + (_e213 >> 2u))][(_e213 & 3u)] = _e214.table[0][0];
        let _e226 = (_e213 + 1u);
        heap_0_[((data_base + 2u) + (_e226 >> 2u))][(_e226 & 3u)] = _e214.table[0][1];
        let _e234 = (_e213 + 2u);
        heap_0_[((data_base + 2u) + (_e234 >> 2u))][(_e234 & 3u)] = _e214.table[0][2];
        let _e243 = (_e213 + 3u);
        heap_0_[((data_base + 2u) + (_e243 >> 2u))][(_e243 & 3u)] = _e214.table[1][0];
        heap_0_[((data_base + 3u) + (_e213 >> 2u))][(_e213 & 3u)] = _e214.table[1][1];
        let _e258 = (_e213 + 1u);
        heap_0_[((data_base + 3u) + (_e258 >> 2u))][(_e258 & 3u)] = _e214.table[1][2];
        let _e266 = (_e213 + 2u);
        heap_0_[((data_base + 3u) + (_e266 >> 2u))][(_e266 & 3u)] = _e214.last;
    }
    return;
}

fn scale_2_(lane_2: u32, group_2: u32, local_3: u32) {
    let _e7 = ((group_2 * 64u) + local_3);
    let _e11 = lanes[(lane_2 + 4u)];
    let _e15 = lanes[(lane_2 + 3u)];
    let out_base_2 = _e15.x;
    let _e25 = lanes[(lane_2 + 2u)];
    let a_base = _e25.x;
    let b_base = _e25.z;
    if (_e7 < _e11.x) {
        let _e40 = min(_e7, (max((_e15.y >> 2u), 1u) - 1u));
        let _e41 = min(_e7, (max((_e25.y >> 2u), 1u) - 1u));
        let _e48 = slab_1_[(a_base + (_e41 >> 2u))][(_e41 & 3u)];
        let _e54 = min(_e7, (max((_e25.w >> 2u), 1u) - 1u));
        let _e60 = slab_1_[(b_base + (_e54 >> 2u))][(_e54 & 3u)];
        if (_e15.y >= 4u) {
            heap_0_[(out_base_2 + (_e40 >> 2u))][(_e40 & 3u)] = bitcast<u32>(fma(select(f32(), bitcast<f32>(_e48), (_e25.y >= 4u)), bitcast<f32>(_e11.y), select(f32(), bitcast<f32>(_e60), (_e25.w >= 4u))));
        }
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
            matrices_0_(lane_3, group_3, local);
        }
        case 1u: {
            nested_1_(lane_3, group_3, local);
        }
        case 2u: {
            scale_2_(lane_3, group_3, local);
        }
        default: {
        }
    }
}
