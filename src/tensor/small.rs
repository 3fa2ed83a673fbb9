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
