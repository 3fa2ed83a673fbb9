//! The dispatches of a resize.

use super::taps::{EXTRAPOLATED, Filter, Line, Nearest, Transform};
use super::{Resize, Stretch};
use crate::error::Result;
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, Emit, Lowering, View, Work, params, words};
use crate::size::Size;

/// What an axis of the nearest elements takes.
enum Source {
    /// Each element for so many in a row.
    Run(Size),
    /// By the table from that word on.
    Table(usize),
}

/// An axis, or several that are taken as one.
struct Dimension {
    size: Size,
    stride: Size,
    source: Source,
}

impl Resize {
    fn line(&self, stretch: &Stretch) -> Line {
        let (input, output) = (stretch.input.pin(), stretch.output.pin());
        let scale = stretch.scale.unwrap_or(output as f64 / input.max(1) as f64);
        Line { transform: self.transform, input, output, scale, roi: stretch.roi }
    }

    /// How many elements in a row come of one, where it is the same number for all, whatever the sizes are.
    fn run(&self, stretch: &Stretch, nearest: Nearest) -> Option<Size> {
        let centred = matches!(
            self.transform,
            Transform::HalfPixel | Transform::HalfPixelSymmetric | Transform::PytorchHalfPixel
        );
        let whole = match nearest {
            Nearest::RoundPreferFloor | Nearest::RoundPreferCeil => centred,
            Nearest::Floor | Nearest::Simple => self.transform == Transform::Asymmetric,
            Nearest::Ceil => false,
        };
        let (input, output) = (stretch.input, stretch.output);
        let factor = output.estimate().checked_div(input.estimate()).filter(|&factor| whole && factor >= 1)?;
        let scaled = stretch.scale.is_none_or(|scale| scale == factor as f64);
        (scaled && output == input * factor).then(|| Size::from(factor))
    }

    pub(super) fn nearest(&self, cx: &mut Lowering<'_>, stretches: &[Stretch], nearest: Nearest) -> Result<()> {
        let view = cx.view(0)?;
        let mut table = Vec::new();
        let mut dimensions: Vec<Dimension> = Vec::new();
        for (stretch, &stride) in stretches.iter().zip(&view.strides).rev() {
            let source = if stretch.is_none() {
                Source::Run(Size::ONE)
            } else if let Some(run) = self.run(stretch, nearest) {
                Source::Run(run)
            } else {
                let start = table.len();
                table.extend(self.line(stretch).nearest(nearest, self.exclude_outside)?);
                Source::Table(start)
            };
            let size = stretch.output;
            let plain = |source: &Source| matches!(source, Source::Run(run) if run.known() == Some(1));
            match dimensions.last_mut() {
                _ if size.known() == Some(1) && plain(&source) => {}
                Some(inner) if plain(&source) && plain(&inner.source) && stride == inner.stride * inner.size => {
                    inner.size *= size;
                }
                _ => dimensions.push(Dimension { size, stride, source }),
            }
        }
        let extrapolation = match self.transform {
            Transform::TfCropAndResize => Size::from(self.extrapolation(view.dtype)?),
            _ => Size::ZERO,
        };
        let fixed = stretches.iter().all(|s| s.input.known().is_some() && s.output.known().is_some());
        let table = if table.is_empty() { view.buffer } else { upload(cx, &table, fixed)? };
        let output = cx.output(0);
        let output = cx.rounded(output);
        let list = |word: fn(&Dimension) -> Size| dimensions.iter().map(word).collect::<Vec<Size>>();
        let runs = list(|d| if let Source::Run(run) = d.source { run } else { Size::ONE });
        let tables =
            list(|d| Size::from(if let Source::Table(start) = d.source { start } else { EXTRAPOLATED as usize }));
        let len = output.len();
        cx.emit(Emit {
            kernel: "resize_nearest",
            constants: &[],
            groups: item_groups(len),
            operands: &[view.buffer, table, output.buffer],
            params: params(
                "resize_nearest",
                &[
                    ("len", len),
                    ("offset", view.offset),
                    ("rank", Size::from(dimensions.len())),
                    ("extrapolation", extrapolation),
                ],
                &[
                    ("sizes", &words::<8>(&list(|d| d.size), 1)?),
                    ("strides", &words::<8>(&list(|d| d.stride), 0)?),
                    ("runs", &words::<8>(&runs, 1)?),
                    ("tables", &words::<8>(&tables, EXTRAPOLATED)?),
                ],
            )?,
            cost: Work::of_words(Size::ZERO, len * 2),
        })
    }

    pub(super) fn between(&self, cx: &mut Lowering<'_>, stretches: &[Stretch], filter: Filter) -> Result<()> {
        let mut view = cx.contiguous(0)?;
        let mut axes: Vec<usize> = (0..stretches.len()).filter(|&at| !stretches[at].is_none()).collect();
        // Axes that shrink go first: less is left for the others.
        axes.sort_by_key(|&at| {
            let Stretch { input, output, .. } = stretches[at];
            output.estimate().saturating_mul(1 << 10) / input.estimate().max(1)
        });
        for (i, &at) in axes.iter().enumerate() {
            let mut shape = view.shape.clone();
            shape[at] = stretches[at].output;
            let target = if i + 1 == axes.len() { cx.output(0) } else { cx.words(view.dtype, &shape)? };
            self.resize_axis(cx, (&view, &target), at, &stretches[at], filter)?;
            view = target;
        }
        Ok(())
    }

    fn resize_axis(
        &self,
        cx: &mut Lowering<'_>,
        (source, target): (&View, &View),
        at: usize,
        stretch: &Stretch,
        filter: Filter,
    ) -> Result<()> {
        let (taps, table) = self.line(stretch).taps(filter, self.antialias, self.exclude_outside)?;
        let fixed = stretch.input.known().is_some() && stretch.output.known().is_some();
        let table = upload(cx, &table, fixed)?;
        let len = target.len();
        let sizes = [
            ("len", len),
            ("inner", source.shape[at + 1..].iter().product()),
            ("input", stretch.input),
            ("output", stretch.output),
            ("taps", Size::from(taps)),
            ("extrapolation", crate::lower::bits(self.extrapolation)),
        ];
        cx.emit(Emit {
            kernel: "resize_axis",
            constants: &[],
            groups: item_groups(len),
            operands: &[source.buffer, table, target.buffer],
            params: params("resize_axis", &sizes, &[])?,
            cost: Work::of_words(len * 2 * taps, source.len() + len),
        })
    }
}

/// A table on the device: with the weights if no size changes it, else with each request.
fn upload(cx: &mut Lowering<'_>, table: &[u32], fixed: bool) -> Result<BufferId> {
    let bytes = bytemuck::cast_slice(table).to_vec();
    if fixed { cx.constant_bytes(bytes) } else { Ok(cx.plan_bytes(bytes)) }
}
