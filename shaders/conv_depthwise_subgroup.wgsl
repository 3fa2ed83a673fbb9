// Convolution with as many groups as input channels, on CPU adapters whose subgroups have 8 invocations. A subgroup works on one output
// channel: an invocation goes down four columns of the output, with as many rows under way as the kernel has, so that a row of the input is
// loaded once. The weights, a row of the kernel an invocation, reach the others by shuffles.

struct Params {
    // Subgroups' worth of work: images x channels x blocks.
    tiles: u32,
    // Of the output.
    channels: u32,
    // Output channels of an input channel.
    multiplier: u32,
    // Of what eight invocations compute, in an image's channel.
    blocks: u32,
    // Of the output that an invocation computes.
    rows: u32,
    has_residual: u32,
    // What halves of the weights are multiplied with.
    factor: f32,
    in_h: u32,
    in_w: u32,
    out_h: u32,
    out_w: u32,
    // At most COLUMNS.
    kernel_h: u32,
    kernel_w: u32,
    stride_y: u32,
    // 1 or 2.
    stride_x: u32,
    pad_y: u32,
    pad_x: u32,
    dilation_y: u32,
    // 1.
    dilation_x: u32,
    // What its function takes: a zero that no compiler knows, and constants.
    epilogue: array<vec4<u32>, EPILOGUE>,
}

// The kernel's: 3 or 5.
override COLUMNS: u32 = 3u;

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<WEIGHT>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;

fn elements(row: u32, columns: vec4<i32>, row_inside: bool) -> vec4<f32> {
    let last = i32(params.in_w) - 1;
    let at = row + vec4<u32>(clamp(columns, vec4(0), vec4(last)));
    let inside = vec4(row_inside) & (columns >= vec4(0)) & (columns <= vec4(last));
    return select(vec4(0.0), vec4(input[at.x], input[at.y], input[at.z], input[at.w]), inside);
}

fn tap(at: u32) -> f32 {
    return weight_of(weight[at >> WEIGHT_SHIFT], at, params.factor);
}

fn store(at: u32, count: u32, sum: vec4<f32>) {
    var v = sum;
    let places = at + min(vec4(0u, 1u, 2u, 3u), vec4(count - 1u));
    if params.has_residual != 0u {
        v = rounded(v) + vec4(residual[places.x], residual[places.y], residual[places.z], residual[places.w]);
    }
    v = epilogue(v);
    if params.out_w % 4u == 0u {
        output[at >> 2u] = v;
    } else {
        output[at >> 2u][at & 3u] = v.x;
        if count > 1u {
            output[places.y >> 2u][places.y & 3u] = v.y;
        }
        if count > 2u {
            output[places.z >> 2u][places.z & 3u] = v.z;
        }
        if count > 3u {
            output[places.w >> 2u][places.w & 3u] = v.w;
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let invocation = local & 7u;
    let tile = workgroup.x * 8u + (local >> 3u);
    if tile >= p.tiles {
        return;
    }
    let fours = (p.out_w + 3u) / 4u;
    let bands = (p.out_h + p.rows - 1u) / p.rows;
    let plane = tile / p.blocks;
    let channel = plane % p.channels;
    let place = min(tile % p.blocks * 8u + invocation, fours * bands - 1u);
    let column = place % fours * 4u;
    let out_y = place / fours * p.rows;

    let weight_at = (channel * p.kernel_h + min(invocation, p.kernel_h - 1u)) * COLUMNS;
    let k0 = tap(weight_at);
    let k1 = tap(weight_at + 1u);
    let k2 = tap(weight_at + 2u);
    var k3 = 0.0;
    var k4 = 0.0;
    if COLUMNS == 5u {
        k3 = tap(weight_at + 3u);
        k4 = tap(weight_at + 4u);
    }

    let start = plane / p.multiplier * p.in_h * p.in_w;
    let x = i32(column * p.stride_x) - i32(p.pad_x);
    let two = p.stride_x == 2u;
    var y = i32(out_y * p.stride_y) - i32(p.pad_y);
    let before = vec4(bias[channel]);
    // The rows of the output that a row of the input is part of, from the first that is not done.
    var sum0 = before;
    var sum1 = before;
    var sum2 = before;
    var sum3 = before;
    var sum4 = before;
    // Which row of the kernel meets the row of the input for the first of them.
    var k = 0;
    var at = (plane * p.out_h + out_y) * p.out_w + column;
    let count = p.out_w - column;
    let steps = p.kernel_h + (p.rows - 1u) * p.stride_y;
    var left = min(p.rows, p.out_h - out_y);
    for (var j = 0u; j < steps; j++) {
        let row_inside = y >= 0 && y < i32(p.in_h);
        let row = start + u32(clamp(y, 0, i32(p.in_h) - 1)) * p.in_w;
        y++;
        // Columns from x on: four, and two, four or eight more.
        let a = elements(row, x + vec4(0, 1, 2, 3), row_inside);
        var b = vec4(0.0);
        var c = vec4(0.0);
        if COLUMNS == 3u && !two {
            let end = i32(p.in_w) - 1;
            let more = x + vec2(4, 5);
            let at = row + vec2<u32>(clamp(more, vec2(0), vec2(end)));
            let inside = vec2(row_inside) & (more >= vec2(0)) & (more <= vec2(end));
            b = vec4(select(vec2(0.0), vec2(input[at.x], input[at.y]), inside), 0.0, 0.0);
        } else {
            b = elements(row, x + vec4(4, 5, 6, 7), row_inside);
            if two {
                c = elements(row, x + vec4(8, 9, 10, 10), row_inside);
            }
        }
        let v0 = select(a, vec4(a.xz, b.xz), two);
        let v1 = select(vec4(a.yzw, b.x), vec4(a.yw, b.yw), two);
        let v2 = select(vec4(a.zw, b.xy), vec4(a.z, b.xz, c.x), two);
        let v3 = select(vec4(a.w, b.xyz), vec4(a.w, b.yw, c.y), two);
        let v4 = select(b, vec4(b.xz, c.xz), two);
        if k >= 0 && k < i32(p.kernel_h) {
            let tap_row = u32(k);
            sum0 = fma(vec4(subgroupShuffle(k0, tap_row)), v0, sum0);
            sum0 = fma(vec4(subgroupShuffle(k1, tap_row)), v1, sum0);
            sum0 = fma(vec4(subgroupShuffle(k2, tap_row)), v2, sum0);
            if COLUMNS == 5u {
                sum0 = fma(vec4(subgroupShuffle(k3, tap_row)), v3, sum0);
                sum0 = fma(vec4(subgroupShuffle(k4, tap_row)), v4, sum0);
            }
        }
        if k - i32(p.stride_y) >= 0 && k - i32(p.stride_y) < i32(p.kernel_h) {
            let tap_row = u32(k - i32(p.stride_y));
            sum1 = fma(vec4(subgroupShuffle(k0, tap_row)), v0, sum1);
            sum1 = fma(vec4(subgroupShuffle(k1, tap_row)), v1, sum1);
            sum1 = fma(vec4(subgroupShuffle(k2, tap_row)), v2, sum1);
            if COLUMNS == 5u {
                sum1 = fma(vec4(subgroupShuffle(k3, tap_row)), v3, sum1);
                sum1 = fma(vec4(subgroupShuffle(k4, tap_row)), v4, sum1);
            }
        }
        if k - 2 * i32(p.stride_y) >= 0 && k - 2 * i32(p.stride_y) < i32(p.kernel_h) {
            let tap_row = u32(k - 2 * i32(p.stride_y));
            sum2 = fma(vec4(subgroupShuffle(k0, tap_row)), v0, sum2);
            sum2 = fma(vec4(subgroupShuffle(k1, tap_row)), v1, sum2);
            sum2 = fma(vec4(subgroupShuffle(k2, tap_row)), v2, sum2);
            if COLUMNS == 5u {
                sum2 = fma(vec4(subgroupShuffle(k3, tap_row)), v3, sum2);
                sum2 = fma(vec4(subgroupShuffle(k4, tap_row)), v4, sum2);
            }
        }
        if COLUMNS == 5u && k - 3 * i32(p.stride_y) >= 0 && k - 3 * i32(p.stride_y) < i32(p.kernel_h) {
            let tap_row = u32(k - 3 * i32(p.stride_y));
            sum3 = fma(vec4(subgroupShuffle(k0, tap_row)), v0, sum3);
            sum3 = fma(vec4(subgroupShuffle(k1, tap_row)), v1, sum3);
            sum3 = fma(vec4(subgroupShuffle(k2, tap_row)), v2, sum3);
            if COLUMNS == 5u {
                sum3 = fma(vec4(subgroupShuffle(k3, tap_row)), v3, sum3);
                sum3 = fma(vec4(subgroupShuffle(k4, tap_row)), v4, sum3);
            }
        }
        if COLUMNS == 5u && k - 4 * i32(p.stride_y) >= 0 && k - 4 * i32(p.stride_y) < i32(p.kernel_h) {
            let tap_row = u32(k - 4 * i32(p.stride_y));
            sum4 = fma(vec4(subgroupShuffle(k0, tap_row)), v0, sum4);
            sum4 = fma(vec4(subgroupShuffle(k1, tap_row)), v1, sum4);
            sum4 = fma(vec4(subgroupShuffle(k2, tap_row)), v2, sum4);
            if COLUMNS == 5u {
                sum4 = fma(vec4(subgroupShuffle(k3, tap_row)), v3, sum4);
                sum4 = fma(vec4(subgroupShuffle(k4, tap_row)), v4, sum4);
            }
        }
        k++;
        if k == i32(p.kernel_h) {
            k -= i32(p.stride_y);
            if left > 0u {
                left--;
                store(at, count, sum0);
            }
            at += p.out_w;
            sum0 = sum1;
            sum1 = sum2;
            sum2 = before;
            if COLUMNS == 5u {
                sum2 = sum3;
                sum3 = sum4;
                sum4 = before;
            }
        }
    }
}
