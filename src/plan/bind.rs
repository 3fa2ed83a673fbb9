//! From a model's declared input dimensions to concrete shapes.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::graph::{Dim, Graph, Value};

/// Checks concrete input shapes (in graph order) against what the model declares: ranks, known dimensions, and one size
/// for every symbol. Returns the symbols' sizes.
///
/// # Errors
/// `Input` naming the input and dimension.
pub fn check_shapes(graph: &Graph, shapes: &[Vec<usize>]) -> Result<BTreeMap<String, usize>> {
    if shapes.len() != graph.inputs.len() {
        return Err(Error::input(format!("{} input shapes for {} inputs", shapes.len(), graph.inputs.len())));
    }
    let mut symbols = BTreeMap::new();
    for (&id, shape) in graph.inputs.iter().zip(shapes) {
        let value = graph.value(id);
        let Some(dims) = &value.shape else { continue };
        let wrong = |why: String| {
            Error::input(format!(
                "input '{}' has shape {shape:?} but the model declares {}: {why}",
                value.name,
                list(dims)
            ))
        };
        if dims.len() != shape.len() {
            return Err(wrong("the ranks differ".into()));
        }
        for (axis, (dim, &size)) in dims.iter().zip(shape).enumerate() {
            match dim {
                Dim::Known(known) if *known != size => return Err(wrong(format!("dimension {axis} is {size}"))),
                Dim::Known(_) => {}
                Dim::Symbol(name) => {
                    let bound = *symbols.entry(name.clone()).or_insert(size);
                    if bound != size {
                        return Err(wrong(format!("'{name}' is {bound} elsewhere")));
                    }
                }
            }
        }
    }
    Ok(symbols)
}

/// The sizes that a template is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbols {
    /// Of the named symbols in the order of their names, then of every dimension that the model does not declare.
    pub(super) sizes: Vec<i64>,
    /// Of the inputs.
    pub(super) ranks: Vec<usize>,
}

/// A dimension of an input: a number, or the index of a symbol.
#[derive(Clone, Copy, Debug)]
pub(super) enum InputDim {
    Known(usize),
    Symbol(usize),
}

impl Symbols {
    /// The symbols' sizes at these input shapes, and each input's dimensions in terms of them.
    ///
    /// # Errors
    /// As [`check_shapes`].
    pub(super) fn dims(graph: &Graph, shapes: &[Vec<usize>]) -> Result<(Symbols, Vec<Vec<InputDim>>)> {
        let named = check_shapes(graph, shapes)?;
        let mut sizes: Vec<i64> = named.values().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect();
        let place = |name: &String| named.keys().position(|known| known == name).unwrap_or(0);
        let mut dims = Vec::with_capacity(shapes.len());
        for (&id, shape) in graph.inputs.iter().zip(shapes) {
            dims.push(match &graph.value(id).shape {
                Some(declared) => (declared.iter())
                    .map(|dim| match dim {
                        Dim::Known(size) => InputDim::Known(*size),
                        Dim::Symbol(name) => InputDim::Symbol(place(name)),
                    })
                    .collect(),
                None => (shape.iter())
                    .map(|&size| {
                        sizes.push(i64::try_from(size).unwrap_or(i64::MAX));
                        InputDim::Symbol(sizes.len() - 1)
                    })
                    .collect(),
            });
        }
        Ok((Symbols { sizes, ranks: shapes.iter().map(Vec::len).collect() }, dims))
    }

    /// The symbols' sizes at these input shapes (in graph order).
    ///
    /// # Errors
    /// `Input` if the shapes contradict the model.
    pub fn of(graph: &Graph, shapes: &[Vec<usize>]) -> Result<Symbols> {
        Ok(Self::dims(graph, shapes)?.0)
    }
}

/// The input shapes (in graph order) that follow from sizes for the model's symbols.
///
/// # Errors
/// `Shape` naming the input and the dimension without a size; `Input` for a name that no input declares.
pub fn resolve_shapes(graph: &Graph, sizes: &BTreeMap<String, usize>) -> Result<Vec<Vec<usize>>> {
    let values: Vec<&Value> = graph.inputs.iter().map(|&id| graph.value(id)).collect();
    let declared = |name: &str| {
        values.iter().flat_map(|v| v.shape.iter().flatten()).any(|dim| matches!(dim, Dim::Symbol(s) if s == name))
    };
    if let Some(name) = sizes.keys().find(|name| !declared(name)) {
        return Err(Error::input(format!("no input has a dimension named '{name}'")));
    }
    values
        .iter()
        .map(|value| {
            let dims = value.shape.as_ref().ok_or_else(|| {
                Error::shape(format!("the model does not declare the shape of input '{}': give the input", value.name))
            })?;
            dims.iter()
                .map(|dim| match dim {
                    Dim::Known(size) => Ok(*size),
                    Dim::Symbol(name) => sizes.get(name).copied().ok_or_else(|| {
                        Error::shape(format!("dimension '{name}' of input '{}' has no size", value.name))
                    }),
                })
                .collect()
        })
        .collect()
}

fn list(dims: &[Dim]) -> String {
    let dims: Vec<String> = dims.iter().map(Dim::to_string).collect();
    format!("[{}]", dims.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        let mut graph = Graph::default();
        for (name, dims) in [("x", vec![Dim::Symbol("n".into()), Dim::Known(3)]), ("y", vec![Dim::Symbol("n".into())])]
        {
            let id = graph.add_value(Value { name: name.into(), shape: Some(dims), ..Default::default() });
            graph.inputs.push(id);
        }
        graph
    }

    #[test]
    fn shapes_must_fit_the_declaration() {
        let graph = graph();
        assert_eq!(check_shapes(&graph, &[vec![2, 3], vec![2]]).unwrap(), BTreeMap::from([("n".into(), 2)]));
        let cases: [(&[Vec<usize>], &str); 4] = [
            (&[vec![2, 3]], "1 input shapes"),
            (&[vec![2, 3, 1], vec![2]], "ranks"),
            (&[vec![2, 4], vec![2]], "dimension 1 is 4"),
            (&[vec![2, 3], vec![5]], "'n' is 2 elsewhere"),
        ];
        for (shapes, why) in cases {
            let error = check_shapes(&graph, shapes).unwrap_err();
            assert!(error.message().contains(why), "{error}");
        }
    }

    #[test]
    fn names_resolve_or_are_named() {
        let graph = graph();
        let sizes = BTreeMap::from([("n".to_owned(), 4)]);
        assert_eq!(resolve_shapes(&graph, &sizes).unwrap(), [vec![4, 3], vec![4]]);
        assert!(resolve_shapes(&graph, &BTreeMap::new()).unwrap_err().message().contains("'n' of input 'x'"));
        let unknown = BTreeMap::from([("n".to_owned(), 4), ("m".to_owned(), 4)]);
        assert!(resolve_shapes(&graph, &unknown).unwrap_err().message().contains("'m'"));
    }
}
