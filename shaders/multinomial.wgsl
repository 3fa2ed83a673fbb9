// Samples of each row's classes: an element is the logarithm of how likely its class is, but for a factor of the row.

struct Params {
    // Samples in all, and of a row.
    len: u32,
    samples: u32,
    // Not 0.
    classes: u32,
    pad: u32,
    key: vec2<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    let first = at / params.samples * params.classes;
    var top = lowest();
    for (var k = first; k < first + params.classes; k++) {
        top = max(top, x[k]);
    }
    var total = 0.0;
    for (var k = first; k < first + params.classes; k++) {
        total += scalar_exp(x[k] - top);
    }
    let wanted = random_unit(philox(at, params.key).x) * total;
    // The first class whose share ends beyond it; rounding may leave none but the last that is likely at all.
    var sum = 0.0;
    var last = 0u;
    for (var k = 0u; k < params.classes; k++) {
        let part = scalar_exp(x[first + k] - top);
        sum += part;
        if part > 0.0 {
            last = k;
            if sum > wanted {
                break;
            }
        }
    }
    y[at] = last;
}
