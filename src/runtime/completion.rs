//! What a request gives.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::device_tensor::DeviceTensor;
use super::stages::Produced;
use super::value::Value;
use crate::error::{Error, Result};
use crate::graph::Form;
use crate::tensor::Tensor;

/// Where a request's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// From `submit` to the issue of its first dispatch.
    pub queued: Duration,
    /// On the device, in bundles that it had lanes in; `None` where the device has no timestamps.
    pub gpu: Option<Duration>,
    /// From `submit` to the results in host memory.
    pub total: Duration,
    /// Bundles (dispatches of the device) that it had lanes in.
    pub bundles: u32,
    /// How many of those carried lanes of other requests too.
    pub shared_bundles: u32,
    /// Its own lanes: its dispatches, some of them in several ranges of workgroups.
    pub lanes: u32,
    /// Lanes of other requests in its bundles.
    pub lanes_shared: u32,
    /// Whether it was done by its deadline; `None` if it had none.
    pub in_time: Option<bool>,
}

/// The results of a request, as the engine has them.
pub(super) struct Answer {
    pub(super) outputs: Vec<Produced>,
    /// Those that go to the caller without being read back.
    pub(super) kept: Vec<usize>,
    pub(super) timing: Timing,
}

impl Answer {
    /// Makes tensors of what was read back: on the thread of whoever takes the results.
    ///
    /// # Errors
    /// As [`Content::tensor`].
    pub(super) fn complete(self, shared: &Arc<Shared>) -> Result<Completion> {
        let Answer { mut outputs, kept: places, timing } = self;
        let mut kept = Vec::with_capacity(places.len());
        if !places.is_empty() {
            let (stay, read) = outputs.into_iter().enumerate().partition::<Vec<_>, _>(|(at, _)| places.contains(at));
            outputs = read.into_iter().map(|(_, one)| one).collect();
            for (_, Produced { name, content, resident, .. }) in stay {
                kept.push(match (resident, content) {
                    (Some(resident), _) => (name, DeviceTensor::on_device(shared.clone(), resident)),
                    (None, Some(mut content)) => (name, DeviceTensor::on_host(shared.clone(), content.tensor()?)),
                    (None, None) => return Err(Error::internal(format!("'{name}' was neither read back nor kept"))),
                });
            }
        }
        let tensor = |Produced { name, mut content, .. }: Produced| {
            Some(content.as_mut()?.tensor().map(|tensor| (name, tensor)))
        };
        if outputs.iter().all(|output| output.parts.is_none()) {
            let outputs = outputs.into_iter().filter_map(tensor).collect::<Result<_>>()?;
            return Ok(Completion { outputs, kept, forms: Vec::new(), timing });
        }
        let (mut tensors, mut forms) = (Vec::new(), Vec::with_capacity(outputs.len()));
        for mut output in outputs {
            let Some(parts) = output.parts.take() else {
                forms.push((output.name.clone(), Form::Tensor));
                tensors.extend(tensor(output).transpose()?);
                continue;
            };
            let (form, members) = *parts;
            for (index, member) in members.into_iter().enumerate() {
                let member = Produced { name: format!("{}[{index}]", output.name), ..member };
                tensors.extend(tensor(member).transpose()?);
            }
            forms.push((output.name, form));
        }
        Ok(Completion { outputs: tensors, kept, forms, timing })
    }
}

/// The results of a request.
#[derive(Clone, Debug)]
pub struct Completion {
    outputs: Vec<(String, Tensor)>,
    kept: Vec<(String, DeviceTensor)>,
    /// What the outputs are, unless all are tensors.
    forms: Vec<(String, Form)>,
    timing: Timing,
}

impl Completion {
    /// The output of that name.
    ///
    /// # Errors
    /// `Input` if the model has no such output, or it stayed on the device; the message lists those that there are.
    pub fn output(&self, name: &str) -> Result<&Tensor> {
        if self.kept.iter().any(|(known, _)| known == name) {
            return Err(Error::input(format!("output '{name}' was kept on the device: `kept` gives it")));
        }
        self.outputs.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor).ok_or_else(|| {
            let known: Vec<&str> = self.outputs.iter().map(|(name, _)| name.as_str()).collect();
            Error::input(format!("there is no output '{name}'; the outputs are {}", known.join(", ")))
        })
    }

    /// The output of that name, which [`RequestBuilder::keep`](super::RequestBuilder::keep) left on the device.
    ///
    /// # Errors
    /// `Input` if it was not kept; the message lists those that were.
    pub fn kept(&self, name: &str) -> Result<&DeviceTensor> {
        self.kept.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor).ok_or_else(|| {
            let known: Vec<&str> = self.kept.iter().map(|(name, _)| name.as_str()).collect();
            let known =
                if known.is_empty() { "none was".to_owned() } else { format!("those that were: {}", known.join(", ")) };
            Error::input(format!("output '{name}' was not kept on the device; {known}"))
        })
    }

    /// The output of that name, whatever it is.
    ///
    /// # Errors
    /// As [`Completion::output`].
    pub fn value(&self, name: &str) -> Result<Value> {
        let mut tensors = self.outputs.iter().map(|(_, tensor)| tensor.clone());
        for (known, form) in &self.forms {
            if known == name {
                let value = Value::together(*form, &mut tensors);
                return value.ok_or_else(|| Error::internal(format!("output '{name}' lacks a tensor")));
            }
            tensors.by_ref().take(form.tensors()).for_each(drop);
        }
        if let Ok(tensor) = self.kept(name) {
            return Ok(tensor.clone().into());
        }
        self.output(name).cloned().map(Value::Tensor)
    }

    /// Names and tensors in graph order, without those that were kept on the device; those of a sequence or an optional `y` are `y[0]`, `y[1]` and so on.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.outputs.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Where the time went.
    pub fn timing(&self) -> Timing {
        self.timing
    }
}
