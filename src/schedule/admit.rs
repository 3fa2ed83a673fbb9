//! Who gets in: latest wins, and refusal of what is predicted to miss its deadline.

use super::core::Core;
use super::parts::Tier;
use super::request::Request;
use super::{Admission, Nanos};

impl Core {
    /// Whether a new request is to be refused, if it could start behind the more urgent ones from `start` on.
    /// `replaced` is the slot of a request that it takes the place of.
    pub(super) fn refuses(&self, request: &Request, start: Nanos, replaced: Option<u32>) -> bool {
        let Some(deadline) = request.desc.deadline else { return false };
        if request.desc.admission != Admission::RejectPredictedMiss || !request.predictable {
            return false;
        }
        let last = request.tier == Tier::STRAGGLER;
        let ahead = |(slot, other): (usize, &Option<Request>)| {
            let other = other.as_ref().filter(|other| other.ending.is_none())?;
            let urgent = other.tier == Tier::DEADLINE && other.desc.deadline.is_some_and(|other| other <= deadline);
            let urgent = urgent || last && [Tier::DEADLINE, Tier::STRAGGLER].contains(&other.tier);
            (urgent && replaced != Some(slot as u32)).then_some(other.work * other.scale(&self.cost))
        };
        let ahead: f64 = self.requests.iter().enumerate().filter_map(ahead).sum();
        let needed = ahead * self.together + request.total;
        start.saturating_add(needed as Nanos) > deadline
    }
}
