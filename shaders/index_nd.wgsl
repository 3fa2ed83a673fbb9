// What GatherND takes and where ScatterND puts: a tuple of indices is the place of a block of elements in row-major data. Gives
// the places of the blocks' elements, or the elements there.

// Whether the result is elements.
override TAKE: bool = false;

struct Params {
    // Tuples times elements of a block.
    len: u32,
    // Elements of a block.
    inner: u32,
    // Indices of a tuple, 0 to 8.
    depth: u32,
    // Tuples of a batch, and elements of its data.
    tuples: u32,
    batch: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
    // By index of a tuple: size of the axis that it counts along, not 0, and elements from one to the next.
    size: array<vec4<u32>, 2>,
    stride: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<storage, read_write> report: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    let tuple = at / params.inner;
    var place = tuple / params.tuples * params.batch + at % params.inner;
    for (var k = 0u; k < params.depth; k++) {
        let size = i32(params.size[k >> 2u][k & 3u]);
        let given = index[tuple * params.depth + k];
        let position = select(given, given + size, given < 0);
        // An index out of range comes from a request's data: it is reported, and must not reach beyond the tensor.
        let inside = clamp(position, 0, size - 1);
        if inside != position {
            report[0] = 1u;
        }
        place += u32(inside) * params.stride[k >> 2u][k & 3u];
    }
    if TAKE {
        result[at] = data[place];
    } else {
        result[at] = place;
    }
}
