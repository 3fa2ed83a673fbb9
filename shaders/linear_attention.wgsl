// Attention by a state that each token changes: an invocation keeps one column of one head's state, token by token.

// Whether the state decays, and whether a token corrects what the state holds for its key.
override DECAY: bool = false;
override DELTA: bool = false;

struct Params {
    // Columns: batch x heads x elements of a value.
    len: u32,
    tokens: u32,
    heads: u32,
    // Heads of queries that share one of keys.
    group: u32,
    // Elements of a key and of a value.
    key: u32,
    value: u32,
    // Whether each element of a key decays by itself, and whether each head has a beta.
    decay_key: u32,
    beta_each: u32,
    scale: f32,
}

// batch x token x (head x element)
@group(0) @binding(0) var<storage, read> query: array<f32>;
@group(0) @binding(1) var<storage, read> keys: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> decay: array<f32>;
@group(0) @binding(4) var<storage, read> beta: array<f32>;
// batch x head x key x value
@group(0) @binding(5) var<storage, read_write> state: array<f32>;
@group(0) @binding(6) var<storage, read_write> output: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let index = workgroup.x * 64u + local;
    if index >= p.len {
        return;
    }
    let column = index % p.value;
    let matrix = index / p.value;
    let head = matrix % p.heads;
    let entry = matrix / p.heads;
    let first = matrix * p.key * p.value + column;
    for (var t = 0u; t < p.tokens; t++) {
        let token = entry * p.tokens + t;
        let row = token * p.heads + head;
        let key_at = row * p.key;
        var factor = 1.0;
        if DECAY {
            if p.decay_key == 0u {
                factor = scalar_exp(decay[row]);
            }
        }
        var held = 0.0;
        var at = first;
        if DECAY || DELTA {
            for (var i = 0u; i < p.key; i++) {
                var s = state[at];
                if DECAY {
                    if p.decay_key != 0u {
                        factor = scalar_exp(decay[key_at + i]);
                    }
                    s *= factor;
                    state[at] = s;
                }
                held = fma(s, keys[key_at + i], held);
                at += p.value;
            }
        }
        var change = values[row * p.value + column];
        if DELTA {
            change = beta[select(token, row, p.beta_each != 0u)] * (change - held);
        }
        at = first;
        for (var i = 0u; i < p.key; i++) {
            state[at] = fma(keys[key_at + i], change, state[at]);
            at += p.value;
        }
        for (var g = 0u; g < p.group; g++) {
            let query_row = row * p.group + g;
            var sum = 0.0;
            at = first;
            for (var i = 0u; i < p.key; i++) {
                sum = fma(query[query_row * p.key + i], state[at], sum);
                at += p.value;
            }
            output[query_row * p.value + column] = p.scale * sum;
        }
    }
}
