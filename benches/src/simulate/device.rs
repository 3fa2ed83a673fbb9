//! The device of a scenario.

use std::path::Path;

use fascine::error::Result;
use fascine::schedule::DeviceModel;
use fascine_bench::simulator::VirtualDevice;
use serde::Deserialize;

use super::calibration::Calibration;
use super::{seconds, wrong};

/// A device, and how far it strays from what the scheduler is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeviceFile {
    /// A calibration file, relative to the scenario's, in place of the six figures below.
    pub(crate) calibration: Option<String>,
    pub(crate) parallelism: u32,
    pub(crate) flops: f64,
    pub(crate) bytes: f64,
    pub(crate) bundle_ns: u64,
    pub(crate) lane_ns: u64,
    pub(crate) submission_ns: u64,
    /// Of a dispatch without a barrier before it.
    pub(crate) dispatch_ns: Option<u64>,
    /// From the end of a submission until the host knows.
    pub(crate) notice_ns: Option<u64>,
    pub(crate) skew: f64,
    pub(crate) noise: f64,
    pub(crate) compile_ms: f64,
    pub(crate) timestamps: bool,
}

impl Default for DeviceFile {
    fn default() -> Self {
        // The size of a GPU in a desktop. Guessed.
        DeviceFile {
            calibration: None,
            parallelism: 128,
            flops: 8e12,
            bytes: 400e9,
            bundle_ns: 6_000,
            lane_ns: 100,
            submission_ns: 15_000,
            dispatch_ns: None,
            notice_ns: None,
            skew: 0.3,
            noise: 0.05,
            compile_ms: 20.0,
            timestamps: true,
        }
    }
}

impl DeviceFile {
    /// The calibration file, if one is named.
    pub(crate) fn calibration(&self, folder: &Path) -> Result<Option<Calibration>> {
        self.calibration.as_ref().map(|file| Calibration::read(&folder.join(file))).transpose()
    }

    pub(crate) fn build(&self, calibration: Option<&Calibration>) -> Result<VirtualDevice> {
        let mut device = self.clone();
        if let Some(known) = calibration {
            device.parallelism = known.parallelism;
            (device.flops, device.bytes) = (known.flops, known.bytes);
            (device.bundle_ns, device.lane_ns, device.submission_ns) =
                (known.bundle_ns, known.lane_ns, known.submission_ns);
            device.notice_ns = device.notice_ns.or(known.notice_ns);
        }
        let DeviceFile { parallelism, flops, bytes, skew, noise, compile_ms, .. } = device;
        let positive = parallelism > 0 && flops > 0.0 && bytes > 0.0 && flops.is_finite() && bytes.is_finite();
        if !positive
            || !(0.0..=3.0).contains(&skew)
            || !(0.0..=3.0).contains(&noise)
            || !(0.0..=1e6).contains(&compile_ms)
        {
            return Err(wrong("the device's rates are above 0, its skew and noise from 0 to 3"));
        }
        let (bundle, lane, submission) = (device.bundle_ns, device.lane_ns, device.submission_ns);
        let model = DeviceModel { parallelism, flops, bytes, bundle, lane, submission };
        let default = VirtualDevice::new(model);
        Ok(VirtualDevice {
            skew,
            noise,
            compile: seconds(compile_ms / 1e3),
            timestamps: device.timestamps,
            notice: device.notice_ns.unwrap_or(default.notice),
            dispatch: device.dispatch_ns.unwrap_or(default.dispatch),
            ..default
        })
    }
}
