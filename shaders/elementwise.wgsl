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

fn apply(code: u32, a: vec4<u32>, b: vec4<u32>, c: vec4<u32>) -> vec4<u32> {
    switch code {
        case 1u: { return copy(a); } // Copy
        case 2u: { return add_f(a, b); } // AddF
        case 3u: { return sub_f(a, b); } // SubF
        case 4u: { return mul_f(a, b); } // MulF
        case 5u: { return div_f(a, b); } // DivF
        case 6u: { return pow_f(a, b); } // PowF
        case 7u: { return fmod_f(a, b); } // FmodF
        case 8u: { return min_f(a, b); } // MinF
        case 9u: { return max_f(a, b); } // MaxF
        case 10u: { return neg_f(a); } // NegF
        case 11u: { return abs_f(a); } // AbsF
        case 12u: { return sign_f(a); } // SignF
        case 13u: { return sqrt_f(a); } // SqrtF
        case 14u: { return recip_f(a); } // RecipF
        case 15u: { return exp_f(a); } // ExpF
        case 16u: { return log_f(a); } // LogF
        case 17u: { return sin_f(a); } // SinF
        case 18u: { return cos_f(a); } // CosF
        case 19u: { return tan_f(a); } // TanF
        case 20u: { return asin_f(a); } // AsinF
        case 21u: { return acos_f(a); } // AcosF
        case 22u: { return atan_f(a); } // AtanF
        case 23u: { return sinh_f(a); } // SinhF
        case 24u: { return cosh_f(a); } // CoshF
        case 25u: { return tanh_f(a); } // TanhF
        case 26u: { return asinh_f(a); } // AsinhF
        case 27u: { return acosh_f(a); } // AcoshF
        case 28u: { return atanh_f(a); } // AtanhF
        case 29u: { return erf_f(a); } // ErfF
        case 30u: { return floor_f(a); } // FloorF
        case 31u: { return ceil_f(a); } // CeilF
        case 32u: { return round_f(a); } // RoundF
        case 33u: { return sigmoid_f(a); } // SigmoidF
        case 34u: { return hard_sigmoid_f(a, b, c); } // HardSigmoidF
        case 35u: { return hard_swish_f(a); } // HardSwishF
        case 36u: { return relu_f(a); } // ReluF
        case 37u: { return leaky_f(a, b); } // LeakyF
        case 38u: { return elu_f(a, b); } // EluF
        case 39u: { return selu_f(a, b, c); } // SeluF
        case 40u: { return celu_f(a, b); } // CeluF
        case 41u: { return softplus_f(a); } // SoftplusF
        case 42u: { return softsign_f(a); } // SoftsignF
        case 43u: { return mish_f(a); } // MishF
        case 44u: { return gelu_f(a); } // GeluF
        case 45u: { return gelu_tanh_f(a); } // GeluTanhF
        case 46u: { return thresholded_f(a, b); } // ThresholdedF
        case 47u: { return shrink_f(a, b, c); } // ShrinkF
        case 48u: { return add_i(a, b); } // AddI
        case 49u: { return sub_i(a, b); } // SubI
        case 50u: { return mul_i(a, b); } // MulI
        case 51u: { return div_i(a, b); } // DivI
        case 52u: { return pow_i(a, b); } // PowI
        case 53u: { return mod_i(a, b); } // ModI
        case 54u: { return fmod_i(a, b); } // FmodI
        case 55u: { return min_i(a, b); } // MinI
        case 56u: { return max_i(a, b); } // MaxI
        case 57u: { return neg_i(a); } // NegI
        case 58u: { return abs_i(a); } // AbsI
        case 59u: { return sign_i(a); } // SignI
        case 60u: { return div_u(a, b); } // DivU
        case 61u: { return mod_u(a, b); } // ModU
        case 62u: { return min_u(a, b); } // MinU
        case 63u: { return max_u(a, b); } // MaxU
        case 64u: { return not_b(a); } // NotB
        case 65u: { return and_b(a, b); } // AndB
        case 66u: { return or_b(a, b); } // OrB
        case 67u: { return xor_b(a, b); } // XorB
        case 68u: { return bit_not_w(a); } // BitNotW
        case 69u: { return bit_and_w(a, b); } // BitAndW
        case 70u: { return bit_or_w(a, b); } // BitOrW
        case 71u: { return bit_xor_w(a, b); } // BitXorW
        case 72u: { return eq_f(a, b); } // EqF
        case 73u: { return gt_f(a, b); } // GtF
        case 74u: { return ge_f(a, b); } // GeF
        case 75u: { return eq_w(a, b); } // EqW
        case 76u: { return gt_i(a, b); } // GtI
        case 77u: { return ge_i(a, b); } // GeI
        case 78u: { return gt_u(a, b); } // GtU
        case 79u: { return ge_u(a, b); } // GeU
        case 80u: { return select_w(a, b, c); } // SelectW
        case 81u: { return is_nan_f(a); } // IsNanF
        case 82u: { return is_inf_f(a, b, c); } // IsInfF
        case 83u: { return float_to_int_w(a); } // FloatToIntW
        case 84u: { return float_to_uint_w(a); } // FloatToUintW
        case 85u: { return int_to_float_w(a); } // IntToFloatW
        case 86u: { return uint_to_float_w(a); } // UintToFloatW
        case 87u: { return float_to_bool_w(a); } // FloatToBoolW
        case 88u: { return int_to_bool_w(a); } // IntToBoolW
        case 89u: { return wrap_i8(a); } // WrapI8
        case 90u: { return wrap_i16(a); } // WrapI16
        case 91u: { return wrap_u8(a); } // WrapU8
        case 92u: { return wrap_u16(a); } // WrapU16
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
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let v = (group.x + group.y * 32768u) * 64u + local;
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
