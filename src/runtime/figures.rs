//! What the device can do: given, kept from an earlier run, measured, or guessed.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::kept;
use crate::gpu::probe::{self, Effort};
use crate::gpu::{Caps, Gpu, Vendor};
use crate::schedule::DeviceModel;

/// Of another number when the probe measures otherwise.
const TITLE: &str = "fascine device 1";

/// Where a runtime has its first estimates of the device from; what it measures as it works corrects them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Figures {
    /// A GPU is measured when it is opened, in about a tenth of a second at most, unless [`Options::cache_dir`](super::Options::cache_dir)
    /// has its figures from an earlier run; a CPU adapter runs as many workgroups at a time as the host has threads for them.
    /// Where [`Options::schedule`](super::Options::schedule) is given, its figures count.
    #[default]
    Auto,
    /// As for a GPU, whatever the adapter: on a CPU adapter it takes a third of a second at most.
    Measured,
    /// These, and nothing is measured: two runtimes take the same first decisions.
    Given(DeviceModel),
}

/// Where figures are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The options.
    Given,
    /// A file that an earlier run left.
    Kept,
    /// Measured as the runtime was opened.
    Measured,
    /// Not measured, or to no avail, of which a warning tells.
    Guessed,
}

/// What a runtime takes its device to do at the start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Device {
    /// The figures.
    pub model: DeviceModel,
    /// Where they are from.
    pub source: Source,
}

impl Figures {
    /// The figures of `gpu`; `given` are those of a schedule that the caller made.
    pub(super) fn find(
        self,
        gpu: &Gpu,
        given: Option<DeviceModel>,
        folder: Option<&Path>,
        memory_cap: Option<u64>,
    ) -> Device {
        let caps = gpu.caps();
        match (self, given) {
            (Figures::Given(model), _) | (Figures::Auto, Some(model)) => Device { model, source: Source::Given },
            (Figures::Auto, None) if caps.class == Vendor::Cpu => guessed(caps),
            _ => {
                let file = folder.map(|folder| File::new(folder, caps));
                let kept = file.as_ref().and_then(File::read);
                kept.map_or_else(
                    || measured(gpu, file.as_ref(), memory_cap),
                    |model| Device { model, source: Source::Kept },
                )
            }
        }
    }
}

fn guessed(caps: &Caps) -> Device {
    Device { model: probe::guess(caps.class, caps.parallelism), source: Source::Guessed }
}

fn measured(gpu: &Gpu, file: Option<&File>, memory_cap: Option<u64>) -> Device {
    let caps = gpu.caps();
    let probed = match probe::probe(gpu, Effort::of(gpu, memory_cap)) {
        Ok(probed) => probed,
        Err(error) => {
            tracing::warn!(%error, adapter = caps.name, "what the device can do is guessed");
            return guessed(caps);
        }
    };
    let (model, missing) = probed.model(caps.class, caps.parallelism);
    if !missing.is_empty() {
        // Nothing is kept: the next run may have better luck.
        tracing::warn!(?missing, adapter = caps.name, "measured to no avail, and guessed");
    } else if let Some(file) = file {
        file.write(&model);
    }
    Device { model, source: if probed.parallelism.is_some() { Source::Measured } else { Source::Guessed } }
}

/// The file of an adapter.
struct File {
    path: PathBuf,
    head: String,
}

impl File {
    fn new(folder: &Path, caps: &Caps) -> Self {
        let head = format!("{TITLE}\n{:?} {:?} {:?}\n", caps.name, caps.driver, caps.backend);
        let path = folder.join(format!("device_{:016x}.txt", kept::hash(head.as_bytes())));
        File { path, head }
    }

    fn read(&self) -> Option<DeviceModel> {
        let model = kept::read(&self.path, &self.head).and_then(|text| text.as_deref().map(parse).transpose());
        model.unwrap_or_else(|error| {
            tracing::warn!(path = %self.path.display(), %error, "the device's figures ignored");
            None
        })
    }

    /// A failure costs only time on the next run.
    fn write(&self, model: &DeviceModel) {
        let DeviceModel { parallelism, flops, bytes, bundle, lane, submission } = model;
        let text = format!("{}{parallelism} {flops} {bytes} {bundle} {lane} {submission}\n", self.head);
        if let Err(error) = kept::write(&self.path, &text) {
            tracing::warn!(path = %self.path.display(), %error, "the device's figures not saved");
        }
    }
}

fn parse(text: &str) -> io::Result<DeviceModel> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [parallelism, flops, bytes, bundle, lane, submission] = words[..] else {
        return Err(kept::bad("the line of figures is cut short"));
    };
    let model = || {
        Some(DeviceModel {
            parallelism: parallelism.parse().ok().filter(|&n| n > 0)?,
            flops: flops.parse().ok().filter(|&rate: &f64| rate.is_finite() && rate > 0.0)?,
            bytes: bytes.parse().ok().filter(|&rate: &f64| rate.is_finite() && rate > 0.0)?,
            bundle: bundle.parse().ok()?,
            lane: lane.parse().ok()?,
            submission: submission.parse().ok()?,
        })
    };
    model().ok_or_else(|| kept::bad("a figure is wrong"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{DeviceType, Options};
    use super::*;
    use crate::gpu::AdapterOptions;
    use crate::schedule;

    fn gpu() -> Gpu {
        Gpu::open(&AdapterOptions::default()).unwrap()
    }

    #[test]
    fn only_sound_files_of_the_adapter_are_read() {
        let gpu = gpu();
        let folder = tempfile::tempdir().unwrap();
        let file = File::new(folder.path(), gpu.caps());
        assert_eq!(file.read(), None);
        let model = DeviceModel { flops: 1.0 / 3.0 * 1e14, bundle: 2_345, ..DeviceModel::gpu(4_224) };
        file.write(&model);
        assert_eq!(file.read(), Some(model));
        let find = || Figures::Measured.find(&gpu, None, Some(folder.path()), None);
        assert_eq!(find(), Device { model, source: Source::Kept });

        let other = Caps { driver: "another".into(), ..gpu.caps().clone() };
        assert_eq!(File::new(folder.path(), &other).read(), None);
        let sound = fs::read(&file.path).unwrap();
        for at in 0..sound.len() - 1 {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            fs::write(&file.path, damaged).unwrap();
            assert_eq!(file.read(), None, "byte {at}");
            fs::write(&file.path, &sound[..at]).unwrap();
            assert_eq!(file.read(), None, "cut at {at}");
        }
    }

    #[test]
    fn a_cpu_of_many_threads_is_no_gpu() {
        let caps = Caps { device_type: DeviceType::Cpu, class: Vendor::Cpu, parallelism: 96, ..gpu().caps().clone() };
        let device = guessed(&caps);
        assert_eq!(device.model, DeviceModel::cpu(96));
        let schedule = Options::default().scheduler(&caps, device.model);
        assert_eq!(schedule, schedule::Options::cpu(DeviceModel::cpu(96)));
        assert!(schedule.slice > schedule::Options::default().slice);
        // Plans are for a power of two.
        for (parallelism, planned) in [(0, 1), (1, 1), (96, 128), (4_224, 4_096), (3_900, 4_096)] {
            let model = DeviceModel { parallelism, ..device.model };
            assert_eq!(Options::default().target(&caps, &model).parallelism, planned, "{parallelism}");
        }
    }

    #[test]
    fn given_figures_count_and_nothing_is_measured() {
        let gpu = gpu();
        let (one, other) = (DeviceModel::gpu(7), DeviceModel::cpu(9));
        let find = |figures: Figures, given| figures.find(&gpu, given, None, None);
        let given = |model| Device { model, source: Source::Given };
        assert_eq!(find(Figures::Given(one), None), given(one));
        assert_eq!(find(Figures::Given(one), Some(other)), given(one));
        assert_eq!(find(Figures::Auto, Some(other)), given(other));
        if gpu.caps().class == Vendor::Cpu {
            let rule = DeviceModel::cpu(gpu.caps().parallelism);
            assert_eq!(find(Figures::Auto, None), Device { model: rule, source: Source::Guessed });
        }
    }

    #[test]
    fn wrong_lines_are_no_figures() {
        assert!(parse("\n4000 1e13 1e12 2500 100 20000").is_ok());
        for line in ["", "4000 1e13", "0 1e13 1e12 1 1 1", "4 NaN 1e12 1 1 1", "4 1e13 inf 1 1 1", "4 1 1 -1 1 1"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
