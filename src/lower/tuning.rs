//! What was measured of tiles on an adapter: which size, and how many parts of the depth, products and convolutions of some size
//! should take, by how much of the device they have.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::size::Size;

/// A kernel whose work is divided into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tiled {
    /// `matmul_tile`.
    Product,
    /// `matmul_row`.
    Row,
    /// `conv_tile`.
    Conv,
}

impl Tiled {
    /// All of them.
    pub const ALL: [Tiled; 3] = [Tiled::Product, Tiled::Row, Tiled::Conv];

    /// What it is called in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Tiled::Product => "product",
            Tiled::Row => "row",
            Tiled::Conv => "conv",
        }
    }
}

/// How much of the device a dispatch has while it runs: all of it, or a part, beside the lanes of other requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// All of it.
    #[default]
    Whole,
    /// A half.
    Half,
    /// A quarter.
    Quarter,
    /// An eighth.
    Eighth,
}

impl Share {
    /// All of them, the largest first.
    pub const ALL: [Share; 4] = [Share::Whole, Share::Half, Share::Quarter, Share::Eighth];

    /// How many of its size the device has: 1, 2, 4 or 8.
    pub fn divisor(self) -> usize {
        match self {
            Share::Whole => 1,
            Share::Half => 2,
            Share::Quarter => 4,
            Share::Eighth => 8,
        }
    }
}

/// A way to divide the results of a product or a convolution among workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Choice {
    /// Rows and columns of a tile: [`Choice::SMALL`] or [`Choice::LARGE`].
    pub side: usize,
    /// Parts of the depth: 1, 2, 4 or 8.
    pub parts: usize,
}

impl Choice {
    /// Rows and columns of a tile: 4 x 4 results for each invocation.
    pub const SMALL: usize = 32;
    /// Rows and columns of a large tile: 8 x 8 results for each invocation.
    pub const LARGE: usize = 64;
    /// Most parts of a depth.
    pub const PARTS: usize = 8;
    /// Small tiles of the whole depth: what every grid can be divided into.
    pub const PLAIN: Choice = Choice { side: Choice::SMALL, parts: 1 };

    /// All of them, the plain one first.
    pub fn all() -> impl Iterator<Item = Choice> {
        let parts =
            || std::iter::successors(Some(1), |parts| Some(parts * 2)).take_while(|&parts| parts <= Choice::PARTS);
        [Choice::SMALL, Choice::LARGE]
            .into_iter()
            .flat_map(move |side| parts().map(move |parts| Choice { side, parts }))
    }
}

/// How long a choice took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timed {
    /// What was measured.
    pub choice: Choice,
    /// Nanoseconds of as many dispatches beside each other as the device has shares.
    pub nanos: u64,
}

/// What was measured at a number of tiles, the best first.
type Ranked = Vec<Timed>;

/// Measured choices, by kernel, share, depth and number of small tiles. Sizes in between are served by the nearest that was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TileTable {
    points: BTreeMap<(Tiled, Share), BTreeMap<u32, BTreeMap<u32, Ranked>>>,
}

impl TileTable {
    /// Choices this much slower than the fastest count as equal to it, in percent: times differ by as much from run to run.
    const ALIKE: u64 = 3;

    /// Ranks what was measured at so many small tiles of that depth, in place of what was there. Of choices that are as good as the fastest
    /// the one with the fewest parts is the best: it takes no second dispatch and no memory for sums. Gives the best.
    pub fn insert(&mut self, kernel: Tiled, share: Share, [depth, tiles]: [u32; 2], mut timed: Vec<Timed>) -> Choice {
        let fastest = timed.iter().map(|timed| timed.nanos).min().unwrap_or(0);
        let alike = fastest.saturating_add(fastest / 100 * Self::ALIKE);
        timed.sort_by_key(|timed| match timed.nanos <= alike {
            true => (0, timed.choice.parts, timed.nanos),
            false => (1, 0, timed.nanos),
        });
        let best = timed.first().map_or(Choice::PLAIN, |timed| timed.choice);
        self.points.entry((kernel, share)).or_default().entry(depth).or_default().insert(tiles, timed);
        best
    }

    /// What was measured: kernel, share, depth and small tiles, choices with the best first.
    pub fn iter(&self) -> impl Iterator<Item = (Tiled, Share, [u32; 2], &[Timed])> {
        self.points.iter().flat_map(|(&(kernel, share), depths)| {
            depths.iter().flat_map(move |(&depth, tiles)| {
                tiles.iter().map(move |(&tiles, ranked)| (kernel, share, [depth, tiles], ranked.as_slice()))
            })
        })
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The best choice of those that `fits` allows; `None` beyond the sizes that were measured. It leaves guards only where another choice begins.
    fn best(
        &self,
        kernel: Tiled,
        share: Share,
        [depth, tiles]: [Size; 2],
        fits: impl Fn(Choice) -> bool,
    ) -> Option<Choice> {
        let depths = self.points.get(&(kernel, share))?;
        let ranked = nearest(depths.iter().map(|(&at, ranked)| (at, ranked)), depth)?;
        let best = |ranked: &Ranked| ranked.iter().map(|timed| timed.choice).find(|&choice| fits(choice));
        nearest(ranked.iter().map(|(&at, ranked)| (at, best(ranked))), tiles)?
    }
}

/// What stands at the point nearest to `size`, by ratio; `None` where it is less than half of the first or more than twice the last.
fn nearest<T: PartialEq>(points: impl Iterator<Item = (u32, T)>, size: Size) -> Option<T> {
    let mut points = points.peekable();
    if size * 2 < points.peek()?.0 as usize {
        return None;
    }
    while let Some((at, what)) = points.next() {
        match points.peek() {
            Some((_, next)) if *next == what => {}
            Some(&(next, _)) if size >= between(at, next) => {}
            Some(_) => return Some(what),
            None => return (size <= 2 * at as usize).then_some(what),
        }
    }
    None
}

/// The first size that is nearer to `next` than to `at`.
fn between(at: u32, next: u32) -> usize {
    let product = u64::from(at) * u64::from(next);
    let root = product.isqrt();
    (root + u64::from(root * root < product)) as usize
}

/// The table that plans are made by, and the share that they reckon with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tuning {
    table: Option<Arc<TileTable>>,
    share: Share,
}

impl Tuning {
    /// Nothing was measured.
    pub const NONE: Tuning = Tuning { table: None, share: Share::Whole };

    /// Plans that reckon with `share` of the device. Where the table says nothing, the rule of `ops/tiles.rs` decides.
    pub fn new(table: Arc<TileTable>, share: Share) -> Self {
        Tuning { table: Some(table), share }
    }

    /// A tuning by which everything of about that size is divided in that way.
    pub fn only(kernel: Tiled, at: [u32; 2], choice: Choice) -> Self {
        let mut table = TileTable::default();
        table.insert(kernel, Share::Whole, at, vec![Timed { choice, nanos: 0 }]);
        Tuning { table: Some(Arc::new(table)), share: Share::Whole }
    }

    /// What was measured to be best for results of so many small tiles and that depth, of what `fits` allows.
    pub fn best(&self, kernel: Tiled, sizes: [Size; 2], fits: impl Fn(Choice) -> bool) -> Option<Choice> {
        self.table.as_ref()?.best(kernel, self.share, sizes, fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: Choice = Choice { side: 32, parts: 4 };
    const LARGE: Choice = Choice { side: 64, parts: 1 };

    fn timed<const N: usize>(list: [(Choice, u64); N]) -> Vec<Timed> {
        list.map(|(choice, nanos)| Timed { choice, nanos }).into()
    }

    #[test]
    fn the_nearest_point_counts_and_nothing_beyond() {
        let mut table = TileTable::default();
        table.insert(Tiled::Product, Share::Whole, [256, 4], timed([(PARTS, 10), (Choice::PLAIN, 20)]));
        table.insert(Tiled::Product, Share::Whole, [256, 16], timed([(Choice::PLAIN, 20), (PARTS, 30)]));
        table.insert(Tiled::Product, Share::Whole, [256, 32], timed([(LARGE, 20), (Choice::PLAIN, 30)]));
        table.insert(Tiled::Product, Share::Whole, [1024, 4], timed([(Choice::PLAIN, 20)]));
        let at = |kernel, share, depth: usize, tiles: usize| {
            table.best(kernel, share, [depth, tiles].map(Size::from), |_| true)
        };
        let whole = |depth, tiles| at(Tiled::Product, Share::Whole, depth, tiles);
        for (tiles, choice) in [
            (1, None),
            (2, Some(PARTS)),
            (4, Some(PARTS)),
            (7, Some(PARTS)),
            (8, Some(Choice::PLAIN)),
            (22, Some(Choice::PLAIN)),
            (23, Some(LARGE)),
            (64, Some(LARGE)),
            (65, None),
        ] {
            assert_eq!(whole(256, tiles), choice, "{tiles}");
        }
        for (depth, choice) in [
            (127, None),
            (128, Some(PARTS)),
            (511, Some(PARTS)),
            (512, Some(Choice::PLAIN)),
            (2048, Some(Choice::PLAIN)),
            (2049, None),
        ] {
            assert_eq!(whole(depth, 4), choice, "{depth}");
        }
        assert_eq!(at(Tiled::Conv, Share::Whole, 256, 4), None);
        assert_eq!(at(Tiled::Product, Share::Half, 256, 4), None);
        let plain = |choice: Choice| choice == Choice::PLAIN;
        assert_eq!(table.best(Tiled::Product, Share::Whole, [256, 4].map(Size::from), plain), Some(Choice::PLAIN));
        assert_eq!(table.best(Tiled::Product, Share::Whole, [256, 4].map(Size::from), |_| false), None);
    }

    #[test]
    fn of_choices_that_are_as_good_the_simplest_is_the_best() {
        let mut table = TileTable::default();
        table.insert(
            Tiled::Conv,
            Share::Half,
            [64, 1],
            timed([(PARTS, 1_000), (LARGE, 1_040), (Choice::PLAIN, 1_030)]),
        );
        let (.., ranked) = table.iter().next().unwrap();
        assert_eq!(ranked, timed([(Choice::PLAIN, 1_030), (PARTS, 1_000), (LARGE, 1_040)]));
    }
}
