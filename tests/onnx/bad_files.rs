//! Damaged and contradictory model files: each gets a typed error that names what is wrong; none panics or hangs.

use std::path::Path;

use fascine::error::{Error, ErrorKind};
use fascine::onnx::proto::{
    AttributeProto, DataType, Dimension, FunctionProto, GraphProto, InnerType, ModelProto, NodeProto,
    OperatorSetIdProto, SparseTensorProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorType,
    TypeProto, TypeValue, Unread, ValueInfoProto,
};
use fascine::onnx::{self, LoadOptions};
use fascine::ops::Operators;
use fascine::optimise::infer::infer;
use prost::Message as _;

fn of(value: TypeValue) -> Option<TypeProto> {
    Some(TypeProto { value: Some(value) })
}

fn sequence(elements: Option<TypeProto>) -> TypeValue {
    TypeValue::Sequence(Box::new(InnerType { elem_type: elements.map(Box::new) }))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        name: some(&format!("n_{op}_{}", outputs.first().unwrap_or(&"none"))),
        op_type: some(op),
        input: inputs.iter().map(|s| (*s).to_owned()).collect(),
        output: outputs.iter().map(|s| (*s).to_owned()).collect(),
        ..NodeProto::default()
    }
}

fn info(name: &str, dtype: DataType, dims: &[i64]) -> ValueInfoProto {
    let dim = dims.iter().map(|&d| Dimension { dim_value: Some(d), dim_param: None }).collect();
    let tensor = TensorType { elem_type: Some(dtype.into()), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: some(name), r#type: Some(TypeProto { value: Some(TypeValue::Tensor(tensor)) }) }
}

fn tensor(name: &str, dims: &[i64], bytes: usize) -> TensorProto {
    TensorProto {
        name: some(name),
        dims: dims.to_vec(),
        data_type: Some(DataType::Float.into()),
        raw_data: Some(vec![0; bytes].into()),
        ..TensorProto::default()
    }
}

fn external(location: &str, offset: &str, length: &str) -> TensorProto {
    let entry = |key: &str, value: &str| StringStringEntryProto { key: some(key), value: some(value) };
    TensorProto {
        name: some("w"),
        dims: vec![4],
        data_type: Some(DataType::Float.into()),
        data_location: Some(1),
        external_data: vec![entry("location", location), entry("offset", offset), entry("length", length)],
        ..TensorProto::default()
    }
}

/// `y = Identity(x)`, which loads.
fn sound() -> ModelProto {
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto { domain: some(""), version: Some(17) }],
        graph: Some(GraphProto {
            node: vec![node("Identity", &["x"], &["y"])],
            input: vec![info("x", DataType::Float, &[2])],
            output: vec![info("y", DataType::Float, &[2])],
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    }
}

fn with(change: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut model = sound();
    change(model.graph.as_mut().unwrap());
    model
}

fn load_bytes(bytes: &[u8]) -> Result<(), Error> {
    let mut graph = onnx::parse(bytes, None, &LoadOptions::default())?;
    infer(&mut graph, &mut Operators::default())
}

fn failure(model: &ModelProto) -> Error {
    load_bytes(&model.encode_to_vec()).expect_err("a bad model loads")
}

#[test]
fn the_sound_model_loads() {
    load_bytes(&sound().encode_to_vec()).unwrap();
}

#[test]
fn contradictions_are_named() {
    let init = |tensor: TensorProto| {
        with(|g| {
            g.initializer.push(tensor);
            g.node = vec![node("Add", &["x", "w"], &["y"])];
        })
    };
    let dtype = |number: i32| TensorProto { data_type: Some(number), ..tensor("w", &[1], 4) };
    let attribute = |attribute: AttributeProto| with(|g| g.node[0].attribute.push(attribute));
    let named = |ty: i32| AttributeProto { name: some("a"), r#type: Some(ty), ..AttributeProto::default() };
    let cases: Vec<(&str, ModelProto, ErrorKind, &[&str])> = vec![
        (
            "cycle",
            with(|g| {
                g.node =
                    vec![node("Add", &["x", "b"], &["a"]), node("Relu", &["a"], &["b"]), node("Relu", &["b"], &["y"])];
            }),
            ErrorKind::InvalidModel,
            &["cycle", "n_Relu_b", "n_Add_a"],
        ),
        (
            "self loop",
            with(|g| g.node[0].input = vec!["y".into()]),
            ErrorKind::InvalidModel,
            &["cycle", "n_Identity_y"],
        ),
        (
            "missing tensor",
            with(|g| g.node[0].input = vec!["nowhere".into()]),
            ErrorKind::InvalidModel,
            &["nowhere", "n_Identity_y"],
        ),
        (
            "duplicate output of nodes",
            with(|g| g.node.push(node("Relu", &["x"], &["y"]))),
            ErrorKind::InvalidModel,
            &["'y' is defined twice", "n_Relu_y"],
        ),
        (
            "output named like an input",
            with(|g| g.node.push(node("Relu", &["x"], &["x"]))),
            ErrorKind::InvalidModel,
            &["'x' is defined twice"],
        ),
        (
            "graph output twice",
            with(|g| g.output.push(info("y", DataType::Float, &[2]))),
            ErrorKind::InvalidModel,
            &["'y' is listed twice"],
        ),
        (
            "graph input twice",
            with(|g| g.input.push(info("x", DataType::Float, &[2]))),
            ErrorKind::InvalidModel,
            &["'x' is defined twice"],
        ),
        (
            "initialiser twice",
            with(|g| g.initializer = vec![tensor("w", &[1], 4), tensor("w", &[1], 4)]),
            ErrorKind::InvalidModel,
            &["'w' is defined twice"],
        ),
        ("no outputs", with(|g| g.output.clear()), ErrorKind::InvalidModel, &["no outputs"]),
        (
            "unknown graph output",
            with(|g| g.output = vec![info("z", DataType::Float, &[2])]),
            ErrorKind::InvalidModel,
            &["'z'"],
        ),
        (
            "graph output of another type",
            with(|g| g.output = vec![info("y", DataType::Int64, &[2])]),
            ErrorKind::InvalidModel,
            &["'y'", "f32", "i64"],
        ),
        ("short raw data", init(tensor("w", &[2, 3], 20)), ErrorKind::InvalidModel, &["'w'", "20 bytes", "6 elements"]),
        (
            "few numbers",
            init(TensorProto { float_data: vec![0.0], raw_data: None, ..tensor("w", &[2], 0) }),
            ErrorKind::InvalidModel,
            &["'w'", "1 elements"],
        ),
        ("negative dimension", init(tensor("w", &[-2], 0)), ErrorKind::InvalidModel, &["'w'", "-2"]),
        ("overflow", init(tensor("w", &[i64::MAX, i64::MAX], 0)), ErrorKind::InvalidModel, &["'w'", "overflows"]),
        ("beyond the cap", init(tensor("w", &[1 << 40], 0)), ErrorKind::Memory, &["'w'", "cap"]),
        ("string", init(dtype(8)), ErrorKind::Unsupported, &["'w'", "STRING", "n_Add_y"]),
        ("bfloat16", init(dtype(16)), ErrorKind::InvalidModel, &["'w'", "4 bytes for 1 elements of bf16"]),
        ("int4", init(dtype(22)), ErrorKind::InvalidModel, &["'w'", "4 bytes for 1 elements of i4"]),
        ("uint2", init(dtype(25)), ErrorKind::InvalidModel, &["'w'", "4 bytes for 1 elements of u2"]),
        ("float8", init(dtype(17)), ErrorKind::InvalidModel, &["'w'", "4 bytes for 1 elements of f8e4m3fn"]),
        ("float6", init(dtype(27)), ErrorKind::Unsupported, &["'w'", "element type FLOAT6E2M3 is not supported"]),
        ("complex", init(dtype(15)), ErrorKind::Unsupported, &["'w'", "COMPLEX128"]),
        ("no type", init(dtype(0)), ErrorKind::InvalidModel, &["'w'", "no element type"]),
        (
            "sparse",
            with(|g| {
                let values = Some(Box::new(tensor("w", &[1], 4)));
                g.sparse_initializer.push(SparseTensorProto { values });
                g.node = vec![node("Add", &["x", "w"], &["y"])];
            }),
            ErrorKind::Unsupported,
            &["'w'", "sparse", "n_Add_y"],
        ),
        ("unknown type", init(dtype(99)), ErrorKind::InvalidModel, &["'w'", "99"]),
        (
            "narrow number out of range",
            init(TensorProto {
                data_type: Some(DataType::Int8.into()),
                int32_data: vec![300],
                raw_data: None,
                ..tensor("w", &[1], 0)
            }),
            ErrorKind::InvalidModel,
            &["'w'", "300"],
        ),
        (
            "negative input dimension",
            with(|g| g.input = vec![info("x", DataType::Float, &[-2])]),
            ErrorKind::InvalidModel,
            &["'x'", "-2"],
        ),
        ("input without type", with(|g| g.input[0].r#type = None), ErrorKind::InvalidModel, &["'x'", "no type"]),
        (
            "input that is no tensor",
            with(|g| g.input[0].r#type = of(TypeValue::Map(Unread {}))),
            ErrorKind::Unsupported,
            &["'x'", "a map", "tensors"],
        ),
        (
            "sequence of sequences",
            with(|g| g.input[0].r#type = of(sequence(of(sequence(g.input[0].r#type.clone()))))),
            ErrorKind::Unsupported,
            &["'x'", "a sequence of a sequence"],
        ),
        (
            "sequence of nothing",
            with(|g| g.input[0].r#type = of(sequence(None))),
            ErrorKind::InvalidModel,
            &["'x'", "no type"],
        ),
        (
            "unknown operator",
            with(|g| g.node[0].op_type = some("Nonesuch")),
            ErrorKind::Unsupported,
            &["Nonesuch", "n_Identity_y", "opset 17", "f32[2]"],
        ),
        ("no operator", with(|g| g.node[0].op_type = None), ErrorKind::InvalidModel, &["names no operator"]),
        (
            "domain not imported",
            with(|g| g.node[0].domain = some("com.acme")),
            ErrorKind::InvalidModel,
            &["com.acme", "n_Identity_y"],
        ),
        (
            "subgraph",
            attribute(AttributeProto { g: Some(Box::default()), ..named(5) }),
            ErrorKind::Unsupported,
            &["subgraph", "n_Identity_y"],
        ),
        ("attribute without its value", attribute(named(4)), ErrorKind::InvalidModel, &["'a'"]),
        ("sparse attribute", attribute(named(11)), ErrorKind::Unsupported, &["'a'", "sparse tensor"]),
        ("type as attribute", attribute(named(13)), ErrorKind::Unsupported, &["'a'", "a type"]),
        ("unknown attribute type", attribute(named(99)), ErrorKind::Unsupported, &["'a'", "99"]),
        (
            "text that is none",
            attribute(AttributeProto { s: Some(vec![0xff, 0xfe].into()), ..named(3) }),
            ErrorKind::InvalidModel,
            &["'a'", "UTF-8"],
        ),
        (
            "attribute twice",
            with(|g| g.node[0].attribute = vec![named(2), named(2)]),
            ErrorKind::InvalidModel,
            &["'a' is given twice"],
        ),
        (
            "too many inputs",
            with(|g| g.node[0].input = vec!["x".into(), "x".into()]),
            ErrorKind::InvalidModel,
            &["2 inputs", "n_Identity_y"],
        ),
        ("no graph", ModelProto { graph: None, ..sound() }, ErrorKind::InvalidModel, &["no graph"]),
        ("no IR version", ModelProto { ir_version: None, ..sound() }, ErrorKind::InvalidModel, &["IR version"]),
        ("IR version 2", ModelProto { ir_version: Some(2), ..sound() }, ErrorKind::Unsupported, &["IR version 2"]),
        ("no opset", ModelProto { opset_import: vec![], ..sound() }, ErrorKind::InvalidModel, &["imports no opset"]),
        ("opset 6", opset(6), ErrorKind::Unsupported, &["opset 6", "7 to 28"]),
        ("opset 1000", opset(1000), ErrorKind::Unsupported, &["opset 1000"]),
    ];
    let mut failures = Vec::new();
    for (name, model, kind, parts) in &cases {
        let error = failure(model);
        let text = error.to_string();
        if error.kind() != *kind || !parts.iter().all(|part| text.contains(part)) {
            failures.push(format!("{name}: {error:?}, want {kind:?} with {parts:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_no_output_needs_is_never_refused() {
    let extra = |change: fn(&mut GraphProto)| with(change);
    let unread = |tensor: fn() -> TensorProto| {
        let mut model = sound();
        model.graph.as_mut().unwrap().initializer.push(tensor());
        model
    };
    let strange = |g: &mut GraphProto| {
        g.node.push(node("Nonesuch", &["x", "y"], &["a", "b"]));
        g.node.push(NodeProto { domain: some("com.acme"), ..node("Relu", &["nowhere"], &["c"]) });
        g.node.push(node("Relu", &["e"], &["d"]));
        g.node.push(node("Relu", &["d"], &["e"]));
    };
    let body = FunctionProto {
        name: some("F"),
        domain: some("com.acme"),
        opset_import: vec![OperatorSetIdProto { domain: some(""), version: Some(6) }],
        output: vec!["r".to_owned()],
        node: vec![node("Nonesuch", &["nowhere"], &["q"])],
        ..FunctionProto::default()
    };
    let cases: [(&str, ModelProto); 6] = [
        ("nodes of unknown operators and inputs", extra(strange)),
        ("a missing external file", unread(|| external("missing.bin", "0", "16"))),
        ("an element type", unread(|| TensorProto { data_type: Some(26), ..tensor("w", &[1], 4) })),
        ("short data", unread(|| tensor("w", &[2, 3], 20))),
        ("weights beyond the cap", unread(|| tensor("w", &[1 << 40], 0))),
        ("a function", ModelProto { functions: vec![body], ..sound() }),
    ];
    for (name, model) in cases {
        load_bytes(&model.encode_to_vec()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn opset(version: i64) -> ModelProto {
    ModelProto { opset_import: vec![OperatorSetIdProto { domain: some(""), version: Some(version) }], ..sound() }
}

fn load_in(folder: &Path, model: &ModelProto) -> Result<(), Error> {
    let path = folder.join("m.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    onnx::load(&path, &LoadOptions::default()).map(drop)
}

#[test]
fn external_data_stays_in_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("model");
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    std::fs::write(folder.join("w.bin"), [0; 32]).unwrap();
    std::fs::write(folder.join("sub/w.bin"), [0; 32]).unwrap();
    std::fs::write(root.path().join("secret.bin"), [0; 32]).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(root.path().join("secret.bin"), folder.join("link.bin")).unwrap();
        std::os::unix::fs::symlink(root.path(), folder.join("up")).unwrap();
        std::os::unix::fs::symlink(folder.join("w.bin"), folder.join("inside.bin")).unwrap();
    }
    let load = |location: &str, offset: &str, length: &str| {
        let model = with(|g| {
            g.initializer.push(external(location, offset, length));
            g.node = vec![node("Add", &["x", "w"], &["y"])];
        });
        load_in(&folder, &model)
    };
    load("w.bin", "16", "16").unwrap();
    load("sub/w.bin", "0", "16").unwrap();
    load("./w.bin", "0", "16").unwrap();
    #[cfg(unix)]
    load("inside.bin", "0", "16").unwrap();
    let absolute = root.path().join("secret.bin");
    let mut cases = vec![
        (absolute.to_str().unwrap(), "0", "16", ErrorKind::InvalidModel, "absolute"),
        ("../secret.bin", "0", "16", ErrorKind::InvalidModel, "leaves"),
        ("sub/../../secret.bin", "0", "16", ErrorKind::InvalidModel, "leaves"),
        ("..\\secret.bin", "0", "16", ErrorKind::InvalidModel, "leaves"),
        ("C:\\secret.bin", "0", "16", ErrorKind::InvalidModel, "absolute"),
        ("missing.bin", "0", "16", ErrorKind::Io, "missing.bin"),
        ("sub", "0", "16", ErrorKind::InvalidModel, "not a file"),
        ("", "0", "16", ErrorKind::InvalidModel, "location"),
        ("w.bin", "17", "16", ErrorKind::InvalidModel, "too short"),
        ("w.bin", "18446744073709551615", "16", ErrorKind::InvalidModel, "too short"),
        ("w.bin", "0", "12", ErrorKind::InvalidModel, "12 bytes"),
        ("w.bin", "-4", "16", ErrorKind::InvalidModel, "offset"),
        ("w.bin", "0", "many", ErrorKind::InvalidModel, "length"),
    ];
    if cfg!(unix) {
        cases.push(("link.bin", "0", "16", ErrorKind::InvalidModel, "link"));
        cases.push(("up/secret.bin", "0", "16", ErrorKind::InvalidModel, "link"));
    }
    for (location, offset, length, kind, part) in cases {
        let error = load(location, offset, length).expect_err(location);
        let text = error.to_string();
        assert!(error.kind() == kind && text.contains(part) && text.contains("'w'"), "{location}: {error:?}");
        assert!(text.contains("m.onnx"), "{text}");
    }
}

#[test]
fn files_that_are_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        onnx::load(&path, &LoadOptions::default()).map(drop).unwrap_err()
    };
    for (name, bytes) in [
        ("empty.onnx", &b""[..]),
        ("text.onnx", b"To be, or not to be: that is the question."),
        ("png.onnx", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("zeros.onnx", &[0; 100]),
        ("length.onnx", &[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ("varint.onnx", &[0xff; 64]),
    ] {
        let error = load(name, bytes);
        assert_eq!(error.kind(), ErrorKind::InvalidModel, "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let missing = onnx::load(folder.path().join("nowhere.onnx"), &LoadOptions::default()).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Io);
    assert!(missing.to_string().contains("nowhere.onnx"));
    assert_eq!(onnx::load(folder.path(), &LoadOptions::default()).unwrap_err().kind(), ErrorKind::Io);
}

fn skeletons() -> Vec<Vec<u8>> {
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zoo");
    let read = |name: &str| std::fs::read(zoo.join(format!("{name}.onnx"))).unwrap();
    ["squeezenet1_1", "resnet18", "mobilenet_v2", "minilm", "lstm_vad"].map(read).into()
}

/// A small generator (splitmix64), so that every run tries the same.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) % bound as u64) as usize
    }
}

#[test]
fn damaged_models_neither_panic_nor_hang() {
    // Small enough that weights are never generated at length; the limit itself is an error like any other.
    let options = LoadOptions { synthetic_weights: true, max_weight_bytes: 1 << 16, ..LoadOptions::default() };
    let mut random = Random(1);
    let mut errors = 0;
    let skeletons = skeletons();
    for round in 0..400 {
        let mut bytes = skeletons[round % skeletons.len()].clone();
        if round % 3 == 0 {
            bytes.truncate(random.below(bytes.len()));
        }
        for _ in 0..random.below(8) + usize::from(round % 3 != 0) {
            if !bytes.is_empty() {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
        match onnx::parse(&bytes, None, &options) {
            Ok(mut graph) => drop(infer(&mut graph, &mut Operators::default())),
            Err(error) => {
                errors += 1;
                assert!(!error.message().is_empty());
            }
        }
    }
    assert!(errors > 300, "only {errors} errors");
}

#[test]
fn every_truncation_of_a_small_model_is_an_error() {
    let bytes = with(|g| {
        g.initializer.push(tensor("w", &[2], 8));
        g.node = vec![node("Add", &["x", "w"], &["y"])];
    })
    .encode_to_vec();
    load_bytes(&bytes).unwrap();
    let whole = (0..bytes.len()).filter(|&len| load_bytes(&bytes[..len]).is_ok()).count();
    assert_eq!(whole, 0);
}
