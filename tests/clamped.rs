//! The project's kernels run without clamps, as plans give them ranges that they keep. Here random small models of every operator
//! family run with and without: same bits, same errors. Their memory holds rubbish before, so that what reads beyond its tensor
//! shows. Every kernel of the library must come up.
//!
//! `FASCINE_CASES` sets the models of each family.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "clamped/basics.rs"]
mod basics;
#[path = "clamped/case.rs"]
mod case;
#[path = "clamped/halves.rs"]
mod halves;
#[path = "clamped/movement.rs"]
mod movement;
#[path = "clamped/quantised.rs"]
mod quantised;
#[path = "link_common/random.rs"]
mod random;
#[path = "clamped/windows.rs"]
mod windows;

use std::collections::BTreeSet;

use case::{Case, Family, ints};
use fascine::graph::{Attr, Graph, ValueId, builder::GraphBuilder};
use fascine::kernel::library;
use fascine::link::Clamp;
use fascine::lower::DeviceClass;
use fascine::tensor::{DType, TensorData};
use fascine::{Options, Runtime, Tensor, UserKernel};
use random::Random;

/// No operator lowers to these; tests and benches of dispatches use them.
const NO_OPERATOR: &[&str] = &["copy"];
/// Pipelines take most of the time: one for each kernel, its overrides and the clamps.
const CASES: u64 = 2;

fn cases() -> u64 {
    std::env::var("FASCINE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES)
}

fn families() -> impl Iterator<Item = &'static Family> {
    [basics::FAMILIES, halves::FAMILIES, movement::FAMILIES, quantised::FAMILIES, windows::FAMILIES]
        .into_iter()
        .flatten()
}

/// A model, its inputs, and whether its request must fail.
fn make(name: &str, family: fn(&mut Case<'_>) -> Vec<ValueId>, seed: u64) -> (Graph, Vec<(String, Tensor)>, bool) {
    let mut random = Random::new(name.bytes().fold(seed, |h, byte| h.wrapping_mul(31).wrapping_add(byte.into())));
    let (b, outside) = (GraphBuilder::new(17), seed % 2 == 1);
    let mut case = Case { random: &mut random, b, inputs: Vec::new(), outside, refused: false };
    let outputs = family(&mut case);
    (case.b.finish(outputs), case.inputs, case.refused)
}

const FILL: &str = "
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = RUBBISHu - id.x % 7u; }
";

/// NaNs, or numbers where kernels are clamped: clamped reads may still be of the padding that tensors end in.
fn rubbish(clamp: Clamp) -> &'static str {
    if clamp == Clamp::All { "0x3fc0dead" } else { "0x7fc0dead" }
}

/// A runtime, and what fills its free memory with rubbish.
struct Bench {
    runtime: Runtime,
    fill: UserKernel,
}

/// Name, type, shape and bits of each output, or the error.
type Outcome = Result<Vec<(String, DType, Vec<usize>, Vec<u8>)>, String>;

/// The bits of a tensor. Which NaN it is, signs among it, WGSL leaves open: compilers take operands in either order.
fn bits(tensor: &Tensor) -> Vec<u8> {
    match tensor.data() {
        TensorData::F16(values) => {
            values.iter().flat_map(|value| if value.is_nan() { half::f16::NAN } else { *value }.to_ne_bytes()).collect()
        }
        TensorData::Bf16(values) => values
            .iter()
            .flat_map(|value| if value.is_nan() { half::bf16::NAN } else { *value }.to_ne_bytes())
            .collect(),
        TensorData::F32(values) => {
            let one = |value: &f32| if value.is_nan() { f32::NAN } else { *value };
            values.iter().flat_map(|value| one(value).to_bits().to_ne_bytes()).collect()
        }
        _ => tensor.bytes().to_vec(),
    }
}

/// What differs between two outcomes, shortly.
fn difference(clamped: &Outcome, plain: &Outcome) -> String {
    let (Ok(clamped), Ok(plain)) = (clamped, plain) else {
        let short = |outcome: &Outcome| outcome.as_ref().map_or_else(Clone::clone, |_| "results".to_owned());
        return format!("{} clamped, {} unclamped", short(clamped), short(plain));
    };
    if clamped.len() != plain.len() {
        return format!("{} outputs clamped, {} unclamped", clamped.len(), plain.len());
    }
    let other = clamped.iter().zip(plain).find(|(clamped, plain)| clamped != plain);
    let Some(((name, dtype, shape, a), (.., b))) = other else { return "nothing".to_owned() };
    let wrong: Vec<usize> = (0..a.len().min(b.len())).filter(|&at| a[at] != b[at]).collect();
    format!("{name}, {dtype}{shape:?}: {} bytes differ of {}, the first at {:?}", wrong.len(), a.len(), wrong.first())
}

impl Bench {
    fn new(class: DeviceClass, clamp: Clamp) -> Self {
        let runtime = Runtime::new(Options { class: Some(class), clamp, ..Options::default() }).unwrap();
        let fill = runtime.load_kernel(&FILL.replace("RUBBISH", rubbish(clamp))).unwrap();
        Bench { runtime, fill }
    }

    fn run(&self, graph: Graph, inputs: &[(String, Tensor)], kernels: &mut BTreeSet<String>) -> Outcome {
        let words = 1 << 18;
        let fill = self.fill.request().output("y", DType::U32, [words]).unwrap();
        fill.workgroups([words as u32 / 64, 1, 1]).submit().unwrap().wait().unwrap();
        let model = self.runtime.load_graph(graph).map_err(|error| error.to_string())?;
        let shapes: Vec<Vec<usize>> = inputs.iter().map(|(_, tensor)| tensor.shape().to_vec()).collect();
        let dispatches = model.dispatches(&shapes).map_err(|error| error.to_string())?;
        kernels.extend(dispatches.iter().map(|dispatch| dispatch.variant.kernel().name.clone()));
        let mut request = model.request();
        for (name, tensor) in inputs {
            request = request.input(name, tensor.clone()).map_err(|error| error.to_string())?;
        }
        let done = request.submit().and_then(|request| request.wait()).map_err(|error| error.to_string())?;
        let output =
            |(name, tensor): (&str, &Tensor)| (name.to_owned(), tensor.dtype(), tensor.shape().to_vec(), bits(tensor));
        Ok(done.outputs().map(output).collect())
    }
}

/// What the models of one class of kernels showed.
#[derive(Default)]
struct Findings {
    kernels: BTreeSet<String>,
    wrong: Vec<String>,
    /// Families that gave results.
    given: BTreeSet<&'static str>,
}

fn compare(class: DeviceClass) -> Findings {
    let mut found = Findings::default();
    let [plain, clamped] = [Clamp::Users, Clamp::All].map(|clamp| Bench::new(class, clamp));
    for &(name, family) in families() {
        for seed in 0..cases() {
            let (graph, inputs, refused) = make(name, family, seed);
            let expected = clamped.run(graph.clone(), &inputs, &mut found.kernels);
            let got = plain.run(graph, &inputs, &mut found.kernels);
            let mut wrong = |why: &str| found.wrong.push(format!("{name}, seed {seed}, {class:?}: {why}"));
            match &expected {
                Ok(_) => {
                    found.given.insert(name);
                    if refused {
                        wrong("results of an index that lies outside");
                    }
                }
                Err(error) if !refused && name != "gather" && name != "integers" => wrong(error),
                Err(_) => {}
            }
            if got != expected {
                wrong(&difference(&expected, &got));
            }
        }
    }
    found
}

#[test]
fn clamped_is_unclamped_for_every_kernel() {
    // Beside each other: a driver compiles for minutes.
    let [cpu, gpu] = std::thread::scope(|scope| {
        [DeviceClass::Cpu, DeviceClass::Gpu]
            .map(|class| scope.spawn(move || compare(class)))
            .map(|thread| thread.join().unwrap())
    });
    let wrong = [cpu.wrong, gpu.wrong].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let results: BTreeSet<&str> = families().map(|&(name, _)| name).collect();
    assert_eq!(&cpu.given | &gpu.given, results, "families that gave results");
    let library: BTreeSet<String> = library::SOURCES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let kernels = &cpu.kernels | &gpu.kernels;
    let missing: Vec<&str> = library.difference(&kernels).map(String::as_str).collect();
    assert_eq!(missing, NO_OPERATOR, "kernels that no model runs");
}
