// Whole numbers, remainders and conversions. No quotient is taken of a zero, nor of the least number by -1.

// Towards zero; a / 0 is 0, and the least number over -1 is itself.
fn quotient(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> {
    let wraps = b == vec4(-1);
    let divisor = select(b, vec4(1), (b == vec4(0)) | wraps);
    return select(select(a / divisor, -a, wraps), vec4(0), b == vec4(0));
}

// a - b quotient(a, b), with the sign of a; a itself where b is 0.
fn remainder(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> {
    let divisor = select(b, vec4(1), (b == vec4(0)) | (b == vec4(-1)));
    return select(a % divisor, a, b == vec4(0));
}

// With the sign of b.
fn floor_remainder(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> {
    let r = remainder(a, b);
    return select(r, r + b, (r != vec4(0)) & (b != vec4(0)) & ((r < vec4(0)) != (b < vec4(0))));
}

// Without sign; a / 0 is 0, a % 0 is a.
fn quotient_u(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return select(a / max(b, vec4(1u)), vec4(0u), b == vec4(0u));
}
fn remainder_u(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return select(a % max(b, vec4(1u)), a, b == vec4(0u));
}

fn ipow(x: vec4<i32>, y: vec4<i32>) -> vec4<i32> {
    var out = vec4(1);
    var base = x;
    var e = max(y, vec4(0));
    for (var bit = 0u; bit < 31u; bit++) {
        out = select(out, out * base, (e & vec4(1)) == vec4(1));
        base *= base;
        e = e >> vec4(1u);
        if all(e == vec4(0)) { break; }
    }
    let inverse = select(vec4(0), select(vec4(1), x, (y & vec4(1)) == vec4(1)), abs(x) == vec4(1));
    return select(out, inverse, y < vec4(0));
}

// Towards zero, saturating; NaN gives 0.
fn to_int(a: vec4<f32>) -> vec4<i32> {
    let c = clamp(a, vec4(-2147483648.0), vec4(2147483520.0));
    let t = select(vec4<i32>(c), vec4(2147483647), a >= vec4(2147483648.0));
    return select(t, vec4(0), is_nan(a));
}

// C's fmod, exact: the mantissa of a, shifted by the difference of the exponents eight bits at a time, modulo that of b.
fn fmod_(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let a_size = bitcast<vec4<u32>>(a) & vec4(0x7fffffffu);
    let b_size = bitcast<vec4<u32>>(b) & vec4(0x7fffffffu);
    let a_exponent = max(a_size >> vec4(23u), vec4(1u));
    let b_exponent = max(b_size >> vec4(23u), vec4(1u));
    let a_normal = select(vec4(0u), vec4(0x00800000u), a_size >= vec4(0x00800000u));
    let b_normal = select(vec4(0u), vec4(0x00800000u), b_size >= vec4(0x00800000u));
    let divisor = max((b_size & vec4(0x007fffffu)) | b_normal, vec4(1u));
    var rest = ((a_size & vec4(0x007fffffu)) | a_normal) % divisor;
    var shift = max(a_exponent, b_exponent) - b_exponent;
    for (var round = 0u; round < 32u && any(shift > vec4(0u)); round++) {
        let step = min(shift, vec4(8u));
        rest = (rest << step) % divisor;
        shift -= step;
    }
    let up = min(countLeadingZeros(rest) - vec4(8u), b_exponent - vec4(1u));
    let scaled = rest << up;
    let normal = scaled >= vec4(0x00800000u);
    let word = select(scaled, ((b_exponent - up) << vec4(23u)) | (scaled & vec4(0x007fffffu)), normal);
    var out = select(word, a_size, a_size < b_size) | (bitcast<vec4<u32>>(a) & vec4(0x80000000u));
    out = select(out, vec4(0x7fc00000u), (b_size == vec4(0u)) | (a_size >= vec4(0x7f800000u)) | (b_size > vec4(0x7f800000u)));
    return keep_nan(a, keep_nan(b, bitcast<vec4<f32>>(out)));
}

// With the sign of b, zeros too: exact where it is a itself, else rounded once.
fn floor_mod_(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let r = fmod_(a, b);
    let size = bitcast<vec4<u32>>(r) & vec4(0x7fffffffu);
    let differ = ((bitcast<vec4<u32>>(r) ^ bitcast<vec4<u32>>(b)) >> vec4(31u)) == vec4(1u);
    return keep_nan(r, select(select(r, r + b, differ), with_sign(r, b), size == vec4(0u)));
}
