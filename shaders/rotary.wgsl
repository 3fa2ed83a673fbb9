// Turns pairs of elements of each row by the angles of its position: of the first elements those of one half with those of the
// other, or neighbours. The others stay.

struct Params {
    // Invocations, and of a row: pairs, invocations (its pairs, then the elements that stay), elements.
    len: u32,
    pairs: u32,
    work: u32,
    size: u32,
    // Whether pairs are neighbours, and whether tables have a number for each element, not for each pair.
    interleaved: u32,
    whole: u32,
    zero: u32,
    // Distances in elements.
    x_offset: u32,
    cos_offset: u32,
    sin_offset: u32,
    x_last: u32,
    cos_last: u32,
    sin_last: u32,
    // Dimensions of the rows from the innermost outwards.
    rows: vec4<u32>,
    x_rows: vec4<u32>,
    cos_rows: vec4<u32>,
    sin_rows: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> cosines: array<f32>;
@group(0) @binding(2) var<storage, read> sines: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn dot_four(a: vec4<u32>, b: vec4<u32>) -> u32 {
    let c = a * b;
    return c.x + c.y + c.z + c.w;
}

// Rounded before it is added to, as a product by itself.
fn product(a: f32, b: f32, zero: u32) -> f32 {
    return bitcast<f32>(bitcast<u32>(a * b) ^ zero);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let index = workgroup.x * 64u + local;
    if index >= p.len {
        return;
    }
    let row = index / p.work;
    let at = index % p.work;
    let place = vec4(
        row % p.rows.x,
        row / p.rows.x % p.rows.y,
        row / (p.rows.x * p.rows.y) % p.rows.z,
        row / (p.rows.x * p.rows.y * p.rows.z),
    );
    let from_ = p.x_offset + dot_four(place, p.x_rows);
    let to = row * p.size;
    if at >= p.pairs {
        let stays = at + p.pairs;
        result[to + stays] = x[from_ + stays * p.x_last];
        return;
    }
    let first = select(at, at * 2u, p.interleaved != 0u);
    let second = select(at + p.pairs, at * 2u + 1u, p.interleaved != 0u);
    let cos_at = p.cos_offset + dot_four(place, p.cos_rows);
    let sin_at = p.sin_offset + dot_four(place, p.sin_rows);
    let angles = select(vec2(at), vec2(first, second), p.whole != 0u);
    let a = x[from_ + first * p.x_last];
    let b = x[from_ + second * p.x_last];
    let c = vec2(cosines[cos_at + angles.x * p.cos_last], cosines[cos_at + angles.y * p.cos_last]);
    let s = vec2(sines[sin_at + angles.x * p.sin_last], sines[sin_at + angles.y * p.sin_last]);
    result[to + first] = product(a, c.x, p.zero) - product(b, s.x, p.zero);
    result[to + second] = product(b, c.y, p.zero) + product(a, s.y, p.zero);
}
