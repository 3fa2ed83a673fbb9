// Floats of 8 and 4 bits, which lie as their bits, to and from the words of f32: all by bits, since drivers flush denormals. The second
// operand is the format as tensor/small.rs numbers it, 16 where a cast saturates, and 32 times the rounding mode of E8M0.

// The position of the sign, digits behind the point, the exponent's bias.
fn minifloat_layout(format: u32) -> vec3<u32> {
    switch format {
        case 0u: { return vec3(7u, 3u, 7u); }
        case 1u: { return vec3(7u, 3u, 8u); }
        case 2u: { return vec3(7u, 2u, 15u); }
        case 3u: { return vec3(7u, 2u, 16u); }
        default: { return vec3(3u, 1u, 1u); }
    }
}
// The largest finite number, what lies beyond it, and NaN.
fn minifloat_ends(format: u32) -> vec3<u32> {
    switch format {
        case 0u: { return vec3(0x7eu, 0x7fu, 0x7fu); }
        case 2u: { return vec3(0x7bu, 0x7cu, 0x7eu); }
        case 5u: { return vec3(0x7u, 0x7u, 0x8u); }
        default: { return vec3(0x7fu, 0x80u, 0x80u); }
    }
}
fn widen_minifloat(a: vec4<u32>, word: u32) -> vec4<u32> {
    let format = word & 15u;
    if format == 4u {
        return select(max(a << vec4(23u), vec4(0x00400000u)), vec4(0x7fc00000u), a == vec4(255u));
    }
    let made = minifloat_layout(format);
    let rest = a & vec4((1u << made.x) - 1u);
    let normal = (rest << vec4(23u - made.y)) + vec4((127u - made.z) << 23u);
    let tiny = bitcast<vec4<u32>>(vec4<f32>(rest) * bitcast<f32>((128u - made.z - made.y) << 23u));
    var x = select(normal, tiny, rest < vec4(1u << made.y));
    switch format {
        case 0u: { x = select(x, vec4(0x7fc00000u), rest == vec4(0x7fu)); }
        case 2u: {
            x = select(x, vec4(0x7f800000u), rest >= vec4(0x7cu));
            x = select(x, vec4(0x7fc00000u), rest > vec4(0x7cu));
        }
        case 1u, 3u: { x = select(x, vec4(0x7fc00000u), a == vec4(0x80u)); }
        default: {}
    }
    return x | (((a >> vec4(made.x)) & vec4(1u)) << vec4(31u));
}
// The power of two of a magnitude's bits.
fn narrow_exponent(a: vec4<u32>, saturate: bool, mode: u32) -> vec4<u32> {
    let within = clamp(a, vec4(0x00400000u), vec4(0x7f000000u));
    var up = vec4(0x007fffffu);
    if mode == 1u { up = vec4(0u); }
    if mode == 2u { up = vec4(0x00400000u); }
    // From 2^-127 to 2^-126 f32 has denormals, of one digit less.
    let low = (within << vec4(1u)) - vec4(0x00800000u);
    let power = select((within + up) >> vec4(23u), (low + up) >> vec4(23u), within < vec4(0x00800000u));
    let fails = (a > vec4(0x7f800000u)) | ((within != a) & vec4(!saturate));
    return select(power, vec4(255u), fails);
}
fn narrow_minifloat(x: vec4<u32>, word: u32) -> vec4<u32> {
    let format = word & 15u;
    let saturates = (word & 16u) != 0u;
    let a = x & vec4(0x7fffffffu);
    if format == 4u {
        return narrow_exponent(a, saturates, word >> 5u);
    }
    let made = minifloat_layout(format);
    let ends = minifloat_ends(format);
    let shift = 23u - made.y;
    let least = vec4((128u - made.z) << 23u);
    // The last place of the sum is that of the denormals.
    let even = (151u - made.z - made.y) << 23u;
    let tiny = bitcast<vec4<u32>>(bitcast<vec4<f32>>(min(a, least)) + bitcast<f32>(even)) - vec4(even);
    let odd = (a >> vec4(shift)) & vec4(1u);
    let normal = (a - vec4((127u - made.z) << 23u) + vec4((1u << (shift - 1u)) - 1u) + odd) >> vec4(shift);
    var h = select(normal, tiny, a < least);
    h = select(h, vec4(select(ends.y, ends.x, saturates)), h > vec4(ends.x));
    h = select(h, vec4(ends.z), a > vec4(0x7f800000u));
    let sign = (x >> vec4(31u)) << vec4(made.x);
    if format == 1u || format == 3u {
        return select(h | sign, h, (h == vec4(0u)) | (h == vec4(0x80u)));
    }
    return h ^ sign;
}
