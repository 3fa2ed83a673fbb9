// arrayLength, a loop over the grid, signed indices, switch, private and constant data.
const FACTORS = array<i32, 4>(3, -5, 7, 11);
struct Params { shift: i32 }
@group(0) @binding(0) var<storage, read> a: array<i32>;
@group(0) @binding(1) var<storage, read_write> out: array<i32>;
@group(0) @binding(2) var<uniform> params: Params;
var<private> steps: i32 = 1;

fn factor(i: u32) -> i32 {
    steps += 1;
    var factors = FACTORS;
    return factors[i & 3u] + steps;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let len = i32(arrayLength(&out));
    for (var i = i32(id.x); i < len; i += i32(groups.x * 64u)) {
        let origin = (i + params.shift) % len;
        switch i & 3 {
            case 0: { out[i] = a[origin] * factor(u32(i)); }
            case 1, 2: { out[i] = a[len - 1 - origin] - factor(u32(i)); continue; }
            default: { out[i] = len; }
        }
        steps += i;
    }
}
