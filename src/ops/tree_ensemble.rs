//! Ensembles of decision trees.

use std::collections::{HashMap, HashSet};

use super::{Entry, Operator, check_arity, given, operator};
use crate::error::{Error, Result};
use crate::graph::{Attr, Node};
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::size::{Size, presumed};
use crate::tensor::DType;

pub(super) static OPERATORS: &[Entry] =
    &[("ai.onnx.ml", "TreeEnsembleRegressor", |node| operator(TreeEnsemble::parse(node)))];

/// In the kernel's order; of a leaf no feature is compared.
const MODES: &[&str] = &["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "LEAF"];
const LEAF: usize = 6;

/// In the kernel's order.
const AGGREGATES: &[&str] = &["SUM", "AVERAGE", "MIN", "MAX"];

/// What the kernel's word of a node leaves for its feature, and what keeps an output row within reason.
const MOST: i64 = 1 << 28;

/// <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html>, with the tables as the kernel reads them.
#[derive(Debug)]
struct TreeEnsemble {
    nodes: Vec<[u32; 4]>,
    /// Of leaves: target and weight.
    votes: Vec<[u32; 2]>,
    roots: Vec<u32>,
    /// None, or one for each target.
    bases: Vec<f32>,
    targets: usize,
    /// By its place among [`AGGREGATES`].
    aggregate: usize,
    /// The most branches from a node to a leaf.
    depth: usize,
    /// The fewest features that a row has.
    features: usize,
}

impl TreeEnsemble {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 1..=1, 1..=1)?;
        for name in ["nodes_values_as_tensor", "target_weights_as_tensor", "base_values_as_tensor"] {
            if node.attrs.contains_key(name) {
                return Err(Error::unsupported(format!("the attribute {name}")));
            }
        }
        match node.str("post_transform", "NONE")? {
            "NONE" => {}
            other => return Err(Error::unsupported(format!("post_transform '{other}'"))),
        }
        let aggregate = one_of(node.str("aggregate_function", "SUM")?, "aggregate_function", AGGREGATES)?;
        let targets = match node.int("n_targets", 0)? {
            targets @ 1..MOST => targets as usize,
            other => return Err(Error::invalid_model(format!("n_targets is {other}"))),
        };
        let bases = floats(node, "base_values")?;
        if !bases.is_empty() && bases.len() != targets {
            return Err(Error::invalid_model(format!("{} base_values for {targets} targets", bases.len())));
        }
        let branches = Branches::parse(node)?;
        let votes = Votes::parse(node, &branches, targets)?;
        // NaN stands for a target without votes while the kernel runs.
        if votes.list.iter().any(|vote| !f32::from_bits(vote[1]).is_finite()) {
            return Err(Error::unsupported("a weight that is not finite"));
        }
        let depth = branches.depth()?;
        let roots = branches.roots()?;
        let features = branches.features.iter().map(|feature| feature + 1).max().unwrap_or(0);
        let nodes = branches.words(&votes.ends);
        Ok(TreeEnsemble { nodes, votes: votes.list, roots, bases: bases.to_vec(), targets, aggregate, depth, features })
    }
}

/// The nodes of all trees, by their place in the attributes' lists.
struct Branches<'a> {
    trees: &'a [i64],
    ids: &'a [i64],
    modes: Vec<usize>,
    /// 0 for leaves.
    features: Vec<usize>,
    thresholds: &'a [f32],
    /// Whether NaN goes where the comparison is true.
    missing: &'a [i64],
    /// Where a branch goes: if its comparison is true, and if not.
    next: Vec<[usize; 2]>,
    /// The place of a node, by tree and id.
    places: HashMap<(i64, i64), usize>,
}

impl<'a> Branches<'a> {
    fn parse(node: &'a Node) -> Result<Self> {
        let (trees, ids) = (ints(node, "nodes_treeids")?, ints(node, "nodes_nodeids")?);
        let (features, thresholds) = (ints(node, "nodes_featureids")?, floats(node, "nodes_values")?);
        let (yes, no) = (ints(node, "nodes_truenodeids")?, ints(node, "nodes_falsenodeids")?);
        let modes = strings(node, "nodes_modes")?;
        let missing = ints(node, "nodes_missing_value_tracks_true")?;
        let lengths = [trees, ids, features, yes, no].map(<[i64]>::len);
        let same = lengths.iter().chain(&[thresholds.len(), modes.len()]).all(|&len| len == trees.len());
        if !same || trees.is_empty() || ![0, trees.len()].contains(&missing.len()) {
            return Err(Error::invalid_model("the lists of nodes are empty, or not of one length"));
        }
        let mut places = HashMap::new();
        for (place, (&tree, &id)) in trees.iter().zip(ids).enumerate() {
            if places.insert((tree, id), place).is_some() {
                return Err(Error::invalid_model(format!("tree {tree}: two nodes {id}")));
            }
        }
        let modes = modes.iter().map(|mode| one_of(mode, "mode", MODES)).collect::<Result<Vec<usize>>>()?;
        let mut branches = Branches {
            trees,
            ids,
            modes,
            features: vec![0; trees.len()],
            thresholds,
            missing,
            next: vec![[0; 2]; trees.len()],
            places,
        };
        for place in 0..trees.len() {
            if branches.modes[place] == LEAF {
                continue;
            }
            let child = |id: i64| {
                let found = branches.places.get(&(trees[place], id)).copied();
                found.ok_or_else(|| branches.wrong(place, &format!("its child {id} is missing")))
            };
            branches.next[place] = [child(yes[place])?, child(no[place])?];
            if !(0..MOST).contains(&features[place]) {
                return Err(branches.wrong(place, &format!("feature {}", features[place])));
            }
            if thresholds[place].is_nan() {
                return Err(Error::unsupported(format!("{}: a threshold that is NaN", branches.name(place))));
            }
            branches.features[place] = features[place] as usize;
        }
        Ok(branches)
    }

    fn name(&self, place: usize) -> String {
        format!("tree {}, node {}", self.trees[place], self.ids[place])
    }

    fn wrong(&self, place: usize, what: &str) -> Error {
        Error::invalid_model(format!("{}: {what}", self.name(place)))
    }

    /// The most branches from any node to a leaf.
    fn depth(&self) -> Result<usize> {
        #[derive(Clone, Copy, PartialEq)]
        enum Height {
            Unknown,
            /// Its children are looked at.
            Open,
            Known(usize),
        }
        let mut heights = vec![Height::Unknown; self.modes.len()];
        let mut stack: Vec<usize> = (0..self.modes.len()).collect();
        while let Some(&place) = stack.last() {
            let children = if self.modes[place] == LEAF { &[][..] } else { &self.next[place][..] };
            match heights[place] {
                Height::Known(_) => drop(stack.pop()),
                Height::Unknown => {
                    heights[place] = Height::Open;
                    for &child in children {
                        match heights[child] {
                            Height::Open => return Err(self.wrong(child, "it is its own descendant")),
                            Height::Unknown => stack.push(child),
                            Height::Known(_) => {}
                        }
                    }
                }
                Height::Open => {
                    let below = children.iter().map(|&child| match heights[child] {
                        Height::Known(height) => height + 1,
                        _ => 0,
                    });
                    heights[place] = Height::Known(below.max().unwrap_or(0));
                    stack.pop();
                }
            }
        }
        let known = heights.iter().map(|height| if let Height::Known(height) = height { *height } else { 0 });
        Ok(known.max().unwrap_or(0))
    }

    /// Node 0 of each tree, in the order of the lists.
    fn roots(&self) -> Result<Vec<u32>> {
        let mut seen = HashSet::new();
        let mut roots = Vec::new();
        for &tree in self.trees {
            if seen.insert(tree) {
                let root = self.places.get(&(tree, 0));
                let root = root.ok_or_else(|| Error::invalid_model(format!("tree {tree} has no node 0")))?;
                roots.push(*root as u32);
            }
        }
        Ok(roots)
    }

    /// As the kernel reads them. The votes of node `i` begin where those of the node before end.
    fn words(&self, ends: &[u32]) -> Vec<[u32; 4]> {
        let one = |place: usize| {
            let start = if place == 0 { 0 } else { ends[place - 1] };
            if self.modes[place] == LEAF {
                return [LEAF as u32, 0, start, ends[place]];
            }
            let missing = self.missing.get(place).is_some_and(|&missing| missing != 0);
            let [yes, no] = self.next[place].map(|next| next as u32);
            let word = self.features[place] << 4 | usize::from(missing) << 3 | self.modes[place];
            [word as u32, self.thresholds[place].to_bits(), yes, no]
        };
        (0..self.modes.len()).map(one).collect()
    }
}

/// What leaves vote for, in the order of the nodes' places; of one leaf as they are given.
struct Votes {
    list: Vec<[u32; 2]>,
    /// Where those of each place end.
    ends: Vec<u32>,
}

impl Votes {
    fn parse(node: &Node, branches: &Branches<'_>, targets: usize) -> Result<Self> {
        let (trees, ids) = (ints(node, "target_treeids")?, ints(node, "target_nodeids")?);
        let (of, weights) = (ints(node, "target_ids")?, floats(node, "target_weights")?);
        if [ids.len(), of.len(), weights.len()].iter().any(|&len| len != trees.len()) {
            return Err(Error::invalid_model("the lists of targets are not of one length"));
        }
        let mut found = Vec::with_capacity(trees.len());
        for (((&tree, &id), &target), &weight) in trees.iter().zip(ids).zip(of).zip(weights) {
            let place = branches.places.get(&(tree, id)).copied();
            let place = place.ok_or_else(|| Error::invalid_model(format!("target of tree {tree}: no node {id}")))?;
            if !(0..targets as i64).contains(&target) {
                return Err(branches.wrong(place, &format!("target {target} of {targets}")));
            }
            // A branch has no say.
            if branches.modes[place] == LEAF {
                found.push((place, [target as u32, weight.to_bits()]));
            }
        }
        found.sort_by_key(|&(place, _)| place);
        let ends =
            (0..branches.modes.len()).map(|place| found.partition_point(|&(of, _)| of <= place) as u32).collect();
        Ok(Votes { list: found.into_iter().map(|(_, vote)| vote).collect(), ends })
    }
}

/// The place of `name` among `names`.
fn one_of(name: &str, what: &str, names: &[&str]) -> Result<usize> {
    let place = names.iter().position(|known| *known == name);
    place.ok_or_else(|| Error::invalid_model(format!("{what} '{name}'")))
}

fn ints<'a>(node: &'a Node, name: &str) -> Result<&'a [i64]> {
    Ok(node.ints(name)?.unwrap_or_default())
}

fn floats<'a>(node: &'a Node, name: &str) -> Result<&'a [f32]> {
    match node.attrs.get(name) {
        None => Ok(&[]),
        Some(Attr::Floats(list)) => Ok(list),
        Some(_) => Err(Error::invalid_model(format!("{name} is not a list of numbers"))),
    }
}

fn strings<'a>(node: &'a Node, name: &str) -> Result<&'a [String]> {
    match node.attrs.get(name) {
        None => Ok(&[]),
        Some(Attr::Strs(list)) => Ok(list),
        Some(_) => Err(Error::invalid_model(format!("{name} is not a list of strings"))),
    }
}

impl Operator for TreeEnsemble {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs {
            [Some(DType::F32)] => Ok(vec![DType::F32]),
            [Some(other)] => Err(Error::unsupported(format!("element type {other}; f32 is supported"))),
            _ => Err(Error::invalid_model("input 0 is missing")),
        }
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        let &[rows, features] = shape.as_slice() else {
            return Err(Error::shape(format!("an input of shape {shape:?}, not [rows, features]")));
        };
        if !presumed(|| features >= Size::from(self.features)) {
            return Err(Error::shape(format!("rows of {features} features, of which {} are read", self.features)));
        }
        Ok(vec![vec![rows, Size::from(self.targets)]])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let x = cx.contiguous(0)?;
        let (rows, features, targets) = (x.shape[0], x.shape[1], Size::from(self.targets));
        let (trees, depth) = (Size::from(self.roots.len()), Size::from(self.depth));
        let nodes = cx.constant_bytes(bytemuck::cast_slice(&self.nodes).to_vec())?;
        // A binding has something in it.
        let votes = if self.votes.is_empty() { &[[0; 2]][..] } else { &self.votes };
        let votes = cx.constant_bytes(bytemuck::cast_slice(votes).to_vec())?;
        let roots: Vec<u32> = self.roots.iter().copied().chain(self.bases.iter().map(|base| base.to_bits())).collect();
        let roots = cx.constant_bytes(bytemuck::cast_slice(&roots).to_vec())?;
        let numbers = [
            ("rows", rows),
            ("features", features),
            ("targets", targets),
            ("trees", trees),
            ("depth", depth),
            ("aggregate", Size::from(self.aggregate)),
            ("bases", Size::from(self.bases.len())),
        ];
        cx.emit(Emit {
            kernel: "tree_ensemble",
            constants: &[],
            groups: item_groups(rows),
            operands: &[x.buffer, nodes, votes, roots, output.buffer],
            params: params("tree_ensemble", &numbers, &[])?,
            cost: Work::of_words(rows * trees * (depth * 8 + 4), rows * (trees * (depth * 5 + 2) + targets * 2)),
        })
    }
}
