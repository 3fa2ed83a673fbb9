// Packed elements as words and back, by their bits: drivers cancel a packing that is unpacked again, and flush the denormals of half precision.
// A word of half precision or of bf16 is the f32 of the same value.

fn widen_half(h: vec4<u32>) -> vec4<u32> {
    let exponent = h & vec4(0x7c00u);
    let digits = h & vec4(0x7fffu);
    let scale = select(vec4(112u), vec4(224u), exponent == vec4(0x7c00u));
    let normal = (digits << vec4(13u)) + (scale << vec4(23u));
    // 2^-24 each.
    let tiny = bitcast<vec4<u32>>(vec4<f32>(digits) * bitcast<f32>(0x33800000u));
    return ((h & vec4(0x8000u)) << vec4(16u)) | select(normal, tiny, exponent == vec4(0u));
}
// To the nearest, of two the even one.
fn narrow_half(x: vec4<u32>) -> vec4<u32> {
    let a = x & vec4(0x7fffffffu);
    let normal = (a - vec4(0x38000000u) + vec4(0xfffu) + ((a >> vec4(13u)) & vec4(1u))) >> vec4(13u);
    // An f32 between 0.5 and 1 has its last place at 2^-24.
    let tiny = bitcast<vec4<u32>>(bitcast<vec4<f32>>(min(a, vec4(0x38800000u))) + vec4(0.5)) - vec4(0x3f000000u);
    var h = select(normal, tiny, a < vec4(0x38800000u));
    h = select(h, vec4(0x7c00u), a >= vec4(0x477ff000u));
    h = select(h, vec4(0x7e00u), a > vec4(0x7f800000u));
    return ((x >> vec4(16u)) & vec4(0x8000u)) | h;
}
// To bf16, the nearest, of two the even one.
fn narrow_brain(x: vec4<u32>) -> vec4<u32> {
    let h = (x + vec4(0x7fffu) + ((x >> vec4(16u)) & vec4(1u))) >> vec4(16u);
    let quiet = (x >> vec4(16u)) | vec4(0x40u);
    return select(h, quiet, (x & vec4(0x7fffffffu)) > vec4(0x7f800000u));
}
// To f32 (0: as it is), f16 (1) or bf16 (2).
fn rounded_to(x: vec4<f32>, format: u32) -> vec4<f32> {
    switch format {
        case 0u: { return x; }
        case 1u: { return bitcast<vec4<f32>>(half_f(bitcast<vec4<u32>>(x))); }
        default: { return bitcast<vec4<f32>>(brain_f(bitcast<vec4<u32>>(x))); }
    }
}
// How many elements a word holds, as a power of two; formats as lower/storage.rs numbers them.
fn elements_log2(format: u32) -> u32 {
    switch format {
        case 0u: { return 0u; }
        case 4u, 5u: { return 2u; }
        case 7u, 8u: { return 3u; }
        case 9u, 10u: { return 4u; }
        default: { return 1u; }
    }
}
fn halves_of(x: vec2<u32>) -> vec4<u32> {
    return vec4(x.x & 0xffffu, x.x >> 16u, x.y & 0xffffu, x.y >> 16u);
}
fn bytes_of(x: u32) -> vec4<u32> { return (vec4(x) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu); }
// Of eight elements a word, and of sixteen, the four that the index says.
fn nibbles_of(x: u32, index: u32) -> vec4<u32> {
    return (vec4(x >> ((index & 1u) << 4u)) >> vec4(0u, 4u, 8u, 12u)) & vec4(15u);
}
fn pairs_of(x: u32, index: u32) -> vec4<u32> {
    return (vec4(x >> ((index & 3u) << 3u)) >> vec4(0u, 2u, 4u, 6u)) & vec4(3u);
}
fn load_f16(x: vec2<u32>) -> vec4<u32> { return widen_half(halves_of(x)); }
fn load_i16(x: vec2<u32>) -> vec4<u32> { return wrap_i16(halves_of(x)); }
fn load_u16(x: vec2<u32>) -> vec4<u32> { return halves_of(x); }
fn load_i8(x: u32) -> vec4<u32> { return wrap_i8(bytes_of(x)); }
fn load_u8(x: u32) -> vec4<u32> { return bytes_of(x); }
fn load_bf16(x: vec2<u32>) -> vec4<u32> { return halves_of(x) << vec4(16u); }
fn load_i4(x: u32, index: u32) -> vec4<u32> { return wrap_i4(nibbles_of(x, index)); }
fn load_u4(x: u32, index: u32) -> vec4<u32> { return nibbles_of(x, index); }
fn load_i2(x: u32, index: u32) -> vec4<u32> { return wrap_i2(pairs_of(x, index)); }
fn load_u2(x: u32, index: u32) -> vec4<u32> { return pairs_of(x, index); }
// Two numbers a word that are no denormals of half precision, infinities or NaN: these drivers widen as they are.
fn unpack_halves(x: vec2<u32>) -> vec4<f32> { return vec4(unpack2x16float(x.x), unpack2x16float(x.y)); }
fn store_bf16(x: vec4<u32>) -> vec2<u32> {
    let h = narrow_brain(x);
    return vec2(h.x | (h.y << 16u), h.z | (h.w << 16u));
}
fn store_f16(x: vec4<u32>) -> vec2<u32> {
    let h = narrow_half(x);
    return vec2(h.x | (h.y << 16u), h.z | (h.w << 16u));
}
fn store_i16(x: vec4<u32>) -> vec2<u32> {
    return vec2((x.x & 0xffffu) | (x.y << 16u), (x.z & 0xffffu) | (x.w << 16u));
}
fn store_u16(x: vec4<u32>) -> vec2<u32> { return store_i16(x); }
fn store_i8(x: vec4<u32>) -> u32 {
    let b = (x & vec4(0xffu)) << vec4(0u, 8u, 16u, 24u);
    return b.x | b.y | b.z | b.w;
}
fn store_u8(x: vec4<u32>) -> u32 { return store_i8(x); }
