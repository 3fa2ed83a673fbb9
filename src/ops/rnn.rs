//! LSTM: the inputs' part of the gates for all steps at once, then a dispatch per step.

use crate::error::{Error, Result};
use crate::graph::{Attr, Node};
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, CoalesceBy, Emit, Fact, Lowering, View, Work, bits, params, row_major};
use crate::size::{Size, agree, is_empty, presumed};
use crate::tensor::{DType, Tensor};

use super::{Entry, Operator, check_arity, operator};

pub(super) static OPERATORS: &[Entry] = &[("", "LSTM", |node| operator(Lstm::parse(node)))];

/// Requests that a dispatch may compute at once: the kernels hold a value of each in a `vec4`. Measured on llvmpipe: for
/// two of them it takes as long as two dispatches beside each other, for four two thirds of the time.
const COALESCED: u32 = 4;

/// Inputs: X, W, R, B, sequence_lens, initial_h, initial_c, P; outputs: Y, Y_h, Y_c.
#[derive(Debug)]
struct Lstm {
    directions: usize,
    /// Whether the only direction is from the end.
    reverse: bool,
    /// Whether batch comes before time and direction.
    batch_first: bool,
    /// The hidden size, where it is stated.
    hidden: Option<i64>,
    /// Values are clipped to this magnitude; 0 for none.
    clip: f32,
}

impl Lstm {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 3..=8, 0..=3)?;
        let (directions, reverse) = match node.str("direction", "forward")? {
            "forward" => (1, false),
            "reverse" => (1, true),
            "bidirectional" => (2, false),
            other => return Err(Error::invalid_model(format!("direction '{other}'"))),
        };
        if node.inputs.get(7).is_some_and(Option::is_some) {
            return Err(Error::unsupported("peephole weights"));
        }
        if node.int("input_forget", 0)? != 0 {
            return Err(Error::unsupported("coupled input and forget gates"));
        }
        let usual = ["sigmoid", "tanh", "tanh"];
        match node.attrs.get("activations") {
            None => {}
            Some(Attr::Strs(names)) => {
                let given: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
                if given.len() != 3 * directions || given.iter().enumerate().any(|(k, name)| name != usual[k % 3]) {
                    return Err(Error::unsupported(format!("activations {}", names.join(", "))));
                }
            }
            Some(_) => return Err(Error::invalid_model("activations is not a list of strings")),
        }
        let hidden = node.attrs.contains_key("hidden_size").then(|| node.int("hidden_size", 0)).transpose()?;
        let batch_first = node.int("layout", 0)? != 0;
        Ok(Lstm { directions, reverse, batch_first, hidden, clip: node.float("clip", 0.0)? })
    }
}

/// Sizes of one LSTM.
struct Sizes {
    steps: Size,
    batch: Size,
    inputs: Size,
    hidden: Size,
    directions: Size,
    /// Whether batch comes before time and direction.
    batch_first: bool,
}

impl Sizes {
    fn new(lstm: &Lstm, inputs: &[Option<&Fact>]) -> Result<Sizes> {
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
        let batch_first = lstm.batch_first;
        let (steps, batch) = if batch_first { (x[1], x[0]) } else { (x[0], x[1]) };
        let sizes =
            Sizes { steps, batch, inputs: x[2], hidden: r[2], directions: Size::from(lstm.directions), batch_first };
        let Sizes { directions, hidden, .. } = sizes;
        let gates = hidden * 4;
        let state = if batch_first { [batch, directions, hidden] } else { [directions, batch, hidden] };
        let biases = [directions, gates * 2];
        let expected = [
            (1, w, &[directions, gates, x[2]][..]),
            (2, r, &[directions, gates, hidden]),
            (3, shape(3, 2)?.unwrap_or(&biases), &biases),
            (5, shape(5, 3)?.unwrap_or(&state), &state),
            (6, shape(6, 3)?.unwrap_or(&state), &state),
        ];
        for (k, is, want) in expected {
            if !agree(is, want) {
                return Err(Error::shape(format!("input {k} has shape {is:?}, not {want:?}")));
            }
        }
        match lstm.hidden.unwrap_or(hidden.pin_signed()) {
            size if presumed(|| hidden == Size::from(size)) => Ok(sizes),
            size => Err(Error::shape(format!("hidden_size is {size}, the weights say {hidden}"))),
        }
    }

    /// The shape of Y_h and Y_c.
    fn state(&self) -> Vec<Size> {
        let Sizes { batch, hidden, directions, .. } = *self;
        if self.batch_first { vec![batch, directions, hidden] } else { vec![directions, batch, hidden] }
    }

    fn y(&self) -> Vec<Size> {
        let Sizes { steps, batch, hidden, directions, .. } = *self;
        if self.batch_first { vec![batch, steps, directions, hidden] } else { vec![steps, directions, batch, hidden] }
    }
}

impl Operator for Lstm {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        4..5
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let float = inputs.first().copied().flatten().filter(|dtype| matches!(dtype, DType::F32 | DType::F16));
        for (k, dtype) in inputs.iter().enumerate().filter(|(k, _)| *k != 4) {
            if let Some(dtype) = dtype.filter(|&dtype| Some(dtype) != float) {
                return Err(Error::unsupported(format!("input {k} of type {dtype}")));
            }
        }
        Ok(vec![float.unwrap_or(DType::F32); 3])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let sizes = Sizes::new(self, inputs)?;
        if let Some(lengths) = inputs.get(4).copied().flatten() {
            let known = lengths.value().map(Tensor::as_slice::<i32>).transpose()?;
            if !known.is_some_and(|known| presumed(|| known.iter().all(|&n| sizes.steps == Size::from(n)))) {
                return Err(Error::unsupported("sequence_lens other than the full length"));
            }
        }
        Ok(vec![sizes.y(), sizes.state(), sizes.state()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let sizes = Sizes::new(self, &cx.facts())?;
        if sizes.steps.is_zero() || is_empty(&sizes.state()) {
            return no_steps(cx, &sizes);
        }
        let gates = input_gates(cx, &sizes)?;
        let (y, state) = run_steps(cx, self, &sizes, gates)?;
        if cx.wants_output(1) {
            last_hidden(cx, self, &sizes, &y)?;
        }
        let mut cells = View::row_major(state, DType::F32, &[sizes.directions, sizes.batch, sizes.hidden]);
        if sizes.batch_first {
            cells = cells.permuted(&[1, 0, 2]);
        }
        cx.alias(2, cells);
        Ok(())
    }
}

/// Without steps the final states are the initial ones, which are 0 where they are left out.
fn no_steps(cx: &mut Lowering<'_>, sizes: &Sizes) -> Result<()> {
    cx.output(0);
    for (output, input) in [(1, 5), (2, 6)] {
        if !cx.wants_output(output) {
            continue;
        }
        let state = sizes.state();
        let source = match cx.input(input) {
            Some(_) => cx.view(input)?,
            None => View {
                strides: vec![Size::ZERO; state.len()],
                ..View::row_major(cx.constant_bytes(vec![0; 16])?, DType::F32, &state)
            },
        };
        let target = cx.output(output);
        if !target.is_empty() {
            cx.copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Weights of one direction after another, each transposed: state (or input) x gate.
fn transposed(cx: &mut Lowering<'_>, k: usize) -> Result<BufferId> {
    if cx.constant(k).is_none() {
        let view = cx.view(k)?.permuted(&[0, 2, 1]);
        return Ok(cx.materialise(&view)?.buffer);
    }
    cx.packed(k, "transposed", |tensor| {
        let &[directions, rows, columns] = tensor.shape() else {
            return Err(Error::internal("weights without three dimensions"));
        };
        let data = tensor.as_slice::<f32>()?;
        let mut bytes = Vec::with_capacity(data.len() * 4);
        for matrix in 0..directions {
            for column in 0..columns {
                for row in 0..rows {
                    bytes.extend_from_slice(&data[(matrix * rows + row) * columns + column].to_ne_bytes());
                }
            }
        }
        Ok(bytes)
    })
}

fn input_gates(cx: &mut Lowering<'_>, sizes: &Sizes) -> Result<BufferId> {
    let Sizes { steps, batch, inputs, hidden, directions, batch_first } = *sizes;
    let x = cx.view(0)?;
    let weights = transposed(cx, 1)?;
    let has_bias = cx.input(3).is_some();
    let bias = if has_bias { cx.contiguous(3)?.buffer } else { weights };
    let gates = cx.words(DType::F32, &[steps, directions, batch, hidden * 4])?.buffer;
    let len = steps * directions * batch * hidden * 4;
    let (time, entry) = if batch_first { (1, 0) } else { (0, 1) };
    let sizes = [
        ("len", len),
        ("inputs", inputs),
        ("gates", hidden * 4),
        ("batch", batch),
        ("directions", directions),
        ("x_offset", x.offset),
        ("x_time", x.strides[time]),
        ("x_batch", x.strides[entry]),
        ("x_input", x.strides[2]),
    ];
    let emit = Emit {
        kernel: "lstm_input",
        constants: &[("BIAS", f64::from(u8::from(has_bias)))],
        groups: item_groups(len),
        operands: &[x.buffer, weights, bias, gates],
        params: params("lstm_input", &sizes, &[("coalesced", &[Size::ZERO; 4])])?,
        cost: Work::of_words(len * inputs * 2, x.len() + len + directions * hidden * inputs * 4),
    };
    cx.emit_coalesced(emit, CoalesceBy { least: 3, width: COALESCED, constants: &[], own: &[0, 3] })?;
    Ok(gates)
}

/// Gives Y and the cells' final state.
fn run_steps(cx: &mut Lowering<'_>, lstm: &Lstm, sizes: &Sizes, gates: BufferId) -> Result<(View, BufferId)> {
    let Sizes { steps, batch, hidden, directions, batch_first, .. } = *sizes;
    let weights = transposed(cx, 2)?;
    let initial_h = if cx.input(5).is_some() { Some(cx.contiguous(5)?.buffer) } else { None };
    let initial_c = if cx.input(6).is_some() { Some(cx.contiguous(6)?.buffer) } else { None };
    let y = cx.output(0);
    let state = cx.words(DType::F32, &[directions, batch, hidden])?.buffer;
    let y_strides = row_major(&y.shape);
    let s_strides = row_major(&sizes.state());
    let (y_time, y_direction, y_batch) = if batch_first { (1, 2, 0) } else { (0, 1, 2) };
    let (s_direction, s_batch) = if batch_first { (1, 0) } else { (0, 1) };
    let len = directions * batch * hidden;
    for step in 0..steps.pin() {
        let first = step == 0;
        let flag = |on: bool| Size::from(u8::from(on));
        let has = |initial: Option<BufferId>| first && initial.is_some();
        let numbers = [
            ("first", flag(first)),
            ("has_hidden", flag(has(initial_h))),
            ("has_cell", flag(has(initial_c))),
            ("len", len),
            ("size", hidden),
            ("batch", batch),
            ("directions", directions),
            ("step", Size::from(step)),
            ("steps", steps),
            ("clip", bits(lstm.clip)),
            ("reverse", Size::from(u8::from(lstm.reverse))),
            ("y_time", y_strides[y_time]),
            ("y_direction", y_strides[y_direction]),
            ("y_batch", y_strides[y_batch]),
        ];
        let zeros = [Size::ZERO; 4];
        let (direction, entry) = ([s_strides[s_direction]; 4], [s_strides[s_batch]; 4]);
        let lists: [(&str, &[Size]); 4] =
            [("state_offset", &zeros), ("state_direction", &direction), ("state_batch", &entry), ("coalesced", &zeros)];
        let emit = Emit {
            kernel: "lstm_step",
            constants: &[],
            groups: item_groups(len),
            operands: &[
                gates,
                weights,
                // On the heap in any case: a linked kernel has the segments of its operands.
                initial_h.filter(|_| first).unwrap_or(gates),
                initial_c.filter(|_| first).unwrap_or(gates),
                state,
                y.buffer,
            ],
            params: params("lstm_step", &numbers, &lists)?,
            cost: Work::of_words(len * hidden * 8, (len * 2 + directions * hidden * hidden) * 4),
        };
        cx.emit_coalesced(emit, CoalesceBy { least: 3, width: COALESCED, constants: &[], own: &[0, 2, 3, 4, 5] })?;
    }
    Ok((y, state))
}

/// Y_h: for each direction its last step in its own order.
fn last_hidden(cx: &mut Lowering<'_>, lstm: &Lstm, sizes: &Sizes, y: &View) -> Result<()> {
    let output = cx.output(1);
    let (time, y_direction) = if sizes.batch_first { (1, 2) } else { (0, 1) };
    let direction = usize::from(sizes.batch_first);
    for d in 0..sizes.directions.pin() {
        let last = if d == 1 || lstm.reverse { Size::ZERO } else { sizes.steps - 1 };
        // Both windows as batch x hidden.
        let window = |view: &View, offset: Size, dropped: &[usize]| View {
            offset,
            shape: vec![sizes.batch, sizes.hidden],
            strides: (0..view.shape.len())
                .filter(|axis| !dropped.contains(axis))
                .map(|axis| view.strides[axis])
                .collect(),
            ..view.clone()
        };
        let from = window(y, last * y.strides[time] + y.strides[y_direction] * d, &[time, y_direction]);
        let to = window(&output, output.strides[direction] * d, &[direction]);
        cx.copy(&from, &to)?;
    }
    Ok(())
}
