// Determinants of square matrices, by elimination with the largest pivot of each column: an invocation for each matrix.

struct Params {
    count: u32,
    // Rows of a matrix.
    size: u32,
}

// The matrices; what is left of them is of no use.
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let matrix = workgroup.x * 64u + local;
    if matrix >= params.count {
        return;
    }
    let n = params.size;
    let base = matrix * n * n;
    var product = 1.0;
    for (var k = 0u; k < n; k++) {
        var pivot = k;
        for (var row = k + 1u; row < n; row++) {
            if abs(x[base + row * n + k]) > abs(x[base + pivot * n + k]) {
                pivot = row;
            }
        }
        let own = x[base + pivot * n + k];
        product *= own;
        if own == 0.0 {
            break;
        }
        if pivot != k {
            product = -product;
            for (var column = k; column < n; column++) {
                let other = x[base + pivot * n + column];
                x[base + pivot * n + column] = x[base + k * n + column];
                x[base + k * n + column] = other;
            }
        }
        for (var row = k + 1u; row < n; row++) {
            let factor = x[base + row * n + k] / own;
            for (var column = k + 1u; column < n; column++) {
                x[base + row * n + column] -= factor * x[base + k * n + column];
            }
        }
    }
    result[matrix] = product;
}
