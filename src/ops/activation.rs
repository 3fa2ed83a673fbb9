//! Activations fused into the end of another kernel.

use crate::error::{Error, Result};
use crate::graph::Node;

/// What the attributes `activation`, `alpha` and `beta` of a fused operator say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activation {
    /// The kernels' override `ACTIVATION`.
    pub code: f64,
    /// First parameter: the lower bound of clip, the slope of leaky_relu, the factor of hard_sigmoid.
    pub alpha: f32,
    /// Second parameter: the upper bound of clip, the summand of hard_sigmoid.
    pub beta: f32,
}

/// In the order of the kernels' codes.
const NAMES: [&str; 11] = [
    "none",
    "relu",
    "clip",
    "leaky_relu",
    "sigmoid",
    "tanh",
    "hard_swish",
    "hard_sigmoid",
    "silu",
    "gelu",
    "gelu_tanh",
];

impl Activation {
    /// No activation.
    pub const NONE: Activation = Activation { code: 0.0, alpha: 0.0, beta: 0.0 };

    /// The activation of a node: none outside the domain `fascine`.
    ///
    /// # Errors
    /// `InvalidModel` for an unknown name or attributes of another type.
    pub fn of(node: &Node) -> Result<Activation> {
        if node.domain != "fascine" {
            return Ok(Self::NONE);
        }
        let name = node.str("activation", "none")?;
        let code = NAMES.iter().position(|&known| known == name);
        let code = code.ok_or_else(|| Error::invalid_model(format!("unknown activation '{name}'")))?;
        Ok(Activation { code: code as f64, alpha: node.float("alpha", 0.0)?, beta: node.float("beta", 0.0)? })
    }
}
