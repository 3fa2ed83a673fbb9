// Convolution as an implicit matrix product from workgroup memory: 32 output channels of 32 pixels for each workgroup,
// 4 x 4 for each invocation. Weights as ONNX lays them out.

struct Params {
    alpha: f32,
    beta: f32,
    images: u32,
    groups: u32,
    // Of one group.
    channels_in: u32,
    channels_out: u32,
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

// 0 none, 1 relu, 2 clip, 3 leaky_relu, 4 sigmoid, 5 tanh, 6 hard_swish, 7 hard_sigmoid, 8 silu, 9 gelu, 10 gelu_tanh
override ACTIVATION: u32 = 0u;
override RESIDUAL: bool = false;

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

// By depth, then channel or pixel.
var<workgroup> tile_a: array<f32, 512>;
var<workgroup> tile_b: array<f32, 512>;

fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(-x));
}

fn safe_tanh(x: vec4<f32>) -> vec4<f32> {
    return tanh(clamp(x, vec4(-15.0), vec4(15.0)));
}

// Abramowitz and Stegun 7.1.26.
fn erf(x: vec4<f32>) -> vec4<f32> {
    let t = 1.0 / fma(abs(x), vec4(0.3275911), vec4(1.0));
    var p = fma(t, vec4(1.061405429), vec4(-1.453152027));
    p = fma(p, t, vec4(1.421413741));
    p = fma(p, t, vec4(-0.284496736));
    p = fma(p, t, vec4(0.254829592));
    return sign(x) * (1.0 - p * t * exp(-x * x));
}

fn activate(x: vec4<f32>, parameters: vec2<f32>) -> vec4<f32> {
    let alpha = vec4(parameters.x);
    let beta = vec4(parameters.y);
    switch ACTIVATION {
        case 1u: { return max(x, vec4(0.0)); }
        case 2u: { return min(max(x, alpha), beta); }
        case 3u: { return select(x, alpha * x, x < vec4(0.0)); }
        case 4u: { return sigmoid(x); }
        case 5u: { return safe_tanh(x); }
        case 6u: { return x * clamp(fma(x, vec4(1.0 / 6.0), vec4(0.5)), vec4(0.0), vec4(1.0)); }
        case 7u: { return clamp(fma(x, alpha, beta), vec4(0.0), vec4(1.0)); }
        case 8u: { return x * sigmoid(x); }
        case 9u: { return 0.5 * x * (1.0 + erf(x * 0.70710678)); }
        case 10u: { return 0.5 * x * (1.0 + safe_tanh(0.7978845608 * fma(0.044715 * x * x, x, x))); }
        default: { return x; }
    }
}

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
    if RESIDUAL {
        v += vec4(residual[at.x], residual[at.y], residual[at.z], residual[at.w]);
    }
    v = activate(v, vec2(p.alpha, p.beta));
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
            let a = weight[(first_channel + min(channel + am, p.channels_out - 1u)) * depth + min(ak, depth - 1u)];
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
