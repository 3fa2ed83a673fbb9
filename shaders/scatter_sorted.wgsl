// Puts updates where they belong, sorted by place: who has the first of those of one place applies all of them, in their order.

// As in functions/combine.wgsl.
override OP: u32 = 0u;
override KIND: u32 = 0u;

struct Params {
    // Blocks times elements of a block.
    len: u32,
    blocks: u32,
    inner: u32,
    // Of the type, if it is narrow, else 32.
    bits: u32,
}

// Which block is where in the order.
@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> place: array<u32>;
@group(0) @binding(2) var<storage, read> updates: array<u32>;
@group(0) @binding(3) var<storage, read_write> result: array<u32>;
@group(0) @binding(4) var<storage, read_write> report: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    let inner = at % params.inner;
    let first = at / params.inner;
    let to = place[order[first]];
    if place[order[max(first, 1u) - 1u]] == to && first != 0u {
        return;
    }
    var value = result[to + inner];
    for (var k = first; k < params.blocks; k++) {
        let block = order[k];
        if place[block] != to {
            break;
        }
        let done = combine(OP, KIND, params.bits, value, updates[block * params.inner + inner]);
        value = done.x;
        if done.y != 0u {
            report[0] = 1u;
        }
    }
    result[to + inner] = value;
}
