// Max and average pooling: one output for each invocation.

struct Params {
    // Outputs: images x channels x rows x columns.
    items: u32,
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
    // What an average with padding counts: the rows and columns from the padding's start to its end.
    padded_h: u32,
    padded_w: u32,
}

override AVERAGE: bool = false;
override COUNT_PADDING: bool = false;

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let x = i32(item % p.out_w * p.stride_x) - i32(p.pad_x);
    let y = i32(item / p.out_w % p.out_h * p.stride_y) - i32(p.pad_y);
    let plane = item / (p.out_w * p.out_h) * p.in_h * p.in_w;

    // The lowest finite value, as in onnxruntime. NaN does not count, as in the standard's reference.
    var best = lowest();
    var sum = 0.0;
    var count = 0u;
    for (var ky = 0u; ky < p.kernel_h; ky++) {
        let iy = y + i32(ky * p.dilation_y);
        let row_ok = iy >= 0 && iy < i32(p.in_h);
        let row = plane + u32(clamp(iy, 0, i32(p.in_h) - 1)) * p.in_w;
        for (var kx = 0u; kx < p.kernel_w; kx++) {
            let ix = x + i32(kx * p.dilation_x);
            let ok = row_ok && ix >= 0 && ix < i32(p.in_w);
            let v = input[row + u32(clamp(ix, 0, i32(p.in_w) - 1))];
            if AVERAGE {
                let counted = ok || (COUNT_PADDING && iy + i32(p.pad_y) < i32(p.padded_h)
                    && ix + i32(p.pad_x) < i32(p.padded_w));
                sum += select(0.0, v, ok);
                count += select(0u, 1u, counted);
            } else {
                best = select(best, v, ok && v > best);
            }
        }
    }
    output[item] = select(best, sum / f32(max(count, 1u)), AVERAGE);
}
