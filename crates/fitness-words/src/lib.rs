//! Text formatting shared by the command-line tables, the dashboard and the terminal view: durations,
//! percentages, counts, dates, ids, and names that strangers chose.
//!
//! ```
//! assert_eq!(fitness_words::duration(76 * 3_600_000_000_000), "3d 04h");
//! assert_eq!(fitness_words::percent(9_995, 10_000), "99.95%");
//! assert_eq!(fitness_words::sanitize("safe\u{202e}gnp.exe").as_deref(), Some("safe\u{fffd}gnp.exe"));
//! ```

mod datetime;
mod number;
mod text;

pub use datetime::{datetime, gap_cause, rfc3339};
pub use number::{NA, coarse_duration, duration, group_digits, or_na, percent, pluralize, ratio_percent};
pub use text::{sanitize, sanitize_line, shorten_id};
