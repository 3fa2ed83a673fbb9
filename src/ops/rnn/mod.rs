//! Recurrent networks: the inputs' part of the gates for all steps at once, then the steps.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::kernel::library;
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, CoalesceBy, Emit, Fact, Lowering, View, WeightForm, Work, bits, params};
use crate::size::{Size, agree, is_empty, presumed};
use crate::tensor::DType;

use super::{Entry, Operator, check_arity, operator};

mod activation;
mod steps;

use activation::Activation;

pub(super) static OPERATORS: &[Entry] = &[
    ("", "GRU", |node| operator(Recurrent::parse(node, Cell::gru(node)?))),
    ("", "LSTM", |node| operator(Recurrent::parse(node, Cell::Lstm))),
    ("", "RNN", |node| operator(Recurrent::parse(node, Cell::Rnn))),
];

/// Requests that a dispatch may compute at once: the kernels hold a value of each in a `vec4`. Measured on llvmpipe: for
/// two of them it takes as long as two dispatches beside each other, for four two thirds of the time.
const COALESCED: u32 = 4;

/// What is computed in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Rnn,
    Lstm,
    Gru {
        /// Whether the reset gate applies to the product, with its bias, not to the state before it.
        linear_before_reset: bool,
    },
}

impl Cell {
    fn gru(node: &Node) -> Result<Cell> {
        Ok(Cell::Gru { linear_before_reset: node.int("linear_before_reset", 0)? != 0 })
    }

    /// Rows of weights for each element of the state.
    fn gates(self) -> usize {
        match self {
            Cell::Rnn => 1,
            Cell::Lstm => 4,
            Cell::Gru { .. } => 3,
        }
    }

    /// The functions of a direction, where the node names none.
    fn activations(self) -> &'static [Activation] {
        match self {
            Cell::Rnn => &[Activation::TANH],
            Cell::Lstm => &[Activation::SIGMOID, Activation::TANH, Activation::TANH],
            Cell::Gru { .. } => &[Activation::SIGMOID, Activation::TANH],
        }
    }

    /// States that go from step to step.
    fn states(self) -> usize {
        if self == Cell::Lstm { 2 } else { 1 }
    }
}

/// <https://onnx.ai/onnx/operators/onnx__LSTM.html>, <https://onnx.ai/onnx/operators/onnx__GRU.html>,
/// <https://onnx.ai/onnx/operators/onnx__RNN.html>. Inputs: X, W, R, B, `sequence_lens`, `initial_h`, and of an LSTM `initial_c` and P;
/// outputs: Y, `Y_h` and of an LSTM `Y_c`. A sequence of length 0 keeps its initial state.
#[derive(Debug)]
struct Recurrent {
    cell: Cell,
    directions: usize,
    /// Whether the only direction is from the end.
    reverse: bool,
    /// Whether batch comes before time and direction.
    batch_first: bool,
    /// The hidden size, where it is stated.
    hidden: Option<i64>,
    /// Values are clipped to this magnitude; 0 for none.
    clip: f32,
    /// Whether an LSTM forgets what it does not take in.
    couples: bool,
    /// Those of one direction after another.
    activations: Vec<Activation>,
}

impl Recurrent {
    fn parse(node: &Node, cell: Cell) -> Result<Self> {
        let (inputs, outputs) = if cell == Cell::Lstm { (8, 3) } else { (6, 2) };
        check_arity(node, 3..=inputs, 0..=outputs)?;
        let (directions, reverse) = match node.str("direction", "forward")? {
            "forward" => (1, false),
            "reverse" => (1, true),
            "bidirectional" => (2, false),
            other => return Err(Error::invalid_model(format!("direction '{other}'"))),
        };
        let hidden = node.attrs.contains_key("hidden_size").then(|| node.int("hidden_size", 0)).transpose()?;
        Ok(Recurrent {
            cell,
            directions,
            reverse,
            batch_first: node.int("layout", 0)? != 0,
            hidden,
            clip: node.float("clip", 0.0)?,
            couples: cell == Cell::Lstm && node.int("input_forget", 0)? != 0,
            activations: activation::parse(node, cell.activations(), directions)?,
        })
    }

    /// Whether its functions are those of a node that names none.
    fn is_usual(&self) -> bool {
        self.activations.iter().zip(self.cell.activations().iter().cycle()).all(|(a, b)| a == b)
    }
}

/// Sizes of one network.
struct Sizes {
    steps: Size,
    batch: Size,
    inputs: Size,
    hidden: Size,
    directions: Size,
    /// Rows of weights for each element of the state.
    gates_each: usize,
    /// Whether batch comes before time and direction.
    batch_first: bool,
}

impl Sizes {
    fn new(network: &Recurrent, inputs: &[Option<&Fact>]) -> Result<Sizes> {
        let shape = |k: usize, wanted: usize| -> Result<Option<&[Size]>> {
            match inputs.get(k).copied().flatten() {
                None => Ok(None),
                Some(fact) if fact.shape.len() == wanted => Ok(Some(&fact.shape)),
                Some(fact) => Err(Error::shape(format!("input {k} has {} dimensions, not {wanted}", fact.shape.len()))),
            }
        };
        let missing = |k: usize| Error::invalid_model(format!("input {k} is missing"));
        let x = shape(0, 3)?.ok_or_else(|| missing(0))?;
        let w = shape(1, 3)?.ok_or_else(|| missing(1))?;
        let r = shape(2, 3)?.ok_or_else(|| missing(2))?;
        let batch_first = network.batch_first;
        let (steps, batch) = if batch_first { (x[1], x[0]) } else { (x[0], x[1]) };
        let (directions, gates_each) = (Size::from(network.directions), network.cell.gates());
        let sizes = Sizes { steps, batch, inputs: x[2], hidden: r[2], directions, gates_each, batch_first };
        let (hidden, gates) = (sizes.hidden, sizes.gates());
        let state = sizes.state();
        let biases = [directions, gates * 2];
        let (lengths, peepholes) = ([batch], [directions, hidden * 3]);
        let expected = [
            (1, w, &[directions, gates, x[2]][..]),
            (2, r, &[directions, gates, hidden]),
            (3, shape(3, 2)?.unwrap_or(&biases), &biases),
            (4, shape(4, 1)?.unwrap_or(&lengths), &lengths),
            (5, shape(5, 3)?.unwrap_or(&state), &state),
            (6, shape(6, 3)?.unwrap_or(&state), &state),
            (7, shape(7, 2)?.unwrap_or(&peepholes), &peepholes),
        ];
        for (k, is, want) in expected {
            if !agree(is, want) {
                return Err(Error::shape(format!("input {k} has shape {is:?}, not {want:?}")));
            }
        }
        match network.hidden.unwrap_or(hidden.pin_signed()) {
            size if presumed(|| hidden == Size::from(size)) => Ok(sizes),
            size => Err(Error::shape(format!("hidden_size is {size}, the weights say {hidden}"))),
        }
    }

    fn gates(&self) -> Size {
        self.hidden * self.gates_each
    }

    /// The shape of `Y_h` and `Y_c`.
    fn state(&self) -> Vec<Size> {
        let Sizes { batch, hidden, directions, .. } = *self;
        if self.batch_first { vec![batch, directions, hidden] } else { vec![directions, batch, hidden] }
    }

    /// From one to the next of its directions and batch entries.
    fn state_strides(&self) -> [Size; 2] {
        let Sizes { batch, hidden, directions, .. } = *self;
        if self.batch_first { [hidden, directions * hidden] } else { [batch * hidden, hidden] }
    }

    fn y(&self) -> Vec<Size> {
        let Sizes { steps, batch, hidden, directions, .. } = *self;
        if self.batch_first { vec![batch, steps, directions, hidden] } else { vec![steps, directions, batch, hidden] }
    }
}

impl Operator for Recurrent {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let float = inputs.first().copied().flatten().filter(|dtype| dtype.is_f32());
        for (k, dtype) in inputs.iter().enumerate().filter_map(|(k, dtype)| Some((k, (*dtype)?))) {
            let fits = if k == 4 { dtype == DType::I32 } else { Some(dtype) == float };
            if !fits {
                return Err(Error::unsupported(format!("input {k} of type {dtype}")));
            }
        }
        Ok(vec![float.unwrap_or(DType::F32); 1 + self.cell.states()])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let sizes = Sizes::new(self, inputs)?;
        Ok([vec![sizes.y()], vec![sizes.state(); self.cell.states()]].concat())
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let sizes = Sizes::new(self, &cx.facts())?;
        if sizes.steps.is_zero() || is_empty(&sizes.state()) {
            return no_steps(cx, &sizes, self.cell.states());
        }
        steps::lower(cx, self, &sizes)
    }
}

/// Without steps the final states are the initial ones, which are 0 where they are left out.
fn no_steps(cx: &mut Lowering<'_>, sizes: &Sizes, states: usize) -> Result<()> {
    cx.output(0);
    for (output, input) in [(1, 5), (2, 6)].into_iter().take(states) {
        if !cx.wants_output(output) {
            continue;
        }
        let state = sizes.state();
        let source = match cx.input(input) {
            Some(_) => cx.view(input)?,
            None => zeros(cx, &state)?,
        };
        let target = cx.output(output);
        if !target.is_empty() {
            cx.copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Weights of one direction after another, each transposed: state (or input) x gate.
fn transposed(cx: &mut Lowering<'_>, k: usize) -> Result<(WeightForm, BufferId)> {
    if cx.constant(k).is_none() {
        let view = cx.view(k)?.permuted(&[0, 2, 1]);
        return Ok((WeightForm::WORDS, cx.materialise(&view)?.buffer));
    }
    let form = cx.weight_form(k);
    let weights = cx.laid_out(k, form, "transposed", |tensor| {
        let &[directions, rows, columns] = tensor.shape() else {
            return Err(Error::internal("weights without three dimensions"));
        };
        let data = tensor.as_slice::<f32>()?;
        let mut turned = Vec::with_capacity(data.len());
        for matrix in 0..directions {
            for column in 0..columns {
                turned.extend((0..rows).map(|row| data[(matrix * rows + row) * columns + column]));
            }
        }
        Ok(turned)
    })?;
    Ok((form, weights))
}

/// Weights of one direction after another, as a step reads them: fours of the state x gate x neighbours in the four. Zeros fill up the
/// last four.
fn in_fours(cx: &mut Lowering<'_>, k: usize, sizes: &Sizes) -> Result<(WeightForm, BufferId)> {
    if cx.constant(k).is_none() {
        return Ok((WeightForm::WORDS, moved_in_fours(cx, k, sizes)?));
    }
    let form = cx.weight_form(k);
    let weights = cx.laid_out(k, form, "fours", |tensor| {
        let &[directions, rows, columns] = tensor.shape() else {
            return Err(Error::internal("weights without three dimensions"));
        };
        let data = tensor.as_slice::<f32>()?;
        let mut turned = Vec::with_capacity(directions * rows * columns.next_multiple_of(4));
        for matrix in 0..directions {
            for first in (0..columns).step_by(4) {
                for row in 0..rows {
                    let start = (matrix * rows + row) * columns;
                    turned.extend((first..first + 4).map(|k| if k < columns { data[start + k] } else { 0.0 }));
                }
            }
        }
        Ok(turned)
    })?;
    Ok((form, weights))
}

/// As [`in_fours`], of weights that the device has.
fn moved_in_fours(cx: &mut Lowering<'_>, k: usize, sizes: &Sizes) -> Result<BufferId> {
    let Sizes { directions, hidden, .. } = *sizes;
    let rows = sizes.gates();
    let size = hidden.pin();
    let source = cx.view(k)?;
    let target = cx.words(source.dtype, &[directions, Size::from(size.div_ceil(4)), rows, Size::from(4u8)])?;
    if size % 4 != 0 {
        let zeros = zeros(cx, &target.shape)?;
        cx.copy(&zeros, &target)?;
    }
    for (first, fours, width) in [(0, size / 4, 4), (size / 4 * 4, 1, size % 4)] {
        let shape = [directions, Size::from(fours), rows, Size::from(width)];
        let [direction, row, column] = [source.strides[0], source.strides[1], source.strides[2]];
        let from = View {
            offset: source.offset + column * first,
            shape: shape.to_vec(),
            strides: vec![direction, column * 4, row, column],
            ..source.clone()
        };
        let to = View { offset: rows * first, shape: shape.to_vec(), ..target.clone() };
        cx.copy(&from, &to)?;
    }
    Ok(target.buffer)
}

fn zeros(cx: &mut Lowering<'_>, shape: &[Size]) -> Result<View> {
    let buffer = cx.constant_bytes(vec![0; 16])?;
    Ok(View { strides: vec![Size::ZERO; shape.len()], ..View::row_major(buffer, DType::F32, shape) })
}

/// The inputs' part of all gates, `[steps, directions, batch, gates]`, with the sum of both biases if asked.
fn input_gates(cx: &mut Lowering<'_>, sizes: &Sizes, has_bias: bool) -> Result<BufferId> {
    let Sizes { steps, batch, inputs, directions, batch_first, .. } = *sizes;
    let gates_size = sizes.gates();
    let x = cx.view(0)?;
    let (form, weights) = transposed(cx, 1)?;
    let kernel = library::with_weights("lstm_input", form.weights)?;
    let bias = if has_bias { cx.contiguous(3)?.buffer } else { weights };
    let gates = cx.words(DType::F32, &[steps, directions, batch, gates_size])?.buffer;
    let len = steps * directions * batch * gates_size;
    let (time, entry) = if batch_first { (1, 0) } else { (0, 1) };
    let sizes = [
        ("factor", bits(form.factor)),
        ("len", len),
        ("inputs", inputs),
        ("gates", gates_size),
        ("batch", batch),
        ("directions", directions),
        ("x_offset", x.offset),
        ("x_time", x.strides[time]),
        ("x_batch", x.strides[entry]),
        ("x_input", x.strides[2]),
    ];
    let emit = Emit {
        kernel: &kernel.name,
        constants: &[("BIAS", f64::from(u8::from(has_bias)))],
        groups: item_groups(len),
        operands: &[x.buffer, weights, bias, gates],
        params: params(&kernel.name, &sizes, &[("coalesced", &[Size::ZERO; 4])])?,
        cost: Work::of_words(len * inputs * 2, x.len() + len + directions * gates_size * inputs),
    };
    cx.emit_coalesced(emit, CoalesceBy { least: 3, width: COALESCED, constants: &[], own: &[0, 3] })?;
    Ok(gates)
}
