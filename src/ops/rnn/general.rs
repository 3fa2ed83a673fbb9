//! Every recurrent network but the usual LSTM: sequences of several lengths, any activation, peepholes.

use crate::error::{ErrorKind, Result};
use crate::kernel::library;
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, Emit, Lowering, View, Work, bits, params, row_major};
use crate::size::Size;
use crate::tensor::DType;

use super::{Cell, Recurrent, Sizes, input_gates, transposed};

/// The kernel's `PART`: what a dispatch computes of a step.
#[derive(Clone, Copy)]
enum Part {
    Rnn = 0,
    Lstm = 1,
    Gru = 2,
    /// A GRU's gates.
    Gates = 3,
    /// The state that a GRU goes to, behind its gates.
    Candidate = 4,
}

impl Cell {
    fn parts(self) -> &'static [Part] {
        match self {
            Cell::Rnn => &[Part::Rnn],
            Cell::Lstm => &[Part::Lstm],
            Cell::Gru { linear_before_reset: true } => &[Part::Gru],
            Cell::Gru { linear_before_reset: false } => &[Part::Gates, Part::Candidate],
        }
    }

    /// Tensors of the state's size that the steps keep: the state before and after, then the cells, or a GRU's gates.
    fn kept(self) -> usize {
        match self {
            Cell::Rnn => 2,
            Cell::Lstm => 3,
            Cell::Gru { .. } => 4,
        }
    }
}

pub(super) fn lower(cx: &mut Lowering<'_>, network: &Recurrent, sizes: &Sizes) -> Result<()> {
    let Sizes { steps, batch, hidden, directions, batch_first, .. } = *sizes;
    let cell = network.cell;
    // A bias within the product that is reset is added there.
    let apart = cell == Cell::Gru { linear_before_reset: true };
    let has_bias = cx.input(3).is_some();
    let gates = input_gates(cx, sizes, has_bias && !apart)?;
    let (form, weights) = transposed(cx, 2)?;
    let kernel = library::with_weights("recurrent_step", form.weights)?;
    let extra = match cell {
        Cell::Lstm if cx.input(7).is_some() => Some(cx.contiguous(7)?.buffer),
        Cell::Gru { .. } if apart && has_bias => Some(cx.contiguous(3)?.buffer),
        _ => None,
    };
    let lengths = if cx.input(4).is_some() { Some(cx.contiguous(4)?.buffer) } else { None };
    let report = match lengths {
        Some(_) => cx.check(ErrorKind::Input, "a sequence is longer than the input, or of negative length"),
        None => cx.words(DType::F32, &[Size::ONE])?.buffer,
    };
    let len = directions * batch * hidden;
    let kept = cx.words(DType::F32, &[Size::from(cell.kept()), directions, batch, hidden])?.buffer;
    let state =
        |index: usize| View { offset: len * index, ..View::row_major(kept, DType::F32, &[directions, batch, hidden]) };
    initial(cx, 5, sizes, &state(0))?;
    if cell == Cell::Lstm {
        initial(cx, 6, sizes, &state(2))?;
    }
    let y = cx.output(0);
    let strides = row_major(&y.shape);
    let (time, direction, entry) = if batch_first { (1, 2, 0) } else { (0, 1, 2) };
    let flag = |on: bool| Size::from(u8::from(on));
    let functions = functions(network);
    let steps_number = steps.pin();
    for step in 0..steps_number {
        let numbers = [
            ("factor", bits(form.factor)),
            ("len", len),
            ("size", hidden),
            ("batch", batch),
            ("directions", directions),
            ("step", Size::from(step)),
            ("steps", steps),
            ("clip", bits(network.clip)),
            ("reverse", flag(network.reverse)),
            ("y_time", strides[time]),
            ("y_direction", strides[direction]),
            ("y_batch", strides[entry]),
            ("couples", flag(network.couples)),
            ("before", len * (step % 2)),
            ("after", len * (1 - step % 2)),
        ];
        for &part in cell.parts() {
            cx.emit(Emit {
                kernel: &kernel.name,
                constants: &[
                    ("PART", f64::from(part as u32)),
                    ("EXTRA", f64::from(u8::from(extra.is_some()))),
                    ("LENGTHS", f64::from(u8::from(lengths.is_some()))),
                ],
                groups: item_groups(len),
                operands: &[gates, weights, extra.unwrap_or(weights), lengths.unwrap_or(gates), kept, y.buffer, report],
                params: params(&kernel.name, &numbers, &[("functions", &functions)])?,
                cost: Work::of_words(
                    len * hidden * 2 * sizes.gates_each,
                    len * (sizes.gates_each + 3) + directions * hidden * sizes.gates(),
                ),
            })?;
        }
    }
    let leaves = |view: View| if batch_first { view.permuted(&[1, 0, 2]) } else { view };
    cx.alias(1, leaves(state(steps_number % 2)));
    if cell == Cell::Lstm {
        cx.alias(2, leaves(state(2)));
    }
    Ok(())
}

/// Six functions, three of each direction, as code, alpha, beta and padding.
fn functions(network: &Recurrent) -> [Size; 24] {
    let mut words = [Size::ZERO; 24];
    let each = network.activations.len() / network.directions;
    for (i, activation) in network.activations.iter().enumerate() {
        let at = (i / each * 3 + i % each) * 4;
        words[at] = Size::from(activation.code);
        words[at + 1] = bits(activation.alpha);
        words[at + 2] = bits(activation.beta);
    }
    words
}

/// The state before the first step: an input, or zeros.
fn initial(cx: &mut Lowering<'_>, input: usize, sizes: &Sizes, target: &View) -> Result<()> {
    let source = match cx.input(input) {
        Some(_) if sizes.batch_first => cx.view(input)?.permuted(&[1, 0, 2]),
        Some(_) => cx.view(input)?,
        None => zeros(cx, &target.shape)?,
    };
    cx.copy(&source, target)
}

fn zeros(cx: &mut Lowering<'_>, shape: &[Size]) -> Result<View> {
    let buffer: BufferId = cx.constant_bytes(vec![0; 16])?;
    Ok(View { strides: vec![Size::ZERO; shape.len()], ..View::row_major(buffer, DType::F32, shape) })
}
