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

// By depth, then channel or pixel.
var<workgroup> tile_a: array<f32, 512>;
var<workgroup> tile_b: array<f32, 512>;

fn outer(acc: mat4x4<f32>, w: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        fma(vec4(w.x), b, acc[0]),
        fma(vec4(w.y), b, acc[1]),
        fma(vec4(w.z), b, acc[2]),
        fma(vec4(w.w), b, acc[3]),
    );
}

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
    // The pixel whose column of the matrix this invocation loads.
    let mine = min(pixel + local % 32u, pixels - 1u);
    let y = i32(mine / p.out_w * p.stride_y) - i32(p.pad_y);
    let x = i32(mine % p.out_w * p.stride_x) - i32(p.pad_x);

    var acc = mat4x4<f32>();
    let m = local / 8u;
    let n = local % 8u;
    for (var start = 0u; start < depth; start += 16u) {
        for (var i = 0u; i < 8u; i++) {
            let e = local + i * 64u;
            let am = e / 16u;
            let ak = start + e % 16u;
            let weight_at = (first_channel + min(channel + am, p.channels_out - 1u)) * depth + min(ak, depth - 1u);
            let a = weight_of(weight[weight_at >> WEIGHT_SHIFT], weight_at, p.factor);
            tile_a[e % 16u * 32u + am] = select(0.0, a, ak < depth);
            let bn = e % 32u;
            let bk = min(start + e / 32u, depth - 1u);
            let iy = y + i32(bk % taps / p.kernel_w * p.dilation_y);
            let ix = x + i32(bk % p.kernel_w * p.dilation_x);
            let inside = iy >= 0 && iy < i32(p.in_h) && ix >= 0 && ix < i32(p.in_w) && start + e / 32u < depth;
            let at = u32(clamp(iy, 0, i32(p.in_h) - 1)) * p.in_w + u32(clamp(ix, 0, i32(p.in_w) - 1));
            tile_b[e / 32u * 32u + bn] = select(0.0, input[first_in + bk / taps * plane + at], inside);
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k++) {
            let a = k * 32u + m * 4u;
            let b = k * 32u + n * 4u;
            acc = outer(
                acc,
                vec4(tile_a[a], tile_a[a + 1u], tile_a[a + 2u], tile_a[a + 3u]),
                vec4(tile_b[b], tile_b[b + 1u], tile_b[b + 2u], tile_b[b + 3u]),
            );
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
