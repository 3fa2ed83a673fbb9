//! What the scheduler knows and forming a wave looks at.

use super::cost::{CostModel, ModelIndex, Share};
use super::crowd::{Crowds, Place};
use super::edf::Edf;
use super::hold::Rhythm;
use super::margin::Margins;
use super::memory::Memory;
use super::options::{Ranking, Rules};
use super::parts::{Account, TIERS, Tier};
use super::plan::Arms;
use super::ready::{ArmIndex, Queue, Rank, Ready};
use super::request::Request;
use super::sets::Sets;
use super::slice::Slice;
use super::straggler::Stragglers;
use super::{ArmId, Class, Lane, Nanos, Options, Outcome, Pipelines};

/// A lane chosen for a wave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub(super) tier: Tier,
    /// Where it queues.
    pub(super) arm: ArmIndex,
    /// What runs it.
    pub(super) runs: ArmIndex,
    pub(super) rank: Rank,
    pub(super) count: u32,
    /// As [`Lane::gathered`].
    pub(super) gathered: u32,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) options: Options,
    pub(super) rules: Rules,
    pub(super) cost: CostModel,
    pub(super) stragglers: Stragglers,
    pub(super) arms: Arms,
    pub(super) sets: Sets,
    pub(super) crowds: Crowds,
    pub(super) account: Account,
    pub(super) ready: [Ready; TIERS],
    pub(super) requests: Vec<Option<Request>>,
    /// By tier, dispatches in the ready queues whose requests go on.
    pub(super) waiting: [usize; TIERS],
    pub(super) slice: Slice,
    /// By model.
    pub(super) rhythms: Vec<Rhythm>,
    /// Until when what is ready is held back, if it is.
    pub(super) held_until: Option<Nanos>,
    pub(super) margins: Margins,
    pub(super) edf: Edf,
    pub(super) memory: Memory,
    /// When the next wave starts, by prediction.
    pub(super) start: Nanos,
    /// Predicted time of waves over that of their lanes apart, of late.
    pub(super) together: f64,
    /// Shares of the lanes of the wave formed last.
    pub(super) shares: Vec<Share>,
    /// Slots of the requests of these lanes.
    pub(super) holders: Vec<u32>,
    /// Slots of requests that were dropped.
    pub(super) dropped: Vec<u32>,
    /// Lanes' memory, to be used again.
    pub(super) spare: Vec<Vec<Lane>>,
    pub(super) picks: Vec<Pick>,
    pub(super) taken: Vec<(Tier, ArmIndex, Queue)>,
    pub(super) passed: Vec<Rank>,
    /// Ready dispatches to be moved into another tier.
    pub(super) demoted: Vec<(Tier, ArmIndex, Rank)>,
    /// Those who may run a dispatch together.
    pub(super) mates: Vec<Place>,
    /// Arms that the wave that is being formed has no pipeline with.
    pub(super) refused: Vec<ArmIndex>,
    pub(super) released: Vec<u32>,
    /// The arms of the wave that is being formed, sorted.
    pub(super) set: Vec<ArmId>,
    /// By arm: whether it has a pipeline, as asked in the present call of `issue`.
    single: Vec<Option<bool>>,
    became_ready: u64,
}

impl Core {
    pub(super) fn new(options: Options) -> Self {
        let rules = Rules::new(&options);
        Core {
            slice: Slice::new(rules.slice, rules.in_flight, &options.device),
            rules,
            rhythms: Vec::new(),
            held_until: None,
            margins: Margins::default(),
            edf: Edf::default(),
            memory: Memory::default(),
            cost: CostModel::new(options.device),
            stragglers: Stragglers::default(),
            account: Account::new(options.parts, options.slice),
            options,
            arms: Arms::default(),
            sets: Sets::default(),
            crowds: Crowds::default(),
            ready: std::array::from_fn(|_| Ready::default()),
            requests: Vec::new(),
            waiting: [0; TIERS],
            start: 0,
            together: 1.0,
            shares: Vec::new(),
            holders: Vec::new(),
            dropped: Vec::new(),
            spare: Vec::new(),
            picks: Vec::new(),
            taken: Vec::new(),
            passed: Vec::new(),
            demoted: Vec::new(),
            mates: Vec::new(),
            refused: Vec::new(),
            released: Vec::new(),
            set: Vec::new(),
            single: Vec::new(),
            became_ready: 0,
        }
    }

    /// Begins a submission whose first wave starts at `start`, by prediction. Forgets what pipelines there were, and asks
    /// for those of arms that are new, ahead of their turn.
    pub(super) fn begin(&mut self, now: Nanos, start: Nanos, pipelines: &mut dyn Pipelines) {
        self.start = start;
        self.held_until = None;
        self.slice.turn(now);
        self.memory.turn(now);
        let known = self.single.len();
        self.single.clear();
        self.single.resize(self.arms.len(), None);
        for arm in known..self.arms.len() {
            if !self.arms.gathers(arm as ArmIndex) {
                self.has_pipeline(arm as ArmIndex, pipelines);
            }
        }
    }

    /// Where a new request's dispatches queue.
    pub(super) fn tier(&self, deadline: Option<Nanos>, class: Class, straggles: bool) -> Tier {
        if self.rules.ranking.knows_deadlines() && straggles {
            Tier::STRAGGLER
        } else if self.rules.ranking.knows_deadlines() && deadline.is_none() {
            Tier::best_effort(class)
        } else {
            Tier::DEADLINE
        }
    }

    /// Whether a model needs submissions of its own: others' results would wait for a straggler's waves, and without timestamps
    /// nothing else tells whose fault it is that one took long.
    pub(super) fn submits_alone(&self, model: ModelIndex) -> bool {
        let stragglers = &self.stragglers;
        self.rules.ranking.knows_deadlines() && stragglers.straggles(model)
            || stragglers.untimed() && stragglers.apart(model)
    }

    /// How much longer the submission may become, for the requests that end with the wave formed last to be in time: they
    /// have ended once all of it has. Those that are late already do not count, and what someone waits for ends at once.
    pub(super) fn until_due(&self) -> f64 {
        let start = self.start;
        let due = |&slot: &u32| {
            let request = self.requests[slot as usize].as_ref()?;
            let ending = request.ending == Some(Outcome::Completed) && self.rules.ranking.knows_deadlines();
            match request.desc.class {
                Class::Interactive if ending => Some(0),
                _ => request.desc.deadline.filter(|_| ending)?.checked_sub(start),
            }
        };
        self.holders.iter().filter_map(due).min().map_or(f64::INFINITY, |due| due as f64)
    }

    /// Puts a dispatch that waits for no other into the ready queues.
    pub(super) fn make_ready(&mut self, slot: u32, dispatch: u32) {
        let Some(request) = &mut self.requests[slot as usize] else { return };
        let tier = request.tier;
        request.ready[tier.index()] += 1;
        self.waiting[tier.index()] += 1;
        self.became_ready += 1;
        let mut class = request.desc.class;
        let deadline = request.desc.deadline.filter(|_| tier.has_deadlines());
        let urgency = match self.rules.ranking {
            Ranking::Deadline => deadline.unwrap_or(0),
            Ranking::Slack => deadline.map_or(0, |deadline| deadline.saturating_sub(request.total as Nanos)),
            Ranking::Arrival | Ranking::Readiness => {
                class = Class::Normal;
                if self.rules.ranking == Ranking::Readiness { self.became_ready } else { 0 }
            }
        };
        let rank = Rank { urgency, class, request: request.id, dispatch, slot };
        let step = request.plan.steps[dispatch as usize];
        self.ready[tier.index()].push(step.arm, rank);
        if let Some(crowd) = step.crowd.filter(|_| self.coalesces()) {
            self.join_crowd(crowd, (tier, rank));
        }
    }

    /// The request of a rank, unless it issues nothing any more or nothing is left of the dispatch.
    pub(super) fn live(&self, rank: Rank) -> Option<&Request> {
        let request = self.requests[rank.slot as usize].as_ref()?;
        let goes_on = request.id == rank.request && request.ending.is_none();
        (goes_on && request.has_left(rank.dispatch)).then_some(request)
    }

    /// As [`Core::live`], unless the dispatch is in the wave that is being formed.
    pub(super) fn open(&self, rank: Rank) -> Option<&Request> {
        self.live(rank).filter(|request| !request.is_picked(rank.dispatch))
    }

    /// Issues nothing further of a request that goes on.
    pub(super) fn stop(&mut self, slot: u32, outcome: Outcome) {
        let Some(request) = &mut self.requests[slot as usize] else { return };
        if request.ending.is_none() {
            request.ending = Some(outcome);
            self.edf.remove(slot);
            for (waiting, ready) in self.waiting.iter_mut().zip(request.ready) {
                *waiting -= ready as usize;
            }
        } else if outcome == Outcome::Failed && request.ending == Some(Outcome::Completed) {
            // All of it was issued, but not all of it ran.
            request.ending = Some(outcome);
        }
    }

    pub(super) fn has_pipeline(&mut self, arm: ArmIndex, pipelines: &mut dyn Pipelines) -> bool {
        let id = self.arms.id(arm);
        *self.single[arm as usize].get_or_insert_with(|| {
            let ready = pipelines.ready(&[id]);
            if !ready {
                pipelines.want(&[id]);
            }
            ready
        })
    }

    /// Whether an arm is known to have no pipeline in the present call of `issue`.
    pub(super) fn lacks_pipeline(&self, arm: ArmIndex) -> bool {
        self.single[arm as usize] == Some(false)
    }

    /// Whether the arms of the wave and `arm` have a pipeline; if so, `arm` is one of them from now on.
    pub(super) fn has_pipeline_with(&mut self, arm: ArmIndex, pipelines: &mut dyn Pipelines) -> bool {
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
