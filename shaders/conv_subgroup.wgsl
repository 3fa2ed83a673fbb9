// Convolution on CPU adapters whose subgroups have 8 invocations. A subgroup computes 32 output channels of 32 pixels: an invocation
// holds 4 pixels, and the weights of one tap, 4 channels an invocation, reach the others by broadcast. Invocations past the last pixel
// or channel repeat the last one: weights are packed as [group][tile of 32][channel][ky][kx][32], filled up with copies of
// the last channel.

struct Params {
    groups: u32,
    // Subgroups' worth of work: images x pixel blocks x groups x channel tiles.
    tiles: u32,
    // Of one group.
    channel_tiles: u32,
    channels_in: u32,
    channels_out: u32,
    pixel_blocks: u32,
    // Whether neighbours share weights rather than pixels.
    blocks_first: u32,
    has_residual: u32,
    // What halves of the weights are multiplied with.
    factor: f32,
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
    // What its function takes: a zero that no compiler knows, and constants.
    epilogue: array<vec4<u32>, EPILOGUE>,
}

// Whether there are several taps or padding; else each output reads one element of each channel, which is always there.
override WINDOW: bool = true;

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<WEIGHTS>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;

fn spread(v: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(vec4(v.x), vec4(v.y), vec4(v.z), vec4(v.w));
}

fn four(at: vec4<u32>) -> vec4<f32> {
    return vec4(
        input[at.x >> 2u][at.x & 3u],
        input[at.y >> 2u][at.y & 3u],
        input[at.z >> 2u][at.z & 3u],
        input[at.w >> 2u][at.w & 3u],
    );
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let invocation = local & 7u;
    var tile = workgroup.x * 8u + (local >> 3u);
    if tile >= p.tiles {
        return;
    }
    let blocks_first = p.blocks_first != 0u;
    let inner_size = select(p.channel_tiles, p.pixel_blocks, blocks_first);
    let outer_size = select(p.pixel_blocks, p.channel_tiles, blocks_first);
    let inner = tile % inner_size;
    tile /= inner_size;
    let outer_tile = tile % outer_size;
    tile /= outer_size;
    let channel_group = tile % p.groups;
    let image = tile / p.groups;
    let channel_tile = select(inner, outer_tile, blocks_first);
    let block = select(outer_tile, inner, blocks_first);

    let channel = channel_tile * 32u;
    let first_out = (image * p.groups + channel_group) * p.channels_out;
    let first_in = (image * p.groups + channel_group) * p.channels_in;
    let in_size = p.in_h * p.in_w;
    let out_size = p.out_h * p.out_w;

    let whole = out_size % 4u == 0u;
    let first = (block * 8u + invocation) * 4u;
    var pixel = min(first + vec4(0u, 1u, 2u, 3u), vec4(out_size - 1u));
    if whole {
        pixel = min(first, out_size - 4u) + vec4(0u, 1u, 2u, 3u);
    }
    var y = vec4<i32>(pixel / p.out_w);
    var x = vec4<i32>(pixel % p.out_w);
    y = y * i32(p.stride_y) - i32(p.pad_y);
    x = x * i32(p.stride_x) - i32(p.pad_x);

    let bias_last = channel_group * p.channels_out + p.channels_out - 1u;
    let bias_at = min(
        channel_group * p.channels_out + channel + invocation * 4u + vec4(0u, 1u, 2u, 3u),
        vec4(bias_last),
    );
    let start = vec4(bias[bias_at.x], bias[bias_at.y], bias[bias_at.z], bias[bias_at.w]);
    var c0 = spread(subgroupBroadcast(start, 0u));
    var c1 = spread(subgroupBroadcast(start, 1u));
    var c2 = spread(subgroupBroadcast(start, 2u));
    var c3 = spread(subgroupBroadcast(start, 3u));
    var c4 = spread(subgroupBroadcast(start, 4u));
    var c5 = spread(subgroupBroadcast(start, 5u));
    var c6 = spread(subgroupBroadcast(start, 6u));
    var c7 = spread(subgroupBroadcast(start, 7u));

    // Two channels a step, and taps in the same loop: at the end of a loop's body llvmpipe blends all sums with those before, by the
    // lanes that went on, which takes longer than one channel's multiply-adds.
    let taps = select(1u, p.kernel_h * p.kernel_w, WINDOW);
    let fours = !WINDOW && whole && p.stride_y == 1u && p.stride_x == 1u;
    let end_y = vec4(i32(p.in_h) - 1);
    let end_x = vec4(i32(p.in_w) - 1);
    var weight_at = (channel_group * p.channel_tiles + channel_tile) * p.channels_in * taps * 8u + invocation;
    var plane = first_in * in_size;
    var left = p.channels_in;
    var iy = y;
    var ix = x;
    var kx = 0u;
    for (var step = (p.channels_in + 1u) / 2u * taps; step > 0u; step--) {
        let second = left > 1u;
        let near = plane + vec4<u32>(clamp(iy, vec4(0), end_y)) * p.in_w + vec4<u32>(clamp(ix, vec4(0), end_x));
        let far = near + select(0u, in_size, second);
        var b0: vec4<f32>;
        var b1: vec4<f32>;
        if fours {
            b0 = input[near.x >> 2u];
            b1 = input[far.x >> 2u];
        } else {
            b0 = four(near);
            b1 = four(far);
        }
        if WINDOW {
            let inside = (iy >= vec4(0)) & (iy <= end_y) & (ix >= vec4(0)) & (ix <= end_x);
            b0 = select(vec4(0.0), b0, inside);
            b1 = select(vec4(0.0), b1, inside);
        }
        let w0 = weights_of(weight[weight_at], p.factor);
        var w1 = weights_of(weight[weight_at + select(0u, taps * 8u, second)], p.factor);
        b1 = select(vec4(0.0), b1, vec4(second));
        w1 = select(vec4(0.0), w1, vec4(second));
        c0 = outer(c0, subgroupBroadcast(w0, 0u), b0);
        c1 = outer(c1, subgroupBroadcast(w0, 1u), b0);
        c2 = outer(c2, subgroupBroadcast(w0, 2u), b0);
        c3 = outer(c3, subgroupBroadcast(w0, 3u), b0);
        c4 = outer(c4, subgroupBroadcast(w0, 4u), b0);
        c5 = outer(c5, subgroupBroadcast(w0, 5u), b0);
        c6 = outer(c6, subgroupBroadcast(w0, 6u), b0);
        c7 = outer(c7, subgroupBroadcast(w0, 7u), b0);
        c0 = outer(c0, subgroupBroadcast(w1, 0u), b1);
        c1 = outer(c1, subgroupBroadcast(w1, 1u), b1);
        c2 = outer(c2, subgroupBroadcast(w1, 2u), b1);
        c3 = outer(c3, subgroupBroadcast(w1, 3u), b1);
        c4 = outer(c4, subgroupBroadcast(w1, 4u), b1);
        c5 = outer(c5, subgroupBroadcast(w1, 5u), b1);
        c6 = outer(c6, subgroupBroadcast(w1, 6u), b1);
        c7 = outer(c7, subgroupBroadcast(w1, 7u), b1);
        weight_at += 8u;
        var done = true;
        if WINDOW {
            kx++;
            ix += i32(p.dilation_x);
            let row_done = kx == p.kernel_w;
            kx = select(kx, 0u, row_done);
            ix = select(ix, x, row_done);
            iy = select(iy, iy + i32(p.dilation_y), row_done);
            done = iy.x == y.x + i32(p.kernel_h * p.dilation_y);
            iy = select(iy, y, done);
        }
        plane += select(0u, 2u * in_size, done);
        weight_at += select(0u, taps * 8u, done);
        left -= select(0u, 2u, done);
    }

    // A loop: stores written out for each channel would take the driver longer to compile than all the rest.
    var tiles = array<mat4x4<f32>, 8>(c0, c1, c2, c3, c4, c5, c6, c7);
    for (var i = 0u; i < 32u && channel + i < p.channels_out; i++) {
        let at = (first_out + channel + i) * out_size + pixel;
        var v = tiles[i >> 2u][i & 3u];
        if p.has_residual != 0u {
            v = rounded(v);
            if whole {
                v += residual[at.x >> 2u];
            } else {
                v += vec4(
                    residual[at.x >> 2u][at.x & 3u],
                    residual[at.y >> 2u][at.y & 3u],
                    residual[at.z >> 2u][at.z & 3u],
                    residual[at.w >> 2u][at.w & 3u],
                );
            }
        }
        v = epilogue(v);
        if whole {
            output[at.x >> 2u] = v;
        } else {
            output[at.x >> 2u][at.x & 3u] = v.x;
            output[at.y >> 2u][at.y & 3u] = v.y;
            output[at.z >> 2u][at.z & 3u] = v.z;
            output[at.w >> 2u][at.w & 3u] = v.w;
        }
    }
}
