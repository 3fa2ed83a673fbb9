//! A kernel of one's own beside a model: it shares bundles with the model, clamped to its own tensors.
//!
//! `cargo run --release --example user_kernel`

use fascine::{DType, LoadOptions, Model, Request, Runtime, Tensor, UserKernel};

const WIDTH: u32 = 72;
const HEIGHT: u32 = 24;

/// Mandelbrot's set, one invocation per pixel.
const KERNEL: &str = "
struct Params { width: u32, height: u32, limit: u32 }
@group(0) @binding(0) var<storage, read_write> image: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.width * params.height { return; }
    let c = vec2(f32(id.x % params.width) / f32(params.width) * 3.0 - 2.2,
                 f32(id.x / params.width) / f32(params.height) * 2.4 - 1.2);
    var z = vec2(0.0);
    var steps = 0u;
    while steps < params.limit && dot(z, z) < 4.0 {
        z = vec2(z.x * z.x - z.y * z.y, 2.0 * z.x * z.y) + c;
        steps += 1u;
    }
    image[id.x] = steps;
}
";

fn main() -> fascine::Result<()> {
    let runtime = Runtime::new(Default::default())?;
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = runtime.load_with("tests/zoo/minilm.onnx", &options)?;
    let kernel = runtime.load_kernel(KERNEL)?;

    for round in 0..6 {
        let sentence = sentence(&model)?;
        let picture = picture(&kernel)?;
        let picture = picture.wait()?;
        if round == 0 {
            show(picture.output("image")?)?;
        }
        let sentence = sentence.wait()?;
        let embedding = sentence.output("sentence_embedding")?.as_slice::<f32>()?;
        // Whether they share bundles is for the scheduler: work that fills the device by itself gains nothing.
        let shared = picture.timing().shared_bundles;
        println!("round {round}: embedding {:?}..., {shared} bundles of the picture shared", &embedding[..3]);
    }
    Ok(())
}

fn sentence(model: &Model) -> fascine::Result<Request> {
    let ids = |value: i64| Tensor::new([1, 16], vec![value; 16]);
    model
        .request()
        .input("input_ids", ids(101)?)?
        .input("attention_mask", ids(1)?)?
        .input("token_type_ids", ids(0)?)?
        .submit()
}

fn picture(kernel: &UserKernel) -> fascine::Result<Request> {
    kernel
        .request()
        .output("image", DType::U32, [HEIGHT as usize, WIDTH as usize])?
        .param("width", WIDTH)?
        .param("height", HEIGHT)?
        .param("limit", 200u32)?
        .workgroups([(WIDTH * HEIGHT).div_ceil(64), 1, 1])
        .submit()
}

fn show(image: &Tensor) -> fascine::Result<()> {
    for row in image.as_slice::<u32>()?.chunks(WIDTH as usize) {
        let shade = |&steps: &u32| [' ', '.', ':', '+', '*', '#', '@'][steps.max(1).ilog2().min(6) as usize];
        println!("{}", row.iter().map(shade).collect::<String>());
    }
    Ok(())
}
