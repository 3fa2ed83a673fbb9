//! Who speaks when: Silero's detector hears a WAV file chunk by chunk, as a microphone would give it, and its state stays on the
//! device. Each chunk is a request that has to be answered before the next one is there.
//!
//! ```sh
//! scripts/fetch-model silero-vad
//! cargo run --release --example voice_activity
//! ```

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use fascine::{Class, DType, Runtime, Session, Tensor};

mod common;

/// Tells when someone speaks in a WAV file of 8 or 16 kHz.
#[derive(Parser)]
struct Args {
    #[arg(default_value = "target/models/silero-vad/speech.wav")]
    wav: PathBuf,
    #[arg(long, default_value = "target/models/silero-vad/model.onnx")]
    model: PathBuf,
    /// Speech is what is at least as probable.
    #[arg(long, default_value_t = 0.5)]
    threshold: f32,
    /// Writes the probability of each chunk to this file, one a line.
    #[arg(long)]
    probabilities: Option<PathBuf>,
}

/// A request every 32 ms.
const CHUNK: Duration = Duration::from_millis(32);
/// Silence that ends a segment, and the shortest segment, as Silero's own code has them.
const SILENCE: Duration = Duration::from_millis(100);
const SPEECH: Duration = Duration::from_millis(250);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    common::fetched(&args.model, "silero-vad")?;
    common::fetched(&args.wav, "silero-vad")?;
    let (rate, samples) = read(&args.wav)?;

    let runtime = Runtime::new(Default::default())?;
    let model = runtime.load(&args.model)?;
    // The first request compiles the kernels; it is of no session, and leaves no state.
    let silence = Detector::new(model.session(&[("stateN", "state")])?, rate).hear(&[])?;
    let mut detector = Detector::new(model.session(&[("stateN", "state")])?, rate);

    let (mut probabilities, mut times, mut late) = (Vec::new(), Vec::new(), 0);
    for chunk in samples.chunks(detector.chunk) {
        let heard = detector.hear(chunk)?;
        probabilities.push(heard.probability);
        times.push(heard.time);
        late += usize::from(!heard.in_time);
    }

    println!("on {}, {:.1?} for a first chunk", runtime.adapter(), silence.time);
    for (start, end) in segments(&probabilities, args.threshold) {
        println!("speech from {start:6.2?} to {end:6.2?}");
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    println!("{} chunks of {CHUNK:?}, {median:.1?} each (median), {late} late", times.len());
    if let Some(file) = &args.probabilities {
        let mut lines = String::new();
        probabilities.iter().try_for_each(|probability| writeln!(lines, "{probability}"))?;
        std::fs::write(file, lines)?;
    }
    Ok(())
}

/// The detector's session, and what it has to be given beside its state.
struct Detector {
    session: Session,
    rate: u32,
    /// Samples of a chunk.
    chunk: usize,
    /// The end of the chunk before.
    context: Vec<f32>,
    first: bool,
}

struct Heard {
    probability: f32,
    time: Duration,
    in_time: bool,
}

impl Detector {
    fn new(session: Session, rate: u32) -> Self {
        let chunk = rate as usize * 32 / 1000;
        Detector { session, rate, chunk, context: vec![0.0; chunk / 8], first: true }
    }

    /// Hears a chunk; the last one of a file may be short.
    fn hear(&mut self, samples: &[f32]) -> fascine::Result<Heard> {
        let mut input = std::mem::take(&mut self.context);
        input.extend(samples);
        input.resize(self.chunk + self.chunk / 8, 0.0);
        self.context = input[self.chunk..].to_vec();

        let mut request = self.session.request().class(Class::Interactive).deadline(CHUNK);
        request = request.input("input", Tensor::new([1, input.len()], input)?)?;
        request = request.input("sr", Tensor::new([], vec![i64::from(self.rate)])?)?;
        if std::mem::take(&mut self.first) {
            request = request.input("state", Tensor::zeros(DType::F32, [2, 1, 128])?)?;
        }
        let heard = request.submit()?.wait()?;
        let timing = heard.timing();
        let probability = heard.output("output")?.as_slice::<f32>()?[0];
        Ok(Heard { probability, time: timing.total, in_time: timing.in_time == Some(true) })
    }
}

/// The samples of a file, its channels mixed, from -1 to 1.
fn read(file: &Path) -> Result<(u32, Vec<f32>), Box<dyn std::error::Error>> {
    let wrong = |what: String| format!("{}: {what}", file.display());
    let mut reader = hound::WavReader::open(file).map_err(|error| wrong(error.to_string()))?;
    let hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
    if ![8_000, 16_000].contains(&sample_rate) {
        return Err(wrong(format!("{sample_rate} samples a second; the detector takes 8000 or 16000")).into());
    }
    let samples: Vec<f32> = match sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>()?,
        hound::SampleFormat::Int => {
            let scale = 0.5f32.powi(i32::from(bits_per_sample) - 1);
            reader.samples::<i32>().map(|sample| Ok(sample? as f32 * scale)).collect::<Result<_, hound::Error>>()?
        }
    };
    let mix = |frame: &[f32]| frame.iter().sum::<f32>() / f32::from(channels);
    Ok((sample_rate, samples.chunks(usize::from(channels)).map(mix).collect()))
}

/// Begin and end of what is spoken: from the first chunk that reaches the threshold until it has been well below for a while.
fn segments(probabilities: &[f32], threshold: f32) -> Vec<(Duration, Duration)> {
    let (mut segments, mut begin, mut silent) = (Vec::new(), None, None);
    let mut close = |begin: u32, end: u32| {
        if CHUNK * (end - begin) >= SPEECH {
            segments.push((CHUNK * begin, CHUNK * end));
        }
    };
    for (at, &probability) in (0u32..).zip(probabilities) {
        if probability >= threshold {
            begin = begin.or(Some(at));
            silent = None;
        } else if let Some(from) = begin
            && (silent.is_some() || probability < threshold - 0.15)
        {
            let end = *silent.get_or_insert(at);
            if CHUNK * (at + 1 - end) >= SILENCE {
                close(from, end);
                (begin, silent) = (None, None);
            }
        }
    }
    if let Some(from) = begin {
        close(from, silent.unwrap_or(probabilities.len() as u32));
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_ends_after_silence_and_short_ones_are_left_out() {
        let mut probabilities = vec![0.1; 60];
        probabilities[3] = 0.9;
        probabilities[10..30].fill(0.8);
        // Neither a short pause nor a doubtful chunk ends it.
        probabilities[15..17].fill(0.1);
        probabilities[20] = 0.4;
        probabilities[50..].fill(0.6);
        let chunks = |from: u32, to: u32| (CHUNK * from, CHUNK * to);
        assert_eq!(segments(&probabilities, 0.5), [chunks(10, 30), chunks(50, 60)]);
        assert_eq!(segments(&probabilities, 0.7), [chunks(10, 30)]);
        assert!(segments(&[], 0.5).is_empty());
    }

    #[test]
    fn channels_are_mixed_and_other_rates_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sound.wav");
        let write = |rate: u32| {
            let spec = hound::WavSpec {
                channels: 2,
                sample_rate: rate,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut writer = hound::WavWriter::create(&file, spec).unwrap();
            [16384i16, 0, -32768, -32768].into_iter().for_each(|sample| writer.write_sample(sample).unwrap());
            writer.finalize().unwrap();
        };
        write(16_000);
        assert_eq!(read(&file).unwrap(), (16_000, vec![0.25, -1.0]));
        write(44_100);
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("44100") && error.contains("sound.wav"), "{error}");
    }
}
