// Random numbers, the element's index being the counter: uniform ones from `low` on, `spread` wide, or normal ones with mean and
// deviation.

override NORMAL: bool = false;

struct Params {
    len: u32,
    // The mean of normal ones.
    low: f32,
    // The deviation of normal ones.
    spread: f32,
    pad: u32,
    key: vec2<u32>,
}

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    let words = philox(at, params.key);
    var x = random_unit(words.x);
    if NORMAL {
        // By Box and Muller. Of 0 there is no logarithm.
        let radius = sqrt(-2.0 * scalar_log(1.0 - x));
        x = radius * cos_(vec4(6.2831855 * random_unit(words.y))).x;
    }
    y[at] = params.low + x * params.spread;
}
