//! Random numbers that are the same on every machine (splitmix64).
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn range(&mut self, low: u32, high: u32) -> u32 {
        low + (self.next() % u64::from(high - low + 1)) as u32
    }

    /// A float in [-4, 4) with few bits.
    pub fn float(&mut self) -> f32 {
        (self.next() % 8192) as f32 / 1024.0 - 4.0
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.range(0, i as u32) as usize);
        }
    }
}

/// How many random cases a property test runs.
pub fn cases() -> u64 {
    std::env::var("FASCINE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}
