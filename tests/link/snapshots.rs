//! Merged WGSL of kernel sets, kept in `tests/snapshots/link/` and reviewed by diff. `FASCINE_BLESS=1` writes them anew.

use std::path::PathBuf;

use crate::link_common::{heap_kernel, kernel, linked, sorted, user_kernel};
use fascine::kernel::{Trust, Variant};
use fascine::link::{Clamp, Head, Language, LinkedKernel, Scalars, SegmentId, SegmentKind, emit, link};

fn sets() -> Vec<(&'static str, Vec<LinkedKernel>, Clamp, Head, Scalars)> {
    let variant = |mode: f64| {
        LinkedKernel::with_default_segments(Variant::new(kernel("variant", Trust::Project), [("MODE", mode)]))
    };
    let spread = {
        let mut kernel = linked("scale");
        kernel.segments = [(2, SegmentKind::Heap), (1, SegmentKind::Weights), (3, SegmentKind::Heap)]
            .map(|(index, kind)| SegmentId { index, kind })
            .to_vec();
        kernel
    };
    let everything = ["scale", "vectors", "particles", "reduce", "transpose", "matrices", "nested", "stride", "cube"];
    vec![
        ("scale", vec![linked("scale")], Clamp::Users, Head::Immediates, Scalars::Components),
        ("vectors", vec![linked("vectors")], Clamp::Users, Head::Table, Scalars::Components),
        ("particles", vec![linked("particles")], Clamp::Users, Head::Table, Scalars::Components),
        (
            "workgroup_memory",
            vec![linked("reduce"), linked("transpose"), linked("atomics")],
            Clamp::Users,
            Head::Immediates,
            Scalars::Components,
        ),
        (
            "matrices_nested",
            vec![linked("matrices"), linked("nested")],
            Clamp::Users,
            Head::Immediates,
            Scalars::Components,
        ),
        ("private", vec![linked("stride"), linked("scale")], Clamp::Users, Head::Immediates, Scalars::Components),
        ("shapes", vec![linked("cube"), linked("transpose")], Clamp::Users, Head::Table, Scalars::Components),
        (
            "variants",
            vec![variant(0.0), variant(1.0), variant(2.0)],
            Clamp::Users,
            Head::Immediates,
            Scalars::Components,
        ),
        ("subgroup", vec![linked("subgroup"), linked("scale")], Clamp::Users, Head::Immediates, Scalars::Components),
        ("half", vec![linked("half")], Clamp::Users, Head::Table, Scalars::Components),
        ("fixed_size", vec![linked("cluster"), linked("initial")], Clamp::Users, Head::Table, Scalars::Components),
        ("user", vec![user_kernel("wild"), linked("scale")], Clamp::Users, Head::Table, Scalars::Components),
        (
            "clamped",
            vec![linked("scale"), linked("nested"), linked("matrices")],
            Clamp::All,
            Head::Table,
            Scalars::Components,
        ),
        (
            "segments",
            vec![linked("scale"), spread, heap_kernel(linked("scale").variant, 0)],
            Clamp::Users,
            Head::Immediates,
            Scalars::Components,
        ),
        (
            "sizes",
            vec![linked("wide"), linked("narrow"), linked("scale")],
            Clamp::Users,
            Head::Immediates,
            Scalars::Components,
        ),
        ("everything", everything.map(linked).to_vec(), Clamp::Users, Head::Immediates, Scalars::Components),
        (
            "words",
            ["scale", "vectors", "particles", "nested"].map(linked).to_vec(),
            Clamp::Users,
            Head::Table,
            Scalars::Words,
        ),
        ("words_clamped", vec![user_kernel("wild"), linked("half")], Clamp::All, Head::Table, Scalars::Words),
    ]
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("{}/tests/snapshots/link/{name}.wgsl", env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn merged_modules_match_their_snapshots() {
    let bless = std::env::var_os("FASCINE_BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, kernels, clamp, head, scalars) in sets() {
        let kernels = sorted(kernels);
        let linked = link(&kernels, clamp, head, scalars).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = String::from_utf8(emit(&linked, Language::Wgsl).unwrap()).unwrap();
        let again = link(&kernels, clamp, head, scalars).unwrap();
        assert_eq!(text.as_bytes(), emit(&again, Language::Wgsl).unwrap(), "{name}: linked twice");
        if bless {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), &text).unwrap();
        } else if std::fs::read_to_string(path(name)).ok().as_deref() != Some(&text) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "these differ from tests/snapshots/link (FASCINE_BLESS=1 writes them anew): {wrong:?}");
}

#[test]
fn merged_modules_translate_to_every_language() {
    let mut failures = Vec::new();
    for (name, kernels, clamp, head, scalars) in sets() {
        let linked = link(&sorted(kernels), clamp, head, scalars).unwrap_or_else(|error| panic!("{name}: {error}"));
        for language in [Language::SpirV, Language::Msl, Language::Hlsl, Language::Wgsl] {
            match emit(&linked, language) {
                Ok(bytes) => assert!(!bytes.is_empty()),
                Err(error) => failures.push(format!("{name}: {error}")),
            }
        }
        // The text that people see is itself a valid module.
        let text = String::from_utf8(emit(&linked, Language::Wgsl).unwrap()).unwrap();
        if let Err(error) = naga::front::wgsl::parse_str(&text) {
            failures.push(format!("{name}: {}", error.emit_to_string(&text)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_snapshot_belongs_to_a_set() {
    let sets = sets();
    let folder = path("any").parent().unwrap().to_owned();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        assert!(sets.iter().any(|(name, ..)| path(name) == file), "{} is left over", file.display());
    }
}
