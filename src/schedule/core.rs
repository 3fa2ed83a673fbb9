//! What the scheduler's rules work on: each part of its state has an owner, whose methods alone change it.

use super::admission::Margin;
use super::bundle::Forming;
use super::coalesce::Coalescer;
use super::cost::{CostModel, ModelIndex};
use super::memory::Memory;
use super::merging::Merging;
use super::options::{Coalesce, Rules};
use super::parts::{Fairness, Tier};
use super::quantum::Quantum;
use super::queue::{KernelIndex, Queue, Rank};
use super::straggler::Stragglers;
use super::{Class, Nanos, Options, Outcome, Pipelines};

#[derive(Debug)]
pub(super) struct Core {
    pub(super) rules: Rules,
    /// How long things take.
    pub(super) cost: CostModel,
    /// Requests and their ready dispatches.
    pub(super) queue: Queue,
    /// Who may run a dispatch as one.
    pub(super) coalescer: Coalescer,
    /// What is owed to each tier.
    pub(super) fairness: Fairness,
    /// How long submissions are.
    pub(super) quantum: Quantum,
    /// Who begins as one that can keep its deadline.
    pub(super) margin: Margin,
    /// Who has the memory to begin.
    pub(super) memory: Memory,
    /// Who keeps apart.
    pub(super) stragglers: Stragglers,
    /// Which pipelines there are, and are asked for.
    pub(super) merging: Merging,
    /// The bundle that is being formed.
    pub(super) bundle: Forming,
    /// When it starts, by prediction.
    pub(super) start: Nanos,
    /// Indices of requests that were dropped.
    pub(super) dropped: Vec<u32>,
    /// Ready dispatches to be moved into another tier, once all heaps are back.
    pub(super) demoted: Vec<(Tier, KernelIndex, Rank)>,
}

impl Core {
    pub(super) fn new(options: Options) -> Self {
        let rules = Rules::new(&options);
        Core {
            cost: CostModel::new(options.device),
            queue: Queue::new(rules.ranking),
            coalescer: Coalescer::new(options.coalesce == Coalesce::Yes && rules.lanes > 1),
            fairness: Fairness::new(options.parts, options.slice),
            quantum: Quantum::new(rules.slice, rules.in_flight, &options.device),
            margin: Margin::default(),
            memory: Memory::default(),
            stragglers: Stragglers::default(),
            merging: Merging::new(options.max_kernels, options.want_after),
            bundle: Forming::default(),
            start: 0,
            dropped: Vec::new(),
            demoted: Vec::new(),
            rules,
        }
    }

    /// Begins a submission whose first bundle starts at `start`, by prediction.
    pub(super) fn begin(&mut self, now: Nanos, start: Nanos, pipelines: &mut dyn Pipelines) {
        self.start = start;
        self.quantum.turn(now);
        self.memory.turn(now);
        self.merging.begin(pipelines);
    }

    /// Where a new request's dispatches queue.
    pub(super) fn tier(&self, deadline: Option<Nanos>, class: Class, straggles: bool) -> Tier {
        match deadline {
            _ if !self.queue.knows_deadlines() => Tier::DEADLINE,
            _ if straggles => Tier::STRAGGLER,
            Some(_) => Tier::DEADLINE,
            None => Tier::best_effort(class),
        }
    }

    /// Whether a model needs submissions of its own: others' results would wait for a straggler's bundles, and without timestamps
    /// nothing else tells whose fault it is that one took long.
    pub(super) fn submits_alone(&self, model: ModelIndex) -> bool {
        let stragglers = &self.stragglers;
        self.queue.knows_deadlines() && stragglers.straggles(model) || stragglers.untimed() && stragglers.apart(model)
    }

    /// How much longer the submission may become, for the requests that end with the bundle formed last to be in time: they
    /// have ended once all of it has. Those that are late already do not count, and what someone waits for ends at once.
    pub(super) fn until_due(&self) -> f64 {
        let due = |&index: &u32| {
            let request = self.queue.get(index)?;
            let ending = request.ending == Some(Outcome::Completed) && self.queue.knows_deadlines();
            match request.desc.class {
                Class::Interactive if ending => Some(0),
                _ => request.desc.deadline.filter(|_| ending)?.checked_sub(self.start),
            }
        };
        self.bundle.holders.iter().filter_map(due).min().map_or(f64::INFINITY, |due| due as f64)
    }
}
