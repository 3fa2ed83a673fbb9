//! Elements of 8 bits and fewer that Rust lacks: floats for storage, and integers of 4 and 2 bits. One takes a byte in host memory.

use std::fmt;

use bytemuck::NoUninit;

/// How floats of 8 and 4 bits are made up. `shaders/functions/minifloat.wgsl` knows these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Minifloat {
    E4M3Fn = 0,
    E4M3Fnuz = 1,
    E5M2 = 2,
    E5M2Fnuz = 3,
    E8M0 = 4,
    E2M1 = 5,
}

/// How a cast to E8M0, which holds nothing but powers of two, chooses between two of them; others round to the nearest, of two the
/// even one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RoundMode {
    /// Away from zero.
    #[default]
    Up = 0,
    Down = 1,
    /// To the nearest, of two the larger.
    Nearest = 2,
}

/// An f32 that rounds to any f16 or bf16 as the f64 does: where it is not the same, its last digit is odd. (`from_f64` of the crate `half`
/// 2.7 drops digits, or rounds twice.)
pub(crate) fn to_odd(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) == value || !near.is_finite() {
        return near;
    }
    let beyond = f64::from(near).abs() > value.abs();
    f32::from_bits((near.to_bits() - u32::from(beyond)) | 1)
}

const INFINITY: u32 = 0x7f80_0000;

impl Minifloat {
    /// The position of the sign, digits behind the point, and the exponent's bias; not of E8M0.
    const fn layout(self) -> (u32, u32, u32) {
        match self {
            Minifloat::E4M3Fn => (7, 3, 7),
            Minifloat::E4M3Fnuz => (7, 3, 8),
            Minifloat::E5M2 => (7, 2, 15),
            Minifloat::E5M2Fnuz => (7, 2, 16),
            Minifloat::E8M0 => (8, 0, 127),
            Minifloat::E2M1 => (3, 1, 1),
        }
    }

    /// The largest finite number, and what stands for larger ones where none is taken for them.
    const fn ends(self) -> (u32, u32) {
        match self {
            Minifloat::E4M3Fn => (0x7e, 0x7f),
            Minifloat::E4M3Fnuz | Minifloat::E5M2Fnuz => (0x7f, 0x80),
            Minifloat::E5M2 => (0x7b, 0x7c),
            Minifloat::E8M0 => (0xfe, 0xff),
            Minifloat::E2M1 => (0x7, 0x7),
        }
    }

    /// Whether there is no negative zero, and its bits are the only NaN.
    const fn unsigned_zero(self) -> bool {
        matches!(self, Minifloat::E4M3Fnuz | Minifloat::E5M2Fnuz)
    }

    /// The value, exactly.
    pub(crate) fn decode(self, bits: u8) -> f32 {
        let (bits, (sign, digits, bias)) = (u32::from(bits), self.layout());
        if self == Minifloat::E8M0 {
            return match bits {
                255 => f32::NAN,
                _ => f32::from_bits((bits << 23).max(0x0040_0000)),
            };
        }
        let rest = bits & ((1 << sign) - 1);
        let special = match self {
            Minifloat::E4M3Fn => rest == 0x7f,
            Minifloat::E4M3Fnuz | Minifloat::E5M2Fnuz => bits == 0x80,
            Minifloat::E5M2 => rest >= 0x7c,
            Minifloat::E8M0 | Minifloat::E2M1 => false,
        };
        let magnitude = if special {
            if bits & 0x7f == 0x7c { f32::INFINITY } else { f32::NAN }
        } else if rest >> digits == 0 {
            rest as f32 * f32::from_bits((128 - bias - digits) << 23)
        } else {
            f32::from_bits((rest << (23 - digits)) + ((127 - bias) << 23))
        };
        f32::from_bits(magnitude.to_bits() | (bits >> sign & 1) << 31)
    }

    /// The nearest number, of two the even one. Beyond the largest finite number it is that one if `saturate`, else infinity or NaN,
    /// and always the largest of E2M1, which has neither. `mode` is that of E8M0.
    pub(crate) fn encode(self, x: f32, saturate: bool, mode: RoundMode) -> u8 {
        let bits = x.to_bits();
        let a = bits & 0x7fff_ffff;
        if self == Minifloat::E8M0 {
            return encode_exponent(a, saturate, mode);
        }
        let (sign_at, digits, bias) = self.layout();
        let (largest, beyond) = self.ends();
        let sign = (bits >> 31) << sign_at;
        if a > INFINITY {
            return match self {
                Minifloat::E4M3Fn => (0x7f | sign) as u8,
                Minifloat::E5M2 => (0x7e | sign) as u8,
                // As the standard's reference.
                Minifloat::E2M1 => (0x8 ^ sign) as u8,
                Minifloat::E4M3Fnuz | Minifloat::E5M2Fnuz | Minifloat::E8M0 => 0x80,
            };
        }
        let shift = 23 - digits;
        let least_normal = (128 - bias) << 23;
        let rounded = if a < least_normal {
            // Of a sum whose last place is that of the denormals.
            let even = f32::from_bits((151 - bias - digits) << 23);
            (f32::from_bits(a) + even).to_bits() - even.to_bits()
        } else {
            (a - ((127 - bias) << 23) + ((1 << (shift - 1)) - 1) + (a >> shift & 1)) >> shift
        };
        let magnitude = match (rounded > largest, saturate) {
            (false, _) => rounded,
            (true, true) => largest,
            (true, false) => beyond,
        };
        if self.unsigned_zero() && (magnitude == 0 || magnitude == 0x80) {
            return magnitude as u8;
        }
        (magnitude | sign) as u8
    }
}

/// The power of two for the bits of a magnitude. Where the standard's reference and its text differ (infinity, zero, below the least)
/// it is as in the text: without `saturate` what lies beyond either end is NaN.
fn encode_exponent(a: u32, saturate: bool, mode: RoundMode) -> u8 {
    // 2^-127 and 2^127.
    const LEAST: u32 = 0x0040_0000;
    const MOST: u32 = 0x7f00_0000;
    if a > INFINITY || (!saturate && !(LEAST..=MOST).contains(&a)) {
        return 0xff;
    }
    let a = a.clamp(LEAST, MOST);
    if a < 0x0080_0000 {
        // Between 2^-127 and 2^-126.
        let up = match mode {
            RoundMode::Up => a > LEAST,
            RoundMode::Down => false,
            RoundMode::Nearest => a >= 0x0060_0000,
        };
        return u8::from(up);
    }
    let up = match mode {
        RoundMode::Up => 0x007f_ffff,
        RoundMode::Down => 0,
        RoundMode::Nearest => 0x0040_0000,
    };
    ((a + up) >> 23) as u8
}

macro_rules! floats {
    ($($(#[$doc:meta])* $name:ident, $mask:literal;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash, NoUninit)]
        #[repr(transparent)]
        pub struct $name(u8);

        impl $name {
            /// From its bits; of a byte the low ones.
            pub const fn from_bits(bits: u8) -> Self {
                $name(bits & $mask)
            }

            /// Its bits, the low ones of a byte.
            pub const fn to_bits(self) -> u8 {
                self.0
            }

            /// The value, exactly.
            pub fn to_f32(self) -> f32 {
                Minifloat::$name.decode(self.0)
            }

            /// As ONNX casts by default: to the nearest, and what lies beyond the range to its end. To `E8M0` away from zero.
            pub fn from_f32(value: f32) -> Self {
                $name(Minifloat::$name.encode(value, true, RoundMode::default()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.to_f32().fmt(f)
            }
        })*
    };
}

floats! {
    /// ONNX's FLOAT8E4M3FN: 4 bits of exponent, 3 digits, NaN, no infinity; to 448. Equality is of bits.
    E4M3Fn, 0xff;
    /// ONNX's FLOAT8E4M3FNUZ: as [`E4M3Fn`], one NaN and no negative zero; to 240. Equality is of bits.
    E4M3Fnuz, 0xff;
    /// ONNX's FLOAT8E5M2: 5 bits of exponent, 2 digits, infinities and NaN; to 57344. Equality is of bits.
    E5M2, 0xff;
    /// ONNX's FLOAT8E5M2FNUZ: as [`E5M2`], one NaN, no infinity and no negative zero; to 57344. Equality is of bits.
    E5M2Fnuz, 0xff;
    /// ONNX's FLOAT8E8M0: the powers of two from 2^-127 to 2^127, and NaN. Equality is of bits.
    E8M0, 0xff;
    /// ONNX's FLOAT4E2M1: 2 bits of exponent, 1 digit; to 6. Equality is of bits.
    E2M1, 0x0f;
}

macro_rules! integers {
    ($($(#[$doc:meta])* $name:ident, $repr:ty, $bits:literal;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, NoUninit)]
        #[repr(transparent)]
        pub struct $name($repr);

        impl $name {
            /// The number, if it fits.
            pub const fn new(value: $repr) -> Option<Self> {
                let wrapped = Self::wrapping(value as i64);
                if wrapped.0 == value { Some(wrapped) } else { None }
            }

            /// The low bits of a number, as ONNX casts integers.
            pub const fn wrapping(value: i64) -> Self {
                let shift = 8 - $bits;
                $name((value as $repr) << shift >> shift)
            }

            /// From its bits; of a byte the low ones.
            pub const fn from_bits(bits: u8) -> Self {
                Self::wrapping(bits as i64)
            }

            /// The number.
            pub const fn get(self) -> $repr {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        })*
    };
}

integers! {
    /// ONNX's INT2: -2 to 1.
    I2, i8, 2;
    /// ONNX's INT4: -8 to 7.
    I4, i8, 4;
    /// ONNX's UINT2: 0 to 3.
    U2, u8, 2;
    /// ONNX's UINT4: 0 to 15.
    U4, u8, 4;
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Minifloat; 6] = [
        Minifloat::E4M3Fn,
        Minifloat::E4M3Fnuz,
        Minifloat::E5M2,
        Minifloat::E5M2Fnuz,
        Minifloat::E8M0,
        Minifloat::E2M1,
    ];

    fn patterns(format: Minifloat) -> impl Iterator<Item = u8> {
        0..=if format == Minifloat::E2M1 { 15 } else { 255 }
    }

    #[test]
    fn the_values_are_those_of_the_standard() {
        #[rustfmt::skip]
        let known: [(Minifloat, u8, f32); 22] = [
            (Minifloat::E4M3Fn, 0x7e, 448.0), (Minifloat::E4M3Fn, 0x08, 0.015_625), (Minifloat::E4M3Fn, 0x01, 0.001_953_125),
            (Minifloat::E4M3Fn, 0xc4, -3.0), (Minifloat::E4M3Fnuz, 0x7f, 240.0), (Minifloat::E4M3Fnuz, 0x08, 0.007_812_5),
            (Minifloat::E4M3Fnuz, 0x01, 0.000_976_562_5), (Minifloat::E5M2, 0x7b, 57344.0), (Minifloat::E5M2, 0x7c, f32::INFINITY),
            (Minifloat::E5M2, 0xfc, f32::NEG_INFINITY), (Minifloat::E5M2, 0x04, 6.103_515_6e-5), (Minifloat::E5M2, 0x01, 1.525_878_9e-5),
            (Minifloat::E5M2Fnuz, 0x7f, 57344.0), (Minifloat::E5M2Fnuz, 0x04, 3.051_757_8e-5), (Minifloat::E5M2Fnuz, 0x01, 7.629_394_5e-6),
            (Minifloat::E8M0, 0x7f, 1.0), (Minifloat::E8M0, 0xfe, 1.701_411_8e38), (Minifloat::E8M0, 0x00, 5.877_472e-39),
            (Minifloat::E2M1, 0x1, 0.5), (Minifloat::E2M1, 0x2, 1.0), (Minifloat::E2M1, 0x7, 6.0), (Minifloat::E2M1, 0xb, -1.5),
        ];
        for (format, bits, value) in known {
            assert_eq!(format.decode(bits), value, "{format:?} {bits:#x}");
        }
        let nans = |format: Minifloat| patterns(format).filter(|&bits| format.decode(bits).is_nan()).count();
        assert_eq!(ALL.map(nans), [2, 1, 6, 1, 1, 0]);
        let infinite = |format: Minifloat| patterns(format).filter(|&bits| format.decode(bits).is_infinite()).count();
        assert_eq!(ALL.map(infinite), [0, 0, 2, 0, 0, 0]);
    }

    #[test]
    fn every_value_comes_back() {
        for format in ALL {
            for bits in patterns(format) {
                let value = format.decode(bits);
                for mode in [RoundMode::Up, RoundMode::Down, RoundMode::Nearest] {
                    let back = format.encode(value, false, mode);
                    let same = back == bits || value.is_nan() && format.decode(back).is_nan();
                    assert!(same, "{format:?} {bits:#x} {value} {back:#x}");
                }
            }
        }
    }

    #[test]
    fn floats_become_the_nearest_of_two_the_even_one() {
        for format in ALL.into_iter().filter(|&format| format != Minifloat::E8M0) {
            let mut values: Vec<(f32, u8)> = patterns(format)
                .map(|bits| (format.decode(bits), bits))
                .filter(|(x, _)| x.is_finite() && *x >= 0.0)
                .collect();
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
            values.retain(|&(x, bits)| x != 0.0 || bits == 0);
            for pair in values.windows(2) {
                let ((low, below), (high, above)) = (pair[0], pair[1]);
                let middle = f32::midpoint(low, high);
                let even = if below & 1 == 0 { below } else { above };
                for (x, want) in [(middle.next_down(), below), (middle, even), (middle.next_up(), above), (high, above)]
                {
                    assert_eq!(format.encode(x, true, RoundMode::Up), want, "{format:?} {x}");
                    let negative = format.decode(format.encode(-x, false, RoundMode::Up));
                    assert_eq!(negative, -format.decode(want), "{format:?} {x}");
                }
            }
            let most = values.last().unwrap().0;
            for beyond in [most * 1.5, 1e30, f32::INFINITY] {
                assert_eq!(format.decode(format.encode(beyond, true, RoundMode::Up)), most, "{format:?}");
                let open = format.decode(format.encode(-beyond, false, RoundMode::Up));
                match format {
                    Minifloat::E5M2 => assert_eq!(open, f32::NEG_INFINITY),
                    Minifloat::E2M1 => assert_eq!(open, -most),
                    _ => assert!(open.is_nan(), "{format:?} {open}"),
                }
            }
        }
    }

    #[test]
    fn powers_of_two_round_as_they_are_asked_to() {
        let cases = [(1.0, [127, 127, 127]), (1.25, [128, 127, 127]), (1.5, [128, 127, 128]), (-3.0, [129, 128, 129])];
        let ends = [(7e-39, [1, 0, 0]), (9e-39, [1, 0, 1]), (f32::from_bits(0x0040_0000), [0, 0, 0])];
        for (x, wanted) in cases.into_iter().chain(ends) {
            for (mode, want) in [RoundMode::Up, RoundMode::Down, RoundMode::Nearest].into_iter().zip(wanted) {
                assert_eq!(Minifloat::E8M0.encode(x, false, mode), want, "{x} {mode:?}");
            }
        }
        for (x, saturated) in [(0.0, 0), (1e-44, 0), (2e38, 0xfe), (f32::INFINITY, 0xfe), (f32::NAN, 0xff)] {
            assert_eq!(Minifloat::E8M0.encode(x, true, RoundMode::Up), saturated, "{x}");
            assert_eq!(Minifloat::E8M0.encode(x, false, RoundMode::Nearest), 0xff, "{x}");
        }
    }

    #[test]
    fn integers_keep_their_low_bits() {
        assert_eq!([-9, -8, 7, 8, 300].map(|x| I4::wrapping(x).get()), [7, -8, 7, -8, -4]);
        assert_eq!([-1, 3, 4].map(|x| U2::wrapping(x).get()), [3, 3, 0]);
        assert_eq!((I2::new(-2).map(I2::get), I2::new(2), U4::new(16)), (Some(-2), None, None));
    }

    #[test]
    fn what_lies_between_floats_is_rounded_once() {
        let x = 1.0 + 2f64.powi(-8) + 2f64.powi(-40);
        assert_eq!(half::bf16::from_f32(to_odd(x)).to_f32(), 1.007_812_5);
        assert_eq!(half::bf16::from_f32(to_odd(1.0 + 2f64.powi(-8))).to_f32(), 1.0);
        let x = -1.0 - 2f64.powi(-11) + 2f64.powi(-40);
        assert_eq!(half::f16::from_f32(to_odd(x)).to_f32(), -1.0);
        assert_eq!((to_odd(1e-300), to_odd(1e300)), (f32::from_bits(1), f32::INFINITY));
    }
}
