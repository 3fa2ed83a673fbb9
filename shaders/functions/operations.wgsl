// The operations of elementwise programs, by the names in src/ops/elementwise/codes.rs. The last letter says of what: f f32,
// i signed, u unsigned, b bool, w any word.

fn copy(a: vec4<u32>) -> vec4<u32> { return a; }
fn add_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_floats(floats(a) + floats(b)); }
fn sub_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_floats(floats(a) - floats(b)); }
fn mul_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_floats(floats(a) * floats(b)); }
fn div_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_floats(floats(a) / floats(b)); }
fn pow_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_floats(pow_(floats(a), floats(b))); }
fn fmod_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_floats(fmod_(floats(a), floats(b))); }
fn floor_mod_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_floats(floor_mod_(floats(a), floats(b))); }
fn min_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return of_floats(keep_nan(floats(a), keep_nan(floats(b), min(floats(a), floats(b)))));
}
fn max_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return of_floats(keep_nan(floats(a), keep_nan(floats(b), max(floats(a), floats(b)))));
}
fn neg_f(a: vec4<u32>) -> vec4<u32> { return a ^ vec4(0x80000000u); }
fn abs_f(a: vec4<u32>) -> vec4<u32> { return a & vec4(0x7fffffffu); }
fn sign_f(a: vec4<u32>) -> vec4<u32> {
    let one = (a & vec4(0x80000000u)) | vec4(0x3f800000u);
    return select(select(one, vec4(0u), abs_f(a) == vec4(0u)), a, is_nan(floats(a)));
}
fn sqrt_f(a: vec4<u32>) -> vec4<u32> { return of_floats(sqrt(floats(a))); }
fn recip_f(a: vec4<u32>) -> vec4<u32> { return of_floats(1.0 / floats(a)); }
fn exp_f(a: vec4<u32>) -> vec4<u32> { return of_floats(exp_(floats(a))); }
fn log_f(a: vec4<u32>) -> vec4<u32> { return of_floats(log_(floats(a))); }
fn sin_f(a: vec4<u32>) -> vec4<u32> { return of_floats(sin_(floats(a))); }
fn cos_f(a: vec4<u32>) -> vec4<u32> { return of_floats(cos_(floats(a))); }
fn tan_f(a: vec4<u32>) -> vec4<u32> { return of_floats(tan_(floats(a))); }
fn asin_f(a: vec4<u32>) -> vec4<u32> { return of_floats(asin_(floats(a))); }
fn acos_f(a: vec4<u32>) -> vec4<u32> { return of_floats(acos_(floats(a))); }
fn atan_f(a: vec4<u32>) -> vec4<u32> { return of_floats(atan_(floats(a))); }
fn sinh_f(a: vec4<u32>) -> vec4<u32> { return of_floats(sinh_(floats(a))); }
fn cosh_f(a: vec4<u32>) -> vec4<u32> { return of_floats(cosh_(floats(a))); }
fn tanh_f(a: vec4<u32>) -> vec4<u32> { return of_floats(tanh_(floats(a))); }
fn asinh_f(a: vec4<u32>) -> vec4<u32> { return of_floats(asinh_(floats(a))); }
fn acosh_f(a: vec4<u32>) -> vec4<u32> { return of_floats(acosh_(floats(a))); }
fn atanh_f(a: vec4<u32>) -> vec4<u32> { return of_floats(atanh_(floats(a))); }
fn erf_f(a: vec4<u32>) -> vec4<u32> { return of_floats(erf_(floats(a))); }
fn floor_f(a: vec4<u32>) -> vec4<u32> { return of_floats(floor(floats(a))); }
// Of a positive denormal it is 1, on drivers that flush them as well.
fn ceil_f(a: vec4<u32>) -> vec4<u32> {
    let tiny = (a - vec4(1u)) < vec4(0x007fffffu);
    return select(of_floats(ceil(floats(a))), vec4(0x3f800000u), tiny);
}
fn round_f(a: vec4<u32>) -> vec4<u32> { return of_floats(round(floats(a))); }
fn sigmoid_f(a: vec4<u32>) -> vec4<u32> { return of_floats(sigmoid_(floats(a))); }
fn hard_sigmoid_f(a: vec4<u32>, alpha: vec4<u32>, beta: vec4<u32>) -> vec4<u32> {
    return of_floats(unit(fma(floats(a), floats(alpha), floats(beta))));
}
fn hard_swish_f(a: vec4<u32>) -> vec4<u32> {
    return of_floats(floats(a) * unit(fma(floats(a), vec4(0.16666667), vec4(0.5))));
}
// Numbers below zero by their bits: a driver may take a comparison and a choice for a maximum, which loses NaN.
fn relu_f(a: vec4<u32>) -> vec4<u32> { return select(a, vec4(0u), (a - vec4(0x80000001u)) < vec4(0x7f800000u)); }
fn leaky_f(a: vec4<u32>, alpha: vec4<u32>) -> vec4<u32> { return select(a, mul_f(a, alpha), floats(a) < vec4(0.0)); }
fn elu_f(a: vec4<u32>, alpha: vec4<u32>) -> vec4<u32> {
    return select(a, of_floats(floats(alpha) * expm1_(floats(a))), floats(a) < vec4(0.0));
}
fn selu_f(a: vec4<u32>, alpha: vec4<u32>, gamma: vec4<u32>) -> vec4<u32> {
    return mul_f(gamma, elu_f(a, alpha));
}
fn celu_f(a: vec4<u32>, alpha: vec4<u32>) -> vec4<u32> {
    return select(a, of_floats(floats(alpha) * expm1_(floats(a) / floats(alpha))), floats(a) < vec4(0.0));
}
fn softplus_f(a: vec4<u32>) -> vec4<u32> { return of_floats(softplus_(floats(a))); }
// Beyond 2^25 it is 1; a division by more than 2^126 need not be exact.
fn softsign_f(a: vec4<u32>) -> vec4<u32> {
    let one = (a & vec4(0x80000000u)) | vec4(0x3f800000u);
    let large = (abs_f(a) >= vec4(0x4c000000u)) & (abs_f(a) < vec4(0x7f800000u));
    return select(of_floats(floats(a) / (1.0 + abs(floats(a)))), one, large);
}
fn mish_f(a: vec4<u32>) -> vec4<u32> { return of_floats(mish_(floats(a))); }
fn gelu_f(a: vec4<u32>) -> vec4<u32> { return of_floats(gelu_(floats(a))); }
fn gelu_tanh_f(a: vec4<u32>) -> vec4<u32> { return of_floats(gelu_tanh_(floats(a))); }
// Of NaN it is 0, like shrink_f: by the standard's text it is not above the threshold.
fn thresholded_f(a: vec4<u32>, alpha: vec4<u32>) -> vec4<u32> {
    return select(vec4(0u), a, floats(a) > floats(alpha));
}
fn shrink_f(a: vec4<u32>, lambda: vec4<u32>, bias: vec4<u32>) -> vec4<u32> {
    let above = select(vec4(0.0), floats(a) - floats(bias), floats(a) > floats(lambda));
    return of_floats(select(above, floats(a) + floats(bias), floats(a) < -floats(lambda)));
}
fn add_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return a + b; }
fn sub_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return a - b; }
fn mul_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return a * b; }
fn div_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_ints(quotient(ints(a), ints(b))); }
fn pow_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_ints(ipow(ints(a), ints(b))); }
// A whole number to the power of an f32, towards zero: exact where the exponent is whole.
fn pow_if(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let y = floats(b);
    let whole = (round(y) == y) & (abs(y) < vec4(2147483520.0));
    let exact = ipow(ints(a), vec4<i32>(select(vec4(0.0), y, whole)));
    return of_ints(select(to_int(pow_(vec4<f32>(ints(a)), y)), exact, whole));
}
fn mod_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_ints(floor_remainder(ints(a), ints(b))); }
fn fmod_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_ints(remainder(ints(a), ints(b))); }
fn min_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_ints(min(ints(a), ints(b))); }
fn max_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_ints(max(ints(a), ints(b))); }
fn neg_i(a: vec4<u32>) -> vec4<u32> { return vec4(0u) - a; }
fn abs_i(a: vec4<u32>) -> vec4<u32> { return select(a, vec4(0u) - a, ints(a) < vec4(0)); }
fn sign_i(a: vec4<u32>) -> vec4<u32> { return of_ints(sign(ints(a))); }
fn div_u(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return quotient_u(a, b); }
fn mod_u(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return remainder_u(a, b); }
fn min_u(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return min(a, b); }
fn max_u(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return max(a, b); }
fn not_b(a: vec4<u32>) -> vec4<u32> { return a ^ vec4(1u); }
fn and_b(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return a & b; }
fn or_b(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return a | b; }
fn xor_b(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return a ^ b; }
// Bits that come in are those of the sign. A shift by less than none or by all bits leaves nothing else.
fn shift_left_w(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return select(vec4(0u), a << (b & vec4(31u)), b < vec4(32u));
}
fn shift_right_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_ints(ints(a) >> min(b, vec4(31u))); }
fn shift_right_u(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return select(vec4(0u), a >> (b & vec4(31u)), b < vec4(32u));
}
fn bit_not_w(a: vec4<u32>) -> vec4<u32> { return ~a; }
fn bit_and_w(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return a & b; }
fn bit_or_w(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return a | b; }
fn bit_xor_w(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return a ^ b; }
fn eq_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_bools(floats(a) == floats(b)); }
fn gt_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_bools(floats(a) > floats(b)); }
fn ge_f(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_bools(floats(a) >= floats(b)); }
fn eq_w(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_bools(a == b); }
fn gt_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_bools(ints(a) > ints(b)); }
fn ge_i(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_bools(ints(a) >= ints(b)); }
fn gt_u(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_bools(a > b); }
fn ge_u(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return of_bools(a >= b); }
fn select_w(a: vec4<u32>, b: vec4<u32>, c: vec4<u32>) -> vec4<u32> { return select(c, b, a != vec4(0u)); }
fn is_nan_f(a: vec4<u32>) -> vec4<u32> { return of_bools(is_nan(floats(a))); }
// Which of the infinities count: b the positive one, c the negative one.
fn is_inf_f(a: vec4<u32>, b: vec4<u32>, c: vec4<u32>) -> vec4<u32> {
    let positive = (a == vec4(0x7f800000u)) & (b != vec4(0u));
    return of_bools(positive | ((a == vec4(0xff800000u)) & (c != vec4(0u))));
}
fn float_to_int_w(a: vec4<u32>) -> vec4<u32> { return of_ints(to_int(floats(a))); }
fn float_to_uint_w(a: vec4<u32>) -> vec4<u32> {
    return select(vec4<u32>(clamp(floats(a), vec4(0.0), vec4(4294967040.0))), vec4(0u), is_nan(floats(a)));
}
fn int_to_float_w(a: vec4<u32>) -> vec4<u32> { return of_floats(vec4<f32>(ints(a))); }
fn uint_to_float_w(a: vec4<u32>) -> vec4<u32> { return of_floats(vec4<f32>(a)); }
fn float_to_bool_w(a: vec4<u32>) -> vec4<u32> { return of_bools(abs_f(a) != vec4(0u)); }
fn int_to_bool_w(a: vec4<u32>) -> vec4<u32> { return of_bools(a != vec4(0u)); }
fn wrap_i8(a: vec4<u32>) -> vec4<u32> { return of_ints((ints(a) << vec4(24u)) >> vec4(24u)); }
fn wrap_i16(a: vec4<u32>) -> vec4<u32> { return of_ints((ints(a) << vec4(16u)) >> vec4(16u)); }
fn wrap_u8(a: vec4<u32>) -> vec4<u32> { return a & vec4(255u); }
fn wrap_u16(a: vec4<u32>) -> vec4<u32> { return a & vec4(65535u); }
fn wrap_i2(a: vec4<u32>) -> vec4<u32> { return of_ints((ints(a) << vec4(30u)) >> vec4(30u)); }
fn wrap_i4(a: vec4<u32>) -> vec4<u32> { return of_ints((ints(a) << vec4(28u)) >> vec4(28u)); }
fn wrap_u2(a: vec4<u32>) -> vec4<u32> { return a & vec4(3u); }
fn wrap_u4(a: vec4<u32>) -> vec4<u32> { return a & vec4(15u); }
// To the nearest f16, of two the even one: `narrow_half` and `widen_half` in fewer operations.
fn half_f(x: vec4<u32>) -> vec4<u32> {
    let a = x & vec4(0x7fffffffu);
    let normal = (a + vec4(0xfffu) + ((a >> vec4(13u)) & vec4(1u))) & vec4(0xffffe000u);
    // An f32 between 0.5 and 1 has its last place at 2^-24.
    let count = bitcast<vec4<i32>>(bitcast<vec4<f32>>(min(a, vec4(0x38800000u))) + vec4(0.5)) - vec4(0x3f000000i);
    let tiny = bitcast<vec4<u32>>(vec4<f32>(count) * bitcast<f32>(0x33800000u));
    var h = select(normal, tiny, a < vec4(0x38800000u));
    h = select(h, vec4(0x7f800000u), a >= vec4(0x477ff000u));
    h = select(h, vec4(0x7fc00000u), a > vec4(0x7f800000u));
    return (x & vec4(0x80000000u)) | h;
}
fn brain_f(a: vec4<u32>) -> vec4<u32> { return narrow_brain(a) << vec4(16u); }
fn widen_w(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return widen_minifloat(a, b.x); }
fn narrow_w(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return narrow_minifloat(a, b.x); }
