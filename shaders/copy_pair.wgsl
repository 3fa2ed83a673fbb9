// Copies two strided windows of words onto windows of one buffer that have no element in common. Dimensions are numbered from the
// innermost.

struct Params {
    // Invocations: runs of all rows of both, and of the first.
    items: u32,
    first: u32,
    // Words of a row that an invocation copies.
    run: u32,
    // How many times that is a row.
    runs: vec2<u32>,
    source_offset: vec2<u32>,
    target_offset: vec2<u32>,
    // Dimensions that matter, 1 to 8.
    rank: vec2<u32>,
    // Two vectors for each of the windows.
    sizes: array<vec4<u32>, 4>,
    source_strides: array<vec4<u32>, 4>,
    target_strides: array<vec4<u32>, 4>,
}

@group(0) @binding(0) var<storage, read> one: array<u32>;
@group(0) @binding(1) var<storage, read> other: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = workgroup.x * 64u + local;
    if index >= params.items {
        return;
    }
    let second = index >= params.first;
    let which = select(0u, 1u, second);
    let item = index - select(0u, params.first, second);
    let row = which * 2u;
    let at_first = item % params.runs[which] * params.run;
    let count = min(params.run, params.sizes[row].x - at_first);
    let source_step = params.source_strides[row].x;
    let target_step = params.target_strides[row].x;
    var rest = item / params.runs[which];
    var from_ = params.source_offset[which] + at_first * source_step;
    var to = params.target_offset[which] + at_first * target_step;
    for (var k = 1u; k < params.rank[which]; k++) {
        let four = row + (k >> 2u);
        let size = params.sizes[four][k & 3u];
        let at = rest % size;
        rest /= size;
        from_ += at * params.source_strides[four][k & 3u];
        to += at * params.target_strides[four][k & 3u];
    }
    for (var i = 0u; i < count; i++) {
        if second {
            result[to] = other[from_];
        } else {
            result[to] = one[from_];
        }
        from_ += source_step;
        to += target_step;
    }
}
