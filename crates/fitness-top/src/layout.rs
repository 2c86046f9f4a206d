//! Where things stand on a screen of some size. What does not fit is left out, the least important first.

use crate::model::{Column, Model};

/// The columns beside name and state, the most important first.
const PRIORITY: [Column; 9] = [
    Column::Availability,
    // Here the strip comes, as short as it may be.
    Column::Since,
    Column::Disconnects,
    // And here it grows to a day.
    Column::Flaps,
    Column::Channels,
    Column::Uptime,
    Column::Observed,
    Column::LastFlap,
    Column::FirstSeen,
];

/// How many of those come before the strip, and before it is a day long.
const BEFORE_STRIP: usize = 1;
const BEFORE_DAY: usize = 3;

/// How many hours a strip may have; a mark each.
const HOURS: [u16; 5] = [12, 24, 36, 48, 72];
const DAY: u16 = 24;

/// How wide names get before anything else does, and at most.
const NAME: u16 = 20;
const LONG_NAME: u16 = 66;

/// From this height on our own coverage has a line of its own.
pub(crate) const TALL: u16 = 16;

/// The screen of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// How many lines stand above the headings.
    pub(crate) header: u16,
    /// Whether there are headings, and the bar of keys.
    pub(crate) has_headings: bool,
    pub(crate) has_bar: bool,
    rows: u16,
    /// The columns, their first place and their width, from left to right.
    pub(crate) columns: Vec<(Column, u16, u16)>,
    /// Where the strip begins, and how many hours it has; none where there is no room.
    pub(crate) strip: u16,
    pub(crate) hours: u16,
}

impl Layout {
    pub(crate) fn of(model: &Model) -> Self {
        let (width, height) = model.size;
        let has_bar = height >= 4;
        let has_headings = height >= 3;
        let alarms = u16::from(crate::draw::alarm(model).is_some());
        let header = match height {
            0..6 => u16::from(height >= 2),
            6..TALL => 2 + alarms,
            _ => 3 + alarms,
        };
        let rows = height.saturating_sub(header + u16::from(has_headings) + u16::from(has_bar));
        let (chosen, hours, name) = fit(width, model.list.sort);
        let mut columns = Vec::new();
        let (mut x, mut strip) = (0, 0);
        for column in Column::ALL {
            if chosen.contains(&column) {
                let wide = if column == Column::Name { name } else { column.width() };
                columns.push((column, x, wide));
                x += wide + 1;
            }
            if column == Column::Availability && hours > 0 {
                strip = x;
                x += hours + 1;
            }
        }
        Self { header, has_headings, has_bar, rows, columns, strip, hours }
    }

    /// How many peers are seen.
    pub(crate) fn rows(&self) -> usize {
        self.rows.into()
    }
}

/// The columns that fit into `width`, the hours of the strip, and the width of the name.
fn fit(width: u16, sort: Column) -> (Vec<Column>, u16, u16) {
    let mut chosen = vec![Column::State, Column::Name];
    let mut left = width.saturating_sub(Column::State.width() + 1 + Column::Name.width());
    let mut hours = 0;
    let take = |wanted: u16, left: &mut u16| {
        let fits = *left > wanted;
        *left = if fits { *left - wanted - 1 } else { *left };
        fits
    };
    // What they are sorted by is what somebody wants to see.
    let sorted = PRIORITY.iter().filter(|column| **column == sort);
    let others = PRIORITY.iter().filter(|column| **column != sort);
    for (place, column) in sorted.chain(others).enumerate() {
        if place == BEFORE_STRIP && take(HOURS[0], &mut left) {
            hours = HOURS[0];
        }
        if place == BEFORE_DAY && hours > 0 && take(DAY - hours - 1, &mut left) {
            hours = DAY;
        }
        if take(column.width(), &mut left) {
            chosen.push(*column);
        } else if place >= BEFORE_STRIP {
            break;
        }
    }
    let mut name = Column::Name.width();
    let widen = |name: &mut u16, to: u16, left: &mut u16| {
        let more = to.saturating_sub(*name).min(*left);
        (*name, *left) = (*name + more, *left - more);
    };
    widen(&mut name, NAME, &mut left);
    if hours > 0 {
        let longest = HOURS.into_iter().rev().find(|more| *more - hours <= left).unwrap_or(hours);
        (hours, left) = (longest, left - (longest - hours));
    }
    widen(&mut name, LONG_NAME, &mut left);
    (chosen, hours, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_beyond_the_edge_or_on_something_else() {
        for width in 0..300 {
            for sort in Column::ALL {
                let model = model(width, sort);
                let Layout { columns, strip, hours, .. } = Layout::of(&model);
                let mut taken: Vec<(u16, u16)> = columns.iter().map(|(_, x, wide)| (*x, x + wide)).collect();
                taken.extend((hours > 0).then_some((strip, strip + hours)));
                taken.sort_unstable();
                assert!(taken.windows(2).all(|pair| pair[0].1 < pair[1].0), "{width}: {taken:?}");
                let end = taken.last().map_or(0, |(_, end)| *end);
                assert!(end <= width.max(12), "{width}: {taken:?}");
                let sees = |wanted| columns.iter().any(|(column, ..)| *column == wanted);
                assert!(width < 21 || sees(sort), "{width}: {sort:?} is what they are sorted by");
                assert!(
                    width < 40 || (hours >= 12 && sees(Column::Availability) || sort != Column::Availability)
                );
            }
        }
    }

    #[test]
    fn the_wider_the_more() {
        let seen = |width| {
            let layout = Layout::of(&model(width, Column::Availability));
            (layout.columns.len(), layout.hours)
        };
        assert_eq!([40, 80, 120, 200].map(seen), [(3, 12), (7, 24), (11, 24), (11, 72)]);
    }

    fn model(width: u16, sort: Column) -> Model {
        let mut model = Model::new(String::new(), (width, 24));
        model.list.sort = sort;
        model
    }
}
