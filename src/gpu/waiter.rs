//! A thread that waits for the device in place of the executor's owner, so that the end of a submission is an event to it.
//!
//! A wait holds no lock of wgpu's that a submission, a mapping or the making of a pipeline has to have for itself.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::compile::Notify;
use super::device::Gpu;
use crate::error::{Error, ErrorKind, Result};

/// How long its owner waits for it to end, once it is to: what is on the device is done by then, unless the device hangs.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
struct State {
    /// What the device was given and is not known to be done, in order.
    submitted: VecDeque<wgpu::SubmissionIndex>,
    closing: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The submission to wait for; `None` when the thread is to end.
    fn next(&self) -> Option<wgpu::SubmissionIndex> {
        let mut state = self.lock();
        loop {
            if state.closing {
                return None;
            }
            if let Some(index) = state.submitted.front() {
                return Some(index.clone());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The thread. It ends when this is dropped, and what it waits for is done.
#[derive(Debug)]
pub(super) struct Waiter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Waiter {
    /// Has `notify` called whenever a submission is done, or the device has failed.
    ///
    /// # Errors
    /// `Io` if no thread can be started.
    pub(super) fn start(gpu: &Gpu, notify: Notify) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (device, fault, own) = (gpu.device.clone(), gpu.fault.clone(), shared.clone());
        let work = move || {
            while let Some(index) = own.next() {
                // The owner learns of a failure by its own next call.
                let _ = fault.wait(&device, index);
                own.lock().submitted.pop_front();
                notify();
            }
        };
        let thread = std::thread::Builder::new()
            .name("fascine-wait".into())
            .spawn(work)
            .map_err(|error| Error::new(ErrorKind::Io, format!("no thread to wait for the device: {error}")))?;
        Ok(Waiter { shared, thread: Some(thread) })
    }

    /// Waits for a submission too, after those before it.
    pub(super) fn watch(&self, index: wgpu::SubmissionIndex) {
        self.shared.lock().submitted.push_back(index);
        self.shared.changed.notify_one();
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_one();
        let Some(thread) = self.thread.take() else { return };
        let until = Instant::now() + ENDS_WITHIN;
        while !thread.is_finished() {
            if Instant::now() >= until {
                tracing::warn!("the device hangs; the thread that waits for it is left behind");
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        // Its panic has been reported by itself.
        let _ = thread.join();
    }
}
