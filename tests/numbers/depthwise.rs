//! Depthwise convolutions on subgroups of 8 have the bits of those that load each window by itself.

use std::sync::Arc;

use crate::common::direct::{direct, target};
use crate::random::Random;
use fascine::graph::Attr;
use fascine::graph::builder::GraphBuilder;
use fascine::lower::{DeviceClass, ModelWeights};
use fascine::plan::plan;
use fascine::tensor::{DType, Tensor};

fn tensor(random: &mut Random, shape: &[usize]) -> Tensor {
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| random.float()).collect();
    Tensor::new(shape, data).unwrap()
}

#[test]
fn depthwise_convolutions_have_the_same_bits_down_columns() {
    let mut random = Random::new(7);
    let mut seen = 0;
    for case in 0..24 {
        let mut size = |low, high| random.range(low, high) as usize;
        let (images, channels, multiplier) = (size(1, 2), size(2, 5), size(1, 2));
        let columns = [3, 5][size(0, 1)];
        let kernel = [size(1, columns as u32), columns];
        let strides = [size(1, 3), size(1, 2)];
        let pads: Vec<i64> = kernel.iter().chain(&kernel).map(|&taps| size(0, taps as u32 - 1) as i64).collect();
        let size = [kernel[0] + size(0, 40), kernel[1] + size(0, 20)];
        let x = tensor(&mut random, &[images, channels, size[0], size[1]]);
        let w = tensor(&mut random, &[channels * multiplier, 1, kernel[0], kernel[1]]);
        let bias = tensor(&mut random, &[channels * multiplier]);

        let mut b = GraphBuilder::new(17);
        let shape: Vec<String> = x.shape().iter().map(usize::to_string).collect();
        let input = b.input("x", DType::F32, shape.iter().map(String::as_str).collect::<Vec<_>>());
        let (w, bias) = (b.constant(w), b.constant(bias));
        let ints = |list: &[usize]| Attr::Ints(list.iter().map(|&item| item as i64).collect());
        let attrs = [("group", Attr::Int(channels as i64)), ("strides", ints(&strides)), ("pads", Attr::Ints(pads))];
        let y = b.node("fascine.Conv", [input, w, bias], attrs);
        let graph = b.finish([y]);

        let results = [DeviceClass::Cpu, DeviceClass::Gpu].map(|class| {
            let weights = Arc::new(ModelWeights::new());
            let plan = plan(&graph, &[x.shape().to_vec()], &weights, &target(class)).unwrap();
            seen += plan
                .dispatches
                .iter()
                .filter(|d| d.variant.kernel().name.starts_with("conv_depthwise_subgroup"))
                .count();
            direct().run(&plan, &weights, std::slice::from_ref(&x)).unwrap().remove(0)
        });
        assert_eq!(results[0].shape(), results[1].shape());
        assert!(results[0].bytes() == results[1].bytes(), "case {case}: {:?} by {kernel:?}, {strides:?}", x.shape());
    }
    if target(DeviceClass::Cpu).subgroup_size == 8 {
        assert_eq!(seen, 24);
    }
}
