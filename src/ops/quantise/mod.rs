//! Quantised operators: numbers of 8 or 16 bits with a scale and a zero point.

use super::{Entry, operator};

mod by_range;
mod conv;
mod granularity;
mod linear;
mod matmul;
mod nbits;
mod product;
mod scaled;
mod steps;
mod subgroup;

pub(super) use linear::program_of;

pub(super) const OPERATORS: &[Entry] = &[
    ("", "ConvInteger", |node| operator(conv::ConvInteger::parse(node))),
    ("", "DequantizeLinear", |node| operator(linear::DequantizeLinear::parse(node))),
    ("", "DynamicQuantizeLinear", |node| operator(by_range::DynamicQuantizeLinear::parse(node))),
    ("", "MatMulInteger", |node| operator(matmul::MatMulInteger::parse(node))),
    ("", "QLinearConv", |node| operator(conv::QLinearConv::parse(node))),
    ("", "QLinearMatMul", |node| operator(matmul::QLinearMatMul::parse(node))),
    ("", "QuantizeLinear", |node| operator(linear::QuantizeLinear::parse(node))),
    ("fascine", "MatMulInteger", |node| operator(matmul::ScaledMatMulInteger::parse(node))),
    ("fascine", "MatMulNBits", |node| operator(nbits::MatMulNBits::parse(node))),
    ("com.microsoft", "MatMulNBits", |node| operator(nbits::MatMulNBits::parse(node))),
];
