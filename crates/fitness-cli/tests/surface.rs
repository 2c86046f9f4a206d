//! What all commands share: help, completions, colours, pipes and exit codes.

mod common;

use std::io::Read as _;
use std::process::{Command, Stdio};

use common::{data, ldk_fitness, stderr, stdout};

const COMMANDS: [&str; 10] =
    ["demo", "replay", "report", "top", "advise", "watch", "compare", "copy", "import", "completions"];

#[test]
fn help_lists_commands_examples_and_exit_codes() {
    for flag in ["--help", "-h"] {
        let output = ldk_fitness().arg(flag).output().expect("run the program");
        assert_eq!(output.status.code(), Some(0));
        let help = stdout(&output);
        for part in COMMANDS.iter().chain(&["Examples:", "Exit codes:", "NO_COLOR", "RUST_LOG", "--json"]) {
            assert!(help.contains(part), "{part} is missing from:\n{help}");
        }
    }
    for command in COMMANDS {
        let help = stdout(&ldk_fitness().args([command, "--help"]).output().expect("run the program"));
        for part in ["Usage: ", "Examples:", "Exit codes:", "  0  ", "  1  ", "  2  "] {
            assert!(help.contains(part), "{part} is missing from:\n{help}");
        }
    }
}

#[test]
fn missing_command_prints_help_and_exits_with_2() {
    let output = ldk_fitness().output().expect("run the program");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("Usage: ldk-fitness"));
    assert!(output.stdout.is_empty());
}

#[test]
fn invalid_usage_exits_with_2() {
    for args in [&["frobnicate"][..], &["replay"], &["replay", "-", "--frob"], &["demo", "--seconds", "0"]] {
        assert_eq!(
            ldk_fitness().args(args).output().expect("run the program").status.code(),
            Some(2),
            "{args:?}"
        );
    }
}

#[test]
fn version_is_that_of_the_package() {
    let output = ldk_fitness().arg("--version").output().expect("run the program");
    assert_eq!(stdout(&output), format!("ldk-fitness {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_cover_all_commands_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = ldk_fitness().args(["completions", shell]).output().expect("run the program");
        assert_eq!(output.status.code(), Some(0));
        let script = stdout(&output);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} does not complete {command}");
        }
    }
    assert_eq!(
        ldk_fitness().args(["completions", "sh"]).output().expect("run the program").status.code(),
        Some(2)
    );
}

#[test]
fn colours_follow_the_option_and_the_environment() {
    let small = data("small.jsonl");
    let run = |args: &[&str], env: Option<(&str, &str)>| {
        let mut command = ldk_fitness();
        command.arg("replay").arg(&small).args(args).envs(env);
        stdout(&command.output().expect("run the program"))
    };
    let plain = run(&[], None);
    assert!(!plain.contains('\x1b'), "no colours in a pipe");
    assert!(run(&["--color", "always"], None).contains("\x1b["));
    assert!(run(&[], Some(("CLICOLOR_FORCE", "1"))).contains("\x1b["));
    assert_eq!(run(&["--color", "never"], Some(("CLICOLOR_FORCE", "1"))), plain);
    let mut both = ldk_fitness();
    both.arg("replay").arg(&small).env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1");
    assert_eq!(stdout(&both.output().expect("run the program")), plain, "NO_COLOR takes precedence");
    assert!(!run(&["--json", "--color", "always"], None).contains('\x1b'), "no colours in JSON");
}

#[test]
fn lines_fit_the_width_and_have_no_trailing_spaces() {
    for width in [80, 87, 96, 100, 109, 120, 160, 200] {
        for more in [&[][..], &["--window", "3h"], &["--window", "3h", "--preset", "lnd-0.19"]] {
            let mut command = ldk_fitness();
            command.env("COLUMNS", width.to_string()).arg("replay").arg(data("small.jsonl")).args(more);
            for line in stdout(&command.output().expect("run the program")).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }
}

#[test]
fn ids_are_not_shortened_in_a_pipe_or_with_wide() {
    let id = "03559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd";
    let piped = ldk_fitness().arg("replay").arg(data("small.jsonl")).output().expect("run the program");
    assert!(stdout(&piped).contains(id));
    let mut wide = ldk_fitness();
    let wide = wide.env("COLUMNS", "80").arg("replay").arg(data("small.jsonl")).arg("--wide");
    assert_eq!(stdout(&wide.output().expect("run the program")), stdout(&piped));
}

#[test]
fn closed_pipe_is_not_an_error() {
    // A pipe buffers 64 KiB, so the output has to be longer to reach the closed end.
    let mut trace = String::new();
    for index in 0..2_000 {
        trace += &format!("{{\"at_ns\": 1, \"event\": \"watch\", \"node_id\": \"02{index:064x}\"}}\n");
    }
    let directory = tempfile::tempdir().expect("create a directory");
    let path = directory.path().join("trace.jsonl");
    std::fs::write(&path, trace).expect("write the file");
    for form in [&["--json"][..], &["--wide"]] {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
            .arg("replay")
            .arg(&path)
            .args(form)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the program");
        let mut first = [0];
        let mut pipe = child.stdout.take().expect("a pipe");
        pipe.read_exact(&mut first).expect("read the first byte");
        drop(pipe);
        let output = child.wait_with_output().expect("wait for the program");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(stderr(&output), "");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn write_error_exits_with_1() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("open /dev/full");
    let output = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
        .arg("replay")
        .arg(data("small.jsonl"))
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .expect("run the program");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
}

#[test]
fn invalid_rust_log_is_ignored() {
    let mut command = ldk_fitness();
    let output = command
        .env("RUST_LOG", "=,=;")
        .arg("replay")
        .arg(data("small.jsonl"))
        .output()
        .expect("run the program");
    assert_eq!(output.status.code(), Some(0));
}
