// Convolution of bytes less their zero points, exact modulo 2^32, on CPU adapters whose subgroups have 8 invocations. As in
// conv_subgroup a subgroup computes 32 output channels of 32 pixels: an invocation holds 4 pixels, and the weights of one tap, 4 channels
// an invocation, reach the others by broadcast. Weights are packed as [group][tile of 32][channel][ky][kx][32] signed bytes, filled up
// with copies of the last channel. Pixels are unsigned bytes: a product of such is a single operation of the processor (that of 16-bit
// pairs), one of 32-bit words is two. Outside of the input is the zero point.

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
    // What makes the bytes of a word unsigned ones, and what was added to them by that.
    flip: u32,
    input_shift: i32,
    // What was taken from weights when they were made signed.
    weight_shift: i32,
    // Of the zero points, in elements.
    input_zero_offset: u32,
    weight_zero_offset: u32,
    weight_zero_channel: u32,
}

// Whether there are several taps or padding; else each output reads one element of each channel, which is always there.
override WINDOW: bool = true;

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read> weight: array<u32>;
@group(0) @binding(2) var<storage, read> input_zero: array<i32>;
@group(0) @binding(3) var<storage, read> weight_zero: array<i32>;
@group(0) @binding(4) var<storage, read_write> output: array<i32>;
@group(0) @binding(5) var<uniform> params: Params;

// The bytes of a word, signed.
fn signed(word: u32) -> vec4<i32> {
    return (vec4(bitcast<i32>(word)) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u);
}

// The bytes of a word, unsigned.
fn unsigned(word: u32) -> vec4<i32> {
    return vec4<i32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u));
}

fn byte(at: u32, flip: u32) -> i32 {
    return i32(((input[at >> 2u] ^ flip) >> ((at & 3u) << 3u)) & 255u);
}

fn four(at: vec4<u32>, flip: u32) -> vec4<i32> {
    return vec4(byte(at.x, flip), byte(at.y, flip), byte(at.z, flip), byte(at.w, flip));
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

    let zero = input_zero[p.input_zero_offset] + p.input_shift;
    let outside = vec4(zero & 255);
    var c0 = array<vec4<i32>, 4>();
    var c1 = array<vec4<i32>, 4>();
    var c2 = array<vec4<i32>, 4>();
    var c3 = array<vec4<i32>, 4>();
    var c4 = array<vec4<i32>, 4>();
    var c5 = array<vec4<i32>, 4>();
    var c6 = array<vec4<i32>, 4>();
    var c7 = array<vec4<i32>, 4>();
    // Sums of the invocation's pixels, and of its channels' weights.
    var pixels = vec4(0);
    var weights = vec4(0);

    // Two channels a step, and all taps in one loop, as in conv_subgroup.
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
        var b0: vec4<i32>;
        var b1: vec4<i32>;
        if fours {
            b0 = unsigned(input[near.x >> 2u] ^ p.flip);
            b1 = unsigned(input[far.x >> 2u] ^ p.flip);
        } else {
            b0 = four(near, p.flip);
            b1 = four(far, p.flip);
        }
        if WINDOW {
            let inside = (iy >= vec4(0)) & (iy <= end_y) & (ix >= vec4(0)) & (ix <= end_x);
            b0 = select(outside, b0, inside);
            b1 = select(outside, b1, inside);
        }
        let w0 = signed(weight[weight_at]);
        var w1 = signed(weight[weight_at + select(0u, taps * 8u, second)]);
        b1 = select(vec4(0), b1, vec4(second));
        w1 = select(vec4(0), w1, vec4(second));
        pixels += b0 + b1;
        weights += w0 + w1;
        c0 = outer_i(c0, subgroupBroadcast(w0, 0u), b0);
        c1 = outer_i(c1, subgroupBroadcast(w0, 1u), b0);
        c2 = outer_i(c2, subgroupBroadcast(w0, 2u), b0);
        c3 = outer_i(c3, subgroupBroadcast(w0, 3u), b0);
        c4 = outer_i(c4, subgroupBroadcast(w0, 4u), b0);
        c5 = outer_i(c5, subgroupBroadcast(w0, 5u), b0);
        c6 = outer_i(c6, subgroupBroadcast(w0, 6u), b0);
        c7 = outer_i(c7, subgroupBroadcast(w0, 7u), b0);
        c0 = outer_i(c0, subgroupBroadcast(w1, 0u), b1);
        c1 = outer_i(c1, subgroupBroadcast(w1, 1u), b1);
        c2 = outer_i(c2, subgroupBroadcast(w1, 2u), b1);
        c3 = outer_i(c3, subgroupBroadcast(w1, 3u), b1);
        c4 = outer_i(c4, subgroupBroadcast(w1, 4u), b1);
        c5 = outer_i(c5, subgroupBroadcast(w1, 5u), b1);
        c6 = outer_i(c6, subgroupBroadcast(w1, 6u), b1);
        c7 = outer_i(c7, subgroupBroadcast(w1, 7u), b1);
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

    // Of the invocation's four channels: their zero points, and what the sums lose by the pixels' one.
    let last_channel = channel_group * p.channels_out + p.channels_out - 1u;
    let own = min(
        channel_group * p.channels_out + channel + invocation * 4u + vec4(0u, 1u, 2u, 3u),
        vec4(last_channel),
    );
    let at = p.weight_zero_offset + own * p.weight_zero_channel;
    let zeros = vec4(weight_zero[at.x], weight_zero[at.y], weight_zero[at.z], weight_zero[at.w]) - p.weight_shift;
    let depth = i32(p.channels_in * taps);
    let less = zero * (weights - depth * zeros);
    // A loop: stores written out for each channel would take the driver longer to compile than all the rest.
    var tiles = array<array<vec4<i32>, 4>, 8>(c0, c1, c2, c3, c4, c5, c6, c7);
    var of_zeros = array<vec4<i32>, 8>(
        subgroupBroadcast(zeros, 0u),
        subgroupBroadcast(zeros, 1u),
        subgroupBroadcast(zeros, 2u),
        subgroupBroadcast(zeros, 3u),
        subgroupBroadcast(zeros, 4u),
        subgroupBroadcast(zeros, 5u),
        subgroupBroadcast(zeros, 6u),
        subgroupBroadcast(zeros, 7u),
    );
    var of_less = array<vec4<i32>, 8>(
        subgroupBroadcast(less, 0u),
        subgroupBroadcast(less, 1u),
        subgroupBroadcast(less, 2u),
        subgroupBroadcast(less, 3u),
        subgroupBroadcast(less, 4u),
        subgroupBroadcast(less, 5u),
        subgroupBroadcast(less, 6u),
        subgroupBroadcast(less, 7u),
    );
    for (var i = 0u; i < 32u && channel + i < p.channels_out; i++) {
        let to = (first_out + channel + i) * out_size + pixel;
        let v = tiles[i >> 2u][i & 3u] - vec4(of_less[i >> 2u][i & 3u]) - of_zeros[i >> 2u][i & 3u] * pixels;
        output[to.x] = v.x;
        output[to.y] = v.y;
        output[to.z] = v.z;
        output[to.w] = v.w;
    }
}
