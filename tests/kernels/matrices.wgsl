// Matrices of several shapes, by column, by element and whole.
struct Item { m: mat3x3<f32>, n: mat2x4<f32>, k: mat4x2<f32> }
struct Params { len: u32 }
@group(0) @binding(0) var<storage, read_write> items: array<Item>;
@group(0) @binding(1) var<storage, read_write> out: array<vec3<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= params.len { return; }
    let m = items[i].m;
    let column = i % 3u;
    out[i] = m[column] + items[i].m[column] + vec3<f32>(items[i].m[2][i % 3u]);
    items[i].n = mat2x4<f32>(items[i].n[1], items[i].n[0]);
    items[i].k[i & 3u] = items[i].k[3u - (i & 3u)];
    items[i].k[1].y = 4.0;
}
