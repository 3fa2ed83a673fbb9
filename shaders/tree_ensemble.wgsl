// Ensembles of decision trees: an invocation for each row, which goes through all trees in their order.

struct Params {
    rows: u32,
    // Of a row.
    features: u32,
    targets: u32,
    trees: u32,
    // The most branches from a root to a leaf.
    depth: u32,
    // 0 sum, 1 mean, 2 least, 3 largest.
    aggregate: u32,
    // Base values: none, or one for each target.
    bases: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
// A branch: the feature times 16, with its mode and whether NaN is true; the threshold; the nodes where it is true and where false.
// A leaf: LEAF; the first of its votes and the end of them.
@group(0) @binding(1) var<storage, read> nodes: array<vec4<u32>>;
// Target and weight.
@group(0) @binding(2) var<storage, read> votes: array<vec2<u32>>;
// The roots of the trees, then the bits of the base values.
@group(0) @binding(3) var<storage, read> roots: array<u32>;
@group(0) @binding(4) var<storage, read_write> result: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

const LEAF: u32 = 6u;

fn holds(mode: u32, value: f32, threshold: f32) -> bool {
    switch mode {
        case 0u: { return value <= threshold; }
        case 1u: { return value < threshold; }
        case 2u: { return value >= threshold; }
        case 3u: { return value > threshold; }
        case 4u: { return value == threshold; }
        default: { return value != threshold; }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let row = workgroup.x * 64u + local;
    if row >= p.rows {
        return;
    }
    let out = row * p.targets;
    // NaN stands for a target without a vote.
    for (var column = 0u; column < p.targets; column++) {
        result[out + column] = nan().x;
    }
    for (var tree = 0u; tree < p.trees; tree++) {
        var node = nodes[roots[tree]];
        for (var step = 0u; step < p.depth; step++) {
            let mode = node.x & 7u;
            if mode == LEAF {
                break;
            }
            let value = x[row * p.features + (node.x >> 4u)];
            // NaN differs from every number.
            let missing = (node.x & 8u) != 0u || mode == 5u;
            let goes = select(holds(mode, value, bitcast<f32>(node.y)), missing, is_nan(vec4(value)).x);
            node = nodes[select(node.w, node.z, goes)];
        }
        for (var vote = node.z; vote < node.w; vote++) {
            let own = votes[vote];
            let weight = bitcast<f32>(own.y);
            let before = result[out + own.x];
            var after = before + weight;
            if p.aggregate >= 2u {
                after = select(max(before, weight), min(before, weight), p.aggregate == 2u);
            }
            result[out + own.x] = select(after, weight, is_nan(vec4(before)).x);
        }
    }
    for (var column = 0u; column < p.targets; column++) {
        var value = result[out + column];
        value = select(value, 0.0, is_nan(vec4(value)).x);
        if p.aggregate == 1u {
            value /= f32(p.trees);
        }
        if p.bases > 0u {
            value += bitcast<f32>(roots[p.trees + column]);
        }
        result[out + column] = value;
    }
}
