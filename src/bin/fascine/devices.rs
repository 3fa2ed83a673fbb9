//! `fascine devices`.

use fascine::error::{Error, ErrorKind, Result};
use fascine::gpu::{self, AdapterReport};
use serde::Serialize;

use crate::Answer;
use crate::table::{self, Align};

#[derive(Serialize)]
struct Devices {
    adapters: Vec<AdapterReport>,
}

pub(crate) fn run(json: bool) -> Result<Answer> {
    let adapters = gpu::adapters();
    let error = adapters.iter().all(|adapter| adapter.unfit.is_some()).then(|| {
        let what = if adapters.is_empty() { "no adapter at all" } else { "no adapter that fascine can use" };
        Error::new(ErrorKind::NoAdapter, format!("{what}; scripts/setup-vulkan.sh installs one that runs on the CPU"))
    });
    let answer = if json { Answer::json(&Devices { adapters }) } else { Answer::text(text(&adapters)) };
    Ok(Answer { error, ..answer })
}

fn text(adapters: &[AdapterReport]) -> String {
    use Align::{Left, Right};
    let header = [
        ("#", Right),
        ("adapter", Left),
        ("type", Left),
        ("api", Left),
        ("driver", Left),
        ("largest buffer", Right),
        ("buffers", Right),
        ("workgroup memory", Right),
        ("subgroups", Left),
        ("f16", Left),
        ("timestamps", Left),
    ];
    let yes = |has: bool| if has { "yes" } else { "no" }.to_owned();
    let rows: Vec<Vec<String>> = adapters
        .iter()
        .map(|AdapterReport { index, caps, .. }| {
            vec![
                index.to_string(),
                caps.name.clone(),
                caps.device_type.to_string(),
                caps.backend.clone(),
                caps.driver.clone(),
                table::bytes(caps.max_segment_bytes),
                caps.max_slots.to_string(),
                table::bytes(caps.workgroup_bytes.into()),
                if caps.subgroups {
                    format!("{}..{}", caps.subgroup_size[0], caps.subgroup_size[1])
                } else {
                    yes(false)
                },
                yes(caps.f16),
                format!("{:?}", caps.timestamps).to_lowercase(),
            ]
        })
        .collect();
    let mut text = if rows.is_empty() { String::new() } else { table::render(&header, &rows) };
    for AdapterReport { index, missing, unfit, .. } in adapters {
        if let Some(why) = unfit {
            text += &format!("\n{index} cannot be used: {why}\n");
        }
        if !missing.is_empty() {
            text += &format!("\n{index} lacks\n");
            missing.iter().for_each(|what| text += &format!("  {what}\n"));
        }
    }
    text
}
