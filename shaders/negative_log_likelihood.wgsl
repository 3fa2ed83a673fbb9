// Picks the score of each target's class, negated and weighted; 0 where the class is the one ignored.

override WEIGHTS: bool = false;

struct Params {
    // Targets.
    len: u32,
    classes: u32,
    // Targets of one batch entry.
    inner: u32,
    ignored: u32,
    // Whether a class is ignored.
    ignores: u32,
}

// entry x class x inner
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
// The weight with which each target counts.
@group(0) @binding(4) var<storage, read_write> share: array<f32>;
@group(0) @binding(5) var<storage, read_write> report: array<u32>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    let class_ = targets[at];
    let ignored = params.ignores != 0u && class_ == i32(params.ignored);
    let inside = u32(clamp(class_, 0, i32(params.classes) - 1));
    if !ignored && i32(inside) != class_ {
        report[0] = 1u;
    }
    var weight = 1.0;
    if WEIGHTS {
        weight = weights[inside];
    }
    let score = x[(at / params.inner * params.classes + inside) * params.inner + at % params.inner];
    loss[at] = select(-score * weight, 0.0, ignored);
    share[at] = select(weight, 0.0, ignored);
}
