struct Pair {
    a: vec2<i32>,
    b: array<u32, 2>,
}

const BASE: vec2<i32> = vec2<i32>(3i, -4i);
const PAIR: Pair = Pair(vec2<i32>(3i, -4i), array<u32, 2>(7u, 9u));

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> weights_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn cluster_0_bump(value: ptr<function, f32>, i: u32, record_0_1: vec4<u32>) {
    let globals_base = record_0_1.z;
    let _e5 = (*value);
    let _e9 = weights_1_[globals_base].y;
    let _e12 = (i % 5u);
    let _e22 = weights_1_[((globals_base + 1u) + (_e12 >> 2u))][(_e12 & 3u)];
    (*value) = ((_e5 * bitcast<f32>(_e9)) + bitcast<f32>(_e22));
    return;
}

fn cluster_0_(group: u32, local_1: u32, record_1_1: vec4<u32>, record_0_2: vec4<u32>, record_2_1: vec4<u32>) {
    var value_1: f32;

    let _e4 = ((group * 64u) + local_1);
    let out_base = record_1_1.z;
    let globals_base_1 = record_0_2.z;
    let total_base = record_1_1.x;
    if (_e4 >= record_2_1.x) {
        return;
    }
    value_1 = f32(_e4);
    cluster_0_bump((&value_1), _e4, record_0_2);
    cluster_0_bump((&value_1), (_e4 + 1u), record_0_2);
    let _e23 = (_e4 * 2u);
    let _e24 = value_1;
    let _e25 = (_e4 & 3u);
    let _e32 = weights_1_[(globals_base_1 + (_e25 >> 2u))][(_e25 & 3u)];
    let _e35 = bitcast<vec2<u32>>(vec2<f32>(_e24, bitcast<f32>(_e32)));
    let _e37 = (out_base + (_e23 >> 2u));
    let _e38 = (_e23 & 3u);
    heap_0_[_e37][_e38] = _e35.x;
    heap_0_[_e37][(_e38 + 1u)] = _e35.y;
    if (_e4 == 0u) {
        let _e49 = weights_1_[globals_base_1];
        heap_0_[total_base] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e49) * 3f));
        return;
    } else {
        return;
    }
}

fn initial_1_spread(i_1: i32) -> vec4<i32> {
    var v: vec4<i32> = vec4<i32>(vec2<i32>(3i, -4i), 5i, 6i);
    var w: vec4<i32> = vec4(-6i);
    var p: Pair = PAIR;
    var m: array<vec4<i32>, 2> = array<vec4<i32>, 2>(vec4(1i), vec4<i32>());

    let _e23 = v[(i_1 & 3i)];
    let _e26 = p.a.y;
    v[(i_1 & 3i)] = (_e23 + _e26);
    let _e34 = p.b[(i_1 & 1i)];
    m[(i_1 & 1i)].x = i32(_e34);
    let _e36 = v;
    let _e37 = w;
    let _e40 = m[0];
    let _e43 = m[1];
    return (((_e36 + _e37) + _e40) + _e43);
}

fn initial_1_(group_1: u32, local_2: u32, record_0_3: vec4<u32>, record_1_2: vec4<u32>) {
    var acc: vec4<i32> = vec4<i32>(1i, 2i, 3i, 4i);

    let _e4 = ((group_1 * 64u) + local_2);
    let out_base_1 = record_0_3.z;
    if (_e4 < record_1_2.x) {
        let _e16 = acc;
        let _e18 = initial_1_spread(i32(_e4));
        acc = (_e16 + _e18);
        let _e23 = heap_0_[(out_base_1 + _e4)];
        let _e25 = acc;
        heap_0_[(out_base_1 + _e4)] = bitcast<vec4<u32>>((bitcast<vec4<i32>>(_e23) + _e25));
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
    if (_e11.x > 1u) {
        if (_e11.w == 0u) {
            let _e41 = lanes[(_e11.z + (linear >> 2u))][(linear & 3u)];
            found = _e41;
        } else {
            low = 0u;
            high = _e11.x;
            loop {
                let _e43 = low;
                let _e44 = high;
                if ((_e43 + 1u) >= _e44) {
                    break;
                }
                let middle = ((_e43 + _e44) >> 1u);
                let _e55 = lanes[(_e11.z + (middle >> 2u))][(middle & 3u)];
                if (_e55 > linear) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let _e57 = low;
            found = ((_e57 * _e11.w) + 1u);
        }
        let _e60 = found;
        lane = _e60;
        let _e62 = lanes[_e60];
        record_0_ = _e62;
        let _e65 = lanes[(_e60 + 1u)];
        record_1_ = _e65;
        let _e68 = lanes[(_e60 + 2u)];
        record_2_ = _e68;
    }
    let _e69 = record_0_;
    let _e70 = record_1_;
    let _e71 = record_2_;
    switch _e69.x {
        case 0u: {
            let group_2 = (linear + _e69.y);
            cluster_0_(group_2, local, _e70, _e69, _e71);
        }
        case 1u: {
            let group_3 = (linear + _e69.y);
            initial_1_(group_3, local, _e69, _e70);
        }
        default: {
        }
    }
}
