// Convolution over three axes: 4 neighbouring columns of a row, of up to 4 output channels of a group, for each invocation.

struct Params {
    // Invocations: images x groups x quads of channels x planes x rows x groups of four columns.
    items: u32,
    groups: u32,
    // Channels of one group.
    channels_in: u32,
    channels_out: u32,
    has_residual: u32,
    // What halves of the weights are multiplied with.
    factor: f32,
    // Each of planes, rows and columns.
    input_size: vec4<u32>,
    output_size: vec4<u32>,
    kernel_size: vec4<u32>,
    stride: vec4<u32>,
    dilation: vec4<u32>,
    padding: vec4<u32>,
    // What its function takes: a zero that no compiler knows, and constants.
    epilogue: array<vec4<u32>, EPILOGUE>,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<WEIGHT>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

fn tap(at: u32) -> vec4<f32> {
    return vec4(weight_of(weight[at >> WEIGHT_SHIFT], at, params.factor));
}

// Writes what there is of four columns of one channel.
fn put(sum: vec4<f32>, to: u32, count: u32) {
    let at = to + min(vec4(0u, 1u, 2u, 3u), vec4(count - 1u));
    var acc = sum;
    if params.has_residual != 0u {
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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let column_quads = (p.output_size.z + 3u) / 4u;
    let column = 4u * (item % column_quads);
    item /= column_quads;
    let out_y = item % p.output_size.y;
    item /= p.output_size.y;
    let out_z = item % p.output_size.x;
    item /= p.output_size.x;
    let quads = (p.channels_out + 3u) / 4u;
    let first = 4u * (item % quads);
    // Of all images.
    let group = item / quads;
    // Channels of the tile, the last one again where there are fewer than four.
    let outputs = min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(p.channels_out - 1u));
    let channel = group % p.groups * p.channels_out + outputs;
    let pixel = min(vec4(column) + vec4(0u, 1u, 2u, 3u), vec4(p.output_size.z - 1u));
    let x = vec4<i32>(pixel * p.stride.z) - i32(p.padding.z);
    let y = i32(out_y * p.stride.y) - i32(p.padding.y);
    let z = i32(out_z * p.stride.x) - i32(p.padding.x);
    let size = vec3<i32>(p.input_size.xyz);

    var a = vec4(bias[channel.x]);
    var b = vec4(bias[channel.y]);
    var c = vec4(bias[channel.z]);
    var d = vec4(bias[channel.w]);
    var weight_at = channel * (p.channels_in * p.kernel_size.x * p.kernel_size.y * p.kernel_size.z);
    for (var k = 0u; k < p.channels_in; k++) {
        let volume = (group * p.channels_in + k) * p.input_size.x;
        for (var kz = 0u; kz < p.kernel_size.x; kz++) {
            let iz = z + i32(kz * p.dilation.x);
            let plane_ok = iz >= 0 && iz < size.x;
            let plane = (volume + u32(clamp(iz, 0, size.x - 1))) * p.input_size.y;
            for (var ky = 0u; ky < p.kernel_size.y; ky++) {
                let iy = y + i32(ky * p.dilation.y);
                let row_ok = plane_ok && iy >= 0 && iy < size.y;
                let row = (plane + u32(clamp(iy, 0, size.y - 1))) * p.input_size.z;
                for (var kx = 0u; kx < p.kernel_size.z; kx++) {
                    let ix = x + i32(kx * p.dilation.z);
                    let at = row + vec4<u32>(clamp(ix, vec4(0), vec4(size.z - 1)));
                    let v = select(
                        vec4(0.0),
                        vec4(input[at.x], input[at.y], input[at.z], input[at.w]),
                        vec4(row_ok) & (ix >= vec4(0)) & (ix < vec4(size.z)),
                    );
                    a = fma(tap(weight_at.x), v, a);
                    b = fma(tap(weight_at.y), v, b);
                    c = fma(tap(weight_at.z), v, c);
                    d = fma(tap(weight_at.w), v, d);
                    weight_at += vec4(1u);
                }
            }
        }
    }

    let area = p.output_size.y * p.output_size.z;
    let pixels = p.output_size.x * area;
    let to = (group * p.channels_out + first) * pixels + out_z * area + out_y * p.output_size.z + column;
    let columns = p.output_size.z - column;
    let count = p.channels_out - first;
    put(a, to, columns);
    if count > 1u {
        put(b, to + pixels, columns);
    }
    if count > 2u {
        put(c, to + 2u * pixels, columns);
    }
    if count > 3u {
        put(d, to + 3u * pixels, columns);
    }
}
