// Adds the parts of a product or a convolution whose depth was divided, in their order, and does what comes after the sum. Results are
// blocks of rows of columns; the rows of a convolution are its channels.

struct Params {
    // Factors of the product and of the bias.
    scale: f32,
    bias_scale: f32,
    items: u32,
    parts: u32,
    // Results that lie beside each other in each part: all, or an image.
    block: u32,
    rows: u32,
    columns: u32,
    // In elements.
    bias_row: u32,
    bias_column: u32,
    // Whether the product is an operator's result before the bias is added.
    apart: u32,
    has_residual: u32,
    // What its function takes: a zero that no compiler knows, and constants.
    epilogue: array<vec4<u32>, EPILOGUE>,
}

@group(0) @binding(0) var<storage, read> part: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> residual: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let mine = workgroup.x * 256u + local + vec4(0u, 64u, 128u, 192u);
    let item = min(mine, vec4(p.items - 1u));
    var at = item / p.block * (p.block * p.parts) + item % p.block;
    var v = vec4(part[at.x], part[at.y], part[at.z], part[at.w]);
    for (var i = 1u; i < p.parts; i++) {
        at += p.block;
        v += vec4(part[at.x], part[at.y], part[at.z], part[at.w]);
    }
    v *= p.scale;
    if p.apart != 0u {
        v = rounded(v);
    }
    let b = item / p.columns % p.rows * p.bias_row + item % p.columns * p.bias_column;
    v = fma(vec4(bias[b.x], bias[b.y], bias[b.z], bias[b.w]), vec4(p.bias_scale), v);
    if p.has_residual != 0u {
        v = rounded(v) + vec4(residual[item.x], residual[item.y], residual[item.z], residual[item.w]);
    }
    v = epilogue(v);
    for (var i = 0u; i < 4u; i++) {
        if mine[i] < p.items {
            output[mine[i]] = v[i];
        }
    }
}
