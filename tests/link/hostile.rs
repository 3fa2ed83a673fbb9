//! A user's kernel that indexes far outside its tensors, bundled beside another tenant: it neither reads nor writes what is
//! not its own, whatever its arithmetic does, and tensors too short for an element read as zero and ignore stores.

use crate::link_common::gpu::{Bundle, Merged, buffer, head, read, run};
use crate::link_common::random::{Random, cases};
use crate::link_common::{heap_kernel, linked, sorted, user_kernel};
use fascine::link::table::{Case, EncodedLane, LaneOperand};
use fascine::link::{Clamp, Scalars, link};

const WORDS: usize = 4096;
/// What is in every word that is not the user's, in its upper half.
const SECRET: u32 = 0xbeef_0000;

fn extreme(random: &mut Random) -> u32 {
    let values =
        [0, 1, 2, 3, 5, 7, 63, 64, 1000, 0x3fff_ffff, 0x4000_0000, 0x7fff_ffff, 0x8000_0000, u32::MAX, u32::MAX - 3];
    match random.range(0, 3) {
        0 => random.next() as u32,
        _ => values[random.range(0, values.len() as u32 - 1) as usize],
    }
}

struct Attack {
    /// Start and length in words: source, out, cells.
    tensors: [(usize, usize); 3],
    params: [u32; 4],
    image: Vec<u32>,
}

fn attack(random: &mut Random) -> Attack {
    let mut image: Vec<u32> = (0..WORDS as u32).map(|i| SECRET | i).collect();
    let mut next = 64;
    let tensors = [0, 1, 2].map(|_| {
        let words = [0, 1, 3, 4, 5, 8, 9, 64, 100][random.range(0, 8) as usize];
        let start = next + 4 * random.range(0, 4) as usize;
        next = (start + words).next_multiple_of(4);
        (start, words)
    });
    for (start, words) in tensors {
        image[start..start + words].fill_with(|| random.range(0, 0xffff));
    }
    // Values the other tenant computes with are ordinary floats.
    image[2048..2048 + 200].fill_with(|| random.float().to_bits());
    Attack { tensors, params: [0; 4].map(|_| extreme(random)), image }
}

fn tenant() -> ([LaneOperand; 3], [u32; 2]) {
    let operand = |word: u32| LaneOperand { base: word / 4, bytes: 400 };
    ([operand(2048), operand(2148), operand(2348)], [100, 2f32.to_bits()])
}

#[test]
fn a_wild_kernel_stays_within_its_tensors() {
    for scalars in [Scalars::Components, Scalars::Words] {
        attack_all(scalars);
    }
}

fn attack_all(scalars: Scalars) {
    let kernels = sorted([user_kernel("wild"), heap_kernel(linked("scale").variant, 0)]);
    let wild = kernels.iter().position(|kernel| kernel.variant.kernel().name == "wild").unwrap() as u32;
    let linked = link(&kernels, Clamp::Users, head(0), scalars).unwrap();
    assert!(linked.has_user_kernel);
    let merged = Merged::new(linked);
    let (operands, params) = tenant();
    let beside = (
        Case { position: 1 - wild, per_workgroup: 1 },
        EncodedLane { grid: [2, 1, 1], first: 0, count: 2, operands: operands.to_vec(), params: params.into() },
    );
    for seed in 0..cases() {
        let mut random = Random::new(seed);
        let Attack { tensors, params, image } = attack(&mut random);
        let own = tensors.map(|(start, words)| LaneOperand { base: start as u32 / 4, bytes: words as u32 * 4 });
        let user = (
            Case { position: wild, per_workgroup: 1 },
            EncodedLane { grid: [3, 1, 1], first: 0, count: 3, operands: own.to_vec(), params: params.into() },
        );
        let memories = [(); 2].map(|()| [buffer(bytemuck::cast_slice(&image))]);
        run(&[
            Bundle { merged: &merged, lanes: vec![user, beside.clone()], memory: &memories[0], width: 65_535 },
            Bundle { merged: &merged, lanes: vec![beside.clone()], memory: &memories[1], width: 65_535 },
        ]);
        let images = read(&[&memories[0][0], &memories[1][0]]);
        let [attacked, quiet] = [&images[0], &images[1]].map(|bytes| bytemuck::pod_collect_to_vec::<u8, u32>(bytes));
        let inside = |word: usize| tensors[1..].iter().any(|&(start, words)| (start..start + words).contains(&word));
        for word in 0..WORDS {
            if inside(word) {
                let value = attacked[word];
                assert!(value >> 16 != SECRET >> 16, "seed {seed}: word {word} holds {value:#x}, read elsewhere");
            } else {
                assert_eq!(attacked[word], quiet[word], "seed {seed}: word {word} outside was written");
            }
        }
    }
}

/// Without the clamp the same attack does get out: the test above can fail.
#[test]
fn the_attack_reaches_outside_without_the_clamp() {
    let kernel = crate::link_common::kernel("wild", fascine::kernel::Trust::Project);
    let kernel = heap_kernel(fascine::kernel::Variant::new(kernel, []), 0);
    let merged = Merged::new(link(&[kernel], Clamp::Users, head(0), Scalars::Words).unwrap());
    let image: Vec<u32> = (0..WORDS as u32).map(|i| SECRET | i).collect();
    let memory = [buffer(bytemuck::cast_slice(&image))];
    let operands = [LaneOperand { base: 16, bytes: 16 }; 3];
    let params = [40, 500, 0, 1];
    let lane = (
        Case { position: 0, per_workgroup: 1 },
        EncodedLane { grid: [1, 1, 1], first: 0, count: 1, operands: operands.to_vec(), params: params.into() },
    );
    run(&[Bundle { merged: &merged, lanes: vec![lane], memory: &memory, width: 65_535 }]);
    let after = bytemuck::pod_collect_to_vec::<u8, u32>(&read(&[&memory[0]])[0]);
    assert_ne!(after[64 + 437..64 + 501], image[64 + 437..64 + 501]);
}
