// Pooling over whole planes: a workgroup for 8 planes, 8 invocations for each.

struct Params {
    planes: u32,
    size: u32,
}

override AVERAGE: bool = true;

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

// Of the tiles' type, so that merged pipelines need no memory beside theirs.
var<workgroup> partial: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let plane = workgroup.x * 8u + (local >> 3u);
    let start = min(plane, p.planes - 1u) * p.size;
    var value = select(input[start], 0.0, AVERAGE);
    for (var i = local & 7u; i < p.size; i += 8u) {
        let v = input[start + i];
        value = select(select(value, v, !(v <= value)), value + v, AVERAGE);
    }
    partial[local].x = value;
    workgroupBarrier();
    if (local & 7u) == 0u && plane < p.planes {
        for (var i = 1u; i < 8u; i++) {
            let v = partial[local + i].x;
            value = select(select(value, v, !(v <= value)), value + v, AVERAGE);
        }
        output[plane] = select(value, value / f32(p.size), AVERAGE);
    }
}
