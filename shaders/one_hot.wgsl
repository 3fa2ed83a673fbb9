// result[outer, k, inner] is the second of `values` where the index at (outer, inner) is k, else the first. An index below 0
// counts from the end.

// What an index is: 0 f32, 1 signed, 2 unsigned.
override KIND: u32 = 1u;

struct Params {
    // Elements of the result.
    len: u32,
    depth: u32,
    inner: u32,
}

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    let inner = at % params.inner;
    let k = at / params.inner % params.depth;
    let word = index[at / params.inner / params.depth * params.inner + inner];
    var position = word;
    if KIND == 0u {
        position = of_ints(to_int(vec4(bitcast<f32>(word)))).x;
    }
    if KIND != 2u && bitcast<i32>(position) < 0 {
        position += params.depth;
    }
    result[at] = values[select(0u, 1u, position == k)];
}
