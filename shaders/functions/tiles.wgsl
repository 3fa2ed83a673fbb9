// What products and convolutions do with tiles of four by four.

fn outer(acc: mat4x4<f32>, w: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        fma(vec4(w.x), b, acc[0]),
        fma(vec4(w.y), b, acc[1]),
        fma(vec4(w.z), b, acc[2]),
        fma(vec4(w.w), b, acc[3]),
    );
}

fn outer_i(acc: array<vec4<i32>, 4>, w: vec4<i32>, b: vec4<i32>) -> array<vec4<i32>, 4> {
    return array<vec4<i32>, 4>(
        vec4(w.x) * b + acc[0],
        vec4(w.y) * b + acc[1],
        vec4(w.z) * b + acc[2],
        vec4(w.w) * b + acc[3],
    );
}

// The values of four invocations of a subgroup of eight, from 0 or 4 on.
fn broadcast_four(a: f32, first: u32) -> vec4<f32> {
    switch first {
        case 0u: {
            return vec4(subgroupBroadcast(a, 0u), subgroupBroadcast(a, 1u), subgroupBroadcast(a, 2u), subgroupBroadcast(a, 3u));
        }
        default: {
            return vec4(subgroupBroadcast(a, 4u), subgroupBroadcast(a, 5u), subgroupBroadcast(a, 6u), subgroupBroadcast(a, 7u));
        }
    }
}

// Where four rows or columns of a tile in workgroup memory lie, `width` such fours a depth: depths in groups of four, and behind each group
// a gap, so that invocations that store depths side by side are in other banks. A tile of `width` times `256 / width` takes 264.
fn place_in_tile(depth: u32, four: u32, width: u32) -> u32 {
    return (depth >> 2u) * (4u * width + width / 8u) + (depth & 3u) * width + four;
}
