// One step of a recurrent network in every direction: an invocation makes one element of state and result. Gates are in
// ONNX's order: of an LSTM input, output, forget, cell; of a GRU update, reset, hidden.

// 0 an RNN, 1 an LSTM, 2 a GRU that resets its product, 3 a GRU's gates, 4 the state it goes to.
override PART: u32 = 0u;
// Whether there are peepholes (of an LSTM) or biases of both products (of a GRU).
override EXTRA: bool = false;
// Whether each batch entry has a length of its own.
override LENGTHS: bool = false;

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
    // Whether an LSTM forgets what it does not take in.
    couples: u32,
    // Where in `kept` the state lies before and after the step.
    before: u32,
    after: u32,
    // What halves of the weights are multiplied with.
    factor: f32,
    pad0: u32,
    // Three for each direction: which, alpha, beta.
    functions: array<vec4<u32>, 6>,
}

// time x direction x batch x gate
@group(0) @binding(0) var<storage, read> gates: array<f32>;
// direction x state x gate
@group(0) @binding(1) var<storage, read> weights: array<WEIGHT>;
// direction x (input, output, forget), or direction x (input biases, state biases)
@group(0) @binding(2) var<storage, read> extra: array<f32>;
@group(0) @binding(3) var<storage, read> lengths: array<i32>;
// Tensors of direction x batch x state: the state of this step and the next, then an LSTM's cells, or of a GRU the update gates
// and the state that is left of the reset.
@group(0) @binding(4) var<storage, read_write> kept: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> report: array<u32>;
@group(0) @binding(7) var<uniform> params: Params;

// Weight `at`.
fn weight_at(at: u32) -> f32 {
    return weight_of(weights[at >> WEIGHT_SHIFT], at, params.factor);
}

fn function_of(f: vec4<u32>, x: f32) -> f32 {
    let a = bitcast<f32>(f.y);
    let b = bitcast<f32>(f.z);
    let word = vec4(bitcast<u32>(x));
    switch f.x {
        case 0u: { return floats(relu_f(word)).x; }
        case 1u: { return scalar_tanh(x); }
        case 2u: { return scalar_sigmoid(x); }
        case 3u: { return a * x + b; }
        case 4u: { return floats(leaky_f(word, vec4(f.y))).x; }
        case 5u: { return floats(thresholded_f(word, vec4(f.y))).x; }
        case 6u: { return a * scalar_tanh(b * x); }
        case 7u: { return floats(hard_sigmoid_f(word, vec4(f.y), vec4(f.z))).x; }
        case 8u: { return floats(elu_f(word, vec4(f.y))).x; }
        case 9u: { return floats(softsign_f(word)).x; }
        default: { return floats(softplus_f(word)).x; }
    }
}

fn apply(f: vec4<u32>, x: f32) -> f32 {
    let clipped = keep_nan(vec4(x), vec4(clamp(x, -params.clip, params.clip))).x;
    return function_of(f, select(x, clipped, params.clip > 0.0));
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
    var length = params.steps;
    if LENGTHS {
        let given = lengths[b];
        let inside = clamp(given, 0, i32(params.steps));
        if inside != given {
            report[0] = 1u;
        }
        length = u32(inside);
    }
    let y_base = d * params.y_direction + b * params.y_batch + h;
    let old = kept[params.before + index];
    if params.step >= length {
        // Behind the end of a sequence the result is 0, and the state stays.
        if PART != 3u {
            y[y_base + params.step * params.y_time] = 0.0;
            kept[params.after + index] = old;
        }
        return;
    }
    let backwards = d == 1u || params.reverse == 1u;
    let t = select(params.step, length - 1u - params.step, backwards);
    let f = 3u * d;
    let row = params.before + index - h;
    var next = 0.0;
    if PART == 0u {
        var sum = gates[((t * params.directions + d) * params.batch + b) * size + h];
        var w = d * size * size + h;
        for (var k = 0u; k < size; k++) {
            sum = fma(kept[row + k], weight_at(w), sum);
            w += size;
        }
        next = apply(params.functions[f], sum);
    } else if PART == 1u {
        let g = ((t * params.directions + d) * params.batch + b) * 4u * size + h;
        var w = d * size * 4u * size + h;
        var sums = vec4(gates[g], gates[g + size], gates[g + 2u * size], gates[g + 3u * size]);
        for (var k = 0u; k < size; k++) {
            let s = vec4(kept[row + k]);
            let each = vec4(weight_at(w), weight_at(w + size), weight_at(w + 2u * size), weight_at(w + 3u * size));
            sums = fma(s, each, sums);
            w += 4u * size;
        }
        let at = 2u * params.len + index;
        let cell = kept[at];
        let p = d * 3u * size + h;
        if EXTRA {
            sums.x += extra[p] * cell;
            sums.z += extra[p + 2u * size] * cell;
        }
        let taken = apply(params.functions[f], sums.x);
        var forget = 1.0 - taken;
        if params.couples == 0u {
            forget = apply(params.functions[f], sums.z);
        }
        let now = fma(forget, cell, taken * apply(params.functions[f + 1u], sums.w));
        kept[at] = now;
        if EXTRA {
            sums.y += extra[p + size] * now;
        }
        let shown = apply(params.functions[f], sums.y);
        // As in onnxruntime, the cell itself is not clipped.
        next = shown * function_of(params.functions[f + 2u], now);
    } else {
        let g = ((t * params.directions + d) * params.batch + b) * 3u * size + h;
        let bias = d * 6u * size + h;
        let first = d * size * 3u * size + h;
        let updates = 2u * params.len + index;
        let resets = 3u * params.len + index;
        if PART == 4u {
            var sum = gates[g + 2u * size];
            var w = first + 2u * size;
            for (var k = 0u; k < size; k++) {
                sum = fma(kept[resets - h + k], weight_at(w), sum);
                w += 3u * size;
            }
            let z = kept[updates];
            next = (1.0 - z) * apply(params.functions[f + 1u], sum) + z * old;
        } else {
            var sums = vec3(gates[g], gates[g + size], 0.0);
            var w = first;
            for (var k = 0u; k < size; k++) {
                let s = kept[row + k];
                sums = fma(vec3(s), vec3(weight_at(w), weight_at(w + size), weight_at(w + 2u * size)), sums);
                w += 3u * size;
            }
            var input = gates[g + 2u * size];
            if PART == 2u && EXTRA {
                sums += vec3(extra[bias + 3u * size], extra[bias + 4u * size], extra[bias + 5u * size]);
                sums.x += extra[bias];
                sums.y += extra[bias + size];
                input += extra[bias + 2u * size];
            }
            let z = apply(params.functions[f], sums.x);
            let r = apply(params.functions[f], sums.y);
            if PART == 3u {
                kept[updates] = z;
                kept[resets] = r * old;
                return;
            }
            next = (1.0 - z) * apply(params.functions[f + 1u], fma(r, sums.z, input)) + z * old;
        }
    }
    kept[params.after + index] = next;
    y[y_base + t * params.y_time] = next;
}
