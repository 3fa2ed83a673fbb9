//! Quantised operators: numbers of 8 or 16 bits with a scale and a zero point.

use super::{Entry, operator};

mod conv;
mod granularity;
mod linear;
mod matmul;
mod nbits;
mod product;
mod steps;

pub(super) use linear::program_of;

pub(super) const OPERATORS: &[Entry] = &[
    ("", "ConvInteger", |node| operator(conv::ConvInteger::parse(node))),
    ("", "DequantizeLinear", |node| operator(linear::DequantizeLinear::parse(node))),
    ("", "MatMulInteger", |node| operator(matmul::MatMulInteger::parse(node))),
    ("", "QLinearConv", |node| operator(conv::QLinearConv::parse(node))),
    ("", "QLinearMatMul", |node| operator(matmul::QLinearMatMul::parse(node))),
    ("", "QuantizeLinear", |node| operator(linear::QuantizeLinear::parse(node))),
    ("com.microsoft", "MatMulNBits", |node| operator(nbits::MatMulNBits::parse(node))),
];
