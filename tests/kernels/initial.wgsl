// Local variables whose initial values are put together from constants.
struct Pair { a: vec2<i32>, b: array<u32, 2> }
const BASE = vec2<i32>(3, -4);
const PAIR = Pair(BASE, array<u32, 2>(7u, 9u));
struct Params { len: u32 }
@group(0) @binding(0) var<storage, read_write> out: array<vec4<i32>>;
@group(0) @binding(1) var<uniform> params: Params;

fn spread(i: i32) -> vec4<i32> {
    var v = vec4<i32>(BASE, 5, 6);
    var w = vec4<i32>(-(2 * 3));
    var p = PAIR;
    var m = array<vec4<i32>, 2>(vec4<i32>(1), vec4<i32>());
    v[i & 3] += p.a.y;
    m[i & 1].x = i32(p.b[i & 1]);
    return v + w + m[0] + m[1];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var acc = vec4<i32>(1, 2, 3, 4);
    if id.x < params.len {
        acc += spread(i32(id.x));
        out[id.x] += acc;
    }
}
