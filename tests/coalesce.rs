//! Requests that run a dispatch as one lane: every bit is the single request's.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fascine::gpu::{
    AdapterOptions, Allocation, Download, EncodedBundle, Executor, ExecutorOptions, Gpu, Upload, WeightRange, Work,
};
use fascine::graph::{Attr, Dim, Graph, builder::GraphBuilder};
use fascine::link::table::{EncodedLane, LaneOperand};
use fascine::link::{Clamp, LinkedKernel, SegmentId};
use fascine::lower::{DeviceClass, Target, Tuning};
use fascine::lower::{ModelWeights, WeightId};
use fascine::plan::{Dispatch, Location, Operand, Plan, Source, plan};
use fascine::reference::{Case, Suite};
use fascine::schedule::{self, Coalesce, KernelId, Pipelines, SubmissionId};
use fascine::tensor::DType;
use fascine::{LoadOptions, Model, Options, Runtime, Tensor};

/// xorshift64*
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % u64::from(n)) as u32
    }

    fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| (self.below(2001) as f32 - 1000.0) * 1e-3).collect()
    }

    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        Tensor::new(shape, self.floats(shape.iter().product())).unwrap()
    }
}

/// A model with an input of that shape, and the kernels that its requests must be able to share.
struct Subject {
    graph: Graph,
    inputs: Vec<Vec<usize>>,
    shared: &'static [&'static str],
}

fn product(dice: &mut Dice, [rows, depth, columns]: [usize; 3], extras: bool) -> Subject {
    let mut b = GraphBuilder::new(17);
    let [m, k, n] = [rows, depth, columns].map(|size| size.to_string());
    let x = b.input("x", DType::F32, [m.as_str(), k.as_str()]);
    let w = b.constant(dice.tensor(&[depth, columns]));
    let mut inputs = vec![vec![rows, depth]];
    let y = if extras {
        let bias = b.constant(dice.tensor(&[columns]));
        let residual = b.input("residual", DType::F32, [m.as_str(), n.as_str()]);
        inputs.push(vec![rows, columns]);
        let codes = ["GeluF"].map(str::to_owned).to_vec();
        let attrs = [
            ("codes", Attr::Strs(codes)),
            ("args", Attr::Ints(vec![0, -1, -1])),
            ("constants", Attr::Ints(Vec::new())),
            ("dtype", Attr::Int(1)),
        ];
        b.node("fascine.MatMul", [x, w, bias, residual], attrs)
    } else {
        b.node("MatMul", [x, w], [])
    };
    Subject { graph: b.finish([y]), inputs, shared: &["matmul_row", "matmul_subgroup", "matmul_tile"] }
}

fn lstm(dice: &mut Dice, [steps, batch, inputs, hidden]: [usize; 4], initial: bool) -> Subject {
    let mut b = GraphBuilder::new(17);
    let text = |size: usize| size.to_string();
    let x = b.input("x", DType::F32, [text(steps).as_str(), &text(batch), &text(inputs)]);
    let w = b.constant(dice.tensor(&[2, 4 * hidden, inputs]));
    let r = b.constant(dice.tensor(&[2, 4 * hidden, hidden]));
    let bias = b.constant(dice.tensor(&[2, 8 * hidden]));
    let mut all = vec![Some(x), Some(w), Some(r), Some(bias)];
    let mut shapes = vec![vec![steps, batch, inputs]];
    if initial {
        all.push(None);
        for name in ["h", "c"] {
            all.push(Some(b.input(name, DType::F32, ["2", text(batch).as_str(), &text(hidden)])));
            shapes.push(vec![2, batch, hidden]);
        }
    }
    let attrs = [("direction", Attr::Str("bidirectional".into())), ("hidden_size", Attr::Int(hidden as i64))];
    let outputs = b.node_with("LSTM", all, attrs, 3);
    // Smaller ones make all steps in a dispatch.
    let shared: &[&str] = if hidden > 256 { &["lstm_input", "recurrent"] } else { &["lstm_input"] };
    Subject { graph: b.finish(outputs), inputs: shapes, shared }
}

fn subjects(dice: &mut Dice) -> Vec<Subject> {
    vec![
        product(dice, [1, 512, 96], false),
        product(dice, [1, 36, 30], true),
        product(dice, [2, 64, 36], true),
        product(dice, [3, 20, 7], false),
        product(dice, [4, 128, 64], false),
        product(dice, [7, 24, 40], true),
        lstm(dice, [3, 1, 5, 24], true),
        lstm(dice, [2, 2, 7, 10], false),
        lstm(dice, [2, 1, 3, 257], true),
    ]
}

struct Bench {
    executor: Executor,
    ranges: BTreeMap<WeightId, WeightRange>,
    submissions: u64,
}

/// One request: its memory and its inputs.
struct Member {
    regions: Vec<Allocation>,
    inputs: Vec<Tensor>,
}

impl Bench {
    fn new(clamp: Clamp) -> Self {
        let gpu = Gpu::open(&AdapterOptions::default()).unwrap();
        let executor = Executor::new(gpu, ExecutorOptions { clamp, ..Default::default() }).unwrap();
        Bench { executor, ranges: BTreeMap::new(), submissions: 0 }
    }

    fn target(&self, class: DeviceClass) -> Target {
        let caps = self.executor.caps();
        let [least, most] = caps.subgroup_size;
        let subgroup_size = if caps.subgroups && least == most { least } else { 0 };
        Target { class, parallelism: 8, max_binding_bytes: caps.max_segment_bytes, subgroup_size, tuning: Tuning::NONE }
    }

    fn segment(&self, operand: &Operand, member: &Member) -> SegmentId {
        match operand.location {
            Location::Activation { region, .. } => member.regions[usize::from(region)].segment(),
            Location::Weight(id) => self.ranges[&id].segment,
        }
    }

    fn operands(&self, dispatch: &Dispatch, member: &Member, more: u64) -> Vec<LaneOperand> {
        let of = |operand: &Operand| match operand.location {
            Location::Activation { region, offset } => {
                (member.regions[usize::from(region)].base() + offset, operand.bytes + more)
            }
            Location::Weight(id) => (self.ranges[&id].base, operand.bytes),
        };
        dispatch.operands.iter().map(of).map(|(base, bytes)| LaneOperand::new(base, bytes).unwrap()).collect()
    }

    fn kernel(&mut self, dispatch: &Dispatch, coalesced: bool, member: &Member) -> KernelId {
        let segments = dispatch.operands.iter().map(|operand| self.segment(operand, member)).collect();
        let variant = match &dispatch.coalesce {
            Some(coalesce) if coalesced => coalesce.variant.clone(),
            _ => dispatch.variant.clone(),
        };
        let kernel = self.executor.intern(LinkedKernel { variant, segments });
        let start = Instant::now();
        while !self.executor.pipelines().ready(&[kernel]) {
            self.executor.pipelines().want(&[kernel]);
            let failures = self.executor.pipelines().take_failures();
            assert!(failures.is_empty() && start.elapsed() < Duration::from_secs(300), "{failures:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
        kernel
    }

    /// The lanes of a dispatch for all members, in random pieces of its grid.
    fn lanes(
        &mut self,
        dispatch: &Dispatch,
        members: &[Member],
        coalesced: bool,
        dice: &mut Dice,
    ) -> Vec<(KernelId, EncodedLane)> {
        let mut sets: Vec<Vec<&Member>> = members.iter().map(|member| vec![member]).collect();
        if let Some(coalesce) = dispatch.coalesce.as_ref().filter(|_| coalesced) {
            sets = Vec::new();
            let mut rest: Vec<&Member> = members.iter().collect();
            while !rest.is_empty() {
                let most = (coalesce.width as usize).min(rest.len());
                sets.push(rest.split_off(rest.len() - 1 - dice.below(most as u32) as usize));
            }
        }
        let mut lanes = Vec::new();
        for mut set in sets {
            let together = coalesced && dispatch.coalesce.is_some();
            let kernel = self.kernel(dispatch, together, set[0]);
            let (mut params, mut furthest) = (dispatch.params.clone(), 0);
            if let Some(coalesce) = dispatch.coalesce.as_ref().filter(|_| together) {
                let base = |member: &Member| member.regions[usize::from(coalesce.region)].base();
                set.sort_by_key(|member| base(member));
                for (at, member) in set.iter().enumerate() {
                    furthest = base(member) - base(set[0]);
                    let word = if at == 0 { set.len() as u64 } else { furthest / 16 };
                    params[coalesce.word as usize + at] = word as u32;
                }
            }
            let (total, params) = (dispatch.workgroups(), Arc::from(params));
            let mut first = 0;
            while first < total {
                let count = 1 + dice.below(total - first);
                let operands = self.operands(dispatch, set[0], furthest);
                let lane = EncodedLane { grid: dispatch.grid, first, count, operands, params: Arc::clone(&params) };
                lanes.push((kernel, lane));
                first += count;
            }
        }
        lanes
    }

    /// The outputs of all members, as bytes.
    fn run(&mut self, plan: &Plan, members: &[Member], coalesced: bool, dice: &mut Dice) -> Vec<Vec<u8>> {
        let mut work = Work {
            id: SubmissionId(self.submissions),
            clears: Vec::new(),
            uploads: Vec::new(),
            bundles: Vec::new(),
            downloads: Vec::new(),
        };
        self.submissions += 1;
        let lies = |member: &Member, location: Location| match location {
            Location::Activation { region, offset } => {
                let region = &member.regions[usize::from(region)];
                (region.segment(), region.base() + offset)
            }
            Location::Weight(_) => panic!("inputs and outputs are the request's own"),
        };
        for member in members {
            for (input, tensor) in plan.inputs.iter().zip(&member.inputs) {
                let (segment, offset) = lies(member, input.operand.unwrap().location);
                work.uploads.push(Upload { segment, offset, bytes: Arc::from(tensor.bytes()) });
            }
            for output in &plan.outputs {
                let Source::Device(operand) = output.source else { panic!("{} is computed", output.name) };
                let (segment, offset) = lies(member, operand.location);
                let bytes = 4 * output.shape.iter().product::<usize>() as u64;
                work.downloads.push(Download { segment, offset, bytes, tag: 0 });
            }
        }
        for dispatch in &plan.dispatches {
            let lanes = self.lanes(dispatch, members, coalesced, dice);
            // Single and coalesced kernels of a bundle need a pipeline each; so do lanes of other segments.
            let mut by_kernel: BTreeMap<KernelId, Vec<(KernelId, EncodedLane)>> = BTreeMap::new();
            lanes.into_iter().for_each(|lane| by_kernel.entry(lane.0).or_default().push(lane));
            work.bundles.extend(by_kernel.into_values().map(|lanes| EncodedBundle { bound: Vec::new(), lanes }));
        }
        self.executor.submit(work).unwrap();
        loop {
            self.executor.wait(Duration::from_millis(20)).unwrap();
            if let Some(finished) = self.executor.poll().unwrap().pop() {
                return finished.downloads.into_iter().map(|(_, bytes)| bytes).collect();
            }
        }
    }
}

fn cases() -> u32 {
    std::env::var("FASCINE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
}

/// Compares coalesced lanes with single ones, for every `step`-th subject from `from` on: pipelines take most of the time.
fn check(clamp: Clamp, class: DeviceClass, seed: u64, from: usize, step: usize) {
    let mut dice = Dice(seed);
    let subjects: Vec<_> = subjects(&mut dice).into_iter().skip(from).step_by(step).collect();
    let each = cases().div_ceil(subjects.len() as u32);
    let mut bench = Bench::new(clamp);
    for Subject { graph, inputs, shared } in &subjects {
        let weights = Arc::new(ModelWeights::new());
        let plan = plan(graph, inputs, &weights, &bench.target(class)).unwrap();
        let kernels: Vec<&str> = plan.dispatches.iter().map(|d| d.variant.kernel().family()).collect();
        for dispatch in plan.dispatches.iter().filter(|d| shared.contains(&d.variant.kernel().family())) {
            let coalesce = dispatch.coalesce.as_ref().unwrap_or_else(|| panic!("not coalesced among {kernels:?}"));
            assert!(coalesce.shared > 0 && coalesce.shared <= dispatch.cost.bytes);
        }
        let ids = (0..weights.count()).map(WeightId);
        let blobs: Vec<_> = ids.clone().map(|id| weights.bytes(id).unwrap()).collect();
        let (group, ranges) = bench.executor.upload_weights(&blobs).unwrap();
        bench.ranges = ids.zip(ranges).collect();
        for case in 0..each {
            let mut members = Vec::new();
            for _ in 0..1 + dice.below(9) {
                // Gaps between the members' memory vary.
                let gap = bench.executor.allocate(256 * u64::from(1 + dice.below(8))).unwrap();
                let regions = plan.regions.iter().map(|&bytes| bench.executor.allocate(bytes).unwrap()).collect();
                bench.executor.free(gap);
                members.push(Member { regions, inputs: inputs.iter().map(|shape| dice.tensor(shape)).collect() });
            }
            let alone = bench.run(&plan, &members, false, &mut dice);
            let together = bench.run(&plan, &members, true, &mut dice);
            assert!(alone == together, "{kernels:?} {class:?}, {inputs:?}, case {case}: {} members", members.len());
            members.into_iter().flat_map(|member| member.regions).for_each(|region| bench.executor.free(region));
        }
        bench.executor.free_weights(group);
    }
}

#[test]
fn coalesced_lanes_have_the_bits_of_single_ones_on_cpu_kernels() {
    check(Clamp::Users, DeviceClass::Cpu, 11, 0, 1);
}

#[test]
fn coalesced_lanes_have_the_bits_of_single_ones_on_gpu_kernels() {
    check(Clamp::Users, DeviceClass::Gpu, 12, 0, 2);
}

#[test]
fn coalesced_lanes_stay_in_their_range() {
    check(Clamp::All, DeviceClass::Cpu, 13, 0, 3);
    check(Clamp::All, DeviceClass::Gpu, 14, 1, 3);
}

const ZOO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zoo");

fn load(runtime: &Runtime, name: &str) -> (Suite, Model) {
    let suite = Suite::open(ZOO, name).unwrap();
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = runtime.load_with(&suite.model, &options).unwrap();
    (suite, model)
}

fn submit(model: &Model, case: &Case) -> fascine::Request {
    let inputs = case.inputs.iter();
    let request = inputs.fold(model.request(), |request, (name, tensor)| request.input(name, tensor.clone()).unwrap());
    request.submit().unwrap()
}

fn bytes(request: fascine::Request) -> Vec<Vec<u8>> {
    request.wait().unwrap().outputs().map(|(_, tensor)| tensor.bytes().to_vec()).collect()
}

/// Eight at once stand before the same dispatches on any driver: more of the same kernel joins a bundle whatever it saves, and
/// however long the bundle gets. By default requests keep in step only where fixed costs of bundles are a good part of their time,
/// so that on a driver with slow kernels one goes after the other, and none finds company.
fn in_step() -> schedule::Options {
    schedule::Options { min_gain: 0.0, slice: 10_000_000_000, ..schedule::Options::for_parallelism(2) }
}

/// Rounds of eight requests at once until some ran together: pipelines for that are compiled once there was company.
fn eight(name: &str, schedule: schedule::Options, shorten: impl Fn(&Tensor) -> Tensor) {
    let runtime = Runtime::new(Options { schedule: Some(schedule), ..Options::default() }).unwrap();
    let (suite, model) = load(&runtime, name);
    let inputs = suite.cases[0].inputs.iter().map(|(name, tensor)| (name.clone(), shorten(tensor))).collect();
    let case = &Case { name: suite.cases[0].name.clone(), inputs, outputs: Vec::new() };
    let alone = bytes(submit(&model, case));
    let start = Instant::now();
    let mut rounds = 0;
    while rounds < 3 || runtime.stats().unwrap().coalesced == 0 {
        assert!(start.elapsed() < Duration::from_secs(300), "nothing was coalesced: {:?}", runtime.stats().unwrap());
        let requests: Vec<_> = (0..8).map(|_| submit(&model, case)).collect();
        for request in requests {
            assert!(bytes(request) == alone, "{name}: bits differ from alone");
        }
        rounds += 1;
    }
    let stats = runtime.stats().unwrap();
    assert!(stats.coalesced <= stats.lanes && stats.coalesced > 1, "{stats:?}");
}

#[test]
fn eight_requests_of_lstm_vad_are_each_as_alone() {
    eight("lstm_vad", in_step(), Tensor::clone);
}

#[test]
fn eight_requests_of_minilm_are_each_as_alone() {
    // Four tokens: more fill a tile of rows by themselves, and there is nothing to gain.
    // No merged pipelines, which take long to compile.
    let schedule = schedule::Options { max_kernels: 1, ..in_step() };
    eight("minilm", schedule, |ids| Tensor::new([1, 4], ids.as_slice::<i64>().unwrap()[..4].to_vec()).unwrap());
}

#[test]
fn nothing_is_coalesced_that_is_not_to_be() {
    let runtime = Runtime::new(Options {
        schedule: Some(schedule::Options { coalesce: Coalesce::No, ..schedule::Options::for_parallelism(2) }),
        ..Options::default()
    })
    .unwrap();
    let (suite, model) = load(&runtime, "lstm_vad");
    for _ in 0..4 {
        let requests: Vec<_> = (0..8).map(|_| submit(&model, &suite.cases[0])).collect();
        requests.into_iter().for_each(|request| drop(bytes(request)));
    }
    assert_eq!(runtime.stats().unwrap().coalesced, 0);
}

/// The tokens of a conversation's prompt, and those that follow: any will do.
fn said(conversation: usize, prompt: usize, tokens: usize) -> Vec<i64> {
    (0..prompt + tokens).map(|at| ((at * 7919 + conversation * 104_729) % 1000) as i64).collect()
}

/// A decoder's conversation: its prompt, then a token at a time. What comes of each step, as bytes.
struct Conversation {
    model: Model,
    session: fascine::runtime::Session,
    past: usize,
}

impl Conversation {
    fn new(model: &Model) -> Self {
        let names: Vec<String> = model.inputs().into_iter().map(|input| input.name).collect();
        let of_cache = |name: &String| Some(name.strip_prefix("past_key_values.")?.to_owned());
        let states: Vec<_> =
            names.iter().filter_map(|name| Some((format!("present.{}", of_cache(name)?), name))).collect();
        let pairs: Vec<_> = states.iter().map(|(output, input)| (output.as_str(), input.as_str())).collect();
        Conversation { model: model.clone(), session: model.session(&pairs).unwrap(), past: 0 }
    }

    fn submit(&mut self, tokens: &[i64]) -> fascine::Request {
        let total = self.past + tokens.len();
        let row = |list: Vec<i64>| Tensor::new([1, list.len()], list).unwrap();
        let mut request = self.session.request();
        for input in self.model.inputs() {
            let tensor = match input.name.as_str() {
                "input_ids" => row(tokens.to_vec()),
                "attention_mask" => row(vec![1; total]),
                "position_ids" => row((self.past as i64..total as i64).collect()),
                _ if self.past > 0 => continue,
                _ => {
                    let size = |(axis, dim): (usize, &Dim)| match dim {
                        Dim::Known(size) => *size,
                        Dim::Symbol(_) => usize::from(axis == 0),
                    };
                    let shape: Vec<usize> = input.shape.iter().enumerate().map(size).collect();
                    Tensor::zeros(input.dtype, shape).unwrap()
                }
            };
            request = request.input(&input.name, tensor).unwrap();
        }
        self.past = total;
        request.submit().unwrap()
    }
}

/// The results of every step of conversations with prompts of these lengths, each by itself.
fn each_alone(model: &Model, prompts: &[usize], tokens: usize) -> Vec<Vec<Vec<Vec<u8>>>> {
    let alone = |(at, &prompt): (usize, &usize)| {
        let (mut talk, said) = (Conversation::new(model), said(at, prompt, tokens));
        let first = bytes(talk.submit(&said[..prompt]));
        let rest = (prompt..said.len()).map(|token| bytes(talk.submit(&said[token..=token])));
        std::iter::once(first).chain(rest).collect()
    };
    prompts.iter().enumerate().map(alone).collect()
}

/// Conversations at once, no two of one length at any time, in company that changes: some pause, and some break off in the middle of a
/// token and begin anew.
fn conversations(name: &str, schedule: schedule::Options, prompts: &[usize], tokens: usize) {
    let runtime = Runtime::new(Options { schedule: Some(schedule), ..Options::default() }).unwrap();
    let (_, model) = load(&runtime, name);
    let alone = each_alone(&model, prompts, tokens);
    assert_eq!(runtime.stats().unwrap().coalesced, 0);
    let start = Instant::now();
    let (mut dice, mut round) = (Dice(17), 0);
    while round < 1 || runtime.stats().unwrap().coalesced == 0 {
        assert!(start.elapsed() < Duration::from_secs(300), "nothing was coalesced: {:?}", runtime.stats().unwrap());
        let mut talks: Vec<(Conversation, usize)> = prompts.iter().map(|_| (Conversation::new(&model), 0)).collect();
        // Steps in all: more than the conversations have, as some begin anew.
        while talks.iter().any(|(_, step)| *step <= tokens) {
            let mut under_way = Vec::new();
            for (at, (talk, step)) in talks.iter_mut().enumerate() {
                if *step > tokens || dice.below(8) == 0 {
                    continue;
                }
                let said = said(at, prompts[at], tokens);
                let request = match *step {
                    0 => talk.submit(&said[..prompts[at]]),
                    _ => talk.submit(&said[prompts[at] + *step - 1..prompts[at] + *step]),
                };
                if dice.below(24) == 0 {
                    drop(request);
                    (*talk, *step) = (Conversation::new(&model), 0);
                } else {
                    under_way.push((at, request));
                    *step += 1;
                }
            }
            for (at, request) in under_way {
                let step = talks[at].1 - 1;
                assert!(
                    bytes(request) == alone[at][step],
                    "{name}: step {step} of conversation {at} differs from alone"
                );
            }
        }
        round += 1;
    }
    let stats = runtime.stats().unwrap();
    assert!(stats.coalesced <= stats.lanes && stats.coalesced > 1, "{stats:?}");
}

#[test]
fn conversations_of_llama_at_once_are_each_as_alone() {
    // No merged pipelines, which take long to compile.
    let schedule = schedule::Options { max_kernels: 1, ..in_step() };
    conversations("llama_tiny_kv", schedule, &[9, 12, 15], 2);
}

#[test]
fn conversations_of_gpt2_at_once_are_each_as_alone() {
    let schedule = schedule::Options { max_kernels: 1, ..schedule::Options::for_parallelism(2) };
    conversations("gpt2_small_kv", schedule, &[9, 12, 15], 2);
}

/// What conversations coalesce by: the dispatches that weights are read by are the same at any length, addresses in the request's memory
/// included.
#[test]
fn products_of_a_token_do_not_depend_on_the_past() {
    let runtime = Runtime::new(Options::default()).unwrap();
    for name in ["gpt2_small_kv", "llama_tiny_kv"] {
        let (_, model) = load(&runtime, name);
        let products = |past: usize| {
            let shape = |input: &fascine::runtime::InputInfo| match input.name.as_str() {
                "input_ids" | "position_ids" => vec![1, 1],
                "attention_mask" => vec![1, past + 1],
                _ => {
                    let size = |(axis, dim): (usize, &Dim)| match (axis, dim) {
                        (_, Dim::Known(size)) => *size,
                        (0, _) => 1,
                        _ => past,
                    };
                    input.shape.iter().enumerate().map(size).collect()
                }
            };
            let dispatches = model.dispatches(&model.inputs().iter().map(shape).collect::<Vec<_>>()).unwrap();
            let offset = |operand: &Operand| match operand.location {
                Location::Activation { offset, .. } => (u64::MAX, offset, operand.bytes),
                Location::Weight(id) => (u64::from(id.0), 0, operand.bytes),
            };
            let content = |dispatch: &Dispatch| {
                let operands: Vec<_> = dispatch.operands.iter().map(offset).collect();
                (dispatch.variant.clone(), dispatch.grid, dispatch.params.clone(), operands)
            };
            let coalesced: Vec<_> =
                dispatches.iter().filter(|dispatch| dispatch.coalesce.is_some()).map(content).collect();
            (dispatches.len(), coalesced)
        };
        let (_, first) = products(5);
        for past in [6, 8, 13, 64, 1000] {
            let (all, others) = products(past);
            assert!(
                others.len() * 4 > all,
                "{name}: {} of {all} dispatches with {past} tokens can coalesce",
                others.len()
            );
            assert!(others == first, "{name}: a past of 5 and one of {past}");
        }
    }
}
