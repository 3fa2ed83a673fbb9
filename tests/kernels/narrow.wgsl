// Workgroups of 32 in two dimensions of a grid of two: several fit into a larger one.
struct Params { rows: u32, columns: u32 }
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(16, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>,
        @builtin(local_invocation_index) local: u32, @builtin(num_workgroups) groups: vec3<u32>) {
    if id.x < params.columns && id.y < params.rows {
        let i = id.y * params.columns + id.x;
        out[i] = out[i] * 7u + local + group.x * 100u + group.y * 10000u + groups.x * groups.y * groups.z;
    }
}
