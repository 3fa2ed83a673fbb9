//! What the examples on trained models share.

use std::path::Path;

/// Says how to get a file of a trained model that is not there.
///
/// # Errors
/// The file's path, and the command.
pub(crate) fn fetched(file: &Path, model: &str) -> Result<(), String> {
    if file.exists() {
        return Ok(());
    }
    Err(format!("{} is not there; fetch it with `scripts/fetch-model {model}`", file.display()))
}
