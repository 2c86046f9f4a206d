//! Screenshots of the dashboard, which the program serves for the example trace.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::command::{cargo, output, root, run};

struct Screenshot {
    name: &'static str,
    page: Page,
    size: (u32, u32),
    dark: bool,
}

enum Page {
    /// A path of the dashboard.
    Path(&'static str),
    /// The page of the peer with this alias.
    Peer(&'static str),
}

const SCREENSHOTS: &[Screenshot] = &[
    Screenshot {
        name: "peers-light.png",
        page: Page::Path("peers?sort=state"),
        size: (1_280, 1_000),
        dark: false,
    },
    Screenshot {
        name: "peers-dark.png",
        page: Page::Path("peers?sort=state"),
        size: (1_280, 1_000),
        dark: true,
    },
    Screenshot { name: "peer.png", page: Page::Peer("saltmarsh"), size: (1_280, 1_400), dark: false },
    Screenshot { name: "coverage.png", page: Page::Path("coverage"), size: (1_280, 1_060), dark: false },
    Screenshot { name: "advice.png", page: Page::Path("advice"), size: (1_280, 1_000), dark: false },
    Screenshot {
        name: "phone.png",
        page: Page::Path("peers?sort=availability"),
        size: (400, 1_060),
        dark: false,
    },
];

/// The names of the browser's executable.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// Takes all screenshots. Without `write` they are discarded: the check is that they can be taken.
pub(crate) fn take(write: bool) -> Result<(), String> {
    let browser = BROWSERS.iter().find(|name| is_installed(name));
    let browser = browser.ok_or("Chromium is not installed (Debian: chromium)")?;
    let kept = root().join("docs/screenshots");
    let scratch = std::env::temp_dir().join(format!("ldk-fitness-screens-{}", std::process::id()));
    let directory = if write { &kept } else { &scratch };
    fs::create_dir_all(directory).map_err(|err| format!("{}: {err}", directory.display()))?;
    let taken = Dashboard::start().and_then(|dashboard| {
        SCREENSHOTS
            .iter()
            .try_for_each(|screenshot| screenshot.take(browser, &dashboard, &directory.join(screenshot.name)))
    });
    // A directory that cannot be removed does no harm in the system's directory for such files.
    let _ = fs::remove_dir_all(&scratch);
    taken?;
    match SCREENSHOTS.iter().find(|screenshot| !kept.join(screenshot.name).is_file()) {
        Some(Screenshot { name, .. }) => {
            Err(format!("docs/screenshots has no {name}; run `cargo xtask screenshots --write`"))
        }
        None => Ok(()),
    }
}

impl Screenshot {
    fn take(&self, browser: &str, dashboard: &Dashboard, file: &Path) -> Result<(), String> {
        let path = match self.page {
            Page::Path(path) => path.to_owned(),
            Page::Peer(alias) => format!("peers/{}", node_id(alias)?),
        };
        let (width, height) = self.size;
        let mut command = Command::new(browser);
        // The sandbox does not work as root, and the only page is our own.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
        command.args(["--virtual-time-budget=4000", "--force-device-scale-factor=1"]);
        command.arg(format!("--blink-settings=preferredColorScheme={}", if self.dark { 0 } else { 1 }));
        command.arg(format!("--window-size={width},{height}"));
        command.arg(format!("--screenshot={}", file.display()));
        command.arg(format!("{}/{path}", dashboard.url));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        run(command)?;
        let image = fs::read(file).map_err(|err| format!("{}: {err}", file.display()))?;
        let expected =
            [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &width.to_be_bytes(), &height.to_be_bytes()];
        if image.starts_with(&expected.concat()) {
            Ok(())
        } else {
            Err(format!("{} is not a PNG image of {width} x {height} pixels", file.display()))
        }
    }
}

/// The program, serving the dashboard of the example trace.
struct Dashboard {
    program: Child,
    url: String,
}

impl Dashboard {
    fn start() -> Result<Self, String> {
        let mut program = Command::new(program()?)
            .args(["replay", "examples/month.jsonl.gz", "--listen", "127.0.0.1:0"])
            .current_dir(root())
            .env_remove("LDK_FITNESS_TOKEN")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|err| format!("cannot start ldk-fitness: {err}"))?;
        let stderr = program.stderr.take().map(BufReader::new).into_iter().flat_map(BufReader::lines);
        let mut lines = stderr.map_while(Result::ok);
        let url =
            lines.find_map(|line| Some(line.strip_prefix("Dashboard at ")?.split_once("/ ")?.0.to_owned()));
        match url {
            Some(url) => Ok(Self { program, url }),
            None => Err("ldk-fitness printed no address of a dashboard".to_owned()),
        }
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        // Fails if the process has ended already, which is what is wanted.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Returns the program as built for the tests. Building it alone would use other features, and so
/// rebuild its dependencies.
fn program() -> Result<PathBuf, String> {
    let printed = output(cargo(&["test", "--workspace", "--no-run", "--message-format", "json"]))?;
    let messages = printed.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let is_program = |message: &serde_json::Value| {
        message["target"]["name"] == "ldk-fitness" && message["profile"]["test"] == false
    };
    let executable =
        messages.filter(is_program).find_map(|message| Some(message["executable"].as_str()?.to_owned()));
    executable.map(PathBuf::from).ok_or_else(|| "cargo did not build ldk-fitness".to_owned())
}

fn node_id(alias: &str) -> Result<String, String> {
    let path = "examples/month.aliases";
    let aliases = fs::read_to_string(root().join(path)).map_err(|err| format!("{path}: {err}"))?;
    let mut entries = aliases.lines().filter_map(|line| line.split_once(' '));
    let entry = entries.find(|(_, entry)| entry.trim() == alias);
    entry.map(|(node_id, _)| node_id.to_owned()).ok_or_else(|| format!("{path} has no alias {alias}"))
}

fn is_installed(program: &str) -> bool {
    let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
