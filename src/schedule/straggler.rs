//! Models that take far longer than predicted, so that others need not pay for them.
//!
//! Of each model the ratio of measured to predicted time is kept, of late, over the bundles that it had a lane in. Where it is high
//! the model is a *suspect*, as is whoever shared those bundles, and keeps to bundles of its own for a while. These clear it, or show it
//! to be a *straggler*: it then goes behind all others in submissions of its own (`parts`, `lead`), and what it takes longer is a
//! factor of its model, not of the kernels that others share, until its own bundles take about as long as others' would.
//!
//! Without timestamps the submission takes the bundle's place, and models that keep apart get submissions of their own.

use super::cost::{CostModel, ModelIndex, Share};

/// Weight of a bundle in a model's ratio, once there were many. Guessed.
const WEIGHT: f64 = 1.0 / 20.0;
/// Ratio from which on a model is suspected, and straggles by its own bundles. Guessed: above what a busy host does for a while.
const FAR: f64 = 2.5;
/// Ratio below which a straggler is sound again: well below [`FAR`], so that it does not go back and forth. Guessed.
const SOUND: f64 = 1.5;
/// A bundle counts for no more than so many times the ratio so far, so that one stall is not enough. Guessed.
const MOST: f64 = 8.0;
/// Bundles of its own by which a suspect is judged. Guessed.
const TRIAL: u32 = 8;

/// Who may learn from a measured time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Verdict {
    /// The kernels that ran.
    Kernels,
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
struct Conduct {
    standing: Standing,
    /// Measured time over that of a sound model, of late.
    ratio: f64,
    /// Bundles that it rests on.
    bundles: u32,
}

impl Default for Conduct {
    fn default() -> Self {
        Conduct { standing: Standing::Sound, ratio: 1.0, bundles: TRIAL }
    }
}

#[derive(Debug, Default)]
pub(super) struct Stragglers {
    models: Vec<Conduct>,
    /// Models of what was measured last.
    members: Vec<ModelIndex>,
    /// Whether the last submission came without timestamps.
    untimed: bool,
    present: u64,
    ever: u64,
}

impl Stragglers {
    fn model(&self, model: ModelIndex) -> Conduct {
        self.models.get(model.index()).copied().unwrap_or_default()
    }

    /// Whether a model keeps to bundles of its own.
    pub(super) fn apart(&self, model: ModelIndex) -> bool {
        self.model(model).standing != Standing::Sound
    }

    /// Whether a model was found to take far longer than others.
    pub(super) fn straggles(&self, model: ModelIndex) -> bool {
        self.model(model).standing == Standing::Straggler
    }

    /// Whether lanes of two models may share a bundle.
    pub(super) fn may_share(&self, a: ModelIndex, b: ModelIndex) -> bool {
        a == b || !(self.apart(a) || self.apart(b))
    }

    /// Whether a model that keeps apart needs submissions of its own for that.
    pub(super) fn untimed(&self) -> bool {
        self.untimed
    }

    /// Notes whether bundles are timed, or only submissions.
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
            *model = Conduct::default();
        }
    }

    /// Judges the models of so many bundles, by the time that they took in all.
    pub(super) fn judge(
        &mut self,
        shares: &[Share],
        bundles: u32,
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
            return Verdict::Kernels;
        }
        let own = self.members.len() == 1;
        let mut verdict = Verdict::Kernels;
        for index in self.members.drain(..) {
            if self.models.len() <= index.index() {
                self.models.resize(index.index() + 1, Conduct::default());
            }
            // The first number is no model's.
            let models = self.models.len() as u64 - 1;
            let model = &mut self.models[index.index()];
            if !own && model.standing != Standing::Sound {
                continue;
            }
            let ratio = (measured / predicted * cost.factor(index)).min(MOST * model.ratio);
            model.bundles = model.bundles.saturating_add(bundles);
            let weight = WEIGHT.max(1.0 / f64::from(model.bundles.max(1))) * f64::from(bundles);
            model.ratio += (ratio - model.ratio) * weight.min(1.0);
            match model.standing {
                Standing::Sound if model.ratio >= FAR => {
                    *model = Conduct { standing: Standing::Suspect, ratio: 1.0, bundles: 0 }
                }
                // If most would straggle it is the device that is slower.
                Standing::Suspect
                    if model.bundles >= TRIAL && model.ratio >= FAR && 2 * (self.present + 1) <= models =>
                {
                    model.standing = Standing::Straggler;
                    (self.present, self.ever) = (self.present + 1, self.ever + 1);
                }
                Standing::Suspect if model.bundles >= TRIAL => *model = Conduct::default(),
                Standing::Straggler if model.ratio < SOUND => {
                    *model = Conduct::default();
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
