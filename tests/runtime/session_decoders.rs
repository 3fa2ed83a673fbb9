//! Decoders and attention whose caches grow in a session, against the same loop through the host, to the bit.

use crate::common::sessions::{copied, noise, same, tensor, traced};
use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph};
use fascine::{DType, LoadOptions, Model, Options, Request, Runtime, Session, Tensor};

/// A decoder of the zoo, on the device and through the host.
struct Decoder {
    model: Model,
    session: Session,
    /// Input and output.
    links: Vec<(String, String)>,
    state: Vec<(String, Tensor)>,
    past: usize,
}

impl Decoder {
    fn new(model: &Model) -> Self {
        let outputs = model.outputs();
        let mut links = Vec::new();
        let mut state = Vec::new();
        for input in model.inputs() {
            let Some(rest) = input.name.strip_prefix("past_key_values.") else { continue };
            let output = format!("present.{rest}");
            assert!(outputs.iter().any(|known| known.name == output), "{output}");
            let fascine::Dim::Known(heads) = input.shape[1] else { panic!("{input:?}") };
            let fascine::Dim::Known(size) = input.shape[3] else { panic!("{input:?}") };
            state.push((input.name.clone(), noise(&[1, heads, 0, size], 0)));
            links.push((input.name, output));
        }
        let pairs: Vec<(&str, &str)> = links.iter().map(|(input, output)| (output.as_str(), input.as_str())).collect();
        Decoder { model: model.clone(), session: model.session(&pairs).unwrap(), links, state, past: 0 }
    }

    /// The requests for these tokens, of the session and through the host.
    fn submit(&self, tokens: &[i64]) -> [Request; 2] {
        let total = self.past + tokens.len();
        let row = |data: Vec<i64>| tensor(&[1, data.len()], data);
        [(self.session.request(), self.past == 0), (self.model.request(), true)].map(|(mut request, with_state)| {
            for input in self.model.inputs() {
                let given = match input.name.as_str() {
                    "input_ids" => row(tokens.to_vec()),
                    "attention_mask" => row(vec![1; total]),
                    "position_ids" => row((self.past as i64..total as i64).collect()),
                    "encoder_hidden_states" => noise(&[1, 8, 384], 5),
                    _ => continue,
                };
                request = request.input(&input.name, given).unwrap();
            }
            for (name, tensor) in self.state.iter().filter(|_| with_state) {
                request = request.input(name, tensor.clone()).unwrap();
            }
            request.submit().unwrap()
        })
    }

    fn take(&mut self, [device, host]: [Request; 2], tokens: usize, what: &str) -> i64 {
        let (device, host) = (device.wait().unwrap(), host.wait().unwrap());
        same(&device, &host, &["logits"], what);
        for ((_, tensor), (_, output)) in self.state.iter_mut().zip(&self.links) {
            *tensor = host.output(output).unwrap().clone();
        }
        self.past += tokens;
        let logits = host.output("logits").unwrap();
        let vocabulary = *logits.shape().last().unwrap();
        let data = logits.as_slice::<f32>().unwrap();
        let last = &data[data.len() - vocabulary..];
        (0..vocabulary).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap() as i64
    }
}

/// Attention of one of these operators over a cache, 3 heads of 8.
fn attention(op: &str) -> Graph {
    let mut b = GraphBuilder::new(if op == "Attention" { 23 } else { 1 });
    let [q, k, v] = ["q", "k", "v"].map(|name| b.input(name, DType::F32, ["1", "n", "24"]));
    let [keys, values] = ["keys", "values"].map(|name| b.input(name, DType::F32, ["1", "3", "p", "8"]));
    let (inputs, attrs) = match op {
        "Attention" => (
            vec![Some(q), Some(k), Some(v), None, Some(keys), Some(values)],
            vec![("q_num_heads", Attr::Int(3)), ("kv_num_heads", Attr::Int(3)), ("is_causal", Attr::Int(1))],
        ),
        _ => (
            vec![Some(q), Some(k), Some(v), None, None, None, Some(keys), Some(values)],
            vec![("num_heads", Attr::Int(3)), ("unidirectional", Attr::Int(1))],
        ),
    };
    let outputs = b.node_with(op, inputs, attrs, 3);
    b.finish_named(["y", "all_keys", "all_values"].into_iter().zip(outputs))
}

#[test]
fn attention_over_a_cache_has_the_bits_of_the_loop_through_the_host() {
    let (runtime, trace) = traced(None);
    for op in ["Attention", "com.microsoft.MultiHeadAttention"] {
        let model = runtime.load_graph(attention(op)).unwrap();
        let session = model.session(&[("all_keys", "keys"), ("all_values", "values")]).unwrap();
        let mut host = [noise(&[1, 3, 0, 8], 0), noise(&[1, 3, 0, 8], 0)];
        let mut copies = 0;
        for step in 0..40 {
            let new = if step % 9 == 0 { 3 } else { 1 };
            let requests =
                [(session.request(), step == 0), (model.request(), true)].map(|(mut request, with_state)| {
                    for (k, name) in ["q", "k", "v"].into_iter().enumerate() {
                        request = request.input(name, noise(&[1, new, 24], 10 * step + k)).unwrap();
                    }
                    for (name, tensor) in ["keys", "values"].into_iter().zip(&host).filter(|_| with_state) {
                        request = request.input(name, tensor.clone()).unwrap();
                    }
                    request
                });
            let [on_device, by_host] = requests;
            copied(&trace);
            let on_device = on_device.submit().unwrap().wait().unwrap();
            copies += copied(&trace);
            let by_host = by_host.submit().unwrap().wait().unwrap();
            same(&on_device, &by_host, &["y"], &format!("{op}, step {step}"));
            host = ["all_keys", "all_values"].map(|name| by_host.output(name).unwrap().clone());
        }
        // A workgroup of each for what comes with a request, 7 and 13 where 17 and 35 rows moved. All rows with every request would be 1,000.
        assert!(copies < 300, "{op}: {copies}");
    }
}

/// Conversations that begin with so many tokens and go on for 16 steps, of which one takes several tokens.
fn decodes(name: &str, prompts: &[i64]) {
    let runtime = Runtime::new(Options::default()).unwrap();
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = runtime.load_with(format!("tests/zoo/{name}.onnx"), &options).unwrap();
    let mut decoders: Vec<Decoder> = prompts.iter().map(|_| Decoder::new(&model)).collect();
    let mut fed: Vec<Vec<i64>> = prompts.iter().map(|&len| (1..=len).collect()).collect();
    for step in 0..16 {
        let flights: Vec<[Request; 2]> = decoders.iter().zip(&fed).map(|(one, tokens)| one.submit(tokens)).collect();
        for (k, flight) in flights.into_iter().enumerate() {
            let what = format!("{name}, conversation {k}, step {step}");
            let token = decoders[k].take(flight, fed[k].len(), &what);
            fed[k] = if step == 5 { vec![token, 2, 9] } else { vec![token] };
        }
    }
}

#[test]
fn gpt2_has_the_bits_of_the_loop_through_the_host() {
    decodes("gpt2_small_kv", &[13]);
}

#[test]
fn llama_has_the_bits_of_the_loop_through_the_host() {
    decodes("llama_tiny_kv", &[13, 2]);
}

#[test]
fn llama_with_attention_of_onnx_has_the_bits_of_the_loop_through_the_host() {
    decodes("llama_tiny_kv_op23", &[13]);
}

#[test]
fn llama_of_four_bits_has_the_bits_of_the_loop_through_the_host() {
    decodes("llama_tiny_q4", &[13]);
}

#[test]
fn whisper_has_the_bits_of_the_loop_through_the_host() {
    decodes("whisper_tiny_decoder_kv", &[13]);
}
