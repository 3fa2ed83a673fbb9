// Merges neighbouring runs of `run` sorted keys of a row. What comes first of equal keys stays first.

struct Params {
    // Keys in all.
    count: u32,
    // Keys of a row.
    len: u32,
    // Words of a key.
    width: u32,
    run: u32,
}

@group(0) @binding(0) var<storage, read> keys: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> merged: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

// Whether key a comes before key b.
fn before(row: u32, a: u32, b: u32) -> bool {
    for (var w = 0u; w < params.width; w++) {
        let x = keys[(row * params.len + a) * params.width + w];
        let y = keys[(row * params.len + b) * params.width + w];
        if x != y { return x < y; }
    }
    return a < b;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.count {
        return;
    }
    let row = at / params.len;
    let place = at % params.len;
    let start = place / params.run / 2u * params.run * 2u;
    let middle = min(start + params.run, params.len);
    let end = min(middle + params.run, params.len);
    let index = order[at];
    let is_left = place < middle;
    // How many of the other run come before it.
    let first = select(start, middle, is_left);
    var low = first;
    var high = select(middle, end, is_left);
    while low < high {
        let probe = (low + high) / 2u;
        if before(row, order[row * params.len + probe], index) {
            low = probe + 1u;
        } else {
            high = probe;
        }
    }
    let own = place - select(middle, start, is_left);
    merged[row * params.len + start + own + low - first] = index;
}
