// What products and convolutions mostly do to their results, by the number of the program among `COMMON`; 0 is nothing. Each
// has the steps of its program. Only cheap ones: CPU drivers compute every case.
fn common_epilogue(program: u32, x0: vec4<u32>, c0: vec4<u32>, c1: vec4<u32>, zero: vec4<u32>) -> vec4<u32> {
    switch program {
        case 1u: {
            let s0 = relu_f(x0);
            return s0;
        }
        case 2u: {
            let s0 = max_f(x0, c0);
            let s1 = min_f(s0, c1);
            return s1;
        }
        default: {
            return x0;
        }
    }
}
