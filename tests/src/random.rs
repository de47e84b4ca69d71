//! Chance that can be repeated: the seed is all there is to it.

/// A stream of numbers (xorshift64*).
#[derive(Clone, Debug)]
pub struct Random(u64);

// === impl Random ===

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// The seed in `ENFORCER_SEED`, or the one that every run uses.
    pub fn of_test() -> Self {
        let given = std::env::var("ENFORCER_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or(0x0065_6e66_6f72_6365);
        println!("ENFORCER_SEED={seed}");
        Self::new(seed)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16;
        usize::try_from(mixed).unwrap_or(usize::MAX) % limit
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or(0)
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}
