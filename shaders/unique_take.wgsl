// Of each kind of element its first index and how many there are, in the result's order, and of each element its kind there.

// Whether kinds stay in sorted order, not in that of their first elements.
override SORTED: bool = true;

struct Params {
    len: u32,
    // Kinds; never more than `kind` says.
    count: u32,
}

// By place in the sorted order: index, kind. By kind: first place. By index: how many kinds have their first element before it.
@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> kind: array<u32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read> rank: array<u32>;
@group(0) @binding(4) var<storage, read_write> indices: array<u32>;
@group(0) @binding(5) var<storage, read_write> inverse: array<u32>;
@group(0) @binding(6) var<storage, read_write> counts: array<u32>;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let place = workgroup.x * 64u + local;
    if place >= params.len {
        return;
    }
    let own = min(kind[place], params.count - 1u);
    let start = starts[own];
    let first = order[start];
    let to = select(rank[first], own, SORTED);
    inverse[order[place]] = to;
    if place == start {
        let end = select(params.len, starts[min(own + 1u, params.count - 1u)], own + 1u < params.count);
        indices[to] = first;
        counts[to] = end - start;
    }
}
