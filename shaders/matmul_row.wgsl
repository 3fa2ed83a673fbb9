// Matrix product of one row, of several requests with COALESCE: a workgroup computes 8 vectors of columns, and the invocations of each
// vector share the depth, every eighth four of it; their sums are added in order.

struct Params {
    // Factors of the product and of the bias.
    scale: f32,
    bias_scale: f32,
    // What halves of the weights are multiplied with.
    factor: f32,
    columns: u32,
    // Of one part, a multiple of 4.
    depth: u32,
    // Workgroups of a part of the depth; parts are results of their own.
    tiles: u32,
    // All below in elements.
    left_offset: u32,
    right_offset: u32,
    right_row: u32,
    // From 32 columns to the next.
    right_tile: u32,
    bias_column: u32,
    // Whether the product is an operator's result before the bias is added.
    apart: u32,
    has_residual: u32,
    // With COALESCE: the number of requests, then how far the tensors of each further one lie from the first's, in vec4.
    coalesced: array<vec4<u32>, 2>,
    // What its function takes: a zero that no compiler knows, and constants.
    epilogue: array<vec4<u32>, EPILOGUE>,
}

const REQUESTS: u32 = 8u;
const SLICES: u32 = 8u;

// Whether the rows of several requests are computed.
override COALESCE: bool = false;

@group(0) @binding(0) var<storage, read> left: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> right: array<WEIGHTS>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> sums: array<vec4<f32>, 64>;

// How far a request's tensors lie from the first's, in vec4.
fn distance(request: u32) -> u32 {
    return select(params.coalesced[request >> 2u][request & 3u], 0u, request == 0u);
}

fn put(p: Params, first: u32, column: u32, sum: vec4<f32>) {
    let at = min(column + vec4(0u, 1u, 2u, 3u), vec4(p.columns - 1u));
    let b = at * p.bias_column;
    var v = sum * p.scale;
    if p.apart != 0u {
        v = rounded(v);
    }
    v = fma(vec4(bias[b.x], bias[b.y], bias[b.z], bias[b.w]), vec4(p.bias_scale), v);
    if p.has_residual != 0u {
        let r = first + at;
        v = rounded(v) + vec4(residual[r.x], residual[r.y], residual[r.z], residual[r.w]);
    }
    v = epilogue(v);
    for (var i = 0u; i < min(4u, p.columns - column); i++) {
        output[first + column + i] = v[i];
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let part = workgroup.x / p.tiles;
    let quad = workgroup.x % p.tiles * 8u + local % 8u;
    // Vectors past the end repeat the last.
    let four = min(quad, (p.columns - 1u) / 4u);
    let left_at = (p.left_offset + part * p.depth) / 4u;
    let right_at = (p.right_offset + part * p.depth * p.right_row + four / 8u * p.right_tile + four % 8u * 4u) / 4u;
    let row = p.right_row / 4u;
    var requests = 1u;
    if COALESCE {
        requests = params.coalesced[0].x;
    }
    var acc = array<vec4<f32>, REQUESTS>();
    for (var k = local / 8u; k < p.depth / 4u; k += SLICES) {
        let at = right_at + 4u * k * row;
        let x = weights_of(right[at], p.factor);
        let y = weights_of(right[at + row], p.factor);
        let z = weights_of(right[at + 2u * row], p.factor);
        let w = weights_of(right[at + 3u * row], p.factor);
        for (var i = 0u; i < select(1u, REQUESTS, COALESCE); i++) {
            if i < requests {
                let a = left[left_at + k + distance(i)];
                acc[i] = fma(vec4(a.w), w, fma(vec4(a.z), z, fma(vec4(a.y), y, fma(vec4(a.x), x, acc[i]))));
            }
        }
    }
    for (var i = 0u; i < select(1u, REQUESTS, COALESCE); i++) {
        if i < requests {
            sums[local] = acc[i];
            workgroupBarrier();
            if local < 8u && quad * 4u < p.columns {
                var sum = sums[local];
                for (var slice = 1u; slice < SLICES; slice++) {
                    sum += sums[slice * 8u + local];
                }
                put(p, part * p.columns + 4u * distance(i), quad * 4u, sum);
            }
            workgroupBarrier();
        }
    }
}
