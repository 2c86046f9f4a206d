//! Above the list: whom we ask, how many peers there are, and when we ourselves were gone.

use fitness_core::{Presence, Timestamp};
use ratatui::style::Style;

use super::Screen;
use crate::api::{Coverage, GapTotals};
use crate::layout::{Layout, TALL};
use crate::model::{Link, Model};
use crate::text;

pub(super) fn draw(screen: &mut Screen<'_>, model: &Model, layout: &Layout) {
    if layout.header == 0 {
        return;
    }
    let width = screen.area.width;
    title(screen, model, 0);
    if layout.header > 1 {
        counts(screen, model, 1, layout.header == 2);
    }
    if let Some(alarm) = alarm(model).filter(|_| layout.header > 2) {
        let style = screen.look.alarm();
        screen.put(0, layout.header - 1, width, &alarm, style);
    }
    if screen.area.height >= TALL {
        coverage(screen, model, 2);
    }
}

/// Whether it is live, and as of when where it is not.
pub(super) fn state(model: &Model) -> (String, bool) {
    match &model.link {
        _ if !model.is_begun() => ("asking".to_owned(), true),
        Link::Lost { since, .. } => (format!("not live since {}", text::datetime(*since)), false),
        Link::Live if model.at_rest && model.clock == Timestamp::EPOCH => {
            ("at rest, and empty".to_owned(), true)
        }
        Link::Live if model.at_rest => (format!("at rest, as of {}", text::datetime(model.clock)), true),
        Link::Live => ("live".to_owned(), true),
    }
}

/// The same in a word.
fn state_word(model: &Model) -> &'static str {
    match &model.link {
        _ if !model.is_begun() => "asking",
        Link::Lost { .. } => "not live",
        Link::Live if model.at_rest => "at rest",
        Link::Live => "live",
    }
}

fn title(screen: &mut Screen<'_>, model: &Model, y: u16) {
    let (mut state, is_well) = state(model);
    let look = screen.look;
    let style = if is_well { look.good() } else { look.alarm() };
    let width = screen.area.width;
    if width < 60 {
        state_word(model).clone_into(&mut state);
    }
    let taken = u16::try_from(text::width(&state)).unwrap_or(width).min(width);
    let room = width.saturating_sub(taken + 1);
    let mut title = format!("ldk-fitness  {}", model.place);
    let observer = model.service.as_ref().map(|service| service.health.observer);
    if let Some(observer) = observer {
        let with = format!("{title}  node {}", text::short(&observer, 8, look.gap()));
        if text::width(&with) <= room.into() {
            title = with;
        }
    }
    screen.put(0, y, room, &title, look.bold());
    screen.put_right(width - taken, y, taken, &state, style);
}

/// How many peers there are; and how well we watched, where that has no line of its own.
fn counts(screen: &mut Screen<'_>, model: &Model, y: u16, is_short: bool) {
    let look = screen.look;
    let counts = model.list.counts();
    let plain = Style::new();
    let gone = is_gone(model);
    let mut x = 0;
    if screen.area.width >= 60 {
        let peers = format!("{}: ", text::counted(model.list.all(), "peer"));
        x = screen.put_all(x, y, &[(&peers, plain)]);
    }
    let each = [
        (Presence::Online, counts.online, "online"),
        (Presence::Offline, counts.offline, "offline"),
        (Presence::Unobserved, counts.unobserved, "unobserved"),
    ];
    for (presence, number, word) in each {
        let style = look.state_style(presence);
        let number = format!(" {}", text::count(number));
        x = screen.put_all(x, y, &[(look.state(presence, gone), style), (&number, plain)]);
        let word = if screen.area.width >= 60 { format!(" {word}  ") } else { " ".to_owned() };
        x = screen.put_all(x, y, &[(&word, plain)]);
    }
    let Some(service) = &model.service else { return };
    if is_short {
        if let Some(coverage) = &service.health.coverage {
            let share = format!("watched {}", text::percent(coverage.monitored_ns, coverage.lifetime_ns));
            screen.put_all(x, y, &[(&share, plain)]);
        }
    } else {
        let channels = text::counted(service.health.channels, "channel");
        screen.put_all(x, y, &[(&channels, plain)]);
    }
}

/// How long we watched, and how often we were gone and why.
fn coverage(screen: &mut Screen<'_>, model: &Model, y: u16) {
    let width = screen.area.width;
    let coverage = model.service.as_ref().and_then(|service| service.health.coverage.as_ref());
    let Some(coverage) = coverage else {
        screen.put(0, y, width, "Nothing was observed yet", Style::new());
        return;
    };
    screen.put(0, y, width, &in_words(coverage), Style::new());
}

pub(super) fn in_words(coverage: &Coverage) -> String {
    let Coverage {
        lifetime_ns,
        monitored_ns,
        not_running: down,
        suspended,
        network_down: network_out,
        paused,
        ..
    } = coverage;
    let (watched, of) = (text::percent(*monitored_ns, *lifetime_ns), text::duration(*lifetime_ns));
    let named = [(down, "down"), (suspended, "suspended"), (network_out, "network out"), (paused, "paused")];
    let gaps = named.into_iter().filter(|(sums, _)| sums.count > 0).map(|(sums, name)| {
        let GapTotals { count, length_ns } = sums;
        format!("{name} {count}x {}", text::duration(*length_ns))
    });
    let gaps: Vec<String> = gaps.collect();
    if gaps.is_empty() {
        format!("We watched {watched} of {of}, and were never gone")
    } else {
        format!("We watched {watched} of {of}; gone: {}", gaps.join(", "))
    }
}

/// Whether we cannot tell at this moment.
pub(super) fn is_gone(model: &Model) -> bool {
    ongoing(model).is_some()
}

fn ongoing(model: &Model) -> Option<crate::api::OwnGap> {
    model.service.as_ref()?.health.coverage.as_ref()?.ongoing_gap
}

/// What somebody should see to, if anything: the worst of it.
pub(crate) fn alarm(model: &Model) -> Option<String> {
    if let Link::Lost { why, since } = &model.link {
        let ago = text::duration(model.clock.nanos_since(*since));
        return Some(format!("Not live for {ago}: {why}"));
    }
    if let Some(gap) = ongoing(model) {
        let (since, cause) = (text::datetime(gap.from_ns), text::cause(gap.cause));
        return Some(format!("We cannot tell since {since}: {cause}. It counts for nobody"));
    }
    let health = &model.service.as_ref()?.health;
    if !health.running && !health.archived {
        return Some("The service has stopped, and follows nobody any more".to_owned());
    }
    let store = &health.store;
    let failure = store.last_error.as_ref().filter(|_| store.consecutive_failures > 0)?;
    let error = text::harmless(&failure.error).unwrap_or_default();
    Some(format!("The service cannot store, and goes on trying: {error}"))
}
