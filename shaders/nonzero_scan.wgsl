// The sums of all counts before each, and of all. One workgroup.
struct Params {
    len: u32,
}

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> offsets: array<u32>;
@group(0) @binding(2) var<storage, read_write> total: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> sums: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
    let share = (params.len + 63u) / 64u;
    let start = min(local * share, params.len);
    let end = min(start + share, params.len);
    var sum = 0u;
    for (var i = start; i < end; i += 1u) {
        sum += counts[i];
    }
    sums[local] = sum;
    workgroupBarrier();
    var before = 0u;
    for (var i = 0u; i < local; i += 1u) {
        before += sums[i];
    }
    if local == 63u {
        total[0] = before + sum;
    }
    for (var i = start; i < end; i += 1u) {
        offsets[i] = before;
        before += counts[i];
    }
}
