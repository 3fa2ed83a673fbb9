//! Kernel parameters by name: each goes where the kernel's struct has it.

use crate::error::{Error, Result};
use crate::kernel::library;

/// The parameter struct of a library kernel as words, filled by the names of its members. Each must be given once, with as
/// many words as it has; padding is zero.
pub(crate) fn by_name(kernel: &str, members: &[(&str, &[u32])]) -> Result<Vec<u32>> {
    let reflected = library::get(kernel);
    let wrong = |why: String| Error::internal(format!("parameters of kernel {kernel}: {why}"));
    let params = reflected.params.as_ref().ok_or_else(|| wrong("it has none".into()))?;
    let mut words = vec![0; params.size as usize / 4];
    for field in &params.fields {
        let mut given = members.iter().filter(|(name, _)| *name == field.name);
        let (Some((_, value)), None) = (given.next(), given.next()) else {
            return Err(wrong(format!("'{}' is not given once", field.name)));
        };
        if value.len() * 4 != field.size as usize {
            return Err(wrong(format!("'{}' has {} bytes, not {}", field.name, field.size, value.len() * 4)));
        }
        let start = field.offset as usize / 4;
        words[start..start + value.len()].copy_from_slice(value);
    }
    match members.iter().find(|(name, _)| !params.fields.iter().any(|field| field.name == *name)) {
        Some((name, _)) => Err(wrong(format!("there is no '{name}'"))),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_go_to_their_offsets_in_any_order() {
        assert_eq!(by_name("pool_global", &[("size", &[7]), ("planes", &[3])]).unwrap(), [3, 7]);
    }

    #[test]
    fn a_member_missing_unknown_doubled_or_of_another_size_is_named() {
        let cases: [(&[(&str, &[u32])], &str); 4] = [
            (&[("size", &[7])], "planes"),
            (&[("size", &[7]), ("planes", &[3]), ("rows", &[1])], "rows"),
            (&[("size", &[7]), ("planes", &[3]), ("size", &[7])], "size"),
            (&[("size", &[7]), ("planes", &[3, 4])], "planes"),
        ];
        for (members, name) in cases {
            let error = by_name("pool_global", members).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
