//! Which functions a recurrent network applies.

use crate::error::{Error, Result};
use crate::graph::{Attr, Node};

/// A function with its numbers, as `shaders/recurrent.wgsl` has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Activation {
    /// Its number in the kernel.
    pub(super) code: u32,
    pub(super) alpha: f32,
    pub(super) beta: f32,
}

/// What a function takes of `activation_alpha` and `activation_beta`, and what each is if it is not there.
struct Kind {
    name: &'static str,
    alpha: Number,
    beta: Number,
}

#[derive(Clone, Copy)]
enum Number {
    None,
    Needed,
    Default(f32),
}

use Number::{Default, Needed, None as No};

/// By their numbers in the kernel.
const KINDS: &[Kind] = &[
    Kind { name: "relu", alpha: No, beta: No },
    Kind { name: "tanh", alpha: No, beta: No },
    Kind { name: "sigmoid", alpha: No, beta: No },
    Kind { name: "affine", alpha: Default(1.0), beta: Default(0.0) },
    Kind { name: "leakyrelu", alpha: Default(0.01), beta: No },
    Kind { name: "thresholdedrelu", alpha: Default(1.0), beta: No },
    Kind { name: "scaledtanh", alpha: Needed, beta: Needed },
    Kind { name: "hardsigmoid", alpha: Default(0.2), beta: Default(0.5) },
    Kind { name: "elu", alpha: Default(1.0), beta: No },
    Kind { name: "softsign", alpha: No, beta: No },
    Kind { name: "softplus", alpha: No, beta: No },
];

impl Activation {
    pub(super) const TANH: Activation = Activation { code: 1, alpha: 0.0, beta: 0.0 };
    pub(super) const SIGMOID: Activation = Activation { code: 2, alpha: 0.0, beta: 0.0 };
}

/// The functions of all directions.
///
/// # Errors
/// `Unsupported` if a function is unknown, or if it is not clear whose the numbers are: each is of the next function that takes
/// one, by onnxruntime's reading, and of the function in its place by others'.
pub(super) fn parse(node: &Node, usual: &[Activation], directions: usize) -> Result<Vec<Activation>> {
    let names = match node.attrs.get("activations") {
        None => return Ok(usual.repeat(directions)),
        Some(Attr::Strs(names)) => names,
        Some(_) => return Err(Error::invalid_model("activations is not a list of strings")),
    };
    if names.len() != usual.len() * directions {
        return Err(Error::invalid_model(format!("{} activations, not {}", names.len(), usual.len() * directions)));
    }
    let kinds = names.iter().map(|name| {
        let known = KINDS.iter().position(|kind| name.eq_ignore_ascii_case(kind.name));
        known.ok_or_else(|| Error::unsupported(format!("activation '{name}'")))
    });
    let kinds = kinds.collect::<Result<Vec<usize>>>()?;
    let alphas = numbers(node, "activation_alpha", kinds.iter().map(|&kind| KINDS[kind].alpha))?;
    let betas = numbers(node, "activation_beta", kinds.iter().map(|&kind| KINDS[kind].beta))?;
    let all = kinds.iter().zip(alphas).zip(betas);
    Ok(all.map(|((&kind, alpha), beta)| Activation { code: kind as u32, alpha, beta }).collect())
}

fn numbers(node: &Node, name: &str, wanted: impl Iterator<Item = Number>) -> Result<Vec<f32>> {
    let given = match node.attrs.get(name) {
        None => &[][..],
        Some(Attr::Floats(list)) => list,
        Some(_) => return Err(Error::invalid_model(format!("{name} is not a list of numbers"))),
    };
    let mut rest = given.iter().copied();
    let numbers = wanted.map(|number| match number {
        No => Ok(0.0),
        Default(number) => Ok(rest.next().unwrap_or(number)),
        Needed => rest.next().ok_or_else(|| Error::unsupported(format!("an activation without its {name}"))),
    });
    let numbers = numbers.collect::<Result<Vec<f32>>>()?;
    match rest.len() {
        0 => Ok(numbers),
        more => Err(Error::unsupported(format!("{name} has {more} numbers more than its activations take"))),
    }
}
