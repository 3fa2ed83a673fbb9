// The order of the keys within each chunk of 64 of a row: order[row, place] = index. Equal keys keep their order. A key is one or
// several words.

struct Params {
    // Keys in all.
    count: u32,
    // Keys of a row.
    len: u32,
    // Words of a key.
    width: u32,
}

@group(0) @binding(0) var<storage, read> keys: array<u32>;
@group(0) @binding(1) var<storage, read_write> order: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

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
    let index = at % params.len;
    let start = index / 64u * 64u;
    var place = start;
    for (var other = start; other < min(start + 64u, params.len); other++) {
        if before(row, other, index) {
            place++;
        }
    }
    order[row * params.len + place] = index;
}
