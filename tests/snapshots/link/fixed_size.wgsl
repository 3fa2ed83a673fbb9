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
    let _e5 = lanes[lane];
    let globals_base = _e5.z;
    let _e8 = (*value);
    let _e12 = slab_1_[globals_base].y;
    let _e15 = (i % 5u);
    let _e25 = slab_1_[((globals_base + 1u) + (_e15 >> 2u))][(_e15 & 3u)];
    (*value) = ((_e8 * bitcast<f32>(_e12)) + bitcast<f32>(_e25));
    return;
}

fn cluster_0_(lane_1: u32, group: u32, local_1: u32) {
    var value_1: f32;

    let _e8 = ((group * 64u) + local_1);
    let _e12 = lanes[(lane_1 + 2u)];
    let _e17 = lanes[(lane_1 + 1u)];
    let out_base = _e17.z;
    let _e20 = lanes[lane_1];
    let globals_base_1 = _e20.z;
    let total_base = _e17.x;
    if (_e8 >= _e12.x) {
        return;
    }
    value_1 = f32(_e8);
    cluster_0_bump(lane_1, (&value_1), _e8);
    cluster_0_bump(lane_1, (&value_1), (_e8 + 1u));
    let _e30 = (_e8 * 2u);
    let _e31 = value_1;
    let _e32 = (_e8 & 3u);
    let _e39 = slab_1_[(globals_base_1 + (_e32 >> 2u))][(_e32 & 3u)];
    let _e42 = bitcast<vec2<u32>>(vec2<f32>(_e31, bitcast<f32>(_e39)));
    let _e44 = (out_base + (_e30 >> 2u));
    let _e45 = (_e30 & 3u);
    heap_0_[_e44][_e45] = _e42.x;
    heap_0_[_e44][(_e45 + 1u)] = _e42.y;
    if (_e8 == 0u) {
        let _e56 = slab_1_[globals_base_1];
        heap_0_[total_base] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e56) * 3f));
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

    let _e7 = ((group_1 * 64u) + local_2);
    let _e16 = lanes[(lane_2 + 1u)];
    let _e18 = lanes[lane_2];
    let out_base_1 = _e18.z;
    if (_e7 < _e16.x) {
        let _e22 = acc;
        let _e24 = initial_1_spread(i32(_e7));
        acc = (_e22 + _e24);
        let _e29 = heap_0_[(out_base_1 + _e7)];
        let _e31 = acc;
        heap_0_[(out_base_1 + _e7)] = bitcast<vec4<u32>>((bitcast<vec4<i32>>(_e29) + _e31));
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
            let group_2 = (linear + _e49.y);
            cluster_0_(lane_3, group_2, local);
        }
        case 1u: {
            let group_3 = (linear + _e49.y);
            initial_1_(lane_3, group_3, local);
        }
        default: {
        }
    }
}
