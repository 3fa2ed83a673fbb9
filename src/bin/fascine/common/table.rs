//! Tables for people, and numbers as they read them.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether tables are printed in Markdown; set once, before anything is printed.
static MARKDOWN: AtomicBool = AtomicBool::new(false);

/// Tables are Markdown's from now on.
pub(crate) fn in_markdown() {
    MARKDOWN.store(true, Ordering::Relaxed);
}

/// How a column's cells stand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Lines up rows under a header. Every row has as many cells as the header.
pub(crate) fn render(header: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    if MARKDOWN.load(Ordering::Relaxed) { markdown(header, rows) } else { columns(header, rows) }
}

/// As Markdown's tables are written.
pub(crate) fn markdown(header: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let titles: Vec<String> = header.iter().map(|(title, _)| (*title).to_owned()).collect();
    let mut text = line(&titles) + &format!("|{}\n", " --- |".repeat(header.len()));
    text.extend(rows.iter().map(|row| line(row)));
    text
}

fn columns(header: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].0.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    let titles: Vec<String> = header.iter().map(|(title, _)| (*title).to_owned()).collect();
    for row in std::iter::once(&titles).chain(rows) {
        let mut line = String::new();
        for ((cell, (_, align)), &width) in row.iter().zip(header).zip(&widths) {
            let pad = width - cell.chars().count().min(width);
            match align {
                Align::Left => write!(line, "{cell}{:pad$}  ", ""),
                Align::Right => write!(line, "{:pad$}{cell}  ", ""),
            }
            .expect("a String takes everything");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Name and value, one a line.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    pairs.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// A number of bytes with a unit.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Milliseconds with as many digits as make sense.
pub(crate) fn millis(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

/// A shape as in `[1, 3, height, width]`.
pub(crate) fn shape<D: std::fmt::Display>(dims: &[D]) -> String {
    let dims: Vec<String> = dims.iter().map(D::to_string).collect();
    format!("[{}]", dims.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_bare() {
        let rows = [vec!["é".into(), "10".into()], vec!["long".into(), "9".into()]];
        let text = render(&[("a", Align::Left), ("n", Align::Right)], &rows);
        assert_eq!(text, "a      n\né     10\nlong   9\n");
        let rows = [vec!["1".into(), String::new()]];
        assert_eq!(render(&[("x", Align::Right), ("note", Align::Left)], &rows), "x  note\n1\n");
    }

    #[test]
    fn markdown_has_a_line_under_its_titles() {
        let text = markdown(&[("a", Align::Left), ("n", Align::Right)], &[vec!["é".into(), "10".into()]]);
        assert_eq!(text, "| a | n |\n| --- | --- |\n| é | 10 |\n");
    }

    #[test]
    fn numbers() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
        assert_eq!(millis(1.234), "1.23");
        assert_eq!(millis(123.4), "123");
        assert_eq!(shape(&["batch", "3"]), "[batch, 3]");
    }
}
