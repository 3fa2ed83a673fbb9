@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> slab_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn vectors_0_(lane: u32, group: u32, local_1: u32) {
    let _e7 = ((group * 64u) + local_1);
    let _e11 = lanes[(lane + 3u)];
    let _e13 = lanes[lane];
    let fours_base = _e13.z;
    let _e17 = lanes[(lane + 1u)];
    let twos_base = _e17.x;
    let threes_base = _e17.z;
    let _e25 = lanes[(lane + 2u)];
    let out_base = _e25.x;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e36 = slab_1_[(fours_base + _e7)];
    let _e38 = (_e7 * 2u);
    let _e40 = (twos_base + (_e38 >> 2u));
    let _e41 = (_e38 & 3u);
    let _e45 = heap_0_[_e40][_e41];
    let _e49 = heap_0_[_e40][(_e41 + 1u)];
    let _e51 = bitcast<vec2<i32>>(vec2<u32>(_e45, _e49));
    let _e52 = (_e7 * 2u);
    let _e56 = bitcast<vec2<u32>>((_e51.yx + vec2<i32>(1i, -1i)));
    let _e58 = (twos_base + (_e52 >> 2u));
    let _e59 = (_e52 & 3u);
    heap_0_[_e58][_e59] = _e56.x;
    heap_0_[_e58][(_e59 + 1u)] = _e56.y;
    let _e70 = heap_0_[(threes_base + _e7)].x;
    heap_0_[(threes_base + _e7)].y = (_e70 + u32(_e51.x));
    let _e79 = heap_0_[(threes_base + _e7)];
    let _e80 = _e79.xyz;
    let _e81 = _e80.zyx;
    let _e82 = (threes_base + _e7);
    heap_0_[_e82].x = _e81.x;
    heap_0_[_e82].y = _e81.y;
    heap_0_[_e82].z = _e81.z;
    heap_0_[(out_base + _e7)] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e36).wzyx * 2f));
    let _e99 = u32((_e51.x & 3i));
    let _e100 = (_e7 & 3u);
    let _e107 = slab_1_[((fours_base + _e7) + (_e100 >> 2u))][(_e100 & 3u)];
    heap_0_[((out_base + _e7) + (_e99 >> 2u))][(_e99 & 3u)] = bitcast<u32>((bitcast<f32>(_e107) + f32((_e80.y & 255u))));
    return;
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
    let lane_1 = found;
    let _e49 = lanes[lane_1];
    let group_1 = (linear + _e49.y);
    vectors_0_(lane_1, group_1, local);
}
