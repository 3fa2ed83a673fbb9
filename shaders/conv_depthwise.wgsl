// Depthwise convolution (one input channel for each output channel, or a multiplier): 4 neighbouring pixels of a row for
// each invocation.

struct Params {
    // Invocations: images x channels x rows x groups of four columns.
    items: u32,
    channels: u32,
    // Output channels for each input channel.
    multiplier: u32,
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

// Three columns with unit stride and dilation: a row's window is loaded once for its three taps. As a parameter it cost
// mobilenet_v2 several percent on llvmpipe, which computes both sides.
override WINDOW: bool = false;

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<WEIGHT>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

fn tap(at: u32) -> vec4<f32> {
    return vec4(weight_of(weight[at >> WEIGHT_SHIFT], at, params.factor));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let quads = (p.out_w + 3u) / 4u;
    let column = 4u * (item % quads);
    item /= quads;
    let out_y = item % p.out_h;
    item /= p.out_h;
    let channel = item % p.channels;
    let plane = (item / p.multiplier) * p.in_h * p.in_w;
    let pixel = vec4(column) + vec4(0u, 1u, 2u, 3u);
    let x = vec4<i32>(min(pixel, vec4(p.out_w - 1u)) * p.stride_x) - i32(p.pad_x);
    let y = i32(out_y * p.stride_y) - i32(p.pad_y);
    let last = i32(p.in_w) - 1;

    var acc = vec4(bias[channel]);
    var weight_at = channel * p.kernel_h * p.kernel_w;
    for (var ky = 0u; ky < p.kernel_h; ky++) {
        let iy = y + i32(ky * p.dilation_y);
        let row_ok = iy >= 0 && iy < i32(p.in_h);
        let row = plane + u32(clamp(iy, 0, i32(p.in_h) - 1)) * p.in_w;
        if WINDOW {
            let start = i32(column) - i32(p.pad_x);
            let near = start + vec4(0, 1, 2, 3);
            let far = start + vec2(4, 5);
            let near_at = row + vec4<u32>(clamp(near, vec4(0), vec4(last)));
            let far_at = row + vec2<u32>(clamp(far, vec2(0), vec2(last)));
            let a = select(
                vec4(0.0),
                vec4(input[near_at.x], input[near_at.y], input[near_at.z], input[near_at.w]),
                vec4(row_ok) & (near >= vec4(0)) & (near <= vec4(last)),
            );
            let b = select(
                vec2(0.0),
                vec2(input[far_at.x], input[far_at.y]),
                vec2(row_ok) & (far >= vec2(0)) & (far <= vec2(last)),
            );
            acc = fma(tap(weight_at), a, acc);
            acc = fma(tap(weight_at + 1u), vec4(a.yzw, b.x), acc);
            acc = fma(tap(weight_at + 2u), vec4(a.zw, b), acc);
            weight_at += 3u;
        } else {
            for (var kx = 0u; kx < p.kernel_w; kx++) {
                let ix = x + i32(kx * p.dilation_x);
                let at = row + vec4<u32>(clamp(ix, vec4(0), vec4(last)));
                let v = select(
                    vec4(0.0),
                    vec4(input[at.x], input[at.y], input[at.z], input[at.w]),
                    vec4(row_ok) & (ix >= vec4(0)) & (ix <= vec4(last)),
                );
                acc = fma(tap(weight_at), v, acc);
                weight_at++;
            }
        }
    }

    let to = (item * p.out_h + out_y) * p.out_w + column;
    let count = p.out_w - column;
    let at = to + min(vec4(0u, 1u, 2u, 3u), vec4(count - 1u));
    if p.has_residual != 0u {
        acc = rounded(acc) + vec4(residual[at.x], residual[at.y], residual[at.z], residual[at.w]);
    }
    acc = epilogue(acc);
    output[to] = acc.x;
    if count > 1u {
        output[to + 1u] = acc.y;
    }
    if count > 2u {
        output[to + 2u] = acc.z;
    }
    if count > 3u {
        output[to + 3u] = acc.w;
    }
}
