//! Grids of workgroups.

use crate::error::{Error, Result};

/// Invocations of a workgroup of the project's kernels.
pub const WORKGROUP: u64 = 64;

/// Workgroups along x of a folded grid; kernels compute `group.x + group.y * 32768`.
const FOLD: u64 = 32768;

/// The grid of at least `groups` workgroups, folded over x and y where they exceed one dimension's limit. A kernel computes
/// the linear index as `group.x + group.y * 32768` and leaves out what lies past its end.
///
/// # Errors
/// `Limit` if there are too many.
pub fn linear_grid(groups: u64) -> Result<[u32; 3]> {
    match groups {
        0..=65535 => Ok([groups as u32, 1, 1]),
        _ if groups.div_ceil(FOLD) <= 65535 => Ok([FOLD as u32, groups.div_ceil(FOLD) as u32, 1]),
        _ => Err(Error::limit(format!("{groups} workgroups exceed the limit of a dispatch"))),
    }
}

/// The grid with one invocation per item, as [`linear_grid`].
///
/// # Errors
/// `Limit` if there are too many.
pub fn item_grid(items: u64) -> Result<[u32; 3]> {
    linear_grid(items.div_ceil(WORKGROUP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_cover_and_stay_in_limits() {
        for groups in [1, 65535, 65536, 65537, 1 << 24, FOLD * 65535] {
            let [x, y, z] = linear_grid(groups).unwrap();
            assert!(x <= 65535 && y <= 65535 && z == 1);
            assert!(u64::from(x) * u64::from(y) >= groups);
        }
        assert!(linear_grid(FOLD * 65535 + 1).is_err());
    }
}
