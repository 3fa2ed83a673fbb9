// Convolution as an implicit matrix product from workgroup memory: 32 output channels of 32 pixels for each workgroup and 4 x 4 for each
// invocation, or 64 of 64 and 8 x 8. Every output is one chain of `fma` over taps and channels, whatever the tile.

struct Params {
    images: u32,
    groups: u32,
    // Of one group.
    channels_in: u32,
    channels_out: u32,
    // Elements of the weights from group to group, and from channel to channel, with PACKED from 32 to the next.
    weight_group: u32,
    weight_tile: u32,
    // Elements of the bias from channel to channel.
    bias_channel: u32,
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

// Vectors of four channels, and of four pixels, of a tile: 8 or 16.
override WIDTH: u32 = 8u;
// Whether weights lie as in [tile of 32 channels][depth][32], or as ONNX lays them out.
override PACKED: bool = false;

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<WEIGHT>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;
// The same weights.
@group(0) @binding(6) var<storage, read> weight_quads: array<WEIGHTS>;

// Four channels or pixels each, at `place_in_tile`.
var<workgroup> tile_a: array<vec4<f32>, 264>;
var<workgroup> tile_b: array<vec4<f32>, 264>;

fn put(p: Params, image_group: u32, channel: u32, at: vec4<u32>, value: vec4<f32>) {
    if channel >= p.channels_out {
        return;
    }
    let pixels = p.out_h * p.out_w;
    let first = (image_group * p.channels_out + channel) * pixels;
    let near = first + min(at, vec4(pixels - 1u));
    var v = value + bias[(image_group % p.groups * p.channels_out + channel) * p.bias_channel];
    if p.has_residual != 0u {
        v = rounded(v) + vec4(residual[near.x], residual[near.y], residual[near.z], residual[near.w]);
    }
    v = epilogue(v);
    for (var i = 0u; i < 4u; i++) {
        if at[i] < pixels {
            output[first + at[i]] = v[i];
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let side = 4u * WIDTH;
    var tile = workgroup.x;
    let pixels = p.out_h * p.out_w;
    let channel_tiles = (p.channels_out + side - 1u) / side;
    let channel = tile % channel_tiles * side;
    tile /= channel_tiles;
    let pixel_tiles = (pixels + side - 1u) / side;
    let pixel = tile % pixel_tiles * side;
    tile /= pixel_tiles;
    let image_group = tile;
    let channel_group = image_group % p.groups;
    if image_group >= p.images * p.groups {
        return;
    }
    let taps = p.kernel_h * p.kernel_w;
    let depth = p.channels_in * taps;
    let last = depth - 1u;
    let plane = p.in_h * p.in_w;
    // Neighbouring vectors have neighbouring pixels, so that each access of one of the four is of a run of memory.
    let spread = vec4(0u, 1u, 2u, 3u) * WIDTH;

    // What this invocation loads of a step of the depth: four depths of a vector of channels, and of one of pixels.
    let groups = 64u / WIDTH;
    let am = select(local / groups, local % WIDTH, PACKED);
    let ak = select(local % groups, local / WIDTH, PACKED);
    let c = min(vec4(channel + am * 4u) + vec4(0u, 1u, 2u, 3u), vec4(p.channels_out - 1u));
    var a_at = channel_group * p.weight_group + c * p.weight_tile;
    if PACKED {
        let four = min(channel / 4u + am, (p.channels_out - 1u) / 4u);
        a_at = vec4(channel_group * p.weight_group + four / 8u * p.weight_tile + four % 8u * 4u);
    }
    let bn = local % WIDTH;
    let bk = local / WIDTH;
    let mine = min(vec4(pixel + bn) + spread, vec4(pixels - 1u));
    // Before the first row or column is far beyond the last.
    let y = mine / p.out_w * p.stride_y - p.pad_y;
    let x = mine % p.out_w * p.stride_x - p.pad_x;
    let b_at = image_group * p.channels_in * plane + y * p.in_w + x;

    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    let m = local / 8u;
    let n = local % 8u;
    for (var start = 0u; start < depth; start += 4u * groups) {
        for (var i = 0u; i < 4u; i++) {
            var k = i * groups + ak;
            let w = a_at + min(start + k, last) * select(1u, 32u, PACKED);
            var a: vec4<f32>;
            if PACKED {
                a = weights_of(weight_quads[w.x / 4u], p.factor);
            } else {
                a = vec4(
                    weight_of(weight[w.x >> WEIGHT_SHIFT], w.x, p.factor),
                    weight_of(weight[w.y >> WEIGHT_SHIFT], w.y, p.factor),
                    weight_of(weight[w.z >> WEIGHT_SHIFT], w.z, p.factor),
                    weight_of(weight[w.w >> WEIGHT_SHIFT], w.w, p.factor),
                );
            }
            tile_a[place_in_tile(k, am, WIDTH)] = select(vec4(0.0), a, start + k <= last);
            k = i * groups + bk;
            let tap = min(start + k, last);
            let down = tap % taps / p.kernel_w * p.dilation_y;
            let right = tap % taps % p.kernel_w * p.dilation_x;
            let inside = (y + down < vec4(p.in_h)) & (x + right < vec4(p.in_w)) & vec4(start + k <= last);
            let at = select(vec4(0u), b_at + (tap / taps * plane + down * p.in_w + right), inside);
            let b = vec4(input[at.x], input[at.y], input[at.z], input[at.w]);
            tile_b[place_in_tile(k, bn, WIDTH)] = select(vec4(0.0), b, inside);
        }
        workgroupBarrier();
        let end = min(groups, (depth - start + 3u) / 4u);
        for (var group = 0u; group < end; group++) {
            for (var i = 0u; i < 4u; i++) {
                let at = place_in_tile(4u * group + i, 0u, WIDTH);
                let a = tile_a[at + m];
                let b = tile_b[at + n];
                c00 = outer(c00, a, b);
                if WIDTH == 16u {
                    let far_a = tile_a[at + m + 8u];
                    let far_b = tile_b[at + n + 8u];
                    c01 = outer(c01, a, far_b);
                    c10 = outer(c10, far_a, b);
                    c11 = outer(c11, far_a, far_b);
                }
            }
        }
        workgroupBarrier();
    }

    // A copy: an index that is not constant would keep the sums in memory from the start.
    var sums = array<mat4x4<f32>, 4>(c00, c01, c10, c11);
    for (var i = 0u; i < WIDTH * WIDTH / 16u; i++) {
        let quarter = i / 4u;
        let at = vec4(pixel + n + quarter % 2u * 8u) + spread;
        put(p, image_group, channel + m * 4u + quarter / 2u * 32u + i % 4u, at, sums[quarter][i % 4u]);
    }
}
