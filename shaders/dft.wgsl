// Discrete Fourier transforms: an invocation sums one bin of one signal. The phase of each term is a whole number of `length`ths
// of a turn, so that no angle is rounded. Sums are taken in runs, and of these another.

// 0 forward, 1 inverse, 2 inverse of the first half of the spectrum of a real signal.
override DIRECTION: u32 = 0u;
// Whether elements of the signal are pairs, real and imaginary.
override COMPLEX: bool = false;
override WINDOW: bool = false;

const RUN: u32 = 32u;

struct Params {
    // Results.
    len: u32,
    // Elements of a transform, and those of a signal that there are; the others are 0.
    length: u32,
    taken: u32,
    // Results of a transform, frames of an entry, and signals side by side.
    bins: u32,
    frames: u32,
    inner: u32,
    // Distances in words.
    entry_stride: u32,
    frame_stride: u32,
    sample_stride: u32,
    factor: f32,
}

@group(0) @binding(0) var<storage, read> signal: array<f32>;
@group(0) @binding(1) var<storage, read> window: array<f32>;
// Cosine and sine of each `length`th of a turn.
@group(0) @binding(2) var<storage, read> turns: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = workgroup.x * 64u + local;
    if index >= params.len {
        return;
    }
    let side = index % params.inner;
    let bin = index / params.inner % params.bins;
    let frame = index / (params.inner * params.bins);
    var at = frame / params.frames * params.entry_stride + frame % params.frames * params.frame_stride;
    at += select(side, 2u * side, COMPLEX);
    let length = params.length;
    var total = vec2(0.0);
    var phase = 0u;
    for (var first = 0u; first < params.taken; first += RUN) {
        var sum = vec2(0.0);
        for (var n = first; n < min(first + RUN, params.taken); n++) {
            let cosine = turns[2u * phase];
            var sine = turns[2u * phase + 1u];
            if DIRECTION == 0u {
                sine = -sine;
            }
            var x = vec2(signal[at], 0.0);
            if COMPLEX {
                x.y = signal[at + 1u];
            }
            if WINDOW {
                x *= window[n];
            }
            if DIRECTION == 2u {
                // The other half is the same, but for the first element and that in the middle.
                x *= select(2.0, 1.0, n == 0u || 2u * n == length);
            }
            var term = vec2(x.x * cosine, x.x * sine);
            if COMPLEX {
                term += vec2(-x.y * sine, x.y * cosine);
            }
            sum += term;
            at += params.sample_stride;
            phase += bin;
            phase -= select(0u, length, phase >= length);
        }
        total += sum;
    }
    total *= params.factor;
    if DIRECTION == 2u {
        result[index] = total.x;
    } else {
        result[2u * index] = total.x;
        result[2u * index + 1u] = total.y;
    }
}
