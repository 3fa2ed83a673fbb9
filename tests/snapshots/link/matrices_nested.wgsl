struct Inner {
    table: array<array<u32, 3>, 2>,
    last: u32,
}

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn matrices_0_(lane: u32, group: u32, local_1: u32) {
    let _e7 = ((group * 64u) + local_1);
    let _e11 = lanes[(lane + 3u)];
    let _e15 = lanes[(lane + 2u)];
    let items_base = _e15.x;
    let out_base = _e15.z;
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
    let _e72 = (out_base + _e7);
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

fn nested_1_(lane_1: u32, group_1: u32, local_2: u32) {
    var changed: Inner;

    let _e7 = ((group_1 * 64u) + local_2);
    let _e11 = lanes[(lane_1 + 3u)];
    let _e15 = lanes[(lane_1 + 5u)];
    let _e19 = lanes[(lane_1 + 2u)];
    let data_base = _e19.x;
    let out_base_1 = _e19.z;
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
    let _e130 = lanes[((((lane_1 + 3u) + (_e7 & 1u)) + 1u) + (_e121 >> 2u))][(_e121 & 3u)];
    let _e141 = heap_0_[((data_base + 1u) + (_e11.y >> 2u))][(_e11.y & 3u)];
    heap_0_[(out_base_1 + (_e7 >> 2u))][(_e7 & 3u)] = (((((_e98.table[(_e7 & 1u)][(_e7 % 3u)] + _e116) + ((_e19.y - min(_e19.y, 32u)) / 28u)) + _e130) + _e15.y) + _e141);
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
    let lane_2 = ((_e11.z >> 2u) + (_e34 * (_e11.w >> 2u)));
    let _e48 = lanes[lane_2];
    let group_2 = ((linear - _e40) + _e48.y);
    switch _e48.x {
        case 0u: {
            matrices_0_(lane_2, group_2, local);
        }
        case 1u: {
            nested_1_(lane_2, group_2, local);
        }
        default: {
        }
    }
}
