//! The steps: many in a dispatch while the state fits a workgroup, else one by one.

use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::kernel::{Kernel, library};
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, CoalesceBy, DeviceClass, Emit, Lowering, Target, View, WeightForm, Work};
use crate::lower::{bits, params, row_major};
use crate::size::Size;
use crate::tensor::DType;

use super::{COALESCED, Cell, Recurrent, Sizes, in_fours, input_gates};

/// Weights that a workgroup multiplies with before its dispatch ends, counted anew at each step: nothing stops a workgroup, and other requests
/// have deadlines. Measured on llvmpipe: 0.8 ns each, so that a dispatch takes a third of the slice of CPU adapters.
const MOST_WEIGHTS: usize = 1 << 22;

/// What a step of few weights counts at least: its functions and barriers take their time.
const LEAST_WEIGHTS: usize = 1 << 12;

/// How a workgroup works that makes many steps.
struct Whole {
    /// The largest hidden size, a multiple of four. Beyond, a step's weights keep one workgroup busy for longer than a dispatch of many takes: measured on llvmpipe with
    /// two cores, a step of 256 elements takes 0.20 ms this way and 0.34 ms as a dispatch, which more cores share. With barriers the first
    /// takes 0.33 ms. On GPUs nothing was measured: the bound is half, as two passes of 64 invocations over the weights.
    most: usize,
    /// Invocations at work.
    lanes: u32,
}

impl Whole {
    fn of(target: &Target) -> Whole {
        if target.class == DeviceClass::Cpu && target.subgroup_size == 8 {
            Whole { most: 256, lanes: 8 }
        } else {
            Whole { most: 128, lanes: 64 }
        }
    }
}

/// The kernel's `PART`: what a dispatch computes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Rnn = 0,
    Lstm = 1,
    Gru = 2,
    /// Of a GRU that resets its state: a single step's gates, or all of many steps.
    Gates = 3,
    /// The state that such a GRU goes to, behind its gates.
    Candidate = 4,
}

impl Cell {
    /// The dispatches of a step by itself; the first one's part is that of many steps too.
    fn parts(self) -> &'static [Part] {
        match self {
            Cell::Rnn => &[Part::Rnn],
            Cell::Lstm => &[Part::Lstm],
            Cell::Gru { linear_before_reset: true } => &[Part::Gru],
            Cell::Gru { linear_before_reset: false } => &[Part::Gates, Part::Candidate],
        }
    }
}

/// What all dispatches of a network have in common.
struct Steps<'a> {
    network: &'a Recurrent,
    sizes: &'a Sizes,
    kernel: Arc<Kernel>,
    form: WeightForm,
    weights: BufferId,
    gates: BufferId,
    /// Peepholes, or the biases of a GRU that resets its product.
    extra: Option<BufferId>,
    lengths: Option<BufferId>,
    report: BufferId,
    y: View,
    /// The state after all steps.
    last: BufferId,
    /// What else a step leaves for the next one, or for its second part.
    kept: BufferId,
}

/// Some steps, and what they begin with.
struct Range {
    first: Size,
    count: Size,
    state: Option<BufferId>,
    cell: Option<BufferId>,
    /// From one to the next of times, directions and batch entries of `state`.
    strides: [Size; 3],
}

pub(super) fn lower(cx: &mut Lowering<'_>, network: &Recurrent, sizes: &Sizes) -> Result<()> {
    let whole = Whole::of(cx.target());
    let size = sizes.hidden.pin();
    let initial_state = if cx.input(5).is_some() { Some(cx.contiguous(5)?.buffer) } else { None };
    let has_cell = network.cell == Cell::Lstm && cx.input(6).is_some();
    let initial_cell = if has_cell { Some(cx.contiguous(6)?.buffer) } else { None };
    let steps = Steps::new(cx, network, sizes, size > whole.most)?;
    let cells = (network.cell == Cell::Lstm).then_some(steps.kept);
    let [direction, entry] = sizes.state_strides();
    let mut range = Range {
        first: Size::ZERO,
        count: Size::ONE,
        state: initial_state,
        cell: initial_cell,
        strides: [Size::ZERO, direction, entry],
    };
    if size <= whole.most {
        let each = MOST_WEIGHTS / (sizes.gates_each * size * size).max(LEAST_WEIGHTS);
        for index in 0..sizes.steps.div_ceil(each).pin() {
            range.first = Size::from(index * each);
            range.count = Size::from(each).min(sizes.steps - range.first);
            steps.emit(cx, network.cell.parts()[0], &range, Some(&whole))?;
            (range.state, range.cell) = (Some(steps.last), cells);
        }
        return Ok(());
    }
    for step in 0..sizes.steps.pin() {
        range.first = Size::from(step);
        for &part in network.cell.parts() {
            steps.emit(cx, part, &range, None)?;
        }
        range.strides = steps.y_strides();
        (range.state, range.cell) = (Some(steps.y.buffer), cells);
    }
    Ok(())
}

impl<'a> Steps<'a> {
    fn new(cx: &mut Lowering<'_>, network: &'a Recurrent, sizes: &'a Sizes, singly: bool) -> Result<Self> {
        let Sizes { batch, hidden, directions, .. } = *sizes;
        let cell = network.cell;
        // A bias within the product that is reset is added there.
        let apart = cell == Cell::Gru { linear_before_reset: true };
        let has_bias = cx.input(3).is_some();
        let gates = input_gates(cx, sizes, has_bias && !apart)?;
        let (form, weights) = in_fours(cx, 2, sizes)?;
        let extra = match cell {
            Cell::Lstm if cx.input(7).is_some() => Some(cx.contiguous(7)?.buffer),
            Cell::Gru { .. } if apart && has_bias => Some(cx.contiguous(3)?.buffer),
            _ => None,
        };
        let varied = cx.input(4).is_some() && !all_steps(cx, sizes.steps);
        let lengths = if varied { Some(cx.contiguous(4)?.buffer) } else { None };
        let y = cx.output(0);
        let last = cx.output(1).buffer;
        let unused = cx.words(DType::F32, &[Size::ONE])?.buffer;
        let kept = match cell {
            Cell::Lstm => cx.output(2).buffer,
            Cell::Gru { .. } if singly => cx.words(DType::F32, &[Size::from(2u8), directions, batch, hidden])?.buffer,
            Cell::Rnn | Cell::Gru { .. } => unused,
        };
        let report = match lengths {
            Some(_) => cx.check(ErrorKind::Input, "a sequence is longer than the input, or of negative length"),
            None => unused,
        };
        let kernel = library::with_weights("recurrent", form.weights)?;
        Ok(Steps { network, sizes, kernel, form, weights, gates, extra, lengths, report, y, last, kept })
    }

    /// From one to the next of times, directions and batch entries of the result.
    fn y_strides(&self) -> [Size; 3] {
        let strides = row_major(&self.y.shape);
        if self.sizes.batch_first { [strides[1], strides[2], strides[0]] } else { [strides[0], strides[1], strides[2]] }
    }

    /// Emits a single step's part, or all of the steps.
    fn emit(&self, cx: &mut Lowering<'_>, part: Part, range: &Range, whole: Option<&Whole>) -> Result<()> {
        let Sizes { steps, batch, hidden, directions, gates_each, .. } = *self.sizes;
        let Steps { network, gates, .. } = *self;
        let len = directions * batch * hidden;
        let flag = |on: bool| Size::from(u8::from(on));
        let [y_time, y_direction, y_batch] = self.y_strides();
        let [state_direction, state_batch] = self.sizes.state_strides();
        let [before_time, before_direction, before_batch] = range.strides;
        let numbers = [
            ("len", len),
            ("size", hidden),
            ("batch", batch),
            ("directions", directions),
            ("step", range.first),
            ("count", range.count),
            ("steps", steps),
            ("clip", bits(network.clip)),
            ("reverse", flag(network.reverse)),
            ("y_time", y_time),
            ("y_direction", y_direction),
            ("y_batch", y_batch),
            ("state_direction", state_direction),
            ("state_batch", state_batch),
            ("before_time", before_time),
            ("before_direction", before_direction),
            ("before_batch", before_batch),
            ("has_state", flag(range.state.is_some())),
            ("has_cell", flag(range.cell.is_some())),
            ("couples", flag(network.couples)),
            ("factor", bits(self.form.factor)),
        ];
        let lists: [(&str, &[Size]); 2] = [("functions", &functions(network)), ("coalesced", &[Size::ZERO; 4])];
        let on = |on: bool| f64::from(u8::from(on));
        let mut constants = vec![
            ("PART", f64::from(part as u32)),
            ("USUAL", on(network.is_usual())),
            ("EXTRA", on(self.extra.is_some())),
            ("LENGTHS", on(self.lengths.is_some())),
        ];
        constants.extend(whole.map(|_| ("WHOLE", 1.0)));
        constants.extend(whole.map(|whole| ("LANES", f64::from(whole.lanes))));
        constants.extend(whole.map(|whole| ("MOST", whole.most as f64)));
        let words = len * (gates_each + 3) * range.count + directions * hidden * self.sizes.gates();
        let emit = Emit {
            kernel: &self.kernel.name,
            constants: &constants,
            groups: if whole.is_some() { directions * batch } else { item_groups(len) },
            operands: &[
                gates,
                self.weights,
                // On the heap in any case: a linked kernel has the segments of its operands.
                self.extra.unwrap_or(gates),
                self.lengths.unwrap_or(gates),
                range.state.unwrap_or(gates),
                range.cell.unwrap_or(gates),
                self.last,
                self.kept,
                self.y.buffer,
                self.report,
            ],
            params: params(&self.kernel.name, &numbers, &lists)?,
            cost: Work::of_words(len * hidden * (2 * gates_each) * range.count, words),
        };
        // Many steps of requests run beside each other: on llvmpipe four at once take 2.4 times as long as one where a state has 64 elements,
        // 4.1 times where it has 128, and each would keep but one core busy.
        if whole.is_some() || part != Part::Lstm || self.extra.is_some() || self.lengths.is_some() {
            return cx.emit(emit);
        }
        let own = &[0, 2, 3, 4, 5, 6, 7, 8, 9];
        cx.emit_coalesced(emit, CoalesceBy { least: 3, width: COALESCED, constants: &[], own })
    }
}

/// Whether it is known that every sequence is as long as the input.
fn all_steps(cx: &Lowering<'_>, steps: Size) -> bool {
    let lengths = cx.constant(4).and_then(|lengths| lengths.as_slice::<i32>().ok());
    lengths.is_some_and(|lengths| lengths.iter().all(|&length| steps == Size::from(length)))
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
