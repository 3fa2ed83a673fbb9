// Bindings of fixed size, vectors by reference, and a pointer to a local passed to a helper.
struct Globals { scale: vec4<f32>, bias: array<f32, 5> }
struct Params { len: u32 }
@group(0) @binding(0) var<storage, read> globals: Globals;
@group(0) @binding(1) var<storage, read_write> total: vec4<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec2<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

fn bump(value: ptr<function, f32>, i: u32) { *value = *value * globals.scale.y + globals.bias[i % 5u]; }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.len { return; }
    var value = f32(id.x);
    bump(&value, id.x);
    bump(&value, id.x + 1u);
    out[id.x] = vec2<f32>(value, globals.scale[id.x & 3u]);
    if id.x == 0u { total = globals.scale * 3.0; }
}
