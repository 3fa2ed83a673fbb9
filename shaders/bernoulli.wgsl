// `one` with the probability that an element is, else 0, which every type has in one word.

struct Params {
    len: u32,
    one: u32,
    key: vec2<u32>,
}

@group(0) @binding(0) var<storage, read> p: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    y[at] = select(0u, params.one, random_unit(philox(at, params.key).x) < p[at]);
}
