// Steps of a recurrent network in every direction. By itself a dispatch is one step: an invocation makes one element of state and
// result, and the state goes from step to step by the heap. With WHOLE a workgroup makes many steps of one direction and batch
// entry, and keeps the state in its memory. Gates are in ONNX's order: of an LSTM input, output, forget, cell; of a GRU update,
// reset, hidden.

// 0 an RNN, 1 an LSTM, 2 a GRU that resets its product, 3 a GRU that resets its state: its gates, and with WHOLE what 4 is too, the
// state that it goes to.
override PART: u32 = 0u;
override WHOLE: bool = false;
// Invocations that a workgroup with WHOLE has at work: all, with barriers; or the lanes of one subgroup on CPU adapters that run a
// subgroup as one vector, so that what a lane stores is there for the others' next load.
override LANES: u32 = 64u;
// Whether the functions are those of a node that names none.
override USUAL: bool = false;
// Whether there are peepholes (of an LSTM) or biases of both products (of a GRU).
override EXTRA: bool = false;
// Whether each batch entry has a length of its own.
override LENGTHS: bool = false;
// Whether a single step of an LSTM is made for up to four requests.
override COALESCE: bool = false;

// The largest hidden size with WHOLE, a multiple of 4.
override MOST: u32 = 128u;

struct Params {
    // Elements: directions x batch x hidden size.
    len: u32,
    size: u32,
    batch: u32,
    directions: u32,
    // The first step, counted in each direction's own order, how many there are with WHOLE, and how many of all dispatches.
    step: u32,
    count: u32,
    steps: u32,
    // 0 is none.
    clip: f32,
    // Whether direction 0 runs backwards (direction 1 always does).
    reverse: u32,
    y_time: u32,
    y_direction: u32,
    y_batch: u32,
    // From one to the next of the directions and batch entries of states.
    state_direction: u32,
    state_batch: u32,
    // Of the state before the first step; times are those of y, or all one.
    before_time: u32,
    before_direction: u32,
    before_batch: u32,
    // Whether `before` and `cells` are there, or all zeros.
    has_state: u32,
    has_cell: u32,
    // Whether an LSTM forgets what it does not take in.
    couples: u32,
    // What halves of the weights are multiplied with.
    factor: f32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
    // Three for each direction: which, alpha, beta.
    functions: array<vec4<u32>, 6>,
    // With COALESCE: the number of requests, then how far the tensors of each further one lie from the first's, in vec4.
    coalesced: vec4<u32>,
}

// time x direction x batch x gate
@group(0) @binding(0) var<storage, read> gates: array<f32>;
// direction x fours of the state x gate: the weights of a gate for four neighbours of the state
@group(0) @binding(1) var<storage, read> weights: array<WEIGHTS>;
// direction x (input, output, forget), or direction x (input biases, state biases)
@group(0) @binding(2) var<storage, read> extra: array<f32>;
@group(0) @binding(3) var<storage, read> lengths: array<i32>;
@group(0) @binding(4) var<storage, read> before: array<f32>;
@group(0) @binding(5) var<storage, read> cells: array<f32>;
// The state after all steps.
@group(0) @binding(6) var<storage, read_write> last: array<f32>;
// An LSTM's cells; or a GRU's update gates and what its resets leave of the state, direction x batch x state each.
@group(0) @binding(7) var<storage, read_write> kept: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;
@group(0) @binding(9) var<storage, read_write> report: array<u32>;
@group(0) @binding(10) var<uniform> params: Params;

// With WHOLE, of each element the state and an LSTM's cell, before a step and behind it in turns; and a GRU's update gate and what its reset
// leaves of the state. An invocation writes the vectors of its own elements only: a component may be written with the others of its
// vector. Of the tiles' type, so that merged pipelines need no memory beside theirs. Zeros fill up the last four.
var<workgroup> held: array<vec4<f32>, 2u * MOST>;
var<workgroup> gated: array<vec4<f32>, MOST>;

// An element at a step within its sequence.
struct Element {
    h: u32,
    d: u32,
    // Where its first gate lies, and its weights begin.
    gate: u32,
    weight: u32,
    // Where its row of the state before the step begins.
    row: u32,
    // Where it lies in states, in what is kept, and in y.
    state: u32,
    kept: u32,
    y: u32,
    ends: bool,
}

// Gates of an element.
fn gates_each() -> u32 {
    switch PART {
        case 0u: { return 1u; }
        case 1u: { return 4u; }
        default: { return 3u; }
    }
}

fn function_of(d: u32, which: u32, x: f32) -> f32 {
    if USUAL {
        if PART == 0u {
            return scalar_tanh(x);
        }
        if which == 0u {
            return scalar_sigmoid(x);
        }
        return scalar_tanh(x);
    }
    let f = params.functions[3u * d + which];
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

fn apply(d: u32, which: u32, x: f32) -> f32 {
    let clipped = keep_nan(vec4(x), vec4(clamp(x, -params.clip, params.clip))).x;
    return function_of(d, which, select(x, clipped, params.clip > 0.0));
}

// Four neighbours of the state from element 4q on, or of what a GRU's resets leave of it, with zeros past its end.
fn four_of(row: u32, q: u32, reset: bool) -> vec4<f32> {
    if WHOLE {
        let at = row + 4u * q;
        if reset {
            return vec4(gated[at].y, gated[at + 1u].y, gated[at + 2u].y, gated[at + 3u].y);
        }
        return vec4(held[at].x, held[at + 1u].x, held[at + 2u].x, held[at + 3u].x);
    }
    let end = params.size - 1u;
    let element = 4u * q + vec4(0u, 1u, 2u, 3u);
    let at = row + min(element, vec4(end));
    if reset {
        return select(vec4(0.0), vec4(kept[at.x], kept[at.y], kept[at.z], kept[at.w]), element <= vec4(end));
    }
    return select(vec4(0.0), vec4(before[at.x], before[at.y], before[at.z], before[at.w]), element <= vec4(end));
}

// Fours of the state that are not all zeros.
fn fours() -> u32 {
    if WHOLE {
        return (params.size + 3u) >> 2u;
    }
    if PART == 4u {
        return (params.size + 3u) >> 2u;
    }
    return select(0u, (params.size + 3u) >> 2u, params.has_state != 0u);
}

fn weights_at(at: u32) -> vec4<f32> {
    return weights_of(weights[at], params.factor);
}

// In the order of the state.
fn add_products(sum: f32, s: vec4<f32>, w: vec4<f32>) -> f32 {
    return fma(s.w, w.w, fma(s.z, w.z, fma(s.y, w.y, fma(s.x, w.x, sum))));
}

// The same of four requests, whose elements are a column each time.
fn add_four(sums: vec4<f32>, s: mat4x4<f32>, w: vec4<f32>) -> vec4<f32> {
    return fma(s[3], vec4(w.w), fma(s[2], vec4(w.z), fma(s[1], vec4(w.y), fma(s[0], vec4(w.x), sums))));
}

// One gate's sum of products with the state, or what resets leave of it, in that row.
fn sum_of(start: f32, row: u32, weight: u32, reset: bool) -> f32 {
    var sum = start;
    var w = weight;
    let step = gates_each() * params.size;
    let count = fours();
    for (var q = 0u; q < count; q++) {
        sum = add_products(sum, four_of(row, q, reset), weights_at(w));
        w += step;
    }
    return sum;
}

// As many of all gates as there are together.
fn sums_of(start: vec4<f32>, row: u32, weight: u32) -> vec4<f32> {
    var sums = start;
    var w = weight;
    let size = params.size;
    let step = gates_each() * size;
    let count = fours();
    for (var q = 0u; q < count; q++) {
        let s = four_of(row, q, false);
        sums.x = add_products(sums.x, s, weights_at(w));
        sums.y = add_products(sums.y, s, weights_at(w + size));
        if PART != 3u {
            sums.z = add_products(sums.z, s, weights_at(w + 2u * size));
        }
        if PART == 1u {
            sums.w = add_products(sums.w, s, weights_at(w + 3u * size));
        }
        w += step;
    }
    return sums;
}

fn old_state(e: Element) -> f32 {
    if WHOLE {
        return held[e.row + e.h].x;
    }
    if params.has_state == 0u {
        return 0.0;
    }
    return before[e.row + e.h];
}

fn old_cell(e: Element) -> f32 {
    if WHOLE {
        return held[e.row + e.h].y;
    }
    if params.has_cell == 0u {
        return 0.0;
    }
    return cells[e.state];
}

fn keep_cell(e: Element, cell: f32) {
    if WHOLE {
        held[MOST - e.row + e.h].y = cell;
    } else {
        kept[e.kept] = cell;
    }
}

fn leave(e: Element, next: f32) {
    y[e.y] = next;
    if WHOLE {
        held[MOST - e.row + e.h].x = next;
    } else if e.ends {
        last[e.state] = next;
    }
}

fn lstm(e: Element, given: vec4<f32>) {
    var sums = given;
    let size = params.size;
    let cell = old_cell(e);
    let p = e.d * 3u * size + e.h;
    if EXTRA {
        sums.x += extra[p] * cell;
        sums.z += extra[p + 2u * size] * cell;
    }
    let taken = apply(e.d, 0u, sums.x);
    var forget = 1.0 - taken;
    if params.couples == 0u {
        forget = apply(e.d, 0u, sums.z);
    }
    let now = fma(forget, cell, taken * apply(e.d, 1u, sums.w));
    keep_cell(e, now);
    if EXTRA {
        sums.y += extra[p + size] * now;
    }
    // As in onnxruntime, the cell itself is not clipped.
    leave(e, apply(e.d, 0u, sums.y) * function_of(e.d, 2u, now));
}

// The gates of a GRU, and where it resets its product all that follows.
fn gru(e: Element) {
    let size = params.size;
    var sums = sums_of(vec4(gates[e.gate], gates[e.gate + size], 0.0, 0.0), e.row, e.weight);
    let bias = e.d * 6u * size + e.h;
    var input = gates[e.gate + 2u * size];
    if PART == 2u {
        if EXTRA {
            sums += vec4(extra[bias + 3u * size], extra[bias + 4u * size], extra[bias + 5u * size], 0.0);
            sums.x += extra[bias];
            sums.y += extra[bias + size];
            input += extra[bias + 2u * size];
        }
    }
    let z = apply(e.d, 0u, sums.x);
    let r = apply(e.d, 0u, sums.y);
    let old = old_state(e);
    if PART == 2u {
        leave(e, (1.0 - z) * apply(e.d, 1u, fma(r, sums.z, input)) + z * old);
    } else if WHOLE {
        gated[e.h] = vec4(z, r * old, 0.0, 0.0);
    } else {
        kept[e.kept] = z;
        kept[e.kept + params.len] = r * old;
    }
}

// The state that a GRU goes to, from its gates.
fn candidate(e: Element) {
    let size = params.size;
    var row = 0u;
    if !WHOLE {
        row = e.kept + params.len - e.h;
    }
    let sum = sum_of(gates[e.gate + 2u * size], row, e.weight + 2u * size, true);
    var z = 0.0;
    if WHOLE {
        z = gated[e.h].x;
    } else {
        z = kept[e.kept];
    }
    leave(e, (1.0 - z) * apply(e.d, 1u, sum) + z * old_state(e));
}

fn advance(e: Element) {
    switch PART {
        case 0u: { leave(e, apply(e.d, 0u, sum_of(gates[e.gate], e.row, e.weight, false))); }
        case 1u: {
            let size = params.size;
            let g = e.gate;
            let start = vec4(gates[g], gates[g + size], gates[g + 2u * size], gates[g + 3u * size]);
            lstm(e, sums_of(start, e.row, e.weight));
        }
        case 4u: { candidate(e); }
        default: { gru(e); }
    }
}

// Four requests' gates.
fn gates_of(at: u32, away: vec4<u32>) -> vec4<f32> {
    return vec4(gates[at], gates[at + away.y], gates[at + away.z], gates[at + away.w]);
}

// The LSTM of four requests.
fn advance_four(e: Element) {
    let size = params.size;
    let away = vec4(0u, 4u * params.coalesced.yzw);
    var i = gates_of(e.gate, away);
    var o = gates_of(e.gate + size, away);
    var f = gates_of(e.gate + 2u * size, away);
    var c = gates_of(e.gate + 3u * size, away);
    var w = e.weight;
    let count = fours();
    for (var q = 0u; q < count; q++) {
        let s = transpose(mat4x4(
            four_of(e.row, q, false),
            four_of(e.row + away.y, q, false),
            four_of(e.row + away.z, q, false),
            four_of(e.row + away.w, q, false),
        ));
        i = add_four(i, s, weights_at(w));
        o = add_four(o, s, weights_at(w + size));
        f = add_four(f, s, weights_at(w + 2u * size));
        c = add_four(c, s, weights_at(w + 3u * size));
        w += 4u * size;
    }
    for (var r = 0u; r < params.coalesced.x; r++) {
        var own = e;
        own.row += away[r];
        own.state += away[r];
        own.kept += away[r];
        own.y += away[r];
        lstm(own, vec4(i[r], o[r], f[r], c[r]));
    }
}

fn length_of(b: u32) -> u32 {
    if !LENGTHS {
        return params.steps;
    }
    let given = lengths[b];
    let inside = clamp(given, 0, i32(params.steps));
    if inside != given {
        report[0] = 1u;
    }
    return u32(inside);
}

fn element(d: u32, b: u32, h: u32, step: u32, length: u32) -> Element {
    var e: Element;
    let size = params.size;
    let backwards = d == 1u || params.reverse == 1u;
    let t = select(step, length - 1u - step, backwards);
    e.h = h;
    e.d = d;
    e.gate = ((t * params.directions + d) * params.batch + b) * gates_each() * size + h;
    e.weight = d * ((size + 3u) >> 2u) * gates_each() * size + h;
    e.row = d * params.before_direction + b * params.before_batch + select(t - 1u, t + 1u, backwards) * params.before_time;
    e.state = d * params.state_direction + b * params.state_batch + h;
    e.kept = e.state;
    if PART > 1u {
        e.kept = (d * params.batch + b) * size + h;
    }
    e.y = d * params.y_direction + b * params.y_batch + t * params.y_time + h;
    e.ends = step + 1u == length;
    return e;
}

// Behind the end of a sequence the result is 0.
fn clear_behind(d: u32, b: u32, h: u32, step: u32) {
    y[d * params.y_direction + b * params.y_batch + step * params.y_time + h] = 0.0;
}

fn single(index: u32) {
    if index >= params.len {
        return;
    }
    let h = index % params.size;
    let b = index / params.size % params.batch;
    let d = index / (params.size * params.batch);
    let length = length_of(b);
    let e = element(d, b, h, params.step, length);
    if params.step < length {
        if COALESCE {
            advance_four(e);
        } else {
            advance(e);
        }
        return;
    }
    if PART == 3u {
        return;
    }
    clear_behind(d, b, h, params.step);
    if params.step == 0u {
        last[e.state] = old_state(e);
        if PART == 1u {
            kept[e.kept] = old_cell(e);
        }
    }
}

// Behind it all invocations of the workgroup see what each has stored in `held`.
fn meet() {
    if LANES == 64u {
        workgroupBarrier();
    }
}

fn whole(workgroup: u32, local: u32) {
    if LANES != 64u {
        if local >= LANES {
            return;
        }
    }
    let size = params.size;
    let b = workgroup % params.batch;
    let d = workgroup / params.batch;
    let state = d * params.state_direction + b * params.state_batch;
    let length = length_of(b);
    for (var h = local; h < 4u * fours(); h += LANES) {
        var first = vec4(0.0);
        if h < size {
            if params.has_state != 0u {
                first.x = before[state + h];
            }
            if params.has_cell != 0u {
                first.y = cells[state + h];
            }
        }
        held[h] = first;
        held[MOST + h] = vec4(0.0);
        if PART == 3u {
            gated[h] = vec4(0.0);
        }
    }
    meet();
    var row = 0u;
    for (var n = 0u; n < params.count; n++) {
        let step = params.step + n;
        for (var h = local; h < size; h += LANES) {
            if step < length {
                var e = element(d, b, h, step, length);
                e.row = row;
                advance(e);
            } else {
                clear_behind(d, b, h, step);
                held[MOST - row + h] = held[row + h];
            }
        }
        meet();
        if PART == 3u {
            for (var h = local; h < size; h += LANES) {
                if step < length {
                    var e = element(d, b, h, step, length);
                    e.row = row;
                    candidate(e);
                }
            }
            meet();
        }
        row = MOST - row;
    }
    for (var h = local; h < size; h += LANES) {
        last[state + h] = held[row + h].x;
        if PART == 1u {
            kept[state + h] = held[row + h].y;
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    if WHOLE {
        whole(workgroup.x, local);
    } else {
        single(workgroup.x * 64u + local);
    }
}
