//! `fascine-bench decode`: tokens a second of decoders, their cache on the device and through the host.

use std::time::{Duration, Instant};

use fascine::error::{Error, ErrorKind, Result};
use fascine::gpu::HeapLayout;
use fascine::onnx::LoadOptions;
use serde::Serialize;

use super::Common;
use super::rig::{Rig, Setup, median};
use crate::decoder::{Decoder, likeliest};
use crate::progress::bar;
use crate::table::{self, Align};
use crate::{Answer, millis};

/// Decoders of the zoo.
const MODELS: [&str; 2] = ["gpt2_small_kv", "llama_tiny_kv"];
/// Tokens that are in the cache before.
const PASTS: [usize; 2] = [0, 512];
/// Tokens that are timed: short and full.
const TOKENS: [u32; 2] = [16, 64];
/// Tokens before those, while kernels are compiled.
const WARM_UP: usize = 12;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A decoder of the folder; may be given several times. gpt2_small_kv and llama_tiny_kv by default
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// Tokens that are in the cache before; may be given several times. 0 and 512 by default
    #[arg(long = "past", value_name = "N")]
    pasts: Vec<usize>,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    scenario: &'static str,
    #[serde(flatten)]
    setup: Setup,
    tokens: u32,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    model: String,
    /// Before the first token that is timed.
    past: usize,
    /// Of the first request, with what compiling that takes.
    prompt_ms: [f64; 2],
    /// Medians; first the cache on the device, then through the host.
    token_ms: [f64; 2],
    tokens_per_s: [f64; 2],
    /// Of the tokens a second.
    ratio: f64,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    if !args.common.dims.is_empty() || !args.common.arms.is_empty() {
        let what = "decode takes sizes from its tokens, and its arms are the device and the host: --dim and --arm have no place";
        return Err(Error::new(ErrorKind::Input, what));
    }
    let models = if args.models.is_empty() { MODELS.map(str::to_owned).to_vec() } else { args.models.clone() };
    let pasts = if args.pasts.is_empty() { PASTS.to_vec() } else { args.pasts.clone() };
    let tokens = args.common.runs(TOKENS);
    let progress = bar((models.len() * pasts.len()) as u64, "loading");
    let rig = Rig::new(&args.common, &[], HeapLayout::Shared)?;
    let mut rows = Vec::new();
    for model in &models {
        for &past in &pasts {
            progress.set_message(format!("{model}, {past} tokens"));
            rows.push(measure(&rig, args, model, past, tokens)?);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let report = Report { scenario: "decode", setup: rig.setup(), tokens, rows };
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report)) })
}

/// Both loops take the same tokens, one after the other, so that what else the machine does meets both.
fn measure(rig: &Rig, args: &Args, name: &str, past: usize, tokens: u32) -> Result<Row> {
    let path = args.common.zoo.join(format!("{name}.onnx"));
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = rig.runtime.load_with(&path, &options)?;
    let decoder = |host| Decoder::new(&model, None, Vec::new(), host).map_err(|error| error.in_file(&path));
    let mut arms = [decoder(false)?, decoder(true)?];
    let mut fed: Vec<u32> = (1..=past.max(1) as u32).map(|k| k % 512).collect();
    let (mut prompt_ms, mut times) = ([0.0; 2], [Vec::new(), Vec::new()]);
    for step in 0..=WARM_UP + tokens as usize {
        let mut logits = Vec::with_capacity(2);
        for (arm, decoder) in arms.iter_mut().enumerate() {
            let start = Instant::now();
            logits.push(decoder.step(&fed)?);
            match step {
                0 => prompt_ms[arm] = millis(start.elapsed()),
                1..=WARM_UP => {}
                _ => times[arm].push(start.elapsed()),
            }
        }
        let bits = |logits: &[f32]| logits.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        if bits(&logits[0]) != bits(&logits[1]) {
            let what =
                format!("{name}: at token {step} the cache on the device gives other bits than through the host");
            return Err(Error::new(ErrorKind::Internal, what));
        }
        fed = vec![likeliest(&logits[0])];
    }
    let medians = [0, 1].map(|arm: usize| median(&times[arm].iter().copied().map(millis).collect::<Vec<_>>()));
    let rate = |arm: usize| f64::from(tokens) / times[arm].iter().sum::<Duration>().as_secs_f64();
    let tokens_per_s = [rate(0), rate(1)];
    Ok(Row {
        model: name.to_owned(),
        past: past.max(1) + WARM_UP,
        prompt_ms,
        token_ms: medians,
        tokens_per_s,
        ratio: tokens_per_s[0] / tokens_per_s[1],
    })
}

fn text(report: &Report) -> String {
    use Align::{Left, Right};
    let header = [
        ("model", Left),
        ("tokens before", Right),
        ("device, ms a token", Right),
        ("host, ms a token", Right),
        ("device, tokens/s", Right),
        ("host, tokens/s", Right),
        ("ratio", Right),
    ];
    let row = |row: &Row| {
        vec![
            row.model.clone(),
            row.past.to_string(),
            table::millis(row.token_ms[0]),
            table::millis(row.token_ms[1]),
            format!("{:.1}", row.tokens_per_s[0]),
            format!("{:.1}", row.tokens_per_s[1]),
            format!("{:.2}", row.ratio),
        ]
    };
    let rows: Vec<Vec<String>> = report.rows.iter().map(row).collect();
    let mut text = report.setup.text();
    text += &format!(
        "one sequence, {} tokens one by one, in turn with the cache on the device and through the host; medians, and all tokens over all \
         time; equal to the bit\n\n",
        report.tokens
    );
    text + &table::render(&header, &rows)
}
