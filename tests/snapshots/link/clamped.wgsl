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
    let _e8 = ((group * 64u) + local_1);
    let _e12 = lanes[(lane + 2u)];
    let _e14 = lanes[lane];
    let items_base = _e14.z;
    let _e20 = (max((_e14.w / 112u), 1u) - 1u);
    let _e21 = (_e14.w >= 112u);
    let _e25 = lanes[(lane + 1u)];
    let out_base = _e25.x;
    if (_e8 >= _e12.x) {
        return;
    }
    let _e43 = (min(_e8, _e20) * 7u);
    let _e47 = heap_0_[(items_base + _e43)];
    let _e55 = heap_0_[((items_base + _e43) + 1u)];
    let _e63 = heap_0_[((items_base + _e43) + 2u)];
    let _e69 = (_e8 % 3u);
    let _e78 = heap_0_[(items_base + ((min(_e8, _e20) * 7u) + min(_e69, 2u)))];
    let _e87 = min((_e8 % 3u), 2u);
    let _e95 = heap_0_[(((items_base + (min(_e8, _e20) * 7u)) + 2u) + (_e87 >> 2u))][(_e87 & 3u)];
    if (_e25.y >= 16u) {
        let _e101 = bitcast<vec3<u32>>(((mat3x3<f32>(select(vec3<f32>(), bitcast<vec3<f32>>(_e47.xyz), _e21), select(vec3<f32>(), bitcast<vec3<f32>>(_e55.xyz), _e21), select(vec3<f32>(), bitcast<vec3<f32>>(_e63.xyz), _e21))[_e69] + select(vec3<f32>(), bitcast<vec3<f32>>(_e78.xyz), _e21)) + vec3(select(f32(), bitcast<f32>(_e95), _e21))));
        let _e102 = (out_base + min(_e8, (max((_e25.y >> 4u), 1u) - 1u)));
        heap_0_[_e102].x = _e101.x;
        heap_0_[_e102].y = _e101.y;
        heap_0_[_e102].z = _e101.z;
    }
    let _e113 = (min(_e8, _e20) * 7u);
    let _e119 = heap_0_[((items_base + (min(_e8, _e20) * 7u)) + 4u)];
    let _e128 = heap_0_[((items_base + (min(_e8, _e20) * 7u)) + 3u)];
    let _e132 = mat2x4<f32>(select(vec4<f32>(), bitcast<vec4<f32>>(_e119), _e21), select(vec4<f32>(), bitcast<vec4<f32>>(_e128), _e21));
    if _e21 {
        heap_0_[((items_base + _e113) + 3u)] = bitcast<vec4<u32>>(_e132[0]);
        heap_0_[((items_base + _e113) + 4u)] = bitcast<vec4<u32>>(_e132[1]);
    }
    let _e147 = (min((_e8 & 3u), 3u) * 2u);
    let _e153 = (min((3u - (_e8 & 3u)), 3u) * 2u);
    let _e158 = (((items_base + (min(_e8, _e20) * 7u)) + 5u) + (_e153 >> 2u));
    let _e159 = (_e153 & 3u);
    let _e162 = heap_0_[_e158][_e159];
    let _e166 = heap_0_[_e158][(_e159 + 1u)];
    if _e21 {
        let _e171 = bitcast<vec2<u32>>(select(vec2<f32>(), bitcast<vec2<f32>>(vec2<u32>(_e162, _e166)), _e21));
        let _e175 = (((items_base + (min(_e8, _e20) * 7u)) + 5u) + (_e147 >> 2u));
        let _e176 = (_e147 & 3u);
        heap_0_[_e175][_e176] = _e171.x;
        heap_0_[_e175][(_e176 + 1u)] = _e171.y;
    }
    if _e21 {
        heap_0_[((items_base + (min(_e8, _e20) * 7u)) + 5u)].w = bitcast<u32>(4f);
    }
    return;
}

fn nested_1_(lane_1: u32, group_1: u32, local_2: u32) {
    var changed: Inner;

    let _e7 = ((group_1 * 64u) + local_2);
    let _e11 = lanes[(lane_1 + 2u)];
    let _e16 = lanes[(lane_1 + 4u)];
    let _e18 = lanes[lane_1];
    let data_base = _e18.z;
    let _e25 = ((_e18.w - min(_e18.w, 32u)) / 28u);
    let _e27 = (max(_e25, 1u) - 1u);
    let _e29 = (_e18.w >= 60u);
    let _e32 = lanes[(lane_1 + 1u)];
    let out_base_1 = _e32.x;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e51 = (min(_e7, _e27) * 7u);
    let _e59 = heap_0_[((data_base + 2u) + (_e51 >> 2u))][(_e51 & 3u)];
    let _e63 = (_e51 + 1u);
    let _e69 = heap_0_[((data_base + 2u) + (_e63 >> 2u))][(_e63 & 3u)];
    let _e73 = (_e51 + 2u);
    let _e79 = heap_0_[((data_base + 2u) + (_e73 >> 2u))][(_e73 & 3u)];
    let _e84 = (_e51 + 3u);
    let _e90 = heap_0_[((data_base + 2u) + (_e84 >> 2u))][(_e84 & 3u)];
    let _e99 = heap_0_[((data_base + 3u) + (_e51 >> 2u))][(_e51 & 3u)];
    let _e103 = (_e51 + 1u);
    let _e109 = heap_0_[((data_base + 3u) + (_e103 >> 2u))][(_e103 & 3u)];
    let _e115 = (_e51 + 2u);
    let _e121 = heap_0_[((data_base + 3u) + (_e115 >> 2u))][(_e115 & 3u)];
    let _e124 = Inner(array<array<u32, 3>, 2>(array<u32, 3>(select(u32(), _e59, _e29), select(u32(), _e69, _e29), select(u32(), _e79, _e29)), array<u32, 3>(select(u32(), _e90, _e29), select(u32(), _e99, _e29), select(u32(), _e109, _e29))), select(u32(), _e121, _e29));
    let _e125 = min(_e7, (max((_e32.y >> 2u), 1u) - 1u));
    let _e139 = (((min(_e7, _e27) * 7u) + (min((1u - (_e7 & 1u)), 1u) * 3u)) + 2u);
    let _e145 = heap_0_[((data_base + 2u) + (_e139 >> 2u))][(_e139 & 3u)];
    let _e154 = min(((_e7 >> 1u) & 3u), 3u);
    let _e163 = lanes[((((lane_1 + 2u) + min((_e7 & 1u), 1u)) + 1u) + (_e154 >> 2u))][(_e154 & 3u)];
    let _e168 = min(_e11.y, 2u);
    let _e175 = heap_0_[((data_base + 1u) + (_e168 >> 2u))][(_e168 & 3u)];
    if (_e32.y >= 4u) {
        heap_0_[(out_base_1 + (_e125 >> 2u))][(_e125 & 3u)] = (((((_e124.table[(_e7 & 1u)][(_e7 % 3u)] + select(u32(), _e145, _e29)) + _e25) + _e163) + _e16.y) + select(u32(), _e175, _e29));
    }
    changed = _e124;
    let _e189 = heap_0_[(data_base + 1u)].x;
    let _e195 = heap_0_[(data_base + 1u)].y;
    let _e201 = heap_0_[(data_base + 1u)].z;
    changed.table[0] = array<u32, 3>(select(u32(), _e189, _e29), select(u32(), _e195, _e29), select(u32(), _e201, _e29));
    let _e206 = changed.last;
    let _e209 = heap_0_[data_base].x;
    changed.last = (_e206 + select(u32(), _e209, _e29));
    let _e214 = (min(_e7, _e27) * 7u);
    let _e215 = changed;
    if _e29 {
        heap_0_[((data_base + 2u) + (_e214 >> 2u))][(_e214 & 3u)] = _e215.table[0][0];
        let _e227 = (_e214 + 1u);
        heap_0_[((data_base + 2u) + (_e227 >> 2u))][(_e227 & 3u)] = _e215.table[0][1];
        let _e235 = (_e214 + 2u);
        heap_0_[((data_base + 2u) + (_e235 >> 2u))][(_e235 & 3u)] = _e215.table[0][2];
        let _e244 = (_e214 + 3u);
        heap_0_[((data_base + 2u) + (_e244 >> 2u))][(_e244 & 3u)] = _e215.table[1][0];
        heap_0_[((data_base + 3u) + (_e214 >> 2u))][(_e214 & 3u)] = _e215.table[1][1];
        let _e259 = (_e214 + 1u);
        heap_0_[((data_base + 3u) + (_e259 >> 2u))][(_e259 & 3u)] = _e215.table[1][2];
        let _e267 = (_e214 + 2u);
        heap_0_[((data_base + 3u) + (_e267 >> 2u))][(_e267 & 3u)] = _e215.last;
    }
    return;
}

fn scale_2_(lane_2: u32, group_2: u32, local_3: u32) {
    let _e8 = ((group_2 * 64u) + local_3);
    let _e12 = lanes[(lane_2 + 2u)];
    let _e15 = lanes[(lane_2 + 1u)];
    let out_base_2 = _e15.z;
    let _e24 = lanes[lane_2];
    let a_base = _e24.z;
    let b_base = _e15.x;
    if (_e8 < _e12.x) {
        let _e39 = min(_e8, (max((_e15.w >> 2u), 1u) - 1u));
        let _e40 = min(_e8, (max((_e24.w >> 2u), 1u) - 1u));
        let _e47 = slab_1_[(a_base + (_e40 >> 2u))][(_e40 & 3u)];
        let _e53 = min(_e8, (max((_e15.y >> 2u), 1u) - 1u));
        let _e59 = slab_1_[(b_base + (_e53 >> 2u))][(_e53 & 3u)];
        if (_e15.w >= 4u) {
            heap_0_[(out_base_2 + (_e39 >> 2u))][(_e39 & 3u)] = bitcast<u32>(fma(select(f32(), bitcast<f32>(_e47), (_e24.w >= 4u)), bitcast<f32>(_e12.y), select(f32(), bitcast<f32>(_e59), (_e15.y >= 4u))));
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
    let lane_3 = found;
    let _e49 = lanes[lane_3];
    switch _e49.x {
        case 0u: {
            let group_3 = (linear + _e49.y);
            matrices_0_(lane_3, group_3, local);
        }
        case 1u: {
            let group_4 = (linear + _e49.y);
            nested_1_(lane_3, group_4, local);
        }
        case 2u: {
            let group_5 = (linear + _e49.y);
            scale_2_(lane_3, group_5, local);
        }
        default: {
        }
    }
}
