//! The shell that has the server, and outlives us for as long as it takes to clean up.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const SCRIPT: &str = include_str!("supervisor.sh");
const WITH_A_DISK: &str = include_str!("disk.sh");

/// How `id` is asked who we are.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

pub(crate) struct Supervisor {
    child: Child,
    /// `None` once it was told to end.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    directory: PathBuf,
}

impl Supervisor {
    /// Starts the shell with `environment`. There is no server yet.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Result<Self, String> {
        if is_root() {
            Self::run_by(&["runuser", "-u", "postgres", "--", "sh", "-c", SCRIPT], environment)
        } else {
            Self::run_by(&["sh", "-c", SCRIPT], environment)
        }
    }

    /// The same, with a disk of so many megabytes for the data. Only root can have that, and not everywhere.
    pub(crate) fn start_on_disk(environment: &[(&str, &str)], megabytes: u32) -> Result<Self, String> {
        if !is_root() {
            return Err("only root can have a disk of his own".to_owned());
        }
        let megabytes = megabytes.to_string();
        let environment = [environment, &[("SCRIPT", SCRIPT), ("DISK", &*megabytes)]].concat();
        let isolated = ["unshare", "--mount", "--propagation", "private", "sh", "-c", WITH_A_DISK];
        Self::run_by(&isolated, &environment)
    }

    fn run_by(program: &[&str], environment: &[(&str, &str)]) -> Result<Self, String> {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        command.envs(environment.iter().copied());
        // A group of its own: an interrupt from the terminal is not for it.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|err| format!("cannot start a shell: {err}"))?;
        let (commands, answers) = (child.stdin.take(), child.stdout.take().ok_or("the shell has no output")?);
        let mut supervisor =
            Self { child, commands, answers: BufReader::new(answers), directory: PathBuf::new() };
        supervisor.directory = supervisor.answer()?.into();
        Ok(supervisor)
    }

    /// Where the socket is, the log, and all that goes when this does.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Has a command done, and waits until it is.
    pub(crate) fn run(&mut self, command: &str) -> Result<(), String> {
        let commands = self.commands.as_mut().ok_or("the shell has ended")?;
        writeln!(commands, "{command}")
            .map_err(|err| format!("cannot tell the shell to {command}: {err}"))?;
        match self.answer()?.as_str() {
            "ok" => Ok(()),
            failed => Err(format!("cannot {command} the server: {failed}")),
        }
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|err| format!("the shell does not answer: {err}"))?;
        if line.is_empty() {
            return Err("the shell has ended; is there a user postgres, where the tests run as root?".into());
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
