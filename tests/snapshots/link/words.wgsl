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

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;
@group(0) @binding(257) 
var<storage, read_write> heap_words_0_: array<u32>;
@group(0) @binding(2) 
var<storage> weights_1_: array<vec4<u32>>;
@group(0) @binding(258) 
var<storage> weights_words_1_: array<u32>;

fn nested_0_(group: u32, local_1: u32, record_0_1: vec4<u32>, record_1_1: vec4<u32>, record_2_1: vec4<u32>, lane_1: u32, record_4_1: vec4<u32>) {
    var changed: Inner;

    let _e4 = ((group * 64u) + local_1);
    let data_base = record_0_1.z;
    let _e9 = (data_base * 4u);
    let out_base = record_1_1.x;
    if (_e4 >= record_2_1.x) {
        return;
    }
    let _e32 = (_e4 * 7u);
    let _e38 = heap_words_0_[((_e9 + _e32) + 8u)];
    let _e43 = heap_words_0_[((_e9 + _e32) + 9u)];
    let _e48 = heap_words_0_[((_e9 + _e32) + 10u)];
    let _e54 = heap_words_0_[((_e9 + _e32) + 11u)];
    let _e59 = heap_words_0_[((_e9 + _e32) + 12u)];
    let _e64 = heap_words_0_[((_e9 + _e32) + 13u)];
    let _e71 = heap_words_0_[((_e9 + _e32) + 14u)];
    let _e72 = Inner(array<array<u32, 3>, 2>(array<u32, 3>(_e38, _e43, _e48), array<u32, 3>(_e54, _e59, _e64)), _e71);
    let _e87 = heap_words_0_[((_e9 + ((_e4 * 7u) + ((1u - (_e4 & 1u)) * 3u))) + 10u)];
    let _e92 = ((_e4 >> 1u) & 3u);
    let _e103 = lanes[((((lane_1 + 2u) + (_e4 & 1u)) + 1u) + (_e92 >> 2u))][(_e92 & 3u)];
    let _e112 = heap_words_0_[((_e9 + record_2_1.y) + 4u)];
    heap_words_0_[((out_base * 4u) + _e4)] = (((((_e72.table[(_e4 & 1u)][(_e4 % 3u)] + _e87) + ((record_0_1.w - min(record_0_1.w, 32u)) / 28u)) + _e103) + record_4_1.y) + _e112);
    changed = _e72;
    let _e120 = heap_words_0_[(_e9 + 4u)];
    let _e124 = heap_words_0_[(_e9 + 5u)];
    let _e128 = heap_words_0_[(_e9 + 6u)];
    changed.table[0] = array<u32, 3>(_e120, _e124, _e128);
    let _e131 = changed.last;
    let _e133 = heap_words_0_[_e9];
    changed.last = (_e131 + _e133);
    let _e135 = (_e4 * 7u);
    let _e136 = changed;
    heap_words_0_[((_e9 + _e135) + 8u)] = _e136.table[0][0];
    heap_words_0_[((_e9 + _e135) + 9u)] = _e136.table[0][1];
    heap_words_0_[((_e9 + _e135) + 10u)] = _e136.table[0][2];
    heap_words_0_[((_e9 + _e135) + 11u)] = _e136.table[1][0];
    heap_words_0_[((_e9 + _e135) + 12u)] = _e136.table[1][1];
    heap_words_0_[((_e9 + _e135) + 13u)] = _e136.table[1][2];
    heap_words_0_[((_e9 + _e135) + 14u)] = _e136.last;
    return;
}

fn particles_1_moved(p: Particle, step_: f32) -> Particle {
    var q: Particle;

    q = p;
    let _e5 = q.position;
    q.position = (_e5 + (vec3<f32>(p.velocity, 0f) * step_));
    let _e10 = q;
    return _e10;
}

fn particles_1_(group_1: u32, local_2: u32, record_0_2: vec4<u32>, record_1_2: vec4<u32>, record_2_2: vec4<u32>) {
    let _e4 = ((group_1 * 64u) + local_2);
    let particles_base = record_0_2.z;
    let copies_base = record_1_2.x;
    if (_e4 >= record_2_2.x) {
        return;
    }
    let _e16 = (_e4 * 2u);
    let _e17 = (_e4 * 2u);
    let _e21 = heap_0_[(particles_base + _e16)];
    let _e27 = heap_0_[(particles_base + _e16)].w;
    let _e30 = ((particles_base + _e16) + 1u);
    let _e35 = heap_0_[_e30].x;
    let _e36 = heap_0_[_e30].y;
    let _e43 = heap_0_[((particles_base + _e16) + 1u)].z;
    let _e47 = particles_1_moved(Particle(bitcast<vec3<f32>>(_e21.xyz), bitcast<f32>(_e27), bitcast<vec2<f32>>(vec2<u32>(_e35, _e36)), _e43), bitcast<f32>(record_2_2.y));
    let _e49 = bitcast<vec3<u32>>(_e47.position);
    let _e50 = (copies_base + _e17);
    heap_0_[_e50].x = _e49.x;
    heap_0_[_e50].y = _e49.y;
    heap_0_[_e50].z = _e49.z;
    heap_0_[(copies_base + _e17)].w = bitcast<u32>(_e47.mass);
    let _e66 = bitcast<vec2<u32>>(_e47.velocity);
    let _e68 = ((copies_base + _e17) + 1u);
    heap_0_[_e68].x = _e66.x;
    heap_0_[_e68].y = _e66.y;
    heap_0_[((copies_base + _e17) + 1u)].z = _e47.id;
    let _e84 = heap_0_[((particles_base + _e16) + 1u)].y;
    heap_0_[((particles_base + _e16) + 1u)].y = bitcast<u32>((bitcast<f32>(_e84) + 0.5f));
    let _e95 = heap_0_[(particles_base + _e16)].w;
    heap_0_[(particles_base + _e16)].w = bitcast<u32>((bitcast<f32>(_e95) * 2f));
    return;
}

fn scale_2_(group_2: u32, local_3: u32, record_1_3: vec4<u32>, record_0_3: vec4<u32>, record_2_3: vec4<u32>) {
    let _e4 = ((group_2 * 64u) + local_3);
    let out_base_1 = record_1_3.z;
    let a_base = record_0_3.z;
    let b_base = record_1_3.x;
    if (_e4 < record_2_3.x) {
        let _e20 = weights_words_1_[((a_base * 4u) + _e4)];
        let _e26 = weights_words_1_[((b_base * 4u) + _e4)];
        heap_words_0_[((out_base_1 * 4u) + _e4)] = bitcast<u32>(fma(bitcast<f32>(_e20), bitcast<f32>(record_2_3.y), bitcast<f32>(_e26)));
        return;
    } else {
        return;
    }
}

fn vectors_3_(group_3: u32, local_4: u32, record_0_4: vec4<u32>, record_1_4: vec4<u32>, record_2_4: vec4<u32>, record_3_1: vec4<u32>) {
    let _e4 = ((group_3 * 64u) + local_4);
    let fours_base = record_0_4.z;
    let twos_base = record_1_4.x;
    let threes_base = record_1_4.z;
    let out_base_2 = record_2_4.x;
    if (_e4 >= record_3_1.x) {
        return;
    }
    let _e28 = weights_1_[(fours_base + _e4)];
    let _e31 = (_e4 * 2u);
    let _e33 = (twos_base + (_e31 >> 2u));
    let _e34 = (_e31 & 3u);
    let _e41 = heap_0_[_e33][_e34];
    let _e42 = heap_0_[_e33][(_e34 + 1u)];
    let _e44 = bitcast<vec2<i32>>(vec2<u32>(_e41, _e42));
    let _e45 = (_e4 * 2u);
    let _e49 = bitcast<vec2<u32>>((_e44.yx + vec2<i32>(1i, -1i)));
    let _e51 = (twos_base + (_e45 >> 2u));
    let _e52 = (_e45 & 3u);
    heap_0_[_e51][_e52] = _e49.x;
    heap_0_[_e51][(_e52 + 1u)] = _e49.y;
    let _e63 = heap_0_[(threes_base + _e4)].x;
    heap_0_[(threes_base + _e4)].y = (_e63 + u32(_e44.x));
    let _e72 = heap_0_[(threes_base + _e4)];
    let _e73 = _e72.xyz;
    let _e74 = _e73.zyx;
    let _e75 = (threes_base + _e4);
    heap_0_[_e75].x = _e74.x;
    heap_0_[_e75].y = _e74.y;
    heap_0_[_e75].z = _e74.z;
    heap_0_[(out_base_2 + _e4)] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e28).wzyx * 2f));
    let _e92 = u32((_e44.x & 3i));
    let _e99 = weights_words_1_[(((fours_base * 4u) + (_e4 * 4u)) + (_e4 & 3u))];
    heap_0_[((out_base_2 + _e4) + (_e92 >> 2u))][(_e92 & 3u)] = bitcast<u32>((bitcast<f32>(_e99) + f32((_e73.y & 255u))));
    return;
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var lane: u32 = 1u;
    var record_0_: vec4<u32>;
    var record_1_: vec4<u32>;
    var record_2_: vec4<u32>;
    var record_3_: vec4<u32>;
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
    let _e31 = lanes[4u];
    record_3_ = _e31;
    let _e35 = lanes[5u];
    record_4_ = _e35;
    if (_e11.x > 1u) {
        if (_e11.w == 0u) {
            let _e49 = lanes[(_e11.z + (linear >> 2u))][(linear & 3u)];
            found = _e49;
        } else {
            low = 0u;
            high = _e11.x;
            loop {
                let _e51 = low;
                let _e52 = high;
                if ((_e51 + 1u) >= _e52) {
                    break;
                }
                let middle = ((_e51 + _e52) >> 1u);
                let _e63 = lanes[(_e11.z + (middle >> 2u))][(middle & 3u)];
                if (_e63 > linear) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let _e65 = low;
            found = ((_e65 * _e11.w) + 1u);
        }
        let _e68 = found;
        lane = _e68;
        let _e70 = lanes[_e68];
        record_0_ = _e70;
        let _e73 = lanes[(_e68 + 1u)];
        record_1_ = _e73;
        let _e76 = lanes[(_e68 + 2u)];
        record_2_ = _e76;
        let _e79 = lanes[(_e68 + 3u)];
        record_3_ = _e79;
        let _e82 = lanes[(_e68 + 4u)];
        record_4_ = _e82;
    }
    let _e83 = lane;
    let _e84 = record_0_;
    let _e85 = record_1_;
    let _e86 = record_2_;
    let _e87 = record_3_;
    let _e88 = record_4_;
    switch _e84.x {
        case 0u: {
            let group_4 = (linear + _e84.y);
            nested_0_(group_4, local, _e84, _e85, _e86, _e83, _e88);
        }
        case 1u: {
            let group_5 = (linear + _e84.y);
            particles_1_(group_5, local, _e84, _e85, _e86);
        }
        case 2u: {
            let group_6 = (linear + _e84.y);
            scale_2_(group_6, local, _e85, _e84, _e86);
        }
        case 3u: {
            let group_7 = (linear + _e84.y);
            vectors_3_(group_7, local, _e84, _e85, _e86, _e87);
        }
        default: {
        }
    }
}
