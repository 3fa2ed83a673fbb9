struct Inner {
    table: array<array<u32, 3>, 2>,
    last: u32,
}

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> weights_1_: array<vec4<u32>>;

fn matrices_0_(group: u32, local_1: u32, record_0_1: vec4<u32>, record_1_1: vec4<u32>, record_2_1: vec4<u32>) {
    let _e4 = ((group * 64u) + local_1);
    let items_base = record_0_1.z;
    let _e12 = (max((record_0_1.w / 112u), 1u) - 1u);
    let _e13 = (record_0_1.w >= 112u);
    let out_base = record_1_1.x;
    if (_e4 >= record_2_1.x) {
        return;
    }
    let _e34 = (min(_e4, _e12) * 7u);
    let _e38 = heap_0_[(items_base + _e34)];
    let _e46 = heap_0_[((items_base + _e34) + 1u)];
    let _e55 = heap_0_[((items_base + _e34) + 2u)];
    let _e61 = (_e4 % 3u);
    let _e70 = heap_0_[(items_base + ((min(_e4, _e12) * 7u) + min(_e61, 2u)))];
    let _e79 = min((_e4 % 3u), 2u);
    let _e88 = heap_0_[(((items_base + (min(_e4, _e12) * 7u)) + 2u) + (_e79 >> 2u))][(_e79 & 3u)];
    if (record_1_1.y >= 16u) {
        let _e94 = bitcast<vec3<u32>>(((mat3x3<f32>(select(vec3<f32>(), bitcast<vec3<f32>>(_e38.xyz), _e13), select(vec3<f32>(), bitcast<vec3<f32>>(_e46.xyz), _e13), select(vec3<f32>(), bitcast<vec3<f32>>(_e55.xyz), _e13))[_e61] + select(vec3<f32>(), bitcast<vec3<f32>>(_e70.xyz), _e13)) + vec3(select(f32(), bitcast<f32>(_e88), _e13))));
        let _e95 = (out_base + min(_e4, (max((record_1_1.y >> 4u), 1u) - 1u)));
        heap_0_[_e95].x = _e94.x;
        heap_0_[_e95].y = _e94.y;
        heap_0_[_e95].z = _e94.z;
    }
    let _e106 = (min(_e4, _e12) * 7u);
    let _e112 = heap_0_[((items_base + (min(_e4, _e12) * 7u)) + 4u)];
    let _e121 = heap_0_[((items_base + (min(_e4, _e12) * 7u)) + 3u)];
    let _e125 = mat2x4<f32>(select(vec4<f32>(), bitcast<vec4<f32>>(_e112), _e13), select(vec4<f32>(), bitcast<vec4<f32>>(_e121), _e13));
    if _e13 {
        heap_0_[((items_base + _e106) + 3u)] = bitcast<vec4<u32>>(_e125[0]);
        heap_0_[((items_base + _e106) + 4u)] = bitcast<vec4<u32>>(_e125[1]);
    }
    let _e140 = (min((_e4 & 3u), 3u) * 2u);
    let _e146 = (min((3u - (_e4 & 3u)), 3u) * 2u);
    let _e151 = (((items_base + (min(_e4, _e12) * 7u)) + 5u) + (_e146 >> 2u));
    let _e152 = (_e146 & 3u);
    let _e158 = heap_0_[_e151][_e152];
    let _e159 = heap_0_[_e151][(_e152 + 1u)];
    if _e13 {
        let _e164 = bitcast<vec2<u32>>(select(vec2<f32>(), bitcast<vec2<f32>>(vec2<u32>(_e158, _e159)), _e13));
        let _e168 = (((items_base + (min(_e4, _e12) * 7u)) + 5u) + (_e140 >> 2u));
        let _e169 = (_e140 & 3u);
        heap_0_[_e168][_e169] = _e164.x;
        heap_0_[_e168][(_e169 + 1u)] = _e164.y;
    }
    if _e13 {
        heap_0_[((items_base + (min(_e4, _e12) * 7u)) + 5u)].w = bitcast<u32>(4f);
    }
    return;
}

fn nested_1_(group_1: u32, local_2: u32, record_0_2: vec4<u32>, record_1_2: vec4<u32>, record_2_2: vec4<u32>, lane_1: u32, record_4_1: vec4<u32>) {
    var changed: Inner;

    let _e4 = ((group_1 * 64u) + local_2);
    let data_base = record_0_2.z;
    let _e12 = ((record_0_2.w - min(record_0_2.w, 32u)) / 28u);
    let _e15 = (max(_e12, 1u) - 1u);
    let _e17 = (record_0_2.w >= 60u);
    let out_base_1 = record_1_2.x;
    if (_e4 >= record_2_2.x) {
        return;
    }
    let _e40 = (min(_e4, _e15) * 7u);
    let _e49 = heap_0_[((data_base + 2u) + (_e40 >> 2u))][(_e40 & 3u)];
    let _e53 = (_e40 + 1u);
    let _e59 = heap_0_[((data_base + 2u) + (_e53 >> 2u))][(_e53 & 3u)];
    let _e63 = (_e40 + 2u);
    let _e69 = heap_0_[((data_base + 2u) + (_e63 >> 2u))][(_e63 & 3u)];
    let _e74 = (_e40 + 3u);
    let _e80 = heap_0_[((data_base + 2u) + (_e74 >> 2u))][(_e74 & 3u)];
    let _e89 = heap_0_[((data_base + 3u) + (_e40 >> 2u))][(_e40 & 3u)];
    let _e93 = (_e40 + 1u);
    let _e99 = heap_0_[((data_base + 3u) + (_e93 >> 2u))][(_e93 & 3u)];
    let _e105 = (_e40 + 2u);
    let _e111 = heap_0_[((data_base + 3u) + (_e105 >> 2u))][(_e105 & 3u)];
    let _e114 = Inner(array<array<u32, 3>, 2>(array<u32, 3>(select(u32(), _e49, _e17), select(u32(), _e59, _e17), select(u32(), _e69, _e17)), array<u32, 3>(select(u32(), _e80, _e17), select(u32(), _e89, _e17), select(u32(), _e99, _e17))), select(u32(), _e111, _e17));
    let _e115 = min(_e4, (max((record_1_2.y >> 2u), 1u) - 1u));
    let _e129 = (((min(_e4, _e15) * 7u) + (min((1u - (_e4 & 1u)), 1u) * 3u)) + 2u);
    let _e135 = heap_0_[((data_base + 2u) + (_e129 >> 2u))][(_e129 & 3u)];
    let _e144 = min(((_e4 >> 1u) & 3u), 3u);
    let _e155 = lanes[((((lane_1 + 2u) + min((_e4 & 1u), 1u)) + 1u) + (_e144 >> 2u))][(_e144 & 3u)];
    let _e161 = min(record_2_2.y, 2u);
    let _e168 = heap_0_[((data_base + 1u) + (_e161 >> 2u))][(_e161 & 3u)];
    if (record_1_2.y >= 4u) {
        heap_0_[(out_base_1 + (_e115 >> 2u))][(_e115 & 3u)] = (((((_e114.table[(_e4 & 1u)][(_e4 % 3u)] + select(u32(), _e135, _e17)) + _e12) + _e155) + record_4_1.y) + select(u32(), _e168, _e17));
    }
    changed = _e114;
    let _e182 = heap_0_[(data_base + 1u)].x;
    let _e188 = heap_0_[(data_base + 1u)].y;
    let _e194 = heap_0_[(data_base + 1u)].z;
    changed.table[0] = array<u32, 3>(select(u32(), _e182, _e17), select(u32(), _e188, _e17), select(u32(), _e194, _e17));
    let _e199 = changed.last;
    let _e202 = heap_0_[data_base].x;
    changed.last = (_e199 + select(u32(), _e202, _e17));
    let _e207 = (min(_e4, _e15) * 7u);
    let _e208 = changed;
    if _e17 {
        heap_0_[((data_base + 2u) + (_e207 >> 2u))][(_e207 & 3u)] = _e208.table[0][0];
        let _e220 = (_e207 + 1u);
        heap_0_[((data_base + 2u) + (_e220 >> 2u))][(_e220 & 3u)] = _e208.table[0][1];
        let _e228 = (_e207 + 2u);
        heap_0_[((data_base + 2u) + (_e228 >> 2u))][(_e228 & 3u)] = _e208.table[0][2];
        let _e237 = (_e207 + 3u);
        heap_0_[((data_base + 2u) + (_e237 >> 2u))][(_e237 & 3u)] = _e208.table[1][0];
        heap_0_[((data_base + 3u) + (_e207 >> 2u))][(_e207 & 3u)] = _e208.table[1][1];
        let _e252 = (_e207 + 1u);
        heap_0_[((data_base + 3u) + (_e252 >> 2u))][(_e252 & 3u)] = _e208.table[1][2];
        let _e260 = (_e207 + 2u);
        heap_0_[((data_base + 3u) + (_e260 >> 2u))][(_e260 & 3u)] = _e208.last;
    }
    return;
}

fn scale_2_(group_2: u32, local_3: u32, record_1_3: vec4<u32>, record_0_3: vec4<u32>, record_2_3: vec4<u32>) {
    let _e4 = ((group_2 * 64u) + local_3);
    let out_base_2 = record_1_3.z;
    let a_base = record_0_3.z;
    let b_base = record_1_3.x;
    if (_e4 < record_2_3.x) {
        let _e31 = min(_e4, (max((record_1_3.w >> 2u), 1u) - 1u));
        let _e32 = min(_e4, (max((record_0_3.w >> 2u), 1u) - 1u));
        let _e40 = weights_1_[(a_base + (_e32 >> 2u))][(_e32 & 3u)];
        let _e46 = min(_e4, (max((record_1_3.y >> 2u), 1u) - 1u));
        let _e52 = weights_1_[(b_base + (_e46 >> 2u))][(_e46 & 3u)];
        if (record_1_3.w >= 4u) {
            heap_0_[(out_base_2 + (_e31 >> 2u))][(_e31 & 3u)] = bitcast<u32>(fma(select(f32(), bitcast<f32>(_e40), (record_0_3.w >= 4u)), bitcast<f32>(record_2_3.y), select(f32(), bitcast<f32>(_e52), (record_1_3.y >= 4u))));
        }
        return;
    } else {
        return;
    }
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var lane: u32 = 1u;
    var record_0_: vec4<u32>;
    var record_1_: vec4<u32>;
    var record_2_: vec4<u32>;
    var record_4_: vec4<u32>;
    var low: u32;
    var high: u32;
    var found: u32;

    let linear = ((workgroup_.y * workgroups.x) + workgroup_.x);
    let _e11 = lanes[0u];
    if (linear >= _e11.y) {
        return;
    }
    let _e19 = lanes[1u];
    record_0_ = _e19;
    let _e23 = lanes[2u];
    record_1_ = _e23;
    let _e27 = lanes[3u];
    record_2_ = _e27;
    let _e31 = lanes[5u];
    record_4_ = _e31;
    if (_e11.x > 1u) {
        if (_e11.w == 0u) {
            let _e45 = lanes[(_e11.z + (linear >> 2u))][(linear & 3u)];
            found = _e45;
        } else {
            low = 0u;
            high = _e11.x;
            loop {
                let _e47 = low;
                let _e48 = high;
                if ((_e47 + 1u) >= _e48) {
                    break;
                }
                let middle = ((_e47 + _e48) >> 1u);
                let _e59 = lanes[(_e11.z + (middle >> 2u))][(middle & 3u)];
                if (_e59 > linear) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let _e61 = low;
            found = ((_e61 * _e11.w) + 1u);
        }
        let _e64 = found;
        lane = _e64;
        let _e66 = lanes[_e64];
        record_0_ = _e66;
        let _e69 = lanes[(_e64 + 1u)];
        record_1_ = _e69;
        let _e72 = lanes[(_e64 + 2u)];
        record_2_ = _e72;
        let _e76 = lanes[(_e64 + 4u)];
        record_4_ = _e76;
    }
    let _e77 = lane;
    let _e78 = record_0_;
    let _e79 = record_1_;
    let _e80 = record_2_;
    let _e81 = record_4_;
    switch _e78.x {
        case 0u: {
            let group_3 = (linear + _e78.y);
            matrices_0_(group_3, local, _e78, _e79, _e80);
        }
        case 1u: {
            let group_4 = (linear + _e78.y);
            nested_1_(group_4, local, _e78, _e79, _e80, _e77, _e81);
        }
        case 2u: {
            let group_5 = (linear + _e78.y);
            scale_2_(group_5, local, _e79, _e78, _e80);
        }
        default: {
        }
    }
}
