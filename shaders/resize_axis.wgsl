// Resizes one axis: each element is a weighted sum of elements in a row, by a table.

struct Params {
    // Elements of the result: outer x output x inner.
    len: u32,
    inner: u32,
    input: u32,
    output: u32,
    taps: u32,
    // What stands where the table has none.
    extrapolation: f32,
}

// Marks an element of the result that lies beyond the axis.
const NONE: u32 = 0x80000000u;

@group(0) @binding(0) var<storage, read> source: array<f32>;
// For each element of the result the position of the first tap, with sign, and the weights' bits.
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let index = workgroup.x * 64u + local;
    if index >= p.len {
        return;
    }
    let inner = index % p.inner;
    let row = index / p.inner;
    let plane = row / p.output * p.input * p.inner + inner;
    let entry = row % p.output * (p.taps + 1u);
    let first = table[entry];
    let last = i32(p.input) - 1;
    let start = select(bitcast<i32>(first), 0, first == NONE);
    var sum = 0.0;
    for (var k = 0u; k < p.taps; k++) {
        let at = u32(clamp(start + i32(k), 0, last));
        sum = fma(bitcast<f32>(table[entry + 1u + k]), source[plane + at * p.inner], sum);
    }
    result[index] = select(sum, p.extrapolation, first == NONE);
}
