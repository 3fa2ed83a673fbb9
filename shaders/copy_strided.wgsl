// Copies a strided window of words onto another. Dimensions are numbered from the innermost.

// Dimensions that matter, 1 to 8.
override RANK: u32 = 8;

struct Params {
    // Words to copy.
    len: u32,
    source_offset: u32,
    target_offset: u32,
    pad: u32,
    size_low: vec4<u32>,
    size_high: vec4<u32>,
    source_low: vec4<u32>,
    source_high: vec4<u32>,
    target_low: vec4<u32>,
    target_high: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = workgroup.x * 64u + local;
    if index >= params.len {
        return;
    }
    var rest = index;
    var from_ = params.source_offset;
    var to = params.target_offset;
    let low = min(RANK, 4u);
    for (var k = 0u; k < low; k++) {
        let at = rest % params.size_low[k];
        rest /= params.size_low[k];
        from_ += at * params.source_low[k];
        to += at * params.target_low[k];
    }
    if RANK > 4u {
        for (var k = 0u; k < RANK - 4u; k++) {
            let at = rest % params.size_high[k];
            rest /= params.size_high[k];
            from_ += at * params.source_high[k];
            to += at * params.target_high[k];
        }
    }
    result[to] = source[from_];
}
