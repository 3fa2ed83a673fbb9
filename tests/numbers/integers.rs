//! i64 on the device: right at the limits of 32 bits, and beyond them an error that names the node, never a wrap. Alone, on
//! the kernels of both device classes, and in bundles with requests that nothing of it may touch.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::direct::{direct, target};
use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Dim, Graph, Node, Value};
use fascine::lower::DeviceClass;
use fascine::lower::ModelWeights;
use fascine::plan::plan;
use fascine::runtime::Drive;
use fascine::{DType, ErrorKind, Options, Runtime, Tensor};

const MAX: i64 = i32::MAX as i64;
const MIN: i64 = i32::MIN as i64;

struct Case {
    op: &'static str,
    attrs: &'static [(&'static str, i64)],
    inputs: Vec<Tensor>,
    /// `None` if the result leaves the range.
    want: Option<Vec<i64>>,
}

fn ints(values: &[i64]) -> Tensor {
    Tensor::new([values.len()], values.to_vec()).unwrap()
}

fn floats(values: &[f32]) -> Tensor {
    Tensor::new([values.len()], values.to_vec()).unwrap()
}

fn cases() -> Vec<Case> {
    const TO_I64: &[(&str, i64)] = &[("to", 7)];
    let case = |op, inputs: &[&[i64]], want: Option<&[i64]>| Case {
        op,
        attrs: &[],
        inputs: inputs.iter().map(|values| ints(values)).collect(),
        want: want.map(<[i64]>::to_vec),
    };
    let cast = |input, want: Option<&[i64]>| Case {
        op: "Cast",
        attrs: TO_I64,
        inputs: vec![input],
        want: want.map(<[i64]>::to_vec),
    };
    let pow = |base: &[i64], exponent: Tensor, want: Option<&[i64]>| Case {
        op: "Pow",
        attrs: &[],
        inputs: vec![ints(base), exponent],
        want: want.map(<[i64]>::to_vec),
    };
    let many = vec![MAX; 200];
    let mut cancelling = many.clone();
    cancelling.extend(vec![-MAX; 200]);
    vec![
        case("Add", &[&[MAX - 1, MIN, -1, 0], &[1, 0, 1, 0]], Some(&[MAX, MIN, 0, 0])),
        case("Add", &[&[5, MAX], &[5, 1]], None),
        case("Add", &[&[MIN], &[-1]], None),
        case("Sub", &[&[MIN + 1, MAX, 3], &[1, 0, -4]], Some(&[MIN, MAX, 7])),
        case("Sub", &[&[MIN], &[1]], None),
        case("Sub", &[&[0, 0], &[1, MIN]], None),
        case(
            "Mul",
            &[&[46340, -65536, 1 << 16, MIN, 0], &[46340, 32768, -32768, 1, MIN]],
            Some(&[46340 * 46340, MIN, MIN, MIN, 0]),
        ),
        case("Mul", &[&[46341], &[46341]], None),
        case("Mul", &[&[65536], &[32768]], None),
        case("Mul", &[&[65536, 1], &[65536, 1]], None),
        case("Mul", &[&[MIN], &[-1]], None),
        case("Div", &[&[MIN, MIN, 7, -7], &[1, 2, -2, 2]], Some(&[MIN, MIN / 2, -3, -3])),
        case("Div", &[&[MIN], &[-1]], None),
        case("Neg", &[&[MAX, 0, MIN + 1]], Some(&[-MAX, 0, MAX])),
        case("Neg", &[&[1, MIN]], None),
        case("Abs", &[&[MIN + 1, MAX, -3]], Some(&[MAX, MAX, 3])),
        case("Abs", &[&[MIN]], None),
        case("Sum", &[&[MAX - 2], &[1], &[1]], Some(&[MAX])),
        case("Sum", &[&[MAX]], Some(&[MAX])),
        case("Sum", &[&[MAX - 1], &[1], &[1]], None),
        case("Sum", &[&[1], &[1], &[1], &[1], &[1], &[MAX - 4]], None),
        pow(
            &[-2, 2, 46340, 3, -1, 2, 0],
            ints(&[31, 30, 2, 0, -5, -1, 3]),
            Some(&[MIN, 1 << 30, 2_147_395_600, 1, -1, 0, 0]),
        ),
        pow(&[2], ints(&[31]), None),
        pow(&[-2], ints(&[32]), None),
        pow(&[65536], ints(&[2]), None),
        pow(&[3], ints(&[1000]), None),
        pow(&[2, 9, 5], floats(&[4.0, 0.5, 2.0]), Some(&[16, 3, 25])),
        pow(&[3, 10], floats(&[2.0, 10.0]), None),
        cast(floats(&[2_147_483_520.0, -2_147_483_648.0, -1.9, 0.5, -0.0]), Some(&[2_147_483_520, MIN, -1, 0, 0])),
        cast(floats(&[1.0, 2_147_483_648.0]), None),
        cast(floats(&[-2_147_483_904.0]), None),
        cast(floats(&[f32::INFINITY]), None),
        cast(floats(&[f32::NAN]), None),
        cast(Tensor::new([2], vec![MAX as u32, 3]).unwrap(), Some(&[MAX, 3])),
        cast(Tensor::new([2], vec![3, 1u32 << 31]).unwrap(), None),
        case("ReduceSum", &[&[MAX, MAX, MIN, MIN, 1, 1]], Some(&[0])),
        case("ReduceSum", &[&[MAX, MAX, -MAX]], Some(&[MAX])),
        case("ReduceSum", &[&cancelling], Some(&[0])),
        case("ReduceSum", &[&[MAX, 1]], None),
        case("ReduceSum", &[&[MIN, -1]], None),
        case("ReduceSum", &[&many], None),
        case("ReduceMean", &[&[MAX, MAX, MAX]], Some(&[MAX])),
        case("ReduceMean", &[&[MIN, MIN, MIN, MIN]], Some(&[MIN])),
        case("ReduceMean", &[&[-3, -4]], Some(&[-3])),
        case("ReduceMean", &[&many], Some(&[MAX])),
        case("ReduceProd", &[&[-2, 1 << 30]], Some(&[MIN])),
        case("ReduceProd", &[&[MAX, MAX, MAX, 0]], Some(&[0])),
        case("ReduceProd", &[&[2, 1 << 30]], None),
        case("ReduceProd", &[&many], None),
        case("ReduceSumSquare", &[&[46340, 0, 1]], Some(&[46340 * 46340 + 1])),
        case("ReduceSumSquare", &[&[46341]], None),
        case("ReduceSumSquare", &[&[MIN, MIN, MIN, MIN]], None),
        case("ReduceL1", &[&[MIN + 1, 0]], Some(&[MAX])),
        case("ReduceL1", &[&[MIN]], None),
        case("ReduceL2", &[&[MAX, 0, 0]], Some(&[MAX])),
        case("ReduceL2", &[&[3, -4]], Some(&[5])),
        case("ReduceL2", &[&[MIN]], None),
        case("ReduceMax", &[&[MIN, MAX]], Some(&[MAX])),
        case("ReduceMin", &[&[MIN, MAX]], Some(&[MIN])),
    ]
}

fn graph(case: &Case) -> Graph {
    let mut graph = Graph { name: case.op.into(), ..Graph::default() };
    let mut node = Node { name: format!("the {}", case.op), op: case.op.into(), opset: 18, ..Node::default() };
    node.attrs =
        case.attrs.iter().map(|&(name, value)| (name.to_owned(), Attr::Int(value))).collect::<BTreeMap<_, _>>();
    if case.op.starts_with("Reduce") {
        node.opset = 13;
        node.attrs.insert("keepdims".into(), Attr::Int(1));
    }
    for (index, input) in case.inputs.iter().enumerate() {
        let shape = Some(input.shape().iter().map(|&size| Dim::Known(size)).collect());
        let name = format!("x{index}");
        let id = graph.add_value(Value { name, dtype: Some(input.dtype()), shape, ..Value::default() });
        graph.inputs.push(id);
        node.inputs.push(Some(id));
    }
    let output = graph.add_value(Value { name: "y".into(), ..Value::default() });
    graph.outputs.push(output);
    node.outputs.push(Some(output));
    graph.add_node(node);
    graph
}

fn judge(case: &Case, got: fascine::Result<Tensor>) -> Result<(), String> {
    let what = format!("{} of {:?}", case.op, case.inputs);
    match (got, &case.want) {
        (Ok(got), Some(want)) if got.as_slice::<i64>().is_ok_and(|got| got == want) => Ok(()),
        (Err(error), None)
            if error.kind() == ErrorKind::Overflow
                && error.node() == Some(&format!("the {}", case.op))
                && error.operator() == Some(case.op)
                && error.message().contains("i64") =>
        {
            Ok(())
        }
        (got, want) => Err(format!("{what}: got {got:?}, want {want:?}")),
    }
}

#[test]
fn results_are_right_or_refused_on_the_kernels_of_every_device_class() {
    let mut wrong = Vec::new();
    for class in [DeviceClass::Cpu, DeviceClass::Gpu] {
        for case in cases() {
            let shapes: Vec<Vec<usize>> = case.inputs.iter().map(|tensor| tensor.shape().to_vec()).collect();
            let weights = Arc::new(ModelWeights::new());
            let plan = plan(&graph(&case), &shapes, &weights, &target(class)).unwrap();
            let got = direct().run(&plan, &weights, &case.inputs).map(|mut outputs| outputs.remove(0));
            wrong.extend(judge(&case, got).err().map(|why| format!("{class:?}: {why}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_innocent_request_in_the_same_bundle_is_undisturbed() {
    let runtime = Runtime::new(Options { drive: Drive::Manual, ..Options::default() }).unwrap();
    let (mut wrong, mut shared) = (Vec::new(), 0);
    for case in cases() {
        let model = runtime.load_graph(graph(&case)).unwrap();
        let request = |inputs: &[Tensor]| {
            let request = inputs.iter().enumerate();
            request
                .fold(model.request(), |request, (k, x)| request.input(&format!("x{k}"), x.clone()).unwrap())
                .submit()
        };
        // The same kernel on ones, so that they share a bundle.
        let ones: Vec<Tensor> = (case.inputs.iter())
            .map(|input| match input.dtype() {
                DType::F32 => floats(&vec![1.0; input.len()]),
                DType::U32 => Tensor::new([input.len()], vec![1u32; input.len()]).unwrap(),
                _ => ints(&vec![1; input.len()]),
            })
            .collect();
        let alone = request(&ones).unwrap().wait().unwrap();
        let together = [request(&ones).unwrap(), request(&case.inputs).unwrap(), request(&ones).unwrap()];
        let [before, between, after] = together.map(fascine::Request::wait);
        wrong.extend(judge(&case, between.and_then(|done| done.output("y").cloned())).err());
        for innocent in [before, after] {
            match innocent {
                Ok(done) => {
                    shared += done.timing().shared_bundles;
                    if done.output("y").unwrap() != alone.output("y").unwrap() {
                        wrong.push(format!("{}: an innocent request changed", case.op));
                    }
                }
                Err(error) => wrong.push(format!("{}: an innocent request failed: {error}", case.op)),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(shared > 0, "no bundle was shared");
    assert_eq!(runtime.memory().unwrap().heap_used, 0);
}

/// Values that the host knows are refused when the request is planned: none is taken for another.
#[test]
fn constants_beyond_32_bits_are_refused() {
    let runtime = Runtime::new(Options { drive: Drive::Manual, ..Options::default() }).unwrap();
    for op in ["Greater", "Min", "Add", "Equal"] {
        let mut graph = graph(&Case { op, attrs: &[], inputs: vec![ints(&[1]), ints(&[1])], want: None });
        let second = graph.inputs.remove(1);
        graph.value_mut(second).set_constant(Tensor::scalar(3_000_000_000i64));
        let model = runtime.load_graph(graph).unwrap();
        let error = model.request().input("x0", ints(&[1])).unwrap().submit().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Input, "{op}: {error}");
        assert!(error.message().contains("3000000000"), "{op}: {error}");
    }
}

/// Two nodes that overflow in one request: the first is the error's, the other is named too.
#[test]
fn every_node_that_overflowed_is_named() {
    let case = Case { op: "Mul", attrs: &[], inputs: vec![ints(&[1 << 20]), ints(&[1 << 20])], want: None };
    let mut graph = graph(&case);
    let (a, b) = (graph.inputs[0], graph.inputs[1]);
    for (name, op) in [("fine", "Sub"), ("also", "Mul")] {
        let y = graph.add_value(Value { name: name.into(), ..Value::default() });
        graph.outputs.push(y);
        graph.add_node(Node {
            name: name.into(),
            op: op.into(),
            opset: 18,
            inputs: vec![Some(a), Some(b)],
            outputs: vec![Some(y)],
            ..Node::default()
        });
    }
    let runtime = Runtime::new(Options { drive: Drive::Manual, ..Options::default() }).unwrap();
    let model = runtime.load_graph(graph).unwrap();
    let request = |x: i64| {
        let request = model.request().input("x0", ints(&[x])).unwrap();
        request.input("x1", ints(&[1 << 20])).unwrap().submit().unwrap().wait()
    };
    let error = request(1 << 20).unwrap_err();
    assert_eq!((error.kind(), error.node()), (ErrorKind::Overflow, Some("the Mul")), "{error}");
    assert!(error.message().contains("'also' (Mul)") && !error.message().contains("fine"), "{error}");
    let done = request(2).unwrap();
    assert_eq!(done.output("also").unwrap().as_slice::<i64>().unwrap(), [2 << 20]);
    assert_eq!(runtime.stats().unwrap().outcomes.failed, 1);
}

/// A graph of one or more nodes, its inputs, and what it gives or why not.
type Faulty = (Graph, Vec<Tensor>, Result<Tensor, &'static str>);

fn of<T: fascine::tensor::Element>(values: &[T]) -> Tensor {
    Tensor::new([values.len()], values.to_vec()).unwrap()
}

/// One node on inputs that come with the request; constants are inputs that do not.
fn node_of(op: &str, fmod: i64, inputs: &[Tensor], constant: Option<Tensor>) -> Graph {
    let mut b = GraphBuilder::new(18);
    let mut ids: Vec<_> = (inputs.iter().enumerate())
        .map(|(k, x)| b.input(&format!("x{k}"), x.dtype(), [x.len().to_string().as_str()]))
        .collect();
    ids.extend(constant.map(|tensor| b.constant(tensor)));
    let attrs = (op == "Mod").then_some(("fmod", Attr::Int(fmod)));
    let y = b.node(op, ids, attrs);
    b.finish([y])
}

fn faults() -> Vec<Faulty> {
    let zero = Err("a division");
    let node = |op, fmod, inputs: [Tensor; 2], want| (node_of(op, fmod, &inputs, None), inputs.to_vec(), want);
    let low = i32::MIN;
    let mut list: Vec<Faulty> = vec![
        node("Div", 0, [of(&[7, -7, low, low]), of(&[2, 2, -1, 1])], Ok(of(&[3, -3, low, low]))),
        node("Div", 0, [of(&[7, 1]), of(&[1, 0])], zero.clone()),
        node("Div", 0, [of(&[-128i8, 7]), of(&[-1i8, -2])], Ok(of(&[-128i8, -3]))),
        node("Div", 0, [of(&[7u8]), of(&[0u8])], zero.clone()),
        node("Div", 0, [of(&[u32::MAX, 9]), of(&[2u32, 4])], Ok(of(&[u32::MAX / 2, 2]))),
        node("Div", 0, [of(&[7u32]), of(&[0u32])], zero.clone()),
        node("Div", 0, [of(&[7i64]), of(&[0i64])], zero.clone()),
        node("Mod", 0, [of(&[7, -7, 7, -7, low]), of(&[3, 3, -3, -3, -1])], Ok(of(&[1, 2, -2, -1, 0]))),
        node("Mod", 1, [of(&[7, -7, 7, -7, low]), of(&[3, 3, -3, -3, -1])], Ok(of(&[1, -1, 1, -1, 0]))),
        node("Mod", 0, [of(&[7]), of(&[0])], zero.clone()),
        node("Mod", 1, [of(&[7]), of(&[0])], zero.clone()),
        node("Mod", 0, [of(&[7u16]), of(&[0u16])], zero.clone()),
        node("Mod", 0, [of(&[7i64, -7]), of(&[4i64, 4])], Ok(of(&[3i64, 1]))),
        node("Mod", 0, [of(&[7i64]), of(&[0i64])], zero.clone()),
        node(
            "Pow",
            0,
            [of(&[37, 17, 2, 3, -2]), of(&[1.0f32, 4.0, 30.0, 19.0, 3.0])],
            Ok(of(&[37, 83521, 1 << 30, 1_162_261_467, -8])),
        ),
    ];
    // Divisors that are constants.
    let x = of(&[9, low]);
    for (divisor, want) in [(of(&[2, -1]), Ok(of(&[4, low]))), (of(&[2, 0]), zero)] {
        list.push((node_of("Div", 0, std::slice::from_ref(&x), Some(divisor)), vec![x.clone()], want));
    }
    for (index, want) in
        [(vec![0i64, -1, 2], Ok(of(&[5, 7, 7]))), (vec![1, 3], Err("an index")), (vec![-4], Err("an index"))]
    {
        let inputs = [of(&[5, 6, 7]), of(&index)];
        list.push((node_of("Gather", 0, &inputs, None), inputs.to_vec(), want));
    }
    // Casts one after the other.
    for (to, want) in
        [(3, vec![-56.0f32, -1.0, 127.0]), (5, vec![200.0, 255.0, 127.0]), (12, vec![200.0, 255.0, 127.0])]
    {
        let mut b = GraphBuilder::new(18);
        let x = b.input("x0", DType::U8, ["3"]);
        let y = b.node("Cast", [x], [("to", Attr::Int(to))]);
        let z = b.node("Cast", [y], [("to", Attr::Int(1))]);
        list.push((b.finish([z]), vec![of(&[200u8, 255, 127])], Ok(of(&want))));
    }
    list
}

#[test]
fn divisors_indices_and_casts_are_right_or_errors_of_the_request() {
    let mut wrong = Vec::new();
    for class in [DeviceClass::Cpu, DeviceClass::Gpu] {
        for (graph, inputs, want) in faults() {
            let shapes: Vec<Vec<usize>> = inputs.iter().map(|tensor| tensor.shape().to_vec()).collect();
            let weights = Arc::new(ModelWeights::new());
            let got = plan(&graph, &shapes, &weights, &target(class))
                .and_then(|plan| direct().run(&plan, &weights, &inputs))
                .map(|mut outputs| outputs.remove(0));
            let right = match (&got, &want) {
                (Ok(got), Ok(want)) => got == want,
                (Err(error), Err(part)) => error.message().contains(part),
                (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
            };
            if !right {
                wrong.push(format!("{class:?} {} of {inputs:?}: got {got:?}, want {want:?}", graph.nodes[0].op));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
