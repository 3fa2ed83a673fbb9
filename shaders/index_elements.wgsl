// What GatherElements takes and where ScatterElements puts: the place of each index, which is its own with the coordinate along
// one axis replaced by it, in row-major data. Gives the places, or the elements there.

// Whether the result is elements.
override TAKE: bool = false;

struct Params {
    // Indices.
    len: u32,
    // Of the data: size of the axis, not 0, and elements from one index of it to the next.
    axis: u32,
    axis_stride: u32,
    // Dimensions of the indices that matter, 1 to 8.
    rank: u32,
    // Of the indices, and the data's strides but for the axis. Dimensions from the innermost.
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
    let size = i32(params.axis);
    let given = index[at];
    let position = select(given, given + size, given < 0);
    // An index out of range comes from a request's data: it is reported, and must not reach beyond the tensor.
    let inside = clamp(position, 0, size - 1);
    if inside != position {
        report[0] = 1u;
    }
    var place = u32(inside) * params.axis_stride;
    var rest = at;
    for (var k = 0u; k < params.rank; k++) {
        let size = params.size[k >> 2u][k & 3u];
        place += rest % size * params.stride[k >> 2u][k & 3u];
        rest /= size;
    }
    if TAKE {
        result[at] = data[place];
    } else {
        result[at] = place;
    }
}
