// Transposed convolution over up to three axes: each invocation sums, for up to four pixels of a row, a stride apart, of up to
// four output channels of a group, the inputs whose windows reach them. The same taps do.

struct Params {
    // Invocations: images x groups x quads of channels x planes x rows x strides x quads of columns.
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
// Group x taps x input channel x output channel.
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// Writes what there is of four columns of one channel.
fn put(sum: vec4<f32>, to: u32, stride: u32, count: u32) {
    output[to] = sum.x;
    if count > 1u {
        output[to + stride] = sum.y;
    }
    if count > 2u {
        output[to + 2u * stride] = sum.z;
    }
    if count > 3u {
        output[to + 3u * stride] = sum.w;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let runs = (p.output_size.z + p.stride.z - 1u) / p.stride.z;
    let column_quads = (runs + 3u) / 4u;
    var position = vec3(0u);
    position.z = 4u * (item % column_quads) * p.stride.z;
    item /= column_quads;
    position.z += item % p.stride.z;
    item /= p.stride.z;
    position.y = item % p.output_size.y;
    item /= p.output_size.y;
    position.x = item % p.output_size.x;
    item /= p.output_size.x;
    if position.z >= p.output_size.z {
        return;
    }
    let columns = (p.output_size.z - position.z + p.stride.z - 1u) / p.stride.z;
    let quads = (p.channels_out + 3u) / 4u;
    let first = 4u * (item % quads);
    item /= quads;
    let group = item % p.groups;
    // Channels of the tile, the last one again where there are fewer than four.
    let outputs = min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(p.channels_out - 1u));

    let taps = p.kernel_size.x * p.kernel_size.y * p.kernel_size.z;
    let volume = p.input_size.x * p.input_size.y * p.input_size.z;
    let channel = group * p.channels_out + outputs;
    var a = vec4(bias[channel.x]);
    var b = vec4(bias[channel.y]);
    var c = vec4(bias[channel.z]);
    var d = vec4(bias[channel.w]);
    let reach = position + p.padding.xyz;
    let start = vec3(
        first_tap(reach.x, p.stride.x, p.dilation.x, p.step.x),
        first_tap(reach.y, p.stride.y, p.dilation.y, p.step.y),
        first_tap(reach.z, p.stride.z, p.dilation.z, p.step.z),
    );
    let last = i32(p.input_size.z) - 1;
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
                // A multiple of the stride, perhaps before the first input.
                let x = (i32(reach.z) - i32(kx * p.dilation.z)) / i32(p.stride.z) + vec4(0, 1, 2, 3);
                if x.x > last || x.w < 0 {
                    continue;
                }
                let inside = (x >= vec4(0)) & (x <= vec4(last));
                let row = item * p.channels_in * volume + (z * p.input_size.y + y) * p.input_size.z;
                var at = row + vec4<u32>(clamp(x, vec4(0), vec4(last)));
                let tap = (kz * p.kernel_size.y + ky) * p.kernel_size.z + kx;
                var weight_at = (group * taps + tap) * p.channels_in * p.channels_out + outputs;
                for (var k = 0u; k < p.channels_in; k++) {
                    let v = select(vec4(0.0), vec4(input[at.x], input[at.y], input[at.z], input[at.w]), inside);
                    a = fma(vec4(weight[weight_at.x]), v, a);
                    b = fma(vec4(weight[weight_at.y]), v, b);
                    c = fma(vec4(weight[weight_at.z]), v, c);
                    d = fma(vec4(weight[weight_at.w]), v, d);
                    at += vec4(volume);
                    weight_at += vec4(p.channels_out);
                }
            }
        }
    }

    let pixel = (position.x * p.output_size.y + position.y) * p.output_size.z + position.z;
    let size = p.output_size.x * p.output_size.y * p.output_size.z;
    let to = (item * p.channels_out + first) * size + pixel;
    let count = p.channels_out - first;
    put(a, to, p.stride.z, columns);
    if count > 1u {
        put(b, to + size, p.stride.z, columns);
    }
    if count > 2u {
        put(c, to + 2u * size, p.stride.z, columns);
    }
    if count > 3u {
        put(d, to + 3u * size, p.stride.z, columns);
    }
}
