//! Chains of elementwise steps: what one generated kernel computes (`generate.rs`), or what comes behind a product, and the
//! attributes that carry such a chain in a graph.
//!
//! Attributes of `fascine.Elementwise` and of fused products (made by [`Program::to_attrs`], read by
//! [`Program::from_node`]):
//!
//! | attribute | type | meaning |
//! |---|---|---|
//! | `codes` | strings | a [`Code`] name per step |
//! | `args` | integers | three per step: 3 k for input k, 3 k + 1 for step k, 3 k + 2 for constant k, or -1 |
//! | `constants` | integers | two per constant: kind (0 f32, 1 integer, 2 bool) and value (f32 as its bits) |
//! | `dtype` | integer | ONNX number of the result's element type |
//!
//! The node's inputs are the chain's; all broadcast together. The result is that of the last step.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::graph::{Attr, Node};
use crate::tensor::DType;

use super::codes::{Code, Scalar};

/// The most words of a chain's parameters: constants, and what [`MAX_INPUTS`] strided inputs take.
const MAX_WORDS: usize = 240;
/// Words of each strided input: an offset and eight strides.
const INPUT_WORDS: usize = 9;
/// The most inputs of a chain, with room for twelve constants. The parameters of a kernel have 256 words.
pub const MAX_INPUTS: usize = 24;
/// The most steps of a chain. Guessed: a kernel's text and its compile time stay moderate.
pub const MAX_STEPS: usize = 128;

/// An operand of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ref {
    /// An input of the chain.
    Input(usize),
    /// The result of an earlier step.
    Step(usize),
    /// A constant of the chain.
    Constant(usize),
}

impl Ref {
    fn number(self) -> i64 {
        match self {
            Ref::Input(k) => 3 * k as i64,
            Ref::Step(k) => 3 * k as i64 + 1,
            Ref::Constant(k) => 3 * k as i64 + 2,
        }
    }

    fn from_number(number: i64) -> Option<Ref> {
        let number = usize::try_from(number).ok()?;
        Some(match number % 3 {
            0 => Ref::Input(number / 3),
            1 => Ref::Step(number / 3),
            _ => Ref::Constant(number / 3),
        })
    }
}

/// One step of a chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// What it computes.
    pub code: Code,
    /// Its operands, as many as the code has.
    pub args: Vec<Ref>,
}

/// A chain of elementwise steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Number of inputs.
    pub inputs: usize,
    /// At least one; the last gives the result.
    pub steps: Vec<Step>,
    /// Operands that every element has alike.
    pub(in crate::ops) constants: Vec<Scalar>,
    /// Element type of the result.
    pub dtype: DType,
}

impl Program {
    /// Whether the chain is well-formed and within the kernel's bounds.
    ///
    /// # Errors
    /// `InvalidModel` saying what is wrong.
    pub fn validate(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::invalid_model(format!("not an elementwise chain: {what}")));
        if !self.fits() {
            return wrong(format!(
                "{} inputs, {} steps, {} constants",
                self.inputs,
                self.steps.len(),
                self.constants.len()
            ));
        }
        for (index, step) in self.steps.iter().enumerate() {
            let in_range = |&arg: &Ref| match arg {
                Ref::Input(k) => k < self.inputs,
                Ref::Step(k) => k < index,
                Ref::Constant(k) => k < self.constants.len(),
            };
            if step.args.len() != step.code.arity() || !step.args.iter().all(in_range) {
                return wrong(format!("operands of step {index} ({})", step.code.name()));
            }
        }
        Ok(())
    }

    fn fits(&self) -> bool {
        self.inputs <= MAX_INPUTS
            && (1..=MAX_STEPS).contains(&self.steps.len())
            && self.inputs * INPUT_WORDS + self.constants.len() <= MAX_WORDS - 8
    }

    /// Number of constants.
    pub fn constants_len(&self) -> usize {
        self.constants.len()
    }

    /// `x * sigmoid(x)`.
    pub fn silu() -> Program {
        let x = Ref::Input(0);
        let steps =
            vec![Step { code: Code::SigmoidF, args: vec![x] }, Step { code: Code::MulF, args: vec![x, Ref::Step(0)] }];
        Program { inputs: 1, steps, constants: Vec::new(), dtype: DType::F32 }
    }

    /// `x` rounded to f16 or bf16.
    pub fn half(dtype: DType) -> Program {
        let steps = vec![Step { code: Code::rounding(dtype).unwrap_or(Code::Copy), args: vec![Ref::Input(0)] }];
        Program { inputs: 1, steps, constants: Vec::new(), dtype }
    }

    /// The chain as attributes of a `fascine.Elementwise` node.
    pub fn to_attrs(&self) -> BTreeMap<String, Attr> {
        let codes = self.steps.iter().map(|step| step.code.name().to_owned()).collect();
        let args = (self.steps.iter())
            .flat_map(|step| (0..3).map(|k| step.args.get(k).map_or(-1, |arg| arg.number())))
            .collect();
        let constants = (self.constants.iter())
            .flat_map(|constant| match *constant {
                Scalar::F(x) => [0, i64::from(x.to_bits())],
                Scalar::I(x) => [1, x],
                Scalar::B(x) => [2, i64::from(x)],
            })
            .collect();
        BTreeMap::from([
            ("codes".to_owned(), Attr::Strs(codes)),
            ("args".to_owned(), Attr::Ints(args)),
            ("constants".to_owned(), Attr::Ints(constants)),
            ("dtype".to_owned(), Attr::Int(i64::from(self.dtype.to_onnx()))),
        ])
    }

    /// The chain that a `fascine.Elementwise` node carries.
    ///
    /// # Errors
    /// `InvalidModel` if the attributes do not make one.
    pub fn from_node(node: &Node) -> Result<Program> {
        Self::from_attrs(node, node.inputs.len())
    }

    /// The chain of so many inputs that a node's attributes give.
    ///
    /// # Errors
    /// As [`Program::from_node`].
    pub(super) fn from_attrs(node: &Node, inputs: usize) -> Result<Program> {
        let wrong = |what: &str| Error::invalid_model(format!("not an elementwise chain: {what}"));
        let Some(Attr::Strs(codes)) = node.attrs.get("codes") else { return Err(wrong("no codes")) };
        let args = node.ints("args")?.unwrap_or_default();
        if args.len() != codes.len() * 3 {
            return Err(wrong("three operands belong to a code"));
        }
        let mut steps = Vec::with_capacity(codes.len());
        for (name, args) in codes.iter().zip(args.chunks_exact(3)) {
            let code = Code::ALL.iter().copied().find(|code| code.name() == name).ok_or_else(|| wrong(name))?;
            let args: Option<Vec<Ref>> = args[..code.arity()].iter().map(|&arg| Ref::from_number(arg)).collect();
            steps.push(Step { code, args: args.ok_or_else(|| wrong("an operand"))? });
        }
        let constants: Option<Vec<Scalar>> = (node.ints("constants")?.unwrap_or_default().chunks(2))
            .map(|pair| match *pair {
                [0, bits] => Some(Scalar::F(f32::from_bits(u32::try_from(bits).ok()?))),
                [1, value] => Some(Scalar::I(value)),
                [2, value] => Some(Scalar::B(value != 0)),
                _ => None,
            })
            .collect();
        let dtype = i32::try_from(node.int("dtype", 1)?).ok().and_then(DType::from_onnx);
        let program = Program {
            inputs,
            steps,
            constants: constants.ok_or_else(|| wrong("a constant"))?,
            dtype: dtype.ok_or_else(|| wrong("the result's type"))?,
        };
        program.validate()?;
        Ok(program)
    }

    /// Joins a producer into its consumer: every input of `consumer` that is `value` becomes the producer's result. The
    /// inputs are named by whatever the caller names values by; the joined chain's names are returned with it, each once.
    /// `None` if the joined chain would exceed the kernel's bounds.
    pub fn join<T: Clone + PartialEq>(
        producer: (&Program, &[T]),
        consumer: (&Program, &[T]),
        value: &T,
    ) -> Option<(Program, Vec<T>)> {
        let mut names: Vec<T> = Vec::new();
        let mut name = |wanted: &T| {
            names.iter().position(|name| name == wanted).unwrap_or_else(|| {
                names.push(wanted.clone());
                names.len() - 1
            })
        };
        let mut joined = Program { inputs: 0, steps: Vec::new(), constants: Vec::new(), dtype: consumer.0.dtype };
        let mut last = 0;
        for (part, inputs, inlines) in [(producer.0, producer.1, false), (consumer.0, consumer.1, true)] {
            let (first_step, first_constant) = (joined.steps.len(), joined.constants.len());
            for step in &part.steps {
                let args = step.args.iter().map(|&arg| match arg {
                    Ref::Input(k) if inlines && inputs[k] == *value => Ref::Step(last),
                    Ref::Input(k) => Ref::Input(name(&inputs[k])),
                    Ref::Step(k) => Ref::Step(first_step + k),
                    Ref::Constant(k) => Ref::Constant(first_constant + k),
                });
                let args = args.collect();
                joined.steps.push(Step { code: step.code, args });
            }
            joined.constants.extend(&part.constants);
            last = joined.steps.len().saturating_sub(1);
        }
        joined.share_constants();
        joined.inputs = names.len();
        joined.fits().then_some((joined, names))
    }

    /// The chain with each input once, and the inputs' names likewise.
    pub fn with_inputs_once<T: Clone + PartialEq>(mut self, inputs: &[T]) -> (Program, Vec<T>) {
        let mut names: Vec<T> = Vec::new();
        let places: Vec<usize> = (inputs.iter())
            .map(|input| {
                names.iter().position(|name| name == input).unwrap_or_else(|| {
                    names.push(input.clone());
                    names.len() - 1
                })
            })
            .collect();
        for arg in self.steps.iter_mut().flat_map(|step| &mut step.args) {
            if let Ref::Input(k) = arg {
                *k = places[*k];
            }
        }
        self.inputs = names.len();
        (self, names)
    }

    /// Keeps each constant that a step reads once.
    pub(in crate::ops) fn share_constants(&mut self) {
        let mut kept: Vec<Scalar> = Vec::new();
        let same = |a: &Scalar, b: &Scalar| match (a, b) {
            (Scalar::F(a), Scalar::F(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        };
        for step in &mut self.steps {
            for arg in &mut step.args {
                if let Ref::Constant(k) = arg {
                    let constant = self.constants[*k];
                    *k = kept.iter().position(|c| same(c, &constant)).unwrap_or_else(|| {
                        kept.push(constant);
                        kept.len() - 1
                    });
                }
            }
        }
        self.constants = kept;
    }

    /// The result for one element.
    pub(super) fn host(&self, inputs: &[Scalar]) -> Scalar {
        let mut results: Vec<Scalar> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let arg = |k: usize| match step.args.get(k) {
                Some(&Ref::Input(k)) => inputs[k],
                Some(&Ref::Step(k)) => results[k],
                Some(&Ref::Constant(k)) => self.constants[k],
                None => Scalar::I(0),
            };
            results.push(step.code.host(arg(0), arg(1), arg(2)));
        }
        results.last().copied().unwrap_or(Scalar::I(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(code: Code, args: &[Ref], inputs: usize, constants: &[Scalar]) -> Program {
        let steps = vec![Step { code, args: args.to_vec() }];
        Program { inputs, steps, constants: constants.to_vec(), dtype: DType::F32 }
    }

    #[test]
    fn chains_join_and_survive_as_attributes() {
        let scale = chain(Code::MulF, &[Ref::Input(0), Ref::Constant(0)], 1, &[Scalar::F(2.0)]);
        let add = chain(Code::AddF, &[Ref::Input(0), Ref::Input(1)], 2, &[]);
        let (joined, names) = Program::join((&scale, &["x"]), (&add, &["x", "y"]), &"y").unwrap();
        assert_eq!(names, ["x"]);
        assert_eq!(joined.host(&[Scalar::F(3.0)]), Scalar::F(9.0));
        let node = Node { attrs: joined.to_attrs(), inputs: vec![None], ..Node::default() };
        assert_eq!(Program::from_node(&node).unwrap(), joined);
        let mut long = (joined, names);
        while let Some(next) = Program::join((&long.0, &long.1), (&scale, &["z"]), &"z") {
            long = next;
        }
        assert_eq!((long.0.steps.len(), long.0.constants.len()), (MAX_STEPS, 1));
        long.0.steps.push(Step { code: Code::Copy, args: vec![Ref::Input(0)] });
        assert!(long.0.validate().is_err());
    }

    #[test]
    fn damaged_attributes_are_refused() {
        let good = chain(Code::AddF, &[Ref::Input(0), Ref::Input(0)], 1, &[]);
        for (name, attr) in [
            ("codes", Attr::Strs(vec!["Nonsense".into()])),
            ("args", Attr::Ints(vec![0, 3, -1])),
            ("args", Attr::Ints(vec![0, 1, -1])),
            ("args", Attr::Ints(vec![0])),
            ("constants", Attr::Ints(vec![7])),
            ("dtype", Attr::Int(99)),
        ] {
            let mut node = Node { attrs: good.to_attrs(), inputs: vec![None], ..Node::default() };
            node.attrs.insert(name.into(), attr);
            assert!(Program::from_node(&node).is_err(), "{name}");
        }
    }
}
