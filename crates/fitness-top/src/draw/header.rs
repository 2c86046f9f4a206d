//! The lines above the peer list: the source, the number of peers, the monitoring coverage and an alert.

use fitness_core::{Presence, Timestamp};
use ratatui::style::Style;

use super::Screen;
use crate::api::{Coverage, MonitoringGap};
use crate::layout::{COVERAGE_HEIGHT, Layout};
use crate::model::{FeedState, Model};
use crate::text;

/// The end of the state of stored history. The title omits it to make room for the location.
const NOT_LIVE_SUFFIX: &str = " (not live)";

pub(super) fn draw(screen: &mut Screen<'_>, model: &Model, layout: &Layout) {
    if layout.header == 0 {
        return;
    }
    let width = screen.area.width;
    draw_title(screen, model, 0);
    if layout.header > 1 {
        draw_counts(screen, model, 1, layout.header == 2);
    }
    if let Some(alert) = alert(model).filter(|_| layout.header > 2) {
        let style = screen.caps.alert();
        screen.put(0, layout.header - 1, width, &alert, style);
    }
    if screen.area.height >= COVERAGE_HEIGHT {
        draw_coverage(screen, model, 2);
    }
}

/// Returns the state of the data, such as `live`, and whether it is a normal state.
pub(super) fn data_state(model: &Model) -> (String, bool) {
    match &model.feed {
        _ if !model.has_data() => ("loading".to_owned(), true),
        FeedState::Disconnected { since, .. } => {
            (format!("not live since {}", text::datetime(*since)), false)
        }
        FeedState::Connected if model.is_archive && model.clock == Timestamp::EPOCH => {
            ("no stored history".to_owned(), true)
        }
        FeedState::Connected if model.is_archive => {
            (format!("stored history as of {}{NOT_LIVE_SUFFIX}", text::datetime(model.clock)), true)
        }
        FeedState::Connected => ("live".to_owned(), true),
    }
}

/// Returns a short form of [`data_state`] for narrow terminals.
fn short_data_state(model: &Model) -> &'static str {
    match &model.feed {
        _ if !model.has_data() => "loading",
        FeedState::Disconnected { .. } => "not live",
        FeedState::Connected if model.is_archive => "stored",
        FeedState::Connected => "live",
    }
}

fn draw_title(screen: &mut Screen<'_>, model: &Model, y: u16) {
    let (mut state, is_normal) = data_state(model);
    let caps = screen.caps;
    let style = if is_normal { caps.good() } else { caps.alert() };
    let width = screen.area.width;
    let mut title = format!("ldk-fitness  {}", model.location);
    if width < 60 {
        short_data_state(model).clone_into(&mut state);
    } else if text::width(&title) + 1 + text::width(&state) > width.into() {
        state.truncate(state.trim_end_matches(NOT_LIVE_SUFFIX).len());
    }
    let state_width = u16::try_from(text::width(&state)).unwrap_or(width).min(width);
    let available = width.saturating_sub(state_width + 1);
    let observer = model.service.as_ref().map(|service| service.health.observer);
    if let Some(observer) = observer {
        let with_observer = format!("{title}  node {}", text::shorten_id(&observer, 8, caps.ellipsis()));
        if text::width(&with_observer) <= available.into() {
            title = with_observer;
        }
    }
    screen.put(0, y, available, &title, caps.bold());
    screen.put_right(width - state_width, y, state_width, &state, style);
}

/// Draws the number of peers, followed by the monitoring coverage if `with_coverage`, or else the number of
/// channels.
fn draw_counts(screen: &mut Screen<'_>, model: &Model, y: u16, with_coverage: bool) {
    let caps = screen.caps;
    let counts = model.list.counts();
    let plain = Style::new();
    let in_gap = in_gap(model);
    let mut x = 0;
    if screen.area.width >= 60 {
        let peers = format!("{}: ", text::pluralize(model.list.total(), "peer", "peers"));
        x = screen.put_all(x, y, &[(&peers, plain)]);
    }
    let by_presence = [
        (Presence::Online, counts.online, "online"),
        (Presence::Offline, counts.offline, "offline"),
        (Presence::Unobserved, counts.unobserved, "unobserved"),
    ];
    for (presence, number, label) in by_presence {
        let style = caps.presence_style(presence);
        let number = format!(" {}", text::count(number));
        x = screen.put_all(x, y, &[(caps.presence(presence, in_gap), style), (&number, plain)]);
        let label = if screen.area.width >= 60 { format!(" {label}  ") } else { " ".to_owned() };
        x = screen.put_all(x, y, &[(&label, plain)]);
    }
    let Some(service) = &model.service else { return };
    if with_coverage {
        if let Some(coverage) = &service.health.coverage {
            let monitored = text::percent(coverage.monitored_ns, coverage.lifetime_ns);
            screen.put_all(x, y, &[(&format!("monitored {monitored}"), plain)]);
        }
    } else {
        let channels = text::pluralize(service.health.channels, "channel", "channels");
        screen.put_all(x, y, &[(&channels, plain)]);
    }
}

fn draw_coverage(screen: &mut Screen<'_>, model: &Model, y: u16) {
    let coverage = model.service.as_ref().and_then(|service| service.health.coverage.as_ref());
    let line = coverage.map_or_else(|| "No data yet".to_owned(), coverage_summary);
    screen.put(0, y, screen.area.width, &line, Style::new());
}

/// Describes how much of its lifetime the service monitored, and its gaps by cause.
fn coverage_summary(coverage: &Coverage) -> String {
    let Coverage { lifetime_ns, monitored_ns, not_running, suspended, network_down, paused, .. } = coverage;
    let by_cause = [
        (not_running, "not running"),
        (suspended, "suspended"),
        (network_down, "network down"),
        (paused, "paused"),
    ];
    let gaps = by_cause
        .into_iter()
        .filter(|(totals, _)| totals.count > 0)
        .map(|(totals, cause)| format!("{cause} {}x {}", totals.count, text::duration(totals.length_ns)));
    let gaps: Vec<String> = gaps.collect();
    let gaps = if gaps.is_empty() { "no gaps".to_owned() } else { format!("gaps: {}", gaps.join(", ")) };
    let (monitored, lifetime) = (text::percent(*monitored_ns, *lifetime_ns), text::duration(*lifetime_ns));
    format!("Monitored {monitored} of {lifetime}; {gaps}")
}

/// Whether a monitoring gap is ongoing.
pub(super) fn in_gap(model: &Model) -> bool {
    ongoing_gap(model).is_some()
}

fn ongoing_gap(model: &Model) -> Option<MonitoringGap> {
    model.service.as_ref()?.health.coverage.as_ref()?.ongoing_gap
}

/// Returns the most important problem that needs attention, if any.
pub(crate) fn alert(model: &Model) -> Option<String> {
    if let FeedState::Disconnected { reason, since } = &model.feed {
        let elapsed = text::duration(model.clock.nanos_since(*since));
        return Some(format!("Not live for {elapsed}: {reason}"));
    }
    if let Some(gap) = ongoing_gap(model) {
        let (since, cause) = (text::datetime(gap.from_ns), text::cause(gap.cause));
        return Some(format!("Monitoring gap since {since}: {cause} (not counted against any peer)"));
    }
    let health = &model.service.as_ref()?.health;
    if !health.running && !health.archived {
        return Some("The service has stopped; peers are no longer tracked".to_owned());
    }
    let store = &health.store;
    let failure = store.last_error.as_ref().filter(|_| store.consecutive_failures > 0)?;
    let error = text::sanitize(&failure.error).unwrap_or_default();
    Some(format!("The service cannot store changes and retries: {error}"))
}
