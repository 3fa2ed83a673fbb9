// Samples up to three axes at the coordinates of a grid: one output for each invocation. A coordinate's elements and weights are
// found axis by axis.

struct Params {
    // Outputs: images x channels x points.
    items: u32,
    channels: u32,
    // Points of one image's grid, and their coordinates, from the last axis to the first.
    points: u32,
    axes: u32,
    // Elements of each axis that make one of the result: 1 the nearest, 2 linear, 4 cubic.
    taps: u32,
    // Beyond the axes: 0 zeros, 1 the border, 2 reflected.
    beyond: u32,
    // Whether -1 and 1 are the middle of the outermost elements, not their outer edges.
    align_corners: u32,
    pad: u32,
    // Planes, rows and columns.
    size: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> grid: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// Mirrors between the borders; `low` if they are one.
fn reflected(x: f32, low: f32, high: f32) -> f32 {
    let span = high - low;
    if span <= 0.0 {
        return low;
    }
    let outside = max(low - x, x - high);
    if !(outside > 0.0) {
        return x;
    }
    let turns = floor(outside / span);
    let rest = outside - turns * span;
    let odd = turns - 2.0 * floor(turns * 0.5) != 0.0;
    return select(low + rest, high - rest, (x < low) == odd);
}

struct Axis {
    // Where each tap is, and -1 where it is outside.
    at: vec4<i32>,
    weight: vec4<f32>,
}

fn axis_of(coordinate: f32, size: u32, taps: u32, beyond: u32, align: bool) -> Axis {
    let length = f32(size);
    let low = select(-0.5, 0.0, align);
    let high = select(length - 0.5, length - 1.0, align);
    var x = select(((coordinate + 1.0) * length - 1.0) / 2.0, (coordinate + 1.0) / 2.0 * (length - 1.0), align);
    // What is no number is beyond any axis.
    x = select(-16777216.0, clamp(x, -16777216.0, 16777216.0), x >= 0.0 || x < 0.0);
    if taps == 1u {
        x = round(x);
    }
    if x < low || x > high {
        if beyond == 1u {
            x = clamp(x, 0.0, length - 1.0);
        } else if beyond == 2u {
            x = reflected(x, low, high);
        }
    }
    let below = floor(x);
    let t = x - below;
    let first = i32(below) - select(0, 1, taps == 4u);
    var axis: Axis;
    axis.weight = vec4(1.0, 0.0, 0.0, 0.0);
    if taps == 2u {
        axis.weight = vec4(1.0 - t, t, 0.0, 0.0);
    } else if taps == 4u {
        let a = -0.75;
        let far = vec2(t + 1.0, 2.0 - t);
        let near = vec2(t, 1.0 - t);
        let outer = ((a * far - 5.0 * a) * far + 8.0 * a) * far - 4.0 * a;
        let inner = ((a + 2.0) * near - (a + 3.0)) * near * near + 1.0;
        axis.weight = vec4(outer.x, inner.x, inner.y, outer.y);
    }
    for (var k = 0u; k < taps; k++) {
        var at = first + i32(k);
        let outside = at < 0 || at >= i32(size);
        if outside && beyond == 2u {
            at = i32(reflected(f32(at), low, high));
        }
        at = clamp(at, 0, i32(size) - 1);
        axis.at[k] = select(at, -1, outside && beyond == 0u);
    }
    return axis;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let plane = item / p.points;
    let at = (plane / p.channels * p.points + item % p.points) * p.axes;
    let align = p.align_corners != 0u;
    let x = axis_of(grid[at], p.size.z, p.taps, p.beyond, align);
    var y = Axis(vec4(0), vec4(1.0, 0.0, 0.0, 0.0));
    var z = Axis(vec4(0), vec4(1.0, 0.0, 0.0, 0.0));
    var rows = 1u;
    var planes = 1u;
    if p.axes >= 2u {
        y = axis_of(grid[at + 1u], p.size.y, p.taps, p.beyond, align);
        rows = p.taps;
    }
    if p.axes >= 3u {
        z = axis_of(grid[at + 2u], p.size.x, p.taps, p.beyond, align);
        planes = p.taps;
    }
    var sum = 0.0;
    for (var k = 0u; k < planes; k++) {
        for (var j = 0u; j < rows; j++) {
            let row_ok = z.at[k] >= 0 && y.at[j] >= 0;
            let row = (plane * p.size.x + u32(max(z.at[k], 0))) * p.size.y + u32(max(y.at[j], 0));
            var line = 0.0;
            for (var i = 0u; i < p.taps; i++) {
                let v = input[row * p.size.z + u32(max(x.at[i], 0))];
                line = fma(x.weight[i], select(0.0, v, row_ok && x.at[i] >= 0), line);
            }
            sum = fma(z.weight[k] * y.weight[j], line, sum);
        }
    }
    output[item] = sum;
}
