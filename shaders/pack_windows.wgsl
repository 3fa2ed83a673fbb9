// The windows of a convolution over 8-bit numbers as rows of signed bytes, sixteen a vector: for each image, group and output
// element channels x planes x rows x columns of the kernel, filled up with zeros to whole vectors. Outside of the input is the zero point.

struct Params {
    // Vectors of all windows, and of one.
    items: u32,
    vectors: u32,
    // Channels of one group.
    channels: u32,
    // Elements of a window.
    depth: u32,
    // Whether elements lie four a word; else each is the low byte of a word.
    packed: u32,
    // 0x80808080 takes 128 from each, else 0.
    flip: u32,
    zero_offset: u32,
    // Each of planes, rows and columns.
    input_size: vec4<u32>,
    output_size: vec4<u32>,
    kernel_size: vec4<u32>,
    stride: vec4<u32>,
    dilation: vec4<u32>,
    padding: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read> zero_point: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4<u32>>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let first = item % p.vectors * 16u;
    var window = item / p.vectors;
    let column = window % p.output_size.z;
    window /= p.output_size.z;
    let row = window % p.output_size.y;
    window /= p.output_size.y;
    let plane = window % p.output_size.x;
    // Images and groups: channels lie one after the other.
    let base = window / p.output_size.x * p.channels;
    let start = vec3(plane, row, column) * p.stride.xyz - p.padding.xyz;

    // The first tap, then one after the other.
    var rest = first;
    var tap = vec3(0u);
    tap.z = rest % p.kernel_size.z;
    rest /= p.kernel_size.z;
    tap.y = rest % p.kernel_size.y;
    rest /= p.kernel_size.y;
    tap.x = rest % p.kernel_size.x;
    var channel = rest / p.kernel_size.x;
    let shift = select(0u, 2u, p.packed != 0u);
    let outside = zero_point[p.zero_offset];
    var words = vec4(0u);
    for (var k = 0u; k < min(16u, p.depth - first); k++) {
        // Below zero is beyond every size.
        let at = start + tap * p.dilation.xyz;
        var bits = outside;
        if all(at < p.input_size.xyz) {
            let element = (((base + channel) * p.input_size.x + at.x) * p.input_size.y + at.y) * p.input_size.z + at.z;
            bits = source[element >> shift] >> select(0u, (element & 3u) << 3u, p.packed != 0u);
        }
        words[k >> 2u] |= ((bits ^ p.flip) & 0xffu) << ((k & 3u) << 3u);
        tap.z++;
        if tap.z == p.kernel_size.z {
            tap.z = 0u;
            tap.y++;
        }
        if tap.y == p.kernel_size.y {
            tap.y = 0u;
            tap.x++;
        }
        if tap.x == p.kernel_size.x {
            tap.x = 0u;
            channel++;
        }
    }
    result[item] = words;
}
