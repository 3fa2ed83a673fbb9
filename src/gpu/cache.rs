//! The disk pipeline cache: what the driver compiled, kept from run to run.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::device::Gpu;
use super::fault::scoped;
use super::trusted;

const MAGIC: &[u8; 8] = b"fascine1";
/// Magic, hash of the driver's name and version, hash of the data.
const HEADER: usize = 24;
/// Larger files are foreign: whole model zoos compile to a few megabytes.
const MAX_BYTES: u64 = 256 << 20;

/// A pipeline cache with its file.
#[derive(Clone, Debug)]
pub(super) struct DiskCache {
    cache: wgpu::PipelineCache,
    path: PathBuf,
    driver: u64,
    saved: Arc<Mutex<u64>>,
}

impl DiskCache {
    /// The cache for this device in `folder`, if the device can have one. A file that is damaged or of another driver is ignored.
    pub(super) fn open(gpu: &Gpu, folder: &Path) -> Option<Self> {
        if !gpu.caps().pipeline_cache {
            return None;
        }
        let key = wgpu::util::pipeline_cache_key(&gpu.adapter.get_info())?;
        let driver = hash(gpu.caps().driver.as_bytes());
        let path = folder.join(format!("{key}_{driver:016x}.bin"));
        let data = match read(&path, driver) {
            Ok(data) => data,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "pipeline cache ignored");
                None
            }
        };
        match scoped(&gpu.device, "a pipeline cache", || trusted::create_cache(&gpu.device, data.as_deref())) {
            Ok(cache) => {
                Some(DiskCache { cache, path, driver, saved: Arc::new(Mutex::new(data.map_or(0, |d| hash(&d)))) })
            }
            Err(error) => {
                tracing::warn!(%error, "no pipeline cache");
                None
            }
        }
    }

    pub(super) fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Writes the file if there is anything new. A failure costs only time on the next run.
    pub(super) fn save(&self) {
        let Some(data) = self.cache.get_data() else { return };
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let now = hash(&data);
        if *saved == now {
            return;
        }
        match write(&self.path, self.driver, &data) {
            Ok(()) => *saved = now,
            Err(error) => tracing::warn!(path = %self.path.display(), %error, "pipeline cache not saved"),
        }
    }
}

/// FNV-1a: tells damage from soundness, not malice.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn read(path: &Path, driver: u64) -> io::Result<Option<Vec<u8>>> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let damaged = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    if length > MAX_BYTES {
        return Err(damaged("too large"));
    }
    let mut bytes = fs::read(path)?;
    if bytes.len() < HEADER || &bytes[..8] != MAGIC {
        return Err(damaged("not a pipeline cache"));
    }
    let data = bytes.split_off(HEADER);
    if bytes[8..16] != driver.to_le_bytes() {
        return Err(damaged("of another driver"));
    }
    if bytes[16..24] != hash(&data).to_le_bytes() {
        return Err(damaged("damaged"));
    }
    Ok(Some(data))
}

fn write(path: &Path, driver: u64, data: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Each process writes a file of its own and renames it, so that a reader sees all of one or of the other.
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let write = || {
        let mut file = fs::File::create(&temporary)?;
        for part in [MAGIC.as_slice(), &driver.to_le_bytes(), &hash(data).to_le_bytes(), data] {
            file.write_all(part)?;
        }
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    let result = write();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/cache.bin");
        assert!(read(&path, 1).unwrap().is_none());
        write(&path, 1, b"compiled").unwrap();
        assert_eq!(read(&path, 1).unwrap().unwrap(), b"compiled");
        assert!(read(&path, 2).unwrap_err().to_string().contains("another driver"));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");

        let good = fs::read(&path).unwrap();
        for end in [0, 7, HEADER - 1, good.len() - 1] {
            fs::write(&path, &good[..end]).unwrap();
            assert!(read(&path, 1).is_err(), "cut at {end}");
        }
        for position in [0, 20, HEADER + 2] {
            let mut bad = good.clone();
            bad[position] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(read(&path, 1).is_err(), "flipped at {position}");
        }
    }
}
