// Puts each element where its index says, and zeros elsewhere: each invocation writes a run of a plane, for which it looks at all
// elements of the plane. Of several for one place the last stays.

struct Params {
    // Invocations: planes x runs.
    items: u32,
    runs: u32,
    // Elements of a run; the plane's last may be shorter.
    run: u32,
    // Elements of a plane: of the input, of what the indices count, of the output.
    input: u32,
    counted: u32,
    output: u32,
    // Axes of what the indices count and of the output: planes, rows and columns.
    counted_size: vec4<u32>,
    output_size: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<storage, read_write> report: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let plane = item / p.runs;
    let begin = item % p.runs * p.run;
    let end = min(begin + p.run, p.output);
    let to = plane * p.output;
    for (var i = begin; i < end; i++) {
        result[to + i] = 0u;
    }
    let first = plane * p.input;
    let base = plane * p.counted;
    for (var i = 0u; i < p.input; i++) {
        let place = bitcast<u32>(indices[first + i]) - base;
        if place >= p.counted {
            report[0] = 1u;
            continue;
        }
        let x = place % p.counted_size.z;
        let y = place / p.counted_size.z % p.counted_size.y;
        let z = place / (p.counted_size.z * p.counted_size.y);
        let at = (z * p.output_size.y + y) * p.output_size.z + x;
        if at >= begin && at < end {
            result[to + at] = source[first + i];
        }
    }
}
