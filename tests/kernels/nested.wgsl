// Arrays in structs in arrays, whole loads and stores, and a header before a run-time array.
struct Inner { table: array<array<u32, 3>, 2>, last: u32 }
struct Store { count: u32, first: Inner, items: array<Inner> }
struct Params { len: u32, pick: u32, weights: array<vec4<u32>, 2> }
@group(0) @binding(0) var<storage, read_write> data: Store;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= params.len { return; }
    let inner = data.items[i];
    out[i] = inner.table[i & 1u][i % 3u] + data.items[i].table[1u - (i & 1u)][2] + arrayLength(&data.items)
        + params.weights[i & 1u][(i >> 1u) & 3u] + params.weights[1].y + data.first.table[1][params.pick];
    var changed = inner;
    changed.table[0] = data.first.table[1];
    changed.last += data.count;
    data.items[i] = changed;
}
