// Sums or products of all elements up to each along one axis of a row-major tensor, outer x steps x inner: an invocation makes a
// line, step by step.

// As in functions/combine.wgsl.
override OP: u32 = 1u;
override KIND: u32 = 0u;
// Whether an element itself is left out.
override EXCLUSIVE: bool = false;
override REVERSE: bool = false;

struct Params {
    lines: u32,
    steps: u32,
    inner: u32,
    // What stands before the first element: 0 or 1 of the type.
    start: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<storage, read_write> report: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let line = workgroup.x * 64u + local;
    if line >= params.lines {
        return;
    }
    let base = line / params.inner * params.steps * params.inner + line % params.inner;
    // The result so far, and 1 if it has left the range.
    var done = vec2(params.start, 0u);
    for (var k = 0u; k < params.steps; k++) {
        let at = base + select(k, params.steps - 1u - k, REVERSE) * params.inner;
        let before = done;
        let next = combine(OP, KIND, 32u, before.x, x[at]);
        // Not 0 plus the first, which -0 would not survive.
        done = select(vec2(next.x, before.y | next.y), vec2(x[at], 0u), k == 0u);
        let result = select(done, before, EXCLUSIVE);
        y[at] = result.x;
        if result.y != 0u {
            report[0] = 1u;
        }
    }
}
