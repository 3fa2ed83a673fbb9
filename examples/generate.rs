//! Two conversations of one decoder at once, token by token: each is a session, whose cache of keys and values stays on the device and
//! grows where it lies.
//!
//! `cargo run --release --example generate`

use std::time::Duration;

use fascine::{DType, LoadOptions, Model, Request, Runtime, Session, SessionOptions, Tensor};

const TOKENS: usize = 16;
/// The most tokens of a conversation: so much room is taken at once.
const MAX_LEN: usize = 64;

struct Conversation {
    session: Session,
    /// Tokens in the cache.
    past: usize,
    text: Vec<i64>,
}

impl Conversation {
    fn new(decoder: &Model) -> fascine::Result<Self> {
        let caches = decoder.inputs().into_iter().filter_map(|input| {
            let layer = input.name.strip_prefix("past_key_values.")?;
            Some((format!("present.{layer}"), input.name.clone()))
        });
        let caches: Vec<(String, String)> = caches.collect();
        let state: Vec<(&str, &str)> = caches.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
        let options = SessionOptions { max_len: Some(MAX_LEN) };
        let session = decoder.session_with(&state, &options)?;
        Ok(Conversation { session, past: 0, text: Vec::new() })
    }

    /// Reads further tokens, and asks for the one after them.
    fn read(&mut self, tokens: &[i64]) -> fascine::Result<Request> {
        let (count, all) = (tokens.len(), self.past + tokens.len());
        let mut request = self.session.request();
        request = request.input("input_ids", Tensor::new([1, count], tokens.to_vec())?)?;
        request = request.input("attention_mask", Tensor::new([1, all], vec![1i64; all])?)?;
        let positions: Vec<i64> = (self.past..all).map(|position| position as i64).collect();
        request = request.input("position_ids", Tensor::new([1, count], positions)?)?;
        if self.past == 0 {
            for cache in self.session.model().inputs().iter().filter(|input| input.name.starts_with("past_key_values"))
            {
                request = request.input(&cache.name, Tensor::zeros(DType::F32, [1, 6, 0, 64])?)?;
            }
        }
        self.past = all;
        self.text.extend(tokens);
        // A reader sees a pause after a quarter of a second.
        request.deadline(Duration::from_millis(250)).submit()
    }
}

/// The likeliest token behind the last position.
fn likeliest(logits: &Tensor) -> fascine::Result<i64> {
    let vocabulary = logits.shape().last().copied().unwrap_or(1);
    let logits = logits.as_slice::<f32>()?;
    let last = &logits[logits.len() - vocabulary..];
    Ok((0..vocabulary).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap_or(0) as i64)
}

fn main() -> fascine::Result<()> {
    let runtime = Runtime::new(Default::default())?;
    // The models of the repository come without their weights; a model of your own loads with `runtime.load(path)`.
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let decoder = runtime.load_with("tests/zoo/gpt2_small_kv.onnx", &options)?;
    println!("on {}", runtime.adapter());

    let mut conversations = [Conversation::new(&decoder)?, Conversation::new(&decoder)?];
    let mut next = [vec![464, 2068, 7586, 1831], vec![15, 496]];
    for _ in 0..TOKENS {
        // Both at once: their products run as one and read the weights once.
        let mut requests = Vec::new();
        for (conversation, tokens) in conversations.iter_mut().zip(&next) {
            requests.push(conversation.read(tokens)?);
        }
        for (request, next) in requests.into_iter().zip(&mut next) {
            *next = vec![likeliest(request.wait()?.output("logits")?)?];
        }
    }
    for conversation in &conversations {
        println!("{:?}", conversation.text);
    }
    Ok(())
}
