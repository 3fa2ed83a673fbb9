//! The virtual device's pipelines: they take time to compile.

use std::collections::VecDeque;

use fascine::schedule::{KernelId, Nanos, Pipelines};

/// A set of kernels, a bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kernels(Vec<u64>);

impl Kernels {
    fn of(kernels: &[KernelId]) -> Self {
        let mut bits = Vec::new();
        for &KernelId(kernel) in kernels {
            let word = kernel as usize / 64;
            if bits.len() <= word {
                bits.resize(word + 1, 0);
            }
            bits[word] |= 1 << (kernel % 64);
        }
        Kernels(bits)
    }

    fn has(&self, KernelId(kernel): KernelId) -> bool {
        self.0.get(kernel as usize / 64).is_some_and(|bits| bits >> (kernel % 64) & 1 == 1)
    }

    fn is_subset(&self, of: &Kernels) -> bool {
        self.0.iter().enumerate().all(|(word, bits)| bits & !of.0.get(word).copied().unwrap_or(0) == 0)
    }
}

/// Pipelines that are compiled one after the other, those of single kernels first.
#[derive(Debug)]
pub(super) struct Compiler {
    /// Those that are no subset of another's kernels.
    ready: Vec<(Kernels, Vec<KernelId>)>,
    waiting: VecDeque<Vec<KernelId>>,
    /// What is being compiled, and when it is done.
    current: Option<(Vec<KernelId>, Nanos)>,
    each: Nanos,
    now: Nanos,
    pub(super) compiled: u64,
    /// When the last was compiled.
    pub(super) compiled_at: Nanos,
    /// How often a set of several kernels was asked for, and how often it was there.
    pub(super) lookups: [u64; 2],
    /// The same since the last was compiled.
    pub(super) settled: [u64; 2],
}

impl Compiler {
    pub(super) fn new(each: Nanos) -> Self {
        Compiler {
            ready: Vec::new(),
            waiting: VecDeque::new(),
            current: None,
            each,
            now: 0,
            compiled: 0,
            compiled_at: 0,
            lookups: [0; 2],
            settled: [0; 2],
        }
    }

    /// When the next compilation ends.
    pub(super) fn next(&self) -> Option<Nanos> {
        self.current.as_ref().map(|(_, at)| *at)
    }

    pub(super) fn advance(&mut self, now: Nanos) {
        self.now = now;
        if let Some((kernels, _)) = self.current.take_if(|(_, at)| *at <= now) {
            let set = Kernels::of(&kernels);
            self.ready.retain(|(older, _)| !older.is_subset(&set));
            self.ready.push((set, kernels));
            self.compiled += 1;
            self.compiled_at = now;
            self.settled = [0; 2];
            self.begin();
        }
    }

    /// Whether each of these has a pipeline.
    pub(super) fn knows(&self, kernels: &[KernelId]) -> bool {
        kernels.iter().all(|&kernel| self.ready.iter().any(|(set, _)| set.has(kernel)))
    }

    /// The kernels of each pipeline that there is.
    pub(super) fn pipelines(self) -> Vec<Vec<KernelId>> {
        self.ready.into_iter().map(|(_, kernels)| kernels).collect()
    }

    /// Loses all that there is and is under way.
    pub(super) fn forget(&mut self) {
        self.ready.clear();
        self.waiting.clear();
        self.current = None;
    }

    fn begin(&mut self) {
        if self.current.is_none() {
            let next = self.waiting.iter().position(|set| set.len() == 1).unwrap_or(0);
            let set = self.waiting.remove(next);
            self.current = set.map(|set| (set.clone(), self.now + self.each * set.len() as Nanos));
        }
    }

    fn is_ready(&self, kernels: &[KernelId]) -> bool {
        self.ready.iter().any(|(set, _)| kernels.iter().all(|&kernel| set.has(kernel)))
    }
}

impl Pipelines for Compiler {
    fn ready(&mut self, kernels: &[KernelId]) -> bool {
        let ready = self.is_ready(kernels);
        if kernels.len() > 1 {
            for lookups in [&mut self.lookups, &mut self.settled] {
                lookups[0] += 1;
                lookups[1] += u64::from(ready);
            }
        }
        ready
    }

    fn want(&mut self, kernels: &[KernelId]) {
        let current = self.current.as_ref().is_some_and(|(set, _)| set == kernels);
        if !current && !self.is_ready(kernels) && !self.waiting.iter().any(|set| set == kernels) {
            self.waiting.push_back(kernels.to_vec());
            self.begin();
        }
    }

    fn compatible(&self, _: KernelId, _: KernelId) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_superset_serves_and_a_loss_leaves_nothing() {
        let mut compiler = Compiler::new(10);
        let kernels = |ids: &[u32]| ids.iter().copied().map(KernelId).collect::<Vec<_>>();
        compiler.want(&kernels(&[1, 70]));
        compiler.want(&kernels(&[3]));
        assert!(!compiler.ready(&kernels(&[1])));
        compiler.advance(20);
        assert!(
            compiler.ready(&kernels(&[70])) && compiler.ready(&kernels(&[1, 70])) && !compiler.knows(&kernels(&[1, 3]))
        );
        compiler.advance(30);
        assert!(compiler.knows(&kernels(&[1, 3])) && !compiler.ready(&kernels(&[1, 3])));
        assert_eq!((compiler.compiled, compiler.lookups), (2, [2, 1]));
        assert_eq!((compiler.compiled_at, compiler.settled), (30, [1, 0]));
        compiler.forget();
        assert!(!compiler.ready(&kernels(&[3])));
    }
}
