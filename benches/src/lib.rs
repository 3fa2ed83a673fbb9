//! What the benchmarks of fascine are made of, beside its command line.

pub mod simulator;
