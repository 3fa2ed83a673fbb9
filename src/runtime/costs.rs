//! What the scheduler learned of durations, kept from run to run: a text file per adapter in the cache folder.
//!
//! Linked kernels have no numbers that outlive a run, so they are known by name, overrides and kinds of segments. The ratios are
//! relative to the device model's estimates, so that a file for other rates is of no use and is ignored.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::AdapterName;
use super::kept::{self, bad, hash};
use crate::link::{LinkedKernel, SegmentKind};
use crate::schedule::{DeviceModel, KernelId, Learned};

const TITLE: &str = "fascine costs 1";
/// Kernels that are kept; those with the names that sort last are left out. Guessed.
const MAX_KERNELS: usize = 16_384;

/// By kernel's name (empty for fixed costs) and size class: ratio and weight.
type Ratios = BTreeMap<(String, u32), (f64, f64)>;

/// The file and what it held.
pub(super) struct CostFile {
    path: PathBuf,
    head: String,
    ratios: Ratios,
    /// Kernels below this number have been taught.
    taught: u32,
}

impl CostFile {
    /// Reads the file of an adapter. One that is damaged, or of another adapter or device model, counts as empty.
    pub(super) fn open(folder: &Path, adapter: &AdapterName, device: &DeviceModel) -> Self {
        let AdapterName { name, driver } = adapter;
        let key = hash(format!("{name}\n{driver}").as_bytes());
        let path = folder.join(format!("costs_{key:016x}.txt"));
        let head = format!("{TITLE}\n{name:?} {driver:?}\n{device:?}\n");
        let ratios = match read(&path, &head) {
            Ok(ratios) => ratios,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "learned costs ignored");
                Ratios::new()
            }
        };
        CostFile { path, head, ratios, taught: 0 }
    }

    /// What is known of fixed costs.
    pub(super) fn fixed(&self) -> Vec<Learned> {
        self.known("").map(|(class, ratio, weight)| Learned { kernel: None, class, ratio, weight }).collect()
    }

    /// What is known of kernels that are new since the last call.
    pub(super) fn recall<'a>(&mut self, kernel: impl Fn(KernelId) -> Option<&'a LinkedKernel>) -> Vec<Learned> {
        let mut learned = Vec::new();
        while let Some(known) = kernel(KernelId(self.taught)) {
            let id = Some(KernelId(self.taught));
            let of = |(class, ratio, weight)| Learned { kernel: id, class, ratio, weight };
            learned.extend(self.known(&name(known)).map(of));
            self.taught += 1;
        }
        learned
    }

    /// Writes what was learned beside what was known. A failure costs only accuracy on the next run.
    pub(super) fn save<'a>(&mut self, learned: &[Learned], kernel: impl Fn(KernelId) -> Option<&'a LinkedKernel>) {
        let mut latest = Ratios::new();
        for &Learned { kernel: id, class, ratio, weight } in learned {
            let name = match id {
                None => String::new(),
                Some(id) => match kernel(id) {
                    Some(kernel) => name(kernel),
                    None => continue,
                },
            };
            // Of kernels that differ in the segments' numbers only, the one that ran most speaks for all.
            let entry = latest.entry((name, class)).or_insert((ratio, weight));
            if weight > entry.1 {
                *entry = (ratio, weight);
            }
        }
        self.ratios.extend(latest.into_iter().filter(|(_, (_, weight))| *weight > 0.0));
        if let Err(error) = write(&self.path, &self.head, &self.ratios) {
            tracing::warn!(path = %self.path.display(), %error, "learned costs not saved");
        }
    }

    fn known(&self, name: &str) -> impl Iterator<Item = (u32, f64, f64)> + '_ {
        let range = (name.to_owned(), 0)..=(name.to_owned(), u32::MAX);
        self.ratios.range(range).map(|((_, class), (ratio, weight))| (*class, *ratio, *weight))
    }
}

/// Without blanks.
fn name(linked: &LinkedKernel) -> String {
    let kernel = linked.variant.kernel();
    let mut name = kernel.name.replace(char::is_whitespace, "_");
    // Kernels of the same name may differ between versions.
    let _ = write!(name, "#{:016x}", hash(kernel.text.as_bytes()));
    for (constant, value) in linked.variant.constants() {
        let _ = write!(name, ",{constant}={value}");
    }
    name.push('/');
    name.extend(linked.segments.iter().map(|segment| match segment.kind {
        SegmentKind::Heap => 'h',
        SegmentKind::Weights => 'w',
    }));
    name
}

fn read(path: &Path, head: &str) -> io::Result<Ratios> {
    let mut ratios = Ratios::new();
    let lines = kept::read(path, head)?.unwrap_or_default();
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let mut word = || words.next().ok_or_else(|| bad("a line is cut short"));
        let (class, ratio, weight) = (word()?.parse(), word()?.parse(), word()?.parse());
        let (Ok(class), Ok(ratio), Ok(weight)) = (class, ratio, weight) else { return Err(bad("a number is wrong")) };
        ratios.insert((word()?.to_owned(), class), (ratio, weight));
    }
    Ok(ratios)
}

fn write(path: &Path, head: &str, ratios: &Ratios) -> io::Result<()> {
    let mut text = head.to_owned();
    for ((name, class), (ratio, weight)) in ratios.iter().take(MAX_KERNELS) {
        text.push_str(&format!("{class} {ratio} {weight} {name}\n"));
    }
    kept::write(path, &text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::kernel::{Kernel, Variant};
    use crate::link::SegmentId;

    fn kernel(index: u8, tile: f64) -> LinkedKernel {
        let text = "override TILE: u32 = 1u;
            @group(0) @binding(0) var<storage, read_write> y: array<u32>;
            @compute @workgroup_size(64) fn main() { y[0] = TILE; }";
        let kernel = Arc::new(Kernel::user(text).unwrap());
        LinkedKernel {
            variant: Variant::new(kernel, [("TILE", tile)]),
            segments: vec![SegmentId { index, kind: SegmentKind::Heap }],
        }
    }

    #[test]
    fn what_was_learned_outlives_a_run_and_damage_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let adapter = AdapterName { name: "a \"b\"\nc".into(), driver: "d".into() };
        let device = DeviceModel::for_parallelism(8);
        let open = |device: &DeviceModel| CostFile::open(folder.path(), &adapter, device);
        let kernels = [kernel(0, 2.0), kernel(1, 2.0), kernel(0, 4.0)];
        let of = |id: Option<u32>, ratio, weight| Learned { kernel: id.map(KernelId), class: 7, ratio, weight };
        let learned = [of(Some(0), 1.5, 1.0), of(Some(1), 2.5, 3.0), of(Some(2), 0.5, 0.0), of(None, 3.0, 1.0)];
        open(&device).save(&learned, |id| kernels.get(id.0 as usize));

        let mut again = open(&device);
        assert_eq!(again.fixed(), [of(None, 3.0, 1.0)]);
        // Numbers differ from run to run; segments' numbers make no difference, overrides do.
        let others = [kernel(5, 4.0), kernel(3, 2.0)];
        assert_eq!(again.recall(|id| others.get(id.0 as usize)), [of(Some(1), 2.5, 3.0)]);
        assert_eq!(again.recall(|id| others.get(id.0 as usize)), []);

        assert!(open(&DeviceModel::for_parallelism(9)).fixed().is_empty(), "other rates");
        let path = again.path.clone();
        let sound = fs::read(&path).unwrap();
        for at in 0..sound.len() - 1 {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert!(open(&device).fixed().is_empty(), "byte {at}");
        }
        fs::write(&path, &sound[..sound.len() / 2]).unwrap();
        assert!(open(&device).fixed().is_empty());
    }
}
