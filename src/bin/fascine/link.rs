//! `fascine link`.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use fascine::error::{Error, ErrorKind, Result};
use fascine::kernel::{Access, Kernel, Trust, Variant, library};
use fascine::link::{self, Clamp, Head, Language, Linked, LinkedKernel, Scalars, SegmentId, SegmentKind};
use serde::Serialize;

use crate::Answer;
use crate::args::{Emit, LinkArgs};
use crate::table::{self, Align};

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    kernels: Vec<KernelReport>,
    workgroup_size: u32,
    workgroup_bytes: u32,
    functions: usize,
    link_us: u64,
    /// Bytes of the module in each language; null where the language cannot express it.
    bytes: Sizes,
    /// The module in the language of `--emit`; for SPIR-V its words in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Serialize)]
struct KernelReport {
    case: usize,
    kernel: String,
    bindings: Vec<BindingReport>,
    params: Vec<String>,
    overrides: Vec<String>,
    workgroup_size: [u32; 3],
    workgroup_bytes: u32,
}

#[derive(Serialize)]
struct BindingReport {
    name: String,
    access: &'static str,
}

#[derive(Serialize)]
struct Sizes {
    wgsl: Option<usize>,
    spirv: Option<usize>,
    msl: Option<usize>,
    hlsl: Option<usize>,
}

pub(crate) fn run(args: &LinkArgs, json: bool) -> Result<Answer> {
    let mut kernels =
        args.kernels.iter().map(|path| kernel(path, args.project)).collect::<Result<Vec<LinkedKernel>>>()?;
    kernels.sort();
    kernels.dedup();
    let start = Instant::now();
    let head = if args.immediates { Head::Immediates } else { Head::Table };
    let scalars = if args.words { Scalars::Words } else { Scalars::Components };
    let linked = link::link(&kernels, Clamp::Users, head, scalars)?;
    let took = start.elapsed();
    if let (Some(emit), false) = (args.emit, json) {
        if emit == Emit::Spirv && std::io::stdout().is_terminal() {
            return Err(Error::new(ErrorKind::Input, "SPIR-V is binary: send it to a file or a pipe"));
        }
        return Ok(Answer { stdout: link::emit(&linked, language(emit))?, error: None });
    }
    let size = |language| link::emit(&linked, language).ok().map(|bytes| bytes.len());
    let report = Report {
        kernels: kernels.iter().enumerate().map(|(at, kernel)| kernel_report(at, kernel.variant.kernel())).collect(),
        workgroup_size: linked.workgroup_size,
        workgroup_bytes: linked.workgroup_bytes,
        functions: linked.module.functions.len(),
        link_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        bytes: Sizes {
            wgsl: size(Language::Wgsl),
            spirv: size(Language::SpirV),
            msl: size(Language::Msl),
            hlsl: size(Language::Hlsl),
        },
        text: args.emit.map(|emit| emitted(&linked, emit)).transpose()?,
    };
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report)) })
}

/// The kernel of a file, linked with all its tensors in the first heap segment: a user's, or as one of the project's would be.
fn kernel(path: &Path, project: bool) -> Result<LinkedKernel> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Error::new(ErrorKind::Io, error.to_string()).in_file(path))?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let kernel = match project {
        true => library::parse(&name, &text),
        false => Kernel::parse(&name, &text, Trust::User),
    };
    let kernel = Arc::new(kernel.map_err(|error| error.in_file(path))?);
    let segments = vec![SegmentId { index: 0, kind: SegmentKind::Heap }; kernel.bindings.len()];
    Ok(LinkedKernel { variant: Variant::new(kernel, []), segments })
}

fn language(emit: Emit) -> Language {
    match emit {
        Emit::Wgsl => Language::Wgsl,
        Emit::Spirv => Language::SpirV,
        Emit::Msl => Language::Msl,
        Emit::Hlsl => Language::Hlsl,
    }
}

fn emitted(linked: &Linked, emit: Emit) -> Result<String> {
    let bytes = link::emit(linked, language(emit))?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) if emit != Emit::Spirv => text,
        Ok(text) => hexadecimal(text.as_bytes()),
        Err(error) => hexadecimal(error.as_bytes()),
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn kernel_report(case: usize, kernel: &Kernel) -> KernelReport {
    let access = |access| match access {
        Access::Read => "read",
        Access::ReadWrite => "read_write",
    };
    KernelReport {
        case,
        kernel: kernel.name.clone(),
        bindings: kernel
            .bindings
            .iter()
            .map(|binding| BindingReport { name: binding.name.clone(), access: access(binding.access) })
            .collect(),
        params: kernel.params.iter().flat_map(|params| &params.fields).map(|field| field.name.clone()).collect(),
        overrides: kernel.overrides.clone(),
        workgroup_size: kernel.workgroup_size,
        workgroup_bytes: kernel.workgroup_bytes,
    }
}

fn text(report: &Report) -> String {
    use Align::{Left, Right};
    let header = [
        ("case", Right),
        ("kernel", Left),
        ("workgroup", Left),
        ("workgroup memory", Right),
        ("tensors", Left),
        ("parameters", Left),
        ("overrides", Left),
    ];
    let rows: Vec<Vec<String>> = report
        .kernels
        .iter()
        .map(|kernel| {
            let bindings: Vec<String> = kernel
                .bindings
                .iter()
                .map(|binding| format!("{}{}", binding.name, if binding.access == "read" { "" } else { " (written)" }))
                .collect();
            vec![
                kernel.case.to_string(),
                kernel.kernel.clone(),
                kernel.workgroup_size.map(|size| size.to_string()).join("x"),
                table::bytes(kernel.workgroup_bytes.into()),
                bindings.join(", "),
                kernel.params.join(", "),
                kernel.overrides.join(", "),
            ]
        })
        .collect();
    let size =
        |bytes: Option<usize>| bytes.map_or_else(|| "cannot be expressed".to_owned(), |n| table::bytes(n as u64));
    format!(
        "{}\n{}",
        table::render(&header, &rows),
        table::pairs(&[
            ("workgroup of the module", format!("{} invocations", report.workgroup_size)),
            ("workgroup memory", table::bytes(report.workgroup_bytes.into())),
            ("functions", report.functions.to_string()),
            ("linked in", format!("{} us", report.link_us)),
            ("as WGSL", size(report.bytes.wgsl)),
            ("as SPIR-V", size(report.bytes.spirv)),
            ("as MSL", size(report.bytes.msl)),
            ("as HLSL", size(report.bytes.hlsl)),
        ])
    )
}
