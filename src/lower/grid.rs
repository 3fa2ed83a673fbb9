//! Numbers of workgroups.

use crate::error::{Error, Result};
use crate::size::Size;

/// Invocations of a workgroup of the project's kernels.
pub const WORKGROUP: usize = 64;

/// Workgroups of one dispatch: what every device takes along two sides, since the lane table folds the linear index.
const MOST: u64 = 65_535 * 65_535;

/// The one-dimensional grid of `groups` workgroups.
///
/// # Errors
/// `Limit` if there are too many.
pub fn linear_grid(groups: u64) -> Result<[u32; 3]> {
    match u32::try_from(groups) {
        Ok(x) if groups <= MOST => Ok([x, 1, 1]),
        _ => Err(Error::limit(format!("{groups} workgroups exceed the limit of a dispatch"))),
    }
}

/// Workgroups with one invocation per item.
pub fn item_groups(items: Size) -> Size {
    items.div_ceil(WORKGROUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_one_dimensional_up_to_the_limit() {
        for groups in [0, 1, 65_535, 65_536, 1 << 24, MOST] {
            assert_eq!(linear_grid(groups).unwrap(), [groups as u32, 1, 1]);
        }
        for groups in [MOST + 1, 1 << 32, u64::MAX] {
            assert!(linear_grid(groups).is_err());
        }
    }
}
