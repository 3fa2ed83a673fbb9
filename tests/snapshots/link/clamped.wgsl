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
    let _e5 = lanes[lane];
    let _e11 = (((group % _e5.z) * 64u) + local_1);
    let _e15 = lanes[(lane + 3u)];
    let _e19 = lanes[(lane + 2u)];
    let items_base = _e19.x;
    let _e25 = (max((_e19.y / 112u), 1u) - 1u);
    let _e26 = (_e19.y >= 112u);
    let out_base = _e19.z;
    if (_e11 >= _e15.x) {
        return;
    }
    let _e45 = (min(_e11, _e25) * 7u);
    let _e49 = heap_0_[(items_base + _e45)];
    let _e57 = heap_0_[((items_base + _e45) + 1u)];
    let _e65 = heap_0_[((items_base + _e45) + 2u)];
    let _e71 = (_e11 % 3u);
    let _e80 = heap_0_[(items_base + ((min(_e11, _e25) * 7u) + min(_e71, 2u)))];
    let _e89 = min((_e11 % 3u), 2u);
    let _e97 = heap_0_[(((items_base + (min(_e11, _e25) * 7u)) + 2u) + (_e89 >> 2u))][(_e89 & 3u)];
    if (_e19.w >= 16u) {
        let _e103 = bitcast<vec3<u32>>(((mat3x3<f32>(select(vec3<f32>(), bitcast<vec3<f32>>(_e49.xyz), _e26), select(vec3<f32>(), bitcast<vec3<f32>>(_e57.xyz), _e26), select(vec3<f32>(), bitcast<vec3<f32>>(_e65.xyz), _e26))[_e71] + select(vec3<f32>(), bitcast<vec3<f32>>(_e80.xyz), _e26)) + vec3(select(f32(), bitcast<f32>(_e97), _e26))));
        let _e104 = (out_base + min(_e11, (max((_e19.w >> 4u), 1u) - 1u)));
        heap_0_[_e104].x = _e103.x;
        heap_0_[_e104].y = _e103.y;
        heap_0_[_e104].z = _e103.z;
    }
    let _e115 = (min(_e11, _e25) * 7u);
    let _e121 = heap_0_[((items_base + (min(_e11, _e25) * 7u)) + 4u)];
    let _e130 = heap_0_[((items_base + (min(_e11, _e25) * 7u)) + 3u)];
    let _e134 = mat2x4<f32>(select(vec4<f32>(), bitcast<vec4<f32>>(_e121), _e26), select(vec4<f32>(), bitcast<vec4<f32>>(_e130), _e26));
    if _e26 {
        heap_0_[((items_base + _e115) + 3u)] = bitcast<vec4<u32>>(_e134[0]);
        heap_0_[((items_base + _e115) + 4u)] = bitcast<vec4<u32>>(_e134[1]);
    }
    let _e149 = (min((_e11 & 3u), 3u) * 2u);
    let _e155 = (min((3u - (_e11 & 3u)), 3u) * 2u);
    let _e160 = (((items_base + (min(_e11, _e25) * 7u)) + 5u) + (_e155 >> 2u));
    let _e161 = (_e155 & 3u);
    let _e164 = heap_0_[_e160][_e161];
    let _e168 = heap_0_[_e160][(_e161 + 1u)];
    if _e26 {
        let _e173 = bitcast<vec2<u32>>(select(vec2<f32>(), bitcast<vec2<f32>>(vec2<u32>(_e164, _e168)), _e26));
        let _e177 = (((items_base + (min(_e11, _e25) * 7u)) + 5u) + (_e149 >> 2u));
        let _e178 = (_e149 & 3u);
        heap_0_[_e177][_e178] = _e173.x;
        heap_0_[_e177][(_e178 + 1u)] = _e173.y;
    }
    if _e26 {
        heap_0_[((items_base + (min(_e11, _e25) * 7u)) + 5u)].w = bitcast<u32>(4f);
    }
    return;
}

fn nested_1_(lane_1: u32, group_1: u32, local_2: u32) {
    var changed: Inner;

    let _e5 = lanes[lane_1];
    let _e11 = (((group_1 % _e5.z) * 64u) + local_2);
    let _e15 = lanes[(lane_1 + 3u)];
    let _e20 = lanes[(lane_1 + 5u)];
    let _e24 = lanes[(lane_1 + 2u)];
    let data_base = _e24.x;
    let _e31 = ((_e24.y - min(_e24.y, 32u)) / 28u);
    let _e33 = (max(_e31, 1u) - 1u);
    let _e35 = (_e24.y >= 60u);
    let out_base_1 = _e24.z;
    if (_e11 >= _e15.x) {
        return;
    }
    let _e54 = (min(_e11, _e33) * 7u);
    let _e62 = heap_0_[((data_base + 2u) + (_e54 >> 2u))][(_e54 & 3u)];
    let _e66 = (_e54 + 1u);
    let _e72 = heap_0_[((data_base + 2u) + (_e66 >> 2u))][(_e66 & 3u)];
    let _e76 = (_e54 + 2u);
    let _e82 = heap_0_[((data_base + 2u) + (_e76 >> 2u))][(_e76 & 3u)];
    let _e87 = (_e54 + 3u);
    let _e93 = heap_0_[((data_base + 2u) + (_e87 >> 2u))][(_e87 & 3u)];
    let _e102 = heap_0_[((data_base + 3u) + (_e54 >> 2u))][(_e54 & 3u)];
    let _e106 = (_e54 + 1u);
    let _e112 = heap_0_[((data_base + 3u) + (_e106 >> 2u))][(_e106 & 3u)];
    let _e118 = (_e54 + 2u);
    let _e124 = heap_0_[((data_base + 3u) + (_e118 >> 2u))][(_e118 & 3u)];
    let _e127 = Inner(array<array<u32, 3>, 2>(array<u32, 3>(select(u32(), _e62, _e35), select(u32(), _e72, _e35), select(u32(), _e82, _e35)), array<u32, 3>(select(u32(), _e93, _e35), select(u32(), _e102, _e35), select(u32(), _e112, _e35))), select(u32(), _e124, _e35));
    let _e128 = min(_e11, (max((_e24.w >> 2u), 1u) - 1u));
    let _e142 = (((min(_e11, _e33) * 7u) + (min((1u - (_e11 & 1u)), 1u) * 3u)) + 2u);
    let _e148 = heap_0_[((data_base + 2u) + (_e142 >> 2u))][(_e142 & 3u)];
    let _e157 = min(((_e11 >> 1u) & 3u), 3u);
    let _e166 = lanes[((((lane_1 + 3u) + min((_e11 & 1u), 1u)) + 1u) + (_e157 >> 2u))][(_e157 & 3u)];
    let _e171 = min(_e15.y, 2u);
    let _e178 = heap_0_[((data_base + 1u) + (_e171 >> 2u))][(_e171 & 3u)];
    if (_e24.w >= 4u) {
        heap_0_[(out_base_1 + (_e128 >> 2u))][(_e128 & 3u)] = (((((_e127.table[(_e11 & 1u)][(_e11 % 3u)] + select(u32(), _e148, _e35)) + _e31) + _e166) + _e20.y) + select(u32(), _e178, _e35));
    }
    changed = _e127;
    let _e192 = heap_0_[(data_base + 1u)].x;
    let _e198 = heap_0_[(data_base + 1u)].y;
    let _e204 = heap_0_[(data_base + 1u)].z;
    changed.table[0] = array<u32, 3>(select(u32(), _e192, _e35), select(u32(), _e198, _e35), select(u32(), _e204, _e35));
    let _e209 = changed.last;
    let _e212 = heap_0_[data_base].x;
    changed.last = (_e209 + select(u32(), _e212, _e35));
    let _e217 = (min(_e11, _e33) * 7u);
    let _e218 = changed;
    if _e35 {
        heap_0_[((data_base + 2u) + (_e217 >> 2u))][(_e217 & 3u)] = _e218.table[0][0];
        let _e230 = (_e217 + 1u);
        heap_0_[((data_base + 2u) + (_e230 >> 2u))][(_e230 & 3u)] = _e218.table[0][1];
        let _e238 = (_e217 + 2u);
        heap_0_[((data_base + 2u) + (_e238 >> 2u))][(_e238 & 3u)] = _e218.table[0][2];
        let _e247 = (_e217 + 3u);
        heap_0_[((data_base + 2u) + (_e247 >> 2u))][(_e247 & 3u)] = _e218.table[1][0];
        heap_0_[((data_base + 3u) + (_e217 >> 2u))][(_e217 & 3u)] = _e218.table[1][1];
        let _e262 = (_e217 + 1u);
        heap_0_[((data_base + 3u) + (_e262 >> 2u))][(_e262 & 3u)] = _e218.table[1][2];
        let _e270 = (_e217 + 2u);
        heap_0_[((data_base + 3u) + (_e270 >> 2u))][(_e270 & 3u)] = _e218.last;
    }
    return;
}

fn scale_2_(lane_2: u32, group_2: u32, local_3: u32) {
    let _e5 = lanes[lane_2];
    let _e11 = (((group_2 % _e5.z) * 64u) + local_3);
    let _e15 = lanes[(lane_2 + 4u)];
    let _e19 = lanes[(lane_2 + 3u)];
    let out_base_2 = _e19.x;
    let _e29 = lanes[(lane_2 + 2u)];
    let a_base = _e29.x;
    let b_base = _e29.z;
    if (_e11 < _e15.x) {
        let _e44 = min(_e11, (max((_e19.y >> 2u), 1u) - 1u));
        let _e45 = min(_e11, (max((_e29.y >> 2u), 1u) - 1u));
        let _e52 = slab_1_[(a_base + (_e45 >> 2u))][(_e45 & 3u)];
        let _e58 = min(_e11, (max((_e29.w >> 2u), 1u) - 1u));
        let _e64 = slab_1_[(b_base + (_e58 >> 2u))][(_e58 & 3u)];
        if (_e19.y >= 4u) {
            heap_0_[(out_base_2 + (_e44 >> 2u))][(_e44 & 3u)] = bitcast<u32>(fma(select(f32(), bitcast<f32>(_e52), (_e29.y >= 4u)), bitcast<f32>(_e15.y), select(f32(), bitcast<f32>(_e64), (_e29.w >= 4u))));
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
