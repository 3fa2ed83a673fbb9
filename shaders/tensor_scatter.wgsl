// A cache with `steps` of its `size` entries replaced, from one on that each batch has of its own; around the end where CIRCULAR.

override CIRCULAR: bool = false;

struct Params {
    // Elements of the cache.
    len: u32,
    size: u32,
    // Not more than size.
    steps: u32,
    inner: u32,
    // Outer blocks of a batch.
    blocks: u32,
}

@group(0) @binding(0) var<storage, read> cache: array<u32>;
@group(0) @binding(1) var<storage, read> updates: array<u32>;
@group(0) @binding(2) var<storage, read> starts: array<i32>;
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
    let entry = at / params.inner % params.size;
    let outer = at / params.inner / params.size;
    let given = starts[outer / params.blocks];
    var start = 0u;
    if CIRCULAR {
        start = u32(floor_remainder(vec4(given), vec4(i32(params.size))).x);
    } else {
        let inside = clamp(given, 0, i32(params.size - params.steps));
        if inside != given {
            report[0] = 1u;
        }
        start = u32(inside);
    }
    // Entries after the start, around the end; where nothing goes around it, those before the start are beyond the steps.
    let after = select(entry + params.size - start, entry - start, entry >= start);
    if after < params.steps {
        result[at] = updates[(outer * params.steps + after) * params.inner + inner];
    } else {
        result[at] = cache[at];
    }
}
