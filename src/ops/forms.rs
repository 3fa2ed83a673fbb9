//! Operators on sequences and optionals. They have no kernels: what reads a sequence reads its members (`optimise/sequences.rs`), and
//! where these are not known at load, the node waits until they are (`plan/stage/`).

use std::ops::Range;

use super::{Entry, Operator, Parse, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Lowering};
use crate::size::Size;
use crate::tensor::DType;

const PARSE: Parse = |node| operator(Ok(OfForms { name: node.op.clone(), asked: asked(node) }));

pub(super) const TABLE: &[Entry] = &[
    ("", "ConcatFromSequence", PARSE),
    ("", "Optional", PARSE),
    ("", "OptionalGetElement", PARSE),
    ("", "OptionalHasElement", PARSE),
    ("", "SequenceAt", PARSE),
    ("", "SequenceConstruct", PARSE),
    ("", "SequenceEmpty", PARSE),
    ("", "SequenceErase", PARSE),
    ("", "SequenceInsert", PARSE),
    ("", "SequenceLength", PARSE),
    ("", "SequenceMap", PARSE),
    ("", "SplitToSequence", PARSE),
];

/// Whether the operator is one on sequences or optionals.
pub fn is_of_forms(node: &Node) -> bool {
    node.domain.is_empty() && TABLE.iter().any(|(_, op, _)| *op == node.op)
}

/// Inputs that decide how the sequence is put together: positions and sizes.
fn asked(node: &Node) -> Range<usize> {
    match node.op.as_str() {
        "SequenceAt" | "SequenceErase" | "SplitToSequence" => 1..2,
        "SequenceInsert" => 2..3,
        _ => 0..0,
    }
}

/// <https://onnx.ai/onnx/operators/onnx__SequenceAt.html> and the others. It is gone once the sequence's members are known.
#[derive(Debug)]
struct OfForms {
    name: String,
    asked: Range<usize>,
}

impl OfForms {
    fn refusal(&self) -> Error {
        Error::unsupported(format!("the operator {} is not supported", self.name))
    }
}

impl Operator for OfForms {
    fn dtypes(&self, _: &[Option<DType>]) -> Result<Vec<DType>> {
        Err(self.refusal())
    }

    fn shapes(&self, _: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Err(self.refusal())
    }

    fn host_inputs(&self) -> Range<usize> {
        self.asked.clone()
    }

    fn is_of_forms(&self) -> bool {
        true
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Result<()> {
        Err(self.refusal())
    }
}
