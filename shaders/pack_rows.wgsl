// Rows of a matrix of 8-bit numbers as signed bytes, sixteen a vector: row after row, each filled up with zeros to whole vectors.

struct Params {
    // Vectors of all rows, and of one.
    items: u32,
    vectors: u32,
    // Elements of a row, from one to the next, and where the first row begins.
    depth: u32,
    step: u32,
    offset: u32,
    // Whether elements lie four a word; else each is the low byte of a word.
    packed: u32,
    // 0x80808080 takes 128 from each, else 0.
    flip: u32,
    // Dimensions over which rows are numbered, 1 to 8, from the innermost.
    rank: u32,
    sizes: array<vec4<u32>, 2>,
    strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4<u32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let first = item % p.vectors * 16u;
    var rest = item / p.vectors;
    var at = p.offset + first * p.step;
    for (var k = 0u; k < p.rank; k++) {
        let size = params.sizes[k >> 2u][k & 3u];
        at += rest % size * params.strides[k >> 2u][k & 3u];
        rest /= size;
    }
    let count = min(16u, p.depth - first);
    var words = vec4(0u);
    if p.packed != 0u && p.step == 1u && (at & 3u) == 0u && count == 16u {
        let word = at >> 2u;
        words = vec4(source[word], source[word + 1u], source[word + 2u], source[word + 3u]) ^ vec4(p.flip);
    } else {
        let shift = select(0u, 2u, p.packed != 0u);
        for (var k = 0u; k < count; k++) {
            let bits = source[at >> shift] >> select(0u, (at & 3u) << 3u, p.packed != 0u);
            words[k >> 2u] |= ((bits ^ p.flip) & 0xffu) << ((k & 3u) << 3u);
            at += p.step;
        }
    }
    result[item] = words;
}
