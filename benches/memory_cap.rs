//! Memory in the scheduler's order: an urgent stream beside forty best-effort requests, under a cap that holds four requests. Its
//! p50 and p99 alone and beside them, and how many of these the device does meanwhile.
//!
//! `-- SECONDS` sets how long each part lasts (10).

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Table, arguments};
use fascine::graph::builder::GraphBuilder;
use fascine::schedule::Class;
use fascine::{DType, Model, Options, Result, Runtime, Tensor};

const BEST_EFFORT: usize = 40;
/// Requests of the best-effort model that the heap holds under the cap.
const FIT: u64 = 4;
/// Rows of an input of each model.
const URGENT_ROWS: usize = 64;
const ROWS: usize = 2048;
const WIDTH: usize = 256;
const LAYERS: usize = 4;
const PERIOD: Duration = Duration::from_millis(50);
const DEADLINE: Duration = Duration::from_millis(100);

fn product(runtime: &Runtime) -> Result<Model> {
    let mut graph = GraphBuilder::new(17);
    let mut x = graph.input("x", DType::F32, ["rows", "256"]);
    for layer in 0..LAYERS {
        let weights = (0..WIDTH * WIDTH).map(|i| ((i * 7 + layer) % 13) as f32 * 1e-3).collect::<Vec<_>>();
        let weight = graph.constant(Tensor::new([WIDTH, WIDTH], weights)?);
        x = graph.node("MatMul", [x, weight], []);
        x = graph.node("Tanh", [x], []);
    }
    runtime.load_graph(graph.finish([x]))
}

fn input(rows: usize) -> Result<Tensor> {
    Tensor::new([rows, WIDTH], vec![0.25f32; rows * WIDTH])
}

/// Nanoseconds from the submission of each urgent request to its result: one a period, whatever became of the one before.
fn urgent(model: &Model, time: Duration) -> Result<Vec<f64>> {
    let start = Instant::now();
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        let mut waits = Vec::new();
        for turn in 0.. {
            let due = PERIOD * turn;
            if due >= time {
                break;
            }
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            let request = model.request().input("x", input(URGENT_ROWS)?)?.class(Class::Interactive).deadline(DEADLINE);
            let submitted = Instant::now();
            let request = request.submit()?;
            waits.push(scope.spawn(move || request.wait().map(|_| submitted.elapsed().as_secs_f64() * 1e9)));
        }
        for wait in waits {
            times.push(wait.join().expect("a waiting thread does not panic")?);
        }
        Ok(times)
    })
}

fn percentile(times: &mut [f64], part: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * part).round() as usize] / 1e6
}

fn main() -> Result<()> {
    let seconds = arguments().first().and_then(|text| text.parse().ok()).unwrap_or(10);
    let time = Duration::from_secs(seconds);
    let (request, weights) = {
        let runtime = Runtime::new(Options::default())?;
        let model = product(&runtime)?;
        let pending = model.request().input("x", input(ROWS)?)?.submit()?;
        let mut request = 0;
        while request == 0 {
            request = runtime.memory()?.heap_used;
        }
        pending.wait()?;
        (request, runtime.memory()?.weights_reserved)
    };
    let cap = FIT * request + request / 2 + weights;
    let runtime = Runtime::new(Options { memory_cap: Some(cap), ..Options::default() })?;
    let model = product(&runtime)?;
    for rows in [URGENT_ROWS, ROWS] {
        model.request().input("x", input(rows)?)?.submit()?.wait()?;
    }
    // What is merged when is not what is measured.
    runtime.set_merging(false)?;
    urgent(&model, Duration::from_secs(2))?;
    println!(
        "## An urgent stream under a memory cap\n\nAdapter: {}. {seconds} s each, one request in {PERIOD:?}.",
        runtime.adapter()
    );
    let mut alone = urgent(&model, time)?;
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut most_used = 0;
    let mut beside = std::thread::scope(|scope| {
        for _ in 0..BEST_EFFORT {
            scope.spawn(|| -> Result<()> {
                while !stop.load(Ordering::Relaxed) {
                    let done_one = model.request().input("x", input(ROWS)?)?.submit()?.wait();
                    done_one.map(|_| done.fetch_add(1, Ordering::Relaxed))?;
                }
                Ok(())
            });
        }
        std::thread::sleep(Duration::from_secs(1));
        most_used = runtime.memory().map_or(0, |memory| memory.heap_used);
        done.store(0, Ordering::Relaxed);
        let beside = urgent(&model, time);
        stop.store(true, Ordering::Relaxed);
        beside
    })?;
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    println!(
        "A best-effort request takes {}, the cap is {}, {} in use beside.\n",
        mib(request),
        mib(cap),
        mib(most_used)
    );
    let mut table = Table::new(["urgent stream", "p50 ms", "p99 ms", "best effort per s"]);
    let [a, b] = [&mut alone, &mut beside].map(|times| [percentile(times, 0.5), percentile(times, 0.99)]);
    let rate = done.load(Ordering::Relaxed) as f64 / time.as_secs_f64();
    table.row(["alone".into(), format!("{:.2}", a[0]), format!("{:.2}", a[1]), "0".into()]);
    table.row([format!("beside {BEST_EFFORT}"), format!("{:.2}", b[0]), format!("{:.2}", b[1]), format!("{rate:.1}")]);
    table.row(["ratio".into(), format!("{:.2}", b[0] / a[0]), format!("{:.2}", b[1] / a[1]), String::new()]);
    table.print();
    Ok(())
}
