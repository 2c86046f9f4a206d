//! A plain table, as all tables here look.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// An empty table in the house's style.
pub(super) fn styled() -> Table {
    let mut table = Table::new();
    // The junction makes one blank between columns; padding makes the others.
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('-').junction('-')))
        .set_content_arrangement(ContentArrangement::Disabled)
        .enforce_styling();
    table.style_text_only();
    table
}

/// Puts `gap` blanks between the columns.
pub(super) fn space(table: &mut Table, gap: u16) {
    let last = table.column_count().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { gap.saturating_sub(1) }));
    }
}

/// The width of a table that nothing limits.
pub(super) fn natural_width(table: &Table, gap: u16) -> usize {
    let contents = table.column_max_content_widths();
    let gaps = usize::from(gap) * contents.len().saturating_sub(1);
    contents.into_iter().map(usize::from).sum::<usize>() + gaps
}

/// Cells under headings, in as much room as there is; numbers stand at the right.
///
/// A heading that begins with `>` is one of numbers.
pub(crate) fn lines<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: Option<u16>,
) -> String {
    let align = |index: usize, cell: Cell| {
        if headings[index].starts_with('>') { cell.set_alignment(CellAlignment::Right) } else { cell }
    };
    let cells = |texts: Vec<String>| -> Vec<Cell> {
        texts.into_iter().enumerate().map(|(index, text)| align(index, Cell::new_owned(text))).collect()
    };
    let mut table = styled();
    table.set_header(cells(headings.map(|heading| heading.trim_start_matches('>').to_owned()).into()));
    for row in rows {
        table.add_row(cells(row.into()));
    }
    let room = width.map_or(usize::MAX, usize::from);
    let gap = [3, 2, 1].into_iter().find(|&gap| natural_width(&table, gap) <= room);
    space(&mut table, gap.unwrap_or(1));
    if let (None, Some(width)) = (gap, width) {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.trim_fmt()
}

/// A sentence on as many lines as it takes.
pub(super) fn wrap(sentence: &str, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).add_row([sentence]);
    if let Some(width) = width {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 0));
    }
    table.trim_fmt()
}
