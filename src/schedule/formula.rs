//! The formula of costs, with nothing learned: what a device is simulated by.

use super::cost::{CostModel, DispatchCost, GatherCost, WaveLoad};
use super::{DeviceModel, DispatchDesc, GatherDesc};

/// Durations on a device of given rates.
#[derive(Debug)]
pub struct Formula(CostModel);

/// What a dispatch costs.
#[derive(Clone, Copy, Debug)]
pub struct Estimate(DispatchCost);

/// What a dispatch costs as one lane for several requests.
#[derive(Clone, Copy, Debug)]
pub struct GatherEstimate(GatherCost);

/// What the lanes of a wave cost together.
#[derive(Clone, Copy, Debug, Default)]
pub struct WaveEstimate(WaveLoad);

impl Formula {
    /// For a device of these rates.
    pub fn new(device: DeviceModel) -> Self {
        Formula(CostModel::new(device))
    }

    /// The cost of a dispatch for one request.
    pub fn dispatch(&mut self, desc: &DispatchDesc) -> Estimate {
        Estimate(self.0.dispatch(desc))
    }

    /// The cost of a dispatch for several requests.
    pub fn gather(&mut self, desc: &DispatchDesc, gather: &GatherDesc) -> GatherEstimate {
        GatherEstimate(self.0.gather(desc, gather))
    }

    /// The cost for so many requests.
    pub fn gathered(&mut self, gather: &GatherEstimate, requests: u32) -> Estimate {
        Estimate(self.0.gathered(&gather.0, requests))
    }

    /// Nanoseconds of a dispatch as a wave of its own.
    pub fn alone(&self, dispatch: &Estimate) -> f64 {
        self.0.alone(self.0.load(&dispatch.0, dispatch.0.workgroups()))
    }

    /// Nanoseconds of a wave that does nothing.
    pub fn fixed(&self) -> f64 {
        self.0.alone(Default::default())
    }

    /// Adds `count` workgroups of a dispatch to a wave.
    pub fn join(&self, wave: &mut WaveEstimate, dispatch: &Estimate, count: u32) {
        wave.0 = self.0.joined(&wave.0, self.0.load(&dispatch.0, count));
    }

    /// Nanoseconds of a wave.
    pub fn wave(&self, wave: &WaveEstimate) -> f64 {
        self.0.wave(&wave.0)
    }

    /// Nanoseconds of a wave without its fixed costs.
    pub fn body(&self, wave: &WaveEstimate) -> f64 {
        self.0.body(&wave.0)
    }
}

impl Estimate {
    /// So many times as much.
    pub fn scaled(self, factor: f64) -> Self {
        Estimate(self.0.scaled(factor))
    }
}

impl GatherEstimate {
    /// So many times as much.
    pub fn scaled(self, factor: f64) -> Self {
        GatherEstimate(self.0.scaled(factor))
    }
}
