use std::sync::Arc;
use std::time::Instant;
use fascine::lower::{DeviceClass, ModelWeights, Target};
use fascine::plan::bind::Symbols;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let vary: Vec<String> = std::env::args().skip(2).collect();
    let options = fascine::LoadOptions { synthetic_weights: true, ..Default::default() };
    let runtime = fascine::Runtime::new(fascine::Options { drive: fascine::runtime::Drive::Manual, ..Default::default() }).unwrap();
    let model = runtime.load_with(&path, &options).unwrap();
    let graph = model.graph().clone();
    let shapes = |n: usize| -> Vec<Vec<usize>> {
        let mut sizes = std::collections::BTreeMap::new();
        for &id in &graph.inputs {
            for d in graph.value(id).shape.iter().flatten() {
                if let fascine::graph::Dim::Symbol(s) = d { sizes.insert(s.clone(), if vary.contains(s) { n + if s == "total" { 1 } else { 0 } } else { 1 }); }
            }
        }
        fascine::plan::bind::resolve_shapes(&graph, &sizes).unwrap()
    };
    let mut times = Vec::new();
    for n in 20..220 {
        let s = shapes(n);
        let t = Instant::now();
        let summary = model.plan(&s).unwrap();
        times.push(t.elapsed().as_nanos());
        if n == 20 { println!("{} dispatches", summary.dispatches); }
    }
    times.sort();
    println!("median plan {} us, p90 {} us", times[100] / 1000, times[180] / 1000);
    let _ = (DeviceClass::Cpu, Arc::<ModelWeights>::default(), None::<Target>, None::<Symbols>);
}
