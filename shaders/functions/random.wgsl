// Random numbers by Philox4x32-10 of Salmon and others (2011): a function of a counter and a key, the same on every device.

fn philox(index: u32, key: vec2<u32>) -> vec4<u32> {
    var c = vec4(index, 0u, 0u, 0u);
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        let high = mul_high(vec4(0xd2511f53u, 0xcd9e8d57u, 0u, 0u), vec4(c.x, c.z, 0u, 0u));
        c = vec4(high.y ^ c.y ^ k.x, c.z * 0xcd9e8d57u, high.x ^ c.w ^ k.y, c.x * 0xd2511f53u);
        k += vec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return c;
}

// A multiple of 2^-24 from 0 on and below 1.
fn random_unit(word: u32) -> f32 { return f32(word >> 8u) * 0.000000059604644775390625; }
