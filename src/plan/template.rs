//! A plan for all sizes of a model's symbols that decide alike.

use std::sync::Arc;

use crate::lower::builder::{Content, Emitted};
use crate::lower::grid::linear_grid;
use crate::lower::storage::{GRANULE, Storage};
use crate::lower::{Check, Coalescing, Cost, Known, WeightId};
use crate::size::{Program, Size, Values};
use crate::tensor::{DType, Tensor, TensorData};

use super::bind::{Key, Symbols};
use super::{Checks, Dispatch, Keep, Location, Operand, Plan, PlanInput, PlanOutput, Source};

/// A plan whose grids, parameters, addresses and bytes are expressions over the sizes of the model's symbols: traced once at
/// some sizes, and good for all others at which every choice comes out the same.
#[derive(Debug)]
pub struct Template {
    pub(super) program: Program,
    pub(super) key: Key,
    pub(super) dispatches: Vec<TracedDispatch>,
    pub(super) regions: Vec<Size>,
    pub(super) inputs: Vec<TracedInput>,
    pub(super) outputs: Vec<TracedOutput>,
    pub(super) report: Option<(TracedOperand, Vec<Check>)>,
    pub(super) bound: Vec<(TracedOperand, Content)>,
    pub(super) max_binding_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum TracedLocation {
    Activation { region: u16, offset: Size },
    Weight(WeightId),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct TracedOperand {
    pub(super) location: TracedLocation,
    pub(super) bytes: Size,
}

#[derive(Debug)]
pub(super) struct TracedDispatch {
    pub(super) emitted: Emitted<TracedOperand>,
    pub(super) deps: Arc<[u32]>,
    /// That of all operands of the request's own, if it is one.
    pub(super) region: Option<u16>,
}

#[derive(Debug)]
pub(super) struct TracedInput {
    pub(super) name: String,
    pub(super) dtype: DType,
    pub(super) storage: Storage,
    pub(super) shape: Vec<Size>,
    pub(super) operand: Option<TracedOperand>,
    pub(super) resident: bool,
    pub(super) room: Option<Size>,
}

#[derive(Debug)]
pub(super) enum TracedSource {
    Device(TracedOperand),
    Known(Known),
    Input(usize),
}

#[derive(Debug)]
pub(super) struct TracedOutput {
    pub(super) name: String,
    pub(super) dtype: DType,
    pub(super) storage: Storage,
    pub(super) shape: Vec<Size>,
    pub(super) source: TracedSource,
    pub(super) keep: Keep,
    pub(super) room: Option<Size>,
}

impl Template {
    /// The plan at these sizes; `None` if a choice comes out otherwise there, or a limit of the device is exceeded: then a
    /// template of their own has to be traced, or that says what is wrong.
    pub fn bind(&self, symbols: &Symbols) -> Option<Plan> {
        if self.key != symbols.key {
            return None;
        }
        let values = self.program.run(&symbols.sizes)?;
        let binder = Binder { values: &values, limit: self.max_binding_bytes };
        let regions: Vec<u64> = self.regions.iter().map(|&size| values.count(size)).collect();
        if regions.iter().any(|&bytes| bytes > self.max_binding_bytes) {
            return None;
        }
        let dispatches = self.dispatches.iter().map(|traced| binder.dispatch(traced)).collect::<Option<Vec<_>>>()?;
        let inputs = self.inputs.iter().map(|input| {
            let operand = match input.operand {
                Some(operand) => Some(binder.operand(operand)?),
                None => None,
            };
            Some(PlanInput {
                name: input.name.clone(),
                dtype: input.dtype,
                storage: input.storage,
                shape: binder.shape(&input.shape)?,
                operand,
                resident: input.resident,
                room: binder.number(input.room)?,
            })
        });
        let outputs = self.outputs.iter().map(|output| {
            let source = match &output.source {
                TracedSource::Device(operand) => Source::Device(binder.operand(*operand)?),
                TracedSource::Known(known) => Source::Constant(binder.tensor(known)?),
                TracedSource::Input(index) => Source::Input(*index),
            };
            let TracedOutput { dtype, storage, keep, .. } = *output;
            Some(PlanOutput {
                name: output.name.clone(),
                dtype,
                storage,
                shape: binder.shape(&output.shape)?,
                source,
                keep,
                room: binder.number(output.room)?,
            })
        });
        let bound = self.bound.iter().map(|(operand, content)| {
            let elements = match content {
                Content::Integers(elements) => elements,
                Content::Bytes(bytes) => return Some((binder.operand(*operand)?, bytes.clone())),
            };
            let words = elements.iter().map(|&x| i32::try_from(values.of(x))).collect::<Result<Vec<i32>, _>>().ok()?;
            let mut bytes: Vec<u8> = bytemuck::cast_slice(&words).to_vec();
            bytes.resize(bytes.len().max(1).next_multiple_of(GRANULE as usize), 0);
            Some((binder.operand(*operand)?, bytes.into()))
        });
        let checks = match &self.report {
            Some((report, list)) => Some(Checks { report: binder.operand(*report)?, list: list.clone() }),
            None => None,
        };
        Some(Plan {
            inputs: inputs.collect::<Option<_>>()?,
            outputs: outputs.collect::<Option<_>>()?,
            constants: bound.collect::<Option<_>>()?,
            dispatches,
            regions,
            checks,
        })
    }

    /// Why the template does not serve these sizes, if that is by a guard: the first that fails, with symbols `s0`, `s1` and so on
    /// in the order of their names.
    pub fn objection(&self, symbols: &Symbols) -> Option<String> {
        self.program.objection(&symbols.sizes)
    }

    /// Expressions and guards, for reports.
    pub fn complexity(&self) -> (usize, usize) {
        self.program.len()
    }
}

struct Binder<'a> {
    values: &'a Values,
    limit: u64,
}

impl Binder<'_> {
    fn operand(&self, TracedOperand { location, bytes }: TracedOperand) -> Option<Operand> {
        let bytes = self.values.count(bytes);
        let location = match location {
            TracedLocation::Activation { region, offset } => {
                Location::Activation { region, offset: self.values.count(offset) }
            }
            TracedLocation::Weight(id) => Location::Weight(id),
        };
        (bytes <= self.limit).then_some(Operand { location, bytes })
    }

    fn shape(&self, shape: &[Size]) -> Option<Vec<usize>> {
        shape.iter().map(|&size| usize::try_from(self.values.of(size)).ok()).collect()
    }

    fn number(&self, size: Option<Size>) -> Option<Option<usize>> {
        size.map(|size| usize::try_from(self.values.of(size)).ok()).map_or(Some(None), |number| number.map(Some))
    }

    fn tensor(&self, known: &Known) -> Option<Tensor> {
        let tensor = known.estimate();
        let Some(elements) = known.elements() else { return Some(tensor.clone()) };
        let elements = elements.iter().map(|&x| self.values.of(x));
        let data = match tensor.dtype() {
            DType::I64 => TensorData::I64(elements.collect()),
            DType::I32 => TensorData::I32(elements.map(i32::try_from).collect::<Result<_, _>>().ok()?),
            _ => return None,
        };
        Tensor::from_data(tensor.shape(), data).ok()
    }

    fn dispatch(&self, TracedDispatch { emitted, deps, region }: &TracedDispatch) -> Option<Dispatch> {
        let values = self.values;
        let cost = Cost { flops: values.count(emitted.cost.flops), bytes: values.count(emitted.cost.bytes) };
        let coalesce = emitted.coalesce.as_ref().zip(*region).map(|(coalesce, region)| Coalescing {
            variant: coalesce.variant.clone(),
            least: coalesce.least,
            width: coalesce.width,
            word: coalesce.word,
            region,
            shared: values.count(coalesce.shared).min(cost.bytes),
        });
        Some(Dispatch {
            label: emitted.label.clone(),
            variant: emitted.variant.clone(),
            grid: linear_grid(values.count(emitted.groups)).ok()?,
            operands: emitted.operands.iter().map(|&operand| self.operand(operand)).collect::<Option<_>>()?,
            params: emitted.params.iter().map(|&word| u32::try_from(values.of(word)).ok()).collect::<Option<_>>()?,
            deps: deps.clone(),
            cost,
            coalesce,
        })
    }
}
