// A grid and a workgroup of three dimensions; inputs in a struct.
struct Input { @builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32,
               @builtin(workgroup_id) group: vec3<u32> }
struct Params { size: vec3<u32> }
@group(0) @binding(0) var<storage, read_write> out: array<vec4<u32>>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(4, 4, 4)
fn main(input: Input) {
    if any(input.id >= params.size) { return; }
    let at = (input.id.z * params.size.y + input.id.y) * params.size.x + input.id.x;
    out[at] = vec4<u32>(input.id, input.local) + vec4<u32>(input.group * 100u, 7u);
}
