//! `top`, driven as somebody drives it: the real program in a pseudo-terminal, over a service that is served
//! and over a file. Whatever is waited for is waited for on the screen.
#![cfg(unix)]

mod common;
#[path = "top/served.rs"]
mod served;
#[path = "top/stored.rs"]
mod stored;
#[path = "top/terminal.rs"]
mod terminal;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use common::{ldk_fitness, stderr};
use fitness_core::NodeId;
use rustix::process::Signal;
use served::{Served, peer};
use stored::file;
use terminal::Terminal;

const US: NodeId = NodeId([3; 33]);

/// What the keys of a terminal send.
const ENTER: &str = "\r";
const ESCAPE: &str = "\x1b";
const DOWN: &str = "\x1b[B";
const END: &str = "\x1b[F";
const F4: &str = "\x1bOS";
const F6: &str = "\x1b[17~";

#[test]
fn a_service_is_seen_as_it_goes() {
    let served = Served::new(3);
    let mut top = Terminal::new(&["top", &served.address()], 100, 24, &[]);
    let before = top.modes();
    top.see("live at first", |screen| screen.contains("live") && screen.contains("● 3 online"));
    served.lose(1);
    top.see("somebody is lost", |screen| {
        screen.contains("● 2 online  ○ 1 offline")
            && screen.lines().nth(4).is_some_and(|line| line.starts_with('○'))
    });
    served.open(7);
    top.see("somebody came", |screen| screen.contains("4 peers"));
    assert_ne!(top.modes(), before, "the terminal is ours");

    top.press(ENTER);
    top.see("its page", |screen| screen.contains(&peer(1).to_string()) && screen.contains("[24h]"));
    top.see("its outage", |screen| screen.contains("theirs    it was offline"));
    served.find(1);
    top.see("it is back, on its page", |screen| {
        screen.contains("online for") && screen.contains("lost 1 time")
    });
    top.press("\x1b[C");
    top.see("another window", |screen| screen.contains("[7d]") && screen.contains("in the last 7d"));
    top.press("\x7f");
    top.see("back", |screen| screen.contains("4 peers"));
    top.press("q");
    assert_eq!(top.ends(), Some(0));
    assert!(!top.is_taken_over(), "the screen and the cursor are given back");
    assert_eq!(top.modes(), before, "and so is the line discipline");
}

#[test]
fn a_service_that_is_gone_is_waited_for() {
    let mut served = Served::new(3);
    let mut top = Terminal::new(&["top", &served.address()], 110, 24, &[]);
    top.see("live at first", |screen| screen.contains("● 3 online") && screen.contains(" live"));
    served.die();
    top.see("it is gone, and what was known stays", |screen| {
        screen.contains("not live since") && screen.contains("Not live for") && screen.contains("● 3 online")
    });
    served.lose(2);
    served.rise();
    top.see("it is back", |screen| {
        !screen.contains("ot live") && screen.contains("live") && screen.contains("○ 1 offline")
    });
    served.find(2);
    top.see("and live", |screen| screen.contains("● 3 online"));
    top.press("\x03");
    assert_eq!(top.ends(), Some(0));
}

#[test]
fn who_knows_the_token_may_look() {
    let served = Served::with_token(2, "correct-horse-battery");
    let address = served.address();
    let mut top =
        Terminal::new(&["top", &address], 80, 24, &[("LDK_FITNESS_TOKEN", "correct-horse-battery")]);
    top.see("it may", |screen| screen.contains("● 2 online"));
    // A kind request to end.
    top.signal(Signal::TERM);
    assert_eq!(top.ends(), Some(0));
    assert!(!top.is_taken_over());

    let directory = tempfile::tempdir().expect("a directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "wrong-horse-battery\n").expect("it can be written");
    let mut top =
        Terminal::new(&["top", &address, "--token-file", &token.display().to_string()], 80, 24, &[]);
    top.see("it may not", |screen| screen.contains("error: ") && screen.contains("--token-file"));
    assert_eq!(top.ends(), Some(2));
}

#[test]
fn a_file_is_seen_at_every_size() {
    let directory = tempfile::tempdir().expect("a directory");
    for peers in [0, 1, 5_000] {
        let file = file(directory.path(), peers);
        let mut top = Terminal::new(&["top", &file], 40, 12, &[]);
        for (columns, rows) in [(40, 12), (80, 24), (120, 40), (200, 50), (10, 3), (80, 24)] {
            top.resize(columns, rows);
            let size = format!("{columns}x{rows} with {peers}");
            // The lowest line is drawn last.
            top.see(&size, |screen| {
                let lines: Vec<&str> = screen.lines().collect();
                lines.len() == usize::from(rows)
                    && (rows < 4 || lines.last().is_some_and(|line| line.starts_with("F1Help")))
            });
            if columns >= 40 && peers > 0 {
                top.see(&size, |screen| screen.contains("~") && screen.contains(" %"));
            }
            top.show(&size);
        }
        if peers == 5_000 {
            top.see("all of them", |screen| screen.contains("5,000 peers: ● 2,500 online  ○ 2,500 offline"));
            top.press(END);
            top.see("the last is online, and its strip is there", |screen| {
                screen.lines().nth(22).is_some_and(|line| line.starts_with("● ") && line.contains("███~██"))
            });
            top.press("\\0202020202020202020202020202020202020202020202020202020202000000ff");
            top.see("the only one", |screen| screen.contains("Filter: 0202"));
            top.press(ENTER);
            top.see("it stays filtered", |screen| screen.contains("1 of 5,000"));
            top.press(ESCAPE);
            top.see("all again", |screen| !screen.contains("1 of 5,000"));
        }
        top.press(F6);
        top.see("the columns", |screen| screen.contains("Sort by"));
        top.press(DOWN);
        top.press(ENTER);
        top.see("sorted by the next", |screen| screen.contains("FORv"));
        top.press("I");
        top.see("and the other way round", |screen| screen.contains("FOR^"));
        top.press("h");
        top.see("help", |screen| screen.contains("this help"));
        top.press(ESCAPE);
        top.see("no help", |screen| screen.contains("FOR^"));
        top.scribble("\x1b[3;1Hwall: the machine goes down");
        assert!(top.text().contains("goes down"));
        top.press("\x0c");
        top.see("it is drawn anew", |screen| !screen.contains("goes down") && screen.contains("We watched"));
        top.press(F4);
        top.see("what is typed", |screen| screen.contains("Filter:"));
        top.press("q");
        top.see("is typed", |screen| screen.contains("Filter: q"));
        top.press("\x1b[21~");
        assert_eq!(top.ends(), Some(0));
        assert!(!top.is_taken_over());
    }
}

#[test]
fn a_file_that_is_served_stands_still() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = file(directory.path(), 6);
    let mut server = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
        .args(["report", &file, "--listen", "127.0.0.1:0"])
        .env_remove("LDK_FITNESS_TOKEN")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let said = BufReader::new(server.stderr.take().expect("it is piped"));
    let mut words = said
        .lines()
        .map_while(Result::ok)
        .flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let address = words.find(|word| word.starts_with("http://")).expect("it says where");
    let mut top = Terminal::new(&["top", &address], 100, 24, &[]);
    top.see("as of its last moment", |screen| {
        screen.contains("at rest, as of 2026-01-01 10:00:00") && screen.contains("○ 3 offline")
    });
    server.kill().and_then(|()| server.wait()).expect("it is ours");
    top.see("not even that", |screen| screen.contains("Not live for"));
    top.press("q");
    assert_eq!(top.ends(), Some(0));
}

#[test]
fn without_colours_and_without_unicode_all_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = file(directory.path(), 4);
    let mut colours = Terminal::new(&["top", &file], 80, 24, &[]);
    colours.see("coloured", |screen| screen.contains("● 2 online"));
    assert!(colours.has_colours());
    let mut plain = Terminal::new(&["top", &file], 80, 24, &[("NO_COLOR", "1"), ("LC_ALL", "C")]);
    plain.see("plain", |screen| {
        screen.contains("+ 2 online  - 2 offline") && screen.contains("#~##") && screen.contains("_")
    });
    assert!(!plain.has_colours(), "nothing is coloured");
    assert!(plain.text().is_ascii(), "{}", plain.text());
    for mut top in [colours, plain] {
        top.press("q");
        assert_eq!(top.ends(), Some(0));
    }
}

#[test]
fn what_cannot_be_shown_is_said_before_anything_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = file(directory.path(), 1);
    let told = |args: &[&str], code: i32, parts: &[&str]| {
        let output = ldk_fitness().arg("top").args(args).output().expect("it runs");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{args:?}: {said}");
        assert!(output.stdout.is_empty() && !said.contains("hunter2"), "{said}");
    };
    told(&[&file], 2, &["no", "terminal", "report"]);
    told(&["http://me:hunter2@127.0.0.1:1"], 2, &["password"]);
    told(&["ftp://x"], 2, &["sqlite:PATH"]);
    told(&[&file, "--token-file", "x"], 2, &["--token-file is for a service"]);
    told(&["http://127.0.0.1:1", "--observer", &US.to_string()], 2, &["--observer is for a store"]);
    told(&["/nowhere/x.redb"], 2, &["/nowhere/x.redb"]);
    // Nobody listens there.
    let mut top = Terminal::new(&["top", "http://127.0.0.1:1"], 80, 24, &[]);
    top.see("nobody answers", |screen| screen.contains("error: no answer from http://127.0.0.1:1"));
    assert_eq!(top.ends(), Some(1));
}
