// Words and what they mean. Every value of an elementwise program is four words.

fn floats(a: vec4<u32>) -> vec4<f32> { return bitcast<vec4<f32>>(a); }
fn ints(a: vec4<u32>) -> vec4<i32> { return bitcast<vec4<i32>>(a); }
fn of_floats(a: vec4<f32>) -> vec4<u32> { return bitcast<vec4<u32>>(a); }
fn of_ints(a: vec4<i32>) -> vec4<u32> { return bitcast<vec4<u32>>(a); }
fn of_bools(a: vec4<bool>) -> vec4<u32> { return select(vec4(0u), vec4(1u), a); }

// By way of variables, since WGSL has no constant that is not a finite number.
fn inf() -> vec4<f32> {
    var word = vec4(0x7f800000u);
    return bitcast<vec4<f32>>(word);
}
fn nan() -> vec4<f32> {
    var word = vec4(0x7fc00000u);
    return bitcast<vec4<f32>>(word);
}

// The lowest f32, which naga prints beyond the range of f32.
fn lowest() -> f32 {
    var word = 0xff7fffffu;
    return bitcast<f32>(word);
}

// By bits: drivers may assume that there are no NaNs.
fn is_nan(a: vec4<f32>) -> vec4<bool> { return (bitcast<vec4<u32>>(a) & vec4(0x7fffffffu)) > vec4(0x7f800000u); }

// x where it is NaN, else y.
fn keep_nan(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> { return select(y, x, is_nan(x)); }

// The magnitude of y with the sign of x.
fn with_sign(y: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>((bitcast<vec4<u32>>(y) & vec4(0x7fffffffu)) | (bitcast<vec4<u32>>(x) & vec4(0x80000000u)));
}

// 2^n of a normal number.
fn power_of_two(n: vec4<i32>) -> vec4<f32> { return bitcast<vec4<f32>>((n + vec4(127)) << vec4(23u)); }

// The same whole number, in a way that drivers do not see: they may merge fma(n, a, fma(n, b, c)) into fma(n, a + b, c),
// which loses what splitting a constant in two is for.
fn again(n: vec4<f32>) -> vec4<f32> { return vec4<f32>(vec4<i32>(n)); }

// The first 12 bits of a number's mantissa: products of two such are exact, and no driver cancels x - upper(x).
fn upper(x: vec4<f32>) -> vec4<f32> { return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) & vec4(0xfffff000u)); }

// The high word of a product.
fn mul_high(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let low = vec4(0xffffu);
    let cross = (a >> vec4(16u)) * (b & low) + (((a & low) * (b & low)) >> vec4(16u));
    let other = (a & low) * (b >> vec4(16u)) + (cross & low);
    return (a >> vec4(16u)) * (b >> vec4(16u)) + (cross >> vec4(16u)) + (other >> vec4(16u));
}
