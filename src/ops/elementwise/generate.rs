//! The kernel of a program: WGSL that loads its inputs, runs its steps one after the other as calls of
//! `shaders/functions/operations.wgsl`, and stores the result; or the function that runs it behind a product.
//!
//! A fused program computes what its nodes compute one by one. Drivers cancel, contract and reassociate f32 arithmetic across
//! steps (Mesa takes x + c - c for x, and the square of a root for its operand), so a result that such arithmetic reads is
//! first joined with a word of the parameters that is zero, which no compiler knows.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::error::Result;
use crate::kernel::parts::Weights;
use crate::kernel::{Kernel, library};
use crate::lower::storage::Storage;

use super::codes::Code;
use super::program::{Program, Ref, Step};

/// How the kernel reads an input, and as what it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) read: Read,
    pub(super) storage: Storage,
}

/// Where the elements that a kernel reads lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Read {
    /// As the result lies.
    Flat,
    /// One element.
    Scalar,
    /// Four neighbours, strided further out.
    Vector,
    /// One for four neighbours, strided further out.
    Splat,
    /// One by one.
    Strided,
}

impl Read {
    fn letter(self) -> char {
        match self {
            Read::Flat => 'f',
            Read::Scalar => 'c',
            Read::Vector => 'v',
            Read::Splat => 's',
            Read::Strided => 'g',
        }
    }

    /// Whether it goes by strides.
    pub(super) fn is_strided(self) -> bool {
        match self {
            Read::Flat | Read::Scalar => false,
            Read::Vector | Read::Splat | Read::Strided => true,
        }
    }
}

/// Names packed storage as the functions of `shaders/functions/storage.wgsl` do; `None` for words.
fn packed(storage: Storage) -> Option<&'static str> {
    match storage {
        Storage::Word => None,
        Storage::F16 => Some("f16"),
        Storage::I16 => Some("i16"),
        Storage::U16 => Some("u16"),
        Storage::I8 => Some("i8"),
        Storage::U8 => Some("u8"),
        Storage::Bf16 => Some("bf16"),
        Storage::I4 => Some("i4"),
        Storage::U4 => Some("u4"),
        Storage::I2 => Some("i2"),
        Storage::U2 => Some("u2"),
    }
}

/// The type of four neighbours, or of the word that holds them with others.
fn four(storage: Storage) -> &'static str {
    match storage.bits() {
        32 => "vec4<u32>",
        16 => "vec2<u32>",
        _ => "u32",
    }
}

/// The longest name that tells a kernel by itself; longer ones end in a hash.
const NAME: usize = 96;

/// The kernel that runs `program` over inputs read so, in `rank` dimensions where they are strided; the result lies as `result`
/// says. Its bindings are the inputs and the result; its parameters, words by their names: `vectors` (groups of four elements of the result), `last` (the
/// index of its last element), `zero`, `size0` and so on (dimensions from the innermost), of input k `offsetK` and `strideK_0`
/// and so on where it has them, and the constants `c0` and so on.
///
/// # Errors
/// `Internal` if two kernels would have one name.
pub(super) fn kernel(program: &Program, sources: &[Source], result: Storage, rank: usize) -> Result<Arc<Kernel>> {
    let mut name = String::from("elementwise-");
    for source in sources {
        name.push(source.read.letter());
        name += packed(source.storage).unwrap_or("");
    }
    if result != Storage::Word {
        let _ = write!(name, "_{}", packed(result).unwrap_or(""));
    }
    if sources.iter().any(|source| source.read.is_strided()) {
        let _ = write!(name, "{rank}");
    }
    let _ = write!(name, ":{}", notation(&program.steps));
    library::composed(&shortened(name), || text(program, sources, result, rank))
}

/// The programs of one f32 that every kernel with an epilogue has, from number 1 on: those of `common_epilogue` in
/// `shaders/functions/epilogue.wgsl`. A kernel for each of them would cost every model several pipelines; but CPU drivers compute
/// each for every element, so that only cheap ones are among them.
const COMMON: [&str; 2] = ["relu_f(x0)", "max_f(x0,c0);min_f(s0,c1)"];

/// The number of a program that every kernel with an epilogue has; 0 is no program.
pub(super) fn common(program: Option<&Program>) -> Option<u32> {
    let Some(program) = program else { return Some(0) };
    if program.dtype.is_half() {
        return None;
    }
    let notation = notation(&program.steps);
    (1..).zip(COMMON).find(|(_, common)| *common == notation).map(|(number, _)| number)
}

/// The kernel `base` with its weights read so and `program` as its function `epilogue`, or with the common ones; `None` is no
/// program.
///
/// # Errors
/// As [`kernel`].
pub(super) fn with_epilogue(base: &'static str, weights: Weights, program: Option<&Program>) -> Result<Arc<Kernel>> {
    let program = program.filter(|program| common(Some(program)).is_none());
    if program.is_none() && weights == Weights::Words {
        return Ok(library::get(base));
    }
    let mut name = format!("{base}{}", weights.suffix());
    if let Some(program) = program {
        let sum = Code::rounding(program.dtype).map_or(String::new(), |code| format!("{}(sum);", code.function()));
        let _ = write!(name, ":{sum}{}", notation(&program.steps));
    }
    let epilogue = program.map(epilogue);
    library::composed(&shortened(name), || library::with_parts(base, weights, epilogue.as_deref()))
}

/// The constants of an epilogue as its kernel takes them: a zero, then the program's, filled up to whole vectors.
pub(super) fn epilogue_len(constants: usize) -> usize {
    (1 + constants).next_multiple_of(4)
}

/// The steps in short.
fn notation(steps: &[Step]) -> String {
    let step = |step: &Step| {
        let args: Vec<String> = step.args.iter().map(|arg| variable(*arg)).collect();
        format!("{}({})", step.code.function(), args.join(","))
    };
    steps.iter().map(step).collect::<Vec<_>>().join(";")
}

fn shortened(name: String) -> String {
    if name.len() <= NAME {
        return name;
    }
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{}~{hash:016x}", &name[..NAME])
}

fn variable(arg: Ref) -> String {
    match arg {
        Ref::Input(k) => format!("x{k}"),
        Ref::Step(k) => format!("s{k}"),
        Ref::Constant(k) => format!("c{k}"),
    }
}

/// The steps, one a line, each indented; inputs, constants and `zero` are there.
fn steps(program: &Program) -> String {
    let mut out = String::new();
    for (index, step) in program.steps.iter().enumerate() {
        let mut args: Vec<String> = Vec::with_capacity(step.args.len());
        for (place, &arg) in step.args.iter().enumerate() {
            let from_float = matches!(arg, Ref::Step(_)) && step.code.merges();
            let again = step.code.merges() && !matches!(arg, Ref::Constant(_)) && step.args[..place].contains(&arg);
            args.push(match (again, from_float) {
                (true, _) => format!("({} | zero)", variable(arg)),
                (false, true) => format!("({} ^ zero)", variable(arg)),
                (false, false) => variable(arg),
            });
        }
        let _ = writeln!(out, "    let s{index} = {}({});", step.code.function(), args.join(", "));
    }
    out
}

/// The functions that compute `program` of one value, and the value as the program's type has it.
fn epilogue(program: &Program) -> String {
    let vectors = epilogue_len(program.constants.len()) / 4;
    let mut out = format!("const EPILOGUE: u32 = {vectors}u;\nfn epilogue(x: vec4<f32>) -> vec4<f32> {{\n");
    let word = |k: usize| format!("vec4(params.epilogue[{}][{}])", k / 4, k % 4);
    let _ = writeln!(out, "    let zero = {};", word(0));
    out += "    let x0 = bitcast<vec4<u32>>(x) ^ zero;\n";
    for k in 0..program.constants.len() {
        let _ = writeln!(out, "    let c{k} = {};", word(1 + k));
    }
    out += &steps(program);
    let _ = writeln!(out, "    return bitcast<vec4<f32>>(s{});\n}}", program.steps.len() - 1);
    let rounded = match Code::rounding(program.dtype) {
        Some(code) => format!("bitcast<vec4<f32>>({}(bitcast<vec4<u32>>(x)))", code.function()),
        None => "x".to_owned(),
    };
    let _ = writeln!(out, "fn rounded(x: vec4<f32>) -> vec4<f32> {{ return {rounded}; }}");
    out
}

fn text(program: &Program, sources: &[Source], result: Storage, rank: usize) -> String {
    let mut fields = String::from("    vectors: u32,\n    last: u32,\n    zero: u32,\n");
    let mut bindings = String::new();
    let mut helpers = String::new();
    let mut body = String::new();
    if sources.iter().any(|source| source.read.is_strided()) {
        (0..rank).for_each(|axis| fields += &format!("    size{axis}: u32,\n"));
    }
    for (k, &Source { read, storage }) in sources.iter().enumerate() {
        let ty = four(storage);
        let _ = writeln!(bindings, "@group(0) @binding({k}) var<storage, read> in{k}: array<{ty}>;");
        if read != Read::Flat {
            let _ = writeln!(fields, "    offset{k}: u32,");
        }
        if read.is_strided() {
            (0..rank).for_each(|axis| fields += &format!("    stride{k}_{axis}: u32,\n"));
            helpers += &locate(k, rank);
        }
        let load = |at: &str| match packed(storage) {
            None => format!("in{k}[{at}]"),
            Some(packed) => match storage.bits() {
                4 => format!("load_{packed}(in{k}[({at}) >> 1u], {at})"),
                2 => format!("load_{packed}(in{k}[({at}) >> 2u], {at})"),
                _ => format!("load_{packed}(in{k}[{at}])"),
            },
        };
        let one = |at: &str| format!("{}[{at} & 3u]", load(&format!("{at} >> 2u")));
        match read {
            Read::Flat => body += &format!("    let x{k} = {};\n", load("v")),
            Read::Scalar => body += &format!("    let x{k} = vec4({});\n", one(&format!("params.offset{k}"))),
            Read::Vector => body += &format!("    let x{k} = {};\n", load(&format!("locate{k}(v * 4u) >> 2u"))),
            Read::Splat => {
                let _ = writeln!(body, "    let at{k} = locate{k}(v * 4u);");
                let _ = writeln!(body, "    let x{k} = vec4({});", one(&format!("at{k}")));
            }
            Read::Strided => {
                let mut ones = Vec::new();
                for element in 0..4 {
                    let _ =
                        writeln!(body, "    let at{k}_{element} = locate{k}(min(v * 4u + {element}u, params.last));");
                    ones.push(one(&format!("at{k}_{element}")));
                }
                let _ = writeln!(body, "    let x{k} = vec4({});", ones.join(", "));
            }
        }
    }
    for k in 0..program.constants.len() {
        let _ = writeln!(fields, "    c{k}: u32,");
        let _ = writeln!(body, "    let c{k} = vec4(params.c{k});");
    }
    let steps = steps(program);
    if steps.contains("zero)") {
        body += "    let zero = vec4(params.zero);\n";
    }
    let (ty, last) = (four(result), format!("s{}", program.steps.len() - 1));
    let stored = packed(result).map_or(last.clone(), |packed| format!("store_{packed}({last})"));
    let (result, uniform) = (sources.len(), sources.len() + 1);
    format!(
        "struct Params {{\n{fields}}}\n
{bindings}@group(0) @binding({result}) var<storage, read_write> result: array<{ty}>;
@group(0) @binding({uniform}) var<uniform> params: Params;
{helpers}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
    let v = workgroup.x * 64u + local;
    if v >= params.vectors {{
        return;
    }}
{body}{steps}    result[v] = {stored};\n}}\n"
    )
}

/// The function that finds an element of the result in input `k`.
fn locate(k: usize, rank: usize) -> String {
    let mut out =
        format!("\nfn locate{k}(index: u32) -> u32 {{\n    var rest = index;\n    var at = params.offset{k};\n");
    for axis in 0..rank - 1 {
        let _ = writeln!(out, "    at += rest % params.size{axis} * params.stride{k}_{axis};");
        let _ = writeln!(out, "    rest /= params.size{axis};");
    }
    let _ = writeln!(out, "    return at + rest * params.stride{k}_{};\n}}", rank - 1);
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::codes::Scalar;
    use super::*;
    use crate::kernel::functions;
    use crate::tensor::DType;

    fn words(read: Read) -> Source {
        Source { read, storage: Storage::Word }
    }

    fn program(steps: &[(Code, &[Ref])], inputs: usize, constants: usize) -> Program {
        let steps = steps.iter().map(|(code, args)| Step { code: *code, args: args.to_vec() }).collect();
        Program { inputs, steps, constants: vec![Scalar::F(1.0); constants], dtype: DType::F32 }
    }

    #[test]
    fn every_operation_and_every_way_of_reading_makes_a_valid_kernel() {
        let reads = [Read::Flat, Read::Scalar, Read::Vector, Read::Splat, Read::Strided];
        for &code in Code::ALL {
            let args: Vec<Ref> = (0..code.arity()).map(Ref::Input).collect();
            for (at, &read) in reads.iter().enumerate() {
                let program = program(&[(code, &args)], args.len(), 0);
                let kernel = kernel(&program, &vec![words(read); args.len()], Storage::Word, 1 + at).unwrap();
                assert_eq!(kernel.bindings.len(), args.len() + 1);
            }
        }
    }

    #[test]
    fn every_storage_is_read_in_every_way_and_written() {
        let program = program(&[(Code::HalfF, &[Ref::Input(0)])], 1, 0);
        let storages: BTreeSet<Storage> = (0..30).filter_map(DType::from_onnx).map(Storage::of).collect();
        assert_eq!(storages.len(), 11);
        for storage in storages {
            for read in [Read::Flat, Read::Scalar, Read::Vector, Read::Splat, Read::Strided] {
                for result in [Storage::Word, if storage.bits() < 8 { Storage::Bf16 } else { storage }] {
                    kernel(&program, &[Source { read, storage }], result, 2).unwrap();
                }
            }
        }
    }

    #[test]
    fn the_same_program_is_the_same_kernel_and_the_constants_are_not_part_of_it() {
        let mut p = program(&[(Code::MulF, &[Ref::Input(0), Ref::Constant(0)])], 1, 1);
        let first = kernel(&p, &[words(Read::Flat)], Storage::Word, 1).unwrap();
        assert_eq!(first.name, "elementwise-f:mul_f(x0,c0)");
        p.constants[0] = Scalar::F(2.0);
        assert!(Arc::ptr_eq(&first, &kernel(&p, &[words(Read::Flat)], Storage::Word, 1).unwrap()));
        assert!(!Arc::ptr_eq(&first, &kernel(&p, &[words(Read::Scalar)], Storage::Word, 1).unwrap()));
        let text = first.text.clone();
        drop(first);
        assert_eq!(kernel(&p, &[words(Read::Flat)], Storage::Word, 3).unwrap().text, text);
    }

    #[test]
    fn what_a_driver_could_merge_is_kept_apart_and_nothing_else() {
        let x = Ref::Input(0);
        #[rustfmt::skip]
        let cases: [(&[(Code, &[Ref])], &[&str]); 5] = [
            (&[(Code::SubF, &[x, x])], &["sub_f(x0, (x0 | zero))"]),
            (&[(Code::SqrtF, &[x]), (Code::MulF, &[Ref::Step(0), Ref::Step(0)])], &["mul_f((s0 ^ zero), (s0 | zero))"]),
            (&[(Code::NegF, &[x]), (Code::ReluF, &[Ref::Step(0)])], &["neg_f(x0)", "relu_f(s0)"]),
            (&[(Code::AddF, &[x, Ref::Constant(0)]), (Code::SubF, &[Ref::Step(0), Ref::Constant(0)])], &["sub_f((s0 ^ zero), c0)"]),
            (&[(Code::AddI, &[x, x]), (Code::SubI, &[Ref::Step(0), x])], &["add_i(x0, x0)", "sub_i(s0, x0)"]),
        ];
        for (steps, wanted) in cases {
            let kernel = kernel(&program(steps, 1, 1), &[words(Read::Flat)], Storage::Word, 1).unwrap();
            let lacks = wanted.iter().find(|line| !kernel.text.contains(&format!("= {line};")));
            assert_eq!(lacks, None, "{}", kernel.text);
        }
    }

    #[test]
    fn the_common_programs_have_the_steps_that_would_be_generated() {
        let x = Ref::Input(0);
        let [c0, c1, s0] = [Ref::Constant(0), Ref::Constant(1), Ref::Step(0)];
        #[rustfmt::skip]
        let programs: [(&[(Code, &[Ref])], usize); COMMON.len()] = [
            (&[(Code::ReluF, &[x])], 0),
            (&[(Code::MaxF, &[x, c0]), (Code::MinF, &[s0, c1])], 2),
        ];
        let (_, text) = functions::FILES.iter().find(|(name, _)| *name == "epilogue").unwrap();
        for (number, (codes, constants)) in (1..).zip(programs) {
            let program = program(codes, 1, constants);
            assert_eq!(common(Some(&program)), Some(number));
            let lines = steps(&program).replace("    ", "            ");
            let case = format!("        case {number}u: {{\n{lines}            return s{};\n", codes.len() - 1);
            assert!(text.contains(&case), "{case}");
            assert!(Arc::ptr_eq(
                &with_epilogue("conv_tile", Weights::Words, Some(&program)).unwrap(),
                &library::get("conv_tile")
            ));
        }
        assert_eq!(common(None), Some(0));
        assert_eq!(common(Some(&program(&[(Code::TanhF, &[x])], 1, 0))), None);
    }

    #[test]
    fn long_programs_have_short_names() {
        let mut steps: Vec<(Code, Vec<Ref>)> = vec![(Code::NegF, vec![Ref::Input(0)])];
        for k in 0..60 {
            steps.push((Code::TanhF, vec![Ref::Step(k)]));
        }
        let steps: Vec<(Code, &[Ref])> = steps.iter().map(|(code, args)| (*code, args.as_slice())).collect();
        let a = kernel(&program(&steps, 1, 0), &[words(Read::Flat)], Storage::Word, 1).unwrap();
        let b = kernel(&program(&steps[..60], 1, 0), &[words(Read::Flat)], Storage::Word, 1).unwrap();
        assert!(a.name.len() < NAME + 20 && a.name != b.name, "{} {}", a.name, b.name);
    }
}
