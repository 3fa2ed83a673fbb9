//! What a merged pipeline costs to make, by number of kernels: the linker's time, and the driver's until the first dispatch
//! can run. Set `MESA_SHADER_CACHE_DISABLE=true` for Mesa's cold times.

mod common;

use std::time::{Duration, Instant};

use common::{Table, median};
use fascine::Result;
use fascine::gpu::{AdapterOptions, Executor, ExecutorOptions, Gpu};
use fascine::kernel::{Variant, library};
use fascine::link::{Clamp, Head, LinkedKernel, Scalars, link};
use fascine::schedule::{KernelId, Pipelines};

const LINK_RUNS: usize = 11;

fn main() -> Result<()> {
    let mut kernels: Vec<LinkedKernel> = library::SOURCES
        .iter()
        .filter(|(name, _)| !name.starts_with("conv_subgroup") && !name.starts_with("matmul_subgroup"))
        .map(|(name, _)| LinkedKernel::with_default_segments(Variant::new(library::get(name), [])))
        .collect();
    kernels.sort();
    let gpu = Gpu::open(&AdapterOptions::default())?;
    println!("## Linking and compiling\n\nAdapter: {} ({}).", gpu.caps().name, gpu.caps().driver);
    println!("Link: median of {LINK_RUNS}. Compile: once each, from wanting the set to its being ready, one thread.\n");
    let options = ExecutorOptions { compile_threads: 1, ..ExecutorOptions::default() };
    let mut executor = Executor::new(gpu, options)?;
    let mut table = Table::new(["kernels", "link ms", "compile ms", "link ms per kernel", "compile ms per kernel"]);
    for count in [1, 2, 4, 8, kernels.len()] {
        let set = &kernels[..count];
        let mut times = Vec::new();
        for _ in 0..LINK_RUNS {
            let start = Instant::now();
            link(set, Clamp::Users, Head::Table, Scalars::Components)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let linked = median(&mut times);
        let mut ids: Vec<KernelId> = set.iter().map(|kernel| executor.intern(kernel.clone())).collect();
        ids.sort();
        let start = Instant::now();
        while !executor.pipelines().ready(&ids) {
            executor.pipelines().want(&ids);
            if let Some((kernel, error)) = executor.pipelines().take_failures().into_iter().next() {
                println!("kernel {} does not compile: {error}", kernel.0);
                return Err(error);
            }
            executor.poll()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        let compiled = start.elapsed().as_secs_f64() * 1e3;
        table.row([
            count.to_string(),
            format!("{linked:.2}"),
            format!("{compiled:.0}"),
            format!("{:.2}", linked / count as f64),
            format!("{:.0}", compiled / count as f64),
        ]);
    }
    table.print();
    Ok(())
}
