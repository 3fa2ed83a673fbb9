// The part of an LSTM's gates that does not depend on its state, for all steps: gates[t, d, b, :] = x[t, b, :] W_d + bias_d.

override BIAS: bool = true;
// Whether the gates of up to four requests are computed.
override COALESCE: bool = false;

struct Params {
    // Results.
    len: u32,
    inputs: u32,
    // Four times the hidden size.
    gates: u32,
    batch: u32,
    directions: u32,
    x_offset: u32,
    x_time: u32,
    x_batch: u32,
    x_input: u32,
    // What halves of the weights are multiplied with.
    factor: f32,
    pad0: u32,
    pad1: u32,
    // With COALESCE: the number of requests, then how far the tensors of each further one lie from the first's, in vec4.
    coalesced: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
// direction x input x gate
@group(0) @binding(1) var<storage, read> weights: array<WEIGHT>;
// direction x (input biases, state biases)
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// Weight `at`.
fn weight_at(at: u32) -> f32 {
    return weight_of(weights[at >> WEIGHT_SHIFT], at, params.factor);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = workgroup.x * 64u + local;
    if index >= params.len {
        return;
    }
    let gate = index % params.gates;
    let row = index / params.gates;
    let b = row % params.batch;
    let d = row / params.batch % params.directions;
    let t = row / (params.batch * params.directions);
    var from_ = params.x_offset + t * params.x_time + b * params.x_batch;
    var w = d * params.inputs * params.gates + gate;
    var sum = 0.0;
    if BIAS {
        let at = d * 2u * params.gates + gate;
        sum = bias[at] + bias[at + params.gates];
    }
    if COALESCE {
        let away = 4u * params.coalesced;
        var sums = vec4(sum);
        for (var k = 0u; k < params.inputs; k++) {
            let inputs = vec4(x[from_], x[from_ + away.y], x[from_ + away.z], x[from_ + away.w]);
            sums = fma(inputs, vec4(weight_at(w)), sums);
            from_ += params.x_input;
            w += params.gates;
        }
        result[index] = sums.x;
        for (var request = 1u; request < params.coalesced.x; request++) {
            result[index + away[request]] = sums[request];
        }
    } else {
        for (var k = 0u; k < params.inputs; k++) {
            sum = fma(x[from_], weight_at(w), sum);
            from_ += params.x_input;
            w += params.gates;
        }
        result[index] = sum;
    }
}
