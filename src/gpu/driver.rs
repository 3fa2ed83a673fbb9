//! Calls into wgpu on the thread that owns the executor are marked, so that a test can tell wgpu's allocations from the crate's.

use std::cell::Cell;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in a call into wgpu that is marked.
#[doc(hidden)]
pub fn in_driver() -> bool {
    INSIDE.get()
}

/// Restores the mark when it goes, a panic of wgpu's included.
struct Mark(bool);

impl Drop for Mark {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// Runs a call into wgpu.
pub(super) fn driver<T>(call: impl FnOnce() -> T) -> T {
    let _mark = Mark(INSIDE.replace(true));
    call()
}
