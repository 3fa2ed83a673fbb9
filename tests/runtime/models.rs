//! Models as an application uses them: inputs right and wrong, shapes that change, memory that comes free.

use std::sync::OnceLock;

use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph};
use fascine::{DType, ErrorKind, LoadOptions, Model, Options, Result, Runtime, Tensor};

fn runtime() -> Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(Options::default()).unwrap()).clone()
}

/// `y = relu(x * w + b)` with x of batch x 3, and `z = x + other`, both of the same batch.
fn two_inputs() -> Graph {
    let mut graph = GraphBuilder::new(17);
    let x = graph.input("x", DType::F32, ["batch", "3"]);
    let other = graph.input("other", DType::F32, ["batch", "3"]);
    let w = graph.floats([3, 2], [1.0, -1.0, 2.0, -2.0, 3.0, -3.0]);
    let b = graph.floats([2], [0.5, 0.5]);
    let product = graph.node("MatMul", [x, w], []);
    let sum = graph.node("Add", [product, b], []);
    let y = graph.node("Relu", [sum], []);
    let z = graph.node("Add", [x, other], []);
    graph.finish([y, z])
}

fn ramp(shape: [usize; 2]) -> Tensor {
    Tensor::new(shape, (0..shape[0] * shape[1]).map(|i| i as f32).collect()).unwrap()
}

fn run(model: &Model, inputs: &[(&str, Tensor)]) -> Result<Vec<Tensor>> {
    let mut request = model.request();
    for (name, tensor) in inputs {
        request = request.input(name, tensor.clone())?;
    }
    Ok(request.submit()?.wait()?.outputs().map(|(_, tensor)| tensor.clone()).collect())
}

#[test]
fn any_batch_gives_the_right_numbers() {
    let model = runtime().load_graph(two_inputs()).unwrap();
    for batch in [1, 2, 5, 1, 64, 2] {
        let outputs = run(&model, &[("other", ramp([batch, 3])), ("x", ramp([batch, 3]))]).unwrap();
        let row = |i: usize| 3.0 * i as f32;
        let y: Vec<f32> =
            (0..batch).flat_map(|i| [row(i) + 2.0 * (row(i) + 1.0) + 3.0 * (row(i) + 2.0) + 0.5, 0.0]).collect();
        assert_eq!(outputs[0].as_slice::<f32>().unwrap(), y);
        let z: Vec<f32> = (0..batch * 3).map(|i| 2.0 * i as f32).collect();
        assert_eq!(outputs[1].as_slice::<f32>().unwrap(), z);
    }
}

#[test]
fn an_empty_batch_gives_empty_results() {
    let model = runtime().load_graph(two_inputs()).unwrap();
    let outputs = run(&model, &[("x", ramp([0, 3])), ("other", ramp([0, 3]))]).unwrap();
    assert_eq!((outputs[0].shape(), outputs[1].shape()), (&[0, 2][..], &[0, 3][..]));
}

#[test]
fn wrong_inputs_are_named() {
    let model = runtime().load_graph(two_inputs()).unwrap();
    let good = || ("other", ramp([2, 3]));
    let cases: [(&[(&str, Tensor)], &str); 7] = [
        (&[good()], "'x'"),
        (&[good(), ("y", ramp([2, 3]))], "'y'"),
        (&[good(), good()], "'other' is given twice"),
        (&[good(), ("x", Tensor::zeros(DType::I64, [2, 3]).unwrap())], "i64"),
        (&[good(), ("x", ramp([2, 4]))], "'x'"),
        (&[good(), ("x", ramp([5, 3]))], "batch"),
        (&[good(), ("x", Tensor::zeros(DType::F32, [2, 3, 1]).unwrap())], "'x'"),
    ];
    for (inputs, text) in cases {
        let error = run(&model, inputs).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        assert!(error.to_string().contains(text), "'{error}' does not name {text}");
    }
}

#[test]
fn an_integer_beyond_the_device_is_an_error() {
    let mut graph = GraphBuilder::new(17);
    let x = graph.input("x", DType::I64, ["n"]);
    let y = graph.node("Add", [x, x], []);
    let model = runtime().load_graph(graph.finish([y])).unwrap();
    let outputs = run(&model, &[("x", Tensor::new([2], vec![-7i64, 1 << 29]).unwrap())]).unwrap();
    assert_eq!(outputs[0].as_slice::<i64>().unwrap(), [-14, 1 << 30]);
    let error = run(&model, &[("x", Tensor::new([1], vec![1i64 << 31]).unwrap())]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    assert!(error.to_string().contains("2147483648"), "{error}");
}

#[test]
fn every_unsupported_node_is_listed() {
    let mut graph = GraphBuilder::new(17);
    let x = graph.input("x", DType::F32, ["4"]);
    let a = graph.node("NoSuchOperator", [x], []);
    let b = graph.node("com.example.Other", [x], []);
    let error = runtime().load_graph(graph.finish([a, b])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let text = error.to_string();
    assert!(text.contains("NoSuchOperator") && text.contains("com.example.Other") && text.contains("17"), "{text}");
}

#[test]
fn outputs_may_be_inputs_and_constants() {
    let mut graph = GraphBuilder::new(17);
    let x = graph.input("x", DType::F32, ["n"]);
    let constant = graph.floats([2], [3.0, 4.0]);
    let model = runtime().load_graph(graph.finish([x, constant])).unwrap();
    let outputs = run(&model, &[("x", Tensor::new([1], vec![9.0f32]).unwrap())]).unwrap();
    assert_eq!(outputs[0].as_slice::<f32>().unwrap(), [9.0]);
    assert_eq!(outputs[1].as_slice::<f32>().unwrap(), [3.0, 4.0]);
}

#[test]
fn unloading_frees_memory_when_the_last_request_ends() {
    let runtime = Runtime::new(Options::default()).unwrap();
    let model = runtime.load_graph(two_inputs()).unwrap();
    let inputs = || model.request().input("x", ramp([9, 3])).unwrap().input("other", ramp([9, 3])).unwrap();
    let requests: Vec<_> = (0..20).map(|_| inputs().submit().unwrap()).collect();
    drop(model);
    for request in requests {
        assert_eq!(request.wait().unwrap().outputs().len(), 2);
    }
    let memory = runtime.memory().unwrap();
    assert_eq!((memory.heap_used, memory.weights_used), (0, 0), "{memory:?}");
}

#[test]
fn weights_beyond_the_cap_are_an_error_and_others_go_on() {
    let runtime = Runtime::new(Options { memory_cap: Some(4 << 20), ..Options::default() }).unwrap();
    let small = runtime.load_graph(two_inputs()).unwrap();
    let mut graph = GraphBuilder::new(17);
    let x = graph.input("x", DType::F32, ["1", "2048"]);
    let w = graph.floats([2048, 2048], vec![1.0; 2048 * 2048]);
    let y = graph.node("MatMul", [x, w], []);
    let large = runtime.load_graph(graph.finish([y]));
    let error = large.and_then(|large| run(&large, &[("x", ramp([1, 2048]))])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
    assert!(run(&small, &[("x", ramp([1, 3])), ("other", ramp([1, 3]))]).is_ok());
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let error = runtime.load_with("tests/zoo/resnet18.onnx", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
}

#[test]
fn missing_weights_are_an_error_without_the_synthetic_option() {
    let error = runtime().load("tests/zoo/resnet18.onnx").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(error.to_string().contains("resnet18.bin"), "{error}");
}

#[test]
fn batch_normalization_takes_its_statistics_from_constants_requests_and_nodes() {
    let statistics = [[1.5f32, -0.5, 2.0], [0.25, 1.0, -3.0], [100.0, -2.0, 0.5], [4.0, 0.01, 9.0]];
    let names = ["scale", "bias", "mean", "variance"];
    let x: Vec<f32> = (0..24).map(|i| 97.0 + (i * 7 % 24) as f32 * 0.5).collect();
    let want = x.iter().enumerate().map(|(i, &x)| {
        let [scale, bias, mean, variance] = statistics.map(|list| f64::from(list[i / 4 % 3]));
        (f64::from(x) - mean) / (variance + 1e-3).sqrt() * scale + bias
    });
    let want: Vec<f64> = want.collect();
    // Which statistics come with the request, and which of those by way of a node that leaves them strided.
    for (given, strided) in
        [([false; 4], false), ([true; 4], false), ([true; 4], true), ([false, false, true, false], true)]
    {
        let mut graph = GraphBuilder::new(15);
        let mut ids = vec![graph.input("x", DType::F32, ["n", "c", "4"])];
        let mut inputs = vec![("x", Tensor::new([2, 3, 4], x.clone()).unwrap())];
        for k in 0..4 {
            ids.push(match (given[k], strided) {
                (false, _) => graph.floats([3], statistics[k]),
                (true, false) => {
                    inputs.push((names[k], Tensor::new([3], statistics[k].to_vec()).unwrap()));
                    graph.input(names[k], DType::F32, ["c"])
                }
                (true, true) => {
                    let both = statistics[k].iter().flat_map(|&value| [value, -1.0]).collect();
                    inputs.push((names[k], Tensor::new([3, 2], both).unwrap()));
                    let both = graph.input(names[k], DType::F32, ["c", "2"]);
                    let (column, axis) = (graph.ints([0]), [("axis", Attr::Int(1))]);
                    let one = graph.node("Gather", [both, column], axis);
                    let axes = graph.ints([1]);
                    graph.node("Squeeze", [one, axes], [])
                }
            });
        }
        let y = graph.node("BatchNormalization", ids, [("epsilon", Attr::Float(1e-3))]);
        let model = runtime().load_graph(graph.finish([y])).unwrap();
        let outputs = run(&model, &inputs).unwrap();
        for (i, (&got, &want)) in outputs[0].as_slice::<f32>().unwrap().iter().zip(&want).enumerate() {
            assert!(
                (f64::from(got) - want).abs() <= 1e-5 * want.abs().max(1.0),
                "{given:?} {strided} {i}: {got} {want}"
            );
        }
    }
}

#[test]
fn what_no_size_can_run_is_refused_at_load() {
    let mut graph = GraphBuilder::new(17);
    let x = graph.input("x", DType::F32, ["n", "3"]);
    let w = graph.floats([4, 1], [1.0; 4]);
    let y = graph.node("MatMul", [x, w], []);
    let error = runtime().load_graph(graph.finish([y])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape, "{error}");
    assert!(error.to_string().contains("f32[n,3], f32[4,1]"), "{error}");
}
