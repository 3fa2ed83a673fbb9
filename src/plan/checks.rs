//! What can go wrong on the device: a plan with dispatches that may leave the range of their type, or meet values that the
//! operator does not take, has a report, one granule for each, which is cleared before the first dispatch and read back with
//! the outputs.

use crate::error::{Error, Result};

use crate::lower::Check;
use crate::lower::storage::GRANULE;

use super::Operand;

/// The checks of a plan, in the order of the granules of their report.
#[derive(Clone, Debug, PartialEq)]
pub struct Checks {
    /// Where the report lies: zero before the first dispatch; the first word of a granule is not zero if its check failed.
    pub report: Operand,
    /// One for each granule.
    pub list: Vec<Check>,
}

impl Checks {
    /// Judges the report that was read back.
    ///
    /// # Errors
    /// Of the check's kind, naming the first node that reported, and those after it; `Internal` if `report` is too short.
    pub fn judge(&self, report: &[u8]) -> Result<()> {
        if (report.len() as u64) < self.list.len() as u64 * GRANULE {
            return Err(Error::internal(format!("a report of {} bytes for {} checks", report.len(), self.list.len())));
        }
        let mut failed =
            self.list.iter().zip(report.chunks(GRANULE as usize)).filter(|(_, bytes)| bytes[..4] != [0; 4]);
        let Some((first, _)) = failed.next() else { return Ok(()) };
        let mut message = first.what.to_owned();
        let others: Vec<String> = failed.map(|(check, _)| format!("'{}' ({})", check.node, check.operator)).collect();
        if !others.is_empty() {
            message += &format!("; so it is with {}", others.join(", "));
        }
        Err(Error::new(first.kind, message).at_node(&first.node, &first.operator))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::plan::Location;

    #[test]
    fn every_node_that_reports_is_named() {
        let check = |node: &str| Check {
            node: node.into(),
            operator: "Add".into(),
            kind: ErrorKind::Overflow,
            what: "it overflowed",
        };
        let report = Operand { location: Location::Activation { region: 0, offset: 0 }, bytes: 48 };
        let checks = Checks { report, list: ["a", "b", "c"].map(check).to_vec() };
        let mut bytes = [0; 48];
        checks.judge(&bytes).unwrap();
        bytes[4] = 1;
        checks.judge(&bytes).unwrap();
        bytes[16] = 1;
        let error = checks.judge(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "node 'b' (Add): it overflowed");
        assert_eq!(error.kind(), ErrorKind::Overflow);
        bytes[32] = 1;
        let error = checks.judge(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "node 'b' (Add): it overflowed; so it is with 'c' (Add)");
        assert_eq!(checks.judge(&bytes[..40]).unwrap_err().kind(), ErrorKind::Internal);
    }
}
