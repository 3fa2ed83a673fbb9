//! Dispatches that run for several requests at once.

use fascine::error::Result;
use fascine::plan::Dispatch;
use fascine::runtime::trace::{BundleRecord, Trace};
use fascine::runtime::{Drive, Options, Runtime};
use fascine::schedule::{self, Nanos};

use super::probes::median;
use super::{Requests, Subject, WARM_UP};
use crate::args::DeviceArgs;

/// By dispatch, the median of bundles in which it ran whole and by itself, for as many requests as it can be coalesced for.
/// None where that never was so, for instance since the scheduler predicts that it takes longer than apart.
pub(super) fn measure(
    subject: &Subject<'_>,
    dispatches: &[Dispatch],
    device: &DeviceArgs,
) -> Result<Vec<Option<Nanos>>> {
    let width = |dispatch: &Dispatch| dispatch.coalesce.as_ref().map(|coalesce| coalesce.width);
    let Some(most) = dispatches.iter().filter_map(width).max() else { return Ok(Vec::new()) };
    let trace = Trace::default();
    // Works only while somebody waits, so that all requests of a round are there before the first is issued.
    let options = Options { drive: Drive::Manual, trace: Some(trace.clone()), ..device.options() };
    let runtime = Runtime::new(options)?;
    // Dispatches alike go together and whole, other kernels apart.
    let defaults = runtime.schedule().clone();
    runtime.set_schedule(schedule::Options { max_kernels: 1, slice: Nanos::MAX / 4, ..defaults })?;
    let model = runtime.load_with(subject.path, subject.load)?;
    let requests = Requests::new(&model, subject.shapes)?;
    let mut times: Vec<Vec<Nanos>> = vec![Vec::new(); dispatches.len()];
    for run in 0..WARM_UP + subject.runs {
        let round = (0..most).map(|_| requests.submit()).collect::<Result<Vec<_>>>()?;
        for request in round {
            request.wait()?;
        }
        if run < WARM_UP {
            // Coalesced kernels are compiled once company was seen.
            while runtime.stats().map(|stats| stats.pipelines.waiting + stats.pipelines.compiling)? > 0 {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            trace.take();
            continue;
        }
        for bundle in trace.take() {
            if let Some((dispatch, nanos)) = whole(&bundle, dispatches) {
                times[dispatch].push(nanos);
            }
        }
    }
    Ok(times.into_iter().map(median).collect())
}

/// The dispatch that a bundle ran for as many requests as it can be coalesced for, and nothing else.
fn whole(bundle: &BundleRecord, dispatches: &[Dispatch]) -> Option<(usize, Nanos)> {
    let first = bundle.lanes.first()?;
    let dispatch = dispatches.get(first.dispatch as usize)?;
    let width = dispatch.coalesce.as_ref()?.width;
    let all = first.coalesced == width && bundle.lanes.len() == width as usize && first.count == dispatch.workgroups();
    Some((first.dispatch as usize, bundle.gpu.filter(|_| all)?))
}
