//! Arguments that several subcommands take.

use std::path::PathBuf;

use fascine::gpu::{AdapterOptions, Select};
use fascine::runtime::{Options, Share};

/// How answers are printed, and what is told beside them.
#[derive(Debug, clap::Args)]
pub(crate) struct PrintArgs {
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print tables in Markdown
    #[arg(long, global = true, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// Tell on stderr what happens inside: error, warn, info, debug, trace, or levels of modules such as
    /// `fascine::gpu=trace,warn`. The variable FASCINE_LOG does the same
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeviceArgs {
    /// The adapter to use: part of its name, or its index in `fascine devices`
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// A folder for what is kept between runs: compiled pipelines, what was measured of the device (`fascine tune`), what was learned
    /// of durations
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Plan for one Nth of the device, as others have the rest: 1, 2, 4 or 8. It counts where `fascine tune` has filled --cache-dir
    #[arg(long, value_name = "N", value_parser = parse_share)]
    pub(crate) share: Option<Share>,
}

impl DeviceArgs {
    /// The options of a runtime that these arguments ask for.
    pub(crate) fn options(&self) -> Options {
        let select = match &self.device {
            None => Select::Auto,
            Some(text) => text.parse().map_or_else(|_| Select::Name(text.clone()), Select::Index),
        };
        Options {
            adapter: AdapterOptions { select, ..AdapterOptions::default() },
            cache_dir: self.cache_dir.clone(),
            share: self.share.unwrap_or_default(),
            ..Options::default()
        }
    }
}

fn parse_share(text: &str) -> Result<Share, String> {
    let share = Share::ALL.into_iter().find(|share| share.divisor().to_string() == text);
    share.ok_or_else(|| "1, 2, 4 or 8 is wanted".to_owned())
}

#[derive(Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// Size of a dimension that the model leaves open; may be given several times
    #[arg(long = "dim", value_name = "NAME=N", value_parser = parse_dim)]
    pub(crate) dims: Vec<(String, usize)>,
    /// Make up the weights that the model's file describes by a `synthetic` key, instead of reading them
    #[arg(long)]
    pub(crate) synthetic_weights: bool,
}

pub(crate) fn parse_dim(text: &str) -> Result<(String, usize), String> {
    let (name, size) = text.split_once('=').ok_or("NAME=N is wanted")?;
    if name.is_empty() {
        return Err("the name is empty".into());
    }
    Ok((name.to_owned(), size.parse().map_err(|error| format!("'{size}' is no size: {error}"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dimension_is_a_name_and_a_size() {
        assert_eq!(parse_dim("batch=0").unwrap(), ("batch".into(), 0));
        for text in ["batch", "=3", "batch=", "batch=-1", "batch=99999999999999999999999"] {
            assert!(parse_dim(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_device_is_an_index_or_a_name() {
        let select = |text: &str| {
            DeviceArgs { device: Some(text.into()), cache_dir: None, share: None }.options().adapter.select
        };
        assert_eq!(select("1"), Select::Index(1));
        assert_eq!(select("llvmpipe"), Select::Name("llvmpipe".into()));
    }

    #[test]
    fn a_share_is_one_of_those_that_are_measured() {
        assert_eq!((parse_share("1"), parse_share("8")), (Ok(Share::Whole), Ok(Share::Eighth)));
        for text in ["", "0", "3", "16", "1/2"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
    }
}
