// Matrices with the elements above or below a diagonal: others are 0, which every type has in one word.

override UPPER: bool = true;

struct Params {
    // Elements in all.
    len: u32,
    rows: u32,
    columns: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
// Of the main diagonal 0, of those above it more.
@group(0) @binding(1) var<storage, read> diagonal: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    let own = i32(at % params.columns) - i32(at / params.columns % params.rows);
    let keep = select(own <= diagonal[0], own >= diagonal[0], UPPER);
    y[at] = select(0u, x[at], keep);
}
