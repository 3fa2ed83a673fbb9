//! Text files with a checksum, kept from run to run.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// A larger file is foreign.
const MAX_BYTES: u64 = 16 << 20;

pub(super) fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// What follows `head` in the file, if there is one.
///
/// # Errors
/// `InvalidData` if the file is damaged or has another head; what reading fails with.
pub(super) fn read(path: &Path, head: &str) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > MAX_BYTES => return Err(bad("the file is too large")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let text = fs::read_to_string(path)?;
    let (body, sum) = text.trim_end().rsplit_once('\n').ok_or_else(|| bad("the file is cut short"))?;
    if sum != format!("{:016x}", hash(body.as_bytes())) {
        return Err(bad("the checksum is wrong"));
    }
    let rest =
        body.strip_prefix(head.trim_end()).ok_or_else(|| bad("the file is of another adapter or device model"))?;
    Ok(Some(rest.to_owned()))
}

/// Writes `text`, its last line end left out, and the checksum. Whoever reads meanwhile sees the old file or the new one.
///
/// # Errors
/// What writing fails with.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let text = text.trim_end_matches('\n');
    let sum = hash(text.as_bytes());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let written = fs::File::create(&part).and_then(|mut file| {
        writeln!(file, "{text}\n{sum:016x}")?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&part, path)).inspect_err(|_| {
        // What is left of it harms nobody.
        let _ = fs::remove_file(&part);
    })
}

/// FNV-1a: tells damage from soundness, not malice.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
