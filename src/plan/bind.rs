//! From a model's declared input dimensions to concrete shapes.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::graph::{Dim, Graph, Value};
use crate::tensor::{Tensor, TensorData};

use super::Room;

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
    /// Of the named symbols in the order of their names, then of every dimension that the model does not declare, then of the
    /// integers among the values that the host knows, then of rooms of states.
    pub(super) sizes: Vec<i64>,
    pub(super) key: Key,
}

/// What a template serves alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Key {
    /// Of the inputs.
    ranks: Vec<usize>,
    /// By input: its dimensions and elements where the host knows the value.
    values: Vec<Option<(Vec<usize>, Fixed)>>,
    /// By state: which of its rooms there are.
    rooms: Vec<Option<Room<()>>>,
}

/// Elements of a value that no symbols stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fixed {
    /// Integers: those beyond what symbols stand for.
    Integers(Vec<Option<i64>>),
    /// Others, all of them.
    Bytes(Vec<u8>),
}

/// A dimension or an element of an input: a number, or the index of a symbol.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Known(i64),
    Symbol(usize),
}

/// What a trace is told of an input.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) dims: Vec<Number>,
    /// The value, where the host knows it, and its elements if they are integers.
    pub(super) value: Option<(Tensor, Option<Vec<Number>>)>,
}

impl Symbols {
    /// The symbols' sizes at these input shapes, values and rooms, and each input and room in terms of them. No values are those of a
    /// graph that has none for the host.
    ///
    /// # Errors
    /// As [`check_shapes`].
    pub(super) fn given(
        graph: &Graph,
        shapes: &[Vec<usize>],
        values: &[Option<Tensor>],
        rooms: &[Option<Room>],
    ) -> Result<(Symbols, Vec<Given>, Vec<Option<Room<Number>>>)> {
        let named = check_shapes(graph, shapes)?;
        let mut sizes: Vec<i64> = named.values().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect();
        let place = |name: &String| named.keys().position(|known| known == name).unwrap_or(0);
        let number = |size: usize| Number::Known(i64::try_from(size).unwrap_or(i64::MAX));
        let mut given = Vec::with_capacity(shapes.len());
        for (&id, shape) in graph.inputs.iter().zip(shapes) {
            let known = values.get(given.len()).is_some_and(Option::is_some);
            let dims = match &graph.value(id).shape {
                _ if known => shape.iter().map(|&size| number(size)).collect(),
                Some(declared) => (declared.iter())
                    .map(|dim| match dim {
                        Dim::Known(size) => number(*size),
                        Dim::Symbol(name) => Number::Symbol(place(name)),
                    })
                    .collect(),
                None => (shape.iter())
                    .map(|&size| {
                        sizes.push(i64::try_from(size).unwrap_or(i64::MAX));
                        Number::Symbol(sizes.len() - 1)
                    })
                    .collect(),
            };
            given.push(Given { dims, value: None });
        }
        let ranks = shapes.iter().map(Vec::len).collect();
        let kinds = rooms.iter().map(|room| room.map(|room| room.map(drop))).collect();
        let mut key = Key { ranks, values: vec![None; values.len()], rooms: kinds };
        for ((value, given), key) in values.iter().zip(&mut given).zip(&mut key.values) {
            let Some(tensor) = value else { continue };
            let (numbers, fixed) = match integers(tensor) {
                None => (None, Fixed::Bytes(tensor.bytes().to_vec())),
                Some(list) => {
                    // What lies far outside of any size stands for an end, and arithmetic on it might leave 64 bits.
                    let apart = |x: &i64| (x.unsigned_abs() > u64::from(u32::MAX)).then_some(*x);
                    let numbers = list.iter().map(|&x| match apart(&x) {
                        Some(x) => Number::Known(x),
                        None => {
                            sizes.push(x);
                            Number::Symbol(sizes.len() - 1)
                        }
                    });
                    (Some(numbers.collect()), Fixed::Integers(list.iter().map(apart).collect()))
                }
            };
            given.value = Some((tensor.clone(), numbers));
            *key = Some((tensor.shape().to_vec(), fixed));
        }
        let symbol = |rows: usize| {
            sizes.push(i64::try_from(rows).unwrap_or(i64::MAX));
            Number::Symbol(sizes.len() - 1)
        };
        let rooms = rooms.iter().scan(symbol, |symbol, room| Some(room.map(|room| room.map(&mut *symbol)))).collect();
        Ok((Symbols { sizes, key }, given, rooms))
    }

    /// The symbols' sizes at these input shapes (in graph order), at the values that the host knows and at the rooms of states.
    ///
    /// # Errors
    /// `Input` if the shapes contradict the model.
    pub fn of(
        graph: &Graph,
        shapes: &[Vec<usize>],
        values: &[Option<Tensor>],
        rooms: &[Option<Room>],
    ) -> Result<Symbols> {
        Ok(Self::given(graph, shapes, values, rooms)?.0)
    }
}

fn integers(tensor: &Tensor) -> Option<Vec<i64>> {
    match tensor.data() {
        TensorData::I64(data) => Some(data.clone()),
        TensorData::I32(data) => Some(data.iter().map(|&x| x.into()).collect()),
        _ => None,
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
