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

    let _e5 = lanes[lane_1];
    let _e11 = (((group % _e5.z) * 64u) + local_1);
    let _e15 = lanes[(lane_1 + 4u)];
    let _e21 = lanes[(lane_1 + 3u)];
    let out_base = _e21.x;
    let _e26 = lanes[(lane_1 + 2u)];
    let globals_base_1 = _e26.x;
    let total_base = _e26.z;
    if (_e11 >= _e15.x) {
        return;
    }
    value_1 = f32(_e11);
    cluster_0_bump(lane_1, (&value_1), _e11);
    cluster_0_bump(lane_1, (&value_1), (_e11 + 1u));
    let _e36 = (_e11 * 2u);
    let _e37 = value_1;
    let _e38 = (_e11 & 3u);
    let _e45 = slab_1_[(globals_base_1 + (_e38 >> 2u))][(_e38 & 3u)];
    let _e48 = bitcast<vec2<u32>>(vec2<f32>(_e37, bitcast<f32>(_e45)));
    let _e50 = (out_base + (_e36 >> 2u));
    let _e51 = (_e36 & 3u);
    heap_0_[_e50][_e51] = _e48.x;
    heap_0_[_e50][(_e51 + 1u)] = _e48.y;
    if (_e11 == 0u) {
        let _e62 = slab_1_[globals_base_1];
        heap_0_[total_base] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e62) * 3f));
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

    let _e5 = lanes[lane_2];
    let _e10 = (((group_1 % _e5.z) * 64u) + local_2);
    let _e20 = lanes[(lane_2 + 3u)];
    let _e24 = lanes[(lane_2 + 2u)];
    let out_base_1 = _e24.x;
    if (_e10 < _e20.x) {
        let _e28 = acc;
        let _e30 = initial_1_spread(i32(_e10));
        acc = (_e28 + _e30);
        let _e35 = heap_0_[(out_base_1 + _e10)];
        let _e37 = acc;
        heap_0_[(out_base_1 + _e10)] = bitcast<vec4<u32>>((bitcast<vec4<i32>>(_e35) + _e37));
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
