//! Positions and widths on a screen of a given size. What does not fit is omitted, the least important first.

use crate::model::{Column, Model};

/// The columns other than presence and alias, the most important first.
const PRIORITY: [Column; 9] = [
    Column::Availability,
    // The shortest strip comes here.
    Column::InState,
    Column::Disconnects,
    // The strip grows to a day here.
    Column::Flaps,
    Column::Channels,
    Column::Uptime,
    Column::Observed,
    Column::LastFlap,
    Column::Tracked,
];

/// How many of these columns come before the shortest strip, and before a strip of a day.
const BEFORE_STRIP: usize = 1;
const BEFORE_DAY: usize = 3;

/// The possible lengths of a strip in hours. Each hour is one mark.
const STRIP_HOURS: [u16; 5] = [12, 24, 36, 48, 72];
const DAY: u16 = 24;

/// The width to which the alias column grows before the strip grows, and its maximum.
const ALIAS_WIDTH: u16 = 20;
const MAX_ALIAS_WIDTH: u16 = 66;

/// The minimum height for a separate line with the monitoring coverage.
pub(crate) const COVERAGE_HEIGHT: u16 = 16;

/// The layout of the peer list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The number of lines above the column headings.
    pub(crate) header: u16,
    /// Whether there are column headings and a key bar.
    pub(crate) has_headings: bool,
    pub(crate) has_key_bar: bool,
    rows: u16,
    /// The columns from left to right, each with its position and width.
    pub(crate) columns: Vec<(Column, u16, u16)>,
    /// The position of the strip.
    pub(crate) strip_x: u16,
    /// The length of the strip; 0 if it does not fit.
    pub(crate) strip_hours: u16,
}

impl Layout {
    pub(crate) fn new(model: &Model) -> Self {
        let (width, height) = model.size;
        let has_key_bar = height >= 4;
        let has_headings = height >= 3;
        let alert_lines = u16::from(crate::draw::alert(model).is_some());
        let header = match height {
            0..6 => u16::from(height >= 2),
            6..COVERAGE_HEIGHT => 2 + alert_lines,
            _ => 3 + alert_lines,
        };
        let rows = height.saturating_sub(header + u16::from(has_headings) + u16::from(has_key_bar));
        let (included, strip_hours, alias_width) = fit(width, model.list.sort);
        let mut columns = Vec::new();
        let (mut x, mut strip_x) = (0, 0);
        for column in Column::ALL {
            if included.contains(&column) {
                let width = if column == Column::Alias { alias_width } else { column.width() };
                columns.push((column, x, width));
                x += width + 1;
            }
            if column == Column::Availability && strip_hours > 0 {
                strip_x = x;
                x += strip_hours + 1;
            }
        }
        Self { header, has_headings, has_key_bar, rows, columns, strip_x, strip_hours }
    }

    /// Returns the number of visible peers.
    pub(crate) fn rows(&self) -> usize {
        self.rows.into()
    }
}

/// Returns the columns that fit into `width`, the length of the strip and the width of the alias column.
fn fit(width: u16, sort: Column) -> (Vec<Column>, u16, u16) {
    let mut included = vec![Column::Presence, Column::Alias];
    let mut free = width.saturating_sub(Column::Presence.width() + 1 + Column::Alias.width());
    let mut hours = 0;
    let take = |wanted: u16, free: &mut u16| {
        let fits = *free > wanted;
        *free = if fits { *free - wanted - 1 } else { *free };
        fits
    };
    // The sort column comes first, because it is the one that the user wants to see.
    let sort_column = PRIORITY.iter().filter(|column| **column == sort);
    let others = PRIORITY.iter().filter(|column| **column != sort);
    for (index, column) in sort_column.chain(others).enumerate() {
        if index == BEFORE_STRIP && take(STRIP_HOURS[0], &mut free) {
            hours = STRIP_HOURS[0];
        }
        if index == BEFORE_DAY && hours > 0 && take(DAY - hours - 1, &mut free) {
            hours = DAY;
        }
        if take(column.width(), &mut free) {
            included.push(*column);
        } else if index >= BEFORE_STRIP {
            break;
        }
    }
    let mut alias = Column::Alias.width();
    let widen = |alias: &mut u16, to: u16, free: &mut u16| {
        let more = to.saturating_sub(*alias).min(*free);
        (*alias, *free) = (*alias + more, *free - more);
    };
    widen(&mut alias, ALIAS_WIDTH, &mut free);
    if hours > 0 {
        let longest = STRIP_HOURS.into_iter().rev().find(|longer| *longer - hours <= free).unwrap_or(hours);
        (hours, free) = (longest, free - (longest - hours));
    }
    widen(&mut alias, MAX_ALIAS_WIDTH, &mut free);
    (included, hours, alias)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_within_the_screen_and_do_not_overlap() {
        for width in 0..300 {
            for sort in Column::ALL {
                let model = model(width, sort);
                let Layout { columns, strip_x, strip_hours, .. } = Layout::new(&model);
                let mut taken: Vec<(u16, u16)> =
                    columns.iter().map(|(_, x, width)| (*x, x + width)).collect();
                taken.extend((strip_hours > 0).then_some((strip_x, strip_x + strip_hours)));
                taken.sort_unstable();
                assert!(taken.windows(2).all(|pair| pair[0].1 < pair[1].0), "{width}: {taken:?}");
                let end = taken.last().map_or(0, |(_, end)| *end);
                assert!(end <= width.max(12), "{width}: {taken:?}");
                let has = |wanted| columns.iter().any(|(column, ..)| *column == wanted);
                // The sort column is shown as soon as it fits beside the presence and alias columns.
                let fits = width >= 12 + 1 + sort.width();
                assert!(!fits || has(sort), "{width}: the sort column {sort:?} is missing");
                let has_strip = strip_hours >= 12 && has(Column::Availability);
                assert!(width < 40 || has_strip || sort != Column::Availability);
            }
        }
    }

    #[test]
    fn wider_screens_show_more_columns_and_longer_strips() {
        let columns_and_hours = |width| {
            let layout = Layout::new(&model(width, Column::Availability));
            (layout.columns.len(), layout.strip_hours)
        };
        assert_eq!([40, 80, 120, 200].map(columns_and_hours), [(3, 12), (7, 24), (11, 24), (11, 72)]);
    }

    fn model(width: u16, sort: Column) -> Model {
        let mut model = Model::new(String::new(), (width, 24));
        model.list.sort = sort;
        model
    }
}
