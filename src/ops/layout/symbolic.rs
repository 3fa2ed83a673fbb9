//! rten-shape-inference's rules, fitted to attributes and older opsets.

use rten_shape_inference::{InferShapes, InferShapesContext, InferShapesError, SymExpr, SymTensor, SymbolGen, ops};

use crate::graph::Node;

/// Boxes a rule.
pub(super) fn rule(rule: impl InferShapes + 'static) -> Option<Box<dyn InferShapes>> {
    Some(Box::new(rule))
}

/// An attribute as the rules take it.
pub(super) fn int(node: &Node, name: &str, default: i64) -> Option<i32> {
    i32::try_from(node.int(name, default).ok()?).ok()
}

/// A rule whose inputs from `first` on are attributes in this opset.
pub(super) struct WithLists<R> {
    pub(super) rule: R,
    pub(super) first: usize,
    pub(super) lists: Vec<Option<Vec<i64>>>,
}

impl<R: InferShapes> InferShapes for WithLists<R> {
    fn infer_shapes(
        &self,
        inputs: InferShapesContext<'_>,
        symbols: &mut SymbolGen,
    ) -> Result<Vec<SymTensor>, InferShapesError> {
        let mut all: Vec<Option<SymTensor>> = inputs.iter().take(self.first).map(|i| i.cloned()).collect();
        all.resize(self.first, None);
        for list in &self.lists {
            all.push(list.as_ref().map(|list| SymTensor::from_vec(list.iter().map(|&v| value(v)).collect())));
        }
        self.rule.infer_shapes(InferShapesContext::new(&all), symbols)
    }
}

/// A number as the rules take it: beyond 32 bits it stands for "to the end".
fn value(v: i64) -> SymExpr {
    SymExpr::Value(v.clamp(-i64::from(i32::MAX), i64::from(i32::MAX)) as i32)
}

/// `Transpose` with its own permutation.
pub(super) struct Permute(pub(super) Option<Vec<usize>>);

impl InferShapes for Permute {
    fn infer_shapes(
        &self,
        inputs: InferShapesContext<'_>,
        symbols: &mut SymbolGen,
    ) -> Result<Vec<SymTensor>, InferShapesError> {
        ops::Transpose { perm: self.0.as_deref() }.infer_shapes(inputs, symbols)
    }
}
