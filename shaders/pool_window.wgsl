// Pooling over up to three axes, of floats or whole numbers: one output for each invocation.

struct Params {
    // Outputs: images x channels x planes x rows x columns.
    items: u32,
    // The bits that a maximum begins with.
    lowest: u32,
    // Whether positions count columns of columns instead of rows of rows.
    by_columns: u32,
    power: f32,
    // Each of planes, rows and columns.
    input_size: vec4<u32>,
    output_size: vec4<u32>,
    kernel_size: vec4<u32>,
    stride: vec4<u32>,
    dilation: vec4<u32>,
    padding: vec4<u32>,
    // What an average with padding counts: from the padding's start to its end.
    padded: vec4<u32>,
}

// 0 the maximum, 1 the average, 2 a norm.
override KIND: u32 = 0u;
override INTEGER: bool = false;
override COUNT_PADDING: bool = false;
// Whether the maximum's position is wanted.
override INDICES: bool = false;

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<storage, read_write> indices: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let item = workgroup.x * 64u + local;
    if item >= p.items {
        return;
    }
    let x = i32(item % p.output_size.z * p.stride.z) - i32(p.padding.z);
    let y = i32(item / p.output_size.z % p.output_size.y * p.stride.y) - i32(p.padding.y);
    let above = item / (p.output_size.z * p.output_size.y);
    let z = i32(above % p.output_size.x * p.stride.x) - i32(p.padding.x);
    let volume = above / p.output_size.x * (p.input_size.x * p.input_size.y * p.input_size.z);
    let size = vec3<i32>(p.input_size.xyz);

    // NaN does not count, as in the standard's reference.
    var best = p.lowest;
    var chosen = 0u;
    var any_inside = false;
    var sum = 0.0;
    var count = 0u;
    for (var kz = 0u; kz < p.kernel_size.x; kz++) {
        let iz = z + i32(kz * p.dilation.x);
        let plane_ok = iz >= 0 && iz < size.x;
        let plane_counted = iz + i32(p.padding.x) < i32(p.padded.x);
        let at_z = u32(clamp(iz, 0, size.x - 1));
        for (var ky = 0u; ky < p.kernel_size.y; ky++) {
            let iy = y + i32(ky * p.dilation.y);
            let row_ok = plane_ok && iy >= 0 && iy < size.y;
            let row_counted = plane_counted && iy + i32(p.padding.y) < i32(p.padded.y);
            let at_y = u32(clamp(iy, 0, size.y - 1));
            for (var kx = 0u; kx < p.kernel_size.z; kx++) {
                let ix = x + i32(kx * p.dilation.z);
                let ok = row_ok && ix >= 0 && ix < size.z;
                let at_x = u32(clamp(ix, 0, size.z - 1));
                let word = input[volume + (at_z * p.input_size.y + at_y) * p.input_size.z + at_x];
                if KIND == 0u {
                    let higher = select(
                        bitcast<f32>(word) > bitcast<f32>(best),
                        bitcast<i32>(word) > bitcast<i32>(best),
                        INTEGER,
                    );
                    let better = ok && higher;
                    best = select(best, word, better);
                    if INDICES {
                        let in_rows = (at_z * p.input_size.y + at_y) * p.input_size.z + at_x;
                        let in_columns = at_z + p.input_size.x * (at_y + p.input_size.y * at_x);
                        let position = select(in_rows, in_columns, p.by_columns != 0u);
                        chosen = select(chosen, volume + position, better || (ok && !any_inside));
                        any_inside = any_inside || ok;
                    }
                } else if KIND == 1u {
                    let counted = ok || (COUNT_PADDING && row_counted && ix + i32(p.padding.z) < i32(p.padded.z));
                    sum += select(0.0, bitcast<f32>(word), ok);
                    count += select(0u, 1u, counted);
                } else {
                    let v = abs(bitcast<f32>(word));
                    var term = v;
                    if p.power == 2.0 {
                        term = v * v;
                    } else if p.power != 1.0 {
                        term = scalar_pow(v, p.power);
                    }
                    sum += select(0.0, term, ok);
                }
            }
        }
    }
    if KIND == 0u {
        output[item] = best;
        if INDICES {
            indices[item] = chosen;
        }
    } else if KIND == 1u {
        output[item] = bitcast<u32>(sum / f32(max(count, 1u)));
    } else {
        var norm = sum;
        if p.power == 2.0 {
            norm = sqrt(sum);
        } else if p.power != 1.0 {
            norm = scalar_pow(sum, 1.0 / p.power);
        }
        output[item] = bitcast<u32>(norm);
    }
}
