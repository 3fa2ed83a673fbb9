//! Random graphs, each node with the value that it should have.
//!
//! A node is added together with its value on the host, so that choices can look at numbers: what would overflow, divide by
//! nearly zero or compare what rounding may have changed is not chosen.

use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph, ValueId};
use fascine::tensor::{DType, Tensor};

use super::host::{EPSILON, Value};
use super::{moves, numbers, quantised};

/// A graph with inputs, and what it should give.
#[derive(Debug)]
pub struct Case {
    pub graph: Graph,
    pub inputs: Vec<(String, Tensor)>,
    pub outputs: Vec<Value>,
    /// The operators, in order.
    pub operators: Vec<&'static str>,
}

/// A value of the graph under construction.
#[derive(Clone, Debug)]
pub struct Known {
    pub id: ValueId,
    pub value: Value,
}

/// A graph under construction.
pub struct Generator {
    builder: GraphBuilder,
    dice: Dice,
    values: Vec<Known>,
    /// Whether the value at that place is read by anything.
    read: Vec<bool>,
    inputs: Vec<(String, Tensor)>,
    operators: Vec<&'static str>,
}

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to `end`, which is not reached.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        (!list.is_empty()).then(|| list[self.below(list.len())].clone())
    }

    /// A part of `0..end`, in order; perhaps none of it.
    pub fn part(&mut self, end: usize) -> Vec<usize> {
        (0..end).filter(|_| self.chance(50)).collect()
    }
}

/// Sizes of dimensions; 1 often, since it broadcasts.
const SIZES: [usize; 8] = [1, 1, 2, 3, 4, 5, 7, 9];
/// Elements of a value at most.
const MOST_ELEMENTS: usize = 4096;
/// Numbers beyond this are not computed with.
const MOST: f64 = 1e5;

/// A family's way to add a node; `None` if it found nothing that fits.
pub type Family = fn(&mut Generator) -> Option<()>;

/// The graph of a seed, with so many nodes where enough of them fit.
pub fn generate(seed: u64, nodes: usize) -> Case {
    let mut g = Generator {
        builder: GraphBuilder::new(18),
        dice: Dice(seed),
        values: Vec::new(),
        read: Vec::new(),
        inputs: Vec::new(),
        operators: Vec::new(),
    };
    g.input(DType::F32, None);
    let families: Vec<Family> = [numbers::FAMILIES, moves::FAMILIES, quantised::FAMILIES].concat();
    for _ in 0..nodes * 20 {
        if g.operators.len() == nodes {
            break;
        }
        let family = families[g.dice.below(families.len())];
        family(&mut g);
    }
    let outputs: Vec<Known> =
        g.values.iter().zip(&g.read).filter(|(_, read)| !**read).map(|(v, _)| v.clone()).collect();
    Case {
        graph: g.builder.finish(outputs.iter().map(|known| known.id)),
        inputs: g.inputs,
        outputs: outputs.into_iter().map(|known| known.value).collect(),
        operators: g.operators,
    }
}

impl Generator {
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    pub fn shape(&mut self, rank: usize) -> Vec<usize> {
        (0..rank).map(|_| SIZES[self.dice.below(SIZES.len())]).collect()
    }

    /// Small numbers: whole ones half of the time, so that comparisons and orders can be told whatever rounds.
    pub fn numbers(&mut self, dtype: DType, shape: &[usize]) -> Value {
        let len = shape.iter().product();
        let whole = dtype != DType::F32 || self.dice.chance(50);
        let number = |dice: &mut Dice| match dtype {
            DType::Bool => dice.below(2) as f64,
            DType::U8 => dice.below(256) as f64,
            DType::I8 => dice.below(256) as f64 - 128.0,
            _ if whole => dice.below(9) as f64 - 4.0,
            _ => f64::from((dice.below(1 << 16) as f32 / f32::from(1u16 << 15) - 1.0) * 3.0),
        };
        let data = (0..len).map(|_| number(&mut self.dice)).collect();
        Value::new(dtype, shape, data)
    }

    /// An input of the graph, some of its dimensions symbols.
    pub fn input(&mut self, dtype: DType, shape: Option<&[usize]>) -> Known {
        let shape = match shape {
            Some(shape) => shape.to_vec(),
            None => {
                let rank = self.dice.below(5);
                self.shape(rank)
            }
        };
        let value = self.numbers(dtype, &shape);
        let name = format!("input_{}", self.inputs.len());
        let dims: Vec<String> = (shape.iter().enumerate())
            .map(|(i, size)| if self.dice.chance(30) { format!("{name}_{i}") } else { size.to_string() })
            .collect();
        let id = self.builder.input(&name, dtype, dims.iter().map(String::as_str));
        self.inputs.push((name, value.tensor()));
        self.keep(id, value)
    }

    /// A value of that type and shape that the graph has from elsewhere: an input or a constant.
    pub fn given(&mut self, dtype: DType, shape: &[usize]) -> Known {
        if self.dice.chance(50) {
            return self.input(dtype, Some(shape));
        }
        let value = self.numbers(dtype, shape);
        self.constant(value)
    }

    pub fn constant(&mut self, value: Value) -> Known {
        Known { id: self.builder.constant(value.tensor()), value }
    }

    pub fn ints(&mut self, list: impl IntoIterator<Item = i64>) -> ValueId {
        self.builder.ints(list.into_iter().collect::<Vec<i64>>())
    }

    fn keep(&mut self, id: ValueId, value: Value) -> Known {
        let known = Known { id, value };
        self.values.push(known.clone());
        self.read.push(false);
        known
    }

    /// One of the values that are right for something, newer ones sooner.
    pub fn any(&mut self, fits: impl Fn(&Value) -> bool) -> Option<Known> {
        let fitting: Vec<Known> = self.values.iter().filter(|known| fits(&known.value)).cloned().collect();
        let least = if self.dice.chance(60) { fitting.len().saturating_sub(2) } else { 0 };
        self.dice.pick(&fitting[least..])
    }

    /// Like [`Generator::any`], or a new input of that type.
    pub fn any_or_new(&mut self, dtype: DType, rank: std::ops::RangeInclusive<usize>) -> Option<Known> {
        if self.dice.chance(85)
            && let Some(known) = self.any(|value| value.dtype == dtype && rank.contains(&value.rank()))
        {
            return Some(known);
        }
        let rank = rank.start() + self.dice.below((*rank.end()).min(4) + 1 - rank.start());
        let shape = self.shape(rank);
        Some(self.input(dtype, Some(&shape)))
    }

    /// Adds a node of several outputs, unless one of them is too large, or not finite.
    pub fn nodes(
        &mut self,
        op: &'static str,
        inputs: &[ValueId],
        attrs: &[(&str, Attr)],
        values: Vec<Value>,
    ) -> Option<()> {
        let fits = |value: &Value| {
            value.data.len() <= MOST_ELEMENTS
                && value.data.iter().all(|x| x.is_finite() && x.abs() <= MOST)
                && value.error <= 1e-2 * value.most().max(1.0)
        };
        if !values.iter().all(fits) {
            return None;
        }
        let ids = self.builder.node_with(op, inputs.iter().copied().map(Some), attrs.iter().cloned(), values.len());
        for (known, read) in self.values.iter().zip(&mut self.read) {
            *read |= inputs.contains(&known.id);
        }
        for (id, value) in ids.into_iter().zip(values) {
            let rounded = match value.dtype {
                DType::F32 => value.map(|x| f64::from(x as f32)),
                _ => value,
            };
            self.keep(id, rounded);
        }
        self.operators.push(op);
        Some(())
    }

    /// The value that was made last.
    pub fn newest(&self) -> Option<Known> {
        self.values.last().cloned()
    }

    pub fn last(&self) -> Option<ValueId> {
        self.newest().map(|known| known.id)
    }

    /// Adds a node of one output.
    pub fn node(&mut self, op: &'static str, inputs: &[ValueId], attrs: &[(&str, Attr)], value: Value) -> Option<()> {
        self.nodes(op, inputs, attrs, vec![value])
    }
}

/// The error of a result: what its inputs' errors come to, and its own rounding, unless everything is whole.
pub fn rounding(value: Value, inherited: f64, terms: usize) -> Value {
    let exact = inherited == 0.0 && value.is_whole();
    let own = if exact { 0.0 } else { EPSILON * value.most().max(1.0) * terms.max(1) as f64 };
    value.with_error(inherited + own)
}
