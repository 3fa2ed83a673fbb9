// Two elements in one, by words: op 0 the second, 1 their sum, 2 their product, 3 the larger, 4 the smaller; kind 0 f32, 1
// signed, 2 unsigned, 3 i64 in 32 bits; bits of the type, if it is narrow. Gives the result, and 1 if it leaves the range of an
// i64's 32 bits.

fn combine(op: u32, kind: u32, bits: u32, a: u32, b: u32) -> vec2<u32> {
    if op == 0u { return vec2(b, 0u); }
    if kind == 0u { return vec2(combine_floats(op, a, b), 0u); }
    if op >= 3u {
        let below = select(bitcast<i32>(a) < bitcast<i32>(b), a < b, kind == 2u);
        return vec2(select(a, b, below == (op == 3u)), 0u);
    }
    if kind == 3u { return combine_checked(op, a, b); }
    let both = select(a * b, a + b, op == 1u);
    if kind == 1u { return vec2(bitcast<u32>(extractBits(bitcast<i32>(both), 0u, bits)), 0u); }
    return vec2(extractBits(both, 0u, bits), 0u);
}

// NaN where one is.
fn combine_floats(op: u32, a: u32, b: u32) -> u32 {
    let x = bitcast<f32>(a);
    let y = bitcast<f32>(b);
    if op == 1u { return bitcast<u32>(x + y); }
    if op == 2u { return bitcast<u32>(x * y); }
    let larger = select(y > x, x > y, op == 3u);
    let first = (larger || (a & 0x7fffffffu) > 0x7f800000u) && (b & 0x7fffffffu) <= 0x7f800000u;
    return select(b, a, first);
}

fn combine_checked(op: u32, a: u32, b: u32) -> vec2<u32> {
    if op == 1u {
        let sum = a + b;
        return vec2(sum, ((a ^ sum) & (b ^ sum)) >> 31u);
    }
    let sizes = vec2(select(a, 0u - a, a >= 0x80000000u), select(b, 0u - b, b >= 0x80000000u));
    let low = sizes.x * sizes.y;
    let negative = ((a ^ b) >> 31u) == 1u;
    let fits = mul_high(vec4(sizes.x), vec4(sizes.y)).x == 0u && (low < 0x80000000u || (low == 0x80000000u && negative));
    return vec2(a * b, select(1u, 0u, fits));
}

// The least range of f32s that holds two, each the bits of its ends. NaN where one is.
fn join_ranges(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2(min_f(vec4(a.x), vec4(b.x)).x, max_f(vec4(a.y), vec4(b.y)).x);
}
