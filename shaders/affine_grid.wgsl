// The coordinates that an affine map gives the points of a grid, one for each invocation.

struct Params {
    // Coordinates: images x points x axes.
    items: u32,
    axes: u32,
    points: u32,
    // Whether -1 and 1 are the middle of the outermost points, not their outer edges.
    align_corners: u32,
    // Columns, rows and planes.
    size: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> theta: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let row = item % p.axes;
    let point = item / p.axes;
    let map = (point / p.points * p.axes + row) * (p.axes + 1u);
    var rest = point % p.points;
    var sum = theta[map + p.axes];
    for (var k = 0u; k < p.axes; k++) {
        let size = p.size[k];
        let twice = 2 * i32(rest % size) + 1 - i32(size);
        rest /= size;
        let width = select(size, max(size - 1u, 1u), p.align_corners != 0u);
        sum = fma(theta[map + k], f32(twice) / f32(width), sum);
    }
    output[item] = sum;
}
