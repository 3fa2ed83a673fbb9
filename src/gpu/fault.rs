//! What can go wrong on a device, as typed errors: error scopes around risky calls, and device loss.
//!
//! A device that an app shares keeps the app's handlers, so loss is learnt there from failed calls and map callbacks only.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use super::driver::driver;
use crate::error::{Error, ErrorKind, Result};

/// Runs `call` inside error scopes of this thread, so that nothing reaches the device's own handler.
///
/// # Errors
/// `Memory` if the device ran out of memory, `Device` for everything else; `what` names the attempt.
pub(super) fn scoped<T>(device: &wgpu::Device, what: &str, call: impl FnOnce() -> T) -> Result<T> {
    let push = |filter| driver(|| device.push_error_scope(filter));
    let memory = push(wgpu::ErrorFilter::OutOfMemory);
    let internal = push(wgpu::ErrorFilter::Internal);
    let validation = push(wgpu::ErrorFilter::Validation);
    let value = call();
    let errors = [validation, internal, memory].map(|scope| driver(|| pollster::block_on(scope.pop())));
    match errors.into_iter().flatten().next() {
        None => Ok(value),
        Some(error) => Err(typed(what, &error)),
    }
}

fn typed(what: &str, error: &wgpu::Error) -> Error {
    let kind = match error {
        wgpu::Error::OutOfMemory { .. } => ErrorKind::Memory,
        wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => ErrorKind::Device,
    };
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Error::new(kind, format!("{what}: {}", lines.join("; ")))
}

/// Whether the device has failed for good; shared by the callbacks and the executor.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault(Arc<Mutex<Option<Error>>>);

impl Fault {
    /// Records a failure; the first one stays.
    pub(super) fn set(&self, error: Error) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            tracing::error!(%error, "the device failed");
            *first = Some(error);
        }
    }

    /// # Errors
    /// The recorded failure.
    pub(super) fn check(&self) -> Result<()> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// Sets the handlers of a device that belongs to fascine alone.
    pub(super) fn watch(&self, device: &wgpu::Device) {
        let lost = self.clone();
        device.set_device_lost_callback(move |reason, message| {
            lost.set(Error::device(format!("the device was lost ({reason:?}): {message}")));
        });
        let failed = self.clone();
        device.on_uncaptured_error(Arc::new(move |error| failed.set(typed("uncaptured device error", &error))));
    }

    /// Polls the device. wgpu panics there when the driver reports a loss; that becomes an error here.
    ///
    /// # Errors
    /// The failure that was recorded now or earlier.
    pub(super) fn poll(&self, device: &wgpu::Device, how: wgpu::PollType) -> Result<()> {
        self.check()?;
        // A time-out is no failure: the caller looks at what has finished.
        if catch_unwind(AssertUnwindSafe(|| driver(|| device.poll(how)))).is_err() {
            self.set(Error::device("the device failed while it was polled"));
        }
        self.check()
    }

    /// Waits for a submission, however long it takes. Others may poll meanwhile: a wait that gives up while they do can panic in
    /// wgpu 30.0.1, which then finds the queue empty and its own, older count of what is done below what it waited for.
    ///
    /// # Errors
    /// As [`Fault::poll`].
    pub(super) fn wait(&self, device: &wgpu::Device, index: wgpu::SubmissionIndex) -> Result<()> {
        self.poll(device, wgpu::PollType::Wait { submission_index: Some(index), timeout: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_stays() {
        let fault = Fault::default();
        assert!(fault.check().is_ok());
        fault.clone().set(Error::device("first"));
        fault.set(Error::device("second"));
        assert_eq!(fault.check().unwrap_err().message(), "first");
    }
}
