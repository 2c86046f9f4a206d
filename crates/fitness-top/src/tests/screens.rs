//! The main screens, as text.

use crossterm::event::KeyCode;
use ratatui::style::Color;

use super::support::{PLAIN, Seat, drawn, peer};
use crate::look::TerminalCapabilities;
use crate::model::{Message, News};

fn seen(seat: &Seat, expected: &str) {
    let screen = seat.screen(PLAIN);
    assert_eq!(screen.trim_end(), expected.trim(), "\n{screen}");
}

#[tokio::test]
async fn the_list_on_an_ordinary_terminal() {
    let mut seat = Seat::new(5, 80, 24).await;
    seat.resize(80, 10).await;
    seen(
        &seat,
        r"
ldk-fitness  fitness.redb  node 03030303…0303 at rest, as of 2026-01-02 06:00:00
5 peers: ● 4 online  ○ 1 offline  ? 0 unobserved  watched 96.67 %
S PEER                 AVAILv -24h                 now     FOR   LOST  FLAPS  CH
○ 0200000003020…0202  86.21 % ███████████████~███▁▁▁▁   4h 00m      1      1   1
● Shaky               95.40 % █████▆████████▆~█████▆█   1h 40m      4      7   1
● evil�[2J�name      100.00 % ███████████████~███████   7h 00m      0      0   1
● ビットコイン研究…  100.00 % ███████████████~███████   7h 00m      0      0   1
● 0200000004020…0202 100.00 % ███████████████~███████   7h 00m      0      0   1

F1Help F3Search F4Filter F6Sort IInvert F5Refresh EnterOpen F10Quit
",
    );
}

#[tokio::test]
async fn the_list_on_a_narrow_terminal() {
    let mut seat = Seat::new(5, 40, 12).await;
    seen(
        &seat,
        r"
ldk-fitness  fitness.redb        at rest
● 4 ○ 1 ? 0 watched 96.67 %
S PEER               AVAILv -12h     now
○ 02000000030…0202  86.21 % ███~███▁▁▁▁
● Shaky             95.40 % ██▆~█████▆█
● evil�[2J�name    100.00 % ███~███████
● ビットコイン研…  100.00 % ███~███████
● 02000000040…0202 100.00 % ███~███████



F1Help F3Search F4Filter F6Sort F10Quit
",
    );
    seat.press("\\s".chars().map(KeyCode::Char).chain([KeyCode::Enter])).await;
    seen(
        &seat,
        r"
ldk-fitness  fitness.redb        at rest
● 4 ○ 1 ? 0 watched 96.67 %
S PEER               AVAILv -12h     now
● Shaky             95.40 % ██▆~█████▆█







1 of 5: s  F1Help F6Sort F10Quit
",
    );
}

#[tokio::test]
async fn a_page() {
    let mut seat = Seat::new(5, 100, 28).await;
    seat.press([KeyCode::Down, KeyCode::Enter, KeyCode::Right, KeyCode::Right]).await;
    seen(
        &seat,
        r"
● Shaky
online for 1h 40m  since 2026-01-02 04:20:00 UTC  [at rest, as of 2026-01-02 06:00:00]
020000000202020202020202020202020202020202020202020202020202020202
availability 95.40 %  uptime 1d 03h  observed 1d 05h  followed for 1d 06h  lost 4 times
flaps 7 (last 1h 40m ago)

window        avail   lost   median    worst         uptime       observed  between
 24h        95.65 %      3  20m 00s  20m 00s        22h 00m        23h 00m   7h 20m
 7d         95.40 %      4  20m 00s  20m 00s         1d 03h         1d 05h   6h 55m
[30d]       95.40 %      4  20m 00s  20m 00s         1d 03h         1d 05h   6h 55m
 90d        95.40 %      4  20m 00s  20m 00s         1d 03h         1d 05h   6h 55m
 lifetime   95.40 %      4  20m 00s  20m 00s         1d 03h         1d 05h   6h 55m

                                                                                               █▇▇▇▇
-30d 00h                                                                                         now
A mark is 7h 12m: █ online  ▂ to ▇ in part  ▁ offline  · unobserved  ~ we were gone

channel               avail  usable   useful     uptime               opened            funding
000000020101…0101   95.40 %     n/a      n/a     1d 03h  2026-01-01 00:00:00    0202020202…02:1

Outages in the last 30d, theirs and ours: 5, the newest first
2026-01-02 04:00:00  2026-01-02 04:20:00  20m 00s  theirs    it was offline
2026-01-01 22:00:00  2026-01-01 23:00:00   1h 00m  ours      the wallet paused us
2026-01-01 21:00:00  2026-01-01 21:20:00  20m 00s  theirs    it was offline
2026-01-01 12:00:00  2026-01-01 12:20:00  20m 00s  theirs    it was offline
2026-01-01 05:00:00  2026-01-01 05:20:00  20m 00s  theirs    it was offline

F1Help <>Window F5Refresh EscBack F10Quit
",
    );
}

#[tokio::test]
async fn nobody_is_followed() {
    let seat = Seat::new(0, 80, 6).await;
    seen(
        &seat,
        r"
ldk-fitness  fitness.redb  node 03030303…0303                 at rest, and empty
0 peers: ● 0 online  ○ 0 offline  ? 0 unobserved
S PEER                 AVAILv -24h                 now     FOR   LOST  FLAPS  CH
No peer is followed: those with a channel are, and those that are watched

F1Help F3Search F4Filter F6Sort IInvert F5Refresh EnterOpen F10Quit
",
    );
}

#[tokio::test]
async fn ascii_alone_tells_the_same() {
    let mut seat = Seat::new(5, 80, 24).await;
    let ascii = TerminalCapabilities { unicode: false, colour: false };
    // Names are what they are.
    let screen = seat.screen(ascii).replace("ビットコイン研究所", "").replace('\u{fffd}', "");
    assert!(!screen.contains(['●', '○', '█', '▁', '…']), "{screen}");
    seat.press([KeyCode::Char('h')]).await;
    assert!(seat.screen(ascii).is_ascii());
}

#[tokio::test]
async fn nothing_is_coloured_where_it_may_not_be() {
    let mut seat = Seat::new(5, 80, 24).await;
    for keys in
        [&[][..], &[KeyCode::Enter], &[KeyCode::Char('h')], &[KeyCode::Esc, KeyCode::Esc, KeyCode::F(6)]]
    {
        seat.press(keys.iter().copied()).await;
        let is_plain = |look| {
            let buffer = drawn(&seat.model, look);
            buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
        };
        assert!(is_plain(PLAIN), "{keys:?}");
        assert!(!is_plain(TerminalCapabilities { unicode: true, colour: true }), "{keys:?}");
    }
}

#[tokio::test]
async fn what_is_not_live_says_so_and_stands_still() {
    let mut seat = Seat::new(5, 80, 24).await;
    seat.model.at_rest = false;
    let lost = News::Lost { silent_ns: 0, why: "no answer from http://x: refused".to_owned() };
    let before = seat.model.now();
    seat.model.update(Message::Told(lost));
    seat.model.update(Message::Tick(before.after_secs(3_600)));
    let screen = seat.screen(PLAIN);
    for part in [
        "not live since 2026-01-02 06:00:00",
        "Not live for 1h 00m: no answer from http://x: refused",
        "● 4 online",
        "4h 00m",
    ] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    assert_eq!(seat.model.now(), before, "what is known is as old as it is");
    seat.press([KeyCode::Enter]).await;
    assert!(seat.screen(PLAIN).contains("not live since"));
    seat.model.update(Message::Told(News::Live { at: before.after_secs(3_600) }));
    assert!(!seat.screen(PLAIN).contains("ot live"));
}

#[tokio::test]
async fn only_what_is_seen_is_asked_for() {
    let mut seat = Seat::new(5_000, 80, 24).await;
    assert_eq!(seat.model.list.strips.len(), 19, "a strip for each row");
    seat.press([KeyCode::End]).await;
    assert_eq!(seat.model.wants().strips.len(), 19);
    assert!(seat.model.wants().strips.contains(&peer(4_999)));
}
