//! Tables as lines of a given width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Canvas, Cell, Mark, Table};

const RESET: &str = "\u{1b}[0m";
const BOLD: &str = "\u{1b}[1m";
const FAINT: &str = "\u{1b}[2m";
const CHANGED: &str = "\u{1b}[30;43m";
const NEW: &str = "\u{1b}[32m";

/// What stands between columns.
const GAP: &str = "  ";
/// The narrowest column that others are spared for.
const NARROWEST: usize = 6;

pub(super) fn lines(tables: &[Table], canvas: Canvas) -> Vec<String> {
    // Title, header and an empty line belong to each table; what is left is for rows.
    let fixed = tables.len() * 3;
    let mut free = canvas.height.saturating_sub(fixed).max(tables.len());
    let mut out = Vec::new();
    for (at, table) in tables.iter().enumerate() {
        if at > 0 {
            out.push(String::new());
        }
        let later: usize = tables[at + 1..].iter().map(|t| t.rows.len().max(1)).sum();
        // Tables that come later keep at least a share.
        let share = (free / (tables.len() - at)).max(free.saturating_sub(later)).max(1);
        let shown = if table.rows.len() <= share { table.rows.len() } else { share - 1 };
        free = free.saturating_sub(shown.max(1));
        draw(table, shown, canvas, &mut out);
    }
    out
}

fn draw(table: &Table, shown: usize, canvas: Canvas, out: &mut Vec<String>) {
    let paint = |style: &str, text: String| {
        if canvas.color { format!("{style}{text}{RESET}") } else { text }
    };
    out.push(paint(BOLD, cut(&table.title, canvas.width)));
    if table.rows.is_empty() {
        return;
    }
    let rows = &table.rows[..shown];
    let widths = widths(table, rows, canvas.width);
    let count = widths.len();
    let left_out = table.columns.len() - count;
    let header = |(name, width): (&String, &usize)| pad(&cut(name, *width), *width, false);
    let mut head: Vec<String> = table.columns.iter().zip(&widths).map(header).collect();
    if left_out > 0 {
        head.push(format!("+{left_out}"));
    }
    out.push(paint(FAINT, head.join(GAP).trim_end().to_owned()));
    for row in rows {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let text = pad(&cut(&cell.text, *width), *width, cell.is_number);
            let text = match cell.mark {
                Mark::Changed => paint(CHANGED, text),
                Mark::New => paint(NEW, text),
                Mark::Same if at + 1 == count => text.trim_end().to_owned(),
                Mark::Same => text,
            };
            if at > 0 {
                line.push_str(GAP);
            }
            line.push_str(&text);
        }
        out.push(line);
    }
    if shown < table.rows.len() {
        out.push(paint(FAINT, format!("… {} more", table.rows.len() - shown)));
    }
}

/// Widths of the columns that fit, the widest made narrower first.
fn widths(table: &Table, rows: &[Vec<Cell>], total: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.width());
            cells.chain([name.width()]).max().unwrap_or(0).max(1)
        })
        .collect();
    let sum = |widths: &[usize]| {
        widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
    };
    while sum(&widths) > total {
        let Some(widest) = widths.iter_mut().max().filter(|w| **w > NARROWEST) else {
            break;
        };
        *widest -= 1;
    }
    if sum(&widths) > total {
        // Room for the number of those that are left out.
        let total = total.saturating_sub(5);
        while widths.len() > 1 && sum(&widths) > total {
            widths.pop();
        }
    }
    if let [one] = widths.as_mut_slice() {
        *one = (*one).min(total.max(1));
    }
    widths
}

/// The text, at most so wide.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// The text with spaces up to this width.
fn pad(text: &str, width: usize, right: bool) -> String {
    let spaces = " ".repeat(width.saturating_sub(text.width()));
    if right { format!("{spaces}{text}") } else { format!("{text}{spaces}") }
}
