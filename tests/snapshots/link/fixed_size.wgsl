struct Pair {
    a: vec2<i32>,
    b: array<u32, 2>,
}

const BASE: vec2<i32> = vec2<i32>(3i, -4i);
const PAIR: Pair = Pair(vec2<i32>(3i, -4i), array<u32, 2>(7u, 9u));

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn cluster_0_bump(lane: u32, value: ptr<function, f32>, i: u32) {
    let _e7 = lanes[(lane + 2u)];
    let globals_base = _e7.x;
    let _e10 = (*value);
    let _e14 = slab_1_[globals_base].y;
    let _e17 = (i % 5u);
    let _e26 = slab_1_[((globals_base + 1u) + (_e17 >> 2u))][(_e17 & 3u)];
    (*value) = ((_e10 * bitcast<f32>(_e14)) + bitcast<f32>(_e26));
    return;
}

fn cluster_0_(lane_1: u32, group: u32, local_1: u32) {
    var value_1: f32;

    let _e7 = ((group * 64u) + local_1);
    let _e11 = lanes[(lane_1 + 4u)];
    let _e17 = lanes[(lane_1 + 3u)];
    let out_base = _e17.x;
    let _e22 = lanes[(lane_1 + 2u)];
    let globals_base_1 = _e22.x;
    let total_base = _e22.z;
    if (_e7 >= _e11.x) {
        return;
    }
    value_1 = f32(_e7);
    cluster_0_bump(lane_1, (&value_1), _e7);
    cluster_0_bump(lane_1, (&value_1), (_e7 + 1u));
    let _e32 = (_e7 * 2u);
    let _e33 = value_1;
    let _e34 = (_e7 & 3u);
    let _e41 = slab_1_[(globals_base_1 + (_e34 >> 2u))][(_e34 & 3u)];
    let _e44 = bitcast<vec2<u32>>(vec2<f32>(_e33, bitcast<f32>(_e41)));
    let _e46 = (out_base + (_e32 >> 2u));
    let _e47 = (_e32 & 3u);
    heap_0_[_e46][_e47] = _e44.x;
    heap_0_[_e46][(_e47 + 1u)] = _e44.y;
    if (_e7 == 0u) {
        let _e58 = slab_1_[globals_base_1];
        heap_0_[total_base] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e58) * 3f));
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

fn initial_1_(lane_2: u32, group_1: u32, local_2: u32) {
    var acc: vec4<i32> = vec4<i32>(1i, 2i, 3i, 4i);

    let _e6 = ((group_1 * 64u) + local_2);
    let _e16 = lanes[(lane_2 + 3u)];
    let _e20 = lanes[(lane_2 + 2u)];
    let out_base_1 = _e20.x;
    if (_e6 < _e16.x) {
        let _e24 = acc;
        let _e26 = initial_1_spread(i32(_e6));
        acc = (_e24 + _e26);
        let _e31 = heap_0_[(out_base_1 + _e6)];
        let _e33 = acc;
        heap_0_[(out_base_1 + _e6)] = bitcast<vec4<u32>>((bitcast<vec4<i32>>(_e31) + _e33));
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
    let group_2 = ((linear - _e40) + _e48.y);
    switch _e48.x {
        case 0u: {
            cluster_0_(lane_3, group_2, local);
        }
        case 1u: {
            initial_1_(lane_3, group_2, local);
        }
        default: {
        }
    }
}
