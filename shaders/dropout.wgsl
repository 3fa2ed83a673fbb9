// Elements times 1 / (1 - ratio), and 0 with the probability `ratio`; the mask has which stay.

struct Params {
    len: u32,
    pad: u32,
    key: vec2<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> ratio: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> mask: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    let stays = random_unit(philox(at, params.key).x) >= ratio[0];
    y[at] = select(0.0, x[at] * (1.0 / (1.0 - ratio[0])), stays);
    mask[at] = select(0u, 1u, stays);
}
