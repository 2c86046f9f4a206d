//! Numbers, moments and names as people read them, the same in the program's tables, on the dashboard and
//! in the terminal view.
//!
//! ```
//! assert_eq!(fitness_words::duration(76 * 3_600_000_000_000), "3d 04h");
//! assert_eq!(fitness_words::share(9_995, 10_000), "99.95 %");
//! assert_eq!(fitness_words::harmless("safe\u{202e}gnp.exe").as_deref(), Some("safe\u{fffd}gnp.exe"));
//! ```

mod moment;
mod name;
mod number;

pub use moment::{datetime, gap_cause, rfc3339};
pub use name::{sanitize, sanitize_line, shorten_id};
pub use number::{NA, coarse_duration, duration, group_digits, or_na, percent, pluralize, ratio_percent};
