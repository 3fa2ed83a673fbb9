// Sums columns of blocks into images of up to three axes: each invocation sums, for one pixel, the blocks that reach it.

struct Params {
    // Pixels: images x channels x planes x rows x columns.
    items: u32,
    // Each of planes, rows and columns; the input's are numbers of blocks.
    input_size: vec4<u32>,
    output_size: vec4<u32>,
    kernel_size: vec4<u32>,
    stride: vec4<u32>,
    dilation: vec4<u32>,
    padding: vec4<u32>,
    // From one tap that can reach a pixel to the next.
    step: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let index = workgroup.x * 64u + local;
    if index >= p.items {
        return;
    }
    var item = index;
    var reach = p.padding.xyz;
    reach.z += item % p.output_size.z;
    item /= p.output_size.z;
    reach.y += item % p.output_size.y;
    item /= p.output_size.y;
    reach.x += item % p.output_size.x;
    item /= p.output_size.x;

    let taps = p.kernel_size.x * p.kernel_size.y * p.kernel_size.z;
    let blocks = p.input_size.x * p.input_size.y * p.input_size.z;
    let start = vec3(
        first_tap(reach.x, p.stride.x, p.dilation.x, p.step.x),
        first_tap(reach.y, p.stride.y, p.dilation.y, p.step.y),
        first_tap(reach.z, p.stride.z, p.dilation.z, p.step.z),
    );
    var sum = 0.0;
    for (var kz = start.x; kz < p.kernel_size.x; kz += p.step.x) {
        let z = source_of(reach.x, kz * p.dilation.x, p.stride.x);
        if z >= p.input_size.x {
            continue;
        }
        for (var ky = start.y; ky < p.kernel_size.y; ky += p.step.y) {
            let y = source_of(reach.y, ky * p.dilation.y, p.stride.y);
            if y >= p.input_size.y {
                continue;
            }
            for (var kx = start.z; kx < p.kernel_size.z; kx += p.step.z) {
                let x = source_of(reach.z, kx * p.dilation.z, p.stride.z);
                if x >= p.input_size.z {
                    continue;
                }
                let tap = (kz * p.kernel_size.y + ky) * p.kernel_size.z + kx;
                let block = (z * p.input_size.y + y) * p.input_size.z + x;
                sum += input[(item * taps + tap) * blocks + block];
            }
        }
    }
    output[index] = sum;
}
