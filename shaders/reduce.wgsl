// Reduces a strided view along some dimensions: kept ones give the results, the others are run through by each.
// With INVOCATIONS 1 an invocation makes one result; with INVOCATIONS 64 a workgroup does.

override OP: u32 = 0u;
override INVOCATIONS: u32 = 1u;
// Whether elements are i32 rather than f32.
override INT: bool = false;
// Whether they are u32.
override UNSIGNED: bool = false;

const SUM: u32 = 0u;
const MEAN: u32 = 1u;
const MAX: u32 = 2u;
const MIN: u32 = 3u;
const PROD: u32 = 4u;
const SUM_SQUARE: u32 = 5u;
const L1: u32 = 6u;
const L2: u32 = 7u;
const LOG_SUM: u32 = 8u;
const LOG_SUM_EXP: u32 = 9u;
const ARG_MAX: u32 = 10u;
const ARG_MIN: u32 = 11u;

struct Params {
    // Results, and elements of each.
    rows: u32,
    len: u32,
    offset: u32,
    // For ARG_*: whether the last of equals counts.
    select_last: u32,
    // Bits of +infinity (a constant would be an error in WGSL).
    infinity: u32,
    // What MAX and MIN start from: the type's lowest or highest value.
    bound: u32,
    pad0: u32,
    pad1: u32,
    // Dimensions from the innermost.
    kept_size: array<vec4<u32>, 2>,
    kept_stride: array<vec4<u32>, 2>,
    size: array<vec4<u32>, 2>,
    stride: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> part: array<u32, 64>;
var<workgroup> part_index: array<u32, 64>;

fn row_start(row: u32) -> u32 {
    var rest = row;
    var at = params.offset;
    for (var k = 0u; k < 8u; k++) {
        let size = params.kept_size[k >> 2u][k & 3u];
        at += rest % size * params.kept_stride[k >> 2u][k & 3u];
        rest /= size;
        if rest == 0u { break; }
    }
    return at;
}

fn element_at(index: u32) -> u32 {
    var rest = index;
    var at = 0u;
    for (var k = 0u; k < 8u; k++) {
        let size = params.size[k >> 2u][k & 3u];
        at += rest % size * params.stride[k >> 2u][k & 3u];
        rest /= size;
        if rest == 0u { break; }
    }
    return at;
}

fn no_number(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn f(x: u32) -> f32 { return bitcast<f32>(x); }
fn i(x: u32) -> i32 { return bitcast<i32>(x); }

// Where the operator starts from.
fn start() -> u32 {
    if OP == MAX || OP == MIN || OP == ARG_MAX || OP == ARG_MIN { return params.bound; }
    if INT {
        return select(0u, 1u, OP == PROD);
    }
    if OP == LOG_SUM_EXP { return params.infinity | 0x80000000u; }
    return select(0u, 0x3f800000u, OP == PROD);
}

// What an element counts.
fn term(x: u32) -> u32 {
    if INT {
        if OP == SUM_SQUARE || OP == L2 { return x * x; }
        if OP == L1 && !UNSIGNED { return bitcast<u32>(abs(i(x))); }
        return x;
    }
    if OP == SUM_SQUARE || OP == L2 { return bitcast<u32>(f(x) * f(x)); }
    if OP == L1 { return x & 0x7fffffffu; }
    return x;
}

fn join(a: u32, b: u32) -> u32 {
    if INT {
        if OP == MAX && UNSIGNED { return max(a, b); }
        if OP == MIN && UNSIGNED { return min(a, b); }
        if OP == MAX { return bitcast<u32>(max(i(a), i(b))); }
        if OP == MIN { return bitcast<u32>(min(i(a), i(b))); }
        if OP == PROD { return a * b; }
        return a + b;
    }
    if OP == MAX || OP == LOG_SUM_EXP { return select(select(b, a, f(a) > f(b) || no_number(f(a))), b, no_number(f(b))); }
    if OP == MIN { return select(select(b, a, f(a) < f(b) || no_number(f(a))), b, no_number(f(b))); }
    if OP == PROD { return bitcast<u32>(f(a) * f(b)); }
    return bitcast<u32>(f(a) + f(b));
}

// Whether element b at index j beats a at index k.
fn beats(b: u32, j: u32, a: u32, k: u32) -> bool {
    var better = false;
    var equal = a == b;
    if UNSIGNED {
        better = select(a > b, b > a, OP == ARG_MAX);
    } else if INT {
        better = select(i(b) < i(a), i(b) > i(a), OP == ARG_MAX);
    } else {
        better = select(f(b) < f(a), f(b) > f(a), OP == ARG_MAX) || (no_number(f(b)) && !no_number(f(a)));
        better = better && !(no_number(f(a)) && !no_number(f(b)));
        equal = f(a) == f(b) || (no_number(f(a)) && no_number(f(b)));
    }
    return better || (equal && select((j < k), (j > k), params.select_last == 1u)) || k == 0xffffffffu;
}

fn finish(x: u32) -> u32 {
    if UNSIGNED {
        if OP == MEAN { return x / params.len; }
        if OP == L2 { return u32(sqrt(f32(x))); }
        return x;
    }
    if INT {
        if OP == MEAN { return bitcast<u32>(i(x) / i32(params.len)); }
        if OP == L2 { return bitcast<u32>(i32(sqrt(f32(i(x))))); }
        return x;
    }
    // Of nothing it is no number.
    if OP == MEAN && params.len == 0u { return 0x7fc00000u; }
    if OP == MEAN { return bitcast<u32>(f(x) / f32(params.len)); }
    if OP == L2 { return bitcast<u32>(sqrt(f(x))); }
    if OP == LOG_SUM { return bitcast<u32>(scalar_log(f(x))); }
    return x;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let linear = workgroup.x;
    // Not by select: with a workgroup to a row, its barriers want a branch that is the same for all.
    var row = linear * 64u + local;
    if INVOCATIONS > 1u {
        row = linear;
    }
    if row >= params.rows {
        return;
    }
    let invocation = select(0u, local, INVOCATIONS > 1u);
    let base = row_start(row);
    if OP == ARG_MAX || OP == ARG_MIN {
        var best = start();
        var best_index = 0xffffffffu;
        for (var k = invocation; k < params.len; k += INVOCATIONS) {
            let x = source[base + element_at(k)];
            if beats(x, k, best, best_index) {
                best = x;
                best_index = k;
            }
        }
        if INVOCATIONS > 1u {
            part[local] = best;
            part_index[local] = best_index;
            for (var step = 32u; step > 0u; step /= 2u) {
                workgroupBarrier();
                if local < step {
                    let other = part_index[local + step];
                    if other != 0xffffffffu && beats(part[local + step], other, part[local], part_index[local]) {
                        part[local] = part[local + step];
                        part_index[local] = other;
                    }
                }
            }
            best_index = part_index[0];
        }
        if invocation == 0u {
            result[row] = best_index;
        }
        return;
    }
    // Partial results of 32 elements each keep rounding errors small.
    var total = start();
    for (var k = invocation; k < params.len; k += 32u * INVOCATIONS) {
        var block = term(source[base + element_at(k)]);
        let end = min(k + 32u * INVOCATIONS, params.len);
        for (var j = k + INVOCATIONS; j < end; j += INVOCATIONS) {
            block = join(block, term(source[base + element_at(j)]));
        }
        total = join(total, block);
    }
    if INVOCATIONS > 1u {
        part[local] = total;
        for (var step = 32u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if local < step {
                part[local] = join(part[local], part[local + step]);
            }
        }
        workgroupBarrier();
        total = part[0];
    }
    if OP == LOG_SUM_EXP && !INT {
        let top = select(f(total), 0.0, (total & 0x7fffffffu) == params.infinity);
        var sum = 0.0;
        for (var k = invocation; k < params.len; k += INVOCATIONS) {
            sum += scalar_exp(f(source[base + element_at(k)]) - top);
        }
        if INVOCATIONS > 1u {
            workgroupBarrier();
            part[local] = bitcast<u32>(sum);
            for (var step = 32u; step > 0u; step /= 2u) {
                workgroupBarrier();
                if local < step {
                    part[local] = bitcast<u32>(f(part[local]) + f(part[local + step]));
                }
            }
            sum = f(part[0]);
        }
        if invocation == 0u {
            result[row] = bitcast<u32>(top + scalar_log(sum));
        }
        return;
    }
    if invocation == 0u {
        result[row] = finish(total);
    }
}
