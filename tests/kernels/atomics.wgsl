// Atomics in workgroup memory, workgroupUniformLoad, and built-in functions that return structs.
struct Params { len: u32 }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> bins: array<array<u32, 4>>;
@group(0) @binding(2) var<storage, read_write> parts: array<vec2<f32>>;
@group(0) @binding(3) var<uniform> params: Params;
var<workgroup> counts: array<atomic<u32>, 4>;
var<workgroup> total: u32;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32,
        @builtin(workgroup_id) group: vec3<u32>) {
    if local < 4u { atomicStore(&counts[local], 0u); }
    workgroupBarrier();
    if id.x < params.len {
        let split = modf(a[id.x]);
        let power = frexp(a[id.x]);
        parts[id.x] = vec2<f32>(split.fract + f32(power.exp), split.whole);
        atomicAdd(&counts[u32(abs(split.whole)) & 3u], 1u);
    }
    workgroupBarrier();
    if local == 0u { total = atomicLoad(&counts[0]) + atomicLoad(&counts[1]); }
    let low = workgroupUniformLoad(&total);
    if local < 4u { bins[group.x][local] = atomicLoad(&counts[local]) + low; }
}
