// Elementwise operators on integers that may fail: on i64 and u64, which lie on the heap in 32 bits, where a result may leave the range,
// and quotients, where a divisor may be 0. That is reported: the report's word becomes 1. Operands are strided views, broadcast to the result; unary operators read the first only.

override OP: u32 = 0u;
// Dimensions that matter, 1 to 8.
override RANK: u32 = 8u;

const ADD: u32 = 0u;
const SUB: u32 = 1u;
const MUL: u32 = 2u;
const DIV: u32 = 3u;
const POW: u32 = 4u;
const NEG: u32 = 5u;
const ABS: u32 = 6u;
const FROM_F32: u32 = 7u;
const FROM_U32: u32 = 8u;
// Of types that wrap.
const QUOTIENT: u32 = 9u;
const FLOOR_REMAINDER: u32 = 10u;
const REMAINDER: u32 = 11u;
const QUOTIENT_U: u32 = 12u;
const REMAINDER_U: u32 = 13u;
const POW_F32: u32 = 14u;
const SHIFT_LEFT: u32 = 15u;
// Of u64.
const ADD_U: u32 = 16u;
const SUB_U: u32 = 17u;
const MUL_U: u32 = 18u;
const SHIFT_LEFT_U: u32 = 19u;
const FROM_F32_U: u32 = 20u;
const FROM_I32: u32 = 21u;

struct Params {
    // Elements of the result.
    len: u32,
    a_offset: u32,
    b_offset: u32,
    // Of the type, if it wraps.
    bits: u32,
    // Dimensions from the innermost.
    size: array<vec4<u32>, 2>,
    a_stride: array<vec4<u32>, 2>,
    b_stride: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> a_in: array<u32>;
@group(0) @binding(1) var<storage, read> b_in: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<storage, read_write> report: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

const LOWEST: u32 = 0x80000000u;

fn magnitude(x: u32) -> u32 { return select(x, 0u - x, x >= LOWEST); }

// The product, low word and high word.
fn wide(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
    return vec2(a * b, (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u));
}

// The product, or the largest number where it is larger.
fn saturating(a: u32, b: u32) -> u32 {
    let product = wide(a, b);
    return select(0xffffffffu, product.x, product.y == 0u);
}

// A magnitude with a sign, and whether it fits.
fn signed(size: u32, negative: bool) -> vec2<u32> {
    let fits = size < LOWEST || (size == LOWEST && negative);
    return vec2(select(size, 0u - size, negative), select(1u, 0u, fits));
}

fn power(a: u32, b: u32) -> vec2<u32> {
    let odd = (b & 1u) == 1u;
    if b >= LOWEST {
        // 1 / a^|b|, towards zero.
        return vec2(select(0u, select(1u, a, odd), magnitude(a) == 1u), 0u);
    }
    var base = magnitude(a);
    var size = 1u;
    var rest = b;
    for (var bit = 0u; bit < 31u; bit++) {
        if (rest & 1u) == 1u { size = saturating(size, base); }
        base = saturating(base, base);
        rest >>= 1u;
        if rest == 0u { break; }
    }
    return signed(size, odd && a >= LOWEST);
}

// Towards zero, and whether it leaves the range: by bits, from 2^31 on, infinities and NaNs, but for -2^31.
fn from_f32(a: u32) -> vec2<u32> {
    let leaves = (a & 0x7fffffffu) >= 0x4f000000u && a != 0xcf000000u;
    return vec2(of_ints(to_int(vec4(bitcast<f32>(a)))).x, select(0u, 1u, leaves));
}

// Exact where the exponent is whole.
fn power_f32(a: u32, y: f32) -> vec2<u32> {
    if round(y) == y && abs(y) < 2147483520.0 {
        return power(a, bitcast<u32>(i32(y)));
    }
    return from_f32(bitcast<u32>(scalar_pow(f32(bitcast<i32>(a)), y)));
}

// Of an i64, of which a shift by 64 bits or by less than none leaves nothing.
fn shifted(a: u32, b: u32) -> vec2<u32> {
    if a == 0u || b >= 64u { return vec2(0u); }
    let result = a << (b & 31u);
    let back = bitcast<u32>(bitcast<i32>(result) >> (b & 31u));
    return vec2(result, select(1u, 0u, b < 32u && back == a));
}

// As `from_f32`, to an unsigned number: from 2^32 on, infinities and NaNs leave the range, and from -1 down.
fn from_f32_u(a: u32) -> vec2<u32> {
    let leaves = (a >= 0x4f800000u && a < LOWEST) || a >= 0xbf800000u;
    return vec2(select(u32(clamp(bitcast<f32>(a), 0.0, 4294967040.0)), 0u, leaves), select(0u, 1u, leaves));
}

// Of a u64, as `shifted`.
fn shifted_u(a: u32, b: u32) -> vec2<u32> {
    if a == 0u || b >= 64u { return vec2(0u); }
    let result = a << (b & 31u);
    return vec2(result, select(1u, 0u, b < 32u && (result >> (b & 31u)) == a));
}

// The result, and 1 if there is none.
fn apply(a: u32, b: u32) -> vec2<u32> {
    switch OP {
        case ADD: {
            let sum = a + b;
            return vec2(sum, ((a ^ sum) & (b ^ sum)) >> 31u);
        }
        case SUB: {
            let rest = a - b;
            return vec2(rest, ((a ^ b) & (a ^ rest)) >> 31u);
        }
        case MUL: {
            return signed(saturating(magnitude(a), magnitude(b)), ((a ^ b) >> 31u) == 1u && a != 0u && b != 0u);
        }
        case DIV: {
            let fails = b == 0u || (a == LOWEST && b == 0xffffffffu);
            return vec2(bitcast<u32>(quotient(vec4(bitcast<i32>(a)), vec4(bitcast<i32>(b))).x), select(0u, 1u, fails));
        }
        case POW: { return power(a, b); }
        case NEG: { return vec2(0u - a, select(0u, 1u, a == LOWEST)); }
        case ABS: { return vec2(magnitude(a), select(0u, 1u, a == LOWEST)); }
        case QUOTIENT: {
            let whole = quotient(vec4(bitcast<i32>(a)), vec4(bitcast<i32>(b))).x;
            return vec2(bitcast<u32>(extractBits(whole, 0u, params.bits)), select(0u, 1u, b == 0u));
        }
        case FLOOR_REMAINDER: {
            let rest = floor_remainder(vec4(bitcast<i32>(a)), vec4(bitcast<i32>(b))).x;
            return vec2(bitcast<u32>(rest), select(0u, 1u, b == 0u));
        }
        case REMAINDER: {
            let rest = remainder(vec4(bitcast<i32>(a)), vec4(bitcast<i32>(b))).x;
            return vec2(bitcast<u32>(rest), select(0u, 1u, b == 0u));
        }
        case QUOTIENT_U: { return vec2(quotient_u(vec4(a), vec4(b)).x, select(0u, 1u, b == 0u)); }
        case REMAINDER_U: { return vec2(remainder_u(vec4(a), vec4(b)).x, select(0u, 1u, b == 0u)); }
        case POW_F32: { return power_f32(a, bitcast<f32>(b)); }
        case SHIFT_LEFT: { return shifted(a, b); }
        case ADD_U: { return vec2(a + b, select(0u, 1u, a + b < a)); }
        case SUB_U: { return vec2(a - b, select(0u, 1u, b > a)); }
        case MUL_U: {
            let product = wide(a, b);
            return vec2(product.x, select(0u, 1u, product.y != 0u));
        }
        case SHIFT_LEFT_U: { return shifted_u(a, b); }
        case FROM_F32_U: { return from_f32_u(a); }
        case FROM_I32: { return vec2(a, a >> 31u); }
        case FROM_F32: { return from_f32(a); }
        case FROM_U32: { return vec2(a, a >> 31u); }
        default: { return vec2(a, 0u); }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = workgroup.x * 64u + local;
    if index >= params.len {
        return;
    }
    var rest = index;
    var a_at = params.a_offset;
    var b_at = params.b_offset;
    for (var k = 0u; k < RANK; k++) {
        let size = params.size[k >> 2u][k & 3u];
        let at = rest % size;
        rest /= size;
        a_at += at * params.a_stride[k >> 2u][k & 3u];
        b_at += at * params.b_stride[k >> 2u][k & 3u];
    }
    let a = a_in[a_at];
    var b = a;
    if OP <= POW || (OP >= QUOTIENT && OP <= SHIFT_LEFT_U) {
        b = b_in[b_at];
    }
    let done = apply(a, b);
    result[index] = done.x;
    if done.y != 0u {
        report[0] = 1u;
    }
}
