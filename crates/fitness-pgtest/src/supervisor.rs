//! The shell that runs the server, and cleans up after this process has ended.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const SCRIPT: &str = include_str!("supervisor.sh");
const LIMITED_DISK_SCRIPT: &str = include_str!("limited_disk.sh");

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// A running supervisor shell. Dropping it stops the server, deletes its directory and waits for both.
pub(crate) struct Supervisor {
    child: Child,
    /// The shell's standard input. `None` after it was closed, which ends the shell.
    commands: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    directory: PathBuf,
}

impl Supervisor {
    /// Starts the shell with these environment variables. It does not start a server yet.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Result<Self, String> {
        if is_root() {
            Self::spawn(&["runuser", "-u", "postgres", "--", "sh", "-c", SCRIPT], environment)
        } else {
            Self::spawn(&["sh", "-c", SCRIPT], environment)
        }
    }

    /// Starts the shell with a file system of this size for the data. Requires root.
    pub(crate) fn start_with_limited_disk(
        environment: &[(&str, &str)],
        megabytes: u32,
    ) -> Result<Self, String> {
        if !is_root() {
            return Err("cannot mount a disk of limited size: run the tests as root".to_owned());
        }
        let megabytes = megabytes.to_string();
        let environment = [environment, &[("SCRIPT", SCRIPT), ("DISK_SIZE_MB", &*megabytes)]].concat();
        let isolated = ["unshare", "--mount", "--propagation", "private", "sh", "-c", LIMITED_DISK_SCRIPT];
        Self::spawn(&isolated, &environment)
    }

    fn spawn(program: &[&str], environment: &[(&str, &str)]) -> Result<Self, String> {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        command.envs(environment.iter().copied());
        // In a new process group the shell does not receive an interrupt from the terminal.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|err| format!("cannot start the supervisor shell: {err}"))?;
        let (commands, replies) =
            (child.stdin.take(), child.stdout.take().ok_or("the supervisor shell has no output")?);
        let mut supervisor =
            Self { child, commands, replies: BufReader::new(replies), directory: PathBuf::new() };
        supervisor.directory = supervisor.read_reply()?.into();
        Ok(supervisor)
    }

    /// Returns the directory with the socket, the log and the data. It is deleted when the shell ends.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs a command of the script and waits until it is complete.
    pub(crate) fn run(&mut self, command: &str) -> Result<(), String> {
        let commands = self.commands.as_mut().ok_or("the supervisor shell has ended")?;
        writeln!(commands, "{command}")
            .map_err(|err| format!("cannot send `{command}` to the supervisor shell: {err}"))?;
        match self.read_reply()?.as_str() {
            "ok" => Ok(()),
            failure => Err(format!("`{command}` failed in the supervisor shell: {failure}")),
        }
    }

    fn read_reply(&mut self) -> Result<String, String> {
        let mut line = String::new();
        let read = self.replies.read_line(&mut line);
        read.map_err(|err| format!("cannot read the supervisor shell's reply: {err}"))?;
        if line.is_empty() {
            return Err("the supervisor shell has ended; if the tests run as root, \
                        check that the user postgres exists"
                .into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.child.wait();
    }
}
