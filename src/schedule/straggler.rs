//! Models that take far longer than predicted, so that others need not pay for them.
//!
//! A wave whose lanes are all of one model tells on that model. One far over its prediction that several models share tells
//! on none: after a few of them each is a *suspect* and keeps to waves of its own, which clear it or show it to be a
//! *straggler*. A straggler goes behind all others (`parts`), in submissions of its own, of which one is in flight, and what it
//! takes longer goes into a factor of its model, not into the arms that others share, until it takes about as long as others
//! would.
//!
//! Where durations come from completion times alone, the submission takes the wave's place, and models that keep apart get
//! submissions of their own.
//!
//! If most of the models that ran of late straggle, it is the device that has become slower. They are pardoned, and for a
//! while every measurement goes to the arms.

use super::Nanos;
use super::cost::{CostModel, ModelIndex, Share};

/// Measured over predicted time from which on a wave is far over. Guessed: twice the worst error between shapes of one arm
/// and size class, and above what a busy host does to most waves.
const FAR: f64 = 3.0;
/// The part of a submission's predicted time by which it is over at the least to tell on models that hold a small part of
/// it. Guessed.
const OVER: f64 = 0.5;
/// Fixed costs that a wave is over at the least: below that it is the host's noise. Guessed.
const NOISE: f64 = 2.0;
/// The part of a wave whose predictions rest on measurements, for it to tell on anyone. Guessed.
const KNOWN: f64 = 0.9;
/// Waves far over that make a suspect of a model, and a straggler of one by its own waves. A few are a hiccup. Guessed.
const STRIKES: f64 = 5.0;
/// Measured over predicted time of a model's own waves of late from which on it straggles. Guessed: above what a busy host does for
/// a while. Strikes alone made stragglers of sound models on llvmpipe, on two cores with other work.
const LASTING: f64 = 2.5;
/// What a wave leaves of those before: some 32 count. Guessed.
const KEPT: f64 = 1.0 - 1.0 / 32.0;
/// A wave counts for no more than so many times its prediction, so that one stall is not enough. Guessed.
const MOST: f64 = 10.0;
/// What a wave that is not far over leaves of earlier strikes. Guessed: so a third of the waves must be far over.
const FADE: f64 = 0.9;
/// Own waves in a row, none far over, that clear a suspect. Guessed.
const CLEARED: u32 = 4;
/// Measured time over that of a sound model below which a straggler's wave counts as good. Half of [`FAR`], so that it does
/// not go back and forth. Guessed.
const RECOVERED: f64 = 1.5;
/// Good own waves that end straggling; each that is not halves their number. Guessed: about a request of a small model.
const GOOD: u32 = 16;
/// Weight of a new measurement in a straggler's factor. Guessed; more than a kernel's, as it lasts only a while.
const WEIGHT: f64 = 0.3;
/// Bounds of a factor.
const FACTOR: (f64, f64) = (1.0, 64.0);
/// What the arms of a wave far over learn of it before anyone is found guilty, over its prediction. It keeps arms that are
/// slow only together from being taken for stragglers for ever. Guessed.
pub(super) const UNSURE: f64 = 1.25;
/// How long ago a model ran that still counts as running. Guessed.
const RECENT: Nanos = 5_000_000_000;
/// How long nothing of a straggler ran until it is tried anew. Guessed.
const RETRY: Nanos = 1_000_000_000;
/// How long everyone is pardoned. Guessed.
const PARDON: Nanos = 1_000_000_000;

/// What was measured as one: a wave, or a submission without timestamps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit<'a> {
    /// Per wave: the end of its run of `shares`, and its predicted duration.
    pub(super) waves: &'a [(usize, f64)],
    /// Where the first wave's run begins.
    pub(super) start: usize,
    pub(super) shares: &'a [Share],
    pub(super) predicted: f64,
    pub(super) measured: f64,
}

/// What a unit's time says, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Verdict {
    /// Its arms may learn from it.
    Fine,
    /// It was far over: its arms may learn no more than [`UNSURE`].
    Far,
    /// It was a straggler's own: its arms learn nothing.
    Own,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Sound,
    Suspect,
    Straggler,
}

#[derive(Clone, Copy, Debug, Default)]
struct Model {
    standing: Standing,
    strikes: f64,
    /// Own waves of late while it did not straggle: measured and predicted time.
    took: f64,
    should: f64,
    /// Good own waves in a row.
    good: u32,
    /// When it last ran.
    ran: Nanos,
    /// The wave that it was last seen in.
    wave: u64,
    /// Predicted time of the present unit's waves that hold a lane of it.
    part: f64,
}

#[derive(Debug, Default)]
pub(super) struct Stragglers {
    models: Vec<Model>,
    /// The models of the present unit, each once.
    members: Vec<ModelIndex>,
    waves: u64,
    /// Whether the last submission came without timestamps.
    untimed: bool,
    pardoned_until: Nanos,
    pub(super) present: u64,
    pub(super) ever: u64,
    pub(super) off: bool,
}

impl Stragglers {
    /// Whether a model keeps to waves of its own.
    pub(super) fn apart(&self, model: ModelIndex) -> bool {
        self.models.get(model.index()).is_some_and(|model| model.standing != Standing::Sound && !self.off)
    }

    /// Whether a model was found to take far longer than others.
    pub(super) fn straggles(&self, model: ModelIndex) -> bool {
        self.models.get(model.index()).is_some_and(|model| model.standing == Standing::Straggler && !self.off)
    }

    /// Whether a model that keeps apart needs submissions of its own for that.
    pub(super) fn untimed(&self) -> bool {
        self.untimed
    }

    /// Notes that a request came of a model. A straggler of which nothing ran for long is tried anew: if its requests are refused
    /// for what was measured once, nothing else is ever measured.
    pub(super) fn note_request(&mut self, model: ModelIndex, cost: &mut CostModel, now: Nanos) {
        if self.straggles(model) {
            let straggler = &mut self.models[model.index()];
            if now.saturating_sub(straggler.ran) > RETRY {
                straggler.ran = now;
                cost.set_factor(model, 1.0);
            }
        }
    }

    /// Forgets a model that is gone.
    pub(super) fn forget(&mut self, model: ModelIndex) {
        if let Some(model) = self.models.get_mut(model.index()) {
            self.present -= u64::from(model.standing == Standing::Straggler);
            *model = Model::default();
        }
    }

    /// Whether lanes of two models may share a wave.
    pub(super) fn may_share(&self, a: ModelIndex, b: ModelIndex) -> bool {
        a == b || !(self.apart(a) || self.apart(b))
    }

    pub(super) fn note_timed(&mut self, timed: bool) {
        self.untimed = !timed;
    }

    /// Judges the models of a unit by its time.
    pub(super) fn judge(&mut self, unit: &Unit<'_>, cost: &mut CostModel, now: Nanos) -> Verdict {
        if self.off {
            return Verdict::Fine;
        }
        self.enter(unit, now);
        let Some(&first) = self.members.first() else { return Verdict::Fine };
        let over = unit.measured - unit.predicted;
        let shares = &unit.shares[unit.start..unit.waves.last().map_or(unit.start, |&(end, _)| end)];
        let sum = |shares: &mut dyn Iterator<Item = &Share>| shares.map(|share| share.body).sum::<f64>();
        let known = sum(&mut shares.iter().filter(|share| cost.is_known(share))) >= KNOWN * sum(&mut shares.iter());
        let far = known && over >= (OVER * unit.predicted).max(NOISE * cost.fixed(1)) && now >= self.pardoned_until;
        let guilty = |model: &Model| far && over >= (FAR - 1.0) * model.part;
        if self.members.len() == 1 {
            let far = guilty(&self.models[first.index()]);
            return self.judge_own(first, far, unit, cost, now);
        }
        let someone_apart = self.members.iter().any(|&model| self.apart(model));
        let mut any = false;
        for member in &self.members {
            let model = &mut self.models[member.index()];
            if guilty(model) {
                any = true;
                model.strikes += f64::from(u8::from(!someone_apart));
                if model.strikes >= STRIKES {
                    *model = Model { standing: Standing::Suspect, strikes: 0.0, good: 0, ..*model };
                }
            } else if model.standing == Standing::Sound {
                model.strikes *= FADE;
            }
        }
        if any { Verdict::Far } else { Verdict::Fine }
    }

    /// Judges a model by a unit of its own.
    fn judge_own(
        &mut self,
        index: ModelIndex,
        far: bool,
        unit: &Unit<'_>,
        cost: &mut CostModel,
        now: Nanos,
    ) -> Verdict {
        let model = &mut self.models[index.index()];
        let factor = cost.factor(index);
        let lanes = unit.shares[unit.start..].len().min(unit.waves.last().map_or(0, |&(end, _)| end) - unit.start);
        let fixed =
            (unit.waves.len() as f64 * cost.fixed(0) + cost.fixed(lanes as u32) - cost.fixed(0)).min(unit.predicted);
        let body = unit.predicted - fixed;
        // Where bodies are nothing beside fixed costs, the factor says nothing.
        let implied = if body > 0.0 { factor * ((unit.measured - fixed) / body).max(0.0) } else { factor };
        if model.standing == Standing::Straggler {
            let weight = WEIGHT * body / unit.predicted.max(1.0);
            let factor = factor + weight * (implied.clamp(FACTOR.0, FACTOR.1) - factor);
            let sound = fixed + body / cost.factor(index);
            cost.set_factor(index, factor);
            model.good = if unit.measured < RECOVERED * sound { model.good + 1 } else { model.good / 2 };
            if model.good >= GOOD {
                *model = Model {
                    standing: Standing::Sound,
                    wave: model.wave,
                    part: model.part,
                    ran: model.ran,
                    ..Model::default()
                };
                cost.set_factor(index, 1.0);
                self.present -= 1;
            }
            return Verdict::Own;
        }
        model.took = model.took * KEPT + unit.measured.min(MOST * unit.predicted);
        model.should = model.should * KEPT + unit.predicted;
        if !far {
            model.strikes *= FADE;
            model.good += 1;
            if model.standing == Standing::Suspect && model.good >= CLEARED {
                *model = Model { standing: Standing::Sound, strikes: 0.0, good: 0, ..*model };
            }
            return Verdict::Fine;
        }
        model.good = 0;
        model.strikes += 1.0;
        if model.strikes < STRIKES || model.took < LASTING * model.should {
            return Verdict::Far;
        }
        *model = Model { standing: Standing::Straggler, strikes: 0.0, good: 0, ..*model };
        cost.set_factor(index, implied.clamp(FACTOR.0, FACTOR.1));
        self.present += 1;
        self.ever += 1;
        if self.most_straggle(now) {
            self.pardon(cost, now);
        }
        Verdict::Own
    }

    /// Notes which models a unit is of, and their parts of it.
    fn enter(&mut self, unit: &Unit<'_>, now: Nanos) {
        self.members.clear();
        let first = self.waves;
        let mut start = unit.start;
        for &(end, predicted) in unit.waves {
            self.waves += 1;
            for share in &unit.shares[start..end] {
                let index = share.model.index();
                if self.models.len() <= index {
                    self.models.resize(index + 1, Model::default());
                }
                let model = &mut self.models[index];
                if model.wave == self.waves {
                    continue;
                }
                if model.wave <= first {
                    self.members.push(share.model);
                    model.part = 0.0;
                }
                model.wave = self.waves;
                model.part += predicted;
                model.ran = now;
            }
            start = end;
        }
    }

    fn most_straggle(&self, now: Nanos) -> bool {
        let recent = self.models.iter().filter(|model| model.wave > 0 && now.saturating_sub(model.ran) <= RECENT);
        let (mut all, mut straggle) = (0, 0);
        for model in recent {
            all += 1;
            straggle += usize::from(model.standing == Standing::Straggler);
        }
        2 * straggle > all
    }

    fn pardon(&mut self, cost: &mut CostModel, now: Nanos) {
        self.pardoned_until = now.saturating_add(PARDON);
        self.present = 0;
        for (index, model) in self.models.iter_mut().enumerate() {
            *model = Model { wave: model.wave, part: model.part, ran: model.ran, ..Model::default() };
            cost.set_factor(ModelIndex::at(index), 1.0);
        }
    }
}
