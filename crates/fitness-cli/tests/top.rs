//! `top` in a pseudo-terminal, with a live service and with a store. The tests wait for text on the screen.
#![cfg(unix)]

mod common;
#[path = "top/live_service.rs"]
mod live_service;
#[path = "top/store_file.rs"]
mod store_file;
#[path = "top/terminal.rs"]
mod terminal;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use common::{ldk_fitness, stderr};
use fitness_core::NodeId;
use live_service::{LiveService, peer};
use rustix::process::Signal;
use store_file::create_store;
use terminal::Terminal;

const OBSERVER: NodeId = NodeId([3; 33]);

/// The escape sequences of keys.
const ENTER: &str = "\r";
const ESCAPE: &str = "\x1b";
const DOWN: &str = "\x1b[B";
const RIGHT: &str = "\x1b[C";
const END: &str = "\x1b[F";
const BACKSPACE: &str = "\x7f";
const CTRL_C: &str = "\x03";
const CTRL_L: &str = "\x0c";
const F4: &str = "\x1bOS";
const F6: &str = "\x1b[17~";
const F10: &str = "\x1b[21~";

fn is_not_live(screen: &str) -> bool {
    screen.to_lowercase().contains("not live")
}

/// Returns the heading of the sorted column, which ends in `v` or `^`.
fn sorted_heading(screen: &str) -> Option<&str> {
    let headings = screen.lines().find(|line| line.starts_with("S PEER"))?;
    headings.split_whitespace().find(|heading| heading.ends_with(['v', '^']))
}

/// Returns whether the help is shown. Only the help lists Ctrl-L.
fn shows_help(screen: &str) -> bool {
    screen.contains("Ctrl-L")
}

#[test]
fn live_service_updates_the_screen() {
    let service = LiveService::new(3);
    let mut top = Terminal::run(&["top", &service.url()], 100, 24, &[]);
    let modes = top.modes();
    top.wait_for("the list", |screen| screen.contains("live") && screen.contains("● 3 online"));
    service.disconnect(1);
    top.wait_for("a peer is offline", |screen| {
        screen.contains("● 2 online  ○ 1 offline")
            && screen.lines().nth(4).is_some_and(|line| line.starts_with('○'))
    });
    service.open_channel(7);
    top.wait_for("a new peer", |screen| screen.contains("4 peers"));
    assert_ne!(top.modes(), modes, "raw mode");

    top.press(ENTER);
    top.wait_for("the peer's page", |screen| {
        screen.contains(&peer(1).to_string()) && screen.contains("[24h]")
    });
    let has_outage = |screen: &str| screen.lines().any(|line| line.starts_with("20"));
    top.wait_for("the outage", has_outage);
    service.connect(1);
    top.wait_for("the peer is online", |screen| screen.lines().any(|line| line.starts_with("online")));
    top.press(RIGHT);
    top.wait_for("the next window", |screen| screen.contains("[7d]"));
    top.press(BACKSPACE);
    top.wait_for("the list again", |screen| screen.contains("4 peers"));
    top.press("q");
    assert_eq!(top.wait_for_exit(), Some(0));
    assert!(!top.is_modified(), "the screen and the cursor are restored");
    assert_eq!(top.modes(), modes, "the modes are restored");
}

#[test]
fn unreachable_service_keeps_the_last_data_until_it_is_back() {
    let mut service = LiveService::new(3);
    let mut top = Terminal::run(&["top", &service.url()], 110, 24, &[]);
    top.wait_for("the list", |screen| screen.contains("● 3 online") && screen.contains(" live"));
    service.stop_server();
    top.wait_for("not live, with the last data", |screen| {
        is_not_live(screen) && screen.contains("● 3 online")
    });
    service.disconnect(2);
    service.start_server();
    top.wait_for("live again", |screen| {
        !is_not_live(screen) && screen.contains("live") && screen.contains("○ 1 offline")
    });
    service.connect(2);
    top.wait_for("an update", |screen| screen.contains("● 3 online"));
    top.press(CTRL_C);
    assert_eq!(top.wait_for_exit(), Some(0));
}

#[test]
fn access_requires_the_token() {
    let service = LiveService::with_token(2, "correct-horse-battery");
    let url = service.url();
    let token = [("LDK_FITNESS_TOKEN", "correct-horse-battery")];
    let mut top = Terminal::run(&["top", &url], 80, 24, &token);
    top.wait_for("the list", |screen| screen.contains("● 2 online"));
    top.signal(Signal::TERM);
    assert_eq!(top.wait_for_exit(), Some(0));
    assert!(!top.is_modified());

    let directory = tempfile::tempdir().expect("create a directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "wrong-horse-battery\n").expect("write the token");
    let args = ["top", &url, "--token-file", &token.display().to_string()];
    let mut top = Terminal::run(&args, 80, 24, &[]);
    top.wait_for("an error", |screen| screen.contains("error: "));
    assert_eq!(top.wait_for_exit(), Some(2));
}

#[test]
fn store_is_shown_at_every_size() {
    let directory = tempfile::tempdir().expect("create a directory");
    for peers in [0, 1, 5_000] {
        let store = create_store(directory.path(), peers);
        let mut top = Terminal::run(&["top", &store], 40, 12, &[]);
        for (columns, rows) in [(40, 12), (80, 24), (120, 40), (200, 50), (10, 3), (80, 24)] {
            top.resize(columns, rows);
            let size = format!("{columns}x{rows} with {peers} peers");
            // The last line is drawn last.
            top.wait_for(&size, |screen| {
                let lines: Vec<&str> = screen.lines().collect();
                lines.len() == usize::from(rows)
                    && (rows < 4 || lines.last().is_some_and(|line| line.starts_with("F1")))
            });
            if columns >= 40 && peers > 0 {
                top.wait_for(&size, |screen| screen.contains("~") && screen.contains('%'));
            }
            top.print(&size);
        }
        if peers == 5_000 {
            top.wait_for("all peers", |screen| {
                ["5,000", "● 2,500 online", "○ 2,500 offline"].iter().all(|part| screen.contains(part))
            });
            top.press(END);
            top.wait_for("the last peer, online and with its strip", |screen| {
                screen.lines().nth(22).is_some_and(|line| line.starts_with("● ") && line.contains("███~██"))
            });
            top.press("\\0202020202020202020202020202020202020202020202020202020202000000ff");
            top.wait_for("the filter prompt", |screen| screen.contains("Filter: 0202"));
            top.press(ENTER);
            top.wait_for("the filtered list", |screen| screen.contains("1 of 5,000"));
            top.press(ESCAPE);
            top.wait_for("all peers again", |screen| !screen.contains("1 of 5,000"));
        }
        let default_heading = sorted_heading(&top.text()).expect("a sorted column").to_owned();
        top.press(F6);
        top.wait_for("the sort menu", |screen| screen.contains("Sort by"));
        top.press(DOWN);
        top.press(ENTER);
        top.wait_for("the list sorted by the next column", |screen| {
            sorted_heading(screen).is_some_and(|heading| heading != default_heading && heading.ends_with('v'))
        });
        top.press("I");
        let is_reversed = |screen: &str| sorted_heading(screen).is_some_and(|heading| heading.ends_with('^'));
        top.wait_for("the list in reverse order", is_reversed);
        top.press("h");
        top.wait_for("the help", shows_help);
        top.press(ESCAPE);
        top.wait_for("the list without the help", |screen| !shows_help(screen) && is_reversed(screen));
        // The screen is drawn from top to bottom: the lines above the headings are complete.
        let third_line = top.text().lines().nth(2).map(str::to_owned);
        top.write_over("\x1b[3;1Hwall: system shutdown");
        assert!(top.text().contains("system shutdown"));
        top.press(CTRL_L);
        top.wait_for("the redrawn list", |screen| screen.lines().nth(2) == third_line.as_deref());
        top.press(F4);
        top.wait_for("the filter prompt", |screen| screen.contains("Filter:"));
        top.press("q");
        top.wait_for("the typed text", |screen| screen.contains("Filter: q"));
        top.press(F10);
        assert_eq!(top.wait_for_exit(), Some(0));
        assert!(!top.is_modified());
    }
}

#[test]
fn service_with_stored_history_is_shown_as_of_its_last_heartbeat() {
    let directory = tempfile::tempdir().expect("create a directory");
    let store = create_store(directory.path(), 6);
    let mut server = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
        .args(["report", &store, "--listen", "127.0.0.1:0"])
        .env_remove("LDK_FITNESS_TOKEN")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the program");
    let stderr = BufReader::new(server.stderr.take().expect("a pipe"));
    let mut words = stderr
        .lines()
        .map_while(Result::ok)
        .flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let url = words.find(|word| word.starts_with("http://")).expect("the address");
    let mut top = Terminal::run(&["top", &url], 100, 24, &[]);
    top.wait_for("the time of the last heartbeat", |screen| {
        screen.contains("2026-01-01 10:00:00") && screen.contains("○ 3 offline")
    });
    server.kill().and_then(|()| server.wait()).expect("stop the server");
    top.wait_for("the loss of the connection", is_not_live);
    top.press("q");
    assert_eq!(top.wait_for_exit(), Some(0));
}

#[test]
fn colours_and_unicode_can_be_disabled() {
    let directory = tempfile::tempdir().expect("create a directory");
    let store = create_store(directory.path(), 4);
    let mut coloured = Terminal::run(&["top", &store], 80, 24, &[]);
    coloured.wait_for("the list with colours", |screen| screen.contains("● 2 online"));
    assert!(coloured.has_colours());
    let mut plain = Terminal::run(&["top", &store], 80, 24, &[("NO_COLOR", "1"), ("LC_ALL", "C")]);
    plain.wait_for("the plain list", |screen| {
        screen.contains("+ 2 online  - 2 offline") && screen.contains("#~##") && screen.contains("_")
    });
    assert!(!plain.has_colours());
    assert!(plain.text().is_ascii(), "{}", plain.text());
    for mut top in [coloured, plain] {
        top.press("q");
        assert_eq!(top.wait_for_exit(), Some(0));
    }
}

#[test]
fn invalid_sources_and_options_are_reported_before_drawing() {
    let directory = tempfile::tempdir().expect("create a directory");
    let store = create_store(directory.path(), 1);
    let assert_rejected = |args: &[&str], part: &str| {
        let output = ldk_fitness().arg("top").args(args).output().expect("run the program");
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(message.contains(part), "{args:?}: {message}");
        assert!(output.stdout.is_empty() && !message.contains("hunter2"), "{message}");
    };
    // Standard output is a pipe.
    assert_rejected(&[&store], "terminal");
    assert_rejected(&["http://me:hunter2@127.0.0.1:1"], "password");
    assert_rejected(&["ftp://x"], "sqlite:PATH");
    assert_rejected(&[&store, "--token-file", "x"], "--token-file");
    assert_rejected(&["http://127.0.0.1:1", "--observer", &OBSERVER.to_string()], "--observer");
    assert_rejected(&["http://127.0.0.1:1", "--aliases", "x"], "--aliases");
    assert_rejected(&["/nowhere/x.redb"], "/nowhere/x.redb");
}

#[test]
fn unreachable_service_is_reported() {
    // No server listens on port 1.
    let mut top = Terminal::run(&["top", "http://127.0.0.1:1"], 80, 24, &[]);
    top.wait_for("an error", |screen| screen.contains("error: ") && screen.contains("127.0.0.1:1"));
    assert_eq!(top.wait_for_exit(), Some(1));
}
