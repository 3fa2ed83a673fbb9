//! Damaged kernel texts are refused or linked, never a panic or a hang.

use std::sync::Arc;

use crate::link_common::random::{Random, cases};
use fascine::kernel::{Kernel, Variant};
use fascine::link::{Clamp, Head, Language, LinkedKernel, Scalars, emit, link};

const NAMES: &[&str] =
    &["vectors", "particles", "transpose", "matrices", "nested", "stride", "atomics", "half", "wild"];

/// Moves, drops, doubles or swaps pieces of the text between white space.
fn damage(random: &mut Random, text: &str) -> String {
    let mut pieces: Vec<&str> = text.split_inclusive([' ', '\n', '(', ')', '[', ']', ',', ';', '.']).collect();
    for _ in 0..random.range(1, 3) {
        let len = pieces.len() as u32 - 1;
        let (a, b) = (random.range(0, len) as usize, random.range(0, len) as usize);
        match random.range(0, 3) {
            0 => drop(pieces.remove(a)),
            1 => pieces.swap(a, b),
            2 => pieces.insert(a, pieces[b]),
            _ => pieces[a] = pieces[b],
        }
    }
    pieces.concat()
}

#[test]
fn damaged_texts_never_panic() {
    let texts: Vec<String> = NAMES.iter().map(|name| crate::link_common::text(name)).collect();
    let (mut linked, mut refused) = (0, 0);
    for seed in 0..cases() * 5 {
        let mut random = Random::new(seed);
        let whole = random.range(0, texts.len() as u32 - 1) as usize;
        let text = damage(&mut random, &texts[whole]);
        let Ok(kernel) = Kernel::user(&text) else {
            refused += 1;
            continue;
        };
        match link(
            &[LinkedKernel::with_default_segments(Variant::new(Arc::new(kernel), []))],
            Clamp::Users,
            Head::Table,
            Scalars::Components,
        ) {
            Ok(module) => {
                linked += 1;
                emit(&module, Language::SpirV).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
            }
            Err(error) if error.kind() == fascine::error::ErrorKind::Kernel => refused += 1,
            Err(error) => panic!("seed {seed}: {error}\n{text}"),
        }
    }
    assert!(linked > 0 && refused > 0, "{linked} linked, {refused} refused");
}
