#!/usr/bin/env bash
# The crate half converts f64 to bf16 and f16 from the upper 32 bits of the f64 alone: what lies below them is not so much as remembered
# for the rounding. A value just above the midpoint of two neighbours then counts as the midpoint, and goes to the even one below. Through an
# f32 that was rounded to odd the same conversions are right. f16 is shown as the software path has it, which processors without F16C take, and which
# constants take everywhere. Exits 1 if that has changed.
set -euo pipefail
version=2.7.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
cat >Cargo.toml <<TOML
[package]
name = "midpoints"
version = "0.0.0"
edition = "2021"
[dependencies]
half = "=$version"
TOML
cat >src/main.rs <<'RUST'
use half::{bf16, f16};

/// The f32 next to `x` towards zero, its last bit set if that is not `x` itself.
fn to_odd(x: f64) -> f32 {
    let near = x as f32;
    let toward_zero = if f64::from(near).abs() > x.abs() { f32::from_bits(near.to_bits() - 1) } else { near };
    let lost = f64::from(toward_zero) != x;
    f32::from_bits(toward_zero.to_bits() | u32::from(lost))
}

fn main() {
    // Above the midpoint of 1 and the next number by far less than 2^-20, so by bits that the upper half does not hold.
    let brain = 1.0 + 2f64.powi(-8) + 2f64.powi(-23);
    let half = 1.0 + 2f64.powi(-11) + 2f64.powi(-23);
    let [direct, by_odd] = [bf16::from_f64(brain), bf16::from_f32(to_odd(brain))].map(bf16::to_bits);
    let [constant, half_by_odd] = [f16::from_f64_const(half), f16::from_f32(to_odd(half))].map(f16::to_bits);
    println!("1 + 2^-8 + 2^-23 as bf16: from_f64 {direct:#06x}, the nearest {by_odd:#06x}");
    println!("1 + 2^-11 + 2^-23 as f16: from_f64_const {constant:#06x}, the nearest {half_by_odd:#06x}");
    let seen = [direct, by_odd, constant, half_by_odd] == [0x3f80, 0x3f81, 0x3c00, 0x3c01];
    println!("{}", if seen { "as found" } else { "CHANGED" });
    std::process::exit(i32::from(!seen));
}
RUST
echo "half $version"
CARGO_TARGET_DIR="$work/target" cargo run --quiet
