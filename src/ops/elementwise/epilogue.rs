//! What a product or a convolution does to each of its results: an elementwise program of one input.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::kernel::Kernel;
use crate::kernel::parts::Weights;
use crate::tensor::DType;

use super::codes::Code;
use super::dispatch::constant_words;
use super::generate;
use super::program::{Program, Ref, Step};

/// The program behind a kernel, if there is one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Epilogue(Option<Program>);

impl Epilogue {
    /// What the attributes of a fused node say (those of [`Program::to_attrs`]); none outside the domain `fascine`.
    ///
    /// # Errors
    /// `InvalidModel` if they make no program of one float.
    pub fn of(node: &Node) -> Result<Epilogue> {
        if node.domain != "fascine" || !node.attrs.contains_key("codes") {
            return Ok(Epilogue(None));
        }
        let program = Program::from_attrs(node, 1)?;
        if !program.dtype.is_f32() {
            return Err(Error::invalid_model(format!("an epilogue to {}", program.dtype)));
        }
        Ok(Epilogue(Some(program)))
    }

    /// With the rounding that results of the type need at its end.
    pub(in crate::ops) fn rounding(&self, dtype: DType) -> Epilogue {
        let Some(code) = Code::rounding(dtype) else { return self.clone() };
        let Some(mut program) = self.0.clone() else { return Epilogue(Some(Program::half(dtype))) };
        if program.dtype == dtype {
            // It rounds what it computes.
            return self.clone();
        }
        program.dtype = dtype;
        program.steps.push(Step { code, args: vec![Ref::Step(program.steps.len() - 1)] });
        Epilogue(Some(program))
    }

    /// The kernel `base` of the library with its weights read so and the program at its end.
    ///
    /// # Errors
    /// `Internal` if two kernels would have one name.
    pub(in crate::ops) fn kernel(&self, base: &'static str, weights: Weights) -> Result<Arc<Kernel>> {
        generate::with_epilogue(base, weights, self.0.as_ref())
    }

    /// The words of the kernel's parameter `epilogue`: a zero, the constants, and behind two of them a common program's number.
    ///
    /// # Errors
    /// `Input` if a constant does not fit the device's 32 bits.
    pub(in crate::ops) fn words(&self) -> Result<Vec<u32>> {
        let constants = self.0.as_ref().map(constant_words).transpose()?.unwrap_or_default();
        let common = generate::common(self.0.as_ref());
        let mut words = vec![0; generate::epilogue_len(constants.len())];
        words[1..=constants.len()].copy_from_slice(&constants);
        if let Some(number) = common {
            words[3] = number;
        }
        Ok(words)
    }
}
