//! `fascine check`.

use std::collections::BTreeMap;

use fascine::Kind;
use fascine::error::{Error, Result};
use fascine::graph::{Dim, Graph};
use fascine::kernel::Variant;
use fascine::onnx::{self, LoadOptions};
use fascine::ops::Operators;
use fascine::optimise::{self, objection};
use fascine::plan::Dispatch;
use fascine::runtime::{Model, PlanSummary, Runtime};
use serde::Serialize;

use crate::Answer;
use crate::args::CheckArgs;
use crate::inputs;
use crate::table::{self, Align};

/// What `--json` prints. Figures are null where the model cannot run or a dimension is open.
#[derive(Serialize)]
struct Report {
    adapter: String,
    model: String,
    runs: bool,
    error: Option<String>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    operators: Vec<Operator>,
    unsupported: Vec<Unsupported>,
    /// Functions whose calls became their bodies.
    functions: Vec<Function>,
    /// Nodes `If` whose condition is constant.
    branches: Vec<Branch>,
    open_dims: Vec<String>,
    dispatches: Option<usize>,
    bundles: Option<usize>,
    variants: Option<usize>,
    /// The variants, those of most dispatches first.
    kernels: Option<Vec<Kernel>>,
    weight_bytes: Option<u64>,
    peak_heap_bytes: Option<u64>,
    live_bytes: Option<u64>,
    flops: Option<u64>,
    /// Whether the numbers are of the first of several stages.
    staged: Option<bool>,
}

#[derive(Serialize)]
struct Port {
    name: String,
    dtype: Option<&'static str>,
    shape: Option<Vec<Size>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Size {
    Known(usize),
    Open(String),
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Size::Known(size) => write!(f, "{size}"),
            Size::Open(name) => f.write_str(name),
        }
    }
}

#[derive(Serialize)]
struct Operator {
    operator: String,
    nodes: usize,
    supported: bool,
}

#[derive(Serialize)]
struct Unsupported {
    node: String,
    operator: String,
    opset: i64,
    /// Type and shape of each.
    inputs: Vec<String>,
    reason: String,
}

#[derive(Serialize)]
struct Function {
    function: String,
    calls: usize,
}

#[derive(Serialize)]
struct Branch {
    node: String,
    /// Of the two, the one that runs: `then` or `else`.
    branch: &'static str,
}

#[derive(Serialize)]
struct Kernel {
    kernel: String,
    overrides: BTreeMap<String, f64>,
    dispatches: usize,
}

/// How far the model got.
enum Finding {
    Planned(PlanSummary, Vec<Kernel>),
    Open(Vec<String>),
    Failed(Error),
}

pub(crate) fn run(args: &CheckArgs, json: bool) -> Result<Answer> {
    let dims = inputs::dims(&args.load.dims)?;
    let options = LoadOptions { synthetic_weights: args.load.synthetic_weights, ..LoadOptions::default() };
    let graph = onnx::load(&args.model, &options)?;
    let runtime = Runtime::new(args.device.options())?;
    let mut prepared = graph.clone();
    let objections = optimise::prepare(&mut prepared, &mut Operators::default());
    let (operators, unsupported) = operators(&prepared, objections);
    let (inputs, mut outputs) = (ports(&graph, &graph.inputs), ports(&graph, &graph.outputs));
    // What was inferred says more of an output than the file claims.
    for (stated, inferred) in outputs.iter_mut().zip(ports(&prepared, &prepared.outputs)) {
        stated.shape = inferred.shape.or(stated.shape.take());
    }
    let functions = prepared.functions.into_iter().map(|(function, calls)| Function { function, calls }).collect();
    let branch = |taken| if taken { "then" } else { "else" };
    let branches = prepared
        .branches
        .into_iter()
        .map(|chosen| Branch { node: chosen.node, branch: branch(chosen.taken) })
        .collect();
    let finding = match runtime.load_graph(graph) {
        Ok(model) => plan(&model, &dims).unwrap_or_else(Finding::Failed),
        Err(error) => Finding::Failed(error),
    };
    let (planned, open_dims, error) = match finding {
        Finding::Planned(summary, kernels) => (Some((summary, kernels)), Vec::new(), None),
        Finding::Open(dims) => (None, dims, None),
        Finding::Failed(error) => (None, Vec::new(), Some(error.in_file(&args.model))),
    };
    let (summary, kernels) = planned.unzip();
    let report = Report {
        adapter: runtime.adapter(),
        model: args.model.display().to_string(),
        runs: error.is_none(),
        error: error.as_ref().map(Error::to_string),
        inputs,
        outputs,
        operators,
        unsupported,
        functions,
        branches,
        open_dims,
        dispatches: summary.map(|s| s.dispatches),
        bundles: summary.map(|s| s.bundles),
        variants: summary.map(|s| s.variants),
        kernels,
        weight_bytes: summary.map(|s| s.weight_bytes),
        peak_heap_bytes: summary.map(|s| s.heap_bytes),
        live_bytes: summary.map(|s| s.live_bytes),
        flops: summary.map(|s| s.flops),
        staged: summary.map(|s| s.staged),
    };
    let answer = if json { Answer::json(&report) } else { Answer::text(text(&report, args.kernels)) };
    // Standard output has the nodes already.
    let error = match report.unsupported.len() {
        0 => error,
        n => error.map(|error| {
            Error::new(error.kind(), format!("cannot run: {n} nodes are not supported")).in_file(&args.model)
        }),
    };
    Ok(Answer { error, ..answer })
}

fn plan(model: &Model, dims: &inputs::Dims) -> Result<Finding> {
    let info = model.inputs();
    inputs::check_names(dims, &inputs::symbols(&info))?;
    // What is in a sequence or an optional, only a request says.
    let forms: Vec<String> =
        info.iter().filter(|input| input.kind != Kind::Tensor).map(|input| input.name.clone()).collect();
    if !forms.is_empty() {
        return Ok(Finding::Open(forms));
    }
    match inputs::resolve(&info, dims) {
        Ok(shapes) => Ok(Finding::Planned(model.plan(&shapes)?, kernels(&model.dispatches(&shapes)?))),
        Err(missing) => Ok(Finding::Open(missing)),
    }
}

/// The variants of a plan, those of most dispatches first.
fn kernels(dispatches: &[Dispatch]) -> Vec<Kernel> {
    let mut counts: BTreeMap<&Variant, usize> = BTreeMap::new();
    for dispatch in dispatches {
        *counts.entry(&dispatch.variant).or_default() += 1;
    }
    let mut kernels: Vec<Kernel> = (counts.into_iter())
        .map(|(variant, dispatches)| Kernel {
            kernel: variant.kernel().name.clone(),
            overrides: variant.constants().map(|(name, value)| (name.to_owned(), value)).collect(),
            dispatches,
        })
        .collect();
    kernels.sort_by_key(|kernel| std::cmp::Reverse(kernel.dispatches));
    kernels
}

fn ports(graph: &Graph, ids: &[fascine::graph::ValueId]) -> Vec<Port> {
    let size = |dim: &Dim| match dim {
        Dim::Known(size) => Size::Known(*size),
        Dim::Symbol(name) => Size::Open(name.clone()),
    };
    let port = |&id| {
        let value = graph.value(id);
        Port {
            name: value.name.clone(),
            dtype: value.dtype.map(fascine::tensor::DType::name),
            shape: value.shape.as_ref().map(|dims| dims.iter().map(size).collect()),
        }
    };
    ids.iter().map(port).collect()
}

fn operators(graph: &Graph, objections: Vec<objection::Objection>) -> (Vec<Operator>, Vec<Unsupported>) {
    let mut counts: BTreeMap<String, (usize, bool)> = BTreeMap::new();
    for node in &graph.nodes {
        counts.entry(node.operator()).or_insert((0, true)).0 += 1;
    }
    let mut unsupported = Vec::with_capacity(objections.len());
    for objection::Objection { node, inputs, error, .. } in objections {
        let node = &graph.nodes[node];
        counts.entry(node.operator()).or_insert((0, true)).1 = false;
        let (name, operator, reason) = (node.name.clone(), node.operator(), error.message().to_owned());
        unsupported.push(Unsupported { node: name, operator, opset: node.opset, inputs, reason });
    }
    let operators =
        counts.into_iter().map(|(operator, (nodes, supported))| Operator { operator, nodes, supported }).collect();
    (operators, unsupported)
}

fn text(report: &Report, with_kernels: bool) -> String {
    use Align::{Left, Right};
    let mut text = format!("{} on {}\n\n", report.model, report.adapter);
    let port = |kind: &str, port: &Port| {
        let shape = port.shape.as_deref().map_or_else(|| "?".to_owned(), table::shape);
        vec![kind.to_owned(), port.name.clone(), port.dtype.unwrap_or("?").to_owned(), shape]
    };
    let rows: Vec<Vec<String>> = report
        .inputs
        .iter()
        .map(|input| port("input", input))
        .chain(report.outputs.iter().map(|output| port("output", output)))
        .collect();
    text += &table::render(&[("", Left), ("name", Left), ("type", Left), ("shape", Left)], &rows);
    let rows: Vec<Vec<String>> = report
        .operators
        .iter()
        .map(|Operator { operator, nodes, supported }| {
            vec![operator.clone(), nodes.to_string(), if *supported { "yes" } else { "NO" }.to_owned()]
        })
        .collect();
    text.push('\n');
    text += &table::render(&[("operator", Left), ("nodes", Right), ("supported", Left)], &rows);
    if !report.unsupported.is_empty() {
        let rows: Vec<Vec<String>> = report
            .unsupported
            .iter()
            .map(|Unsupported { node, operator, opset, inputs, reason }| {
                vec![node.clone(), operator.clone(), opset.to_string(), inputs.join(", "), reason.clone()]
            })
            .collect();
        text.push('\n');
        let header =
            [("unsupported node", Left), ("operator", Left), ("opset", Right), ("inputs", Left), ("why", Left)];
        text += &table::render(&header, &rows);
    }
    let list = |items: Vec<String>, what: &str| {
        if items.is_empty() { String::new() } else { format!("\n{what}: {}\n", items.join(", ")) }
    };
    let functions = report.functions.iter().map(|f| format!("{} ({} calls)", f.function, f.calls));
    text += &list(functions.collect(), "functions replaced by their bodies");
    let branches = report.branches.iter().map(|b| format!("{} ({})", b.node, b.branch));
    text += &list(branches.collect(), "branches chosen at load");
    text.push('\n');
    if let Report { dispatches: Some(dispatches), bundles: Some(bundles), variants: Some(variants), .. } = report {
        text += &table::pairs(&[
            ("dispatches after fusion", dispatches.to_string()),
            ("bundles of a request alone", bundles.to_string()),
            ("kernel variants", variants.to_string()),
            ("weights on the device", table::bytes(report.weight_bytes.unwrap_or(0))),
            ("heap of a request, peak", table::bytes(report.peak_heap_bytes.unwrap_or(0))),
            ("live of it at once, at most", table::bytes(report.live_bytes.unwrap_or(0))),
            ("work of a request", format!("{:.3} GFLOP", report.flops.unwrap_or(0) as f64 * 1e-9)),
        ]);
        if let Some(kernels) = report.kernels.as_ref().filter(|_| with_kernels) {
            let overrides = |kernel: &Kernel| {
                let values = kernel.overrides.iter().map(|(name, value)| format!("{name}={value}"));
                values.collect::<Vec<_>>().join(" ")
            };
            let rows: Vec<Vec<String>> = (kernels.iter())
                .map(|kernel| vec![kernel.kernel.clone(), overrides(kernel), kernel.dispatches.to_string()])
                .collect();
            text.push('\n');
            text += &table::render(&[("kernel", Left), ("overrides", Left), ("dispatches", Right)], &rows);
        }
        if report.staged == Some(true) {
            text += "the numbers are of the first stage; what follows is planned for values of each request\n";
        }
    } else if !report.open_dims.is_empty() {
        let hints: Vec<String> = report.open_dims.iter().map(|name| format!("--dim {name}=N")).collect();
        text += &format!("for dispatches, bundles and memory give {}\n", hints.join(" "));
    }
    text
}
