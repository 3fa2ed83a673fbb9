//! Forms one wave: a leader, the first of all ready dispatches, and riders that cost less with it than apart from it.

use super::cost::{CostModel, Share, WaveLoad, nanos};
use super::options::{Ranking, Rules, Scope, Split};
use super::ready::{ArmIndex, Queue, Rank, Ready};
use super::request::{Arms, Progress, Request};
use super::sets::{Joined, Sets};
use super::{ArmId, Class, Lane, Options, Pipelines, RequestId, Wave};

/// Candidates of one arm that may be passed over in a wave before the next arm is tried. Guessed.
const PASSES: usize = 4;
/// The least part of a slice that a piece of a long dispatch fills behind other waves. Guessed.
const PIECE: f64 = 0.25;

/// What came of forming a wave.
#[derive(Debug)]
#[must_use]
pub(super) enum Formed {
    /// A wave and its predicted duration.
    Wave(Wave, f64),
    /// The first dispatch does not fit the rest of the slice.
    Full,
    /// Nothing can issue now.
    Nothing,
}

/// What is left of a submission.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Predicted nanoseconds left of the slice.
    pub(super) budget: f64,
    /// Whether the submission has no wave yet.
    pub(super) empty: bool,
    /// The only request that may go.
    pub(super) only: Option<u64>,
}

/// A lane chosen for the wave.
#[derive(Clone, Copy, Debug)]
struct Pick {
    rank: Rank,
    arm: ArmIndex,
    count: u32,
}

/// All that forming a wave looks at.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) options: Options,
    pub(super) rules: Rules,
    pub(super) cost: CostModel,
    pub(super) arms: Arms,
    pub(super) sets: Sets,
    pub(super) ready: Ready,
    pub(super) requests: Vec<Option<Request>>,
    /// Dispatches in the ready queues whose requests go on.
    pub(super) waiting: usize,
    /// Shares of the lanes formed last.
    pub(super) shares: Vec<Share>,
    /// Slots of the requests of the lanes formed last.
    pub(super) holders: Vec<u32>,
    /// Lanes' memory, to be used again.
    pub(super) spare: Vec<Vec<Lane>>,
    /// By arm: whether it has a pipeline, as asked in the present call of `issue`.
    single: Vec<Option<bool>>,
    became_ready: u64,
    picks: Vec<Pick>,
    taken: Vec<(ArmIndex, Queue)>,
    passed: Vec<Rank>,
    released: Vec<u32>,
    set: Vec<ArmId>,
}

impl Core {
    pub(super) fn new(options: Options) -> Self {
        Core {
            rules: Rules::new(&options),
            cost: CostModel::new(options.device),
            options,
            arms: Arms::default(),
            sets: Sets::default(),
            ready: Ready::default(),
            requests: Vec::new(),
            waiting: 0,
            shares: Vec::new(),
            holders: Vec::new(),
            spare: Vec::new(),
            single: Vec::new(),
            became_ready: 0,
            picks: Vec::new(),
            taken: Vec::new(),
            passed: Vec::new(),
            released: Vec::new(),
            set: Vec::new(),
        }
    }

    /// Forgets what pipelines there were.
    pub(super) fn begin(&mut self) {
        self.single.clear();
        self.single.resize(self.arms.len(), None);
    }

    /// Puts a dispatch that waits for no other into the ready queues.
    pub(super) fn make_ready(&mut self, slot: u32, dispatch: u32) {
        let Some(request) = &mut self.requests[slot as usize] else { return };
        request.ready += 1;
        self.waiting += 1;
        self.became_ready += 1;
        let (urgency, class) = match self.rules.ranking {
            Ranking::Arrival => (0, Class::Normal),
            Ranking::Readiness => (self.became_ready, Class::Normal),
            Ranking::Deadline => (request.deadline.unwrap_or(u64::MAX), request.class),
        };
        let rank = Rank { urgency, class, request: request.id, dispatch, slot };
        self.ready.push(request.plan.steps[dispatch as usize].arm, rank);
    }

    /// Forms the next wave and notes its lanes as issued; `shares` and `holders` then tell whose they are.
    pub(super) fn form(&mut self, pipelines: &mut dyn Pipelines, room: Room) -> Formed {
        let Some((rank, arm)) = self.leader(pipelines, room.only) else { return Formed::Nothing };
        let Some(count) = self.leading(rank, room) else { return Formed::Full };
        self.shares.clear();
        self.holders.clear();
        self.set.clear();
        self.set.push(self.arms.id(arm));
        let mut queue = self.ready.take(arm);
        queue.pop();
        let step = self.live(rank).expect("the leader goes on").plan.steps[rank.dispatch as usize];
        let load = self.cost.load(&step.cost, count);
        let mut wave = self.cost.joined(&WaveLoad::default(), load);
        self.picks.push(Pick { rank, arm, count });
        self.shares.push(self.cost.share(&step.cost, load));
        if self.rules.lanes > 1 {
            self.fill(arm, &mut queue, &mut wave, room.budget);
            self.taken.push((arm, queue));
            self.fill_others(arm, &mut wave, room.budget, pipelines);
        } else {
            self.taken.push((arm, queue));
        }
        self.close(&wave)
    }

    /// The first ready dispatch whose arm has a pipeline.
    fn leader(&mut self, pipelines: &mut dyn Pipelines, only: Option<u64>) -> Option<(Rank, ArmIndex)> {
        let mut at = 0;
        while let Some(&(rank, arm)) = self.ready.heads().get(at) {
            if self.live(rank).is_none() {
                self.ready.drop_head(arm);
            } else if only.is_some_and(|only| only != rank.request) {
                return None;
            } else if self.has_pipeline(arm, pipelines) {
                return Some((rank, arm));
            } else if self.rules.scope == Scope::OneRequest {
                return None;
            } else {
                at += 1;
            }
        }
        None
    }

    /// How many workgroups of the leader go; `None` if the submission is to end before it.
    fn leading(&self, rank: Rank, room: Room) -> Option<u32> {
        let request = self.live(rank)?;
        let step = &request.plan.steps[rank.dispatch as usize];
        let left = step.workgroups - request.issued(rank.dispatch);
        let whole = self.cost.alone(self.cost.load(&step.cost, left));
        if whole <= room.budget {
            return Some(left);
        }
        let slice = self.rules.slice as f64;
        if self.rules.split == Split::No {
            return room.empty.then_some(left);
        }
        if !room.empty && (whole <= slice || room.budget < slice * PIECE) {
            return None;
        }
        let count = self.cost.fit(&step.cost, left, room.budget);
        let fits = room.empty || self.cost.alone(self.cost.load(&step.cost, count)) <= room.budget;
        fits.then_some(count)
    }

    /// Adds riders of one arm.
    fn fill(&mut self, arm: ArmIndex, queue: &mut Queue, wave: &mut WaveLoad, budget: f64) {
        while self.picks.len() < self.rules.lanes && self.passed.len() < PASSES {
            let Some(std::cmp::Reverse(rank)) = queue.pop() else { break };
            let Some((joined, pick, share, _)) = self.rider(rank, arm, wave, budget) else {
                if self.live(rank).is_some() {
                    self.passed.push(rank);
                }
                continue;
            };
            *wave = joined;
            self.picks.push(pick);
            self.shares.push(share);
        }
        queue.extend(self.passed.drain(..).map(std::cmp::Reverse));
    }

    /// Adds riders of other arms than the leader's, where there is a pipeline for all.
    fn fill_others(&mut self, leader: ArmIndex, wave: &mut WaveLoad, budget: f64, pipelines: &mut dyn Pipelines) {
        let mut at = 0;
        while self.picks.len() < self.rules.lanes {
            let Some(&(rank, arm)) = self.ready.heads().get(at) else { break };
            if self.live(rank).is_none() {
                self.ready.drop_head(arm);
                continue;
            }
            let Some((.., gain)) = self.rider(rank, arm, wave, budget) else {
                at += 1;
                continue;
            };
            if !self.has_pipeline_with(arm, pipelines) {
                let arms = &self.arms;
                let compatible = |a, b| pipelines.compatible(arms.id(a), arms.id(b));
                if compatible(leader, arm) {
                    let _: Joined = self.sets.miss((leader, arm), gain, self.options.max_arms, compatible);
                }
                at += 1;
                continue;
            }
            let mut queue = self.ready.take(arm);
            self.fill(arm, &mut queue, wave, budget);
            self.taken.push((arm, queue));
        }
    }

    /// The wave with the rest of a ready dispatch as one more lane, and what that saves, if it saves enough.
    fn rider(&self, rank: Rank, arm: ArmIndex, wave: &WaveLoad, budget: f64) -> Option<(WaveLoad, Pick, Share, f64)> {
        let request = self.live(rank)?;
        let step = &request.plan.steps[rank.dispatch as usize];
        let count = step.workgroups - request.issued(rank.dispatch);
        let load = self.cost.load(&step.cost, count);
        let joined = self.cost.joined(wave, load);
        let (together, alone) = (self.cost.wave(&joined), self.cost.alone(load));
        let gain = self.cost.wave(wave) + alone - together;
        let pays = together <= budget && gain > 0.0 && gain >= self.options.min_gain * alone;
        pays.then(|| (joined, Pick { rank, arm, count }, self.cost.share(&step.cost, load), gain))
    }

    /// Notes the picked lanes as issued, and makes ready what waited for them.
    fn close(&mut self, wave: &WaveLoad) -> Formed {
        for (arm, queue) in self.taken.drain(..) {
            self.ready.put_back(arm, queue);
        }
        let mut lanes = self.spare.pop().unwrap_or_default();
        lanes.reserve_exact(self.picks.len());
        let picks = std::mem::take(&mut self.picks);
        for &Pick { rank, arm, count } in &picks {
            let request = self.requests[rank.slot as usize].as_mut().expect("a picked lane's request goes on");
            lanes.push(Lane {
                request: RequestId(rank.request),
                dispatch: rank.dispatch,
                arm: self.arms.id(arm),
                first: request.issued(rank.dispatch),
                count,
            });
            self.holders.push(rank.slot);
            match request.issue(rank.dispatch, count) {
                Progress::Partial => self.ready.push(arm, rank),
                Progress::Whole => {
                    request.ready -= 1;
                    self.waiting -= 1;
                    request.release(rank.dispatch, &mut self.released);
                    let mut released = std::mem::take(&mut self.released);
                    for dispatch in released.drain(..) {
                        self.make_ready(rank.slot, dispatch);
                    }
                    self.released = released;
                }
            }
        }
        self.picks = picks;
        self.picks.clear();
        let predicted = self.cost.wave(wave);
        Formed::Wave(Wave { lanes, predicted: nanos(predicted), separate: wave.separate() }, predicted)
    }

    /// The request of a rank, unless it issues nothing any more.
    fn live(&self, rank: Rank) -> Option<&Request> {
        let request = self.requests[rank.slot as usize].as_ref()?;
        (request.id == rank.request && request.ending.is_none()).then_some(request)
    }

    fn has_pipeline(&mut self, arm: ArmIndex, pipelines: &mut dyn Pipelines) -> bool {
        let id = self.arms.id(arm);
        *self.single[arm as usize].get_or_insert_with(|| {
            let ready = pipelines.ready(&[id]);
            if !ready {
                pipelines.want(&[id]);
            }
            ready
        })
    }

    /// Whether the arms of the wave and `arm` have a pipeline; if so, `arm` is one of them from now on.
    fn has_pipeline_with(&mut self, arm: ArmIndex, pipelines: &mut dyn Pipelines) -> bool {
        let id = self.arms.id(arm);
        let Err(at) = self.set.binary_search(&id) else { return true };
        self.set.insert(at, id);
        let ready = pipelines.ready(&self.set);
        if !ready {
            self.set.remove(at);
        }
        ready
    }
}
