//! What was measured of tiles, kept from run to run: a text file per adapter in the cache folder.

use std::io;
use std::path::{Path, PathBuf};

use super::kept::{self, bad};
use crate::gpu::Caps;
use crate::kernel::library;
use crate::lower::tuning::{Choice, Share, TileTable, Tiled, Timed};

const TITLE: &str = "fascine tiles 1";
/// Kernels whose text the times are of.
const KERNELS: [&str; 4] = ["matmul_tile", "matmul_row", "conv_tile", "sum_parts"];

/// The file of an adapter and its driver.
pub(super) struct TileFile {
    path: PathBuf,
    head: String,
}

impl TileFile {
    pub(super) fn new(folder: &Path, caps: &Caps) -> Self {
        let adapter = format!("{TITLE}\n{:?} {:?} {:?}\n", caps.name, caps.driver, caps.backend);
        let texts: String = KERNELS.iter().map(|name| library::get(name).text.to_string()).collect();
        let path = folder.join(format!("tiles_{:016x}.txt", kept::hash(adapter.as_bytes())));
        TileFile { path, head: format!("{adapter}{:016x}\n", kept::hash(texts.as_bytes())) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The table in the file; an empty one where there is none, or it is damaged, of another adapter or of other kernels.
    pub(super) fn read(&self) -> TileTable {
        let table = kept::read(&self.path, &self.head).and_then(|text| parse(&text.unwrap_or_default()));
        table.unwrap_or_else(|error| {
            tracing::warn!(path = %self.path.display(), %error, "measured tiles ignored");
            TileTable::default()
        })
    }

    /// Whoever reads meanwhile, or after an interruption, finds the old table or the new one.
    ///
    /// # Errors
    /// What writing fails with.
    pub(super) fn write(&self, table: &TileTable) -> io::Result<()> {
        let mut text = self.head.clone();
        for (kernel, share, [depth, tiles], timed) in table.iter() {
            text += &format!("{} {} {depth} {tiles}", kernel.name(), share.divisor());
            for Timed { choice: Choice { side, parts }, nanos } in timed {
                text += &format!(" {side}:{parts}:{nanos}");
            }
            text.push('\n');
        }
        kept::write(&self.path, &text)
    }
}

fn parse(text: &str) -> io::Result<TileTable> {
    let mut table = TileTable::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        point(line, &mut table).ok_or_else(|| bad("a line is wrong"))?;
    }
    Ok(table)
}

fn point(line: &str, table: &mut TileTable) -> Option<()> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let kernel = Tiled::ALL.into_iter().find(|kernel| kernel.name() == name)?;
    let divisor: usize = words.next()?.parse().ok()?;
    let share = Share::ALL.into_iter().find(|share| share.divisor() == divisor)?;
    let mut size = || words.next()?.parse().ok().filter(|&size: &u32| size > 0);
    let at = [size()?, size()?];
    let timed = |word: &str| {
        let mut numbers = word.split(':');
        let [side, parts] = [numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?];
        let nanos = numbers.next()?.parse().ok()?;
        let choice = Choice::all().find(|&choice| choice == Choice { side, parts })?;
        numbers.next().is_none().then_some(Timed { choice, nanos })
    };
    let timed: Vec<Timed> = words.map(timed).collect::<Option<_>>()?;
    table.insert(kernel, share, at, timed);
    Some(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{DeviceModel, Figures, Options, Runtime};
    use super::*;
    use crate::gpu::{AdapterOptions, Gpu};
    use crate::graph::builder::GraphBuilder;
    use crate::lower::DeviceClass;
    use crate::tensor::{DType, Tensor};

    #[test]
    fn only_sound_files_of_the_adapter_are_read() {
        let caps = Gpu::open(&AdapterOptions::default()).unwrap().caps().clone();
        let folder = tempfile::tempdir().unwrap();
        let file = TileFile::new(folder.path(), &caps);
        assert_eq!(file.read(), TileTable::default());
        let mut table = TileTable::default();
        let timed = |parts, nanos| Timed { choice: Choice { side: 64, parts }, nanos };
        table.insert(Tiled::Conv, Share::Quarter, [576, 8], vec![timed(4, 10), timed(1, 2_000)]);
        table.insert(Tiled::Row, Share::Whole, [1024, 1], vec![timed(1, 7)]);
        file.write(&table).unwrap();
        assert_eq!(file.read(), table);

        let other = Caps { driver: "another".into(), ..caps };
        assert_eq!(TileFile::new(folder.path(), &other).read(), TileTable::default());
        let sound = fs::read(&file.path).unwrap();
        for at in 0..sound.len() - 1 {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            fs::write(&file.path, damaged).unwrap();
            assert_eq!(file.read(), TileTable::default(), "byte {at}");
        }
        fs::write(&file.path, &sound[..sound.len() / 2]).unwrap();
        assert_eq!(file.read(), TileTable::default());
    }

    #[test]
    fn runtimes_plan_by_the_table_for_their_share() {
        let caps = Gpu::open(&AdapterOptions::default()).unwrap().caps().clone();
        let folder = tempfile::tempdir().unwrap();
        let mut table = TileTable::default();
        for (share, choice) in [(Share::Half, (64, 1)), (Share::Quarter, (64, 2))] {
            let choice = Choice { side: choice.0, parts: choice.1 };
            table.insert(Tiled::Product, share, [256, 6], vec![Timed { choice, nanos: 1 }]);
        }
        TileFile::new(folder.path(), &caps).write(&table).unwrap();
        let numbers = |len: usize| (0..len).map(|k| (k * 7 % 101) as f32 / 101.0 - 0.5).collect::<Vec<f32>>();
        // The rule takes small tiles in two parts where 16 workgroups run at a time.
        let run = |share| {
            let figures = Figures::Given(DeviceModel::gpu(16));
            let cache_dir = Some(folder.path().to_owned());
            let class = Some(DeviceClass::Gpu);
            let options = Options { cache_dir, share, class, device: figures, ..Options::default() };
            let runtime = Runtime::new(options).unwrap();
            let mut graph = GraphBuilder::new(17);
            let x = graph.input("x", DType::F32, ["70", "256"]);
            let w = graph.floats([256, 48], numbers(256 * 48));
            let y = graph.node("MatMul", [x, w], []);
            let model = runtime.load_graph(graph.finish([y])).unwrap();
            let dispatches = model.dispatches(&[vec![70, 256]]).unwrap();
            let width = dispatches[0].variant.constants().find(|(name, _)| *name == "WIDTH").unwrap().1;
            let x = Tensor::new([70, 256], numbers(70 * 256)).unwrap();
            let done = model.request().input("x", x).unwrap().submit().unwrap().wait().unwrap();
            let values = done.outputs().next().unwrap().1.as_slice::<f32>().unwrap().to_vec();
            ((4.0 * width, dispatches.len()), values)
        };
        let (whole, expected) = run(Share::Whole);
        assert_eq!(whole, (32.0, 2), "by rule");
        for (share, choice) in [(Share::Half, (64.0, 1)), (Share::Quarter, (64.0, 2))] {
            let (chosen, got) = run(share);
            assert_eq!(chosen, choice, "{share:?}");
            assert!(got.iter().zip(&expected).all(|(got, expected)| (got - expected).abs() < 1e-4), "{share:?}");
        }
    }

    #[test]
    fn wrong_lines_are_no_table() {
        assert!(parse("\nproduct 8 1024 4 64:1:20 32:8:30").is_ok());
        for line in [
            "gemm 1 64 1 32:1:5",
            "product 3 64 1 32:1:5",
            "conv 1 0 1 32:1:5",
            "conv 1 64 1 48:1:5",
            "conv 1 64 1 32:1",
            "conv 1 64",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
