//! A pipeline of two models without a read-back: an encoder hears a sound once, and a decoder reads what it heard for several beginnings.
//!
//! `cargo run --release --example pipeline`

use fascine::{DType, LoadOptions, Runtime, Tensor};

fn main() -> fascine::Result<()> {
    let runtime = Runtime::new(Default::default())?;
    // The models of the repository come without their weights; a model of your own loads with `runtime.load(path)`.
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let encoder = runtime.load_with("tests/zoo/whisper_tiny_encoder.onnx", &options)?;
    let decoder = runtime.load_with("tests/zoo/whisper_tiny_decoder_kv.onnx", &options)?;

    let spectrum: Vec<f32> = (0..80 * 3000).map(|i| (i as f32 * 0.01).sin()).collect();
    let sound = Tensor::new([1, 80, 3000], spectrum)?;
    let request = encoder.request().input("input_features", sound)?.keep("last_hidden_state")?;
    let done = request.submit()?.wait()?;
    let heard = done.kept("last_hidden_state")?;
    println!("on {}", runtime.adapter());
    println!("heard {}{:?}: {} bytes stay on the device", heard.dtype(), heard.shape(), heard.device_bytes());

    // All at once, beside each other.
    let requests = [1i64, 50, 2024].map(|token| {
        let mut request = decoder.request().input("input_ids", Tensor::new([1, 1], vec![token])?)?;
        request = request.input("encoder_hidden_states", heard)?;
        for cache in decoder.inputs().iter().filter(|input| input.name.starts_with("past_key_values")) {
            request = request.input(&cache.name, Tensor::zeros(DType::F32, [1, 6, 0, 64])?)?;
        }
        Ok((token, request.submit()?))
    });
    for request in requests {
        let (token, request): (i64, fascine::Request) = request?;
        let result = request.wait()?;
        let logits = result.output("logits")?.as_slice::<f32>()?;
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0);
        println!("after token {token}: {best}");
    }
    Ok(())
}
