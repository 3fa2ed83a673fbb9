// One step of an LSTM in every direction: an invocation makes one element of state and result. Gates are in ONNX's order:
// input, output, forget, cell.

// Whether the step is made for up to four requests.
override COALESCE: bool = false;

struct Params {
    // Elements: directions x batch x hidden size.
    len: u32,
    size: u32,
    batch: u32,
    directions: u32,
    // This step, counted in each direction's own order, and their number.
    step: u32,
    steps: u32,
    // 0 is none.
    clip: f32,
    // Whether direction 0 runs backwards (direction 1 always does).
    reverse: u32,
    y_time: u32,
    y_direction: u32,
    y_batch: u32,
    // Whether this is the first step, whose state comes from `hidden` and `cell` (if given) and not from the step before.
    first: u32,
    has_hidden: u32,
    has_cell: u32,
    // What halves of the weights are multiplied with.
    factor: f32,
    // Offset, and from one to the next, of the initial state's directions and batch entries.
    state_offset: vec4<u32>,
    state_direction: vec4<u32>,
    state_batch: vec4<u32>,
    // With COALESCE: the number of requests, then how far the tensors of each further one lie from the first's, in vec4.
    coalesced: vec4<u32>,
}

// time x direction x batch x gate
@group(0) @binding(0) var<storage, read> gates: array<f32>;
// direction x state x gate
@group(0) @binding(1) var<storage, read> weights: array<WEIGHT>;
@group(0) @binding(2) var<storage, read> hidden: array<f32>;
@group(0) @binding(3) var<storage, read> cell: array<f32>;
// direction x batch x state
@group(0) @binding(4) var<storage, read_write> state: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

// Weight `at`.
fn weight_at(at: u32) -> f32 {
    return weight_of(weights[at >> WEIGHT_SHIFT], at, params.factor);
}

fn clipped(x: f32) -> f32 {
    return select(x, clamp(x, -params.clip, params.clip), params.clip > 0.0);
}

// Four requests' values.
fn gates_of(at: u32, away: vec4<u32>) -> vec4<f32> {
    return vec4(gates[at], gates[at + away.y], gates[at + away.z], gates[at + away.w]);
}

// Writes one request's state and output.
fn advance(state_at: u32, cell_at: u32, y_at: u32, i: f32, o: f32, f: f32, c: f32) {
    var old = 0.0;
    if params.first == 0u {
        old = state[state_at];
    } else if params.has_cell != 0u {
        old = cell[cell_at];
    }
    let next = fma(scalar_sigmoid(clipped(f)), old, scalar_sigmoid(clipped(i)) * scalar_tanh(clipped(c)));
    state[state_at] = next;
    y[y_at] = scalar_sigmoid(clipped(o)) * scalar_tanh(next);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = workgroup.x * 64u + local;
    if index >= params.len {
        return;
    }
    let size = params.size;
    let h = index % size;
    let b = index / size % params.batch;
    let d = index / (size * params.batch);
    let backwards = d == 1u || params.reverse == 1u;
    let t = select(params.step, params.steps - 1u - params.step, backwards);
    let g = ((t * params.directions + d) * params.batch + b) * 4u * size + h;
    let y_base = d * params.y_direction + b * params.y_batch;
    let y_at = y_base + t * params.y_time + h;
    let cell_at = params.state_offset.y + d * params.state_direction.y + b * params.state_batch.y + h;
    var at = y_base + select(t - 1u, t + 1u, backwards) * params.y_time;
    if params.first != 0u {
        at = params.state_offset.x + d * params.state_direction.x + b * params.state_batch.x;
    }
    var w = d * size * 4u * size + h;
    if COALESCE {
        let away = vec4(0u, 4u * params.coalesced.yzw);
        var i = gates_of(g, away);
        var o = gates_of(g + size, away);
        var f = gates_of(g + 2u * size, away);
        var c = gates_of(g + 3u * size, away);
        if params.first == 0u {
            for (var k = 0u; k < size; k++) {
                let s = vec4(y[at + k], y[at + k + away.y], y[at + k + away.z], y[at + k + away.w]);
                i = fma(s, vec4(weight_at(w)), i);
                o = fma(s, vec4(weight_at(w + size)), o);
                f = fma(s, vec4(weight_at(w + 2u * size)), f);
                c = fma(s, vec4(weight_at(w + 3u * size)), c);
                w += 4u * size;
            }
        } else if params.has_hidden != 0u {
            for (var k = 0u; k < size; k++) {
                let s = vec4(hidden[at + k], hidden[at + k + away.y], hidden[at + k + away.z], hidden[at + k + away.w]);
                i = fma(s, vec4(weight_at(w)), i);
                o = fma(s, vec4(weight_at(w + size)), o);
                f = fma(s, vec4(weight_at(w + 2u * size)), f);
                c = fma(s, vec4(weight_at(w + 3u * size)), c);
                w += 4u * size;
            }
        }
        for (var r = 0u; r < params.coalesced.x; r++) {
            let a = away[r];
            advance(index + a, cell_at + a, y_at + a, i[r], o[r], f[r], c[r]);
        }
    } else {
        var i = gates[g];
        var o = gates[g + size];
        var f = gates[g + 2u * size];
        var c = gates[g + 3u * size];
        if params.first == 0u {
            for (var k = 0u; k < size; k++) {
                let s = y[at + k];
                i = fma(s, weight_at(w), i);
                o = fma(s, weight_at(w + size), o);
                f = fma(s, weight_at(w + 2u * size), f);
                c = fma(s, weight_at(w + 3u * size), c);
                w += 4u * size;
            }
        } else if params.has_hidden != 0u {
            for (var k = 0u; k < size; k++) {
                let s = hidden[at + k];
                i = fma(s, weight_at(w), i);
                o = fma(s, weight_at(w + size), o);
                f = fma(s, weight_at(w + 2u * size), f);
                c = fma(s, weight_at(w + 3u * size), c);
                w += 4u * size;
            }
        }
        advance(index, cell_at, y_at, i, o, f, c);
    }
}
