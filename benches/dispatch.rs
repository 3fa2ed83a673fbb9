//! What a dispatch costs: the arms B0 (submit-each), B1 (time-only), B3 (one pass) and O1 (bundled) on 1 to 120 lanes of
//! one workgroup each; the host's cost per bundle and per lane; and what a workgroup costs before its kernel does anything.
//! Straight on the executor: no scheduler, no requests. `-- --workgroups` prints the last of these only.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Table, median, processor_time};
use fascine::gpu::{AdapterOptions, Allocation, EncodedBundle, Executor, ExecutorOptions, Gpu, Work};
use fascine::kernel::{Kernel, Trust, Variant, library};
use fascine::link::LinkedKernel;
use fascine::link::table::{EncodedLane, LaneOperand};
use fascine::schedule::{KernelId, Pipelines, SubmissionId};

const RUNS: usize = 21;
/// For the host's cost, which is short beside what else a processor does.
const HOST_RUNS: usize = 201;
const LANES: &[usize] = &[1, 2, 4, 8, 16, 32, 64, 120];
const WORDS: u32 = 64;
/// Workgroups of all lanes together, for the cost of a workgroup: a multiple of the numbers of lanes.
const WORKGROUPS: u32 = 61_440;

struct Bench {
    executor: Executor,
    kernel: KernelId,
    memory: Allocation,
    params: Arc<[u32]>,
    next: u64,
}

impl Bench {
    fn new() -> fascine::Result<Self> {
        let gpu = Gpu::open(&AdapterOptions::default())?;
        let mut executor = Executor::new(gpu, ExecutorOptions::default())?;
        let memory = executor.allocate(120 * 2 * 256)?;
        let segments = vec![memory.segment(); 2];
        let kernel = executor.intern(LinkedKernel { variant: Variant::new(library::get("copy"), []), segments });
        let mut bench = Bench { executor, kernel, memory, params: Arc::new([WORDS]), next: 0 };
        bench.compile(&[kernel]);
        Ok(bench)
    }

    fn compile(&mut self, kernels: &[KernelId]) {
        while !self.executor.pipelines().ready(kernels) {
            self.executor.pipelines().want(kernels);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A second kernel: the same under another name.
    fn second_kernel(&mut self) -> fascine::Result<KernelId> {
        let copy = library::get("copy");
        let kernel = Kernel::parse("copy_again", &copy.text, Trust::Project)?;
        let segments = vec![self.memory.segment(); 2];
        Ok(self.executor.intern(LinkedKernel { variant: Variant::new(Arc::new(kernel), []), segments }))
    }

    fn lane(&self, index: usize) -> (KernelId, EncodedLane) {
        let base = self.memory.base() + index as u64 * 512;
        let operands = [base, base + 256].map(|base| LaneOperand::new(base, 256).expect("an aligned tensor")).to_vec();
        (self.kernel, EncodedLane { grid: [1, 1, 1], first: 0, count: 1, operands, params: self.params.clone() })
    }

    /// Submits `bundles`; returns the time that the host spent in it.
    fn submit(&mut self, bundles: Vec<EncodedBundle>) -> fascine::Result<Duration> {
        let id = SubmissionId(self.next);
        self.next += 1;
        let work = Work { id, clears: Vec::new(), uploads: Vec::new(), bundles, downloads: Vec::new() };
        let start = Instant::now();
        self.executor.submit(work)?;
        Ok(start.elapsed())
    }

    /// Nanoseconds of a bundle of `lanes` lanes of `count` workgroups each, of which only the first finds work: by the clock, and of
    /// the process's processors.
    fn idle(&mut self, kernels: &[KernelId], lanes: u32, count: u32) -> fascine::Result<[f64; 2]> {
        let lanes = (0..lanes as usize).map(|index| {
            let kernel = kernels[index % kernels.len()];
            (kernel, EncodedLane { grid: [count, 1, 1], count, ..self.lane(index).1 })
        });
        let bundle = EncodedBundle { lanes: lanes.collect(), ..Default::default() };
        let mut times = Vec::new();
        let before = processor_time();
        for _ in 0..RUNS {
            let start = Instant::now();
            self.submit(vec![bundle.clone()])?;
            self.drain(0)?;
            times.push(start.elapsed().as_secs_f64() * 1e9);
        }
        let spent = processor_time().zip(before).map_or(f64::NAN, |(after, before)| after - before);
        Ok([median(&mut times), spent * 1e9 / RUNS as f64])
    }

    fn drain(&mut self, left: usize) -> fascine::Result<()> {
        while self.executor.in_flight() > left {
            self.executor.wait(Duration::from_millis(1))?;
            self.executor.poll()?;
        }
        Ok(())
    }

    fn wall(&mut self, arm: &str, lanes: usize) -> fascine::Result<Duration> {
        let all: Vec<_> = (0..lanes).map(|index| self.lane(index)).collect();
        let start = Instant::now();
        match arm {
            // Each waits for the one before.
            "B0" => {
                for lane in all {
                    self.submit(vec![EncodedBundle { lanes: vec![lane], ..Default::default() }])?;
                    self.drain(0)?;
                }
            }
            // A request is one dispatch here, so each is a submission; two are in flight.
            "B1" => {
                for lane in all {
                    self.drain(1)?;
                    self.submit(vec![EncodedBundle { lanes: vec![lane], ..Default::default() }])?;
                }
            }
            "B3" => {
                self.submit(
                    all.into_iter().map(|lane| EncodedBundle { lanes: vec![lane], ..Default::default() }).collect(),
                )?;
            }
            _ => {
                self.submit(vec![EncodedBundle { lanes: all, ..Default::default() }])?;
            }
        }
        self.drain(0)?;
        Ok(start.elapsed())
    }

    fn host(&mut self, bundles: usize, lanes: usize) -> fascine::Result<Duration> {
        let work = (0..bundles)
            .map(|bundle| EncodedBundle {
                lanes: (0..lanes).map(|lane| self.lane((bundle * lanes + lane) % 120)).collect(),
                ..Default::default()
            })
            .collect();
        let spent = self.submit(work)?;
        self.drain(0)?;
        Ok(spent)
    }
}

fn main() -> fascine::Result<()> {
    let mut bench = Bench::new()?;
    let caps = bench.executor.caps();
    println!("## Dispatch cost\n\nAdapter: {} ({}). Median of {RUNS} runs, wall time.\n", caps.name, caps.driver);

    if !std::env::args().any(|argument| argument == "--workgroups") {
        dispatches(&mut bench)?;
    }
    workgroups(&mut bench)
}

fn dispatches(bench: &mut Bench) -> fascine::Result<()> {
    let arms = ["B0", "B1", "B3", "O1"];
    let mut table = Table::new(["lanes", "B0 us", "B1 us", "B3 us", "O1 us", "O1 / B3"]);
    for &lanes in LANES {
        let mut micros = Vec::new();
        for arm in arms {
            bench.wall(arm, lanes)?;
            let mut times = Vec::new();
            for _ in 0..RUNS {
                times.push(bench.wall(arm, lanes)?.as_secs_f64() * 1e6);
            }
            micros.push(median(&mut times));
        }
        let ratio = micros[3] / micros[2];
        let mut row = vec![lanes.to_string()];
        row.extend(micros.iter().map(|us| format!("{us:.0}")));
        row.push(format!("{ratio:.3}"));
        table.row(row);
    }
    table.print();

    let mut cost = |bundles: usize, lanes: usize| -> fascine::Result<f64> {
        bench.host(bundles, lanes)?;
        let mut times = Vec::new();
        for _ in 0..HOST_RUNS {
            times.push(bench.host(bundles, lanes)?.as_secs_f64() * 1e6);
        }
        Ok(median(&mut times))
    };
    let one = cost(1, 1)?;
    let bundles = cost(64, 1)?;
    let lanes = cost(1, 120)?;
    println!("\n## Host cost of a submission\n");
    let mut table = Table::new(["what", "us"]);
    table.row(["one bundle of one lane".into(), format!("{one:.1}")]);
    table.row(["each further bundle".into(), format!("{:.2}", (bundles - one) / 63.0)]);
    table.row(["each further lane".into(), format!("{:.2}", (lanes - one) / 119.0)]);
    table.print();
    Ok(())
}

fn workgroups(bench: &mut Bench) -> fascine::Result<()> {
    println!("\n## A workgroup that finds nothing to do, {WORKGROUPS} of them in a bundle\n");
    let (first, second) = (bench.kernel, bench.second_kernel()?);
    let mut kernels = [first, second];
    kernels.sort();
    bench.compile(&kernels);
    let mut table =
        Table::new(["lanes", "ns, one kernel", "of processors", "ns, two kernels", "of processors, two kernels"]);
    for lanes in [1, 64, 120] {
        let mut row = vec![lanes.to_string()];
        for kernels in [&kernels[..1], &kernels[..]] {
            let few = bench.idle(kernels, lanes, 1)?;
            let many = bench.idle(kernels, lanes, WORKGROUPS / lanes)?;
            row.extend([0, 1].map(|i| format!("{:.1}", (many[i] - few[i]) / f64::from(WORKGROUPS - lanes))));
        }
        table.row(row);
    }
    table.print();
    Ok(())
}
