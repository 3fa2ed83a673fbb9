//! Timestamps: between bundles where the device can, else around all of them.

use super::device::Timestamps;
use super::fault::scoped;
use crate::error::Result;

/// Bundles whose ends are told apart in one submission; longer submissions are timed as a whole.
const MAX_BUNDLES: usize = 255;
const QUERIES: u32 = MAX_BUNDLES as u32 + 1;
/// Query sets in use at once beyond these are not timed: more submissions in flight than anyone wants.
const MAX_SETS: usize = 8;

/// A query set with the buffer that it resolves into; one submission uses it at a time.
#[derive(Debug)]
pub(super) struct TimerSet {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
}

/// The timestamps of one submission.
#[derive(Debug)]
pub(super) struct Timer {
    set: TimerSet,
    bundles: usize,
    /// Whether each bundle has its own end.
    each: bool,
}

/// Query sets, used again and again.
#[derive(Debug)]
pub(super) struct Timers {
    device: wgpu::Device,
    grade: Timestamps,
    /// Nanoseconds of one tick.
    period: f64,
    /// The first tick ever read: what follows is told relative to it, in nanoseconds that a float holds exactly.
    origin: Option<u64>,
    free: Vec<TimerSet>,
    /// Memory of times, to be used again.
    spare: Vec<Vec<u64>>,
    created: usize,
}

/// What the ticks of one submission mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    /// Each bundle's nanoseconds, if they were told apart.
    pub(super) bundles: Option<Vec<u64>>,
    /// When the first bundle began and the last ended, in nanoseconds on the device's clock.
    pub(super) span: Option<[u64; 2]>,
}

impl Timers {
    pub(super) fn new(device: wgpu::Device, queue: &wgpu::Queue, grade: Timestamps) -> Self {
        let period = if grade == Timestamps::None { 1.0 } else { f64::from(queue.get_timestamp_period()) };
        Timers { device, grade, period, origin: None, free: Vec::new(), spare: Vec::new(), created: 0 }
    }

    /// A timer for a submission of `bundles`, if the device can tell its time.
    ///
    /// # Errors
    /// `Memory` or `Device` if a query set cannot be made.
    pub(super) fn take(&mut self, bundles: usize) -> Result<Option<Timer>> {
        if self.grade == Timestamps::None || bundles == 0 {
            return Ok(None);
        }
        let set = match self.free.pop() {
            Some(set) => set,
            None if self.created == MAX_SETS => return Ok(None),
            None => self.create()?,
        };
        Ok(Some(Timer { set, bundles, each: self.grade == Timestamps::Bundle && bundles <= MAX_BUNDLES }))
    }

    fn create(&mut self) -> Result<TimerSet> {
        let set = scoped(&self.device, "timestamp queries", || TimerSet {
            queries: self.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("fascine timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: QUERIES,
            }),
            resolved: self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("fascine timestamps"),
                size: u64::from(QUERIES * wgpu::QUERY_SIZE),
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
        })?;
        self.created += 1;
        Ok(set)
    }

    /// Takes a timer back and says what its resolved ticks mean.
    pub(super) fn finish(&mut self, timer: Timer, ticks: &[u64]) -> Times {
        let each = timer.each;
        self.free.push(timer.set);
        self.read(each, ticks)
    }

    /// Takes back the memory of times that were looked at.
    pub(super) fn recycle(&mut self, bundles: Option<Vec<u64>>) {
        if let Some(mut bundles) = bundles {
            bundles.clear();
            self.spare.push(bundles);
        }
    }

    fn read(&mut self, each: bool, ticks: &[u64]) -> Times {
        let period = self.period;
        let nanos = |from: u64, to: u64| (to.saturating_sub(from) as f64 * period) as u64;
        let bundles = each.then(|| {
            let mut bundles = self.spare.pop().unwrap_or_default();
            bundles.extend(ticks.windows(2).map(|pair| nanos(pair[0], pair[1])));
            bundles
        });
        let (Some(&first), Some(&last)) = (ticks.first(), ticks.last()) else { return Times { bundles, span: None } };
        let origin = *self.origin.get_or_insert(first);
        let start = nanos(origin, first);
        Times { bundles, span: Some([start, start + nanos(first, last)]) }
    }
}

impl Timer {
    /// Bytes of the resolved ticks.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.count() * wgpu::QUERY_SIZE)
    }

    fn count(&self) -> u32 {
        if self.each { self.bundles as u32 + 1 } else { 2 }
    }

    /// What the pass writes by itself.
    pub(super) fn pass_writes(&self) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        (!self.each).then_some(wgpu::ComputePassTimestampWrites {
            query_set: &self.set.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        })
    }

    /// Marks the start of bundle `index`, or after the last bundle, the end.
    pub(super) fn mark(&self, pass: &mut wgpu::ComputePass<'_>, index: usize) {
        if self.each {
            pass.write_timestamp(&self.set.queries, index as u32);
        }
    }

    /// After the pass: brings the ticks to `offset` of `read_back`.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder, read_back: &wgpu::Buffer, offset: u64) {
        encoder.resolve_query_set(&self.set.queries, 0..self.count(), &self.set.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.set.resolved, 0, read_back, offset, self.bytes());
    }
}
