// Averages or maxima of points sampled in regions of images: one output for each invocation.

struct Params {
    // Outputs: regions x channels x rows x columns.
    items: u32,
    images: u32,
    channels: u32,
    in_h: u32,
    in_w: u32,
    out_h: u32,
    out_w: u32,
    // Points in each direction of a bin; 0 as many as it spans elements.
    sampling: u32,
    // What an element's coordinates are less than its edges: 0.5 or 0.
    shift: f32,
    scale: f32,
    maximum: u32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> regions: array<f32>;
@group(0) @binding(2) var<storage, read> images: array<i32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read_write> report: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

// A side of a bin: its first coordinate, its width, and its points, of which those from `low` to `high` may lie inside.
struct Side {
    start: f32,
    width: f32,
    count: f32,
    low: i32,
    high: i32,
}

fn side_of(begin: f32, end: f32, bins: u32, bin: u32, size: u32) -> Side {
    let p = params;
    let extent = end - begin;
    let whole = select(max(extent, 1.0), extent, p.shift != 0.0);
    var side: Side;
    side.width = whole / f32(bins);
    side.start = begin + f32(bin) * side.width;
    let adaptive = p.sampling == 0u;
    side.count = select(f32(p.sampling), clamp(ceil(side.width), 0.0, 1073741824.0), adaptive);
    side.low = 0;
    side.high = i32(side.count);
    // Of a huge region only a small part lies inside.
    if adaptive && side.count > 64.0 {
        let pace = side.count / side.width;
        side.low = i32(clamp((-1.0 - side.start) * pace - 3.0, 0.0, side.count));
        side.high = i32(clamp((f32(size) - side.start) * pace + 3.0, 0.0, side.count));
        side.high = min(side.high, side.low + 2 * i32(size) + 16);
    }
    return side;
}

// The elements before and behind a coordinate, and how far it lies from the first.
struct Place {
    low: u32,
    high: u32,
    part: f32,
    inside: bool,
}

fn place_of(side: Side, i: i32, size: u32) -> Place {
    let at = side.start + (f32(i) + 0.5) * side.width / side.count;
    var place: Place;
    place.inside = at >= -1.0 && at <= f32(size);
    let x = clamp(at, 0.0, f32(size - 1u));
    place.low = min(u32(x), size - 1u);
    place.high = min(place.low + 1u, size - 1u);
    place.part = x - f32(place.low);
    return place;
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
    let region = item / (p.out_w * p.out_h * p.channels);
    let given = images[region];
    let image = u32(clamp(given, 0, i32(p.images) - 1));
    if image != bitcast<u32>(given) {
        report[0] = 1u;
    }
    let plane = (image * p.channels + channel) * p.in_h * p.in_w;
    let corners = vec4(regions[4u * region], regions[4u * region + 1u], regions[4u * region + 2u], regions[4u * region + 3u]);
    let edges = corners * p.scale - vec4(p.shift);
    let x = side_of(edges.x, edges.z, p.out_w, bin_x, p.in_w);
    let y = side_of(edges.y, edges.w, p.out_h, bin_y, p.in_h);

    var sum = 0.0;
    var best = lowest();
    var any_point = false;
    // Points outside are zeros.
    if (y.low > 0 || x.low > 0 || f32(y.high) < y.count || f32(x.high) < x.count) && x.count > 0.0 && y.count > 0.0 {
        best = 0.0;
        any_point = true;
    }
    for (var i = y.low; i < y.high; i++) {
        let row = place_of(y, i, p.in_h);
        for (var j = x.low; j < x.high; j++) {
            let column = place_of(x, j, p.in_w);
            let upper = plane + row.low * p.in_w;
            let lower = plane + row.high * p.in_w;
            let near = vec2(1.0 - row.part, row.part);
            let weights = vec4(near * (1.0 - column.part), near * column.part);
            let values = vec4(
                input[upper + column.low],
                input[lower + column.low],
                input[upper + column.high],
                input[lower + column.high],
            );
            let inside = row.inside && column.inside;
            let terms = select(vec4(0.0), weights * values, vec4(inside));
            sum += (terms.x + terms.z) + (terms.y + terms.w);
            // The largest of the weighted corners, as the standard's reference and onnxruntime have it.
            best = max(best, max(max(terms.x, terms.y), max(terms.z, terms.w)));
            any_point = true;
        }
    }
    let average = sum / max(x.count * y.count, 1.0);
    output[item] = select(average, select(0.0, best, any_point), p.maximum != 0u);
}
