//! `fascine bench s5`.

use fascine::error::Result;

use crate::Answer;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _json: bool) -> Result<Answer> {
    Ok(Answer::default())
}
