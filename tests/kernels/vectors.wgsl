// vec2, vec3 and vec4 of each kind, whole and by component, with dynamic components.
struct Params { len: u32 }
@group(0) @binding(0) var<storage, read> fours: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> twos: array<vec2<i32>>;
@group(0) @binding(2) var<storage, read_write> threes: array<vec3<u32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= params.len { return; }
    let v = fours[i];
    let pair = twos[i];
    twos[i] = pair.yx + vec2<i32>(1, -1);
    threes[i].y = threes[i].x + u32(pair.x);
    let three = threes[i];
    threes[i] = three.zyx;
    out[i] = v.wzyx * 2.0;
    out[i][pair.x & 3] = fours[i][i & 3u] + f32(three.y & 255u);
}
