// Local response normalisation over channels: one output for each invocation.

struct Params {
    // Elements: images x channels x pixels.
    items: u32,
    channels: u32,
    pixels: u32,
    // Channels of a region before its element, and behind it.
    before: u32,
    behind: u32,
    // alpha / size.
    alpha: f32,
    beta: f32,
    bias: f32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let channel = item / p.pixels % p.channels;
    let begin = channel - min(channel, p.before);
    let end = min(channel + p.behind, p.channels - 1u);
    var at = item - (channel - begin) * p.pixels;
    var sum = 0.0;
    for (var c = begin; c <= end; c++) {
        let v = input[at];
        sum = fma(v, v, sum);
        at += p.pixels;
    }
    output[item] = input[item] / scalar_pow(fma(p.alpha, sum, p.bias), p.beta);
}
