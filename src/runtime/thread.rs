//! Ways to advance the engine: a thread of its own, or the application's calls.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use futures::channel::oneshot;

use super::engine::{Engine, Step};
use crate::error::{Error, Result};
use crate::exit;

/// Who advances the engine.
pub(super) enum Driver {
    Thread(Mutex<Option<JoinHandle<()>>>),
    Manual(Box<Mutex<Engine>>),
}

impl Driver {
    pub(super) fn manual(engine: Engine) -> Self {
        Driver::Manual(Box::new(Mutex::new(engine)))
    }

    pub(super) fn spawn(mut engine: Engine) -> Result<Self> {
        let handle = std::thread::Builder::new()
            .name("fascine".into())
            .spawn(move || {
                loop {
                    match engine.step() {
                        Step::Progress => {}
                        Step::Idle => engine.sleep(),
                        Step::Stopped => return,
                    }
                }
            })
            .map_err(|error| Error::device(format!("cannot start the engine's thread: {error}")))?;
        Ok(Driver::Thread(Mutex::new(Some(handle))))
    }

    /// Whether nothing of the engine is at work, once it was told to stop; a manual one is advanced.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Driver::Thread(handle) => handle.try_lock().is_ok_and(|mut handle| {
                *handle = handle.take().and_then(|handle| exit::try_join(handle).err());
                handle.is_none()
            }),
            Driver::Manual(engine) => engine.try_lock().is_ok_and(|mut engine| engine.step() == Step::Stopped),
        }
    }

    /// Advances a manual engine until nothing can be done without waiting.
    pub(super) fn poll(&self) -> Result<()> {
        if let Driver::Manual(engine) = self {
            let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
            while engine.step() == Step::Progress {}
            return engine.health();
        }
        Ok(())
    }

    /// Waits for an answer of the engine; with a manual engine, by advancing it. `None` if the engine dropped it.
    pub(super) fn wait<T>(&self, mut answer: oneshot::Receiver<T>) -> Result<Option<T>> {
        match self {
            Driver::Thread(_) => Ok(pollster::block_on(answer).ok()),
            Driver::Manual(engine) => loop {
                match answer.try_recv() {
                    Ok(Some(value)) => return Ok(Some(value)),
                    Err(oneshot::Canceled) => return Ok(None),
                    Ok(None) => {}
                }
                let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
                match engine.step() {
                    Step::Progress => {}
                    Step::Idle => {
                        let nap = engine.nap();
                        // Others may step meanwhile.
                        drop(engine);
                        std::thread::sleep(nap);
                    }
                    Step::Stopped => return Ok(None),
                }
            },
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // `Shared` has sent `Shutdown` by now. A handle dropped on the engine's own thread must not wait for itself.
        if let Driver::Thread(handle) = self
            && let Some(handle) = handle.get_mut().unwrap_or_else(PoisonError::into_inner).take()
            && handle.thread().id() != std::thread::current().id()
        {
            // A panic of the engine has been reported by its thread already.
            let _ = handle.join();
        }
    }
}
