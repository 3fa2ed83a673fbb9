//! Choosing the next token.

use crate::decoder::likeliest;
use crate::inputs::Random;

/// How the next token is chosen.
pub(crate) enum Sampler {
    /// The likeliest; of equals the first.
    Greedy,
    /// Among the likeliest whose probabilities reach `top_p` together.
    TopP { temperature: f64, top_p: f64, random: Random },
}

impl Sampler {
    /// A temperature of 0 is greedy.
    pub(crate) fn new(temperature: f64, top_p: f64, seed: u64) -> Self {
        if temperature == 0.0 {
            return Sampler::Greedy;
        }
        Sampler::TopP { temperature, top_p, random: Random::new(seed) }
    }

    /// The index of the token. What is no number is never chosen, unless there is nothing else.
    pub(crate) fn choose(&mut self, logits: &[f32]) -> u32 {
        let Sampler::TopP { temperature, top_p, random } = self else { return likeliest(logits) };
        let logit = |at: u32| f64::from(logits[at as usize]);
        let numbers = (0..logits.len() as u32).filter(|&at| !logit(at).is_nan());
        let mut order: Vec<u32> = numbers.collect();
        // Stable, so that of equals the first comes first.
        order.sort_by(|&a, &b| logit(b).total_cmp(&logit(a)));
        let Some(&first) = order.first() else { return 0 };
        // An infinite logit leaves no others.
        let weight = |at: u32| if at == first { 1.0 } else { ((logit(at) - logit(first)) / *temperature).exp() };
        let total: f64 = order.iter().map(|&at| weight(at)).sum();
        let before = order.iter().scan(0.0, |sum, &at| {
            *sum += weight(at);
            Some(*sum - weight(at))
        });
        let count = before.take_while(|before| *before < *top_p * total).count().max(1);
        let sum: f64 = order[..count].iter().map(|&at| weight(at)).sum();
        let mut left = random.unit() * sum;
        for &at in &order[..count] {
            left -= weight(at);
            if left < 0.0 {
                return at;
            }
        }
        order[count - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_first_of_the_likeliest() {
        let mut greedy = Sampler::new(0.0, 0.9, 0);
        assert_eq!(greedy.choose(&[0.0, 3.0, -1.0, 3.0]), 1);
        assert_eq!(greedy.choose(&[f32::NAN, f32::NEG_INFINITY, -5.0]), 2);
        assert_eq!(greedy.choose(&[f32::NAN]), 0);
    }

    #[test]
    fn top_p_draws_by_probability_among_the_likeliest() {
        // Probabilities 0.5, 0.25, 0.125, 0.125.
        let logits = [0.5f32, 0.25, 0.125, 0.125].map(f32::ln);
        let count = |top_p: f64, seed: u64| {
            let mut sampler = Sampler::new(1.0, top_p, seed);
            let mut counts = [0u32; 4];
            (0..4_000).for_each(|_| counts[sampler.choose(&logits) as usize] += 1);
            counts
        };
        let all = count(1.0, 7);
        for (count, expected) in all.iter().zip([2_000.0f64, 1_000.0, 500.0, 500.0]) {
            assert!((f64::from(*count) - expected).abs() < 5.0 * expected.sqrt(), "{all:?}");
        }
        let some = count(0.7, 7);
        assert!(some[0] > 2_400 && some[1] > 1_100 && some[2..] == [0, 0], "{some:?}");
        assert_eq!(count(0.0, 7), [4_000, 0, 0, 0]);
        assert_eq!(count(1.0, 3), count(1.0, 3));
        assert_ne!(count(1.0, 3), count(1.0, 4));
        let mut cold = Sampler::new(0.01, 1.0, 1);
        assert!((0..100).all(|_| cold.choose(&logits) == 0));
        assert_eq!(cold.choose(&[0.0, f32::INFINITY, f32::INFINITY]), 1);
    }
}
