//! Faces in an image: an image in, boxes out. The graph ends in a NonMaxSuppression, so that how many boxes there are the device
//! finds out.
//!
//! ```sh
//! scripts/fetch-model centerface
//! cargo run --release --example detect
//! ```

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Parser;
use fascine::{Runtime, Tensor};
use image::imageops::FilterType;
use image::{Rgb, RgbImage};

mod common;

/// Finds the faces in an image, and draws a box around each.
#[derive(Parser)]
struct Args {
    /// A PNG or JPEG.
    #[arg(default_value = "target/models/centerface/image.png")]
    image: PathBuf,
    #[arg(long, default_value = "target/models/centerface/model.onnx")]
    model: PathBuf,
    /// Where the image with the boxes goes, a PNG.
    #[arg(long, default_value = "target/models/centerface/faces.png")]
    out: PathBuf,
    /// Faces are what scores more.
    #[arg(long, default_value_t = 0.5)]
    threshold: f32,
    /// Larger images are made smaller, to this many pixels on their longer side.
    #[arg(long, default_value_t = 640, value_parser = clap::value_parser!(u32).range(32..=8192))]
    size: u32,
    /// Writes the faces to this file: score, left, top, right and bottom, one a line.
    #[arg(long)]
    boxes: Option<PathBuf>,
}

/// Sizes that the network takes are multiples of this.
const MULTIPLE: u32 = 32;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    common::fetched(&args.model, "centerface")?;
    common::fetched(&args.image, "centerface")?;
    let image = image::open(&args.image).map_err(|error| format!("{}: {error}", args.image.display()))?;
    let mut image = image.into_rgb8();
    let (width, height) = network_size(image.dimensions(), args.size);
    let input = match image.dimensions() == (width, height) {
        true => planes(&image),
        false => planes(&image::imageops::resize(&image, width, height, FilterType::Triangle)),
    };

    let runtime = Runtime::new(Default::default())?;
    let model = runtime.load(&args.model)?;
    let request = model.request();
    let request = request.input("image", Tensor::new([1, 3, height as usize, width as usize], input)?)?;
    let request = request.input("threshold", Tensor::new([1], vec![args.threshold])?)?;
    // The first request compiles the kernels.
    let first = request.clone().submit()?.wait()?.timing();
    let found = request.submit()?.wait()?;

    let scale = [image.width() as f32 / width as f32, image.height() as f32 / height as f32];
    let scores = found.output("scores")?.as_slice::<f32>()?;
    let boxes = found.output("boxes")?.as_slice::<f32>()?.chunks_exact(4);
    let mut lines = String::new();
    println!("on {}", runtime.adapter());
    for (score, corners) in scores.iter().zip(boxes) {
        let &[top, left, bottom, right] = corners else { unreachable!("chunks of four") };
        let [left, right] = [left, right].map(|x| x * scale[0]);
        let [top, bottom] = [top, bottom].map(|y| y * scale[1]);
        println!("face {score:.3} from ({left:.0}, {top:.0}) to ({right:.0}, {bottom:.0})");
        writeln!(lines, "{score} {left} {top} {right} {bottom}")?;
        draw(&mut image, [left, top, right, bottom]);
    }
    image.save(&args.out).map_err(|error| format!("{}: {error}", args.out.display()))?;
    let (total, faces) = (found.timing().total, scores.len());
    println!("{faces} in {total:.1?} ({:.1?} at first), drawn in {}", first.total, args.out.display());
    if let Some(file) = &args.boxes {
        std::fs::write(file, lines)?;
    }
    Ok(())
}

/// What the network sees of an image: no more than `most` on the longer side, both sides rounded to multiples.
fn network_size((width, height): (u32, u32), most: u32) -> (u32, u32) {
    let shrink = (f64::from(most) / f64::from(width.max(height).max(1))).min(1.0);
    let side = |size: u32| (((f64::from(size) * shrink) / f64::from(MULTIPLE)).round() as u32).max(1) * MULTIPLE;
    (side(width), side(height))
}

/// Red, green and blue one after another, from 0 to 255.
fn planes(image: &RgbImage) -> Vec<f32> {
    (0..3).flat_map(|channel| image.pixels().map(move |pixel| f32::from(pixel[channel]))).collect()
}

/// Draws a frame of two pixels, as far as it is within the image.
fn draw(image: &mut RgbImage, corners: [f32; 4]) {
    let (width, height) = image.dimensions();
    let [left, top, right, bottom] = corners.map(|at| at.round() as i64);
    let mut dot = |x: i64, y: i64| {
        if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
            && x < width
            && y < height
        {
            image.put_pixel(x, y, Rgb([255, 64, 0]));
        }
    };
    for inset in 0..2 {
        (left..=right).for_each(|x| [top + inset, bottom - inset].into_iter().for_each(|y| dot(x, y)));
        (top..=bottom).for_each(|y| [left + inset, right - inset].into_iter().for_each(|x| dot(x, y)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_sees_multiples_of_32() {
        assert_eq!(network_size((512, 512), 640), (512, 512));
        assert_eq!(network_size((1920, 1080), 640), (640, 352));
        assert_eq!(network_size((100, 3), 640), (96, 32));
        assert_eq!(network_size((1, 10_000), 320), (32, 320));
    }

    #[test]
    fn a_box_is_drawn_as_far_as_it_is_within_the_image() {
        let mut image = RgbImage::new(8, 6);
        draw(&mut image, [-3.0, 1.0, 5.0, 90.0]);
        let red: Vec<_> =
            image.enumerate_pixels().filter(|(.., pixel)| pixel[0] == 255).map(|(x, y, _)| (x, y)).collect();
        // Both lines of the top from the left edge on, then both of the right side.
        assert_eq!(red.len(), 2 * 6 + 2 * 3);
        assert!(red.iter().all(|&(x, y)| y >= 1 && x <= 5 && (y <= 2 || x >= 4)), "{red:?}");
    }

    #[test]
    fn planes_are_red_then_green_then_blue() {
        let image = RgbImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(planes(&image), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
