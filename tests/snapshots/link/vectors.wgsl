@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(2) 
var<storage> weights_1_: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn vectors_0_(group: u32, local_1: u32, record_0_1: vec4<u32>, record_1_1: vec4<u32>, record_2_1: vec4<u32>, record_3_1: vec4<u32>) {
    let _e4 = ((group * 64u) + local_1);
    let fours_base = record_0_1.z;
    let twos_base = record_1_1.x;
    let threes_base = record_1_1.z;
    let out_base = record_2_1.x;
    if (_e4 >= record_3_1.x) {
        return;
    }
    let _e26 = weights_1_[(fours_base + _e4)];
    let _e29 = (_e4 * 2u);
    let _e31 = (twos_base + (_e29 >> 2u));
    let _e32 = (_e29 & 3u);
    let _e39 = heap_0_[_e31][_e32];
    let _e40 = heap_0_[_e31][(_e32 + 1u)];
    let _e42 = bitcast<vec2<i32>>(vec2<u32>(_e39, _e40));
    let _e43 = (_e4 * 2u);
    let _e47 = bitcast<vec2<u32>>((_e42.yx + vec2<i32>(1i, -1i)));
    let _e49 = (twos_base + (_e43 >> 2u));
    let _e50 = (_e43 & 3u);
    heap_0_[_e49][_e50] = _e47.x;
    heap_0_[_e49][(_e50 + 1u)] = _e47.y;
    let _e61 = heap_0_[(threes_base + _e4)].x;
    heap_0_[(threes_base + _e4)].y = (_e61 + u32(_e42.x));
    let _e70 = heap_0_[(threes_base + _e4)];
    let _e71 = _e70.xyz;
    let _e72 = _e71.zyx;
    let _e73 = (threes_base + _e4);
    heap_0_[_e73].x = _e72.x;
    heap_0_[_e73].y = _e72.y;
    heap_0_[_e73].z = _e72.z;
    heap_0_[(out_base + _e4)] = bitcast<vec4<u32>>((bitcast<vec4<f32>>(_e26).wzyx * 2f));
    let _e90 = u32((_e42.x & 3i));
    let _e91 = (_e4 & 3u);
    let _e98 = weights_1_[((fours_base + _e4) + (_e91 >> 2u))][(_e91 & 3u)];
    heap_0_[((out_base + _e4) + (_e90 >> 2u))][(_e90 & 3u)] = bitcast<u32>((bitcast<f32>(_e98) + f32((_e71.y & 255u))));
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
    let group_1 = (linear + _e76.y);
    vectors_0_(group_1, local, _e76, _e77, _e78, _e79);
}
