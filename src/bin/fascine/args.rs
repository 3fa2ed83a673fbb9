//! The arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use fascine::schedule::Policy;

use crate::common::args::{DeviceArgs, ModelArgs, PrintArgs, parse_dim};
use crate::generate::GenerateArgs;
use crate::state::StatePattern;

/// Runs many neural networks at once on one GPU, bundled into shared dispatches.
#[derive(Debug, Parser)]
#[command(name = "fascine", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the adapters, what they can do and what they lack
    Devices,
    /// Say whether a model can run, and what it needs
    Check(CheckArgs),
    /// Run a model, alone
    Run(RunArgs),
    /// Measure how products and convolutions are best divided on the adapter, for plans made later
    Tune(TuneArgs),
    /// Run several models at once, one arm beside the other
    Mix(MixArgs),
    /// Go on with a text by a decoder, its cache on the device
    Generate(GenerateArgs),
    /// Show what the linker makes of kernels
    Link(LinkArgs),
    /// Run four models of the repository with deadlines and compare them with their references
    Demo(DemoArgs),
    /// Run ONNX test cases, each alone and in the company of others, and compare them with their references
    Suite(SuiteArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The ONNX file
    pub(crate) model: PathBuf,
    /// List the plan's kernel variants and how many dispatches run each
    #[arg(long)]
    pub(crate) kernels: bool,
    #[command(flatten)]
    pub(crate) load: ModelArgs,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The ONNX file
    pub(crate) model: PathBuf,
    /// An input and its npy file; may be given several times. Inputs not given are random: floats in [-1, 1),
    /// integers and bools 0 or 1, and 1 throughout where the name contains `mask`
    #[arg(long = "input", value_name = "NAME=FILE.npy", value_parser = parse_input)]
    pub(crate) inputs: Vec<(String, PathBuf)>,
    #[command(flatten)]
    pub(crate) load: ModelArgs,
    /// A folder for the outputs, as `output_<k>.npy` in graph order; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Run this often; the first run, which compiles, is timed apart
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = parse_count)]
    pub(crate) repeat: usize,
    /// An open dimension that is larger, with the others so named, in further requests of other shapes, which tell what a new
    /// shape costs the host and leaves behind; may be given several times
    #[arg(long = "vary", value_name = "NAME", conflicts_with = "inputs")]
    pub(crate) vary: Vec<String>,
    /// Further shapes for --vary: larger by 1 to N, in a mixed order
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = parse_count, requires = "vary")]
    pub(crate) shapes: usize,
    /// Run step by step: the output becomes the input of the next step, without leaving the device. A `*` on both sides stands for what
    /// names have in common (`past.*=present.*`); may be given several times. Before the first step the state is what --input says, else
    /// zeros; an open dimension that only state has begins at 0, unless --dim says otherwise. The outputs are those of the last step
    #[arg(long, value_name = "INPUT=OUTPUT", value_parser = StatePattern::parse, conflicts_with_all = ["repeat", "vary"])]
    pub(crate) state: Vec<StatePattern>,
    /// Steps to run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = parse_count, requires = "state")]
    pub(crate) steps: usize,
    /// An input that is another in each step: the file has an axis more, in front, with an entry for each; may be given several times
    #[arg(long, value_name = "NAME=FILE.npy", value_parser = parse_input, requires = "state")]
    pub(crate) each: Vec<(String, PathBuf)>,
    /// An open dimension that is larger by K in each further step, such as that of a mask of all tokens so far; may be given several
    /// times
    #[arg(long, value_name = "NAME=K", value_parser = parse_dim, requires = "state")]
    pub(crate) grow: Vec<(String, usize)>,
    /// Seed of random inputs
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Write a trace of all runs that Perfetto opens
    #[arg(long, value_name = "FILE.json")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TuneArgs {
    /// Measure fewer sizes, each more seldom
    #[arg(long)]
    pub(crate) short: bool,
    /// Begin nothing new after so many seconds; what has been measured by then is kept
    #[arg(long, value_name = "S")]
    pub(crate) limit: Option<u64>,
    /// Measure the kernels of GPUs on a CPU adapter too, for which plans seldom take them
    #[arg(long)]
    pub(crate) gpu_kernels: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MixArgs {
    /// ONNX files, each with the number of copies that have weights of their own (with synthetic weights: another seed)
    #[arg(required = true, value_name = "MODEL[:COPIES]", value_parser = parse_mixed)]
    pub(crate) models: Vec<Mixed>,
    /// Requests to each copy, all at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = parse_count)]
    pub(crate) requests: usize,
    /// How dispatches leave
    #[arg(long, value_enum, default_value_t = ArmChoice::All)]
    pub(crate) arm: ArmChoice,
    #[command(flatten)]
    pub(crate) load: ModelArgs,
    /// Ask for each answer within this many milliseconds from its request
    #[arg(long, value_name = "MS", value_parser = parse_deadline)]
    pub(crate) deadline: Option<Duration>,
    /// Write a page with a timeline
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Write a trace of the last arm that Perfetto opens
    #[arg(long, value_name = "FILE.json")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LinkArgs {
    /// WGSL files with one compute entry point each; they link as users' kernels, with every index clamped, unless --project is given
    #[arg(required = true, value_name = "KERNEL.wgsl")]
    pub(crate) kernels: Vec<PathBuf>,
    /// Print the merged module in this language
    #[arg(long, value_enum)]
    pub(crate) emit: Option<Emit>,
    /// Show what the files would get as kernels of this project: the functions of the library that they call, workgroups in one
    /// dimension, no clamps
    #[arg(long)]
    pub(crate) project: bool,
    /// Read the head of the lane table from immediates, as on devices that have them
    #[arg(long)]
    pub(crate) immediates: bool,
    /// Access scalars through a second binding of the memory, as on devices that can have it
    #[arg(long)]
    pub(crate) words: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// The folder of the models and their cases
    #[arg(long, value_name = "DIR", default_value = "tests/zoo")]
    pub(crate) zoo: PathBuf,
    /// The page with the timeline
    #[arg(long, value_name = "FILE.html", default_value = "out/demo.html")]
    pub(crate) report: PathBuf,
    /// Write a trace of the last arm that Perfetto opens
    #[arg(long, value_name = "FILE.json")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SuiteArgs {
    /// A folder of cases, at any depth: a case is a folder with `model.onnx` and `test_data_set_<k>/{input,output}_<j>.pb`
    pub(crate) folder: PathBuf,
    /// Run only cases whose names contain this; may be given several times
    #[arg(long, value_name = "SUBSTRING")]
    pub(crate) filter: Vec<String>,
    /// Cases that are at work together
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = parse_count)]
    pub(crate) company: usize,
    /// Run each company until pipelines that merge its kernels are made: seconds for a GPU, much longer for a CPU adapter. Without it
    /// lanes of one kernel share bundles, whatever their models are
    #[arg(long)]
    pub(crate) merge: bool,
    /// Seed of who keeps whom company
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// A file of the refusals that are expected, `NAME: REASON` a line; any difference is an error
    #[arg(long, value_name = "FILE")]
    pub(crate) refusals: Option<PathBuf>,
    /// Write the refusals to such a file
    #[arg(long, value_name = "FILE")]
    pub(crate) write_refusals: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

/// A model of `mix`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mixed {
    pub(crate) path: PathBuf,
    pub(crate) copies: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum ArmChoice {
    /// Every dispatch its own submission
    SubmitEach,
    /// One request at a time
    TimeOnly,
    /// All requests in one pass, a bundle for each dispatch
    OnePass,
    /// Independent dispatches share bundles
    Bundled,
    /// Each of these
    All,
}

impl ArmChoice {
    pub(crate) fn policies(self) -> &'static [Policy] {
        match self {
            ArmChoice::SubmitEach => &[Policy::SubmitEach],
            ArmChoice::TimeOnly => &[Policy::TimeOnly],
            ArmChoice::OnePass => &[Policy::OnePass],
            ArmChoice::Bundled => &[Policy::Bundled],
            ArmChoice::All => &[Policy::SubmitEach, Policy::TimeOnly, Policy::OnePass, Policy::Bundled],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Emit {
    /// WGSL text
    Wgsl,
    /// A SPIR-V binary
    Spirv,
    /// Metal's shading language
    Msl,
    /// DirectX 12's shading language
    Hlsl,
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".into()),
        Ok(n) => Ok(n),
        Err(error) => Err(format!("{error}")),
    }
}

fn parse_deadline(text: &str) -> Result<Duration, String> {
    let millis: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(millis * 1e-3).map_err(|error| format!("{error}"))
}

pub(crate) fn parse_input(text: &str) -> Result<(String, PathBuf), String> {
    // A file's name may hold a '=' just as well as an input's.
    let (name, file) = text.split_once('=').ok_or("NAME=FILE.npy is wanted")?;
    if name.is_empty() || file.is_empty() {
        return Err("NAME=FILE.npy is wanted".into());
    }
    Ok((name.to_owned(), file.into()))
}

fn parse_mixed(text: &str) -> Result<Mixed, String> {
    if let Some((path, copies)) = text.rsplit_once(':')
        && !path.is_empty()
        && !copies.is_empty()
        && copies.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Ok(Mixed { path: path.into(), copies: parse_count(copies)? });
    }
    Ok(Mixed { path: text.into(), copies: 1 })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn words_of_their_own_syntax() {
        assert_eq!(parse_mixed("a.onnx").unwrap(), Mixed { path: "a.onnx".into(), copies: 1 });
        assert_eq!(parse_mixed("a.onnx:8").unwrap(), Mixed { path: "a.onnx".into(), copies: 8 });
        assert_eq!(parse_mixed("c:/a.onnx").unwrap(), Mixed { path: "c:/a.onnx".into(), copies: 1 });
        assert!(parse_mixed("a.onnx:0").is_err());
        assert_eq!(parse_input("x=a=b.npy").unwrap(), ("x".into(), "a=b.npy".into()));
        assert!(parse_input("x").is_err());
        assert!(parse_count("0").is_err());
        assert_eq!(parse_deadline("1.5"), Ok(Duration::from_micros(1500)));
        for text in ["-1", "nan", "1e99", "ms", ""] {
            assert!(parse_deadline(text).is_err(), "{text}");
        }
    }
}
