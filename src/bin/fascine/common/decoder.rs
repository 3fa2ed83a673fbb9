//! A decoder with a cache of keys and values: its inputs and outputs, and one step of it.

use fascine::Kind;
use fascine::error::{Error, ErrorKind, Result};
use fascine::graph::Dim;
use fascine::runtime::{Completion, InputInfo, Model, RequestBuilder, Session};
use fascine::tensor::{DType, Tensor, TensorData};

use super::state::StatePattern;

/// How exporters call the inputs and outputs of the cache: Optimum's, `torch.onnx`'s and transformers.js', older ones.
const STATES: [(&str, &str); 4] = [
    ("past_key_values.*", "present.*"),
    ("past_key_values.*", "present_key_values.*"),
    ("past.*", "present.*"),
    ("past_*", "present_*"),
];

/// Where the cache is between two steps.
enum State {
    Device(Session),
    /// Read back and given again.
    Host(Vec<(String, Tensor)>),
}

pub(crate) struct Decoder {
    model: Model,
    /// Input and output.
    links: Vec<(String, String)>,
    /// The cache of nothing.
    empty: Vec<(String, Tensor)>,
    state: State,
    mask: bool,
    positions: bool,
    logits: String,
    /// Inputs that are the same at every step.
    constant: Vec<(String, Tensor)>,
    past: usize,
}

fn refuse(message: String) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

impl Decoder {
    /// Finds the way into a model. `constant` are the inputs that the user gives; the cache is carried through the host if `host`
    /// says so.
    ///
    /// # Errors
    /// `Unsupported` for models that are no decoders of token ids with a cache; the message names the input.
    pub(crate) fn new(
        model: &Model,
        pattern: Option<&StatePattern>,
        constant: Vec<(String, Tensor)>,
        host: bool,
    ) -> Result<Self> {
        let (inputs, outputs) = (model.inputs(), model.outputs());
        if let Some((name, _)) = constant.iter().find(|(name, _)| inputs.iter().all(|input| input.name != *name)) {
            return Err(Error::new(ErrorKind::Input, format!("--input {name}: the model has no such input")));
        }
        let patterns: Vec<StatePattern> = match pattern {
            Some(pattern) => vec![pattern.clone()],
            None => STATES.map(|(input, output)| StatePattern::new(input, output)).into(),
        };
        let becomes = |input: &InputInfo| {
            let mut names = patterns.iter().filter_map(|pattern| pattern.output_of(&input.name));
            names.find(|name| outputs.iter().any(|output| output.name == *name))
        };
        let (mut links, mut empty) = (Vec::new(), Vec::new());
        let [mut ids, mut mask, mut positions] = [false; 3];
        for input in &inputs {
            if input.kind != Kind::Tensor {
                return Err(refuse(format!("input '{}' is no tensor", input.name)));
            }
            let known = match input.name.as_str() {
                name if constant.iter().any(|(given, _)| given == name) => continue,
                "input_ids" => &mut ids,
                "attention_mask" => &mut mask,
                "position_ids" => &mut positions,
                name => {
                    let output = becomes(input).ok_or_else(|| {
                        refuse(format!(
                            "input '{name}' is neither of tokens (input_ids, attention_mask, position_ids) nor a cache that an output goes on with; \
                             give it with --input, or name the cache with --state"
                        ))
                    })?;
                    empty.push((input.name.clone(), nothing(input)?));
                    links.push((input.name.clone(), output));
                    continue;
                }
            };
            if input.dtype != DType::I64 || input.shape.len() != 2 {
                return Err(refuse(format!("input '{}' is no matrix of i64", input.name)));
            }
            *known = true;
        }
        if !ids {
            return Err(refuse("the model has no input 'input_ids'".into()));
        }
        if links.is_empty() {
            return Err(refuse("the model has no cache; name its inputs and outputs with --state INPUT=OUTPUT".into()));
        }
        let of_links = |name: &str| links.iter().any(|(_, output)| output == name);
        let rest: Vec<_> = outputs.iter().filter(|output| !of_links(&output.name)).collect();
        let logits = rest.iter().find(|output| output.name == "logits").or_else(|| rest.first());
        let logits = logits.ok_or_else(|| refuse("the model has no output of logits".into()))?.name.clone();
        let state = if host {
            State::Host(empty.clone())
        } else {
            let pairs: Vec<(&str, &str)> = links.iter().map(|(i, o)| (o.as_str(), i.as_str())).collect();
            State::Device(model.session(&pairs)?)
        };
        Ok(Decoder { model: model.clone(), links, empty, state, mask, positions, logits, constant, past: 0 })
    }

    /// Tokens that the cache holds.
    pub(crate) fn past(&self) -> usize {
        self.past
    }

    /// Takes further tokens, and gives the logits of what comes after the last of them.
    pub(crate) fn step(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        self.step_with(tokens, |request| request)
    }

    /// As [`Decoder::step`], by a request to which more is said.
    pub(crate) fn step_with(
        &mut self,
        tokens: &[u32],
        say: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Vec<f32>> {
        let (n, total) = (tokens.len(), self.past + tokens.len());
        let mut request = match &self.state {
            State::Device(session) => session.request(),
            State::Host(_) => self.model.request(),
        };
        let given = |request: RequestBuilder, list: &[(String, Tensor)]| {
            list.iter().try_fold(request, |request, (name, tensor)| request.input(name, tensor.clone()))
        };
        request = request.input("input_ids", row(tokens.iter().map(|&token| i64::from(token)).collect())?)?;
        if self.mask {
            request = request.input("attention_mask", row(vec![1; total])?)?;
        }
        if self.positions {
            request = request.input("position_ids", row((self.past as i64..total as i64).collect())?)?;
        }
        request = given(request, &self.constant)?;
        request = match &self.state {
            State::Device(_) if self.past == 0 => given(request, &self.empty)?,
            State::Device(_) => request,
            State::Host(state) => given(request, state)?,
        };
        let done = say(request).submit()?.wait()?;
        if let State::Host(state) = &mut self.state {
            let links = self.links.iter();
            let carry = |(input, output): &(String, String)| Ok((input.clone(), done.output(output)?.clone()));
            *state = links.map(carry).collect::<Result<_>>()?;
        }
        self.past = total;
        self.last_row(&done, n)
    }

    fn last_row(&self, done: &Completion, tokens: usize) -> Result<Vec<f32>> {
        let tensor = done.output(&self.logits)?;
        let &[1, rows, vocabulary] = tensor.shape() else {
            let shape = tensor.shape();
            return Err(refuse(format!("output '{}' of shape {shape:?} is no [1, {tokens}, vocabulary]", self.logits)));
        };
        // Some decoders give the last row alone.
        if vocabulary == 0 || rows == 0 {
            return Err(refuse(format!("output '{}' is empty", self.logits)));
        }
        let from = (rows - 1) * vocabulary;
        match tensor.data() {
            TensorData::F32(data) => Ok(data[from..].to_vec()),
            TensorData::F16(data) => Ok(data[from..].iter().map(|logit| logit.to_f32()).collect()),
            other => Err(refuse(format!("output '{}' is {}; logits are f32 or f16", self.logits, other.dtype()))),
        }
    }
}

/// The index of the largest logit, the first of equals. What is no number is never chosen, unless there is nothing else.
pub(crate) fn likeliest(logits: &[f32]) -> u32 {
    let logit = |at: u32| logits[at as usize];
    let numbers = (0..logits.len() as u32).filter(|&at| !logit(at).is_nan());
    numbers.reduce(|best, at| if logit(at) > logit(best) { at } else { best }).unwrap_or(0)
}

fn row(data: Vec<i64>) -> Result<Tensor> {
    Tensor::new([1, data.len()], data)
}

/// The cache of no tokens: one sequence; what is open besides is its length.
fn nothing(input: &InputInfo) -> Result<Tensor> {
    let size = |(axis, dim): (usize, &Dim)| match dim {
        Dim::Known(size) => *size,
        Dim::Symbol(_) => usize::from(axis == 0),
    };
    let shape: Vec<usize> = input.shape.iter().enumerate().map(size).collect();
    if !shape.contains(&0) {
        return Err(refuse(format!("the cache '{}' has a fixed length", input.name)));
    }
    Tensor::zeros(input.dtype, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_cache_has_one_sequence_of_no_tokens() {
        let symbol = |name: &str| Dim::Symbol(name.into());
        let input = |shape: Vec<Dim>| InputInfo { name: "past".into(), dtype: DType::F32, shape, kind: Kind::Tensor };
        let cache = nothing(&input(vec![symbol("batch"), Dim::Known(4), symbol("past"), Dim::Known(32)])).unwrap();
        assert_eq!(cache.shape(), [1, 4, 0, 32]);
        assert!(nothing(&input(vec![Dim::Known(1), Dim::Known(4)])).unwrap_err().to_string().contains("'past'"));
    }
}
