enable f16;

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(258) 
var<storage> weights_words_1_: array<u32>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
@group(0) @binding(257) 
var<storage, read_write> heap_words_0_: array<u32>;

fn half_0_(group: u32, local_1: u32, record_0_1: vec4<u32>, record_2_1: vec4<u32>, record_1_1: vec4<u32>, record_3_1: vec4<u32>) {
    let _e4 = ((group * 64u) + local_1);
    let a_base = record_0_1.z;
    let _e9 = (a_base * 4u);
    let _e13 = (max((record_0_1.w >> 1u), 1u) - 1u);
    let _e15 = (record_0_1.w >= 2u);
    let fours_base = record_2_1.x;
    let _e19 = (fours_base * 4u);
    let _e23 = (max((record_2_1.y >> 3u), 1u) - 1u);
    let _e25 = (record_2_1.y >= 8u);
    let threes_base = record_1_1.x;
    let _e29 = (threes_base * 4u);
    let twos_base = record_2_1.z;
    let pairs_base = record_1_1.z;
    let _e43 = (pairs_base * 4u);
    let _e46 = (max((record_1_1.w >> 3u), 1u) - 1u);
    let _e47 = (record_1_1.w >= 8u);
    if (_e4 >= record_3_1.x) {
        return;
    }
    let _e53 = min(_e4, _e13);
    let _e58 = weights_words_1_[(_e9 + (_e53 >> 1u))];
    let _e73 = (min(_e4, _e23) * 2u);
    let _e75 = (min(_e4, (max((record_1_1.y >> 3u), 1u) - 1u)) * 2u);
    let _e78 = weights_words_1_[(_e29 + _e75)];
    let _e84 = weights_words_1_[((_e29 + _e75) + 1u)];
    let _e93 = (min(_e4, _e23) * 2u);
    let _e97 = heap_words_0_[(_e19 + _e93)];
    let _e103 = heap_words_0_[((_e19 + _e93) + 1u)];
    let _e109 = (vec4<f16>(select(vec3<f16>(), vec3<f16>(vec2<f16>(unpack2x16float(_e78)), vec2<f16>(unpack2x16float(_e84)).x), (record_1_1.y >= 8u)), (select(f16(), vec2<f16>(unpack2x16float((_e58 >> ((_e53 & 1u) * 16u)))).x, _e15) * f16(bitcast<f32>(record_3_1.y)))) + select(vec4<f16>(), vec4<f16>(vec2<f16>(unpack2x16float(_e97)), vec2<f16>(unpack2x16float(_e103))), _e25));
    if _e25 {
        heap_words_0_[(_e19 + _e73)] = pack2x16float(vec2<f32>(f32(_e109.x), f32(_e109.y)));
        heap_words_0_[((_e19 + _e73) + 1u)] = pack2x16float(vec2<f32>(f32(_e109.z), f32(_e109.w)));
    }
    let _e132 = weights_words_1_[(_e43 + (min(_e4, _e46) * 2u))];
    let _e140 = min((_e4 & 1u), 1u);
    let _e146 = weights_words_1_[(((_e43 + (min(_e4, _e46) * 2u)) + (_e140 >> 1u)) + 1u)];
    let _e156 = min((_e4 ^ 1u), _e13);
    let _e160 = weights_words_1_[(_e9 + (_e156 >> 1u))];
    let _e170 = (select(vec2<f16>(), vec2<f16>(unpack2x16float(_e132)), _e47) * vec2<f16>(select(f16(), vec2<f16>(unpack2x16float((_e146 >> ((_e140 & 1u) * 16u)))).x, _e47), select(f16(), vec2<f16>(unpack2x16float((_e160 >> ((_e156 & 1u) * 16u)))).x, _e15)));
    if (record_2_1.w >= 4u) {
        heap_words_0_[((twos_base * 4u) + min(_e4, (max((record_2_1.w >> 2u), 1u) - 1u)))] = pack2x16float(vec2<f32>(f32(_e170.x), f32(_e170.y)));
    }
    return;
}

fn wild_1_(group_1: u32, local_2: u32, record_3_2: vec4<u32>, record_1_2: vec4<u32>, record_0_2: vec4<u32>, record_2_2: vec4<u32>) {
    let out_base = record_1_2.x;
    let _e15 = (max((record_1_2.y >> 2u), 1u) - 1u);
    let _e17 = (record_1_2.y >= 4u);
    let source_base = record_0_2.z;
    let _e23 = (max((record_0_2.w >> 2u), 1u) - 1u);
    let _e24 = (record_0_2.w >= 4u);
    let cells_base = record_1_2.z;
    let _e32 = (max((record_1_2.w >> 5u), 1u) - 1u);
    let _e34 = (record_1_2.w >= 32u);
    let _e40 = ((((group_1 % record_3_2.x) * 64u) + local_2) * record_2_2.w);
    let _e46 = min(u32((bitcast<i32>(record_2_2.y) - i32(_e40))), _e15);
    let _e49 = min((record_2_2.x + _e40), _e23);
    let _e57 = heap_0_[(source_base + (_e49 >> 2u))][(_e49 & 3u)];
    if _e17 {
        heap_0_[(out_base + (_e46 >> 2u))][(_e46 & 3u)] = select(u32(), _e57, _e24);
    }
    let _e68 = min(((record_2_2.x * 4u) + _e40), _e15);
    let _e73 = min((u32(bitcast<i32>(record_2_2.y)) - _e40), _e23);
    let _e79 = heap_0_[(source_base + (_e73 >> 2u))][(_e73 & 3u)];
    if _e17 {
        heap_0_[(out_base + (_e68 >> 2u))][(_e68 & 3u)] = (select(u32(), _e79, _e24) | 1u);
    }
    let _e94 = min((record_2_2.z + _e40), 2u);
    if _e34 {
        heap_0_[((cells_base + (min((_e40 + record_2_2.x), _e32) * 2u)) + (_e94 >> 2u))][(_e94 & 3u)] = 77u;
    }
    let _e107 = min((record_2_2.z * _e40), 3u);
    if _e34 {
        heap_0_[(((cells_base + (min((_e40 * record_2_2.x), _e32) * 2u)) + 1u) + (_e107 >> 2u))][(_e107 & 3u)] = 78u;
    }
    if _e34 {
        heap_0_[((cells_base + (min(u32(bitcast<i32>(record_2_2.y)), _e32) * 2u)) + 1u)] = vec4(79u);
    }
    let _e128 = min(record_2_2.z, 2u);
    let _e135 = heap_0_[((cells_base + (min(record_2_2.x, _e32) * 2u)) + (_e128 >> 2u))][(_e128 & 3u)];
    let _e138 = min(_e40, _e15);
    if _e17 {
        heap_0_[(out_base + (_e138 >> 2u))][(_e138 & 3u)] = select(u32(), _e135, _e34);
    }
    return;
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var lane: u32 = 1u;
    var record_0_: vec4<u32>;
    var record_1_: vec4<u32>;
    var record_2_: vec4<u32>;
    var record_3_: vec4<u32>;
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
    let _e31 = lanes[4u];
    record_3_ = _e31;
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
        let _e75 = lanes[(_e64 + 3u)];
        record_3_ = _e75;
    }
    let _e76 = record_0_;
    let _e77 = record_1_;
    let _e78 = record_2_;
    let _e79 = record_3_;
    switch _e76.x {
        case 0u: {
            let group_2 = (linear + _e76.y);
            half_0_(group_2, local, _e76, _e78, _e77, _e79);
        }
        case 1u: {
            let group_3 = (linear + _e76.y);
            wild_1_(group_3, local, _e79, _e77, _e76, _e78);
        }
        default: {
        }
    }
}
