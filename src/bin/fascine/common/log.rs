//! `--log`: what happens inside, on stderr.

use fascine::error::{Error, ErrorKind, Result};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

/// The variable that stands for `--log` where that is not given.
const VARIABLE: &str = "FASCINE_LOG";

/// Prints events and the ends of spans as the filter says: a level, or levels of targets such as `fascine::gpu=trace,warn`.
pub(crate) fn start(filter: Option<&str>) -> Result<()> {
    let (filter, from) = match (filter, std::env::var(VARIABLE)) {
        (Some(filter), _) => (filter.to_owned(), "--log"),
        (None, Ok(filter)) if !filter.is_empty() => (filter, VARIABLE),
        (None, _) => return Ok(()),
    };
    let wrong = |why: String| Error::new(ErrorKind::Input, format!("{from}={filter}: {why}"));
    let targets: Targets = filter.parse().map_err(|error| wrong(format!("{error}")))?;
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_span_events(FmtSpan::CLOSE);
    registry().with(lines.with_filter(targets)).try_init().map_err(|error| wrong(format!("{error}")))
}
