//! Plain tables: the layout that all tables of the program share.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// Creates an empty table in the common style.
pub(super) fn styled() -> Table {
    let mut table = Table::new();
    // The junction is one space between columns; padding adds the others.
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('-').junction('-')))
        .set_content_arrangement(ContentArrangement::Disabled)
        .enforce_styling();
    table.style_text_only();
    table
}

/// Sets the space between columns to `gap` characters.
pub(super) fn set_gap(table: &mut Table, gap: u16) {
    let last = table.column_count().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { gap.saturating_sub(1) }));
    }
}

/// Returns the width of a table without line wrapping.
pub(super) fn natural_width(table: &Table, gap: u16) -> usize {
    let contents = table.column_max_content_widths();
    let gaps = usize::from(gap) * contents.len().saturating_sub(1);
    contents.into_iter().map(usize::from).sum::<usize>() + gaps
}

/// Formats a table that fits into `width`. A heading that starts with `>` aligns its column to the right.
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
    let available = width.map_or(usize::MAX, usize::from);
    let gap = [3, 2, 1].into_iter().find(|&gap| natural_width(&table, gap) <= available);
    set_gap(&mut table, gap.unwrap_or(1));
    if let (None, Some(width)) = (gap, width) {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.trim_fmt()
}

/// Wraps `text` into lines of at most `width` characters.
pub(super) fn wrap(text: &str, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).add_row([text]);
    if let Some(width) = width {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 0));
    }
    table.trim_fmt()
}
