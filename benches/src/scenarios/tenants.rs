//! Models of a scenario, each with weights and inputs of its own, and the outputs that they must give.

use std::path::{Path, PathBuf};

use fascine::error::{Error, ErrorKind, Result};
use fascine::onnx::{self, LoadOptions};
use fascine::runtime::{Model, PlanSummary, RequestBuilder, Runtime};
use fascine::tensor::Tensor;

use super::batch::BatchAxes;
use crate::inputs::{self, Dims};

/// Different inputs of a tenant, in turn.
const SAMPLES: u64 = 2;
/// Sizes of the open dimensions of the models in `tests/zoo`, small enough for a CPU.
const SIZES: [(&str, usize); 5] = [("batch", 1), ("sequence", 16), ("samples", 1600), ("height", 224), ("width", 224)];
/// Copies of one model: more are a slip of the pen.
const MAX_COPIES: usize = 64;

/// Names and values in graph order.
pub(crate) type Tensors = Vec<(String, Tensor)>;

/// A model of a scenario: `NAME` in the zoo or a path to an ONNX file, and how many copies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) copies: usize,
    /// Sizes of open dimensions that are not as those of other models.
    pub(crate) dims: Dims,
}

impl std::str::FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, copies) = match text.rsplit_once(':') {
            Some((name, copies)) if !copies.is_empty() && copies.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, copies.parse().ok().filter(|copies| (1..=MAX_COPIES).contains(copies)))
            }
            _ => (text, Some(1)),
        };
        let copies = copies.ok_or_else(|| format!("1 to {MAX_COPIES} copies"))?;
        if name.is_empty() {
            return Err("a model's name is wanted".into());
        }
        Ok(Wanted { name: name.to_owned(), copies, dims: Dims::new() })
    }
}

impl Wanted {
    fn path(&self, zoo: &Path) -> PathBuf {
        if self.name.ends_with(".onnx") { self.name.clone().into() } else { zoo.join(format!("{}.onnx", self.name)) }
    }

    fn label(&self, copy: usize) -> String {
        let stem = Path::new(&self.name).file_stem().map_or_else(|| self.name.clone().into(), |s| s.to_string_lossy());
        if self.copies == 1 { stem.into_owned() } else { format!("{stem} #{copy}") }
    }
}

/// A model with weights of its own, and requests to it.
pub(crate) struct Tenant {
    pub(crate) label: String,
    pub(crate) model: Model,
    pub(crate) samples: Vec<Sample>,
    /// Where requests to it can be joined, if they can.
    pub(crate) axes: Option<BatchAxes>,
    pub(crate) summary: PlanSummary,
}

/// Inputs, and what they give alone.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) inputs: Tensors,
    pub(crate) outputs: Tensors,
}

/// Loads the models into a runtime. `seed` chooses inputs; copies differ in their weights.
pub(crate) fn load(
    runtime: &Runtime,
    zoo: &Path,
    wanted: &[Wanted],
    given: &[(String, usize)],
    seed: u64,
) -> Result<Vec<Tenant>> {
    let given = inputs::dims(given)?;
    let defaults: Dims = SIZES.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
    let (mut tenants, mut symbols) = (Vec::new(), Vec::new());
    // Copies of a model that is named twice differ too.
    let mut copies: Vec<(&str, u64)> = Vec::new();
    for wanted in wanted {
        let path = wanted.path(zoo);
        let dims = [&defaults, &wanted.dims, &given].into_iter().flatten();
        let dims: Dims = dims.map(|(name, &size)| (name.clone(), size)).collect();
        for copy in 0..wanted.copies {
            let number = copies.iter().filter(|(name, _)| *name == wanted.name).count() as u64;
            copies.push((&wanted.name, number));
            let options = LoadOptions { synthetic_weights: true, seed: number, ..LoadOptions::default() };
            let graph = onnx::load(&path, &options)?;
            let model = runtime.load_graph(graph).map_err(|error| error.in_file(&path))?;
            let info = model.inputs();
            symbols.extend(inputs::symbols(&info).into_iter().map(str::to_owned));
            let shapes =
                inputs::resolve(&info, &dims).map_err(|missing| inputs::unresolved(&missing).in_file(&path))?;
            // A plan first: it refuses shapes that no device could hold before the host tries to.
            let summary = model.plan(&shapes).map_err(|error| error.in_file(&path))?;
            let sample = |at: u64| {
                let seed = seed << 32 | (tenants.len() as u64) << 8 | at;
                let tensor = |(input, shape): (&fascine::runtime::InputInfo, &Vec<usize>)| {
                    Ok((input.name.clone(), inputs::random(&input.name, input.dtype, shape, seed)?))
                };
                let inputs = info.iter().zip(&shapes).map(tensor).collect::<Result<Tensors>>()?;
                Ok(Sample { inputs, outputs: Tensors::new() })
            };
            let samples = (0..SAMPLES).map(sample).collect::<Result<Vec<Sample>>>()?;
            let axes = BatchAxes::of(&model);
            tenants.push(Tenant { label: wanted.label(copy), model, samples, axes, summary });
        }
    }
    let known: Vec<&str> = symbols.iter().map(String::as_str).collect();
    if !wanted.is_empty() {
        inputs::check_names(&given, &known)?;
    }
    Ok(tenants)
}

impl Tenant {
    /// A request with these inputs.
    pub(crate) fn request(&self, inputs: &[(String, Tensor)]) -> Result<RequestBuilder> {
        inputs.iter().try_fold(self.model.request(), |request, (name, tensor)| request.input(name, tensor.clone()))
    }

    /// Runs every sample alone and keeps what it gives.
    pub(crate) fn learn_outputs(&mut self) -> Result<()> {
        for at in 0..self.samples.len() {
            let request = self.request(&self.samples[at].inputs)?;
            let done = request.submit().and_then(fascine::Request::wait);
            let done =
                done.map_err(|error| Error::new(error.kind(), format!("{}: {}", self.label, error.message())))?;
            self.samples[at].outputs = done.outputs().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
        }
        Ok(())
    }

    /// Whether outputs are those of a sample, to the bit.
    pub(crate) fn check<'a>(&self, sample: usize, outputs: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Result<()> {
        for ((name, want), (_, got)) in self.samples[sample].outputs.iter().zip(outputs) {
            if got.dtype() != want.dtype() || got.shape() != want.shape() || got.bytes() != want.bytes() {
                let label = &self.label;
                let what = format!("{label}: output '{name}' is not what the model gives alone, to the bit");
                return Err(Error::new(ErrorKind::Internal, what));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_copies() {
        assert_eq!("minilm:3".parse(), Ok(Wanted { name: "minilm".into(), copies: 3, dims: Dims::new() }));
        assert_eq!("c:/a.onnx".parse(), Ok(Wanted { name: "c:/a.onnx".into(), copies: 1, dims: Dims::new() }));
        for text in ["", ":2", "minilm:0", "minilm:65", "minilm:99999999999999999999"] {
            assert!(text.parse::<Wanted>().is_err(), "{text}");
        }
        let wanted = Wanted { name: "lstm_vad".into(), copies: 2, dims: Dims::new() };
        assert_eq!(wanted.path(Path::new("zoo")), Path::new("zoo/lstm_vad.onnx"));
        assert_eq!(wanted.label(1), "lstm_vad #1");
    }
}
