// 16-bit floats: scalars and vectors loaded, pairs and quads stored.
enable f16;
struct Pair { a: vec2<f16>, b: array<f16, 2> }
struct Params { len: u32, factor: f32 }
@group(0) @binding(0) var<storage, read> a: array<f16>;
@group(0) @binding(1) var<storage, read> threes: array<vec3<f16>>;
@group(0) @binding(2) var<storage, read> pairs: array<Pair>;
@group(0) @binding(3) var<storage, read_write> fours: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read_write> twos: array<vec2<f16>>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= params.len { return; }
    let x = a[i] * f16(params.factor);
    fours[i] = vec4<f16>(threes[i], x) + fours[i];
    twos[i] = pairs[i].a * vec2<f16>(pairs[i].b[i & 1u], a[i ^ 1u]);
}
