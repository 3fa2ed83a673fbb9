// Convolution as an implicit matrix product from workgroup memory: 32 output channels of 32 pixels for each workgroup,
// 4 x 4 for each invocation. Weights as ONNX lays them out.

struct Params {
    images: u32,
    groups: u32,
    // Of one group.
    channels_in: u32,
    channels_out: u32,
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

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<WEIGHT>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

// Four channels or pixels each, at `place_in_tile`.
var<workgroup> tile_a: array<vec4<f32>, 128>;
var<workgroup> tile_b: array<vec4<f32>, 128>;

fn put(p: Params, channel: u32, first: u32, pixel: u32, pixels: u32, value: vec4<f32>) {
    if pixel >= pixels {
        return;
    }
    let at = first + min(pixel + vec4(0u, 1u, 2u, 3u), vec4(pixels - 1u));
    var v = value + bias[channel];
    if p.has_residual != 0u {
        v = rounded(v) + vec4(residual[at.x], residual[at.y], residual[at.z], residual[at.w]);
    }
    v = epilogue(v);
    for (var i = 0u; i < min(4u, pixels - pixel); i++) {
        output[first + pixel + i] = v[i];
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var tile = workgroup.x;
    let pixels = p.out_h * p.out_w;
    let channel_tiles = (p.channels_out + 31u) / 32u;
    let channel = tile % channel_tiles * 32u;
    tile /= channel_tiles;
    let pixel_tiles = (pixels + 31u) / 32u;
    let pixel = tile % pixel_tiles * 32u;
    tile /= pixel_tiles;
    let channel_group = tile % p.groups;
    let image = tile / p.groups;
    if image >= p.images {
        return;
    }
    let taps = p.kernel_h * p.kernel_w;
    let depth = p.channels_in * taps;
    let plane = p.in_h * p.in_w;
    let first_in = (image * p.groups + channel_group) * p.channels_in * plane;
    let first_channel = channel_group * p.channels_out;
    // The pixels whose columns of the matrix this invocation loads.
    let mine = min(vec4(pixel + local % 8u * 4u) + vec4(0u, 1u, 2u, 3u), vec4(pixels - 1u));
    let y = vec4<i32>(mine / p.out_w * p.stride_y) - i32(p.pad_y);
    let x = vec4<i32>(mine % p.out_w * p.stride_x) - i32(p.pad_x);

    var acc = mat4x4<f32>();
    let m = local / 8u;
    let n = local % 8u;
    for (var start = 0u; start < depth; start += 16u) {
        for (var i = 0u; i < 2u; i++) {
            let e = local + i * 64u;
            let ak = e % 16u;
            let c = min(vec4(channel + e / 16u * 4u) + vec4(0u, 1u, 2u, 3u), vec4(p.channels_out - 1u));
            let w = (first_channel + c) * depth + min(start + ak, depth - 1u);
            let a = vec4(
                weight_of(weight[w.x >> WEIGHT_SHIFT], w.x, p.factor),
                weight_of(weight[w.y >> WEIGHT_SHIFT], w.y, p.factor),
                weight_of(weight[w.z >> WEIGHT_SHIFT], w.z, p.factor),
                weight_of(weight[w.w >> WEIGHT_SHIFT], w.w, p.factor),
            );
            tile_a[place_in_tile(ak, e / 16u)] = select(vec4(0.0), a, start + ak < depth);
            let bk = e / 8u;
            let tap = min(start + bk, depth - 1u);
            let iy = y + i32(tap % taps / p.kernel_w * p.dilation_y);
            let ix = x + i32(tap % p.kernel_w * p.dilation_x);
            let in_y = (iy >= vec4(0i)) & (iy < vec4(i32(p.in_h)));
            let inside = in_y & (ix >= vec4(0i)) & (ix < vec4(i32(p.in_w))) & vec4(start + bk < depth);
            let row = vec4<u32>(clamp(iy, vec4(0i), vec4(i32(p.in_h) - 1)));
            let at = first_in + tap / taps * plane + row * p.in_w + vec4<u32>(clamp(ix, vec4(0i), vec4(i32(p.in_w) - 1)));
            let b = vec4(input[at.x], input[at.y], input[at.z], input[at.w]);
            tile_b[place_in_tile(bk, local % 8u)] = select(vec4(0.0), b, inside);
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k++) {
            acc = outer(acc, tile_a[place_in_tile(k, m)], tile_b[place_in_tile(k, n)]);
        }
        workgroupBarrier();
    }

    for (var i = 0u; i < 4u; i++) {
        let c = channel + m * 4u + i;
        if c < p.channels_out {
            let out_channel = first_channel + c;
            put(p, out_channel, (image * p.groups * p.channels_out + out_channel) * pixels, pixel + n * 4u, pixels, acc[i]);
        }
    }
}
