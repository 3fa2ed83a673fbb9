//! What is measured: models of one node.

use super::{Effort, Share, Tiled};
use crate::error::Result;
use crate::graph::builder::GraphBuilder;
use crate::graph::{Attr, Graph};
use crate::lower::tuning::Choice;
use crate::tensor::{DType, Tensor};

const SMALL: usize = Choice::SMALL;
/// Sides of a convolution's window.
const WINDOW: usize = 3;
/// The most small tiles over the workgroups that the device runs at a time, all copies together. Beyond, large tiles fill it by any rule.
pub(super) const MOST: usize = 4;

/// The most bytes of all copies' weights, inputs and results.
const MOST_BYTES: usize = 512 << 20;

/// A product or a convolution with constant weights.
pub(super) struct Case {
    pub(super) kernel: Tiled,
    /// Rows and columns; channels and pixels of a convolution.
    pub(super) results: [usize; 2],
    pub(super) depth: usize,
    /// Small tiles.
    pub(super) tiles: usize,
}

/// All cases for a device, from small to large, each with the shares for which it is of interest, the largest share first.
pub(super) fn all(parallelism: u32, effort: Effort) -> Vec<(Case, Vec<Share>)> {
    let most = MOST * parallelism.max(1) as usize;
    let mut cases = Vec::new();
    for log in (0..=most.ilog2() as usize).step_by(effort.step()) {
        let tiles = 1 << log;
        for kernel in Tiled::ALL {
            for &depth in depths(kernel, effort) {
                let results = match kernel {
                    Tiled::Row => [1, SMALL * tiles],
                    Tiled::Product | Tiled::Conv => [SMALL << (log / 2), SMALL << log.div_ceil(2)],
                };
                let case = Case { kernel, results, depth, tiles };
                let fits = |n: usize| tiles * n <= most && case.bytes() * n <= MOST_BYTES;
                let shares: Vec<Share> = Share::ALL.into_iter().filter(|share| fits(share.divisor())).collect();
                if !shares.is_empty() {
                    cases.push((case, shares));
                }
            }
        }
    }
    cases
}

/// Each serves those nearest to it, and the outermost down to a half and up to twice of theirs.
fn depths(kernel: Tiled, effort: Effort) -> &'static [usize] {
    match (kernel, effort) {
        (Tiled::Product, Effort::Full) => &[64, 256, 1024, 4096],
        (Tiled::Product, Effort::Short) => &[256, 2048],
        (Tiled::Row, Effort::Full) => &[256, 1024, 4096],
        (Tiled::Row, Effort::Short) => &[512, 2048],
        // Of 16, 64, 256 and 512 channels.
        (Tiled::Conv, Effort::Full) => &[144, 576, 2304, 4608],
        (Tiled::Conv, Effort::Short) => &[288, 2304],
    }
}

impl Case {
    /// Of weights, input and results.
    fn bytes(&self) -> usize {
        let [rows, columns] = self.results;
        let input = match self.kernel {
            Tiled::Conv => self.depth / (WINDOW * WINDOW) * columns,
            Tiled::Product | Tiled::Row => self.depth * columns,
        };
        4 * (rows * self.depth + input + rows * columns)
    }

    /// The model, its input and the input's shape.
    pub(super) fn model(&self) -> Result<(Graph, Tensor)> {
        let [rows, columns] = self.results;
        let depth = self.depth;
        let mut graph = GraphBuilder::new(17);
        let (input, weights, attrs, op) = match self.kernel {
            Tiled::Product | Tiled::Row => (vec![rows, depth], vec![depth, columns], Vec::new(), "MatMul"),
            Tiled::Conv => {
                let (channels, log) = (depth / WINDOW / WINDOW, columns.ilog2());
                let (height, width) = (1 << (log / 2), 1 << log.div_ceil(2));
                let pads = ("pads", Attr::Ints(vec![1; 4]));
                (vec![1, channels, height, width], vec![rows, channels, WINDOW, WINDOW], vec![pads], "Conv")
            }
        };
        let dims: Vec<String> = input.iter().map(usize::to_string).collect();
        let x = graph.input("x", DType::F32, dims.iter().map(String::as_str));
        let w = graph.constant(numbers(&weights, 1)?);
        let y = graph.node(op, [x, w], attrs);
        Ok((graph.finish([y]), numbers(&input, 2)?))
    }
}

/// Numbers between -1 and 1.
fn numbers(shape: &[usize], seed: u32) -> Result<Tensor> {
    let mut state = seed;
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    Tensor::new(shape, (0..shape.iter().product()).map(|_| number()).collect::<Vec<f32>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_has_the_tiles_that_it_says() {
        for (case, shares) in all(4, Effort::Full) {
            let [rows, columns] = case.results;
            assert_eq!(rows.div_ceil(SMALL) * columns.div_ceil(SMALL), case.tiles);
            assert!(shares.contains(&Share::Whole) && case.tiles <= 16);
            assert_eq!(shares.contains(&Share::Eighth), case.tiles <= 2);
            let (graph, input) = case.model().unwrap();
            assert_eq!(graph.nodes.len(), 1);
            if case.kernel == Tiled::Conv {
                let [1, channels, height, width] = input.shape()[..] else { panic!("an image") };
                assert_eq!((channels * 9, height * width), (case.depth, columns));
            }
        }
        assert_eq!(all(1, Effort::Short).len(), 2 * 2 * 3);
        // On large devices memory bounds them.
        let large = all(1 << 14, Effort::Full);
        assert!(large.iter().all(|(case, shares)| case.bytes() * shares[shares.len() - 1].divisor() <= MOST_BYTES));
        let rows = large.iter().filter(|(case, _)| case.kernel == Tiled::Row).map(|(case, _)| case.tiles);
        assert_eq!(rows.max(), Some(1 << 13));
    }
}
