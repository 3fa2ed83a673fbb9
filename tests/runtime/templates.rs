//! Templates: a plan that was traced at some shapes and bound to others is the plan that is traced at those.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fascine::graph::Graph;
use fascine::kernel::Variant;
use fascine::lower::tuning::{Choice, Share, TileTable, Tiled, Timed};
use fascine::lower::{DeviceClass, ModelWeights, Target, Tuning};
use fascine::onnx::{self, LoadOptions};
use fascine::ops::Operators;
use fascine::optimise;
use fascine::plan::bind::{Symbols, resolve_shapes};
use fascine::plan::{Location, Operand, Plan, plan, template};

fn model(name: &str) -> Graph {
    let path = format!("{}/tests/zoo/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let mut graph = onnx::load(path, &options).unwrap();
    let mut operators = Operators::default();
    assert!(optimise::prepare(&mut graph, &mut operators).is_empty());
    optimise::optimise(&mut graph, &mut operators);
    graph
}

fn target(class: DeviceClass) -> Target {
    // Workgroups that a large GPU holds, and that a CPU of a few cores keeps busy.
    let parallelism = if class == DeviceClass::Gpu { 4096 } else { 8 };
    Target { class, parallelism, max_binding_bytes: 1 << 27, subgroup_size: 8, tuning: Tuning::NONE }
}

fn shapes(graph: &Graph, sizes: &[(&str, usize)]) -> Vec<Vec<usize>> {
    let sizes: BTreeMap<String, usize> = sizes.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
    resolve_shapes(graph, &sizes).unwrap()
}

/// What two plans of the same shapes have in common whatever their layouts are.
fn kernels(plan: &Plan) -> Vec<String> {
    let operand = |operand: &Operand| match operand.location {
        Location::Activation { .. } => format!("activation of {}", operand.bytes),
        Location::Weight(id) => format!("weight {} of {}", id.0, operand.bytes),
    };
    (plan.dispatches.iter())
        .map(|dispatch| {
            let operands: Vec<String> = dispatch.operands.iter().map(operand).collect();
            format!("{:?} {:?} {:?} {operands:?}", dispatch.variant, dispatch.grid, dispatch.params)
        })
        .collect()
}

/// Buffers that are alive together have no byte in common: whoever writes bytes waits for all others that touch them.
fn check_hazards(plan: &Plan) {
    let count = plan.dispatches.len();
    let mut before = vec![vec![false; count]; count];
    for (later, dispatch) in plan.dispatches.iter().enumerate() {
        for &dep in dispatch.deps.iter() {
            let implied = before[dep as usize].clone();
            before[later].iter_mut().zip(implied).for_each(|(to, from)| *to |= from);
            before[later][dep as usize] = true;
        }
    }
    let regions = |d: usize| {
        let dispatch = &plan.dispatches[d];
        let bindings = dispatch.variant.kernel().bindings.clone();
        dispatch.operands.clone().into_iter().zip(bindings).filter_map(|(operand, binding)| match operand.location {
            Location::Activation { region, offset } => Some((region, offset, offset + operand.bytes, binding.access)),
            Location::Weight(_) => None,
        })
    };
    for (later, before) in before.iter().enumerate() {
        for (earlier, &ordered) in before.iter().enumerate().take(later) {
            let collide = regions(earlier).any(|(region, start, end, access)| {
                regions(later).any(|(other, from, to, with)| {
                    use fascine::kernel::Access::ReadWrite;
                    region == other && start < to && from < end && (access == ReadWrite || with == ReadWrite)
                })
            });
            // Parts of one buffer are told apart by more than their extent.
            let parts = [earlier, later].iter().all(|&d| plan.dispatches[d].variant.kernel().name.starts_with("copy_"));
            assert!(!collide || parts || ordered, "{earlier} and {later} touch the same bytes in any order");
        }
    }
}

#[test]
fn a_bound_template_is_the_plan_of_those_shapes() {
    type Sizes = &'static [(&'static str, usize)];
    let cases: [(&str, Sizes, &[Sizes]); 4] = [
        (
            "minilm",
            &[("batch", 1), ("sequence", 16)],
            &[&[("batch", 1), ("sequence", 20)], &[("batch", 1), ("sequence", 128)], &[("batch", 1), ("sequence", 64)]],
        ),
        (
            "minilm",
            &[("batch", 3), ("sequence", 7)],
            &[&[("batch", 3), ("sequence", 9)], &[("batch", 5), ("sequence", 31)]],
        ),
        (
            "resnet18",
            &[("batch", 2), ("height", 64), ("width", 64)],
            &[&[("batch", 3), ("height", 64), ("width", 64)], &[("batch", 2), ("height", 96), ("width", 128)]],
        ),
        (
            "../cases/movement-of-open-sizes/model",
            &[("n", 2), ("c", 8), ("h", 2), ("w", 2), ("r", 3)],
            &[
                &[("n", 3), ("c", 8), ("h", 3), ("w", 2), ("r", 5)],
                &[("n", 5), ("c", 12), ("h", 2), ("w", 2), ("r", 2)],
            ],
        ),
    ];
    let mut served = 0;
    for (name, traced, others) in cases {
        let graph = model(name);
        for class in [DeviceClass::Cpu, DeviceClass::Gpu] {
            let weights = Arc::new(ModelWeights::new());
            let made = template(&graph, &shapes(&graph, traced), &weights, &target(class)).unwrap();
            for &sizes in others {
                let shapes = shapes(&graph, sizes);
                let symbols = Symbols::of(&graph, &shapes, &[], &[]).unwrap();
                let Some(bound) = made.bind(&symbols) else {
                    println!(
                        "{name} {class:?} traced at {traced:?}, not for {sizes:?}: {:?}",
                        made.objection(&symbols)
                    );
                    continue;
                };
                let own = plan(&graph, &shapes, &weights, &target(class)).unwrap();
                assert_eq!(kernels(&bound), kernels(&own), "{name} traced at {traced:?}, bound to {sizes:?}");
                let outputs = |plan: &Plan| plan.outputs.iter().map(|o| o.shape.clone()).collect::<Vec<_>>();
                assert_eq!(outputs(&bound), outputs(&own));
                check_hazards(&bound);
                served += 1;
            }
        }
    }
    assert!(served >= 12, "templates served {served} of 18 other shapes");
}

#[test]
fn lengths_need_few_templates_and_leave_no_weights() {
    let graph = model("minilm");
    let weights = Arc::new(ModelWeights::new());
    let target = target(DeviceClass::Cpu);
    let mut templates = Vec::new();
    let mut after = 0;
    for round in 0..2 {
        for length in 1..=300 {
            let shapes = shapes(&graph, &[("batch", 1), ("sequence", length)]);
            let symbols = Symbols::of(&graph, &shapes, &[], &[]).unwrap();
            if templates.iter().any(|known: &fascine::plan::Template| known.bind(&symbols).is_some()) {
                continue;
            }
            println!("{length}: {:?}", templates.iter().map(|t| t.objection(&symbols)).collect::<Vec<_>>());
            templates.push(template(&graph, &shapes, &weights, &target).unwrap());
        }
        if round == 0 {
            after = weights.count();
        }
    }
    assert!(templates.len() <= 12, "{} templates for 300 lengths", templates.len());
    assert_eq!(weights.count(), after, "weights grow with the shapes");
}

/// A table leaves guards where another choice begins, and not between its points.
#[test]
fn a_table_of_one_choice_needs_no_further_templates() {
    let graph = model("minilm");
    let mut table = TileTable::default();
    for (kernel, depth) in Tiled::ALL.into_iter().flat_map(|kernel| [64, 512, 4096].map(|depth| (kernel, depth))) {
        for log in 0..12 {
            table.insert(kernel, Share::Whole, [depth, 1 << log], vec![Timed { choice: Choice::PLAIN, nanos: 1 }]);
        }
    }
    let templates = |tuning: Tuning| {
        let target = Target { tuning, ..target(DeviceClass::Gpu) };
        let weights = Arc::new(ModelWeights::new());
        let mut templates: Vec<fascine::plan::Template> = Vec::new();
        for length in 2..=100 {
            let shapes = shapes(&graph, &[("batch", 1), ("sequence", length)]);
            let symbols = Symbols::of(&graph, &shapes, &[], &[]).unwrap();
            if !templates.iter().any(|known| known.bind(&symbols).is_some()) {
                templates.push(template(&graph, &shapes, &weights, &target).unwrap());
            }
        }
        templates.len()
    };
    let [tuned, by_rule] = [Tuning::new(Arc::new(table), Share::Whole), Tuning::NONE].map(templates);
    assert!(tuned <= by_rule, "{tuned} templates with the table, {by_rule} by the rule");
}

/// Every model of the zoo with open sizes: at the sizes of the first list it has met all kernels, and the others need no further one.
#[test]
fn other_sizes_take_the_kernels_that_are_there() {
    type Sizes = Vec<(&'static str, usize)>;
    let batch = |batch: usize| -> Sizes { vec![("batch", batch)] };
    let tokens = |length: usize| -> Sizes { vec![("batch", 1), ("sequence", length)] };
    let image = |batch: usize, side: usize| -> Sizes { vec![("batch", batch), ("height", side), ("width", side)] };
    let gpt2 = |sequence: usize, past: usize| -> Sizes {
        vec![("batch", 1), ("sequence", sequence), ("past", past), ("total", past + sequence)]
    };
    let llama = |sequence: usize, past: usize| -> Sizes {
        let past = [("s15", past), ("s89", past), ("s53", past + sequence)];
        [("s10", 1), ("s70", sequence), ("s43", 1)].into_iter().chain(past).collect()
    };
    let whisper = |sequence: usize, past: usize| -> Sizes {
        vec![("batch", 1), ("sequence", sequence), ("past", past), ("encoder_sequence", 1500)]
    };
    // A prompt of an even and of an odd length, and a token after it.
    let met = [(8, 0), (5, 0), (1, 8)];
    let others = [(1, 9), (1, 16), (1, 17), (5, 7), (16, 0), (33, 0), (1, 100), (1, 400), (128, 0)];
    let decoder = |of: &dyn Fn(usize, usize) -> Sizes| {
        let all = |list: &[(usize, usize)]| list.iter().map(|&(sequence, past)| of(sequence, past)).collect::<Vec<_>>();
        (all(&met), all(&others))
    };
    let batches = || (vec![batch(1), batch(2)], vec![batch(3), batch(4), batch(7)]);
    let images = |met: &[(usize, usize)], others: &[(usize, usize)]| {
        let all = |list: &[(usize, usize)]| list.iter().map(|&(batch, side)| image(batch, side)).collect::<Vec<_>>();
        (all(met), all(others))
    };
    let lengths = |met: &[usize], others: &[usize]| {
        (met.iter().copied().map(tokens).collect(), others.iter().copied().map(tokens).collect())
    };
    let cases: [(&str, (Vec<Sizes>, Vec<Sizes>)); 14] = [
        ("efficientnet_b0", images(&[(1, 224), (2, 200)], &[(1, 192), (3, 128), (1, 225)])),
        ("gpt2_small_kv", decoder(&gpt2)),
        ("llama_tiny_kv", decoder(&llama)),
        ("llama_tiny_kv_op23", decoder(&llama)),
        ("minilm", lengths(&[8, 7], &[9, 12, 16, 17, 33, 64, 100, 130])),
        ("mobilenet_v2", batches()),
        ("mobilenet_v3_small", batches()),
        ("resnet18", images(&[(1, 224), (2, 64)], &[(1, 192), (3, 128)])),
        ("resnet50", batches()),
        ("shufflenet_v2_x0_5", batches()),
        ("unet_small_dyn", images(&[(1, 64), (2, 96)], &[(3, 64), (1, 128), (1, 256)])),
        ("vit_tiny_patch16_224", batches()),
        ("whisper_tiny_decoder_kv", decoder(&whisper)),
        ("whisper_tiny_encoder", (vec![batch(1), batch(2)], vec![batch(3)])),
    ];
    for (name, (met, others)) in cases {
        let graph = model(name);
        let weights = Arc::new(ModelWeights::new());
        let variants = |sizes: &Sizes| -> BTreeSet<Variant> {
            let plan = plan(&graph, &shapes(&graph, sizes), &weights, &target(DeviceClass::Cpu)).unwrap();
            plan.dispatches.iter().map(|dispatch| dispatch.variant.clone()).collect()
        };
        let known: BTreeSet<Variant> = met.iter().flat_map(variants).collect();
        for sizes in &others {
            let fresh: Vec<String> = variants(sizes).difference(&known).map(|v| v.kernel().name.clone()).collect();
            assert!(fresh.is_empty(), "{name} at {sizes:?} needs {fresh:?}");
        }
    }
}
