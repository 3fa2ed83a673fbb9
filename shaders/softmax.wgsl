// Softmax or LogSoftmax along one dimension of a row-major tensor seen as outer x len x inner.
// With LANES 1 an invocation makes one row; with LANES 64 a workgroup does.

override LOG: bool = false;
override LANES: u32 = 1u;

struct Params {
    rows: u32,
    len: u32,
    inner: u32,
    infinity: u32,
}

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> part: array<f32, 64>;

// The same whole number, in a way that drivers do not see: they may merge fma(n, a, fma(n, b, c)) into fma(n, a + b, c).
fn again(n: f32) -> f32 { return f32(i32(n)); }

// e^x, 2 ulp: Cephes' polynomial on [-ln2/2, ln2/2].
fn exp_(x: f32) -> f32 {
    let c = clamp(x, -104.0, 89.0);
    let n = round(c * 1.44269504);
    var r = fma(n, -0.693359375, c);
    r = fma(again(n), 2.12194440e-4, r);
    var p = fma(r, 1.9875691500e-4, 1.3981999507e-3);
    p = fma(p, r, 8.3334519073e-3);
    p = fma(p, r, 4.1665795894e-2);
    p = fma(p, r, 1.6666665459e-1);
    p = fma(p, r, 5.0000001201e-1);
    p = fma(p, r * r, r) + 1.0;
    let half = i32(n) >> 1u;
    let rest = i32(n) - half;
    let y = p * bitcast<f32>((half + 127) << 23u) * bitcast<f32>((rest + 127) << 23u);
    let big = select(y, bitcast<f32>(params.infinity), x > 88.73);
    return select(big, x, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);
}

// Natural logarithm of a positive number, 2 ulp: Cephes' polynomial.
fn log_(x: f32) -> f32 {
    if x == 0.0 || x == bitcast<f32>(params.infinity) { return select(x, -bitcast<f32>(params.infinity), x == 0.0); }
    let tiny = x < 1.17549435e-38;
    let scaled = select(x, x * 8388608.0, tiny);
    let bits = bitcast<u32>(scaled);
    var e = f32(i32(bits >> 23u) - 126) - select(0.0, 23.0, tiny);
    var m = bitcast<f32>((bits & 0x7fffffu) | 0x3f000000u);
    let low = m < 0.70710678;
    e = select(e, e - 1.0, low);
    m = select(m, m + m, low) - 1.0;
    let z = m * m;
    var p = fma(m, 7.0376836292e-2, -1.1514610310e-1);
    p = fma(p, m, 1.1676998740e-1);
    p = fma(p, m, -1.2420140846e-1);
    p = fma(p, m, 1.4249322787e-1);
    p = fma(p, m, -1.6668057665e-1);
    p = fma(p, m, 2.0000714765e-1);
    p = fma(p, m, -2.4999993993e-1);
    p = fma(p, m, 3.3333331174e-1);
    var y = p * m * z;
    y = fma(e, -2.12194440e-4, y);
    y = fma(-0.5, z, y);
    return fma(again(e), 0.693359375, m + y);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let linear = workgroup.x;
    let row = select(linear * 64u + local, linear, LANES > 1u);
    if row >= params.rows {
        return;
    }
    let lane = select(0u, local, LANES > 1u);
    let base = row / params.inner * params.len * params.inner + row % params.inner;
    var top = -3.4028234e38;
    for (var k = lane; k < params.len; k += LANES) {
        top = max(top, source[base + k * params.inner]);
    }
    if LANES > 1u {
        part[local] = top;
        for (var step = 32u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if local < step {
                part[local] = max(part[local], part[local + step]);
            }
        }
        workgroupBarrier();
        top = part[0];
    }
    var sum = 0.0;
    for (var k = lane; k < params.len; k += LANES) {
        let at = base + k * params.inner;
        let e = exp_(source[at] - top);
        if !LOG {
            result[at] = e;
        }
        sum += e;
    }
    if LANES > 1u {
        workgroupBarrier();
        part[local] = sum;
        for (var step = 32u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if local < step {
                part[local] += part[local + step];
            }
        }
        workgroupBarrier();
        sum = part[0];
    }
    if LOG {
        let log_sum = log_(sum);
        for (var k = lane; k < params.len; k += LANES) {
            let at = base + k * params.inner;
            result[at] = source[at] - top - log_sum;
        }
    } else {
        for (var k = lane; k < params.len; k += LANES) {
            result[base + k * params.inner] /= sum;
        }
    }
}
