// An array of structs with padding, read and written by member and whole.
struct Particle { position: vec3<f32>, mass: f32, velocity: vec2<f32>, id: u32 }
struct Params { len: u32, step: f32 }
@group(0) @binding(0) var<storage, read_write> particles: array<Particle>;
@group(0) @binding(1) var<storage, read_write> copies: array<Particle>;
@group(0) @binding(2) var<uniform> params: Params;

fn moved(p: Particle, step: f32) -> Particle {
    var q = p;
    q.position += vec3<f32>(p.velocity, 0.0) * step;
    return q;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.len { return; }
    let p = &particles[id.x];
    copies[id.x] = moved(*p, params.step);
    (*p).velocity.y += 0.5;
    let mass = &(*p).mass;
    *mass = *mass * 2.0;
}
