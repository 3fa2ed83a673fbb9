//! What tests of sessions share.

use fascine::lower::DeviceClass;
use fascine::runtime::trace::Trace;
use fascine::{Completion, Options, Runtime, Tensor};

pub fn tensor<T: fascine::tensor::Element>(shape: &[usize], data: Vec<T>) -> Tensor {
    Tensor::new(shape, data).unwrap()
}

/// Numbers with a seed, each with digits to the end.
pub fn noise(shape: &[usize], seed: usize) -> Tensor {
    let len = shape.iter().product::<usize>();
    tensor(shape, (0..len).map(|i| ((i * 7_919 + seed * 104_729) % 10_007) as f32 / 3_001.0 - 1.5).collect())
}

pub fn same(a: &Completion, b: &Completion, names: &[&str], what: &str) {
    for name in names {
        let (a, b) = (a.output(name).unwrap(), b.output(name).unwrap());
        assert_eq!(a.shape(), b.shape(), "{name}, {what}");
        assert!(a.bytes() == b.bytes(), "{name}, {what}");
    }
}

pub fn traced(class: Option<DeviceClass>) -> (Runtime, Trace) {
    let trace = Trace::default();
    (Runtime::new(Options { trace: Some(trace.clone()), class, ..Options::default() }).unwrap(), trace)
}

/// Workgroups that copied, since it was last asked.
pub fn copied(trace: &Trace) -> u64 {
    let bundles = trace.take();
    let lanes = bundles.iter().flat_map(|bundle| &bundle.lanes);
    lanes.filter(|lane| lane.kernel.starts_with("copy")).map(|lane| u64::from(lane.count)).sum()
}
