// A workgroup of another shape, a grid of two dimensions, and a helper that touches bindings itself.
struct Params { rows: u32, columns: u32 }
@group(0) @binding(0) var<storage, read> a: array<i32>;
@group(0) @binding(1) var<storage, read_write> out: array<i32>;
@group(0) @binding(2) var<uniform> params: Params;
var<workgroup> tile: array<array<i32, 9>, 8>;

fn at(row: u32, column: u32) -> i32 { return a[row * params.columns + column]; }
fn put(row: u32, column: u32, value: i32) { out[column * params.rows + row] = value; }

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>,
        @builtin(num_workgroups) groups: vec3<u32>) {
    let row = group.y * 8u + local.y;
    let column = group.x * 8u + local.x;
    let inside = row < params.rows && column < params.columns;
    if inside { tile[local.y][local.x] = at(row, column); }
    workgroupBarrier();
    if inside { put(row, column, tile[local.y][local.x] + i32(groups.x * 1000u + groups.y)); }
}
