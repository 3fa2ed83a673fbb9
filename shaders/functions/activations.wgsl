// Activations and what they are made of. NaN goes through each.

fn sigmoid_(x: vec4<f32>) -> vec4<f32> {
    let e = exp_(-abs(x));
    return keep_nan(x, select(vec4(1.0), e, x < vec4(0.0)) / (1.0 + e));
}
fn scalar_sigmoid(x: f32) -> f32 { return sigmoid_(vec4(x)).x; }

// max(x, 0) + ln(1 + e^-|x|)
fn softplus_(x: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, max(x, vec4(0.0)) + log1p_(exp_(-abs(x))));
}

// Sollya's and fdlibm's expansions.
fn erf_(x: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    let z = a * a;
    var s = fma(z, vec4(-5.96761703e-4), vec4(4.99119423e-3));
    s = fma(s, z, vec4(-2.67681349e-2));
    s = fma(s, z, vec4(1.12819925e-1));
    s = fma(s, z, vec4(-3.76125336e-1));
    s = fma(s, z, vec4(1.28379166e-1));
    var l = fma(a, vec4(-1.72853470e-5), vec4(3.83197126e-4));
    let h = fma(a, vec4(-3.88396438e-3), vec4(2.42546219e-2));
    l = fma(l, z, h);
    l = fma(l, a, vec4(-1.06777877e-1));
    l = fma(l, a, vec4(-6.34846687e-1));
    l = fma(l, a, vec4(-1.28717512e-1));
    l = fma(l, a, -a);
    let y = select(1.0 - exp_(l), fma(s, a, a), a < vec4(0.921875));
    return keep_nan(x, with_sign(select(y, vec4(1.0), a > vec4(4.0)), x));
}

fn gelu_(x: vec4<f32>) -> vec4<f32> {
    return 0.5 * x * (1.0 + erf_(x * 0.70710678));
}

fn gelu_tanh_(x: vec4<f32>) -> vec4<f32> {
    return 0.5 * x * (1.0 + tanh_(0.7978845608 * fma(0.044715 * x * x, x, x)));
}

fn mish_(x: vec4<f32>) -> vec4<f32> { return x * tanh_(softplus_(x)); }

// Between 0 and 1.
fn unit(x: vec4<f32>) -> vec4<f32> { return keep_nan(x, clamp(x, vec4(0.0), vec4(1.0))); }
