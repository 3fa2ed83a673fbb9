//! On the application's own device: a frame loop that draws (here it only clears a texture) and lets fascine get on once
//! a frame. Nothing waits for the GPU, and the application keeps its device, queue and error handlers.
//!
//! `cargo run --release --example app_device`

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fascine::runtime::Drive;
use fascine::{DType, LoadOptions, Options, Runtime, Tensor, wgpu};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))?;
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default()))?;

    let options = Options { drive: Drive::Manual, ..Options::default() };
    let runtime = Runtime::from_device(adapter, device.clone(), queue.clone(), options)?;
    let load = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = runtime.load_with("tests/zoo/lstm_vad.onnx", &load)?;
    let state = Tensor::zeros(DType::F32, [2, 1, 64])?;
    let mut request = pin!(
        model
            .request()
            .input("audio", Tensor::zeros(DType::F32, [1, 1600])?)?
            .input("h", state.clone())?
            .input("c", state)?
            .deadline(Duration::from_millis(100))
            .submit()?
    );

    let target = target(&device);
    for frame in 0.. {
        draw(&device, &queue, &target, frame);
        runtime.poll()?;
        // An application with an executor would await the request in a task instead.
        if let Poll::Ready(result) = request.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            let result = result?;
            let speech = result.output("probability")?;
            println!("after {frame} frames on {}: {speech:?}", runtime.adapter());
            break;
        }
        std::thread::sleep(Duration::from_millis(4));
    }
    Ok(())
}

fn target(device: &wgpu::Device) -> wgpu::TextureView {
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("frame"),
        size: wgpu::Extent3d { width: 256, height: 256, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
        view_formats: &[],
    });
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

fn draw(device: &wgpu::Device, queue: &wgpu::Queue, target: &wgpu::TextureView, frame: u32) {
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let shade = f64::from(frame % 60) / 60.0;
    encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some("frame"),
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: target,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations {
                load: wgpu::LoadOp::Clear(wgpu::Color { r: shade, g: shade, b: shade, a: 1.0 }),
                store: wgpu::StoreOp::Store,
            },
        })],
        ..wgpu::RenderPassDescriptor::default()
    });
    queue.submit([encoder.finish()]);
}
