//! What cannot be relocated is refused with an error that names the kernel, the binding and why.

use std::sync::Arc;

use fascine::error::ErrorKind;
use fascine::kernel::{Kernel, Trust, Variant};
use fascine::link::{Clamp, Head, LinkedKernel, Scalars, SegmentId, SegmentKind, link};

const OUT: &str = "@group(0) @binding(9) var<storage, read_write> out: array<f32>;";

fn main(body: &str) -> String {
    format!("@compute @workgroup_size(64) fn main() {{ {body} }}")
}

/// Name, declarations, body, and what the message must contain.
const CASES: &[(&str, &str, &str, &[&str])] = &[
    ("texture", "@group(0) @binding(0) var image: texture_2d<f32>;", "", &["binding image", "textures"]),
    (
        "storage texture",
        "@group(0) @binding(0) var image: texture_storage_2d<r32float, write>;",
        "",
        &["image", "textures"],
    ),
    ("sampler", "@group(0) @binding(0) var linear: sampler;", "", &["binding linear", "samplers"]),
    ("atomic", "@group(0) @binding(0) var<storage, read_write> count: atomic<u32>;", "", &["binding count", "atomics"]),
    (
        "atomic array",
        "@group(0) @binding(0) var<storage, read_write> bins: array<atomic<u32>>;",
        "",
        &["bins", "atomics"],
    ),
    (
        "atomic member",
        "struct S { a: u32, n: atomic<i32> }\n@group(0) @binding(0) var<storage, read_write> state: S;",
        "",
        &["binding state", "atomics"],
    ),
    ("other group", "@group(1) @binding(0) var<storage, read> a: array<f32>;", "", &["binding a", "group 1"]),
    (
        "two uniforms",
        "struct P { n: u32 }\n@group(0) @binding(0) var<uniform> p: P;\n@group(0) @binding(1) var<uniform> q: P;",
        "",
        &["binding q", "second uniform", "p"],
    ),
    ("uniform without struct", "@group(0) @binding(0) var<uniform> n: u32;", "", &["binding n", "struct"]),
    (
        "large uniform",
        "struct P { a: array<vec4<f32>, 100> }\n@group(0) @binding(0) var<uniform> p: P;",
        "",
        &["binding p", "1024 bytes"],
    ),
    (
        "same binding",
        "@group(0) @binding(0) var<storage> a: array<f32>;\n@group(0) @binding(0) var<storage> b: array<f32>;",
        "",
        &["binding b", "same @binding(0)", "a"],
    ),
    ("immediate", "var<immediate> n: u32;", "", &["binding n", "immediates"]),
    (
        "scalar half",
        "enable f16;\n@group(0) @binding(0) var<storage, read_write> h: array<f16>;",
        "h[0] = 1.0h;",
        &["binding h", "f16", "neighbour"],
    ),
    (
        "three halves",
        "enable f16;\n@group(0) @binding(0) var<storage, read_write> h: array<vec3<f16>>;",
        "h[0] = vec3<f16>();",
        &["binding h", "f16"],
    ),
    (
        "half component",
        "enable f16;\n@group(0) @binding(0) var<storage, read_write> h: array<vec4<f16>>;",
        "h[0].y = 1.0h;",
        &["binding h", "f16"],
    ),
    (
        "whole load of a large array",
        "@group(0) @binding(0) var<storage, read_write> big: array<u32, 1000>;",
        "let all = big; big[1] = all[2];",
        &["binding big", "256 elements"],
    ),
    ("no entry point", "fn f() {}", "-", &["entry points"]),
    ("syntax", "@group(0) var", "", &["error"]),
    ("type error", "", "out[0] = 1u;", &["out[0]"]),
    (
        "override in the workgroup size",
        "override N: u32 = 64;\n@compute @workgroup_size(N) fn main() {}",
        "-",
        &["override"],
    ),
    ("vertex shader", "@vertex fn main() -> @builtin(position) vec4<f32> { return vec4<f32>(); }", "-", &["compute"]),
    ("two entry points", "@compute @workgroup_size(1) fn other() {}", "", &["2 entry points"]),
];

#[test]
fn what_cannot_be_relocated_is_refused_by_name() {
    let mut wrong = Vec::new();
    for &(name, declarations, body, expected) in CASES {
        let entry = if body == "-" { String::new() } else { main(body) };
        let text = match declarations.split_once('\n') {
            Some((enable, rest)) if enable.starts_with("enable") => format!("{enable}\n{OUT}\n{rest}\n{entry}"),
            _ => format!("{OUT}\n{declarations}\n{entry}"),
        };
        let linked = Kernel::parse("subject", &text, Trust::User).and_then(|kernel| {
            link(
                &[LinkedKernel::with_default_segments(Variant::new(Arc::new(kernel), []))],
                Clamp::Users,
                Head::Table,
                Scalars::Components,
            )
        });
        match linked {
            Ok(_) => wrong.push(format!("{name}: accepted")),
            Err(error) => {
                let message = error.to_string();
                if error.kind() != ErrorKind::Kernel || !message.contains("subject") {
                    wrong.push(format!("{name}: {error:?}"));
                }
                for part in expected.iter().filter(|part| !message.contains(**part)) {
                    wrong.push(format!("{name}: '{part}' is missing in: {message}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_written_binding_cannot_lie_in_a_weight_segment() {
    let mut kernel = crate::link_common::linked("scale");
    kernel.segments[2] = SegmentId { index: 1, kind: SegmentKind::Weights };
    let error = link(&[kernel], Clamp::Users, Head::Table, Scalars::Components).unwrap_err();
    assert!(error.kind() == ErrorKind::Kernel && error.message().contains("binding out"), "{error}");
}

#[test]
fn workgroups_of_different_sizes_mix_where_nothing_binds_them() {
    let sized = |name: &str, kernel: &str, size: &str| {
        let text = crate::link_common::text(kernel).replace("@workgroup_size(64)", &format!("@workgroup_size({size})"));
        let kernel = Kernel::parse(name, &text, Trust::Project).unwrap();
        LinkedKernel::with_default_segments(Variant::new(Arc::new(kernel), []))
    };
    let scale = || crate::link_common::linked("scale");
    let linked =
        link(&[scale(), sized("small", "scale", "32")], Clamp::Users, Head::Table, Scalars::Components).unwrap();
    assert_eq!(linked.workgroup_size, 64);
    let cases = [
        (vec![scale(), sized("odd", "scale", "48")], "48 invocations among those of 64"),
        (
            vec![crate::link_common::linked("reduce"), sized("large", "scale", "256")],
            "kernel reduce: workgroups of 64 invocations among",
        ),
    ];
    for (kernels, part) in cases {
        let error = link(&kernels, Clamp::Users, Head::Table, Scalars::Components).unwrap_err();
        assert!(error.kind() == ErrorKind::Limit && error.message().contains(part), "{error}");
    }
}

#[test]
fn an_unknown_override_is_named() {
    let variant = Variant::new(crate::link_common::kernel("variant", Trust::Project), [("MODUS", 1.0)]);
    let error = link(&[LinkedKernel::with_default_segments(variant)], Clamp::Users, Head::Table, Scalars::Components)
        .unwrap_err();
    assert!(error.message().contains("MODUS") && error.message().contains("MODE"), "{error}");
}

#[test]
fn users_kernels_are_told_apart_by_their_text() {
    let text = crate::link_common::text("scale");
    let [a, b, c] = [text.clone(), text.clone(), text.replace("params.factor", "2.0")]
        .map(|text| Variant::new(Arc::new(Kernel::user(&text).unwrap()), []));
    assert!(a == b && a != c && a.kernel().name != c.kernel().name);
    assert!(a.kernel().name.starts_with("user:"));
}
