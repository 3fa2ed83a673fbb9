//! What can go wrong on a device, as typed errors: error scopes around risky calls, and device loss.
//!
//! A device that an app shares keeps the app's handlers, so loss is learnt there from failed calls and map callbacks only.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::executor::NAP;
use crate::error::{Error, ErrorKind, Result};

/// Runs `call` inside error scopes of this thread, so that nothing reaches the device's own handler.
///
/// # Errors
/// `Memory` if the device ran out of memory, `Device` for everything else; `what` names the attempt.
pub(super) fn scoped<T>(device: &wgpu::Device, what: &str, call: impl FnOnce() -> T) -> Result<T> {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let value = call();
    let errors =
        [pollster::block_on(validation.pop()), pollster::block_on(internal.pop()), pollster::block_on(memory.pop())];
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
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            tracing::error!(%error, "the device failed");
            *slot = Some(error);
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

    /// Polls the device.
    ///
    /// wgpu has no call that asks for what is done and tells a loss in any other way than by a panic. Where panics unwind, that
    /// is caught. Where they end the process it is asked by an empty submission instead, which tells errors as errors; it costs a
    /// call of the driver more.
    ///
    /// # Errors
    /// The failure that was recorded now or earlier.
    pub(super) fn poll(&self, device: &wgpu::Device, queue: &wgpu::Queue, how: wgpu::PollType) -> Result<()> {
        self.check()?;
        if cfg!(panic = "abort") {
            self.ask(device, queue, how)?;
        } else if catch_unwind(AssertUnwindSafe(|| device.poll(how))).is_err() {
            // A time-out is no failure: the caller looks at what has finished.
            self.set(Error::device("the device failed while it was polled"));
        }
        self.check()
    }

    /// As [`Fault::poll`], without a call that panics. Waiting is a nap: the caller asks again.
    fn ask(&self, device: &wgpu::Device, queue: &wgpu::Queue, how: wgpu::PollType) -> Result<()> {
        let done = Arc::new(AtomicBool::new(false));
        let asked = scoped(device, "asking the device", || {
            queue.submit([]);
            let done = done.clone();
            queue.on_submitted_work_done(move || done.store(true, Ordering::Relaxed));
        });
        if let Err(error) = asked {
            self.set(error);
        }
        if how.is_wait() && !done.load(Ordering::Relaxed) {
            std::thread::sleep(NAP);
        }
        self.check()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::gpu;
    use super::*;

    #[test]
    fn a_loss_is_told_without_a_panic() {
        let gpu = gpu();
        let fault = Fault::default();
        let ask = |how| fault.ask(&gpu.device, &gpu.queue, how);
        ask(wgpu::PollType::Poll).unwrap();
        ask(wgpu::PollType::wait_indefinitely()).unwrap();
        // What was given to the device before is done in the end.
        let (send, done) = std::sync::mpsc::channel();
        gpu.queue.on_submitted_work_done(move || send.send(()).unwrap());
        while done.try_recv().is_err() {
            ask(wgpu::PollType::wait_indefinitely()).unwrap();
        }
        fault.watch(&gpu.device);
        gpu.device.destroy();
        let failed = (0..100).find_map(|_| ask(wgpu::PollType::Poll).err());
        assert_eq!(failed.map(|error| error.kind()), Some(ErrorKind::Device));
    }

    #[test]
    fn the_first_failure_stays() {
        let fault = Fault::default();
        assert!(fault.check().is_ok());
        fault.clone().set(Error::device("first"));
        fault.set(Error::device("second"));
        assert_eq!(fault.check().unwrap_err().message(), "first");
    }
}
