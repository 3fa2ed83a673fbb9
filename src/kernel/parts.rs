//! Kernels from parts: what a file under `shaders/` leaves open, and the text that fills it.
//!
//! | the file names | which is |
//! |---|---|
//! | `EPILOGUE`, `epilogue(x)` | vectors of the parameter `epilogue`, and what is done to four results |
//! | `rounded(x)` | four results as an operator's own type has them, before something is added |
//! | `WEIGHTS`, `weights_of(x, factor)` | four neighbouring weights as they lie, and as numbers |
//! | `WEIGHT`, `WEIGHT_SHIFT`, `weight_of(x, at, factor)` | a word of weights, the words of a weight as a power of two, and weight `at` of the word |

/// How a kernel reads what may be constant weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weights {
    /// A word each.
    #[default]
    Words,
    /// Two a word, halves that are no denormals, infinities or NaN, times a factor.
    F16,
    /// Two a word, the upper halves of f32.
    Bf16,
}

impl Weights {
    /// What a kernel's name has of it, behind the file's.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Weights::Words => "",
            Weights::F16 => "-f16",
            Weights::Bf16 => "-bf16",
        }
    }

    fn four(self) -> &'static str {
        match self {
            Weights::Words => {
                "alias WEIGHTS = vec4<f32>;
fn weights_of(x: WEIGHTS, factor: f32) -> vec4<f32> { return x; }
"
            }
            Weights::F16 => {
                "alias WEIGHTS = vec2<u32>;
fn weights_of(x: WEIGHTS, factor: f32) -> vec4<f32> { return unpack_halves(x) * factor; }
"
            }
            Weights::Bf16 => {
                "alias WEIGHTS = vec2<u32>;
fn weights_of(x: WEIGHTS, factor: f32) -> vec4<f32> { return bitcast<vec4<f32>>(load_bf16(x)); }
"
            }
        }
    }

    fn one(self) -> &'static str {
        match self {
            Weights::Words => {
                "alias WEIGHT = f32;
const WEIGHT_SHIFT: u32 = 0u;
fn weight_of(x: WEIGHT, at: u32, factor: f32) -> f32 { return x; }
"
            }
            Weights::F16 => {
                "alias WEIGHT = u32;
const WEIGHT_SHIFT: u32 = 1u;
fn weight_of(x: WEIGHT, at: u32, factor: f32) -> f32 { return unpack2x16float(x >> ((at & 1u) << 4u)).x * factor; }
"
            }
            Weights::Bf16 => {
                "alias WEIGHT = u32;
const WEIGHT_SHIFT: u32 = 1u;
fn weight_of(x: WEIGHT, at: u32, factor: f32) -> f32 { return bitcast<f32>(x >> ((at & 1u) << 4u) << 16u); }
"
            }
        }
    }
}

/// The epilogue where what it is to do is among the common programs, or nothing: the words are a zero, two constants and the
/// program's number.
const COMMON_EPILOGUE: &str = "const EPILOGUE: u32 = 1u;
fn epilogue(x: vec4<f32>) -> vec4<f32> {
    let e = params.epilogue[0];
    let zero = vec4(e.x);
    return bitcast<vec4<f32>>(common_epilogue(e.w, bitcast<vec4<u32>>(x) ^ zero, vec4(e.y), vec4(e.z), zero));
}
fn rounded(x: vec4<f32>) -> vec4<f32> { return x; }
";

/// The text with what it leaves open: `epilogue` defines `EPILOGUE`, `epilogue` and `rounded`, and without it they are the common ones.
pub(crate) fn filled(text: &str, weights: Weights, epilogue: Option<&str>) -> String {
    let mut filled = text.to_owned();
    let parts = [
        ("array<vec4<u32>, EPILOGUE>", epilogue.unwrap_or(COMMON_EPILOGUE)),
        ("array<WEIGHTS>", weights.four()),
        ("array<WEIGHT>", weights.one()),
    ];
    for (open, part) in parts {
        if text.contains(open) {
            filled.push('\n');
            filled.push_str(part);
        }
    }
    filled
}
