//! The attributes of a resize.

use super::taps::{Filter, Nearest, Transform};
use super::{Inputs, Mode, Policy, Resize};
use crate::error::{Error, Result};
use crate::graph::{Attr, Node};
use crate::ops::check_arity;

fn unknown(name: &str, value: &str) -> Error {
    Error::invalid_model(format!("{name} '{value}'"))
}

impl Resize {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let early = node.opset < 11;
        check_arity(node, if early { 2..=2 } else { 1..=4 }, 1..=1)?;
        let plain = node.opset < 18;
        let transform =
            match node.str("coordinate_transformation_mode", if early { "asymmetric" } else { "half_pixel" })? {
                "half_pixel" => Transform::HalfPixel,
                "half_pixel_symmetric" if node.opset >= 19 => Transform::HalfPixelSymmetric,
                "pytorch_half_pixel" => Transform::PytorchHalfPixel,
                "tf_half_pixel_for_nn" if node.opset < 13 => Transform::TfHalfPixelForNn,
                "align_corners" => Transform::AlignCorners,
                "asymmetric" => Transform::Asymmetric,
                "tf_crop_and_resize" => Transform::TfCropAndResize,
                other => return Err(unknown("coordinate_transformation_mode", other)),
            };
        let nearest = match node.str("nearest_mode", if early { "" } else { "round_prefer_floor" })? {
            "" if early => Nearest::Simple,
            "round_prefer_floor" => Nearest::RoundPreferFloor,
            "round_prefer_ceil" => Nearest::RoundPreferCeil,
            "floor" => Nearest::Floor,
            "ceil" => Nearest::Ceil,
            other => return Err(unknown("nearest_mode", other)),
        };
        let mode = match node.str("mode", "nearest")? {
            "nearest" => Mode::Nearest(nearest),
            "linear" | "bilinear" => Mode::Between(Filter::Linear),
            "cubic" if !early => Mode::Between(Filter::Cubic(node.float("cubic_coeff_a", -0.75)?.into())),
            other => return Err(unknown("mode", other)),
        };
        let antialias = !plain && node.int("antialias", 0)? != 0;
        if antialias && matches!(mode, Mode::Nearest(_)) {
            return Err(Error::unsupported("antialias of nearest elements"));
        }
        let policy = match node.str("keep_aspect_ratio_policy", "stretch")? {
            _ if plain => Policy::Stretch,
            "stretch" => Policy::Stretch,
            "not_larger" => Policy::NotLarger,
            "not_smaller" => Policy::NotSmaller,
            other => return Err(unknown("keep_aspect_ratio_policy", other)),
        };
        let inputs = match early {
            true => Inputs { scales: Some(1), ..Inputs::default() },
            false => {
                let roi = (transform == Transform::TfCropAndResize).then_some(1);
                Inputs { roi, scales: Some(2), sizes: Some(3) }
            }
        };
        Ok(Resize {
            mode,
            transform,
            exclude_outside: node.int("exclude_outside", 0)? != 0,
            antialias,
            extrapolation: node.float("extrapolation_value", 0.0)?,
            policy,
            axes: if plain { None } else { node.ints("axes")?.map(<[i64]>::to_vec) },
            scales: None,
            inputs,
            grows: false,
        })
    }

    pub(super) fn upsample(node: &Node) -> Result<Self> {
        let scales = match (node.opset, node.attrs.get("scales")) {
            (..7, _) => return Err(Error::unsupported(format!("Upsample in opset {}", node.opset))),
            (7 | 8, Some(Attr::Floats(scales))) => Some(scales.clone()),
            (7 | 8, _) => return Err(Error::invalid_model("attribute 'scales' is no list of floats")),
            _ => None,
        };
        let inputs = if scales.is_some() { 1 } else { 2 };
        check_arity(node, inputs..=inputs, 1..=1)?;
        let mode = match node.str("mode", "nearest")? {
            "nearest" => Mode::Nearest(Nearest::Floor),
            "linear" | "bilinear" => Mode::Between(Filter::Linear),
            other => return Err(unknown("mode", other)),
        };
        Ok(Resize {
            mode,
            transform: Transform::Asymmetric,
            exclude_outside: false,
            antialias: false,
            extrapolation: 0.0,
            policy: Policy::Stretch,
            axes: None,
            inputs: Inputs { scales: scales.is_none().then_some(1), ..Inputs::default() },
            scales,
            grows: true,
        })
    }
}
