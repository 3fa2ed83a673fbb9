// Exponentials, logarithms, powers and hyperbolic functions. docs/numerics.md states how exact each is.

// e^x * 2^shift, by Cephes' polynomial on [-ln2/2, ln2/2]. It overflows and underflows where the result does.
fn exp_scaled(x: vec4<f32>, shift: i32) -> vec4<f32> {
    let c = clamp(x, vec4(-104.0), vec4(90.0));
    let n = round(c * 1.44269504);
    var r = fma(n, vec4(-0.693359375), c);
    r = fma(again(n), vec4(2.12194440e-4), r);
    var p = fma(r, vec4(1.9875691500e-4), vec4(1.3981999507e-3));
    p = fma(p, r, vec4(8.3334519073e-3));
    p = fma(p, r, vec4(4.1665795894e-2));
    p = fma(p, r, vec4(1.6666665459e-1));
    p = fma(p, r, vec4(5.0000001201e-1));
    p = fma(p, r * r, r) + 1.0;
    let e = vec4<i32>(n) + vec4(shift);
    let half = e >> vec4(1u);
    return keep_nan(x, p * power_of_two(half) * power_of_two(e - half));
}

fn exp_(x: vec4<f32>) -> vec4<f32> { return exp_scaled(x, 0); }

// e^x - 1 without cancellation near 0.
fn expm1_(x: vec4<f32>) -> vec4<f32> {
    var p = fma(x, vec4(1.9841270e-4), vec4(1.3888889e-3));
    p = fma(p, x, vec4(8.3333333e-3));
    p = fma(p, x, vec4(4.1666667e-2));
    p = fma(p, x, vec4(1.6666667e-1));
    p = fma(p, x, vec4(0.5));
    return select(exp_(x) - 1.0, fma(p, x * x, x), abs(x) < vec4(0.35));
}

// A positive number's exponent, by its word, and its mantissa's word: denormals by way of whole numbers, which no driver
// flushes to zero.
fn normal_word(word: vec4<u32>) -> vec4<u32> {
    return select(word, bitcast<vec4<u32>>(vec4<f32>(word)), word < vec4(0x00800000u));
}
fn normal_exponent(word: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(normal_word(word) >> vec4(23u)) - select(vec4(127), vec4(276), word < vec4(0x00800000u));
}

// Natural logarithm: Cephes' polynomial.
fn log_(x: vec4<f32>) -> vec4<f32> {
    let word = bitcast<vec4<u32>>(x);
    var m = bitcast<vec4<f32>>((normal_word(word) & vec4(0x7fffffu)) | vec4(0x3f000000u));
    let low = m < vec4(0.70710678);
    let e = vec4<f32>(normal_exponent(word) + select(vec4(1), vec4(0), low));
    m = select(m, m + m, low) - 1.0;
    let z = m * m;
    var p = fma(m, vec4(7.0376836292e-2), vec4(-1.1514610310e-1));
    p = fma(p, m, vec4(1.1676998740e-1));
    p = fma(p, m, vec4(-1.2420140846e-1));
    p = fma(p, m, vec4(1.4249322787e-1));
    p = fma(p, m, vec4(-1.6668057665e-1));
    p = fma(p, m, vec4(2.0000714765e-1));
    p = fma(p, m, vec4(-2.4999993993e-1));
    p = fma(p, m, vec4(3.3333331174e-1));
    var y = p * m * z;
    y = fma(e, vec4(-2.12194440e-4), y);
    y = fma(vec4(-0.5), z, y);
    var out = fma(again(e), vec4(0.693359375), m + y);
    out = select(out, inf(), word == vec4(0x7f800000u));
    out = select(out, nan(), word > vec4(0x80000000u));
    out = select(out, -inf(), (word & vec4(0x7fffffffu)) == vec4(0u));
    return keep_nan(x, out);
}

// ln(1 + x), accurate near 0: 2 atanh(x / (2 + x)).
fn log1p_(x: vec4<f32>) -> vec4<f32> {
    let t = x / (2.0 + x);
    let z = t * t;
    var p = fma(z, vec4(0.18181818), vec4(0.22222222));
    p = fma(p, z, vec4(0.28571429));
    p = fma(p, z, vec4(0.4));
    p = fma(p, z, vec4(0.66666667));
    return select(log_(1.0 + x), fma(p * z, t, t + t), abs(x) < vec4(0.4));
}

fn tanh_(x: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    let z = a * a;
    var p = fma(z, vec4(-5.70498872745e-3), vec4(2.06390887954e-2));
    p = fma(p, z, vec4(-5.37397155531e-2));
    p = fma(p, z, vec4(1.33314422036e-1));
    p = fma(p, z, vec4(-3.33332819422e-1));
    let large = 1.0 - 2.0 / (exp_(a + a) + 1.0);
    return keep_nan(x, with_sign(select(large, fma(p * z, a, a), a < vec4(0.625)), x));
}

fn sinh_(x: vec4<f32>) -> vec4<f32> {
    // (e^x - e^-x) / 2 with e^x - 1 for e^x: exact near 0.
    let a = abs(x);
    let e = expm1_(a);
    let small = 0.5 * (e + e / (e + 1.0));
    return keep_nan(x, with_sign(select(small, exp_scaled(a, -1), a > vec4(20.0)), x));
}

fn cosh_(x: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, exp_scaled(abs(x), -1) + exp_scaled(-abs(x), -1));
}

fn asinh_(x: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    let y = log1p_(a + a * a / (1.0 + sqrt(fma(a, a, vec4(1.0)))));
    return keep_nan(x, with_sign(select(y, log_(a) + 0.69314718, a > vec4(1.0e9)), x));
}

fn acosh_(x: vec4<f32>) -> vec4<f32> {
    let t = x - 1.0;
    let y = select(log1p_(t + sqrt(fma(t, t, 2.0 * t))), log_(x) + 0.69314718, x > vec4(1.0e9));
    return keep_nan(x, select(y, nan(), x < vec4(1.0)));
}

fn atanh_(x: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    let y = select(0.5 * log1p_(2.0 * a / (1.0 - a)), inf(), a == vec4(1.0));
    return keep_nan(x, with_sign(select(y, nan(), a > vec4(1.0)), x));
}

// a^y of a positive finite a, which is not 1, and a finite y: fdlibm's way (e_powf.c), log2(a) in two parts. Numbers are
// split by their bits, since drivers cancel what only rounds and not every fma is one.
fn pow_positive(a: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let word = bitcast<vec4<u32>>(a);
    let mantissa = normal_word(word) & vec4(0x007fffffu);
    // Beside 1 (up to the root of 3/2), 3/2 (up to the root of 3), or 1 again, halved.
    let middle = (mantissa > vec4(0x001cc471u)) & (mantissa < vec4(0x005db3d7u));
    let top = mantissa >= vec4(0x005db3d7u);
    let n = vec4<f32>(normal_exponent(word) + select(vec4(0), vec4(1), top));
    let scaled = (mantissa | vec4(0x3f800000u)) - select(vec4(0u), vec4(0x00800000u), top);
    let m = bitcast<vec4<f32>>(scaled);
    let near = select(vec4(1.0), vec4(1.5), middle);
    // (m - near) / (m + near) in two parts.
    let u = m - near;
    let v = 1.0 / (m + near);
    let s = u * v;
    let s_high = upper(s);
    let sum_word = (((scaled >> vec4(1u)) & vec4(0xfffff000u)) | vec4(0x20000000u)) + vec4(0x00400000u);
    let sum_high = bitcast<vec4<f32>>(sum_word + select(vec4(0u), vec4(0x00200000u), middle));
    let sum_low = m - (sum_high - near);
    let s_low = v * ((u - s_high * sum_high) - s_high * sum_low);
    // log(m / near) = s (2 + ...), times 3/2.
    let s2 = s * s;
    var r = fma(s2, vec4(2.0697501302e-01), vec4(2.3066075146e-01));
    r = fma(r, s2, vec4(2.7272811532e-01));
    r = fma(r, s2, vec4(3.3333334327e-01));
    r = fma(r, s2, vec4(4.2857143283e-01));
    r = fma(r, s2, vec4(6.0000002384e-01));
    r = r * (s2 * s2) + s_low * (s_high + s);
    let square = s_high * s_high;
    let series_high = upper(3.0 + square + r);
    let series_low = r - ((series_high - 3.0) - square);
    // Their product, then times 2 / (3 ln 2).
    let product = s_high * series_high;
    let rest = s_low * series_high + series_low * s;
    let p_high = upper(product + rest);
    let p_low = rest - (p_high - product);
    let z_high = 9.6191406250e-01 * p_high;
    let near_high = select(vec4(0.0), vec4(5.84960938e-01), middle);
    let near_low = select(vec4(0.0), vec4(1.56322085e-06), middle);
    let z_low = -1.1736857402e-04 * p_high + p_low * 9.6179670095e-01 + near_low;
    let log_high = upper(((z_high + z_low) + near_high) + n);
    let log_low = z_low - (((log_high - n) - near_high) - z_high);
    // y log2(a) in two parts, and its whole part.
    let y_high = upper(y);
    let e_low = (y - y_high) * log_high + y * log_low;
    let e_high = y_high * log_high;
    let e = e_low + e_high;
    let whole = round(clamp(e, vec4(-152.0), vec4(130.0)));
    let fraction = e_high - whole;
    let t = bitcast<vec4<f32>>(bitcast<vec4<u32>>(e_low + fraction) & vec4(0xffff8000u));
    let t_low = e_low - (t - fraction);
    // 2^(t + t_low), by way of e^(z + w).
    let z_whole = t * 6.93145752e-01;
    let z_rest = t_low * 6.9314718246e-01 + t * 1.42860654e-06;
    let z = bitcast<vec4<f32>>(bitcast<vec4<u32>>(z_whole + z_rest) & vec4(0xfffffff0u));
    let w = z_rest - (z - z_whole);
    let zz = z * z;
    var q = fma(zz, vec4(4.1381369442e-08), vec4(-1.6533901999e-06));
    q = fma(q, zz, vec4(6.6137559770e-05));
    q = fma(q, zz, vec4(-2.7777778450e-03));
    q = fma(q, zz, vec4(1.6666667163e-01));
    let odd = z - zz * q;
    let power = 1.0 - ((z * odd / (odd - 2.0) - w * (1.0 + (z + 0.5 * zz))) - z);
    let exponent = vec4<i32>(whole);
    let half = exponent >> vec4(1u);
    let result = power * power_of_two(half) * power_of_two(exponent - half);
    return select(select(result, inf(), e > vec4(129.0)), vec4(0.0), e < vec4(-151.0));
}

fn pow_(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    let size = bitcast<vec4<u32>>(a);
    let y_size = bitcast<vec4<u32>>(y) & vec4(0x7fffffffu);
    let shrinks = bitcast<vec4<u32>>(y) > vec4(0x7fffffffu);
    let negative = bitcast<vec4<u32>>(x) > vec4(0x7fffffffu);
    let n = vec4<i32>(clamp(y, vec4(-16777216.0), vec4(16777216.0)));
    let whole = (y_size >= vec4(0x4b800000u)) | (vec4<f32>(n) == y);
    let odd = whole & (y_size < vec4(0x4b800000u)) & ((n & vec4(1)) == vec4(1));
    var p = pow_positive(a, y);
    // A whole power of a whole number is exact as a product, wherever a float holds it: the last bit is not to be in doubt.
    var product = vec4(1.0);
    var square = a;
    for (var bit = 1; bit < 32; bit += bit) {
        product = select(product, product * square, (n & vec4(bit)) != vec4(0));
        square *= square;
    }
    let short = whole & (n >= vec4(0)) & (n < vec4(32)) & (floor(a) == a);
    p = select(p, product, short & (product <= vec4(16777216.0)));
    let extreme = (size == vec4(0u)) | (size == vec4(0x7f800000u)) | (y_size == vec4(0x7f800000u));
    let grows = (size > vec4(0x3f800000u)) != shrinks;
    p = select(p, select(vec4(0.0), inf(), grows), extreme);
    p = select(p, vec4(1.0), size == vec4(0x3f800000u));
    p = select(p, -p, negative & odd);
    p = select(p, nan(), negative & !whole & (size != vec4(0u)) & (size != vec4(0x7f800000u)));
    p = keep_nan(y, keep_nan(x, p));
    return select(p, vec4(1.0), (y_size == vec4(0u)) | (bitcast<vec4<u32>>(x) == vec4(0x3f800000u)));
}

fn scalar_exp(x: f32) -> f32 { return exp_(vec4(x)).x; }
fn scalar_log(x: f32) -> f32 { return log_(vec4(x)).x; }
fn scalar_tanh(x: f32) -> f32 { return tanh_(vec4(x)).x; }
fn scalar_pow(x: f32, y: f32) -> f32 { return pow_(vec4(x), vec4(y)).x; }
