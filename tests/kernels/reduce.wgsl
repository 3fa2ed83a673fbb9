// Workgroup memory and barriers: each workgroup sums its 64 elements; two variables of one type must stay apart.
struct Params { len: u32 }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<vec2<f32>>;
@group(0) @binding(2) var<uniform> params: Params;
var<workgroup> partial: array<f32, 64>;
var<workgroup> largest: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32,
        @builtin(workgroup_id) group: vec3<u32>) {
    var value = 0.0;
    if id.x < params.len { value = a[id.x]; }
    partial[local] = value;
    largest[local] = value;
    workgroupBarrier();
    for (var width = 32u; width > 0u; width /= 2u) {
        if local < width {
            partial[local] += partial[local + width];
            largest[local] = max(largest[local], largest[local + width]);
        }
        workgroupBarrier();
    }
    if local == 0u { sums[group.x] = vec2<f32>(partial[0], largest[0]); }
}
