// Convolution over rows and columns whose taps lie where the data says: one output for each invocation.

struct Params {
    // Outputs: images x channels x rows x columns.
    items: u32,
    groups: u32,
    // Channels of one group.
    channels_in: u32,
    channels_out: u32,
    // Groups of input channels with offsets of their own, and the channels of each.
    offset_groups: u32,
    offset_channels: u32,
    has_mask: u32,
    in_h: u32,
    in_w: u32,
    out_h: u32,
    out_w: u32,
    kernel_h: u32,
    kernel_w: u32,
    stride_y: u32,
    stride_x: u32,
    pad_y: u32,
    pad_x: u32,
    dilation_y: u32,
    dilation_x: u32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
// Offset group x taps x (row, column) x rows x columns.
@group(0) @binding(2) var<storage, read> offset: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
// Offset group x taps x rows x columns.
@group(0) @binding(4) var<storage, read> mask: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let pixels = p.out_h * p.out_w;
    let pixel = item % pixels;
    let channels = p.groups * p.channels_out;
    let channel = item / pixels % channels;
    let image = item / (pixels * channels);
    let first = channel / p.channels_out * p.channels_in;
    let taps = p.kernel_h * p.kernel_w;
    let size = p.in_h * p.in_w;
    let row = f32(i32(pixel / p.out_w * p.stride_y) - i32(p.pad_y));
    let column = f32(i32(pixel % p.out_w * p.stride_x) - i32(p.pad_x));
    let last = vec2(i32(p.in_h), i32(p.in_w)) - vec2(1);

    var sum = bias[channel];
    for (var tap = 0u; tap < taps; tap++) {
        let base = vec2(row + f32(tap / p.kernel_w * p.dilation_y), column + f32(tap % p.kernel_w * p.dilation_x));
        var group = p.offset_groups;
        var weights = vec4(0.0);
        var places = vec4(0u);
        for (var c = 0u; c < p.channels_in; c++) {
            let own = first + c;
            if own / p.offset_channels != group {
                group = own / p.offset_channels;
                let entry = (image * p.offset_groups + group) * taps + tap;
                let at = base + vec2(offset[2u * entry * pixels + pixel], offset[(2u * entry + 1u) * pixels + pixel]);
                // What is no number, or far away, reads nothing.
                let near = clamp(select(vec2(-2.0), at, (at >= vec2(0.0)) | (at < vec2(0.0))), vec2(-2.0), vec2<f32>(last) + vec2(2.0));
                let below = floor(near);
                let part = near - below;
                let low = vec2<i32>(below);
                let high = low + vec2(1);
                let low_ok = (low >= vec2(0)) & (low <= last);
                let high_ok = (high >= vec2(0)) & (high <= last);
                let l = vec2<u32>(clamp(low, vec2(0), last));
                let h = vec2<u32>(clamp(high, vec2(0), last));
                places = vec4(l.x, l.x, h.x, h.x) * p.in_w + vec4(l.y, h.y, l.y, h.y);
                let rest = vec2(1.0) - part;
                let all_weights = vec4(rest.x * rest.y, rest.x * part.y, part.x * rest.y, part.x * part.y);
                let inside = vec4(low_ok.x && low_ok.y, low_ok.x && high_ok.y, high_ok.x && low_ok.y, high_ok.x && high_ok.y);
                weights = select(vec4(0.0), all_weights, inside);
                if p.has_mask != 0u {
                    weights *= mask[entry * pixels + pixel];
                }
            }
            let plane = (image * p.groups * p.channels_in + own) * size;
            let at = vec4(plane) + places;
            let values = vec4(input[at.x], input[at.y], input[at.z], input[at.w]);
            let sampled = dot(select(vec4(0.0), values, weights != vec4(0.0)), weights);
            sum = fma(weight[(channel * p.channels_in + c) * taps + tap], sampled, sum);
        }
    }
    output[item] = sum;
}
