//! A pseudo-terminal that runs the program and interprets its output.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use pty_process::Size;
use pty_process::blocking::{Command, Pty};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

/// The time after which a wait fails the test.
const TIMEOUT: Duration = Duration::from_secs(90);

#[derive(Default)]
struct Output {
    screen: Mutex<vt100::Parser>,
    changed: Condvar,
}

impl Output {
    fn screen(&self) -> MutexGuard<'_, vt100::Parser> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resize(&self, columns: u16, rows: u16) {
        let [rows, columns] = [rows, columns].map(|size| size.try_into().expect("a size greater than 0"));
        self.screen().screen_mut().set_size(rows, columns);
    }
}

pub(crate) struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    output: Arc<Output>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Runs the program in a terminal of this size.
    pub(crate) fn run(args: &[&str], columns: u16, rows: u16, env: &[(&str, &str)]) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("open a pseudo-terminal");
        pty.resize(Size::new(rows, columns)).expect("set the size");
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"));
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG", "LDK_FITNESS_TOKEN", "LC_CTYPE"] {
            command = command.env_remove(name);
        }
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command = command.env_remove(name);
        }
        let command = command.args(args).env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        let child = command.envs(env.iter().copied()).spawn(pts).expect("start the program");
        let output = Arc::new(Output::default());
        output.resize(columns, rows);
        let pty = Arc::new(pty);
        let (reader_pty, reader_output) = (Arc::clone(&pty), Arc::clone(&output));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails once the program has ended.
            while let Ok(count @ 1..) = (&*reader_pty).read(&mut bytes) {
                reader_output.screen().process(&bytes[..count]);
                reader_output.changed.notify_all();
            }
        });
        Self { pty, child, output, reader: Some(reader) }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("write the keys");
    }

    /// Writes text to the screen as another program would.
    pub(crate) fn write_over(&mut self, text: &str) {
        self.output.screen().process(text.as_bytes());
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.output.resize(columns, rows);
        self.pty.resize(Size::new(rows, columns)).expect("set the size");
    }

    /// Returns the text on the screen, without trailing spaces.
    pub(crate) fn text(&self) -> String {
        lines(&self.output.screen())
    }

    /// Waits until the text on the screen fulfils a condition.
    pub(crate) fn wait_for(&mut self, what: &str, condition: impl Fn(&str) -> bool) {
        let screen = self.output.screen();
        let not_yet = |parser: &mut vt100::Parser| !condition(&lines(parser));
        let (screen, waited) = self
            .output
            .changed
            .wait_timeout_while(screen, TIMEOUT, not_yet)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "timed out waiting for: {what}\n{}", lines(&screen));
    }

    /// Prints the screen to the output of the test.
    pub(crate) fn print(&self, what: &str) {
        println!("--- {what}\n{}", self.text());
    }

    pub(crate) fn has_colours(&self) -> bool {
        let screen = self.output.screen();
        let (rows, columns) = screen.screen().size();
        let mut cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
        cells.any(|(row, column)| {
            let cell = screen.screen().cell(row, column);
            cell.is_some_and(|cell| {
                cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
            })
        })
    }

    /// Returns whether the alternate screen is active or the cursor is hidden.
    pub(crate) fn is_modified(&self) -> bool {
        let screen = self.output.screen();
        screen.screen().alternate_screen() || screen.screen().hide_cursor()
    }

    /// Returns the local modes: echo, canonical input, signals.
    pub(crate) fn modes(&self) -> LocalModes {
        tcgetattr(&*self.pty).expect("read the modes").local_modes
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("send the signal");
    }

    /// Waits until the program has ended and all its output is processed. Returns its exit code.
    pub(crate) fn wait_for_exit(&mut self) -> Option<i32> {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("read the output");
        }
        self.child.wait().expect("wait for the program").code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The program is still running only if the test failed.
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
