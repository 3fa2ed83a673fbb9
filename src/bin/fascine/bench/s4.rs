//! `fascine bench s4`.

use fascine::error::Result;

use super::s4_simulated;
use crate::Answer;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    simulated: s4_simulated::Simulated,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    if args.simulated.simulated {
        return s4_simulated::run(&args.simulated, json);
    }
    Ok(Answer::default())
}
