// Overrides: a value, a choice and the length of workgroup memory.
override MODE: u32 = 0u;
override SCALE: f32 = 1.5;
override TILE: u32 = 64u;
struct Params { len: u32 }
@group(0) @binding(0) var<storage, read_write> a: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;
var<workgroup> tile: array<f32, TILE>;

fn apply(x: f32) -> f32 {
    switch MODE {
        case 0u: { return x * SCALE; }
        case 1u: { return max(x, 0.0) + SCALE; }
        default: { return exp(-x * x); }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    if id.x < params.len { tile[(local + 1u) % TILE] = a[id.x]; }
    workgroupBarrier();
    if id.x < params.len { a[id.x] = apply(tile[(local + 1u) % TILE]); }
}
