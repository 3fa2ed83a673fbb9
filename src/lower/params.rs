//! Kernel parameters by name: each goes where the kernel's struct has it. A parameter is one or more 32-bit words, each the value of
//! a size.

use crate::error::{Error, Result};
use crate::kernel::library;
use crate::size::Size;

/// The words of `kernel`'s parameter struct with these members, of which each must be there once. Padding (members named `pad`, or `pad` and
/// a number) is zero and not given.
///
/// # Errors
/// `Internal`, naming the member that is missing, unknown or of another size.
pub(crate) fn by_name(kernel: &str, members: &[(&str, &[Size])]) -> Result<Vec<Size>> {
    let reflected = library::get(kernel);
    let wrong = |why: String| Error::internal(format!("parameters of kernel {kernel}: {why}"));
    let params = reflected.params.as_ref().ok_or_else(|| wrong("it has none".into()))?;
    let mut words = vec![Size::ZERO; params.size as usize / 4];
    let is_padding = |name: &str| name.strip_prefix("pad").is_some_and(|rest| rest.bytes().all(|c| c.is_ascii_digit()));
    for field in params.fields.iter().filter(|field| !is_padding(&field.name)) {
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

/// As [`by_name`], of single words, each checked to fit, and lists of words.
///
/// # Errors
/// `Limit` if a number does not fit; otherwise as [`by_name`].
pub(crate) fn params(kernel: &str, numbers: &[(&str, Size)], lists: &[(&str, &[Size])]) -> Result<Vec<Size>> {
    let words: Vec<(&str, [Size; 1])> =
        numbers.iter().map(|&(name, number)| Ok((name, [word(number)?]))).collect::<Result<_>>()?;
    let members: Vec<(&str, &[Size])> =
        words.iter().map(|(name, word)| (*name, word.as_slice())).chain(lists.iter().copied()).collect();
    by_name(kernel, &members)
}

/// The bits of a float as a parameter.
pub(crate) fn bits(value: f32) -> Size {
    Size::from(value.to_bits())
}

/// A size, offset or stride as kernels take it.
///
/// # Errors
/// `Limit` if it does not fit.
pub(crate) fn word(size: impl Into<Size>) -> Result<Size> {
    let size = size.into();
    match u32::try_from(size.estimate()) {
        Ok(_) => Ok(size),
        Err(_) => Err(Error::limit(format!("{size} elements exceed what kernels can address"))),
    }
}

/// Up to `N` sizes or strides as kernels take them, filled up with `fill`.
///
/// # Errors
/// `Unsupported` if there are more; `Limit` if one does not fit.
pub(crate) fn words<const N: usize>(sizes: &[Size], fill: u32) -> Result<[Size; N]> {
    let mut out = [Size::from(fill); N];
    if sizes.len() > N {
        return Err(Error::unsupported(format!("tensors with {} dimensions that cannot be merged", sizes.len())));
    }
    for (to, &from) in out.iter_mut().zip(sizes) {
        *to = word(from)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_go_to_their_offsets_in_any_order() {
        let [three, seven] = [3u32, 7].map(Size::from);
        assert_eq!(by_name("pool_global", &[("size", &[seven]), ("planes", &[three])]).unwrap(), [three, seven]);
    }

    #[test]
    fn a_member_missing_unknown_doubled_or_of_another_size_is_named() {
        let [one, three, four, seven] = [1u32, 3, 4, 7].map(Size::from);
        let cases: [(&[(&str, &[Size])], &str); 4] = [
            (&[("size", &[seven])], "planes"),
            (&[("size", &[seven]), ("planes", &[three]), ("rows", &[one])], "rows"),
            (&[("size", &[seven]), ("planes", &[three]), ("size", &[seven])], "size"),
            (&[("size", &[seven]), ("planes", &[three, four])], "planes"),
        ];
        for (members, name) in cases {
            let error = by_name("pool_global", members).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
