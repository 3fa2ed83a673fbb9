//! Who takes memory, and when: a request takes it when it begins, in the order in which requests go. One for which there is no
//! room waits, and while it does nobody behind it begins; whoever has begun goes on, and one before it goes first.
//!
//! What begins without a deadline that it can keep leaves room for one more request with a deadline, so that an urgent one
//! need not wait for memory.

use super::core::Core;
use super::parts::Tier;
use super::queue::{KernelIndex, Position, Rank};
use super::{Nanos, Pipelines, RequestId};

/// How long it is remembered what requests with deadlines take: one to two of these. Guessed, as for slices.
const MEMORY: Nanos = 5_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Requests that have taken memory and not ended.
    begun: usize,
    /// Ready dispatches of requests that wait for memory, the first to go last. Some may have ended.
    waiting: Vec<(Position, KernelIndex)>,
    /// The first for whom there was no room in the present call of `issue`: nobody behind it begins.
    blocked: Option<Position>,
    /// The most that a request with a deadline takes, of those that came in the present period and in that before.
    largest: [u64; 2],
    period: Nanos,
}

impl Memory {
    /// Notes that a request with a deadline came that takes so many bytes.
    pub(super) fn note(&mut self, bytes: u64, now: Nanos) {
        self.turn(now);
        self.largest[0] = self.largest[0].max(bytes);
    }

    /// Begins a call of `issue`: memory may have come free.
    pub(super) fn turn(&mut self, now: Nanos) {
        self.blocked = None;
        let period = now / MEMORY;
        if period > self.period {
            self.largest = [0, if period == self.period + 1 { self.largest[0] } else { 0 }];
            self.period = period;
        }
    }

    /// Notes that a request that had begun has ended.
    pub(super) fn ended(&mut self) {
        self.begun -= 1;
    }

    /// Bytes that are to be left when a request of a tier begins.
    fn spare(&self, tier: Tier) -> u64 {
        // Where nothing has begun there is nothing to wait for.
        if tier == Tier::DEADLINE || self.begun == 0 { 0 } else { self.largest[0].max(self.largest[1]) }
    }

    fn may_ask(&self, position: Position) -> bool {
        self.blocked.is_none_or(|blocked| position < blocked)
    }
}

impl Core {
    /// Whether the request of a ready dispatch has begun, or there is memory for it to begin now.
    pub(super) fn begins(&mut self, position: Position, pipelines: &mut dyn Pipelines) -> bool {
        let (tier, Rank { index, request: id, .. }) = position;
        let Some(request) = self.queue.get_mut(index) else { return false };
        if request.begun {
            return true;
        }
        if !self.memory.may_ask(position) {
            return false;
        }
        request.begun = pipelines.begin(RequestId(id), self.memory.spare(tier));
        if !request.begun {
            self.memory.blocked = Some(position);
            return false;
        }
        self.memory.begun += 1;
        // Its other dispatches need not wait any more.
        let demoted = &mut self.demoted;
        self.memory.waiting.retain(|&((tier, rank), kernel)| {
            let own = rank.request == id;
            if own {
                demoted.push((tier, kernel, rank));
            }
            !own
        });
        true
    }

    /// Whether a ready dispatch is of a request that has begun.
    pub(super) fn has_begun(&self, rank: Rank) -> bool {
        self.queue.get(rank.index).is_some_and(|request| request.begun)
    }

    /// Has a dispatch that is in no queue any more wait until there is memory for its request.
    pub(super) fn await_memory(&mut self, position: Position, kernel: KernelIndex) {
        let waiting = &mut self.memory.waiting;
        let at = waiting.partition_point(|&(other, _)| other > position);
        waiting.insert(at, (position, kernel));
    }

    /// Lets the first dispatch of a tier that waits for memory, and stands before `head`, into the ready queues if its request
    /// can begin now. Whether anything changed; `moved` tells whether something went into another tier.
    pub(super) fn readmit(
        &mut self,
        tier: Tier,
        head: Option<Rank>,
        pipelines: &mut dyn Pipelines,
        moved: &mut bool,
    ) -> bool {
        if self.memory.waiting.is_empty() {
            return false;
        }
        // Those of the tier stand together, the first of them last.
        let end = self.memory.waiting.partition_point(|&((other, _), _)| other >= tier);
        let Some(at) = end.checked_sub(1) else { return false };
        let (position, kernel) = self.memory.waiting[at];
        let (of, rank) = position;
        if of != tier || head.is_some_and(|head| head < rank) {
            return false;
        }
        if self.queue.live(rank).is_none() {
            self.memory.waiting.remove(at);
        } else if self.demotes((tier, rank), kernel) {
            self.memory.waiting.remove(at);
            self.move_demoted();
            *moved = true;
        } else if self.begins(position, pipelines) {
            self.move_demoted();
        } else {
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_left_for_the_largest_request_with_a_deadline_of_late() {
        let mut memory = Memory { begun: 1, ..Memory::default() };
        let normal = Tier::best_effort(Default::default());
        let spare = |memory: &mut Memory, now| {
            memory.turn(now);
            memory.spare(normal)
        };
        assert_eq!(spare(&mut memory, 0), 0);
        memory.note(500, 10);
        memory.note(300, 20);
        assert_eq!(memory.spare(Tier::DEADLINE), 0);
        for (now, expected) in [(30, 500), (MEMORY + 1, 500), (2 * MEMORY + 1, 0)] {
            assert_eq!(spare(&mut memory, now), expected, "at {now}");
        }
        memory.note(500, 3 * MEMORY);
        memory.ended();
        assert_eq!(spare(&mut memory, 3 * MEMORY), 0, "nothing has begun that could leave it any");
    }
}
