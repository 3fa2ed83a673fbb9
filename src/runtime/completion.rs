//! What a request gives.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Where a request's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// From `submit` to the issue of its first dispatch.
    pub queued: Duration,
    /// On the device, in waves that it had lanes in; `None` where the device has no timestamps.
    pub gpu: Option<Duration>,
    /// From `submit` to the results in host memory.
    pub total: Duration,
    /// Waves that it had lanes in.
    pub bundles: u32,
    /// How many of those carried lanes of other requests too.
    pub shared_bundles: u32,
    /// Its own lanes.
    pub lanes: u32,
    /// Lanes of other requests in its waves.
    pub lanes_shared: u32,
    /// Whether it was done by its deadline; `None` if it had none.
    pub in_time: Option<bool>,
}

/// The results of a request.
#[derive(Clone, Debug)]
pub struct Completion {
    pub(super) outputs: Vec<(String, Tensor)>,
    pub(super) timing: Timing,
}

impl Completion {
    /// The output of that name.
    ///
    /// # Errors
    /// `Input` if the model has no such output; the message lists those that it has.
    pub fn output(&self, name: &str) -> Result<&Tensor> {
        self.outputs.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor).ok_or_else(|| {
            let known: Vec<&str> = self.outputs.iter().map(|(name, _)| name.as_str()).collect();
            Error::input(format!("there is no output '{name}'; the outputs are {}", known.join(", ")))
        })
    }

    /// Names and values in graph order.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.outputs.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Where the time went.
    pub fn timing(&self) -> Timing {
        self.timing
    }
}
