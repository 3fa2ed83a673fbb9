// start, start + delta, ...: integers in 32 bits, or floats as ONNX's reference computes them.
struct Params {
    len: u32,
    start: u32,
    delta: u32,
}

@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

override FLOAT: bool = false;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let i = workgroup.x * 64u + local;
    if i >= params.len {
        return;
    }
    if FLOAT {
        y[i] = bitcast<u32>(bitcast<f32>(params.start) + f32(i) * bitcast<f32>(params.delta));
    } else {
        y[i] = params.start + i * params.delta;
    }
}
