//! Damaged models and kernels where a panic ends the process. `scripts/test.sh` builds this with `-C panic=abort`, so that nothing
//! in it can rest on unwinding; as a test like the others it runs with it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "link_common/random.rs"]
mod random;

use std::path::Path;

use fascine::graph::Dim;
use fascine::onnx::{self, LoadOptions};
use fascine::{DType, Error, ErrorKind, Options, Runtime, Tensor};
use random::Random;

/// Models and kernels of each kind; what the rest of the tests tries besides takes no part.
const MODELS: usize = 250;
const KERNELS: usize = 400;
/// The most that a damaged model may ask of the device to be run.
const MOST_BYTES: u64 = 4 << 20;
const MOST_FLOPS: u64 = 50_000_000;

fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    let mut files: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    files.sort_by_key(Vec::len);
    files
}

/// Some bits flipped, and sometimes a piece cut off or put elsewhere.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut below = |bound: usize| random.range(0, bound.max(1) as u32 - 1) as usize;
    match below(6) {
        0 => bytes.truncate(below(bytes.len())),
        1 => {
            let (from, to) = (below(bytes.len()), below(bytes.len()));
            let piece = bytes[from..(from + 40).min(bytes.len())].to_vec();
            bytes.splice(to..to, piece);
        }
        _ => {}
    }
    for _ in 0..1 + below(4) {
        if !bytes.is_empty() {
            let at = below(bytes.len());
            bytes[at] ^= 1 << below(8);
        }
    }
}

fn attempt(runtime: &Runtime, bytes: &[u8]) -> Result<(), Error> {
    let options = LoadOptions { synthetic_weights: true, max_weight_bytes: 1 << 22, ..LoadOptions::default() };
    let model = runtime.load_graph(onnx::parse(bytes, None, &options)?)?;
    let size = |dim: &Dim| match dim {
        Dim::Known(size) => *size,
        Dim::Symbol(name) if name == "samples" => 512,
        _ => 1,
    };
    let shapes: Vec<Vec<usize>> =
        model.inputs().iter().map(|input| input.shape.iter().map(size).collect::<Vec<_>>()).collect();
    let plan = model.plan(&shapes)?;
    if plan.heap_bytes > MOST_BYTES
        || plan.flops > MOST_FLOPS
        || shapes.iter().any(|s| s.iter().product::<usize>() > 1 << 18)
    {
        return Err(Error::new(ErrorKind::Limit, "more than this test wants to run"));
    }
    let mut request = model.request();
    for (input, shape) in model.inputs().iter().zip(shapes) {
        request = request.input(&input.name, Tensor::zeros(input.dtype, shape)?)?;
    }
    request.submit()?.wait().map(drop)
}

fn main() {
    let runtime = Runtime::new(Options { memory_cap: Some(256 << 20), ..Options::default() }).unwrap();
    let mut random = Random::new(11);
    let (zoo, mut ran, mut refused) = (files("tests/zoo", "onnx"), 0, 0);
    for round in 0..MODELS {
        // The first is the smallest, which runs.
        let mut bytes = zoo[if round % 2 == 0 { 0 } else { round % zoo.len() }].clone();
        if round > 0 {
            damage(&mut bytes, &mut random);
        }
        match attempt(&runtime, &bytes) {
            Ok(()) => ran += 1,
            Err(error) => {
                assert!(!error.message().is_empty() && error.kind() != ErrorKind::Internal, "{round}: {error}");
                refused += 1;
            }
        }
    }
    assert!(ran > 0 && refused > MODELS / 2, "{ran} ran, {refused} were refused");

    let (texts, mut loaded) = (files("tests/kernels", "wgsl"), 0);
    for round in 0..KERNELS {
        let mut bytes = texts[round % texts.len()].clone();
        if round >= texts.len() {
            damage(&mut bytes, &mut random);
        }
        // What loads is not run: a loop may have no end.
        match runtime.load_kernel(&String::from_utf8_lossy(&bytes)) {
            Ok(_) => loaded += 1,
            Err(error) => {
                assert!(!error.message().is_empty() && error.kind() != ErrorKind::Internal, "{round}: {error}")
            }
        }
    }
    assert!(loaded > texts.len() / 2 && loaded < KERNELS, "{loaded} kernels load");

    // After all that, it works.
    let twice = "
        @group(0) @binding(0) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            if id.x < arrayLength(&y) { y[id.x] = 2.0 * y[id.x]; }
        }";
    let request = runtime.load_kernel(twice).unwrap().request();
    let request = request.tensor("y", Tensor::new([3], vec![1.0f32, 2.0, 3.0]).unwrap()).unwrap();
    let done = request.submit().unwrap().wait().unwrap();
    assert_eq!(done.output("y").unwrap().as_slice::<f32>().unwrap(), [2.0, 4.0, 6.0]);
    assert_eq!(done.output("y").unwrap().dtype(), DType::F32);
    println!("{ran} damaged models ran, {refused} were refused; {loaded} of {KERNELS} kernels loaded");
}
