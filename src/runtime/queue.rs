//! How many requests there may be at a time.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// Counts the requests that are submitted and not ended, up to a bound.
pub(super) struct Queue {
    taken: Arc<AtomicUsize>,
    most: usize,
}

/// One of the requests that there may be. It is free again when this is dropped, so that a request has to own it wherever
/// it is.
#[must_use]
pub(super) struct Seat(Arc<AtomicUsize>);

impl Queue {
    /// # Errors
    /// `Input` if nothing could ever be submitted.
    pub(super) fn new(most: usize) -> Result<Self> {
        if most == 0 {
            return Err(Error::input("max_queued is 0; at least one request has to fit"));
        }
        Ok(Queue { taken: Arc::default(), most })
    }

    /// A seat for what is so called.
    ///
    /// # Errors
    /// `QueueFull` if there is none.
    pub(super) fn seat(&self, what: impl Display) -> Result<Seat> {
        let one_more = |taken| (taken < self.most).then_some(taken + 1);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(Seat(self.taken.clone())),
            Err(_) => {
                let most = self.most;
                Err(Error::new(
                    ErrorKind::QueueFull,
                    format!("no seat for {what}: {most} requests are under way, as many as max_queued allows"),
                ))
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_as_many_as_the_bound_however_many_threads_want_them() {
        assert_eq!(Queue::new(0).map(|_| ()).unwrap_err().kind(), ErrorKind::Input);
        let queue = Queue::new(3).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let seats: Vec<_> = (0..3).filter_map(|_| queue.seat("m").ok()).collect();
                        assert!(queue.taken.load(Ordering::Relaxed) <= 3);
                        drop(seats);
                    }
                });
            }
        });
        let seats: Vec<_> = (0..3).map(|_| queue.seat("m").unwrap()).collect();
        let error = queue.seat("m").map(|_| ()).unwrap_err();
        assert!(error.kind() == ErrorKind::QueueFull && error.message().contains("m: 3 requests are"), "{error}");
        drop(seats);
        assert_eq!(queue.taken.load(Ordering::Relaxed), 0);
    }
}
