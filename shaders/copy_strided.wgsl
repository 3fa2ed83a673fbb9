// Copies a strided window of words onto another. Dimensions are numbered from the innermost.

struct Params {
    // Invocations: runs of all rows.
    items: u32,
    // Words of a row that an invocation copies, and how many times that is a row.
    run: u32,
    runs: u32,
    source_offset: u32,
    target_offset: u32,
    // Dimensions that matter, 1 to 8.
    rank: u32,
    sizes: array<vec4<u32>, 2>,
    source_strides: array<vec4<u32>, 2>,
    target_strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = workgroup.x * 64u + local;
    if index >= params.items {
        return;
    }
    let first = index % params.runs * params.run;
    let count = min(params.run, params.sizes[0].x - first);
    let source_step = params.source_strides[0].x;
    let target_step = params.target_strides[0].x;
    var rest = index / params.runs;
    var from_ = params.source_offset + first * source_step;
    var to = params.target_offset + first * target_step;
    for (var k = 1u; k < params.rank; k++) {
        let size = params.sizes[k >> 2u][k & 3u];
        let at = rest % size;
        rest /= size;
        from_ += at * params.source_strides[k >> 2u][k & 3u];
        to += at * params.target_strides[k >> 2u][k & 3u];
    }
    for (var i = 0u; i < count; i++) {
        result[to] = source[from_];
        from_ += source_step;
        to += target_step;
    }
}
