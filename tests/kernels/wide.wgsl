// A workgroup of 256 with workgroup memory and barriers, and two parameters.
struct Params { len: u32, add: u32 }
@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;
var<workgroup> part: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let i = group.x * 256u + local;
    part[local] = select(0u, a[min(i, params.len - 1u)], i < params.len);
    workgroupBarrier();
    if i < params.len {
        out[i] = part[255u - local] + part[local] * 3u + params.add;
    }
}
