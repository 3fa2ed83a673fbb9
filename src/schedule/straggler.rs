//! Models that take far longer than predicted, so that others need not pay for them.
//!
//! Of each model the ratio of measured to predicted time is kept, of late, over the waves that it had a lane in. Where it is high
//! the model is a *suspect*, as is whoever shared those waves, and keeps to waves of its own for a while. These clear it, or show it
//! to be a *straggler*: it then goes behind all others in submissions of its own (`parts`, `lead`), and what it takes longer is a
//! factor of its model, not of the arms that others share, until its own waves take about as long as others' would.
//!
//! Without timestamps the submission takes the wave's place, and models that keep apart get submissions of their own.

use super::cost::{CostModel, ModelIndex, Share};

/// Weight of a wave in a model's ratio, once there were many. Guessed.
const WEIGHT: f64 = 1.0 / 20.0;
/// Ratio from which on a model is suspected, and straggles by its own waves. Guessed: above what a busy host does for a while.
const FAR: f64 = 2.5;
/// Ratio below which a straggler is sound again: well below [`FAR`], so that it does not go back and forth. Guessed.
const SOUND: f64 = 1.5;
/// A wave counts for no more than so many times the ratio so far, so that one stall is not enough. Guessed.
const MOST: f64 = 8.0;
/// Waves of its own by which a suspect is judged. Guessed.
const TRIAL: u32 = 8;

/// Who may learn from a measured time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Verdict {
    /// The arms that ran.
    Arms,
    /// The model alone: it straggles.
    Model,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Sound,
    Suspect,
    Straggler,
}

#[derive(Clone, Copy, Debug)]
struct Model {
    standing: Standing,
    /// Measured time over that of a sound model, of late.
    ratio: f64,
    /// Waves that it rests on.
    waves: u32,
}

impl Default for Model {
    fn default() -> Self {
        Model { standing: Standing::Sound, ratio: 1.0, waves: TRIAL }
    }
}

#[derive(Debug, Default)]
pub(super) struct Stragglers {
    models: Vec<Model>,
    /// Models of what was measured last.
    members: Vec<ModelIndex>,
    /// Whether the last submission came without timestamps.
    untimed: bool,
    present: u64,
    ever: u64,
}

impl Stragglers {
    fn model(&self, model: ModelIndex) -> Model {
        self.models.get(model.index()).copied().unwrap_or_default()
    }

    /// Whether a model keeps to waves of its own.
    pub(super) fn apart(&self, model: ModelIndex) -> bool {
        self.model(model).standing != Standing::Sound
    }

    /// Whether a model was found to take far longer than others.
    pub(super) fn straggles(&self, model: ModelIndex) -> bool {
        self.model(model).standing == Standing::Straggler
    }

    /// Whether lanes of two models may share a wave.
    pub(super) fn may_share(&self, a: ModelIndex, b: ModelIndex) -> bool {
        a == b || !(self.apart(a) || self.apart(b))
    }

    /// Whether a model that keeps apart needs submissions of its own for that.
    pub(super) fn untimed(&self) -> bool {
        self.untimed
    }

    /// Notes whether waves are timed, or only submissions.
    pub(super) fn note_timed(&mut self, timed: bool) {
        self.untimed = !timed;
    }

    /// Stragglers at present, and how often a model became one.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.present, self.ever)
    }

    /// Forgets a model that is gone.
    pub(super) fn forget(&mut self, model: ModelIndex) {
        self.present -= u64::from(self.straggles(model));
        if let Some(model) = self.models.get_mut(model.index()) {
            *model = Model::default();
        }
    }

    /// Judges the models of so many waves, by the time that they took in all.
    pub(super) fn judge(
        &mut self,
        shares: &[Share],
        waves: u32,
        (predicted, measured): (f64, f64),
        cost: &mut CostModel,
    ) -> Verdict {
        self.members.clear();
        for share in shares {
            if !self.members.contains(&share.model) {
                self.members.push(share.model);
            }
        }
        // Where nothing was measured yet, it is the estimate that is off.
        if !shares.iter().all(|share| cost.is_known(share)) || predicted <= 0.0 {
            return Verdict::Arms;
        }
        let own = self.members.len() == 1;
        let mut verdict = Verdict::Arms;
        for index in self.members.drain(..) {
            if self.models.len() <= index.index() {
                self.models.resize(index.index() + 1, Model::default());
            }
            // The first number is no model's.
            let models = self.models.len() as u64 - 1;
            let model = &mut self.models[index.index()];
            if !own && model.standing != Standing::Sound {
                continue;
            }
            let ratio = (measured / predicted * cost.factor(index)).min(MOST * model.ratio);
            model.waves = model.waves.saturating_add(waves);
            let weight = WEIGHT.max(1.0 / f64::from(model.waves.max(1))) * f64::from(waves);
            model.ratio += (ratio - model.ratio) * weight.min(1.0);
            match model.standing {
                Standing::Sound if model.ratio >= FAR => {
                    *model = Model { standing: Standing::Suspect, ratio: 1.0, waves: 0 }
                }
                // If most would straggle it is the device that is slower.
                Standing::Suspect if model.waves >= TRIAL && model.ratio >= FAR && 2 * (self.present + 1) <= models => {
                    model.standing = Standing::Straggler;
                    (self.present, self.ever) = (self.present + 1, self.ever + 1);
                }
                Standing::Suspect if model.waves >= TRIAL => *model = Model::default(),
                Standing::Straggler if model.ratio < SOUND => {
                    *model = Model::default();
                    cost.set_factor(index, 1.0);
                    self.present -= 1;
                }
                _ => {}
            }
            if model.standing == Standing::Straggler {
                cost.set_factor(index, model.ratio.max(1.0));
                verdict = Verdict::Model;
            }
        }
        verdict
    }
}
