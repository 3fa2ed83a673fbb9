//! Late kernels leave together: a dispatch that would leave alone lets others go first that lead to one of its kernel within a few
//! steps (after arXiv 1901.10008).

use super::core::Core;
use super::cost::BundleLoad;
use super::lead::Leader;
use super::options::HoldBack;
use super::parts::Tier;
use super::queue::Rank;
use super::request::QueuedRequest;
use super::{Class, Pipelines};

/// Heads of each tier that are looked at for one that brings company. Guessed.
const LOOK: usize = 4;
/// Dispatches that one may be behind. Guessed.
const AHEAD: u32 = 8;
/// How long a dispatch may wait, over what company saves: the device does not idle meanwhile. Set by simulation.
const PATIENCE: f64 = 2.0;
/// The part of the time to spare that waiting may use up in all. Set by simulation: more costs deadlines under overload.
const HELD: f64 = 0.05;

impl Core {
    /// For a leader that would leave alone: the dispatch to go before it, so that it leaves with others of its kernel.
    pub(super) fn company(&mut self, leader: Leader, pipelines: &mut dyn Pipelines) -> Option<Leader> {
        if self.rules.hold_back == HoldBack::No {
            return None;
        }
        let request = self.queue.live(leader.rank)?;
        let spare = self.to_spare(leader, request) * HELD - request.held;
        if spare <= 0.0 || self.stragglers.apart(request.plan.model) {
            return None;
        }
        for tier in Tier::all() {
            for at in 0..LOOK {
                let Some(&(rank, kernel)) = self.queue.heads(tier).get(at) else { break };
                let wait =
                    (kernel != leader.kernel && self.has_begun(rank)).then(|| self.approach(rank, leader)).flatten();
                let Some((_, next)) = wait.filter(|(wait, _)| *wait <= spare) else { continue };
                if self.merging.has(kernel, pipelines) {
                    self.queue.get_mut(leader.rank.index)?.held += next;
                    return Some(Leader { tier, rank, kernel });
                }
            }
        }
        None
    }

    /// How long a request is from a dispatch of the leader's kernel, if company is worth the wait, and the time of its
    /// next step.
    fn approach(&self, rank: Rank, leader: Leader) -> Option<(f64, f64)> {
        let (other, held) = (self.queue.live(rank)?, self.queue.live(leader.rank)?);
        if other.id == held.id || self.stragglers.apart(other.plan.model) {
            return None;
        }
        let mut ahead = (rank.dispatch + 1..other.plan.dispatches.len() as u32).take(AHEAD as usize);
        let next = ahead.find(|&next| other.plan.dispatches[next as usize].kernel == leader.kernel)?;
        let wait = other.path(rank.dispatch) - other.path(next);
        // Those in step stay together to the end.
        let same_plan = std::ptr::eq(&*other.plan, &*held.plan) && next == leader.rank.dispatch;
        let group = |request: &QueuedRequest, dispatch: u32| request.plan.dispatches[dispatch as usize].group;
        let same_group = group(other, next).filter(|_| group(other, next) == group(held, leader.rank.dispatch));
        let in_step = same_plan || same_group.is_some();
        let steps = if in_step { held.left() } else { 1 };
        let worth = self.pair_gain(held, leader.rank.dispatch, other, next) * f64::from(steps);
        let info = &other.plan.dispatches[rank.dispatch as usize];
        let alone = self.cost.alone(self.cost.load(&info.cost, info.workgroups - other.issued(rank.dispatch)));
        (wait > 0.0 && wait <= PATIENCE * worth).then_some((wait, alone))
    }

    /// What two dispatches save in one bundle.
    fn pair_gain(&self, a: &QueuedRequest, of_a: u32, b: &QueuedRequest, of_b: u32) -> f64 {
        let load = |request: &QueuedRequest, dispatch: u32| {
            let info = &request.plan.dispatches[dispatch as usize];
            self.cost.load(&info.cost, info.workgroups - request.issued(dispatch))
        };
        let (a, b) = (load(a, of_a), load(b, of_b));
        let bundle = self.cost.joined(&self.cost.joined(&BundleLoad::default(), a), b);
        self.cost.alone(a) + self.cost.alone(b) - self.cost.bundle(&bundle)
    }

    /// The time that a request has to spare if it goes on now.
    fn to_spare(&self, leader: Leader, request: &QueuedRequest) -> f64 {
        let path = request.path(leader.rank.dispatch) * request.scale(&self.cost);
        match request.desc.deadline.filter(|_| leader.tier == Tier::DEADLINE) {
            Some(deadline) => deadline.saturating_sub(self.start) as f64 - path,
            // Someone waits for it, but not by a deadline.
            None if request.desc.class == Class::Interactive => 0.0,
            None => path,
        }
    }
}
