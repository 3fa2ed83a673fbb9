//! The end of the process while a runtime is alive: in a static, leaked, or on another thread when `main` returns.
//!
//! Drivers and the compilers in them destroy what they share in exit handlers, whether or not a thread is in the middle of a
//! call; on llvmpipe that is a crash. So what works in a driver on threads of its own [registers](register) here, and a handler
//! of this crate, which runs before the driver's, stops it and waits for it.
//!
//! On Unix only. Windows ends all other threads before it tells a driver that the process ends.
#![cfg_attr(not(unix), allow(dead_code, unused_imports, reason = "there is no handler"))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest that the end of the process waits: for a compile in work, or for what the device has to do. Guessed: of the
/// pipelines measured, llvmpipe took 38 s for the largest, and a driver cannot be interrupted.
const LONGEST: Duration = Duration::from_secs(60);
/// How often it is asked who is through.
const ASK_EVERY: Duration = Duration::from_millis(1);
/// How often this crate's handler is added at most: a few dozen bytes each time. Guessed; by then a driver has what it needs.
const MOST_TIMES: usize = 4096;

/// Something that is at work in a driver.
pub(crate) trait AtExit: Send + Sync {
    /// Tells it to take up nothing more. Does not wait.
    fn stop(&self);
    /// Whether it is through with the driver, apart from the thread that asks.
    fn is_over(&self) -> bool;
}

/// Joins a thread that is over, or lets go of the one that asks; gives back one that is still at work.
pub(crate) fn try_join(thread: JoinHandle<()>) -> Result<(), JoinHandle<()>> {
    if thread.thread().id() == std::thread::current().id() {
        return Ok(());
    }
    if !thread.is_finished() {
        return Err(thread);
    }
    // Its panic has been reported by itself.
    let _ = thread.join();
    Ok(())
}

/// With the process in which each is at work: a fork has none of its threads.
static REGISTERED: Mutex<Vec<(u32, Weak<dyn AtExit>)>> = Mutex::new(Vec::new());

/// Has the end of the process wait for this, if it lives until then. To be called once the driver is loaded.
pub(crate) fn register(work: Weak<dyn AtExit>) {
    let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
    registered.retain(|(_, other)| other.strong_count() > 0);
    registered.push((std::process::id(), work));
    drop(registered);
    go_first();
}

/// Puts this crate's handler before those that a driver has added since. The last one added runs first, and compilers add theirs
/// when they first need what those destroy: so this is called during compiles and after them. The first of this crate's handlers
/// to run does the work.
#[cfg(unix)]
#[allow(unsafe_code)]
pub(crate) fn go_first() {
    static TIMES: AtomicUsize = AtomicUsize::new(0);
    if TIMES.fetch_add(1, Ordering::Relaxed) >= MOST_TIMES {
        return;
    }
    extern "C" fn handler() {
        // It cannot unwind into the C library.
        let _ = catch_unwind(AssertUnwindSafe(end));
    }
    // SAFETY: the handler is a plain function that lives as long as the program, takes no arguments and does not unwind.
    // That there is no room for it is no error: the process ends as it would without it.
    let _ = unsafe { libc::atexit(handler) };
}

#[cfg(not(unix))]
pub(crate) fn go_first() {}

fn end() {
    let registered = std::mem::take(&mut *REGISTERED.lock().unwrap_or_else(PoisonError::into_inner));
    let here = registered.iter().filter(|(process, _)| *process == std::process::id());
    let alive: Vec<Arc<dyn AtExit>> = here.filter_map(|(_, work)| work.upgrade()).collect();
    alive.iter().for_each(|work| work.stop());
    let until = Instant::now() + LONGEST;
    while !alive.iter().all(|work| work.is_over()) && Instant::now() < until {
        std::thread::sleep(ASK_EVERY);
    }
    // Nobody else may own them by now, and their destructors may wait without bound.
    std::mem::forget(alive);
}
