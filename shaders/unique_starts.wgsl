// Where in the sorted order the elements of each kind start: kinds are numbered in the order.

struct Params {
    len: u32,
    // Kinds; never more than `kind` says.
    count: u32,
}

@group(0) @binding(0) var<storage, read> kind: array<u32>;
@group(0) @binding(1) var<storage, read_write> starts: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let place = workgroup.x * 64u + local;
    if place >= params.len {
        return;
    }
    let own = kind[place];
    let first = place == 0u || kind[max(place, 1u) - 1u] != own;
    if first && own < params.count {
        starts[own] = place;
    }
}
