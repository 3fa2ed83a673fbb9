//! Two models at once: a classifier with a deadline beside a voice-activity detector.
//!
//! `cargo run --release --example two_models`

use std::time::Duration;

use fascine::{LoadOptions, Runtime, Tensor};

fn main() -> fascine::Result<()> {
    let runtime = Runtime::new(Default::default())?;
    // The models of the repository come without their weights; a model of your own loads with `runtime.load(path)`.
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let vision = runtime.load_with("tests/zoo/squeezenet1_1.onnx", &options)?;
    let speech = runtime.load_with("tests/zoo/lstm_vad.onnx", &options)?;

    let image = Tensor::zeros(fascine::DType::F32, [1, 3, 224, 224])?;
    let frame = vision.request().input("input", image)?.deadline(Duration::from_millis(500)).submit()?;

    let state = Tensor::zeros(fascine::DType::F32, [2, 1, 64])?;
    let voices = (0..4).map(|chunk| {
        let audio: Vec<f32> = (0..1600).map(|i| ((chunk * 1600 + i) as f32 * 0.05).sin() * 0.5).collect();
        speech
            .request()
            .input("audio", Tensor::new([1, 1600], audio)?)?
            .input("h", state.clone())?
            .input("c", state.clone())?
            .deadline(Duration::from_millis(100))
            .submit()
    });
    let voices = voices.collect::<fascine::Result<Vec<_>>>()?;

    println!("on {}", runtime.adapter());
    for (chunk, request) in voices.into_iter().enumerate() {
        let result = request.wait()?;
        let speech = result.output("probability")?.as_slice::<f32>()?;
        println!("chunk {chunk}: speech {:.3}, {}", speech[speech.len() - 1], describe(result.timing()));
    }
    let result = frame.wait()?;
    let logits = result.output("output")?.as_slice::<f32>()?;
    let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0);
    println!("image: class {best}, {}", describe(result.timing()));
    Ok(())
}

fn describe(timing: fascine::Timing) -> String {
    let fascine::Timing { total, bundles, shared_bundles, in_time, .. } = timing;
    let kept = match in_time {
        Some(true) => "in time",
        Some(false) => "late (the first request compiles its kernels)",
        None => "no deadline",
    };
    format!("{total:.1?} in {bundles} bundles, {shared_bundles} of them shared, {kept}")
}
