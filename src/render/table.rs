//! A borderless table that never wraps: whole columns give way first, and after them the ends of the cells of the
//! columns that may be cut.

use super::sanitize::{clip, width};
use super::style::paint;
use super::{Appearance, Shown};
use anstyle::Style;
use comfy_table::{Table, presets};
use std::io::{self, Write};

/// The blanks between two columns.
const GAP: usize = 2;
/// How much of a column that may be cut is kept before other columns give way.
const CUT_FLOOR: usize = 20;

/// What a column does when the terminal is too narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It stays.
    Keep,
    /// It gives way; the lowest number goes first.
    Drop(u8),
    /// It stays, and the tails of its cells are cut.
    Cut,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) room: Room,
}

/// A cell of sanitized text: a head that is styled and never cut, and a tail.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    head: String,
    tail: String,
    style: Style,
}

impl Cell {
    /// A cell without style that is never cut. An empty one shows `-`.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { head: if text.is_empty() { "-".into() } else { text }, ..Self::default() }
    }

    /// A cell that is never cut.
    pub(super) fn styled(style: Style, text: impl Into<String>) -> Self {
        Self { style, ..Self::plain(text) }
    }

    /// The same cell with a tail.
    pub(super) fn with_tail(self, tail: String) -> Self {
        Self { tail, ..self }
    }

    fn text(&self) -> String {
        format!("{}{}", self.head, self.tail)
    }

    fn width(&self) -> usize {
        width(&self.head) + width(&self.tail)
    }

    fn cut(&mut self, columns: usize) {
        self.tail = clip(&self.tail, columns.saturating_sub(width(&self.head))).into_owned();
    }
}

/// Writes the table as wide as the look allows.
pub(super) fn write(
    out: &mut dyn Write,
    look: &Appearance,
    columns: &[Column],
    rows: Vec<Vec<Cell>>,
) -> io::Result<Shown> {
    let widths = natural_widths(columns, &rows);
    let plan = Plan::new(columns, &widths, look.width.map(usize::from));
    let rows: Vec<_> = rows.into_iter().map(|row| plan.apply(row)).collect();
    let titles: Vec<_> = plan.visible(columns.iter()).map(|column| column.title).collect();

    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(titles);
    table.add_rows(rows.iter().map(|row| row.iter().map(Cell::text).collect::<Vec<_>>()));
    for column in table.column_iter_mut() {
        column.set_padding((0, u16::try_from(GAP).unwrap_or(u16::MAX)));
    }

    let mut lines = table.lines();
    if let Some(header) = lines.next() {
        writeln!(out, "{}", header.trim_end())?;
    }
    for (line, row) in lines.zip(&rows) {
        let line = if look.color { colored(&line, row) } else { line };
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(Shown { hidden: plan.hidden(columns) })
}

/// The widths at which nothing is cut.
fn natural_widths(columns: &[Column], rows: &[Vec<Cell>]) -> Vec<usize> {
    let cells = |at: usize| rows.iter().filter_map(move |row| row.get(at));
    let widest = |at| cells(at).map(Cell::width).max().unwrap_or(0);
    columns.iter().enumerate().map(|(at, column)| widest(at).max(width(column.title))).collect()
}

/// The line of a row with the heads of its cells painted. comfy-table cannot do this without taking escape
/// sequences for text, so they are put in afterwards: each head is looked for behind the one before it.
fn colored(line: &str, row: &[Cell]) -> String {
    let mut painted = String::with_capacity(line.len() + 32);
    let mut rest = line;
    for cell in row {
        let Some((before, after)) = rest.split_once(cell.head.as_str()) else {
            break;
        };
        painted += before;
        painted +=
            &if cell.style.is_plain() { cell.head.clone() } else { paint(cell.style, &cell.head) };
        let (tail, after) = after.split_at_checked(cell.tail.len()).unwrap_or((after, ""));
        painted += tail;
        rest = after;
    }
    painted + rest
}

/// Which columns are shown, and how wide those become that may be cut.
struct Plan {
    shown: Vec<bool>,
    cut_to: Vec<Option<usize>>,
}

impl Plan {
    fn new(columns: &[Column], widths: &[usize], limit: Option<usize>) -> Self {
        let mut plan = Self { shown: vec![true; columns.len()], cut_to: vec![None; columns.len()] };
        let Some(limit) = limit else { return plan };
        let floor = |column: &Column, natural: usize| match column.room {
            Room::Cut => natural.min(CUT_FLOOR),
            Room::Keep | Room::Drop(_) => natural,
        };
        let least: Vec<_> = columns.iter().zip(widths).map(|(c, width)| floor(c, *width)).collect();
        let mut droppable: Vec<_> = columns
            .iter()
            .enumerate()
            .filter_map(|(at, column)| match column.room {
                Room::Drop(rank) => Some((rank, at)),
                Room::Keep | Room::Cut => None,
            })
            .collect();
        droppable.sort_unstable();
        for (_, at) in droppable {
            if plan.total(&least) <= limit {
                break;
            }
            if let Some(shown) = plan.shown.get_mut(at) {
                *shown = false;
            }
        }
        // The first that may be cut gives way before the next, and none goes below its least before all have.
        let mut excess = plan.total(widths).saturating_sub(limit);
        let cut =
            || columns.iter().enumerate().filter(|(_, c)| c.room == Room::Cut).map(|(at, _)| at);
        let mut widths = widths.to_vec();
        for (at, least) in
            cut().map(|at| (at, least.get(at).copied())).chain(cut().map(|at| (at, Some(0))))
        {
            if let (Some(width), Some(cut_to)) = (widths.get_mut(at), plan.cut_to.get_mut(at)) {
                let given = width.saturating_sub(least.unwrap_or(0)).min(excess);
                *width -= given;
                excess -= given;
                *cut_to = Some(*width);
            }
        }
        plan
    }

    /// How wide the shown columns are together.
    fn total(&self, widths: &[usize]) -> usize {
        let shown = self.visible(widths.iter());
        shown.map(|width| width + GAP).sum::<usize>().saturating_sub(GAP)
    }

    fn visible<I: Iterator>(&self, items: I) -> impl Iterator<Item = I::Item> {
        items.zip(&self.shown).filter(|(_, shown)| **shown).map(|(item, _)| item)
    }

    fn apply(&self, mut row: Vec<Cell>) -> Vec<Cell> {
        for (cell, cut_to) in row.iter_mut().zip(&self.cut_to) {
            if let Some(columns) = cut_to {
                cell.cut(*columns);
            }
        }
        self.visible(row.into_iter()).collect()
    }

    fn hidden(&self, columns: &[Column]) -> Vec<&'static str> {
        let hidden = columns.iter().zip(&self.shown).filter(|(_, shown)| !**shown);
        hidden.map(|(column, _)| column.title).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column { title: "PORT", room: Room::Keep },
        Column { title: "FIRST", room: Room::Drop(0) },
        Column { title: "SECOND", room: Room::Drop(1) },
        Column { title: "WHY", room: Room::Cut },
    ];

    fn shown(look: Appearance) -> (String, Vec<&'static str>) {
        let bold = Style::new().bold();
        let row = |port: &str, tail: &str| {
            vec![
                Cell::styled(bold, port),
                Cell::plain("日本"),
                Cell::plain(port),
                Cell::styled(bold, "no").with_tail(tail.to_owned()),
            ]
        };
        let rows = vec![row("22", ": because it is not so"), row("1", "")];
        let mut out = Vec::new();
        let shown = write(&mut out, &look, &COLUMNS, rows).unwrap();
        (String::from_utf8(out).unwrap(), shown.hidden)
    }

    #[test]
    fn without_a_limit_everything_is_shown() {
        let (text, hidden) = shown(Appearance::default());
        insta::assert_snapshot!(text, @"
        PORT  FIRST  SECOND  WHY
        22    日本   22      no: because it is not so
        1     日本   1       no
        ");
        assert!(hidden.is_empty());
    }

    #[test]
    fn the_tail_is_cut_before_columns_are_dropped() {
        let (text, hidden) = shown(Appearance { width: Some(42), ..Appearance::default() });
        insta::assert_snapshot!(text, @"
        PORT  FIRST  SECOND  WHY
        22    日本   22      no: because it is no…
        1     日本   1       no
        ");
        assert!(hidden.is_empty());
    }

    #[test]
    fn columns_are_dropped_by_rank_and_the_head_is_never_cut() {
        let (_, hidden) = shown(Appearance { width: Some(34), ..Appearance::default() });
        assert_eq!(hidden, ["FIRST"]);
        let (text, hidden) = shown(Appearance { width: Some(1), ..Appearance::default() });
        insta::assert_snapshot!(text, @"
        PORT  WHY
        22    no
        1     no
        ");
        assert_eq!(hidden, ["FIRST", "SECOND"]);
    }

    #[test]
    fn no_line_is_wider_than_the_limit_while_the_kept_cells_fit() {
        for limit in 14..80 {
            let (text, _) = shown(Appearance { width: Some(limit), ..Appearance::default() });
            assert!(text.lines().all(|line| width(line) <= limit.into()), "{limit}: {text}");
            assert_eq!(text.lines().count(), 3, "{limit}: {text}");
        }
    }

    #[test]
    fn colour_goes_around_the_heads_only() {
        let (text, _) = shown(Appearance { color: true, ..Appearance::default() });
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "PORT  FIRST  SECOND  WHY");
        assert_eq!(
            lines[1],
            "\x1b[1m22\x1b[0m    日本   22      \x1b[1mno\x1b[0m: because it is not so"
        );
    }
}
