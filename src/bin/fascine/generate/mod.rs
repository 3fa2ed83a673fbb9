//! `fascine generate`: a decoder that goes on with a text, its cache on the device.

mod sample;
mod text;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fascine::error::{Error, ErrorKind, Result};
use fascine::npy;
use fascine::onnx::LoadOptions;
use fascine::runtime::Runtime;
use serde::Serialize;

use crate::common::args::DeviceArgs;
use crate::decoder::Decoder;
use crate::state::StatePattern;
use crate::{Answer, millis, table};
use sample::Sampler;
use text::Text;

#[derive(Debug, clap::Args)]
pub(crate) struct GenerateArgs {
    /// The ONNX file: a decoder of `input_ids` with a cache, such as `past_key_values.*` and `present.*`
    model: PathBuf,
    /// What to go on with
    #[arg(long, value_name = "TEXT", conflicts_with = "tokens", required_unless_present = "tokens")]
    prompt: Option<String>,
    /// The same as numbers, without a tokenizer
    #[arg(long, value_name = "ID,..", value_delimiter = ',')]
    tokens: Vec<u32>,
    /// The model's tokenizer; `tokenizer.json` beside the model by default
    #[arg(long, value_name = "FILE.json")]
    tokenizer: Option<PathBuf>,
    /// Tokens to generate at most
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    /// Ends at this token; may be given several times. By default what `generation_config.json` or `config.json` beside the
    /// model says
    #[arg(long, value_name = "ID")]
    eos: Vec<u32>,
    /// 0 takes the likeliest token; above, tokens are drawn, the less likely the more often the higher it is
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = parse_temperature)]
    temperature: f64,
    /// Draws among the likeliest tokens whose probabilities reach this together
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = parse_part)]
    top_p: f64,
    /// Seed of what is drawn
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// The cache's inputs, and the outputs that they go on with, each with a `*`, or one of each; the usual names by default
    #[arg(long, value_name = "INPUT=OUTPUT", value_parser = StatePattern::parse)]
    state: Option<StatePattern>,
    /// An input that stays the same, such as what an encoder gave; may be given several times
    #[arg(long = "input", value_name = "NAME=FILE.npy", value_parser = crate::args::parse_input)]
    inputs: Vec<(String, PathBuf)>,
    /// Carry the cache through the host at every token, to compare
    #[arg(long)]
    host_cache: bool,
    /// Make up the weights that the model's file describes by a `synthetic` key, instead of reading them
    #[arg(long)]
    synthetic_weights: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

fn parse_temperature(text: &str) -> std::result::Result<f64, String> {
    let value: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if value.is_finite() && value >= 0.0 { Ok(value) } else { Err("a number from 0 on is wanted".into()) }
}

fn parse_part(text: &str) -> std::result::Result<f64, String> {
    let value: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("a number from 0 to 1 is wanted".into()) }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    adapter: String,
    model: String,
    prompt_tokens: Vec<u32>,
    tokens: Vec<u32>,
    text: Option<String>,
    /// Why it ended: a token that ends, or the most that were asked for.
    ended_by: &'static str,
    /// From the prompt to the first token, with what compiling that takes.
    first_token_ms: f64,
    /// Median of the further ones.
    token_ms: Option<f64>,
    tokens_per_s: Option<f64>,
}

pub(crate) fn run(args: &GenerateArgs, json: bool) -> Result<Answer> {
    let beside = |name: &str| args.model.with_file_name(name);
    let file = args.tokenizer.clone().or_else(|| Some(beside("tokenizer.json")).filter(|file| file.exists()));
    let text = file.as_deref().map(Text::open).transpose()?;
    let prompt = match (&args.prompt, &text) {
        (None, _) => args.tokens.clone(),
        (Some(prompt), Some(text)) => text.tokens(prompt)?,
        (Some(_), None) => {
            let what = "a prompt needs the model's tokenizer: --tokenizer FILE.json, or --tokens in place of --prompt";
            return Err(Error::new(ErrorKind::Input, what));
        }
    };
    if prompt.is_empty() {
        return Err(Error::new(ErrorKind::Input, "the prompt has no tokens"));
    }
    let eos = if args.eos.is_empty() { eos_of(&args.model)? } else { args.eos.clone() };
    let constant =
        args.inputs.iter().map(|(name, file)| Ok((name.clone(), npy::read(file)?))).collect::<Result<_>>()?;
    let runtime = Runtime::new(args.device.options())?;
    let options = LoadOptions { synthetic_weights: args.synthetic_weights, ..LoadOptions::default() };
    let model = runtime.load_with(&args.model, &options)?;
    let decoder = Decoder::new(&model, args.state.as_ref(), constant, args.host_cache);
    let mut decoder = decoder.map_err(|error| error.in_file(&args.model))?;
    let mut sampler = Sampler::new(args.temperature, args.top_p, args.seed);

    let mut decode = text.as_ref().map(Text::stream);
    let (mut tokens, mut times, mut written) = (Vec::new(), Vec::new(), String::new());
    let mut fed = prompt.clone();
    let ended_by = loop {
        let start = Instant::now();
        let logits = decoder.step(&fed)?;
        let token = sampler.choose(&logits);
        times.push(start.elapsed());
        tokens.push(token);
        if eos.contains(&token) {
            break "eos";
        }
        let piece = match &mut decode {
            Some(decode) => decode(token)?,
            None => Some(format!("{}{token}", if tokens.len() > 1 { "," } else { "" })),
        };
        if let Some(piece) = piece {
            written += &piece;
            if !json {
                show(&piece);
            }
        }
        if tokens.len() >= args.max_tokens as usize {
            break "max_tokens";
        }
        fed = vec![token];
    };
    let further = &times[1..];
    let sum: Duration = further.iter().sum();
    let report = Report {
        adapter: runtime.adapter(),
        model: args.model.display().to_string(),
        tokens,
        text: text.is_some().then_some(written),
        ended_by,
        first_token_ms: millis(times[0]),
        token_ms: median(further).map(millis),
        tokens_per_s: (!sum.is_zero()).then(|| further.len() as f64 / sum.as_secs_f64()),
        prompt_tokens: prompt,
    };
    if json {
        return Ok(Answer::json(&report));
    }
    let number = |value: Option<f64>, digits: usize| value.map_or_else(|| "-".into(), |v| format!("{v:.digits$}"));
    let figures = table::pairs(&[
        ("adapter", report.adapter.clone()),
        ("tokens of the prompt", report.prompt_tokens.len().to_string()),
        ("tokens", report.tokens.len().to_string()),
        ("in the cache at the end", decoder.past().to_string()),
        ("first token, ms", number(Some(report.first_token_ms), 1)),
        ("a further token, median ms", number(report.token_ms, 1)),
        ("further tokens a second", number(report.tokens_per_s, 1)),
    ]);
    Ok(Answer::text(format!("\n\n{figures}")))
}

/// Writes a piece at once. Who closed the pipe gets no more; the end of the command tells.
fn show(piece: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(piece.as_bytes()).and_then(|()| stdout.flush());
}

fn median(times: &[Duration]) -> Option<Duration> {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// The tokens that end a text, where a file beside the model says so.
fn eos_of(model: &Path) -> Result<Vec<u32>> {
    for name in ["generation_config.json", "config.json"] {
        let file = model.with_file_name(name);
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let wrong = |what: String| Error::new(ErrorKind::Input, what).in_file(&file);
        let config: serde_json::Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let ids = match &config["eos_token_id"] {
            serde_json::Value::Null => continue,
            serde_json::Value::Array(ids) => ids.clone(),
            id => vec![id.clone()],
        };
        let id = |id: &serde_json::Value| id.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids: Option<Vec<u32>> = ids.iter().map(id).collect();
        return ids.ok_or_else(|| wrong("'eos_token_id' is neither a token nor a list of tokens".into()));
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_in_a_file_beside_the_model() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model.onnx");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert!(eos_of(&model).unwrap().is_empty());
        write("config.json", r#"{"eos_token_id": 2}"#);
        assert_eq!(eos_of(&model).unwrap(), [2]);
        write("generation_config.json", r#"{"eos_token_id": [5, 6]}"#);
        assert_eq!(eos_of(&model).unwrap(), [5, 6]);
        write("generation_config.json", r#"{"bos_token_id": 1}"#);
        assert_eq!(eos_of(&model).unwrap(), [2]);
        for wrong in ["{", r#"{"eos_token_id": -1}"#, r#"{"eos_token_id": ["x"]}"#] {
            write("generation_config.json", wrong);
            let error = eos_of(&model).unwrap_err();
            assert!(error.to_string().contains("generation_config.json"), "{error}");
        }
    }
}
