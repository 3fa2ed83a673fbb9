// Reduces a strided view of i64, which lies on the heap as i32, in 64 bits. A result that leaves 32 bits is reported: the
// report's word becomes 1. With INVOCATIONS 1 an invocation makes one result; with INVOCATIONS 64 a workgroup does.

override OP: u32 = 0u;
override INVOCATIONS: u32 = 1u;

const SUM: u32 = 0u;
const MEAN: u32 = 1u;
const PROD: u32 = 4u;
const SUM_SQUARE: u32 = 5u;
const L1: u32 = 6u;
const L2: u32 = 7u;

struct Params {
    // Results, and elements of each.
    rows: u32,
    len: u32,
    offset: u32,
    pad: u32,
    // Dimensions from the innermost.
    kept_size: array<vec4<u32>, 2>,
    kept_stride: array<vec4<u32>, 2>,
    size: array<vec4<u32>, 2>,
    stride: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<storage, read_write> report: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

const LOWEST: u32 = 0x80000000u;
const MOST: u32 = 0xffffffffu;

// Low word and high word, signed for sums; for squares unsigned, and all ones from there on; for products the magnitude, all
// ones from there on, and the sign. Two arrays of words, as `reduce` has them, so that merged pipelines have one pair.
var<workgroup> part_low: array<u32, 64>;
var<workgroup> part_high: array<u32, 64>;

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

fn magnitude(x: u32) -> u32 { return select(x, 0u - x, x >= LOWEST); }

// The product, low word and high word.
fn wide(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
    return vec2(a * b, (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u));
}

fn start() -> vec2<u32> { return vec2(select(0u, 1u, OP == PROD), 0u); }

fn term(x: u32) -> vec2<u32> {
    if OP == PROD { return vec2(magnitude(x), x >> 31u); }
    if OP == SUM_SQUARE || OP == L2 { return wide(magnitude(x), magnitude(x)); }
    if OP == L1 { return vec2(magnitude(x), 0u); }
    return vec2(x, select(0u, MOST, x >= LOWEST));
}

fn join(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    if OP == PROD {
        let product = wide(a.x, b.x);
        return vec2(select(MOST, product.x, product.y == 0u), a.y ^ b.y);
    }
    let low = a.x + b.x;
    let carry = select(0u, 1u, low < a.x);
    let high = a.y + b.y + carry;
    if OP == SUM_SQUARE || OP == L2 {
        let over = high < a.y || (high == a.y && carry == 1u && b.y == MOST);
        return select(vec2(low, high), vec2(MOST), over);
    }
    return vec2(low, high);
}

// The mean, towards zero.
fn divided(x: vec2<u32>) -> u32 {
    let negative = x.y >= LOWEST;
    let low = select(x.x, 0u - x.x, negative);
    let high = select(x.y, ~x.y + select(0u, 1u, x.x == 0u), negative);
    var quotient = 0u;
    var rest = 0u;
    for (var bit = 64u; bit > 0u; bit--) {
        let word = select(low, high, bit > 32u);
        rest = (rest << 1u) | ((word >> ((bit - 1u) & 31u)) & 1u);
        quotient <<= 1u;
        if rest >= params.len {
            rest -= params.len;
            quotient |= 1u;
        }
    }
    return select(quotient, 0u - quotient, negative);
}

// The root, towards zero.
fn root(x: vec2<u32>) -> u32 {
    var r = 0u;
    for (var bit = 32u; bit > 0u; bit--) {
        let next = r | (1u << (bit - 1u));
        let square = wide(next, next);
        if square.y < x.y || (square.y == x.y && square.x <= x.x) { r = next; }
    }
    return r;
}

// The result, and 1 if it leaves the range.
fn finish(x: vec2<u32>) -> vec2<u32> {
    if OP == MEAN { return vec2(divided(x), 0u); }
    if OP == PROD {
        let fits = x.x < LOWEST || (x.x == LOWEST && x.y == 1u);
        return vec2(select(x.x, 0u - x.x, x.y == 1u), select(1u, 0u, fits));
    }
    if OP == L2 {
        let size = root(x);
        return vec2(size, size >> 31u);
    }
    if OP == SUM_SQUARE { return vec2(x.x, select(1u, 0u, x.y == 0u && x.x < LOWEST)); }
    return vec2(x.x, select(1u, 0u, x.y == select(0u, MOST, x.x >= LOWEST)));
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
    var total = start();
    for (var k = invocation; k < params.len; k += INVOCATIONS) {
        total = join(total, term(source[base + element_at(k)]));
    }
    if INVOCATIONS > 1u {
        part_low[local] = total.x;
        part_high[local] = total.y;
        for (var step = 32u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if local < step {
                let other = vec2(part_low[local + step], part_high[local + step]);
                let joined = join(vec2(part_low[local], part_high[local]), other);
                part_low[local] = joined.x;
                part_high[local] = joined.y;
            }
        }
        total = vec2(part_low[0], part_high[0]);
    }
    if invocation == 0u {
        let done = finish(total);
        result[row] = done.x;
        if done.y != 0u {
            report[0] = 1u;
        }
    }
}
