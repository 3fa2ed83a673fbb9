// Transposed convolution over up to three axes: each invocation sums, for one pixel of up to four output channels of a group,
// the inputs whose windows reach it.

struct Params {
    // Invocations: images x groups x quads of channels x planes x rows x columns.
    items: u32,
    groups: u32,
    // Channels of one group.
    channels_in: u32,
    channels_out: u32,
    // Each of planes, rows and columns.
    input_size: vec4<u32>,
    output_size: vec4<u32>,
    kernel_size: vec4<u32>,
    stride: vec4<u32>,
    dilation: vec4<u32>,
    padding: vec4<u32>,
    // From one tap that can reach a pixel to the next.
    step: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
// Input channel x output channel of the group x taps.
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    var position = vec3(0u);
    position.z = item % p.output_size.z;
    item /= p.output_size.z;
    position.y = item % p.output_size.y;
    item /= p.output_size.y;
    position.x = item % p.output_size.x;
    item /= p.output_size.x;
    let pixel = (position.x * p.output_size.y + position.y) * p.output_size.z + position.z;
    let quads = (p.channels_out + 3u) / 4u;
    let first = 4u * (item % quads);
    item /= quads;
    let group = item % p.groups;
    // Channels of the tile, the last one again where there are fewer than four.
    let lanes = min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(p.channels_out - 1u));

    let taps = p.kernel_size.x * p.kernel_size.y * p.kernel_size.z;
    let volume = p.input_size.x * p.input_size.y * p.input_size.z;
    let channel = group * p.channels_out + lanes;
    var acc = vec4(bias[channel.x], bias[channel.y], bias[channel.z], bias[channel.w]);
    let reach = position + p.padding.xyz;
    let start = vec3(
        first_tap(reach.x, p.stride.x, p.dilation.x, p.step.x),
        first_tap(reach.y, p.stride.y, p.dilation.y, p.step.y),
        first_tap(reach.z, p.stride.z, p.dilation.z, p.step.z),
    );
    for (var kz = start.x; kz < p.kernel_size.x; kz += p.step.x) {
        let z = source_of(reach.x, kz * p.dilation.x, p.stride.x);
        if z >= p.input_size.x {
            continue;
        }
        for (var ky = start.y; ky < p.kernel_size.y; ky += p.step.y) {
            let y = source_of(reach.y, ky * p.dilation.y, p.stride.y);
            if y >= p.input_size.y {
                continue;
            }
            for (var kx = start.z; kx < p.kernel_size.z; kx += p.step.z) {
                let x = source_of(reach.z, kx * p.dilation.z, p.stride.z);
                if x >= p.input_size.z {
                    continue;
                }
                var at = item * p.channels_in * volume + (z * p.input_size.y + y) * p.input_size.z + x;
                let tap = (kz * p.kernel_size.y + ky) * p.kernel_size.z + kx;
                var weight_at = (group * p.channels_in * p.channels_out + lanes) * taps + tap;
                for (var c = 0u; c < p.channels_in; c++) {
                    let w = vec4(weight[weight_at.x], weight[weight_at.y], weight[weight_at.z], weight[weight_at.w]);
                    acc = fma(vec4(input[at]), w, acc);
                    at += volume;
                    weight_at += p.channels_out * taps;
                }
            }
        }
    }

    let size = p.output_size.x * p.output_size.y * p.output_size.z;
    let to = (item * p.channels_out + first) * size + pixel;
    let count = p.channels_out - first;
    output[to] = acc.x;
    if count > 1u {
        output[to + size] = acc.y;
    }
    if count > 2u {
        output[to + 2u * size] = acc.z;
    }
    if count > 3u {
        output[to + 3u * size] = acc.w;
    }
}
