//! Rewrites: named rules that turn a graph into an equivalent one with less to do.
//!
//! A rule keeps ONNX's semantics for every input that the graph accepts: it relies on constants and on inferred shapes
//! only where they prove it, and never swallows a value that something else can see. What looks like a rule's pattern and
//! still does not match is reported with the reason.

use crate::graph::prune::prune;
use crate::graph::{Graph, Node};
use crate::ops::{Operators, is_of_forms};

mod attention;
mod batch_norm;
mod bodies;
mod branches;
mod chains;
mod cleanup;
mod duplicates;
mod elementwise;
mod epilogue;
mod expand;
mod fold;
mod gelu;
pub mod infer;
mod integer_scale;
mod join;
mod kinds;
mod loops;
mod matcher;
mod normalise;
pub mod objection;
mod packed_weights;
mod quantised;
mod rotaries;
mod rotary;
mod scaled_moves;
mod scans;
mod sequences;
#[cfg(test)]
mod tests;
mod unflatten;

pub use attention::FuseAttention;
pub use batch_norm::FoldBatchNorm;
pub use branches::{ChooseBranches, take_branches};
pub use chains::{ComposeReshapes, ComposeTransposes, TransposeThroughReshapes};
pub use cleanup::{DropDeadCode, DropIdentities};
pub use duplicates::MergeDuplicates;
pub use elementwise::FuseElementwise;
pub use epilogue::FuseEpilogue;
pub use expand::ExpandOperators;
pub use fold::FoldConstants;
pub use gelu::FuseGelu;
pub use integer_scale::FuseIntegerScale;
pub use join::JoinProducts;
pub use loops::UnrollLoops;
pub(crate) use loops::{Trip, empty as empty_scan, fresh, joined as joined_scans, one_trip};
pub use normalise::{FuseLayerNorm, FuseRmsNorm, FuseSoftmax};
pub use packed_weights::KeepWeightsPacked;
pub use quantised::MultiplyIntegers;
pub use rotaries::JoinRotaries;
pub use rotary::FuseRotary;
pub use scaled_moves::ScaleBeforeMoves;
pub use scans::ScansAsLoops;
pub use sequences::{ResolveSequences, give_forms, resolve_outputs};
pub use unflatten::UnflattenGemm;

/// A rule.
pub trait Rewrite: Sync {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Applies it wherever it matches. `operators` knows the nodes that were parsed before.
    fn apply(&self, graph: &mut Graph, operators: &mut Operators) -> Outcome;
}

/// What one application of a rule did.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How often it fired.
    pub fired: usize,
    /// Where its pattern began and did not match.
    pub skipped: Vec<Skip>,
}

/// A place where a rule did not fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The node's name.
    pub node: String,
    /// Why not.
    pub reason: String,
}

/// What all rules did, in their order.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Per rule its name, how often it fired in all, and where it did not in the last round.
    pub rules: Vec<(&'static str, Outcome)>,
}

/// Every rule, in the order of a round: patterns that exporters decompose are found before their parts are fused.
pub const REWRITES: &[&dyn Rewrite] = &[
    &FoldConstants,
    &DropIdentities,
    &FoldBatchNorm,
    &MultiplyIntegers,
    &FuseIntegerScale,
    &KeepWeightsPacked,
    &ComposeTransposes,
    &TransposeThroughReshapes,
    &ComposeReshapes,
    &UnflattenGemm,
    &FuseGelu,
    &FuseLayerNorm,
    &FuseRmsNorm,
    &FuseSoftmax,
    &FuseRotary,
    &ScaleBeforeMoves,
    &FuseAttention,
    &MergeDuplicates,
    &JoinProducts,
    &JoinRotaries,
    &FuseEpilogue,
    &FuseElementwise,
    &DropDeadCode,
];

/// The rules that make a graph runnable, tried while some node cannot be run.
pub const PREPARATIONS: &[&dyn Rewrite] =
    &[&FoldConstants, &ChooseBranches, &ScansAsLoops, &UnrollLoops, &ResolveSequences, &ExpandOperators];

/// Rounds of all rules at most. Every rule removes nodes or moves them towards a normal form, so a few rounds suffice;
/// the bound is for graphs made to need many.
const ROUNDS: usize = 16;

/// Rounds of the preparations at most. An operator whose body asks for its input's rank is replaced a round after those before
/// it. A guess: more than the layers of a deep model.
const PREPARATION_ROUNDS: usize = 256;

/// Drops what no output needs, infers types and shapes, and where a node cannot be run, or has branches, tries what may help:
/// constants are folded, branches whose condition is constant are chosen, sequences become their members, operators without kernels of their own become others.
///
/// Gives the nodes that still cannot be run. Nodes are parsed into `operators` as far as it does not know them.
pub fn prepare(graph: &mut Graph, operators: &mut Operators) -> Vec<objection::Objection> {
    let mut reasons = Vec::new();
    for _ in 0..PREPARATION_ROUNDS {
        prune(graph);
        let mut objections = infer::objections(graph, operators);
        if objections.is_empty() && !graph.nodes.iter().any(|node| is_undecided(node)) {
            return objections;
        }
        let mut fired = 0;
        reasons.clear();
        for rule in PREPARATIONS {
            let outcome = rule.apply(graph, operators);
            tracing::debug!(rule = rule.name(), fired = outcome.fired, "preparation");
            fired += outcome.fired;
            reasons.extend(outcome.skipped);
        }
        if fired == 0 {
            objections.iter_mut().for_each(|objection| objection.explain(graph, &reasons));
            return objections;
        }
    }
    infer::objections(graph, operators)
}

/// Whether the node may be gone once something is known: a choice, a number of trips, the members of a sequence.
fn is_undecided(node: &Node) -> bool {
    branches::is_if(node) || loops::is_loop(node) || scans::is_scan(node) || is_of_forms(node)
}

/// Applies all rules until none fires. The graph's types and shapes must have been inferred.
pub fn optimise(graph: &mut Graph, operators: &mut Operators) -> Report {
    let mut report = Report { rules: REWRITES.iter().map(|rule| (rule.name(), Outcome::default())).collect() };
    for _ in 0..ROUNDS {
        let mut fired = 0;
        for (rule, (name, total)) in REWRITES.iter().zip(&mut report.rules) {
            let outcome = rule.apply(graph, operators);
            fired += outcome.fired;
            total.fired += outcome.fired;
            total.skipped = outcome.skipped;
            tracing::debug!(rule = name, fired = outcome.fired, skipped = total.skipped.len(), "rewrite");
        }
        if fired == 0 {
            break;
        }
    }
    for (rule, outcome) in &report.rules {
        for Skip { node, reason } in &outcome.skipped {
            tracing::debug!(rule, node, reason, "did not fire");
        }
    }
    report
}

impl Report {
    /// How often a rule fired.
    pub fn fired(&self, rule: &str) -> usize {
        self.rules.iter().filter(|(name, _)| *name == rule).map(|(_, outcome)| outcome.fired).sum()
    }
}
