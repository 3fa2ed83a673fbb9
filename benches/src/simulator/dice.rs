//! Random numbers: xoshiro256++ (Blackman and Vigna), seeded by splitmix64, and the distributions that arrivals need.

#[derive(Clone, Debug)]
pub(super) struct Dice([u64; 4]);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        Dice(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in (0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Of mean 1.
    pub(super) fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }

    /// Of mean 0 and variance 1 (Box and Muller).
    pub(super) fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Of median 1, with the given standard deviation of the logarithm.
    pub(super) fn log_normal(&mut self, sigma: f64) -> f64 {
        if sigma > 0.0 { (sigma * self.normal()).exp() } else { 1.0 }
    }

    /// Of mean 1 and the given coefficient of variation (Marsaglia and Tsang).
    pub(super) fn gamma(&mut self, cv: f64) -> f64 {
        let shape = 1.0 / (cv * cv).max(1e-6);
        if shape < 1.0 {
            let boost = self.unit().powf(1.0 / shape);
            return self.gamma_from_one(shape + 1.0) * boost / shape;
        }
        self.gamma_from_one(shape) / shape
    }

    fn gamma_from_one(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(mut sample: impl FnMut() -> f64) -> (f64, f64) {
        let n = 200_000;
        let values: Vec<f64> = (0..n).map(|_| sample()).collect();
        let mean = values.iter().sum::<f64>() / f64::from(n);
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / f64::from(n);
        (mean, variance.sqrt() / mean)
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut dice = Dice::new(1);
        let (mean, cv) = moments(|| dice.exponential());
        assert!((mean - 1.0).abs() < 0.02 && (cv - 1.0).abs() < 0.02, "exponential {mean} {cv}");
        for expected in [0.5, 1.0, 2.0, 4.0] {
            let (mean, cv) = moments(|| dice.gamma(expected));
            assert!((mean - 1.0).abs() < 0.05 && (cv / expected - 1.0).abs() < 0.05, "gamma {expected}: {mean} {cv}");
        }
        let (mean, _) = moments(|| dice.log_normal(0.5));
        assert!((mean - (0.125f64).exp()).abs() < 0.02, "log-normal {mean}");
    }
}
