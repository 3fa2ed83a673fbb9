//! Finds sentences by what they mean: all-MiniLM-L6-v2 makes a vector of each. The sentences are requests that take what time
//! there is; the query comes when all of them wait, with a deadline, and does not wait for them.
//!
//! ```sh
//! scripts/fetch-model minilm
//! cargo run --release --example semantic_search
//! ```

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use fascine::{Class, Model, RequestBuilder, Runtime, Tensor};
use tokenizers::Tokenizer;

mod common;

/// Ranks sentences by how near they are in meaning to a query.
#[derive(Parser)]
struct Args {
    #[arg(default_value = "How do I keep my plants alive?")]
    query: String,
    /// A text file, a sentence a line, in place of the built-in ones.
    #[arg(long)]
    sentences: Option<PathBuf>,
    /// With model.onnx and tokenizer.json.
    #[arg(long, default_value = "target/models/minilm")]
    model: PathBuf,
    /// How many to print.
    #[arg(long, default_value_t = 5)]
    top: usize,
    /// Writes the vectors to this file, the query's first, one a line.
    #[arg(long)]
    embeddings: Option<PathBuf>,
}

const SENTENCES: &str = include_str!("semantic_search.txt");
const DEADLINE: Duration = Duration::from_millis(200);
/// Positions that the model knows.
const MAX_TOKENS: usize = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let (graph, tokens) = (args.model.join("model.onnx"), args.model.join("tokenizer.json"));
    common::fetched(&graph, "minilm")?;
    common::fetched(&tokens, "minilm")?;
    let text = match &args.sentences {
        None => SENTENCES.to_owned(),
        Some(file) => std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?,
    };
    let sentences: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();

    let runtime = Runtime::new(Default::default())?;
    let encoder = Encoder { model: runtime.load(&graph)?, tokenizer: tokenizer(&tokens)? };
    // The first request compiles the kernels, for all lengths of sentences.
    encoder.request(&args.query)?.submit()?.wait()?;

    let requests = sentences.iter().map(|sentence| Ok(encoder.request(sentence)?.submit()?));
    let requests = requests.collect::<Result<Vec<_>, Box<dyn std::error::Error>>>()?;
    let query = encoder.request(&args.query)?.class(Class::Interactive).deadline(DEADLINE).submit()?.wait()?;
    let wanted = query.output("embedding")?.as_slice::<f32>()?;

    let (mut ranking, mut vectors, mut last) = (Vec::new(), vec![wanted.to_vec()], Duration::ZERO);
    for (request, sentence) in requests.into_iter().zip(&sentences) {
        let done = request.wait()?;
        let vector = done.output("embedding")?.as_slice::<f32>()?;
        // Both have length 1: the cosine of their angle.
        ranking.push((wanted.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>(), sentence));
        vectors.push(vector.to_vec());
        last = last.max(done.timing().total);
    }
    ranking.sort_by(|a, b| b.0.total_cmp(&a.0));

    println!("on {}", runtime.adapter());
    let (time, kept) = (query.timing().total, if query.timing().in_time == Some(true) { "in time" } else { "late" });
    println!("the query took {time:.1?}, {kept}; the {} sentences before it up to {last:.1?}", sentences.len());
    println!("{}", args.query);
    for (likeness, sentence) in ranking.iter().take(args.top) {
        println!("  {likeness:.3}  {sentence}");
    }
    if let Some(file) = &args.embeddings {
        std::fs::write(file, lines(&vectors)?)?;
    }
    Ok(())
}

struct Encoder {
    model: Model,
    tokenizer: Tokenizer,
}

impl Encoder {
    fn request(&self, sentence: &str) -> Result<RequestBuilder, Box<dyn std::error::Error>> {
        let encoding = self.tokenizer.encode(sentence, true).map_err(|error| error.to_string())?;
        let row = |numbers: &[u32]| {
            Tensor::new([1, numbers.len()], numbers.iter().map(|&n| i64::from(n)).collect::<Vec<_>>())
        };
        let request = self.model.request();
        let request = request.input("input_ids", row(encoding.get_ids())?)?;
        let request = request.input("attention_mask", row(encoding.get_attention_mask())?)?;
        Ok(request.input("token_type_ids", row(encoding.get_type_ids())?)?)
    }
}

/// The model's tokenizer, without the padding to a fixed length that its file asks for.
fn tokenizer(file: &Path) -> Result<Tokenizer, String> {
    let wrong = |error: tokenizers::Error| format!("{}: {error}", file.display());
    let mut tokenizer = Tokenizer::from_file(file).map_err(wrong)?;
    let truncation = tokenizers::TruncationParams { max_length: MAX_TOKENS, ..Default::default() };
    tokenizer.with_padding(None).with_truncation(Some(truncation)).map_err(wrong)?;
    Ok(tokenizer)
}

fn lines(vectors: &[Vec<f32>]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for vector in vectors {
        vector.iter().try_for_each(|value| write!(text, "{value} "))?;
        text.push('\n');
    }
    Ok(text)
}
