//! The windows of convolutions and poolings: kernel, strides, dilations and padding over up to three axes.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::size::{Size, decided, presumed};

/// The most that kernels add up without overflow.
const LARGEST: i64 = 1 << 30;

/// One axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Input size.
    pub input: Size,
    /// Output size.
    pub output: Size,
    /// Taps.
    pub kernel: Size,
    /// Input elements from one output to the next.
    pub stride: Size,
    /// Input elements from one tap to the next.
    pub dilation: Size,
    /// Padding before the first element.
    pub begin: Size,
    /// Padding after the last element.
    pub end: Size,
}

impl Axis {
    /// An axis of size one: what a one-dimensional case has in place of rows.
    pub const ONE: Axis = Axis {
        input: Size::ONE,
        output: Size::ONE,
        kernel: Size::ONE,
        stride: Size::ONE,
        dilation: Size::ONE,
        begin: Size::ZERO,
        end: Size::ZERO,
    };

    /// Whether output elements are input elements, one to one.
    pub fn is_pointwise(&self) -> bool {
        *self == Axis { input: self.input, output: self.input, ..Axis::ONE }
    }
}

/// Rounding of output sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Windows that fit whole.
    Floor,
    /// Also a last window that starts within input or leading padding.
    Ceil,
}

/// The attribute `auto_pad`: padding as stated, none, or as much as makes the output the input divided by the stride, with an
/// odd element behind the last or before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AutoPad {
    NotSet,
    Valid,
    SameUpper,
    SameLower,
}

/// The attributes that windows share, checked but for the number of axes.
#[derive(Debug)]
pub struct Window {
    /// Taps, where they are stated.
    pub kernel: Option<Vec<i64>>,
    pub(super) strides: Option<Vec<i64>>,
    pub(super) dilations: Option<Vec<i64>>,
    pub(super) pads: Option<Vec<i64>>,
    pub(super) auto_pad: AutoPad,
}

impl Window {
    /// The attributes of a node.
    ///
    /// # Errors
    /// `InvalidModel` or `Unsupported`.
    pub fn parse(node: &Node) -> Result<Window> {
        let kernel = node.ints("kernel_shape")?;
        let list = |name: &str, least: i64| {
            let Some(values) = node.ints(name)? else { return Ok(None) };
            if values.iter().any(|&v| v < least || v >= LARGEST) {
                return Err(Error::invalid_model(format!("attribute '{name}' is {values:?}")));
            }
            let axes = if name == "pads" { values.len() / 2 } else { values.len() };
            check_axes(axes)?;
            if kernel.is_some_and(|kernel| kernel.len() != axes) || (name == "pads" && values.len() % 2 == 1) {
                return Err(Error::invalid_model(format!("attribute '{name}' has {} values", values.len())));
            }
            Ok(Some(values.to_vec()))
        };
        Ok(Window {
            kernel: list("kernel_shape", 1)?,
            strides: list("strides", 1)?,
            dilations: list("dilations", 1)?,
            pads: list("pads", 0)?,
            auto_pad: match node.str("auto_pad", "NOTSET")? {
                "NOTSET" => AutoPad::NotSet,
                "VALID" => AutoPad::Valid,
                "SAME_UPPER" => AutoPad::SameUpper,
                "SAME_LOWER" => AutoPad::SameLower,
                other => return Err(Error::invalid_model(format!("auto_pad '{other}'"))),
            },
        })
    }

    /// The windows over `input` (the spatial sizes) with `kernel` taps.
    ///
    /// # Errors
    /// `InvalidModel` if attributes do not fit the number of axes; `Shape` if a kernel exceeds its padded input.
    pub fn axes(&self, input: &[Size], kernel: &[Size], rounding: Rounding) -> Result<Vec<Axis>> {
        check_axes(input.len())?;
        let count = input.len();
        let strides = filled("strides", self.strides.as_deref(), count, 1)?;
        let dilations = filled("dilations", self.dilations.as_deref(), count, 1)?;
        let pads = filled("pads", self.pads.as_deref(), 2 * count, 0)?;
        let axis =
            |i: usize| self.axis([input[i], kernel[i], strides[i], dilations[i]], [pads[i], pads[i + count]], rounding);
        (0..count).map(axis).collect()
    }

    fn axis(&self, sizes: [Size; 4], pads: [Size; 2], rounding: Rounding) -> Result<Axis> {
        let [size, taps, stride, dilation] = sizes;
        let span = (taps - 1) * dilation + 1;
        if !presumed(|| taps >= 1) || span.estimate() >= LARGEST || size.estimate() >= LARGEST {
            return Err(Error::shape(format!("a kernel of {taps} taps over {size} elements")));
        }
        let [begin, end] = match self.auto_pad {
            auto @ (AutoPad::SameUpper | AutoPad::SameLower) => {
                let total = (size.div_ceil(stride).max(1) - 1) * stride;
                let total = (total + span).saturating_sub(size);
                let (less, more) = (total / 2, total - total / 2);
                if auto == AutoPad::SameUpper { [less, more] } else { [more, less] }
            }
            AutoPad::Valid => [Size::ZERO; 2],
            AutoPad::NotSet => pads,
        };
        let padded = size + begin + end;
        let room = padded - span;
        let short =
            || Error::shape(format!("a kernel that spans {span} exceeds {size} elements padded by {begin} and {end}"));
        let mut output = match rounding {
            _ if matches!(self.auto_pad, AutoPad::SameUpper | AutoPad::SameLower) => size.div_ceil(stride),
            Rounding::Floor if !presumed(|| room >= Size::ZERO) => return Err(short()),
            Rounding::Floor => room / stride + 1,
            // Rounded up, a window that lacks less than a stride counts.
            Rounding::Ceil if presumed(|| room >= Size::ZERO || size > 0 && span - padded < stride) => {
                room.div_ceil(stride) + 1
            }
            Rounding::Ceil => return Err(short()),
        };
        if rounding == Rounding::Ceil {
            // A window that would start in the trailing padding is left out.
            let start = size + begin;
            output =
                decided(|| if (output - 1) * stride >= start { output - 1 } else { output }).unwrap_or_else(|| {
                    let most = output.min(start.div_ceil(stride));
                    // More than one only starts there if the padding is longer than a window.
                    if decided(|| end <= span) == Some(true) { most } else { most.max(output - 1) }
                });
        }
        Ok(Axis { input: size, output, kernel: taps, stride, dilation, begin, end })
    }
}

/// Checks that kernels can do windows over so many axes.
pub(super) fn check_axes(axes: usize) -> Result<()> {
    match axes {
        1..=3 => Ok(()),
        _ => Err(Error::unsupported(format!("windows over {axes} axes; up to three are supported"))),
    }
}

/// An attribute's values, or as many defaults.
///
/// # Errors
/// `InvalidModel` if there are more or fewer.
pub(super) fn filled(name: &str, values: Option<&[i64]>, len: usize, default: usize) -> Result<Vec<Size>> {
    match values {
        None => Ok(vec![Size::from(default); len]),
        Some(values) if values.len() == len => Ok(values.iter().map(|&v| Size::from(v)).collect()),
        Some(values) => Err(Error::invalid_model(format!("attribute '{name}' has {} values, not {len}", values.len()))),
    }
}

/// Sizes and windows of rows and columns by the names that kernels' parameters have.
pub(crate) fn window_sizes(y: &Axis, x: &Axis) -> [(&'static str, Size); 12] {
    [
        ("in_h", y.input),
        ("in_w", x.input),
        ("out_h", y.output),
        ("out_w", x.output),
        ("kernel_h", y.kernel),
        ("kernel_w", x.kernel),
        ("stride_y", y.stride),
        ("stride_x", x.stride),
        ("pad_y", y.begin),
        ("pad_x", x.begin),
        ("dilation_y", y.dilation),
        ("dilation_x", x.dilation),
    ]
}

/// Sizes and windows of planes, rows and columns by the names that kernels' parameters have.
pub(crate) fn window_vectors(axes: &[Axis; 3]) -> [(&'static str, [Size; 4]); 6] {
    let vector = |name, of: fn(&Axis) -> Size| (name, [of(&axes[0]), of(&axes[1]), of(&axes[2]), Size::ZERO]);
    [
        vector("input_size", |axis| axis.input),
        vector("output_size", |axis| axis.output),
        vector("kernel_size", |axis| axis.kernel),
        vector("stride", |axis| axis.stride),
        vector("dilation", |axis| axis.dilation),
        vector("padding", |axis| axis.begin),
    ]
}

/// Planes, rows and columns of sizes as kernels' parameters have them, where fewer are taken as the latter.
pub(super) fn vector(sizes: &[Size]) -> [Size; 4] {
    let mut vector = [Size::ONE, Size::ONE, Size::ONE, Size::ZERO];
    for (to, &size) in vector[..3].iter_mut().rev().zip(sizes.iter().rev()) {
        *to = size;
    }
    vector
}

/// From one tap that can write an element to the next, in windows that lie `stride` apart.
pub(super) fn step(stride: Size, dilation: Size) -> Size {
    fn common_divisor(a: i64, b: i64) -> i64 {
        if b == 0 { a } else { common_divisor(b, a % b) }
    }
    // Both are attributes.
    stride / common_divisor(stride.estimate(), dilation.estimate()).max(1)
}

/// Planes, rows and columns, where fewer axes are taken as the latter.
pub fn planes_rows_columns(axes: &[Axis]) -> [Axis; 3] {
    let mut three = [Axis::ONE; 3];
    for (to, &axis) in three.iter_mut().rev().zip(axes.iter().rev()) {
        *to = axis;
    }
    three
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Attr;
    use crate::size::sizes;

    fn window(attrs: &[(&str, &[i64])], auto_pad: &str) -> Result<Window> {
        let mut node = Node::default();
        for (name, values) in attrs {
            node.attrs.insert((*name).to_owned(), Attr::Ints(values.to_vec()));
        }
        node.attrs.insert("auto_pad".to_owned(), Attr::Str(auto_pad.to_owned()));
        Window::parse(&node)
    }

    #[test]
    fn output_sizes_follow_onnx() {
        type Case =
            (&'static [(&'static str, &'static [i64])], &'static str, usize, usize, Rounding, (usize, usize, usize));
        let cases: [Case; 10] = [
            (&[("strides", &[2])], "NOTSET", 2, 3, Rounding::Ceil, (1, 0, 0)),
            (&[("strides", &[2]), ("pads", &[3, 3])], "NOTSET", 224, 7, Rounding::Floor, (112, 3, 3)),
            (&[("strides", &[2]), ("pads", &[0, 1])], "NOTSET", 6, 3, Rounding::Floor, (3, 0, 1)),
            (&[("strides", &[2])], "NOTSET", 6, 3, Rounding::Ceil, (3, 0, 0)),
            (&[("strides", &[2]), ("pads", &[0, 1])], "NOTSET", 1, 1, Rounding::Ceil, (1, 0, 1)),
            (&[("strides", &[2])], "SAME_UPPER", 6, 3, Rounding::Floor, (3, 0, 1)),
            (&[("strides", &[2])], "SAME_LOWER", 6, 3, Rounding::Floor, (3, 1, 0)),
            (&[("strides", &[2])], "VALID", 6, 3, Rounding::Floor, (2, 0, 0)),
            (&[("dilations", &[3])], "NOTSET", 9, 3, Rounding::Floor, (3, 0, 0)),
            (&[("pads", &[2, 2])], "NOTSET", 0, 3, Rounding::Floor, (2, 2, 2)),
        ];
        for (attrs, auto, size, taps, rounding, expected) in cases {
            let axes = window(attrs, auto).unwrap().axes(&sizes(&[size]), &sizes(&[taps]), rounding).unwrap();
            let [output, begin, end] = [axes[0].output, axes[0].begin, axes[0].end].map(Size::pin);
            assert_eq!((output, begin, end), expected, "{attrs:?} {auto} {size} {taps}");
        }
        let fails = |attrs, size, taps, rounding| {
            window(attrs, "NOTSET").unwrap().axes(&sizes(&[size]), &sizes(&[taps]), rounding).is_err()
        };
        assert!(fails(&[], 2, 3, Rounding::Floor));
        assert!(fails(&[], 2, 3, Rounding::Ceil));
        assert!(fails(&[("strides", &[2])], 2, 4, Rounding::Ceil));
        assert!(window(&[("strides", &[0])], "NOTSET").is_err());
        assert!(window(&[("pads", &[-1, 0])], "NOTSET").is_err());
        assert!(window(&[], "SAME").is_err());
    }
}
