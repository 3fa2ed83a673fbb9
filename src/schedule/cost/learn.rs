//! Ratios of measured to estimated time: exponentially weighted geometric means.
//!
//! What a bundle is off is laid on its parts by the squares of their times, as if each were uncertain by a part of it: most on what is
//! long. Fixed costs, which every bundle tells of, are held to be settled; what lanes take longer that were thought to be free is laid
//! on them.

use super::{CostKey, CostModel, FIXED, Share};
use crate::schedule::KernelId;

/// Weight of a new measurement. Guessed. The first few weigh more, so that what was estimated is soon forgotten.
const WEIGHT: f64 = 0.15;
/// How many times as long as predicted, or as short, a bundle counts at most, once a ratio is known: one stall does little, and a
/// change that stays is learned in a few bundles. Guessed.
const OFF: f64 = 4.0;
/// The uncertainty of fixed costs beside that of a lane that takes as long, in variance. Guessed.
const SETTLED: f64 = 0.05;
/// A lane is uncertain by this part of a bundle's fixed cost at least. Guessed.
const SMALL: f64 = 0.25;
/// Bundles from which on a ratio counts as measured, and is known. Guessed.
pub(super) const MEASURED: f64 = 1.0;
const KNOWN: f64 = 3.0;
/// Bounds of a ratio.
const RATIO: (f64, f64) = (1e-4, 1e4);
/// Bounds of the ratio of fixed costs, which completion times alone cannot tell from a host that was late.
const FIXED_RATIO: (f64, f64) = (1.0 / 32.0, 32.0);

/// What was learned of a kernel's dispatches of a size class, to be kept from run to run on the same adapter.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Learned {
    /// The kernel; `None` for the fixed costs of bundles and lanes.
    pub kernel: Option<KernelId>,
    /// The size class, of no meaning to the caller.
    pub class: u32,
    /// Measured over estimated time.
    pub ratio: f64,
    /// How much it rests on.
    pub weight: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio {
    pub(super) value: f64,
    /// Shares of bundles that it rests on.
    pub(super) seen: f64,
}

impl Default for Ratio {
    fn default() -> Self {
        Ratio { value: 1.0, seen: 0.0 }
    }
}

impl CostModel {
    /// All that was learned, in a fixed order.
    pub(in crate::schedule) fn learned(&self) -> Vec<Learned> {
        let of = |kernel, class, CostKey(key): CostKey| {
            let Ratio { value, seen, .. } = self.ratios[key as usize];
            Learned { kernel, class, ratio: value, weight: seen }
        };
        let mut all: Vec<_> = self.keys.iter().map(|(&(kernel, class), &key)| of(Some(kernel), class, key)).collect();
        all.push(of(None, 0, FIXED));
        all.sort_by_key(|learned| (learned.kernel, learned.class));
        all
    }

    /// Takes over what was learned before. What makes no sense is left out.
    pub(in crate::schedule) fn teach(&mut self, learned: &[Learned]) {
        for &Learned { kernel, class, ratio, weight } in learned {
            if !ratio.is_finite() || ratio <= 0.0 || !weight.is_finite() || weight < 0.0 {
                continue;
            }
            let key = kernel.map_or(FIXED, |kernel| self.key(kernel, class));
            let (least, most) = bounds(key);
            let value = ratio.clamp(least, most);
            self.ratios[key.0 as usize] = Ratio { value, seen: weight };
        }
    }

    /// Learns from a bundle that took `measured`. Many bundles of a submission rest on the same prediction: what counts is how far
    /// off the present one is, or the same error would be corrected again and again.
    pub(in crate::schedule) fn learn(&mut self, shares: &[Share], measured: f64) {
        let predicted = self.predict(shares);
        if predicted <= 0.0 || !measured.is_finite() || shares.is_empty() {
            return;
        }
        let fixed = self.fixed(shares.len() as u32);
        let mut parts = std::mem::take(&mut self.parts);
        parts.clear();
        parts.push((FIXED, fixed));
        for share in shares {
            let part = share.unit * self.scale(share.key, share.model);
            match parts.iter_mut().rev().find(|(key, _)| *key == share.key) {
                Some((_, sum)) => *sum += part,
                None => parts.push((share.key, part)),
            }
        }
        parts.retain(|&(_, part)| part > 0.0);

        let (error, least) = (measured - predicted, self.fixed(1) * SMALL);
        let doubt = |&(key, part): &(CostKey, f64)| part.max(least).powi(2) * if key == FIXED { SETTLED } else { 1.0 };
        let doubts = parts.iter().map(doubt).sum::<f64>();
        for entry in &parts {
            let (key, part) = *entry;
            let ratio = &mut self.ratios[key.0 as usize];
            let off = 1.0 + error * doubt(entry) / doubts / part;
            let known = key == FIXED || ratio.seen >= KNOWN;
            let weight = if key == FIXED { WEIGHT } else { WEIGHT.max(1.0 / (1.0 + ratio.seen)) };
            let (least, greatest) = bounds(key);
            let most = if known { OFF } else { OFF.powi(4) };
            let off = off.clamp(1.0 / most, most);
            ratio.value = (ratio.value * off.powf(weight)).clamp(least, greatest);
            ratio.seen += part / predicted;
        }
        self.parts = parts;
    }
}

fn bounds(key: CostKey) -> (f64, f64) {
    if key == FIXED { FIXED_RATIO } else { RATIO }
}

#[cfg(test)]
mod tests {
    use super::super::BundleLoad;
    use super::super::tests::{DEVICE, desc};
    use super::*;

    #[test]
    fn learns_what_it_is_told() {
        let mut model = CostModel::new(DEVICE);
        let slow = model.dispatch(&desc(64, 640_000, 0));
        let load = |model: &CostModel| model.load(&slow, 64);
        for _ in 0..60 {
            let load = load(&model);
            model.learn(&[model.share(&slow, load)], 3.0 * 640_110.0);
        }
        let predicted = model.alone(load(&model));
        assert!((predicted / (3.0 * 640_110.0) - 1.0).abs() < 0.02, "{predicted}");
    }

    #[test]
    fn lanes_that_were_thought_to_be_free_are_not() {
        let mut model = CostModel::new(DEVICE);
        let tiny = model.dispatch(&desc(4, 4, 0));
        let bundle = |model: &CostModel, lanes: usize| {
            let load = model.load(&tiny, 4);
            let bundle = (0..lanes).fold(BundleLoad::default(), |bundle, _| model.joined(&bundle, load));
            let mut shares = vec![model.share(&tiny, load); lanes];
            model.close(&bundle, &mut shares);
            (shares, model.bundle(&bundle))
        };
        // The truth: 70 ns, and 60 ns for each lane, of which the static estimate has 110 and 1.
        for round in 0..200 {
            let lanes = 1 + round % 4;
            let (shares, _) = bundle(&model, lanes);
            model.learn(&shares, 70.0 + 60.0 * lanes as f64);
        }
        for lanes in [1, 4] {
            let (_, predicted) = bundle(&model, lanes);
            let truth = 70.0 + 60.0 * lanes as f64;
            assert!((predicted / truth - 1.0).abs() < 0.15, "{lanes}: {predicted} {truth}");
        }
    }

    #[test]
    fn one_prediction_of_many_bundles_is_corrected_once() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(64, 640_000, 0));
        let load = model.load(&cost, 64);
        let share = model.share(&cost, load);
        for _ in 0..60 {
            model.learn(&[share], 200_000.0);
        }
        let predicted = model.alone(model.load(&cost, 64));
        assert!((predicted / 200_000.0 - 1.0).abs() < 0.05, "{predicted}");
        assert!(model.fixed(1) > 20.0, "{}", model.fixed(1));
    }

    #[test]
    fn a_change_that_stays_is_learned_soon() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(64, 640_000, 0));
        let mut learn = |truth: f64, times: usize| {
            for _ in 0..times {
                let load = model.load(&cost, 64);
                model.learn(&[model.share(&cost, load)], truth);
            }
            model.alone(model.load(&cost, 64))
        };
        learn(640_000.0, 200);
        for truth in [2_500_000.0, 160_000.0] {
            let predicted = learn(truth, 20);
            assert!((predicted / truth - 1.0).abs() < 0.2, "{predicted} {truth}");
        }
    }

    #[test]
    fn an_outlier_moves_a_settled_ratio_little() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(64, 640_000, 0));
        let load = model.load(&cost, 64);
        for _ in 0..100 {
            model.learn(&[model.share(&cost, load)], 640_110.0);
        }
        model.learn(&[model.share(&cost, load)], 1e15);
        assert!(model.alone(model.load(&cost, 64)) < 3.0 * 640_110.0);
    }

    #[test]
    fn long_bundles_that_were_badly_predicted_leave_fixed_costs_alone() {
        let mut model = CostModel::new(DEVICE);
        let fixed = model.fixed(1);
        // Kernels seen for the first time take half of their estimates, all but every fourth, which takes twenty times as long.
        for kernel in 0..40 {
            let cost =
                model.dispatch(&crate::schedule::DispatchDesc { kernel: KernelId(kernel), ..desc(64, 6_400, 0) });
            for _ in 0..3 {
                let load = model.load(&cost, 64);
                let factor = if kernel % 4 == 3 { 20.0 } else { 0.5 };
                model.learn(&[model.share(&cost, load)], fixed + 6_400.0 * factor);
            }
        }
        let ratio = model.fixed(1) / fixed;
        assert!((0.5..2.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_stall_at_first_is_soon_forgotten() {
        let mut model = CostModel::new(DEVICE);
        let cost = model.dispatch(&desc(64, 640_000, 0));
        let alone = |model: &CostModel| model.alone(model.load(&cost, 64));
        for measured in [16.0 * 640_110.0, 640_110.0, 640_110.0, 640_110.0] {
            let load = model.load(&cost, 64);
            model.learn(&[model.share(&cost, load)], measured);
        }
        assert!(alone(&model) < 2.5 * 640_110.0, "{}", alone(&model));
    }

    #[test]
    fn what_was_learned_can_be_taken_over() {
        let mut model = CostModel::new(DEVICE);
        let slow = model.dispatch(&desc(64, 640_000, 0));
        for _ in 0..20 {
            let load = model.load(&slow, 64);
            model.learn(&[model.share(&slow, load)], 5e6);
        }
        let mut other = CostModel::new(DEVICE);
        let nonsense = Learned { kernel: None, class: 0, ratio: f64::NAN, weight: 1.0 };
        other.teach(&[model.learned(), vec![nonsense]].concat());
        assert_eq!(other.learned(), model.learned());
        let again = other.dispatch(&desc(64, 640_000, 0));
        assert_eq!(other.alone(other.load(&again, 64)), model.alone(model.load(&slow, 64)));
        assert!(other.is_measured(&again));
    }
}
