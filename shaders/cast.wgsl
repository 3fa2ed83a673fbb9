// Converts between the representations of element types.

struct Params {
    // Words to convert.
    len: u32,
    // What a word is: 0 f32, 1 i32, 2 u32.
    source: u32,
    result: u32,
    // Bits of the result type: 1 (bool), 8, 16 or 32.
    bits: u32,
}

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

fn is_true(word: u32) -> bool {
    if params.source == 0u {
        // Both zeros are false.
        return (word & 0x7fffffffu) != 0u;
    }
    return word != 0u;
}

fn to_float(word: u32) -> f32 {
    if params.source == 1u {
        return f32(bitcast<i32>(word));
    }
    // WGSL leaves open how that rounds, and a driver may cut off: the halves are exact, and their sum is rounded once.
    return f32(word >> 16u) * 65536.0 + f32(word & 0xffffu);
}

fn to_integer(word: u32) -> u32 {
    var integer = word;
    if params.source == 0u {
        let value = bitcast<f32>(word);
        if params.result == 2u && params.bits == 32u {
            integer = u32(value);
        } else {
            integer = bitcast<u32>(i32(value));
        }
    }
    if params.bits == 32u {
        return integer;
    }
    if params.result == 1u {
        return bitcast<u32>(extractBits(bitcast<i32>(integer), 0u, params.bits));
    }
    return extractBits(integer, 0u, params.bits);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = workgroup.x * 64u + local;
    if at >= params.len {
        return;
    }
    let word = source[at];
    if params.bits == 1u {
        result[at] = select(0u, 1u, is_true(word));
    } else if params.result == 0u {
        result[at] = select(word, bitcast<u32>(to_float(word)), params.source != 0u);
    } else {
        result[at] = to_integer(word);
    }
}
