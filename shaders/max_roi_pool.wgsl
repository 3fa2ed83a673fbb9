// The maxima of the bins of regions of images: one output for each invocation.

struct Params {
    // Outputs: regions x channels x rows x columns.
    items: u32,
    images: u32,
    channels: u32,
    in_h: u32,
    in_w: u32,
    out_h: u32,
    out_w: u32,
    scale: f32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
// Image, and the corners' coordinates.
@group(0) @binding(1) var<storage, read> regions: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read_write> report: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

// What products with bins can hold.
const FARTHEST: f32 = 1048576.0;

// Rounded half away from zero.
fn corner(scaled: f32) -> i32 {
    let size = i32(min(floor(abs(scaled) + 0.5), FARTHEST));
    return select(size, -size, scaled < 0.0);
}

// The first element of a bin and the one behind its last.
fn bin_of(first: i32, last: i32, bin: u32, bins: u32, size: u32) -> vec2<i32> {
    let extent = u32(max(last - first + 1, 1));
    let begin = first + i32(bin * extent / bins);
    let end = first + i32(((bin + 1u) * extent + bins - 1u) / bins);
    return clamp(vec2(begin, end), vec2(0), vec2(i32(size)));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let bin_x = item % p.out_w;
    let bin_y = item / p.out_w % p.out_h;
    let channel = item / (p.out_w * p.out_h) % p.channels;
    let region = 5u * (item / (p.out_w * p.out_h * p.channels));
    let given = regions[region];
    let image = u32(clamp(given, 0.0, f32(p.images - 1u)));
    let corners = p.scale
        * vec4(regions[region + 1u], regions[region + 2u], regions[region + 3u], regions[region + 4u]);
    if !(f32(image) == given && all(abs(corners) < vec4(FARTHEST))) {
        report[0] = 1u;
    }
    let plane = (min(image, p.images - 1u) * p.channels + channel) * p.in_h * p.in_w;
    let x = bin_of(corner(corners.x), corner(corners.z), bin_x, p.out_w, p.in_w);
    let y = bin_of(corner(corners.y), corner(corners.w), bin_y, p.out_h, p.in_h);
    var best = lowest();
    for (var i = y.x; i < y.y; i++) {
        for (var j = x.x; j < x.y; j++) {
            let v = input[plane + u32(i) * p.in_w + u32(j)];
            best = select(best, v, v > best);
        }
    }
    output[item] = select(best, 0.0, x.y <= x.x || y.y <= y.x);
}
