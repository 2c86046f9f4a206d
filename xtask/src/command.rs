//! Runs other programs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Returns the root of the workspace.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable at run time. The compiled-in path would be wrong where several
    // clones share one target directory.
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest_dir.parent().map(PathBuf::from).unwrap_or(manifest_dir)
}

/// Returns a command that runs the current `cargo` in the root of the workspace.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    // Cargo sets these variables for xtask. Crates whose build scripts read them would be rebuilt
    // each time, and everything that depends on them.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a command; its output goes to ours.
pub(crate) fn run(mut command: Command) -> Result<(), String> {
    let line = command_line(&command);
    println!("\n$ {line}");
    let status = command.status().map_err(|err| format!("cannot start `{line}`: {err}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed: {status}")) }
}

/// Runs a command and returns its standard output.
pub(crate) fn output(mut command: Command) -> Result<String, String> {
    let line = command_line(&command);
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|err| format!("cannot start `{line}`: {err}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("the output of `{line}` is not UTF-8"))
}

fn command_line(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or_else(|| command.get_program()).to_string_lossy().into_owned();
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(name).chain(args).collect::<Vec<_>>().join(" ")
}
