// Circular functions and their inverses.

// 32 bits of the fraction of 2/pi after k words; 32 zeros come before it.
fn two_over_pi(k: vec4<u32>) -> vec4<u32> {
    var word = select(vec4(0u), vec4(0xa2f9836eu), k == vec4(1u));
    word = select(word, vec4(0x4e441529u), k == vec4(2u));
    word = select(word, vec4(0xfc2757d1u), k == vec4(3u));
    word = select(word, vec4(0xf534ddc0u), k == vec4(4u));
    word = select(word, vec4(0xdb629599u), k == vec4(5u));
    word = select(word, vec4(0x3c439041u), k == vec4(6u));
    return select(word, vec4(0xfe5163abu), k == vec4(7u));
}

// A finite number of at least 2^-7 as quarter turns and a rest within pi/4, after Payne and Hanek: its mantissa times those
// 96 bits of 2/pi that decide the result modulo 4. Exact to the rounding of the rest, whatever the number.
fn quarter_turns(a: vec4<f32>) -> mat2x4<f32> {
    let word = bitcast<vec4<u32>>(a);
    let mantissa = (word & vec4(0x007fffffu)) | vec4(0x00800000u);
    let at = max(word >> vec4(23u), vec4(120u)) - vec4(120u);
    let k = at >> vec4(5u);
    let left = at & vec4(31u);
    let right = vec4(31u) - left;
    let b0 = two_over_pi(k);
    let b1 = two_over_pi(k + vec4(1u));
    let b2 = two_over_pi(k + vec4(2u));
    let b3 = two_over_pi(k + vec4(3u));
    let w0 = (b0 << left) | ((b1 >> vec4(1u)) >> right);
    let w1 = (b1 << left) | ((b2 >> vec4(1u)) >> right);
    let w2 = (b2 << left) | ((b3 >> vec4(1u)) >> right);
    let middle = mantissa * w1;
    let low = middle + mul_high(mantissa, w2);
    let high = mantissa * w0 + mul_high(mantissa, w1) + select(vec4(0u), vec4(1u), low < middle);
    // The fraction of a quarter turn in 62 bits, from -1/2 to 1/2.
    var f_high = (high << vec4(2u)) | (low >> vec4(30u));
    var f_low = low << vec4(2u);
    let back = f_high >= vec4(0x80000000u);
    let turns = (high >> vec4(30u)) + select(vec4(0u), vec4(1u), back);
    f_high = select(f_high, ~f_high + select(vec4(0u), vec4(1u), f_low == vec4(0u)), back);
    f_low = select(f_low, vec4(0u) - f_low, back);
    let far = f_high == vec4(0u);
    f_high = select(f_high, f_low, far);
    f_low = select(f_low, vec4(0u), far);
    let zeros = min(countLeadingZeros(f_high), vec4(31u));
    f_high = (f_high << zeros) | ((f_low >> vec4(1u)) >> (vec4(31u) - zeros));
    let scale = power_of_two(vec4(-31) - vec4<i32>(zeros) - select(vec4(0), vec4(32), far));
    // Times pi/2.
    let rest = vec4<f32>(mul_high(f_high, vec4(0xc90fdaa2u))) * scale;
    return mat2x4<f32>(vec4<f32>(turns), select(rest, -rest, back));
}

fn reduced(a: vec4<f32>) -> mat2x4<f32> {
    let small = a <= vec4(0.78539816);
    if all(small) {
        return mat2x4<f32>(vec4(0.0), a);
    }
    let far = quarter_turns(a);
    return mat2x4<f32>(select(far[0], vec4(0.0), small), select(far[1], a, small));
}

// Sine and cosine between -pi/4 and pi/4.
fn sin_near(r: vec4<f32>) -> vec4<f32> {
    let z = r * r;
    var s = fma(z, vec4(-1.9515295891e-4), vec4(8.3321608736e-3));
    s = fma(s, z, vec4(-1.6666654611e-1));
    return fma(s * z, r, r);
}
fn cos_near(r: vec4<f32>) -> vec4<f32> {
    let z = r * r;
    var c = fma(z, vec4(2.443315711809948e-5), vec4(-1.388731625493765e-3));
    c = fma(c, z, vec4(4.166664568298827e-2));
    return fma(c * z, z, fma(z, vec4(-0.5), vec4(1.0)));
}

// NaN for NaN and infinities, else y.
fn of_finite(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, select(y, nan(), (bitcast<vec4<u32>>(x) & vec4(0x7fffffffu)) == vec4(0x7f800000u)));
}

fn sin_(x: vec4<f32>) -> vec4<f32> {
    let a = reduced(abs(x));
    let turns = vec4<u32>(a[0]);
    let y = select(sin_near(a[1]), cos_near(a[1]), (turns & vec4(1u)) == vec4(1u));
    let flips = ((turns & vec4(2u)) << vec4(30u)) ^ (bitcast<vec4<u32>>(x) & vec4(0x80000000u));
    return of_finite(x, bitcast<vec4<f32>>(bitcast<vec4<u32>>(y) ^ flips));
}

fn cos_(x: vec4<f32>) -> vec4<f32> {
    let a = reduced(abs(x));
    let turns = vec4<u32>(a[0]);
    let y = select(cos_near(a[1]), sin_near(a[1]), (turns & vec4(1u)) == vec4(1u));
    let flips = ((turns + vec4(1u)) & vec4(2u)) << vec4(30u);
    return of_finite(x, bitcast<vec4<f32>>(bitcast<vec4<u32>>(y) ^ flips));
}

fn tan_(x: vec4<f32>) -> vec4<f32> {
    let a = reduced(abs(x));
    let s = sin_near(a[1]);
    let c = cos_near(a[1]);
    let odd = (vec4<u32>(a[0]) & vec4(1u)) == vec4(1u);
    let y = select(s, -c, odd) / select(c, s, odd);
    return of_finite(x, bitcast<vec4<f32>>(bitcast<vec4<u32>>(y) ^ (bitcast<vec4<u32>>(x) & vec4(0x80000000u))));
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
    return keep_nan(x, with_sign(base + fma(p * z, t, t), x));
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
    let y = with_sign(select(s, 1.5707963268 - 2.0 * s, big), x);
    return keep_nan(x, select(y, nan(), a > vec4(1.0)));
}

fn acos_(x: vec4<f32>) -> vec4<f32> {
    // Near 1, pi/2 - asin(x) cancels.
    let near = 2.0 * asin_(sqrt(max(0.5 * (1.0 - x), vec4(0.0))));
    let y = select(1.5707963268 - asin_(x), near, x > vec4(0.5));
    return keep_nan(x, select(y, nan(), abs(x) > vec4(1.0)));
}
