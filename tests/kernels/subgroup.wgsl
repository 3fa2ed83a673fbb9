// Subgroup operations and builtins; the results do not depend on the subgroup's size.
struct Params { len: u32 }
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(subgroup_size) size: u32,
        @builtin(subgroup_invocation_id) invocation: u32) {
    let members = subgroupAdd(1u);
    let first = subgroupBroadcastFirst(id.x);
    let ballot = subgroupBallot(invocation == 0u);
    if id.x < params.len {
        out[id.x] = select(0u, 1u, members == size) + select(0u, 2u, first + invocation == id.x) + (ballot.x & 1u) * 4u;
    }
}
