//! Which bytes of a buffer a strided view covers.

use super::view::{View, collapse};

/// Views of more runs than this count as everything between their first and last element. Guessed.
const MAX_RUNS: usize = 256;

/// Runs of bytes, from and to, in order and apart.
pub(crate) type Spans = Vec<(u64, u64)>;

/// The bytes of a view's elements, from its buffer's start: exact, or more where there would be too many runs.
pub(super) fn spans(view: &View) -> Spans {
    if view.is_empty() {
        return Vec::new();
    }
    let (sizes, strides) = collapse(&view.shape, &[&view.strides]);
    let mut dims: Vec<(usize, usize)> =
        sizes.into_iter().zip(strides[0].iter().copied()).filter(|&(size, stride)| size > 1 && stride > 0).collect();
    dims.sort_unstable_by_key(|&(_, stride)| stride);
    let mut run = 1;
    let mut starts = vec![view.offset];
    for (index, &(size, stride)) in dims.iter().enumerate() {
        if starts.len() == 1 && stride <= run {
            run += (size - 1) * stride;
            continue;
        }
        // Runs that might meet are not worth telling apart.
        let reach = starts[starts.len() - 1] - starts[0] + run;
        if stride < reach || starts.len() * size > MAX_RUNS {
            run = reach + dims[index..].iter().map(|&(size, stride)| (size - 1) * stride).sum::<usize>();
            starts.truncate(1);
            break;
        }
        starts = (0..size).flat_map(|k| starts.iter().map(move |start| start + k * stride)).collect();
    }
    starts.into_iter().map(|start| (start as u64 * 4, (start + run) as u64 * 4)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::BufferId;
    use crate::tensor::DType;

    fn view(offset: usize, shape: &[usize], strides: &[usize]) -> View {
        View { buffer: BufferId(0), dtype: DType::F32, offset, shape: shape.to_vec(), strides: strides.to_vec() }
    }

    #[test]
    fn runs_are_found() {
        let cases: [(View, &[(u64, u64)]); 7] = [
            (view(3, &[2, 5], &[5, 1]), &[(12, 52)]),
            (view(0, &[2, 3], &[8, 1]), &[(0, 12), (32, 44)]),
            (view(1, &[3, 2], &[1, 3]), &[(4, 28)]),
            (view(0, &[2, 2, 2], &[16, 4, 1]), &[(0, 8), (16, 24), (64, 72), (80, 88)]),
            (view(2, &[4, 3], &[0, 1]), &[(8, 20)]),
            (view(0, &[300], &[2]), &[(0, 2396)]),
            (view(0, &[0, 4], &[4, 1]), &[]),
        ];
        for (view, want) in cases {
            assert_eq!(spans(&view), want, "{view:?}");
        }
    }

    /// Every element lies in a run; runs are in order, apart, and hold no others where there are few.
    #[test]
    fn runs_cover_the_elements() {
        let mut state = 7u32;
        let mut random = move |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) % n) as usize
        };
        for _ in 0..2000 {
            let rank = random(5);
            let shape: Vec<usize> = (0..rank).map(|_| 1 + random(4)).collect();
            let strides: Vec<usize> = (0..rank).map(|_| random(40)).collect();
            let view = view(random(9), &shape, &strides);
            let spans = spans(&view);
            assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{view:?}: {spans:?}");
            for index in 0..view.len() {
                let mut rest = index;
                let mut at = view.offset;
                for (&size, &stride) in shape.iter().zip(&strides).rev() {
                    at += rest % size * stride;
                    rest /= size;
                }
                let byte = at as u64 * 4;
                assert!(spans.iter().any(|&(from, to)| from <= byte && byte + 4 <= to), "{view:?}: {at} {spans:?}");
            }
        }
    }
}
