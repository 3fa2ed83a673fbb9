// Batch, class and index of the boxes that are selected, a row each.

struct Params {
    // Classes of all batches, and of one.
    rows: u32,
    classes: u32,
    // The most boxes of a class.
    most: u32,
    // Boxes in all.
    total: u32,
}

@group(0) @binding(0) var<storage, read> selected: array<u32>;
// Boxes of the rows before each.
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.rows * params.most {
        return;
    }
    let row = at / params.most;
    let to = offsets[row] + at % params.most;
    let end = select(params.total, offsets[min(row + 1u, params.rows - 1u)], row + 1u < params.rows);
    if to < min(end, params.total) {
        result[to * 3u] = row / params.classes;
        result[to * 3u + 1u] = row % params.classes;
        result[to * 3u + 2u] = selected[at];
    }
}
