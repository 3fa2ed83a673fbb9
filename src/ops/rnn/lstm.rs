//! The LSTM of usual activations: a kernel a step, which requests may share.

use crate::error::Result;
use crate::kernel::library;
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, CoalesceBy, Emit, Lowering, View, Work, bits, params, row_major};
use crate::size::Size;
use crate::tensor::DType;

use super::{COALESCED, Recurrent, Sizes, input_gates, transposed};

/// Lowers an LSTM without peepholes, whose sequences are all as long as the input.
pub(super) fn lower(cx: &mut Lowering<'_>, lstm: &Recurrent, sizes: &Sizes) -> Result<()> {
    let gates = input_gates(cx, sizes, cx.input(3).is_some())?;
    let (y, state) = run_steps(cx, lstm, sizes, gates)?;
    if cx.wants_output(1) {
        last_hidden(cx, lstm, sizes, &y)?;
    }
    let mut cells = View::row_major(state, DType::F32, &[sizes.directions, sizes.batch, sizes.hidden]);
    if sizes.batch_first {
        cells = cells.permuted(&[1, 0, 2]);
    }
    cx.alias(2, cells);
    Ok(())
}

/// Gives Y and the cells' final state.
fn run_steps(cx: &mut Lowering<'_>, lstm: &Recurrent, sizes: &Sizes, gates: BufferId) -> Result<(View, BufferId)> {
    let Sizes { steps, batch, hidden, directions, batch_first, .. } = *sizes;
    let (form, weights) = transposed(cx, 2)?;
    let kernel = library::with_weights("lstm_step", form.weights)?;
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
            ("factor", bits(form.factor)),
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
            kernel: &kernel.name,
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
            params: params(&kernel.name, &numbers, &lists)?,
            cost: Work::of_words(len * hidden * 8, (len * 2 + directions * hidden * hidden) * 4),
        };
        cx.emit_coalesced(emit, CoalesceBy { least: 3, width: COALESCED, constants: &[], own: &[0, 2, 3, 4, 5] })?;
    }
    Ok((y, state))
}

/// Y_h: for each direction its last step in its own order.
fn last_hidden(cx: &mut Lowering<'_>, lstm: &Recurrent, sizes: &Sizes, y: &View) -> Result<()> {
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
