// A matrix with `one` on a diagonal and 0 elsewhere.

struct Params {
    len: u32,
    columns: u32,
    // Of the main diagonal 0, of those above it more: in two's complement.
    diagonal: u32,
    one: u32,
}

@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    let own = at % params.columns - at / params.columns;
    y[at] = select(0u, params.one, own == params.diagonal);
}
