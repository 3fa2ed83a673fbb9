// Runs a chain of elementwise steps: up to 4 inputs, 8 steps, 8 constants. Which steps and operands is decided by overrides,
// so a variant holds only its own chain. Every value is four words; codes say what they mean.
// Each invocation makes four neighbouring elements of the row-major result.

// How input k is read.
const FLAT: u32 = 0u;    // as the result lies
const SCALAR: u32 = 1u;  // one element
const VECTOR: u32 = 2u;  // four neighbours, strided further out
const SPLAT: u32 = 3u;   // one for four neighbours, strided further out
const STRIDED: u32 = 4u; // one by one
override M0: u32 = 0u;
override M1: u32 = 0u;
override M2: u32 = 0u;
override M3: u32 = 0u;
// Dimensions of the strided inputs, 1 to 8.
override RANK: u32 = 1u;
// Codes of the steps; 0 is none.
override OP0: u32 = 0u;
override OP1: u32 = 0u;
override OP2: u32 = 0u;
override OP3: u32 = 0u;
override OP4: u32 = 0u;
override OP5: u32 = 0u;
override OP6: u32 = 0u;
override OP7: u32 = 0u;
// Operands of step k: a + 256 b + 65536 c, each an input (0..4), an earlier step (8..16) or a constant (16..24).
override ARGS0: u32 = 0u;
override ARGS1: u32 = 0u;
override ARGS2: u32 = 0u;
override ARGS3: u32 = 0u;
override ARGS4: u32 = 0u;
override ARGS5: u32 = 0u;
override ARGS6: u32 = 0u;
override ARGS7: u32 = 0u;

struct Params {
    // Groups of four elements of the result.
    vectors: u32,
    // Index of the last element of the result.
    last: u32,
    pad1: u32,
    pad2: u32,
    // Of the inputs, in elements.
    offset: vec4<u32>,
    constants_low: vec4<u32>,
    constants_high: vec4<u32>,
    // Dimensions from the innermost; strides per input likewise.
    size_low: vec4<u32>,
    size_high: vec4<u32>,
    strides_low0: vec4<u32>,
    strides_high0: vec4<u32>,
    strides_low1: vec4<u32>,
    strides_high1: vec4<u32>,
    strides_low2: vec4<u32>,
    strides_high2: vec4<u32>,
    strides_low3: vec4<u32>,
    strides_high3: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> in0: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> in2: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> in3: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> result: array<vec4<u32>>;
@group(0) @binding(5) var<uniform> params: Params;

// The offset of an element of the result in an input.
fn locate(index: u32, low: vec4<u32>, high: vec4<u32>) -> u32 {
    var rest = index;
    var at = 0u;
    if RANK == 1u {
        return rest * low.x;
    }
    at += rest % params.size_low.x * low.x;
    rest /= params.size_low.x;
    if RANK == 2u {
        return at + rest * low.y;
    }
    at += rest % params.size_low.y * low.y;
    rest /= params.size_low.y;
    if RANK == 3u {
        return at + rest * low.z;
    }
    at += rest % params.size_low.z * low.z;
    rest /= params.size_low.z;
    if RANK == 4u {
        return at + rest * low.w;
    }
    at += rest % params.size_low.w * low.w;
    rest /= params.size_low.w;
    if RANK == 5u {
        return at + rest * high.x;
    }
    at += rest % params.size_high.x * high.x;
    rest /= params.size_high.x;
    if RANK == 6u {
        return at + rest * high.y;
    }
    at += rest % params.size_high.y * high.y;
    rest /= params.size_high.y;
    if RANK == 7u {
        return at + rest * high.z;
    }
    at += rest % params.size_high.z * high.z;
    return at + rest / params.size_high.z * high.w;
}

fn fetch0(v: u32) -> vec4<u32> {
    if M0 == FLAT { return in0[v]; }
    let o = params.offset.x;
    if M0 == SCALAR { return vec4(in0[o >> 2u][o & 3u]); }
    let i = o + locate(v * 4u, params.strides_low0, params.strides_high0);
    if M0 == VECTOR { return in0[i >> 2u]; }
    if M0 == SPLAT { return vec4(in0[i >> 2u][i & 3u]); }
    let j = o + locate(min(v * 4u + 1u, params.last), params.strides_low0, params.strides_high0);
    let k = o + locate(min(v * 4u + 2u, params.last), params.strides_low0, params.strides_high0);
    let l = o + locate(min(v * 4u + 3u, params.last), params.strides_low0, params.strides_high0);
    return vec4(in0[i >> 2u][i & 3u], in0[j >> 2u][j & 3u], in0[k >> 2u][k & 3u], in0[l >> 2u][l & 3u]);
}

fn fetch1(v: u32) -> vec4<u32> {
    if M1 == FLAT { return in1[v]; }
    let o = params.offset.y;
    if M1 == SCALAR { return vec4(in1[o >> 2u][o & 3u]); }
    let i = o + locate(v * 4u, params.strides_low1, params.strides_high1);
    if M1 == VECTOR { return in1[i >> 2u]; }
    if M1 == SPLAT { return vec4(in1[i >> 2u][i & 3u]); }
    let j = o + locate(min(v * 4u + 1u, params.last), params.strides_low1, params.strides_high1);
    let k = o + locate(min(v * 4u + 2u, params.last), params.strides_low1, params.strides_high1);
    let l = o + locate(min(v * 4u + 3u, params.last), params.strides_low1, params.strides_high1);
    return vec4(in1[i >> 2u][i & 3u], in1[j >> 2u][j & 3u], in1[k >> 2u][k & 3u], in1[l >> 2u][l & 3u]);
}

fn fetch2(v: u32) -> vec4<u32> {
    if M2 == FLAT { return in2[v]; }
    let o = params.offset.z;
    if M2 == SCALAR { return vec4(in2[o >> 2u][o & 3u]); }
    let i = o + locate(v * 4u, params.strides_low2, params.strides_high2);
    if M2 == VECTOR { return in2[i >> 2u]; }
    if M2 == SPLAT { return vec4(in2[i >> 2u][i & 3u]); }
    let j = o + locate(min(v * 4u + 1u, params.last), params.strides_low2, params.strides_high2);
    let k = o + locate(min(v * 4u + 2u, params.last), params.strides_low2, params.strides_high2);
    let l = o + locate(min(v * 4u + 3u, params.last), params.strides_low2, params.strides_high2);
    return vec4(in2[i >> 2u][i & 3u], in2[j >> 2u][j & 3u], in2[k >> 2u][k & 3u], in2[l >> 2u][l & 3u]);
}

fn fetch3(v: u32) -> vec4<u32> {
    if M3 == FLAT { return in3[v]; }
    let o = params.offset.w;
    if M3 == SCALAR { return vec4(in3[o >> 2u][o & 3u]); }
    let i = o + locate(v * 4u, params.strides_low3, params.strides_high3);
    if M3 == VECTOR { return in3[i >> 2u]; }
    if M3 == SPLAT { return vec4(in3[i >> 2u][i & 3u]); }
    let j = o + locate(min(v * 4u + 1u, params.last), params.strides_low3, params.strides_high3);
    let k = o + locate(min(v * 4u + 2u, params.last), params.strides_low3, params.strides_high3);
    let l = o + locate(min(v * 4u + 3u, params.last), params.strides_low3, params.strides_high3);
    return vec4(in3[i >> 2u][i & 3u], in3[j >> 2u][j & 3u], in3[k >> 2u][k & 3u], in3[l >> 2u][l & 3u]);
}

fn f(a: vec4<u32>) -> vec4<f32> { return bitcast<vec4<f32>>(a); }
fn i(a: vec4<u32>) -> vec4<i32> { return bitcast<vec4<i32>>(a); }
fn uf(a: vec4<f32>) -> vec4<u32> { return bitcast<vec4<u32>>(a); }
fn ui(a: vec4<i32>) -> vec4<u32> { return bitcast<vec4<u32>>(a); }
fn ub(a: vec4<bool>) -> vec4<u32> { return select(vec4(0u), vec4(1u), a); }

// By bits: drivers may assume that there are no NaNs.
fn is_nan(a: vec4<f32>) -> vec4<bool> { return (bitcast<vec4<u32>>(a) & vec4(0x7fffffffu)) > vec4(0x7f800000u); }
fn inf() -> vec4<f32> { return bitcast<vec4<f32>>(vec4(0x7f800000u)); }
fn nan() -> vec4<f32> { return bitcast<vec4<f32>>(vec4(0x7fc00000u)); }

// x where it is NaN, else y.
fn keep_nan(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> { return select(y, x, is_nan(x)); }

fn power_of_two(n: vec4<i32>) -> vec4<f32> { return bitcast<vec4<f32>>((n + vec4(127)) << vec4(23u)); }

// The same whole number, in a way that drivers do not see: they may merge fma(n, a, fma(n, b, c)) into fma(n, a + b, c),
// which loses what splitting a constant in two is for.
fn again(n: vec4<f32>) -> vec4<f32> { return vec4<f32>(vec4<i32>(n)); }

// e^x, 2 ulp: Cephes' polynomial on [-ln2/2, ln2/2].
fn exp_(x: vec4<f32>) -> vec4<f32> {
    let c = clamp(x, vec4(-104.0), vec4(89.0));
    let n = round(c * 1.44269504);
    var r = fma(n, vec4(-0.693359375), c);
    r = fma(again(n), vec4(2.12194440e-4), r);
    var p = fma(r, vec4(1.9875691500e-4), vec4(1.3981999507e-3));
    p = fma(p, r, vec4(8.3334519073e-3));
    p = fma(p, r, vec4(4.1665795894e-2));
    p = fma(p, r, vec4(1.6666665459e-1));
    p = fma(p, r, vec4(5.0000001201e-1));
    p = fma(p, r * r, r) + 1.0;
    let half = vec4<i32>(n) >> vec4(1u);
    let rest = vec4<i32>(n) - half;
    let big = select(p * power_of_two(half) * power_of_two(rest), inf(), x > vec4(88.73));
    return keep_nan(x, big);
}

// e^x - 1 without cancellation near 0.
fn expm1_(x: vec4<f32>) -> vec4<f32> {
    var p = fma(x, vec4(1.9841270e-4), vec4(1.3888889e-3));
    p = fma(p, x, vec4(8.3333333e-3));
    p = fma(p, x, vec4(4.1666667e-2));
    p = fma(p, x, vec4(1.6666667e-1));
    p = fma(p, x, vec4(0.5));
    return select(exp_(x) - 1.0, fma(p, x * x, x), abs(x) < vec4(0.35));
}

// Natural logarithm, 2 ulp: Cephes' polynomial.
fn log_(x: vec4<f32>) -> vec4<f32> {
    let tiny = x < vec4(1.17549435e-38);
    let scaled = select(x, x * 8388608.0, tiny);
    let bits = bitcast<vec4<u32>>(scaled);
    var e = vec4<f32>(vec4<i32>(bits >> vec4(23u)) - vec4(126)) - select(vec4(0.0), vec4(23.0), tiny);
    var m = bitcast<vec4<f32>>((bits & vec4(0x7fffffu)) | vec4(0x3f000000u));
    let low = m < vec4(0.70710678);
    e = select(e, e - 1.0, low);
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
    var out = fma(e, vec4(0.693359375), m + y);
    out = select(out, inf(), x == inf());
    out = select(out, nan(), x < vec4(0.0));
    out = select(out, -inf(), x == vec4(0.0));
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
    let z = x * x;
    var p = fma(z, vec4(-5.70498872745e-3), vec4(2.06390887954e-2));
    p = fma(p, z, vec4(-5.37397155531e-2));
    p = fma(p, z, vec4(1.33314422036e-1));
    p = fma(p, z, vec4(-3.33332819422e-1));
    let small = fma(p * z, x, x);
    let large = 1.0 - 2.0 / (exp_(a + a) + 1.0);
    return keep_nan(x, select(select(large, -large, x < vec4(0.0)), small, a < vec4(0.625)));
}

fn sinh_(x: vec4<f32>) -> vec4<f32> {
    // e^x / (e^x + 1) + e^x, with e^x - 1 for e^x: exact near 0.
    let e = expm1_(abs(x));
    let small = 0.5 * (e + e / (e + 1.0));
    let y = select(small, 0.5 * exp_(abs(x)), abs(x) > vec4(20.0));
    return keep_nan(x, select(y, -y, x < vec4(0.0)));
}

fn asinh_(x: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    let y = select(log1p_(a + a * a / (1.0 + sqrt(fma(a, a, vec4(1.0))))), log_(a) + 0.69314718, a > vec4(1.0e9));
    return keep_nan(x, select(y, -y, x < vec4(0.0)));
}

fn acosh_(x: vec4<f32>) -> vec4<f32> {
    let t = x - 1.0;
    let y = select(log1p_(t + sqrt(fma(t, t, 2.0 * t))), log_(x) + 0.69314718, x > vec4(1.0e9));
    return keep_nan(x, select(y, nan(), x < vec4(1.0)));
}

fn sigmoid_(x: vec4<f32>) -> vec4<f32> {
    let e = exp_(-abs(x));
    return select(1.0 / (1.0 + e), e / (1.0 + e), x < vec4(0.0));
}

// max(x, 0) + ln(1 + e^-|x|)
fn softplus_(x: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, max(x, vec4(0.0)) + log1p_(exp_(-abs(x))));
}

// Sollya's and fdlibm's expansions; 3 ulp.
fn erf_(x: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    let z = x * x;
    var s = fma(z, vec4(-5.96761703e-4), vec4(4.99119423e-3));
    s = fma(s, z, vec4(-2.67681349e-2));
    s = fma(s, z, vec4(1.12819925e-1));
    s = fma(s, z, vec4(-3.76125336e-1));
    s = fma(s, z, vec4(1.28379166e-1));
    let small = fma(s, x, x);
    var l = fma(a, vec4(-1.72853470e-5), vec4(3.83197126e-4));
    var h = fma(a, vec4(-3.88396438e-3), vec4(2.42546219e-2));
    l = fma(l, z, h);
    l = fma(l, a, vec4(-1.06777877e-1));
    l = fma(l, a, vec4(-6.34846687e-1));
    l = fma(l, a, vec4(-1.28717512e-1));
    l = fma(l, a, -a);
    let large = 1.0 - exp_(l);
    return keep_nan(x, select(select(large, -large, x < vec4(0.0)), small, a < vec4(0.921875)));
}

fn sin_cos(x: vec4<f32>, quarter: i32) -> vec4<f32> {
    let n = round(x * 0.636619772);
    var r = fma(n, vec4(-1.5703125), x);
    r = fma(again(n), vec4(-4.837512969970703125e-4), r);
    r = fma(n, vec4(-7.54978995489188e-8), r);
    let q = vec4<i32>(n) + vec4(quarter);
    let z = r * r;
    var s = fma(z, vec4(-1.9515295891e-4), vec4(8.3321608736e-3));
    s = fma(s, z, vec4(-1.6666654611e-1));
    s = fma(s * z, r, r);
    var c = fma(z, vec4(2.443315711809948e-5), vec4(-1.388731625493765e-3));
    c = fma(c, z, vec4(4.166664568298827e-2));
    c = fma(c * z, z, fma(z, vec4(-0.5), vec4(1.0)));
    let y = select(s, c, (q & vec4(1)) == vec4(1));
    let out = select(y, -y, (q & vec4(2)) == vec4(2));
    return select(keep_nan(x, out), nan(), abs(x) == inf());
}

// Cephes' atanf.
fn atan_(x: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    let far = a > vec4(2.414213562);
    let mid = a > vec4(0.4142135624);
    let t = select(select(a, (a - 1.0) / (a + 1.0), mid), -1.0 / a, far);
    let base = select(select(vec4(0.0), vec4(0.7853981634), mid), vec4(1.5707963268), far);
    let z = t * t;
    var p = fma(z, vec4(8.05374449538e-2), vec4(-1.38776856032e-1));
    p = fma(p, z, vec4(1.99777106478e-1));
    p = fma(p, z, vec4(-3.33329491539e-1));
    let y = base + fma(p * z, t, t);
    return keep_nan(x, select(y, -y, x < vec4(0.0)));
}

// Cephes' asinf.
fn asin_(x: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    let big = a > vec4(0.5);
    let z = select(a * a, 0.5 * (1.0 - a), big);
    let t = select(a, sqrt(z), big);
    var p = fma(z, vec4(4.2163199048e-2), vec4(2.4181311049e-2));
    p = fma(p, z, vec4(4.5470025998e-2));
    p = fma(p, z, vec4(7.4953002686e-2));
    p = fma(p, z, vec4(1.6666752422e-1));
    let s = fma(p * z, t, t);
    let y = select(s, 1.5707963268 - 2.0 * s, big);
    let out = select(y, -y, x < vec4(0.0));
    return keep_nan(x, select(out, nan(), a > vec4(1.0)));
}

fn acos_(x: vec4<f32>) -> vec4<f32> {
    // Near 1, pi/2 - asin(x) cancels.
    let near = 2.0 * asin_(sqrt(max(0.5 * (1.0 - x), vec4(0.0))));
    let y = select(1.5707963268 - asin_(x), near, x > vec4(0.5));
    return keep_nan(x, select(y, nan(), abs(x) > vec4(1.0)));
}

fn pow_(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    // y ln|x| in two parts, so that large results keep their last bits.
    let l = log_(a);
    let t = y * l;
    let lost = fma(y, l, -t);
    var p = exp_(t);
    p = select(p, fma(p, lost, p), (a > vec4(0.0)) & (abs(t) < vec4(88.0)));
    p = select(p, x * x, y == vec4(2.0));
    let whole = floor(y) == y;
    let odd = whole & (abs(y - 2.0 * floor(y * 0.5)) == vec4(1.0));
    let negative = (bitcast<vec4<u32>>(x) >> vec4(31u)) == vec4(1u);
    p = select(p, -p, negative & odd);
    p = select(p, nan(), (x < vec4(0.0)) & !whole & (abs(x) != inf()));
    p = keep_nan(y, keep_nan(x, p));
    return select(p, vec4(1.0), (y == vec4(0.0)) | (x == vec4(1.0)));
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

fn floor_mod(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> {
    let r = a % b;
    return select(r, r + b, (r != vec4(0)) & ((r < vec4(0)) != (b < vec4(0))));
}

fn sign_(a: vec4<f32>) -> vec4<f32> {
    return keep_nan(a, select(select(vec4(0.0), vec4(1.0), a > vec4(0.0)), vec4(-1.0), a < vec4(0.0)));
}

// Towards zero, saturating; NaN gives 0.
fn to_int(a: vec4<f32>) -> vec4<i32> {
    let c = clamp(a, vec4(-2147483648.0), vec4(2147483520.0));
    let t = select(vec4<i32>(c), vec4(2147483647), a >= vec4(2147483648.0));
    return select(t, vec4(0), is_nan(a));
}

fn apply(code: u32, a: vec4<u32>, b: vec4<u32>, c: vec4<u32>) -> vec4<u32> {
    switch code {
        case 1u: { return a; } // Copy
        case 2u: { return uf(f(a) + f(b)); } // AddF
        case 3u: { return uf(f(a) - f(b)); } // SubF
        case 4u: { return uf(f(a) * f(b)); } // MulF
        case 5u: { return uf(f(a) / f(b)); } // DivF
        case 6u: { return uf(pow_(f(a), f(b))); } // PowF
        case 7u: { return uf(f(a) - f(b) * trunc(f(a) / f(b))); } // FmodF
        case 8u: { return uf(keep_nan(f(b), keep_nan(f(a), min(f(a), f(b))))); } // MinF
        case 9u: { return uf(keep_nan(f(b), keep_nan(f(a), max(f(a), f(b))))); } // MaxF
        case 10u: { return a ^ vec4(0x80000000u); } // NegF
        case 11u: { return a & vec4(0x7fffffffu); } // AbsF
        case 12u: { return uf(sign_(f(a))); } // SignF
        case 13u: { return uf(sqrt(f(a))); } // SqrtF
        case 14u: { return uf(1.0 / f(a)); } // RecipF
        case 15u: { return uf(exp_(f(a))); } // ExpF
        case 16u: { return uf(log_(f(a))); } // LogF
        case 17u: { return uf(sin_cos(f(a), 0)); } // SinF
        case 18u: { return uf(sin_cos(f(a), 1)); } // CosF
        case 19u: { return uf(sin_cos(f(a), 0) / sin_cos(f(a), 1)); } // TanF
        case 20u: { return uf(asin_(f(a))); } // AsinF
        case 21u: { return uf(acos_(f(a))); } // AcosF
        case 22u: { return uf(atan_(f(a))); } // AtanF
        case 23u: { return uf(sinh_(f(a))); } // SinhF
        case 24u: { return uf(0.5 * exp_(abs(f(a))) + 0.5 * exp_(-abs(f(a)))); } // CoshF
        case 25u: { return uf(tanh_(f(a))); } // TanhF
        case 26u: { return uf(asinh_(f(a))); } // AsinhF
        case 27u: { return uf(acosh_(f(a))); } // AcoshF
        case 28u: { return uf(0.5 * log1p_(2.0 * f(a) / (1.0 - f(a)))); } // AtanhF
        case 29u: { return uf(erf_(f(a))); } // ErfF
        case 30u: { return uf(floor(f(a))); } // FloorF
        case 31u: { return uf(ceil(f(a))); } // CeilF
        case 32u: { return uf(round(f(a))); } // RoundF
        case 33u: { return uf(sigmoid_(f(a))); } // SigmoidF
        case 34u: { return uf(keep_nan(f(a), clamp(fma(f(a), f(b), f(c)), vec4(0.0), vec4(1.0)))); } // HardSigmoidF
        case 35u: { return uf(f(a) * keep_nan(f(a), clamp(f(a) * 0.16666667 + 0.5, vec4(0.0), vec4(1.0)))); } // HardSwishF
        case 36u: { return select(a, vec4(0u), f(a) < vec4(0.0)); } // ReluF
        case 37u: { return select(a, uf(f(a) * f(b)), f(a) < vec4(0.0)); } // LeakyF
        case 38u: { return select(a, uf(f(b) * expm1_(f(a))), f(a) < vec4(0.0)); } // EluF
        case 39u: { return uf(f(c) * select(f(a), f(b) * expm1_(f(a)), f(a) < vec4(0.0))); } // SeluF
        case 40u: { return select(a, uf(f(b) * expm1_(f(a) / f(b))), f(a) < vec4(0.0)); } // CeluF
        case 41u: { return uf(softplus_(f(a))); } // SoftplusF
        case 42u: { return uf(f(a) / (1.0 + abs(f(a)))); } // SoftsignF
        case 43u: { return uf(f(a) * tanh_(softplus_(f(a)))); } // MishF
        case 44u: { return uf(0.5 * f(a) * (1.0 + erf_(f(a) * 0.70710678))); } // GeluF
        case 45u: { return uf(0.5 * f(a) * (1.0 + tanh_(0.7978845608 * fma(0.044715 * f(a) * f(a), f(a), f(a))))); } // GeluTanhF
        case 46u: { return select(vec4(0u), a, f(a) > f(b)); } // ThresholdedF
        case 47u: { return uf(select(select(vec4(0.0), f(a) - f(c), f(a) > f(b)), f(a) + f(c), f(a) < -f(b))); } // ShrinkF
        case 48u: { return a + b; } // AddI
        case 49u: { return a - b; } // SubI
        case 50u: { return a * b; } // MulI
        case 51u: { return ui(i(a) / i(b)); } // DivI
        case 52u: { return ui(ipow(i(a), i(b))); } // PowI
        case 53u: { return ui(floor_mod(i(a), i(b))); } // ModI
        case 54u: { return ui(i(a) % i(b)); } // FmodI
        case 55u: { return ui(min(i(a), i(b))); } // MinI
        case 56u: { return ui(max(i(a), i(b))); } // MaxI
        case 57u: { return ui(-i(a)); } // NegI
        case 58u: { return ui(abs(i(a))); } // AbsI
        case 59u: { return ui(sign(i(a))); } // SignI
        case 60u: { return a / b; } // DivU
        case 61u: { return a % b; } // ModU
        case 62u: { return min(a, b); } // MinU
        case 63u: { return max(a, b); } // MaxU
        case 64u: { return a ^ vec4(1u); } // NotB
        case 65u: { return a & b; } // AndB
        case 66u: { return a | b; } // OrB
        case 67u: { return a ^ b; } // XorB
        case 68u: { return ~a; } // BitNotW
        case 69u: { return a & b; } // BitAndW
        case 70u: { return a | b; } // BitOrW
        case 71u: { return a ^ b; } // BitXorW
        case 72u: { return ub(f(a) == f(b)); } // EqF
        case 73u: { return ub(f(a) > f(b)); } // GtF
        case 74u: { return ub(f(a) >= f(b)); } // GeF
        case 75u: { return ub(a == b); } // EqW
        case 76u: { return ub(i(a) > i(b)); } // GtI
        case 77u: { return ub(i(a) >= i(b)); } // GeI
        case 78u: { return ub(a > b); } // GtU
        case 79u: { return ub(a >= b); } // GeU
        case 80u: { return select(c, b, a != vec4(0u)); } // SelectW
        case 81u: { return ub(is_nan(f(a))); } // IsNanF
        case 82u: { return ub(((a == vec4(0x7f800000u)) & (b != vec4(0u))) | ((a == vec4(0xff800000u)) & (c != vec4(0u)))); } // IsInfF
        case 83u: { return ui(to_int(f(a))); } // FloatToIntW
        case 84u: { return select(vec4<u32>(clamp(f(a), vec4(0.0), vec4(4294967040.0))), vec4(0u), is_nan(f(a))); } // FloatToUintW
        case 85u: { return uf(vec4<f32>(i(a))); } // IntToFloatW
        case 86u: { return uf(vec4<f32>(a)); } // UintToFloatW
        case 87u: { return ub((a & vec4(0x7fffffffu)) != vec4(0u)); } // FloatToBoolW
        case 88u: { return ub(a != vec4(0u)); } // IntToBoolW
        case 89u: { return ui((i(a) << vec4(24u)) >> vec4(24u)); } // WrapI8
        case 90u: { return ui((i(a) << vec4(16u)) >> vec4(16u)); } // WrapI16
        case 91u: { return a & vec4(255u); } // WrapU8
        case 92u: { return a & vec4(65535u); } // WrapU16
        default: { return a; }
    }
}

// An operand: the overrides decide which, so this folds away.
fn pick(
    which: u32,
    x0: vec4<u32>, x1: vec4<u32>, x2: vec4<u32>, x3: vec4<u32>,
    s0: vec4<u32>, s1: vec4<u32>, s2: vec4<u32>, s3: vec4<u32>, s4: vec4<u32>, s5: vec4<u32>, s6: vec4<u32>,
) -> vec4<u32> {
    switch which & 255u {
        case 0u: { return x0; }
        case 1u: { return x1; }
        case 2u: { return x2; }
        case 3u: { return x3; }
        case 8u: { return s0; }
        case 9u: { return s1; }
        case 10u: { return s2; }
        case 11u: { return s3; }
        case 12u: { return s4; }
        case 13u: { return s5; }
        case 14u: { return s6; }
        case 16u: { return vec4(params.constants_low.x); }
        case 17u: { return vec4(params.constants_low.y); }
        case 18u: { return vec4(params.constants_low.z); }
        case 19u: { return vec4(params.constants_low.w); }
        case 20u: { return vec4(params.constants_high.x); }
        case 21u: { return vec4(params.constants_high.y); }
        case 22u: { return vec4(params.constants_high.z); }
        case 23u: { return vec4(params.constants_high.w); }
        default: { return vec4(0u); }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let v = workgroup.x * 64u + local;
    if v >= params.vectors {
        return;
    }
    let x0 = fetch0(v);
    let x1 = fetch1(v);
    let x2 = fetch2(v);
    let x3 = fetch3(v);
    var s0 = vec4(0u);
    var s1 = vec4(0u);
    var s2 = vec4(0u);
    var s3 = vec4(0u);
    var s4 = vec4(0u);
    var s5 = vec4(0u);
    var s6 = vec4(0u);
    var last = x0;
    if OP0 != 0u {
        last = apply(
            OP0,
            pick(ARGS0, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS0 >> 8u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS0 >> 16u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
        );
        s0 = last;
    }
    if OP1 != 0u {
        last = apply(
            OP1,
            pick(ARGS1, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS1 >> 8u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS1 >> 16u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
        );
        s1 = last;
    }
    if OP2 != 0u {
        last = apply(
            OP2,
            pick(ARGS2, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS2 >> 8u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS2 >> 16u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
        );
        s2 = last;
    }
    if OP3 != 0u {
        last = apply(
            OP3,
            pick(ARGS3, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS3 >> 8u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS3 >> 16u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
        );
        s3 = last;
    }
    if OP4 != 0u {
        last = apply(
            OP4,
            pick(ARGS4, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS4 >> 8u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS4 >> 16u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
        );
        s4 = last;
    }
    if OP5 != 0u {
        last = apply(
            OP5,
            pick(ARGS5, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS5 >> 8u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS5 >> 16u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
        );
        s5 = last;
    }
    if OP6 != 0u {
        last = apply(
            OP6,
            pick(ARGS6, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS6 >> 8u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS6 >> 16u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
        );
        s6 = last;
    }
    if OP7 != 0u {
        last = apply(
            OP7,
            pick(ARGS7, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS7 >> 8u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
            pick(ARGS7 >> 16u, x0, x1, x2, x3, s0, s1, s2, s3, s4, s5, s6),
        );
    }
    result[v] = last;
}
