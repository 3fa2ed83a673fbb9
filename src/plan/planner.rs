//! Graph and input shapes -> template.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, ValueId};
use crate::lower::builder::{Buffer, Builder, Home};
use crate::lower::storage::{GRANULE, Storage, check_dtype, heap_bytes};
use crate::lower::{BufferId, Fact, Known, Lowering, ModelWeights, Target, View};
use crate::ops::Operator;
use crate::ops::elementwise::emit_rounding;
use crate::size::{Program, Size, Trace, trace};
use crate::tensor::{DType, Tensor};

use super::bind::{Given, Number, Symbols};
use super::facts::find_facts;
use super::memory::{Layout, Use};
use super::stage::{Blocked, Stage};
use super::state::Rooms;
use super::template::{
    Template, TracedDispatch, TracedInput, TracedLocation, TracedOperand, TracedOutput, TracedSource,
};
use super::{Keep, Plan, Room, deps, memory};

/// Plans `graph` at these input shapes (in graph order) for `target`. Weights that the plan needs are added to `weights`,
/// which belongs to the model and is shared by its plans.
///
/// # Errors
/// As [`template`].
pub fn plan(graph: &Graph, shapes: &[Vec<usize>], weights: &Arc<ModelWeights>, target: &Target) -> Result<Plan> {
    let template = template(graph, shapes, weights, target)?;
    let symbols = Symbols::of(graph, shapes, &[], &[])?;
    template.bind(&symbols).ok_or_else(|| Error::internal("a template does not serve the shapes that it was traced at"))
}

/// Plans `graph` at these input shapes (in graph order), and at all others that decide alike.
///
/// # Errors
/// `Input` if the shapes contradict the model; `InvalidModel`, `Shape` and `Unsupported` naming the node; `Limit` if a tensor or a
/// dispatch exceeds the target's limits.
pub fn template(
    graph: &Graph,
    shapes: &[Vec<usize>],
    weights: &Arc<ModelWeights>,
    target: &Target,
) -> Result<Template> {
    match traced(&Stage::whole(graph)?, shapes, &[], &[], weights, target)? {
        Traced::Template(template) => Ok(template),
        Traced::Blocked(blocked) => Err(blocked.refusal(graph)),
        Traced::Outgrown(_) => Err(Error::internal("a graph without states outgrows their rooms")),
    }
}

/// What comes of planning a stage.
#[derive(Debug)]
pub enum Traced {
    /// A plan for all shapes and values that decide alike.
    Template(Template),
    /// Some nodes need values that are not there yet.
    Blocked(Blocked),
    /// There is no room for a state after the request: by state its rows then.
    Outgrown(Vec<usize>),
}

/// As [`template`], for a stage of a model, with the values of those inputs that the host knows, and the rooms of its states that
/// grow.
///
/// # Errors
/// As [`template`].
pub fn traced(
    stage: &Stage<'_>,
    shapes: &[Vec<usize>],
    values: &[Option<Tensor>],
    rooms: &[Option<Room>],
    weights: &Arc<ModelWeights>,
    target: &Target,
) -> Result<Traced> {
    let (symbols, given, rooms) = Symbols::given(&stage.graph, shapes, values, rooms)?;
    let (traced, trace) = trace(&symbols.sizes, |sizes| {
        let size = |number: &Number| match *number {
            Number::Known(number) => Size::number(number),
            Number::Symbol(index) => sizes[index],
        };
        let fact = |(&id, given): (&ValueId, &Given)| {
            let value = stage.graph.value(id);
            let shape: Vec<Size> = given.dims.iter().map(size).collect();
            let dtype = value.dtype.ok_or_else(|| {
                Error::invalid_model(format!("the model does not declare the type of input '{}'", value.name))
            })?;
            heap_bytes(dtype, &shape).map_err(|error| named(error, &value.name))?;
            let known = given.value.as_ref().map(|(tensor, numbers)| {
                let numbers = numbers.as_ref().map(|numbers| numbers.iter().map(size).collect());
                let integers = numbers.and_then(|list| Known::integers(dtype, tensor.shape(), list));
                integers.unwrap_or_else(|| tensor.clone().into())
            });
            Ok(Fact { dtype, shape, known })
        };
        let facts = stage.graph.inputs.iter().zip(&given).map(fact).collect::<Result<Vec<Fact>>>()?;
        let rooms = rooms.iter().map(|room| room.map(|room| room.map(|number| size(&number)))).collect();
        plan_stage(&Rooms::new(stage, rooms), facts, weights, target)
    });
    let program = Program::new(trace);
    let key = symbols.key;
    Ok(match traced? {
        Traced::Template(template) => Traced::Template(Template { program, key, ..template }),
        Traced::Blocked(blocked) => Traced::Blocked(Blocked { program, key, ..blocked }),
        Traced::Outgrown(rows) => Traced::Outgrown(rows),
    })
}

fn plan_stage(rooms: &Rooms<'_>, inputs: Vec<Fact>, weights: &Arc<ModelWeights>, target: &Target) -> Result<Traced> {
    let stage = rooms.stage;
    let graph = &*stage.graph;
    let mut builder = Builder {
        target: target.clone(),
        weights: weights.clone(),
        facts: vec![None; graph.values.len()],
        views: vec![None; graph.values.len()],
        reserved: vec![None; graph.values.len()],
        words: vec![None; graph.values.len()],
        needed: vec![false; graph.values.len()],
        delivered: vec![false; graph.values.len()],
        keys: stage.keys(),
        buffers: Vec::new(),
        dispatches: Vec::new(),
        fed: Vec::new(),
        bound: Vec::new(),
        wholes: 0,
        checks: Vec::new(),
        report: None,
        label: Arc::from(""),
    };
    let node_facts = match find_facts(stage, inputs, &mut builder)? {
        Ok(facts) => facts,
        Err(blocked) => return Ok(Traced::Blocked(blocked)),
    };
    if let Some(rows) = rooms.outgrown(&builder) {
        return Ok(Traced::Outgrown(rows));
    }
    find_needed(stage, &mut builder);
    for (index, &id) in graph.inputs.iter().enumerate() {
        if builder.needed[id.0 as usize] {
            let fact = fact_of(&builder, id.0).clone();
            check_dtype(fact.dtype).map_err(|error| named(error, &graph.value(id).name))?;
            let view = rooms.input(index, &fact, &mut builder).map_err(|error| named(error, &graph.value(id).name))?;
            builder.fed.push(view.buffer);
            builder.views[id.0 as usize] = Some(view);
        }
    }
    rooms.reserve(&mut builder)?;
    let fed: Vec<Option<View>> = graph.inputs.iter().map(|id| builder.views[id.0 as usize].clone()).collect();
    for ((node, operator), facts) in stage.nodes().zip(&node_facts) {
        lower(node, operator, facts, &mut builder).map_err(|error| at(error, node, &builder))?;
    }
    finish(rooms, fed, builder).map(Traced::Template)
}

/// Marks what must be on the device: from the outputs backwards, through values that the host does not know.
fn find_needed(stage: &Stage<'_>, builder: &mut Builder) {
    let graph = &*stage.graph;
    let Builder { needed, delivered, facts, .. } = builder;
    let unknown = |id: u32| facts[id as usize].as_ref().is_some_and(|fact| fact.known.is_none());
    for &id in &graph.outputs {
        // An input that went up and is passed through is not read back.
        let input = graph.inputs.iter().position(|&input| input == id);
        delivered[id.0 as usize] = true;
        needed[id.0 as usize] = unknown(id.0) && input.is_none_or(|index| stage.is_resident(index));
    }
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().flatten().any(|id| needed[id.0 as usize]) {
            for id in node.inputs.iter().flatten() {
                needed[id.0 as usize] |= unknown(id.0);
            }
        }
    }
}

fn lower(node: &Node, operator: &dyn Operator, facts: &[Fact], builder: &mut Builder) -> Result<()> {
    let wanted = |id: &Option<crate::graph::ValueId>| id.filter(|id| builder.needed[id.0 as usize]);
    let outputs: Vec<_> = (node.outputs.iter().zip(facts)).filter_map(|(id, fact)| Some((wanted(id)?, fact))).collect();
    if outputs.is_empty() {
        return Ok(());
    }
    for (_, fact) in &outputs {
        check_dtype(fact.dtype)?;
    }
    if outputs.iter().all(|(_, fact)| fact.is_empty()) {
        for (id, fact) in outputs {
            let place = builder.reserved[id.0 as usize].clone().map(|reserved| reserved.view);
            let nowhere =
                |builder: &mut Builder| View::at_rest(builder.activation(Size::ZERO), fact.dtype, &fact.shape);
            builder.views[id.0 as usize] = Some(place.unwrap_or_else(|| nowhere(builder)));
        }
        return Ok(());
    }
    let outputs: Vec<(u32, DType)> = outputs.iter().map(|(id, fact)| (id.0, fact.dtype)).collect();
    builder.label = Arc::from(node.name.as_str());
    operator.lower(&mut Lowering { node, outputs: facts, builder })?;
    for (id, dtype) in outputs {
        let view = builder.views[id as usize].clone();
        let view = view.ok_or_else(|| Error::internal("lowering left an output without a buffer"))?;
        // Kernels that compute in f32 say so of f16 and bf16 too.
        let view = View { dtype, ..view };
        builder.views[id as usize] = Some(view.clone());
        if dtype.is_half() && view.storage == Storage::Word && !builder.buffer(view.buffer).rounded {
            let delivered = builder.delivered[id as usize];
            let mut cx = Lowering { node, outputs: facts, builder };
            let rounded = if delivered { cx.at_rest(&view)? } else { emit_rounding(&mut cx, &view)? };
            builder.views[id as usize] = Some(rounded);
        }
    }
    Ok(())
}

/// `fed` says where inputs lie, whatever copies of them nodes have asked for.
fn finish(rooms: &Rooms<'_>, fed: Vec<Option<View>>, mut builder: Builder) -> Result<Template> {
    let stage = rooms.stage;
    let graph = &*stage.graph;
    // What the caller reads back lies row-major on a 16-byte boundary.
    let mut outputs: Vec<Option<View>> = Vec::with_capacity(graph.outputs.len());
    let mut apart: Vec<BufferId> = builder.reserved.iter().flatten().map(|reserved| reserved.view.buffer).collect();
    for (index, &id) in graph.outputs.iter().enumerate() {
        let name = &graph.value(id).name;
        let view = match builder.views[id.0 as usize].clone() {
            // Written where it belongs, whatever copies of it other nodes have asked for.
            Some(_) if builder.needed[id.0 as usize] && rooms.place(index, &builder).is_some() => {
                rooms.place(index, &builder).cloned()
            }
            Some(view) if builder.needed[id.0 as usize] && rooms.passes(index, &view, &builder) => Some(view),
            Some(view) if builder.needed[id.0 as usize] => {
                let rest = stage.keep(index).is_resident();
                let mut view = read_back(view, name, rest, &mut builder)?;
                if rest {
                    // What outlives the request has a region of its own, and lies there alone.
                    let own = matches!(builder.buffer(view.buffer).home, Home::Activation)
                        && view.offset.is_zero()
                        && !apart.contains(&view.buffer)
                        && builder.report != Some(view.buffer);
                    if !own {
                        view = copied(&view, name, &mut builder)?;
                    }
                    apart.push(view.buffer);
                }
                Some(view)
            }
            _ => None,
        };
        outputs.push(view);
    }
    let lies = |(id, fed): (&ValueId, Option<View>)| fed.or_else(|| builder.views[id.0 as usize].clone());
    let input_views: Vec<Option<View>> = graph.inputs.iter().zip(fed).map(lies).collect();
    let mut uses = find_uses(&builder);
    let bound = builder.bound.iter().map(|bound| bound.buffer);
    for buffer in input_views.iter().flatten().map(|view| view.buffer).chain(bound) {
        if let Some(used) = &mut uses[buffer.0 as usize] {
            used.from_start = true;
        }
    }
    let resident = |index: usize| stage.is_resident(index);
    let fed = input_views.iter().enumerate().filter(|&(index, _)| resident(index));
    apart.extend(fed.filter_map(|(_, view)| Some(view.as_ref()?.buffer)));
    for buffer in &apart {
        uses[buffer.0 as usize].get_or_insert_with(|| Use::new(builder.buffer(*buffer).bytes)).apart = true;
    }
    let kept = outputs.iter().flatten().map(|view| view.buffer).chain(builder.report);
    for (buffer, _) in kept.map(|buffer| builder.root(buffer)) {
        let Buffer { home, bytes, .. } = builder.buffer(buffer);
        if matches!(home, Home::Activation) {
            // An empty or unwritten buffer has a location too; an input that is only passed on must be uploaded to it.
            let used = uses[buffer.0 as usize].get_or_insert_with(|| Use::new(bytes));
            used.to_end = true;
            used.from_start |= builder.fed.contains(&buffer) || builder.report == Some(buffer);
        }
    }
    let emitted = std::mem::take(&mut builder.dispatches);
    let Layout { locations, regions, edges } = memory::lay_out(&uses, emitted.len(), &builder.target)?;
    let operand = |buffer: BufferId| -> Option<TracedOperand> {
        let (root, offset) = builder.root(buffer);
        let location = match builder.buffer(root).home {
            Home::Weight(id) => TracedLocation::Weight(id),
            Home::Activation | Home::Window { .. } => {
                let (region, start) = locations[root.0 as usize]?;
                TracedLocation::Activation { region, offset: start + offset }
            }
        };
        Some(TracedOperand { location, bytes: builder.buffer(buffer).bytes })
    };
    let mut dispatches = Vec::with_capacity(emitted.len());
    for (emitted, deps) in emitted.into_iter().zip(deps::reduce(edges)) {
        let operands: Option<Vec<TracedOperand>> = emitted.operands.iter().map(|own| operand(own.buffer)).collect();
        let operands = operands.ok_or_else(|| Error::internal("a used buffer has no location"))?;
        let limit = builder.target.max_binding_bytes;
        let bytes = |operand: &TracedOperand| u64::try_from(operand.bytes.estimate()).unwrap_or(u64::MAX);
        if let Some(big) = operands.iter().map(bytes).find(|&bytes| bytes > limit) {
            let error = Error::limit(format!("a tensor of {big} bytes exceeds the binding limit of {limit}"));
            return Err(error.at_node(&*emitted.label, emitted.variant.kernel().name.clone()));
        }
        let region = only_region(&operands);
        dispatches.push(TracedDispatch { emitted: emitted.with_operands(operands), deps: deps.into(), region });
    }
    let inputs = (graph.inputs.iter().zip(&input_views).enumerate())
        .map(|(index, (&id, view))| {
            let fact = fact_of(&builder, id.0);
            let operand = view.as_ref().and_then(|view| operand(view.buffer));
            let name = graph.value(id).name.clone();
            let (dtype, shape) = (fact.dtype, fact.shape.clone());
            let (resident, room) = (resident(index), rooms.of_input(index).map(|(_, room)| room));
            TracedInput { name, dtype, storage: Storage::of(dtype), shape, operand, resident, room }
        })
        .collect();
    let mut traced_outputs = Vec::with_capacity(graph.outputs.len());
    for (index, (&id, view)) in graph.outputs.iter().zip(&outputs).enumerate() {
        let fact = fact_of(&builder, id.0);
        let input = graph.inputs.iter().position(|&input| input == id);
        let source = match (view, input, &fact.known) {
            (_, Some(index), _) if !resident(index) => TracedSource::Input(index),
            (_, _, Some(known)) => TracedSource::Known(known.clone()),
            (Some(view), _, None) => {
                let whole = operand(view.buffer).ok_or_else(|| Error::internal("an output has no location"))?;
                TracedSource::Device(window(whole, view)?)
            }
            (None, _, None) => return Err(Error::internal("an output has no source")),
        };
        let name = graph.value(id).name.clone();
        let keep = if matches!(source, TracedSource::Device(_)) { stage.keep(index) } else { Keep::Read };
        let (dtype, shape) = (fact.dtype, fact.shape.clone());
        let storage = view.as_ref().map_or_else(|| Storage::of(dtype), |view| view.storage);
        let room = rooms.of_output(index).filter(|_| keep.is_resident());
        traced_outputs.push(TracedOutput { name, dtype, storage, shape, source, keep, room });
    }
    let placed = |buffer: BufferId| operand(buffer).ok_or_else(|| Error::internal("a buffer has no location"));
    let report = builder.report.map(|buffer| Ok((placed(buffer)?, builder.checks.clone())));
    let bound = (builder.bound.iter())
        .filter(|bound| uses[bound.buffer.0 as usize].is_some())
        .map(|bound| Ok((placed(bound.buffer)?, bound.content.clone())));
    Ok(Template {
        program: Program::new(Trace::default()),
        key: Default::default(),
        bound: bound.collect::<Result<_>>()?,
        report: report.transpose()?,
        max_binding_bytes: builder.target.max_binding_bytes,
        dispatches,
        regions,
        inputs,
        outputs: traced_outputs,
    })
}

/// The region that holds all that is the request's own, if there is one.
fn only_region(operands: &[TracedOperand]) -> Option<u16> {
    let mut regions = operands.iter().filter_map(|operand| match operand.location {
        TracedLocation::Activation { region, .. } => Some(region),
        TracedLocation::Weight(_) => None,
    });
    let region = regions.next()?;
    regions.all(|other| other == region).then_some(region)
}

/// The view itself, or a copy of it where it does not lie as an output must, or nothing would write it. What stays on the device lies
/// at rest, as an input does, and so does what is f16 or bf16.
fn read_back(view: View, label: &str, rest: bool, builder: &mut Builder) -> Result<View> {
    let (root, _) = builder.root(view.buffer);
    let computed = matches!(builder.buffer(root).home, Home::Activation)
        && !builder.fed.contains(&root)
        && !builder.bound.iter().any(|bound| bound.buffer == root);
    let lies = view.storage == Storage::of(view.dtype) || !rest && !view.dtype.is_half();
    if computed && lies && view.is_row_major() && view.storage.is_aligned(view.offset, GRANULE) {
        return Ok(view);
    }
    copied(&view, label, builder)
}

fn copied(view: &View, label: &str, builder: &mut Builder) -> Result<View> {
    builder.label = Arc::from(label);
    let node = Node { name: label.to_owned(), ..Node::default() };
    Lowering { node: &node, outputs: &[], builder }.at_rest(view)
}

/// How dispatches use each activation, by buffer.
fn find_uses(builder: &Builder) -> Vec<Option<Use>> {
    let mut uses: Vec<Option<Use>> = vec![None; builder.buffers.len()];
    for (dispatch, emitted) in builder.dispatches.iter().enumerate() {
        for (root, touch) in builder.touches(emitted) {
            let used = uses[root.0 as usize].get_or_insert_with(|| Use::new(builder.buffer(root).bytes));
            used.touch(dispatch as u32, touch);
        }
    }
    uses
}

fn window(whole: TracedOperand, view: &View) -> Result<TracedOperand> {
    let skip = view.storage.byte_of(view.offset);
    let location = match whole.location {
        TracedLocation::Activation { region, offset } => TracedLocation::Activation { region, offset: offset + skip },
        TracedLocation::Weight(_) => return Err(Error::internal("an output lies among the weights")),
    };
    Ok(TracedOperand { location, bytes: view.storage.heap_bytes(&view.shape)?.min(whole.bytes.saturating_sub(skip)) })
}

fn fact_of(builder: &Builder, id: u32) -> &Fact {
    builder.facts[id as usize].as_ref().expect("every value has a fact once they are found")
}

fn named(error: Error, input: &str) -> Error {
    Error::new(error.kind(), format!("input '{input}': {}", error.message()))
}

pub(super) fn at(error: Error, node: &Node, builder: &Builder) -> Error {
    let inputs = node.inputs.iter().map(|id| {
        let fact = id.and_then(|id| builder.facts[id.0 as usize].as_ref());
        fact.map_or_else(|| "none".to_owned(), |fact| format!("{}{:?}", fact.dtype, fact.shape))
    });
    error.with_shapes(inputs).at_node(&node.name, node.operator())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Attr, Dim, Value, ValueId};
    use crate::lower::{DeviceClass, Tuning};
    use crate::plan::{Location, Operand};

    const TARGET: Target = Target {
        class: DeviceClass::Cpu,
        parallelism: 2,
        max_binding_bytes: 1 << 20,
        subgroup_size: 8,
        tuning: Tuning::NONE,
    };

    /// `op` of each of three inputs of this shape, or the inputs themselves, joined along `axis`; then Neg of the whole.
    fn joining(shape: &[usize], axis: i64, op: Option<&str>) -> Graph {
        let mut graph = Graph::default();
        let value = |name: String, known: bool| Value {
            name,
            dtype: known.then_some(DType::F32),
            shape: known.then(|| shape.iter().map(|&size| Dim::Known(size)).collect()),
            ..Value::default()
        };
        let emit = |graph: &mut Graph, op: &str, inputs: Vec<Option<ValueId>>, attrs: &[(&str, i64)]| {
            let output = graph.add_value(value(format!("{op}{}", graph.values.len()), false));
            let attrs = attrs.iter().map(|&(name, value)| (name.to_owned(), Attr::Int(value))).collect();
            let (name, op, outputs) = (format!("{op}{}", graph.nodes.len()), op.to_owned(), vec![Some(output)]);
            graph.add_node(Node { name, op, opset: 13, inputs, outputs, attrs, ..Node::default() });
            output
        };
        let mut parts = Vec::new();
        for part in 0..3 {
            let input = graph.add_value(value(format!("x{part}"), true));
            graph.inputs.push(input);
            parts.push(Some(op.map_or(input, |op| emit(&mut graph, op, vec![Some(input)], &[]))));
        }
        let whole = emit(&mut graph, "Concat", parts, &[("axis", axis)]);
        let output = emit(&mut graph, "Neg", vec![Some(whole)], &[]);
        graph.outputs.push(output);
        graph
    }

    fn joined(shape: &[usize], axis: i64, op: Option<&str>) -> Plan {
        plan(&joining(shape, axis, op), &vec![shape.to_vec(); 3], &Arc::default(), &TARGET).unwrap()
    }

    fn kernels(plan: &Plan) -> Vec<&str> {
        plan.dispatches.iter().map(|dispatch| dispatch.variant.kernel().family()).collect()
    }

    #[test]
    fn parts_of_a_concat_do_not_wait_for_each_other() {
        // In one piece, and computed: where they belong. Strided, or given: by copies, of two in one dispatch. All at once.
        let copies = &["copy_pair", "copy_strided"][..];
        for (shape, axis, op, want, parts) in [
            (&[1, 4, 5][..], 1, Some("Exp"), vec!["elementwise"; 4], 3),
            (&[2, 4, 5], 1, Some("Exp"), [&["elementwise"; 3], copies].concat(), 2),
            (&[2, 4], 1, None, copies.to_vec(), 2),
            (&[1, 3, 1], 1, Some("Exp"), [&["elementwise"; 3], copies].concat(), 2),
        ] {
            let plan = joined(shape, axis, op);
            let got = kernels(&plan);
            assert_eq!(got[..want.len().min(got.len())], want[..], "{shape:?}");
            let last = plan.dispatches.last().unwrap();
            assert_eq!(last.deps.len(), parts, "{shape:?}: {:?}", last.deps);
            for &part in last.deps.iter() {
                let deps = &plan.dispatches[part as usize].deps;
                assert!(deps.iter().all(|dep| !last.deps.contains(dep)), "{shape:?}: {part} waits for {deps:?}");
            }
        }
    }

    #[test]
    fn planning_reads_no_attribute() {
        let shape = [2, 4];
        let graph = joining(&shape, 1, Some("Exp"));
        let mut stage = Stage::whole(&graph).unwrap();
        stage.graph.to_mut().nodes.iter_mut().for_each(|node| Arc::make_mut(node).attrs.clear());
        match traced(&stage, &vec![shape.to_vec(); 3], &[], &[], &Arc::default(), &TARGET).unwrap() {
            Traced::Template(template) => assert_eq!(template.outputs[0].shape, [2, 12].map(Size::number)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parts_lie_one_after_another_in_the_whole() {
        // 12 elements: no part needs filling up.
        let plan = joined(&[1, 4, 3], 1, Some("Exp"));
        assert_eq!(kernels(&plan), ["elementwise"; 4]);
        let written: Vec<Operand> = plan.dispatches[..3].iter().map(|dispatch| dispatch.operands[1]).collect();
        let whole = plan.dispatches[3].operands[0];
        let start = |operand: Operand| match operand.location {
            Location::Activation { offset, .. } => offset,
            Location::Weight(_) => panic!("an activation is wanted"),
        };
        let offsets: Vec<u64> = written.iter().map(|&part| start(part) - start(whole)).collect();
        assert_eq!((offsets, whole.bytes), (vec![0, 48, 96], 144));
    }
}
