// Keys whose order as unsigned numbers is that of the elements. The tensor is row-major, outer x len x inner, and sorted along
// len.

// What an element is: 0 f32, 1 signed, 2 unsigned.
override KIND: u32 = 0u;
override DESCENDING: bool = false;
// Whether all elements at an index are its key, not one row for each.
override WIDE: bool = false;

struct Params {
    // Elements in all.
    count: u32,
    outer: u32,
    len: u32,
    inner: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> keys: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

// Both zeros are equal, and NaNs are the largest.
fn key(word: u32) -> u32 {
    if KIND == 2u { return word; }
    if KIND == 1u { return word ^ 0x80000000u; }
    let size = word & 0x7fffffffu;
    let signed = select(word | 0x80000000u, ~word, word >= 0x80000000u);
    return select(select(signed, 0x80000000u, size == 0u), 0xffffffffu, size > 0x7f800000u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.count {
        return;
    }
    let inner = at % params.inner;
    let index = at / params.inner % params.len;
    let row = at / params.inner / params.len * params.inner + inner;
    var to = row * params.len + index;
    if WIDE {
        to = index * params.outer * params.inner + row;
    }
    keys[to] = select(key(x[at]), ~key(x[at]), DESCENDING);
}
