// Takes rows of `data` by index: result[outer, i, inner] = data[outer, index[i], inner].

// Whether the indices come with the request.
override CHECK: bool = false;

struct Params {
    // Invocations: runs of all rows of the result.
    items: u32,
    // Elements of a row that an invocation takes, and how many times that is a row.
    run: u32,
    runs: u32,
    // Number of indices.
    indices: u32,
    // Size of the axis that they index, not 0.
    axis: u32,
    // Elements of a row.
    inner: u32,
}

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<storage, read_write> report: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = workgroup.x * 64u + local;
    if item >= params.items {
        return;
    }
    let first = item % params.runs * params.run;
    let row = item / params.runs;
    let outer = row / params.indices;
    let size = i32(params.axis);
    var position = index[row % params.indices];
    position = select(position, position + size, position < 0);
    // An index out of range comes from a request's data: it is reported, and must not reach beyond the tensor.
    let inside = clamp(position, 0, size - 1);
    if CHECK && inside != position {
        report[0] = 1u;
    }
    let source = (outer * params.axis + u32(inside)) * params.inner + first;
    let target_ = row * params.inner + first;
    let count = min(params.run, params.inner - first);
    for (var i = 0u; i < count; i++) {
        result[target_ + i] = data[source + i];
    }
}
