//! The formula of costs, with nothing learned: what a device is simulated by.

use super::cost::{BundleLoad, CoalescedCost, CostModel, DispatchCost};
use super::{CoalesceDesc, DeviceModel, DispatchDesc};

/// Durations on a device of given rates.
#[derive(Debug)]
pub struct Formula(CostModel);

/// What a dispatch costs.
#[derive(Clone, Copy, Debug)]
pub struct Estimate(DispatchCost);

/// What a dispatch costs as one lane for several requests.
#[derive(Clone, Copy, Debug)]
pub struct CoalescedEstimate(CoalescedCost);

/// What the lanes of a bundle cost together.
#[derive(Clone, Copy, Debug, Default)]
pub struct BundleEstimate(BundleLoad);

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
    pub fn coalesce(&mut self, desc: &DispatchDesc, coalesce: &CoalesceDesc) -> CoalescedEstimate {
        CoalescedEstimate(self.0.coalesce(desc, coalesce))
    }

    /// The cost for so many requests.
    pub fn coalesced(&mut self, coalesce: &CoalescedEstimate, requests: u32) -> Estimate {
        Estimate(self.0.coalesced(&coalesce.0, requests))
    }

    /// Nanoseconds of a dispatch as a bundle of its own.
    pub fn alone(&self, dispatch: &Estimate) -> f64 {
        self.0.alone(self.0.load(&dispatch.0, dispatch.0.workgroups()))
    }

    /// Nanoseconds of a bundle that does nothing.
    pub fn fixed(&self) -> f64 {
        self.0.alone(Default::default())
    }

    /// Adds `count` workgroups of a dispatch to a bundle.
    pub fn join(&self, bundle: &mut BundleEstimate, dispatch: &Estimate, count: u32) {
        bundle.0 = self.0.joined(&bundle.0, self.0.load(&dispatch.0, count));
    }

    /// Nanoseconds of a bundle.
    pub fn bundle(&self, bundle: &BundleEstimate) -> f64 {
        self.0.bundle(&bundle.0)
    }

    /// Nanoseconds of a bundle without its fixed costs.
    pub fn body(&self, bundle: &BundleEstimate) -> f64 {
        self.0.body(&bundle.0)
    }
}

impl Estimate {
    /// So many times as much.
    pub fn scaled(self, factor: f64) -> Self {
        Estimate(self.0.scaled(factor))
    }
}

impl CoalescedEstimate {
    /// So many times as much.
    pub fn scaled(self, factor: f64) -> Self {
        CoalescedEstimate(self.0.scaled(factor))
    }
}
