//! Properties that hold for any sequence of messages and any peers.

use std::cmp::Ordering;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use fitness_core::{NodeId, Presence, Timestamp};
use proptest::prelude::*;

use super::support::{NO_COLOUR, drawn, peer};
use crate::api::{Health, Peer};
use crate::capabilities::TerminalCapabilities;
use crate::layout::Layout;
use crate::model::{Column, FeedUpdate, Message, Model, ServiceStatus, Strip};

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

fn any_peer() -> impl Strategy<Value = Peer> {
    let alias = proptest::option::of("(a|B|ビ|é|\u{1b}|\u{202e}| ){1,9}");
    let timestamp = || (0..2_000_000_000_u64).prop_map(Timestamp::from_secs);
    let presence = prop_oneof![Just(Presence::Online), Just(Presence::Offline), Just(Presence::Unobserved)];
    let numbers = (0..3_u32, proptest::option::of(timestamp()), 0..3_u32, 0..3_usize);
    (0..40_u32, alias, presence, timestamp(), numbers, timestamp(), 0..4_u64, 0..4_u64).prop_map(
        |(
            number,
            alias,
            presence,
            presence_since_ns,
            (flap_count, last_flap_ns, disconnects, channel_count),
            tracked_since_ns,
            a,
            b,
        )| Peer {
            node_id: peer(number),
            alias: alias.and_then(|alias| crate::text::sanitize(&alias)),
            presence,
            presence_since_ns,
            flap_count,
            last_flap_ns,
            disconnects,
            watched: false,
            untracked_at_ns: None,
            tracked_since_ns,
            observed_ns: a.max(b),
            uptime_ns: a.min(b),
            imported: None,
            channel_count,
            as_of: NOW,
        },
    )
}

fn service() -> Box<ServiceStatus> {
    let health = serde_json::json!({
        "observer": NodeId([3; 33]),
        "running": true,
        "now_ns": NOW,
        "channels": 0,
        "store": { "consecutive_failures": 1, "last_error": { "error": "full\u{1b}[2J" } },
        "coverage": null,
    });
    let health: Health = serde_json::from_value(health).expect("valid health JSON");
    Box::new(ServiceStatus { health, gaps: Vec::new() })
}

fn any_message() -> impl Strategy<Value = Message> {
    let codes = prop_oneof![
        proptest::sample::select(vec![
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Backspace,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::Tab,
        ]),
        (1..=12_u8).prop_map(KeyCode::F),
        any::<char>().prop_map(KeyCode::Char),
        proptest::sample::select("hs/\\nNI<>qgGb ".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
    ];
    let modifiers = prop_oneof![9 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL)];
    prop_oneof![
        20 => (codes, modifiers).prop_map(|(code, modifiers)| Message::Key(KeyEvent::new(code, modifiers))),
        3 => (0..130_u16, 0..40_u16).prop_map(|(columns, rows)| Message::Resized(columns, rows)),
        1 => (0..9_u64).prop_map(|secs| Message::Tick(NOW.after_secs(secs))),
        3 => proptest::collection::vec(any_peer(), 0..60)
            .prop_map(|peers| Message::Update(FeedUpdate::Snapshot { at: NOW, peers, service: service() })),
        2 => (any_peer(), any::<bool>()).prop_map(|(peer, is_tracked)| {
            let node_id = peer.node_id;
            let peer = is_tracked.then(|| Box::new(peer));
            Message::Update(FeedUpdate::Peer { at: NOW, node_id, peer })
        }),
        1 => (0..40_u32).prop_map(|number| {
            Message::Update(FeedUpdate::Strip { node_id: peer(number), strip: Strip::default() })
        }),
        1 => (0..40_u32).prop_map(|number| {
            Message::Update(FeedUpdate::Page { node_id: peer(number), result: Err("unknown".to_owned()) })
        }),
        1 => Just(()).prop_map(|()| {
            Message::Update(FeedUpdate::Disconnected { idle_ns: 5, reason: "timed out".to_owned() })
        }),
        1 => Just(()).prop_map(|()| Message::Update(FeedUpdate::Connected { at: NOW })),
    ]
}

proptest! {
    #[test]
    fn sorting_is_a_total_order(
        peers in (any_peer(), any_peer(), any_peer()),
        column in proptest::sample::select(Column::ALL.to_vec()),
        is_reversed: bool,
    ) {
        let compare = |a: &Peer, b: &Peer| column.compare(is_reversed, NOW, a, b);
        let (a, b, c) = &peers;
        prop_assume!(a.node_id != b.node_id && b.node_id != c.node_id && a.node_id != c.node_id);
        prop_assert_eq!(compare(a, a), Ordering::Equal);
        prop_assert_ne!(compare(a, b), Ordering::Equal, "different peers must not compare equal");
        prop_assert_eq!(compare(a, b), compare(b, a).reverse());
        if compare(a, b) == Ordering::Less && compare(b, c) == Ordering::Less {
            prop_assert_eq!(compare(a, c), Ordering::Less);
        }
    }

    #[test]
    fn unknown_values_come_last(peers in (any_peer(), any_peer()), is_reversed: bool) {
        let known = |peer: &Peer| (peer.alias.is_some(), peer.observed_ns > 0, peer.last_flap_ns.is_some());
        let (a, b) = (&peers.0, &peers.1);
        let columns = [Column::Alias, Column::Availability, Column::LastFlap];
        let of = |(name, availability, flap)| [name, availability, flap];
        let (of_a, of_b) = (of(known(a)), of(known(b)));
        // At the time of the response, because observed time is extrapolated after that.
        let now = a.as_of;
        for (column, (a_is, b_is)) in columns.into_iter().zip(of_a.into_iter().zip(of_b)) {
            if a_is != b_is {
                prop_assert_eq!(column.compare(is_reversed, now, a, b) == Ordering::Less, a_is);
            }
        }
    }

    #[test]
    fn any_messages_keep_the_cursor_visible_and_screens_clean(messages in proptest::collection::vec(any_message(), 1..60)) {
        let mut model = Model::new("http://x".to_owned(), (80, 24));
        for message in messages {
            let description = format!("{message:?}");
            model.update(message);
            let (cursor, count) = (model.list.cursor(), model.list.len());
            prop_assert!(cursor < count.max(1), "{cursor} of {count} after {description}");
            let rows = Layout::new(&model).rows();
            let selected = model.list.visible(rows).filter(|(_, is_selected)| *is_selected).count();
            prop_assert_eq!(selected, usize::from(count > 0 && rows > 0), "after {}", description);
            let below_top = model.list.visible(usize::MAX).count();
            prop_assert!(below_top >= rows.min(count), "unnecessary empty rows after {description}");
            let buffer = drawn(&model, NO_COLOUR);
            prop_assert!(buffer.content.iter().all(|cell| !cell.symbol().contains(char::is_control)));
            drawn(&model, TerminalCapabilities { unicode: false, colour: true });
        }
    }
}
