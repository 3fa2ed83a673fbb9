//! Tensors that stay on the device, on their way to callers: submissions of read-backs alone, which the scheduler knows nothing of.

use std::collections::{BTreeMap, VecDeque};

use super::Engine;
use super::delayed::is_shortage;
use crate::error::{Error, Result};
use crate::gpu::{Download, Finished, Promise};
use crate::lower::storage::Storage;
use crate::runtime::content::Content;
use crate::runtime::hold::Region;
use crate::runtime::message::Fetch;
use crate::runtime::stages::Resident;
use crate::schedule::SubmissionId;
use crate::tensor::checked_len;

/// Submissions of fetches have numbers from here on, which those of the scheduler do not reach.
const FIRST: u64 = 1 << 63;

/// What callers want of the device.
#[derive(Default)]
pub(super) struct Fetches {
    waiting: VecDeque<Fetch>,
    /// How many of the first of them have been promised staging.
    promised: usize,
    in_flight: BTreeMap<SubmissionId, Vec<Fetch>>,
    sent: u64,
}

impl Fetches {
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.in_flight.values().map(Vec::len).sum::<usize>()
    }

    /// Whether the submission is one of fetches.
    pub(super) fn is_of(&self, id: SubmissionId) -> bool {
        self.in_flight.contains_key(&id)
    }
}

/// Bytes that are read back.
fn bytes(fetch: &Fetch) -> Result<u64> {
    let Resident { hold, dtype, shape, .. } = &fetch.resident;
    let len = checked_len(shape).and_then(|len| u64::try_from(len).ok());
    let bits = len.and_then(|len| len.checked_mul(Storage::of(*dtype).bits().into()));
    let bits = bits.ok_or_else(|| Error::internal("a tensor on the device is too large"))?;
    Ok(bits.div_ceil(8).min(hold.bytes()))
}

fn promise(fetch: &Fetch) -> Result<Promise> {
    Ok(Promise { uploads: 0, downloads: bytes(fetch)?.next_multiple_of(4) })
}

impl Engine {
    pub(super) fn fetch(&mut self, fetch: Fetch) {
        match self.lost.clone().or_else(|| self.abandoned.then(crate::runtime::closed)) {
            Some(error) => answer(fetch, Err(error)),
            None => self.fetches.waiting.push_back(fetch),
        }
    }

    /// Sends what callers wait for, as far as there is staging. Whether anything came of it.
    pub(super) fn send_fetches(&mut self) -> Result<bool> {
        if self.lost.is_some() || self.delayed.is_some() || self.fetches.waiting.is_empty() {
            return Ok(false);
        }
        let mut any = self.promise_fetches()?;
        if self.fetches.promised == 0 {
            return Ok(any);
        }
        let id = SubmissionId(FIRST + self.fetches.sent);
        let mut work = self.spare.work(id);
        for (index, fetch) in self.fetches.waiting.iter().take(self.fetches.promised).enumerate() {
            let region = Region::Held(fetch.resident.hold.clone());
            let (segment, offset) = (region.segment(), region.base());
            work.downloads.push(Download { segment, offset, bytes: bytes(fetch)?, tag: index as u64 });
        }
        match self.executor.submit_ref(&work) {
            Ok(()) => {
                self.spare.give_back(work);
                self.fetches.sent += 1;
                let sent = self.fetches.waiting.drain(..std::mem::take(&mut self.fetches.promised)).collect();
                self.fetches.in_flight.insert(id, sent);
                any = true;
            }
            Err(error) if is_shortage(&error) && self.executor.is_busy() => {}
            Err(error) if is_shortage(&error) => {
                self.executor.release(Promise::of(&work));
                let failed = self.fetches.waiting.drain(..std::mem::take(&mut self.fetches.promised));
                failed.for_each(|fetch| answer(fetch, Err(error.clone())));
                any = true;
            }
            Err(error) => return Err(error),
        }
        Ok(any)
    }

    /// Reserves staging for those that wait, first come first served.
    fn promise_fetches(&mut self) -> Result<bool> {
        let mut any = false;
        while let Some(fetch) = self.fetches.waiting.get(self.fetches.promised) {
            let promise = promise(fetch)?;
            let refused = if fetch.reply.is_canceled() {
                None
            } else if let Some(error) = self.executor.never_stages(promise) {
                Some(error)
            } else {
                match self.executor.promise(promise) {
                    Ok(()) => {
                        self.fetches.promised += 1;
                        continue;
                    }
                    // There will be room when others are done.
                    Err(error) if is_shortage(&error) && self.others_hold_staging() => return Ok(any),
                    Err(error) if is_shortage(&error) => Some(error),
                    Err(error) => return Err(error),
                }
            };
            any = true;
            if let Some(fetch) = self.fetches.waiting.remove(self.fetches.promised)
                && let Some(error) = refused
            {
                answer(fetch, Err(error.within("a download")));
            }
        }
        Ok(any)
    }

    fn others_hold_staging(&mut self) -> bool {
        self.fetches.promised > 0 || self.active.values().any(|active| active.begun) || self.executor.is_busy()
    }

    /// Hands out what came back.
    pub(super) fn deliver(&mut self, mut finished: Finished) {
        let fetches = self.fetches.in_flight.remove(&finished.id).unwrap_or_default();
        for (fetch, (_, bytes)) in fetches.into_iter().zip(finished.downloads.drain(..)) {
            let content = Content::fetched(bytes, fetch.resident.clone());
            answer(fetch, Ok(content));
        }
        self.executor.recycle(finished);
    }

    /// Ends those that are not on their way with the error; all of them if the device is lost.
    pub(super) fn fail_fetches(&mut self, error: &Error) {
        let waiting = std::mem::take(&mut self.fetches.waiting);
        for fetch in waiting.iter().take(std::mem::take(&mut self.fetches.promised)) {
            self.executor.release(promise(fetch).unwrap_or_default());
        }
        waiting.into_iter().for_each(|fetch| answer(fetch, Err(error.clone())));
        if self.lost.is_some() {
            let in_flight = std::mem::take(&mut self.fetches.in_flight);
            in_flight.into_values().flatten().for_each(|fetch| answer(fetch, Err(error.clone())));
        }
    }
}

fn answer(fetch: Fetch, result: Result<Content>) {
    let Fetch { resident, seat, reply } = fetch;
    // Before the answer: who waits for it may count on the memory and the seat.
    drop((resident, seat));
    // The caller may have dropped the handle.
    let _ = reply.send(result);
}
