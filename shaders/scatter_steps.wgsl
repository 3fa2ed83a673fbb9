// Puts updates where they belong, one after another: an invocation has the updates of one row, whose places no other row has.
// Update (outer, step, inner) is of the row (outer, inner).

// As in functions/combine.wgsl.
override OP: u32 = 0u;
override KIND: u32 = 0u;
// Whether places are of blocks of `inner` updates, not of updates.
override BLOCKS: bool = false;

struct Params {
    rows: u32,
    steps: u32,
    inner: u32,
    // Of the type, if it is narrow, else 32.
    bits: u32,
}

@group(0) @binding(0) var<storage, read> place: array<u32>;
@group(0) @binding(1) var<storage, read> updates: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<storage, read_write> report: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let row = workgroup.x * 64u + local;
    if row >= params.rows {
        return;
    }
    let inner = row % params.inner;
    let first = row / params.inner * params.steps;
    for (var step = first; step < first + params.steps; step++) {
        let update = step * params.inner + inner;
        var to = 0u;
        if BLOCKS {
            to = place[step] + inner;
        } else {
            to = place[update];
        }
        let done = combine(OP, KIND, params.bits, result[to], updates[update]);
        result[to] = done.x;
        if done.y != 0u {
            report[0] = 1u;
        }
    }
}
