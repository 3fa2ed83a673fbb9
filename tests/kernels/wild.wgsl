// Indexes wherever its parameters say: what the clamp must keep inside.
struct Cell { values: array<u32, 3>, vector: vec4<u32> }
struct Params { read: u32, write: i32, inner: u32, scale: u32 }
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read_write> cells: array<Cell>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x * params.scale;
    out[params.write - i32(i)] = source[params.read + i];
    out[params.read * 4u + i] = source[u32(params.write) - i] | 1u;
    cells[i + params.read].values[params.inner + i] = 77u;
    cells[i * params.read].vector[params.inner * i] = 78u;
    cells[u32(params.write)].vector = vec4<u32>(79u);
    let value = cells[params.read].values[params.inner];
    out[i] = value;
}
