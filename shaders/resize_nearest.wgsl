// Resizes by the nearest element: each axis takes elements by a table, or runs of equal length from one element each.
// Dimensions are numbered from the innermost.

struct Params {
    // Elements of the result.
    len: u32,
    offset: u32,
    // Dimensions that matter, 1 to 8.
    rank: u32,
    // What stands where a table has none.
    extrapolation: u32,
    sizes: array<vec4<u32>, 2>,
    strides: array<vec4<u32>, 2>,
    // How many elements in a row are one of the source, where there is no table.
    runs: array<vec4<u32>, 2>,
    // Where the axis' table begins, or NONE.
    tables: array<vec4<u32>, 2>,
}

const NONE: u32 = 0x80000000u;

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = workgroup.x * 64u + local;
    if index >= params.len {
        return;
    }
    var rest = index;
    var at = params.offset;
    var inside = true;
    for (var k = 0u; k < params.rank; k++) {
        let size = params.sizes[k >> 2u][k & 3u];
        let start = params.tables[k >> 2u][k & 3u];
        let place = rest % size;
        rest /= size;
        var taken = place / params.runs[k >> 2u][k & 3u];
        if start != NONE {
            taken = table[start + place];
            inside = inside && taken != NONE;
        }
        at += select(taken, 0u, taken == NONE) * params.strides[k >> 2u][k & 3u];
    }
    result[index] = select(params.extrapolation, source[at], inside);
}
