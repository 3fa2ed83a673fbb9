// Of sorted keys which are the first of their kind, by place in the order and by index.

struct Params {
    len: u32,
    // Words of a key.
    width: u32,
}

@group(0) @binding(0) var<storage, read> keys: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> by_place: array<u32>;
@group(0) @binding(3) var<storage, read_write> by_index: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let place = workgroup.x * 64u + local;
    if place >= params.len {
        return;
    }
    let index = order[place];
    let before = order[max(place, 1u) - 1u];
    var first = place == 0u;
    for (var w = 0u; w < params.width; w++) {
        if keys[index * params.width + w] != keys[before * params.width + w] {
            first = true;
            break;
        }
    }
    by_place[place] = select(0u, 1u, first);
    by_index[index] = select(0u, 1u, first);
}
