//! What the benchmarks share: medians, tables and processor time.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses its own part")]

pub mod floor;

/// The median; sorts in place.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds that the process has had of all processors, to a hundredth, where the system tells it.
pub fn processor_time() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which may have spaces: user and system time are fields 12 and 13, in hundredths.
    let ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().ok());
    Some(ticks.sum::<Option<u64>>()? as f64 / 100.0)
}

/// The geometric mean.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0), |(sum, count), value| (sum + value.ln(), count + 1));
    (sum / f64::from(count.max(1))).exp()
}

/// A Markdown table.
pub struct Table {
    columns: usize,
}

impl Table {
    /// Prints the header.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        println!("| {} |", header.join(" | "));
        println!("|{}", " --- |".repeat(N));
        Table { columns: N }
    }

    /// Prints a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.columns, "a row has a cell for each column");
        println!("| {} |", cells.join(" | "));
    }

    /// Ends the table.
    pub fn print(self) {
        println!();
    }
}

/// Arguments after the program's name, without those that cargo adds.
pub fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| argument != "--bench").collect()
}
