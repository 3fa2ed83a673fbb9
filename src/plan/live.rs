//! How little memory a plan's tensors could do with: the most bytes that hold something at once that is read later.

use std::collections::BTreeSet;

use crate::kernel::Access;

use super::{Location, Operand, Plan, Source};

/// A use of a stretch of request memory.
#[derive(Clone, Copy, Debug)]
struct Use {
    region: u16,
    start: u64,
    end: u64,
    /// 0 before the first dispatch, then one a dispatch, and one more after the last.
    at: usize,
    writes: bool,
}

/// The largest sum of live bytes over a plan's dispatches, in their order. A byte is live from where it is first written, or from the
/// start, to where it is last read before it is written for something else.
///
/// [`Plan::regions`] take at least so much together: besides, a tensor lies in one piece, and dispatches that could run at once are
/// kept from waiting for each other.
pub fn live_bytes(plan: &Plan) -> u64 {
    let uses = uses(plan);
    let last = plan.dispatches.len() + 1;
    let mut cuts: BTreeSet<(u16, u64)> = uses.iter().map(|one| (one.region, one.start)).collect();
    cuts.extend(uses.iter().map(|one| (one.region, one.end)));
    let cuts: Vec<(u16, u64)> = cuts.into_iter().collect();
    // By stretch between two cuts: its uses in the dispatches' order.
    let mut stretches: Vec<Vec<(usize, bool)>> = vec![Vec::new(); cuts.len()];
    for one in &uses {
        let from = cuts.partition_point(|&cut| cut < (one.region, one.start));
        let to = cuts.partition_point(|&cut| cut < (one.region, one.end));
        for stretch in &mut stretches[from..to] {
            stretch.push((one.at, one.writes));
        }
    }
    // What begins and what ends with each dispatch.
    let mut change = vec![0i128; last + 2];
    for (pair, stretch) in cuts.windows(2).zip(&mut stretches) {
        let bytes = i128::from(pair[1].1.saturating_sub(pair[0].1));
        // A dispatch reads before it writes.
        stretch.sort_unstable();
        for (from, to) in lives(stretch) {
            change[from] += bytes;
            change[to + 1] -= bytes;
        }
    }
    let live = change.iter().scan(0i128, |live, change| {
        *live += change;
        Some(*live)
    });
    u64::try_from(live.max().unwrap_or(0)).unwrap_or(u64::MAX)
}

fn uses(plan: &Plan) -> Vec<Use> {
    let mut uses = Vec::new();
    let mut push = |operand: &Operand, at, writes| {
        if let Location::Activation { region, offset } = operand.location {
            uses.push(Use { region, start: offset, end: offset + operand.bytes, at, writes });
        }
    };
    plan.inputs.iter().filter_map(|input| input.operand.as_ref()).for_each(|operand| push(operand, 0, true));
    plan.constants.iter().for_each(|(operand, _)| push(operand, 0, true));
    for (index, dispatch) in plan.dispatches.iter().enumerate() {
        for (operand, binding) in dispatch.operands.iter().zip(&dispatch.variant.kernel().bindings) {
            push(operand, index + 1, binding.access == Access::ReadWrite);
        }
    }
    if let Some(checks) = &plan.checks {
        push(&checks.report, 0, true);
        push(&checks.report, plan.dispatches.len() + 1, false);
    }
    for output in &plan.outputs {
        if let Source::Device(operand) = &output.source {
            push(operand, plan.dispatches.len() + 1, false);
        }
    }
    uses
}

/// From where to where something is live that is used so. Writes without a read between them fill one tensor.
fn lives(uses: &[(usize, bool)]) -> impl Iterator<Item = (usize, usize)> {
    let begins = |k: &usize| *k == 0 || uses[*k].1 && !uses[k - 1].1;
    let starts: Vec<usize> = (0..uses.len()).filter(begins).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([uses.len()]).collect();
    starts.into_iter().zip(ends).map(|(from, to)| (uses[from].0, uses[to - 1].0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_goes_from_the_first_write_to_the_last_read() {
        let of = |uses: &[(usize, bool)]| lives(uses).collect::<Vec<_>>();
        assert_eq!(of(&[]), []);
        // An input, read twice, then another tensor in its place that two dispatches write.
        let (write, read) = (true, false);
        assert_eq!(of(&[(0, write), (1, read), (3, read), (4, write), (5, write), (7, read)]), [(0, 3), (4, 7)]);
        // What nobody reads is live where it is written.
        assert_eq!(of(&[(2, write)]), [(2, 2)]);
        // In place: read and written by one dispatch.
        assert_eq!(of(&[(1, write), (2, read), (2, write), (3, read)]), [(1, 2), (2, 3)]);
    }
}
