//! A terminal that is none: the program writes to it, and it is read as somebody would.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use pty_process::Size;
use pty_process::blocking::{Command, Pty};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

/// After so long what is waited for will not come.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Default)]
struct Seen {
    screen: Mutex<vt100::Parser>,
    changed: Condvar,
}

impl Seen {
    fn screen(&self) -> MutexGuard<'_, vt100::Parser> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resize(&self, columns: u16, rows: u16) {
        let [rows, columns] = [rows, columns].map(|size| size.try_into().expect("a terminal has a size"));
        self.screen().screen_mut().set_size(rows, columns);
    }
}

pub(crate) struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    seen: Arc<Seen>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Runs the program on a terminal of this size.
    pub(crate) fn new(args: &[&str], columns: u16, rows: u16, env: &[(&str, &str)]) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("there are terminals");
        pty.resize(Size::new(rows, columns)).expect("it has a size");
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"));
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG", "LDK_FITNESS_TOKEN", "LC_CTYPE"] {
            command = command.env_remove(name);
        }
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command = command.env_remove(name);
        }
        let command = command.args(args).env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        let child = command.envs(env.iter().copied()).spawn(pts).expect("it starts");
        let seen = Arc::new(Seen::default());
        seen.resize(columns, rows);
        let (pty, shown) = (Arc::new(pty), Arc::clone(&seen));
        let output = Arc::clone(&pty);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Where nobody has it open any more, reading fails.
            while let Ok(count @ 1..) = (&*output).read(&mut bytes) {
                shown.screen().process(&bytes[..count]);
                shown.changed.notify_all();
            }
        });
        Self { pty, child, seen, reader: Some(reader) }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("somebody reads");
    }

    /// Something else writes across the screen.
    pub(crate) fn scribble(&mut self, text: &str) {
        self.seen.screen().process(text.as_bytes());
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.seen.resize(columns, rows);
        self.pty.resize(Size::new(rows, columns)).expect("it has a size");
    }

    /// What is on the screen, its lines without blanks at their ends.
    pub(crate) fn text(&self) -> String {
        lines(&self.seen.screen())
    }

    /// Waits until the screen is so.
    pub(crate) fn see(&mut self, what: &str, is_so: impl Fn(&str) -> bool) {
        let screen = self.seen.screen();
        let not_yet = |parser: &mut vt100::Parser| !is_so(&lines(parser));
        let (screen, waited) = self
            .seen
            .changed
            .wait_timeout_while(screen, PATIENCE, not_yet)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "never seen: {what}\n{}", lines(&screen));
    }

    /// Prints the screen, for whoever reads what a test prints.
    pub(crate) fn show(&self, what: &str) {
        println!("--- {what}\n{}", self.text());
    }

    pub(crate) fn has_colours(&self) -> bool {
        let screen = self.seen.screen();
        let (rows, columns) = screen.screen().size();
        let mut cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
        cells.any(|(row, column)| {
            let cell = screen.screen().cell(row, column);
            cell.is_some_and(|cell| {
                cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
            })
        })
    }

    /// Whether the screen is another than that of the shell, or the cursor is hidden.
    pub(crate) fn is_taken_over(&self) -> bool {
        let screen = self.seen.screen();
        screen.screen().alternate_screen() || screen.screen().hide_cursor()
    }

    /// What the system does with keys by itself: echo them, gather lines, send signals.
    pub(crate) fn modes(&self) -> LocalModes {
        tcgetattr(&*self.pty).expect("it is a terminal").local_modes
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it runs");
    }

    /// Waits until the program ends, and all that it wrote is seen.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("it reads to the end");
        }
        self.child.wait().expect("it can be waited for").code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended, unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(parser: &vt100::Parser) -> String {
    let (_, columns) = parser.screen().size();
    let rows = parser.screen().rows(0, columns.get());
    let rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
    rows.join("\n")
}
