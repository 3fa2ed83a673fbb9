// Windows seen from what they write: which taps of which inputs reach an element.

// The first tap whose distance leaves the remainder of `reach` by the stride, of `step` that leave different ones; no tap if
// there is none.
fn first_tap(reach: u32, stride: u32, dilation: u32, step: u32) -> u32 {
    let phase = reach % stride;
    if dilation == 1u {
        return phase;
    }
    var found = 0xffffffffu - step;
    for (var k = 0u; k < step; k++) {
        if (k * dilation) % stride == phase {
            found = k;
            break;
        }
    }
    return found;
}

// The input whose window has its tap at that distance on `reach`; beyond any axis if it would lie before the first.
fn source_of(reach: u32, distance: u32, stride: u32) -> u32 {
    return select((reach - distance) / stride, 0xffffffffu, distance > reach);
}
