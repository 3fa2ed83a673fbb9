//! What several integration tests share.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod direct;
pub mod kernels;
pub mod sessions;
