struct Inner {
    table: array<array<u32, 3>, 2>,
    last: u32,
}

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn matrices_0_(lane: u32, group: u32, local_1: u32) {
    let _e5 = lanes[lane];
    let _e11 = (((group % _e5.z) * 64u) + local_1);
    let _e15 = lanes[(lane + 3u)];
    let _e19 = lanes[(lane + 2u)];
    let items_base = _e19.x;
    let out_base = _e19.z;
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
    let _e76 = (out_base + _e11);
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

fn nested_1_(lane_1: u32, group_1: u32, local_2: u32) {
    var changed: Inner;

    let _e5 = lanes[lane_1];
    let _e11 = (((group_1 % _e5.z) * 64u) + local_2);
    let _e15 = lanes[(lane_1 + 3u)];
    let _e19 = lanes[(lane_1 + 5u)];
    let _e23 = lanes[(lane_1 + 2u)];
    let data_base = _e23.x;
    let out_base_1 = _e23.z;
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
    let _e134 = lanes[((((lane_1 + 3u) + (_e11 & 1u)) + 1u) + (_e125 >> 2u))][(_e125 & 3u)];
    let _e145 = heap_0_[((data_base + 1u) + (_e15.y >> 2u))][(_e15.y & 3u)];
    heap_0_[(out_base_1 + (_e11 >> 2u))][(_e11 & 3u)] = (((((_e102.table[(_e11 & 1u)][(_e11 % 3u)] + _e120) + ((_e23.y - min(_e23.y, 32u)) / 28u)) + _e134) + _e19.y) + _e145);
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
