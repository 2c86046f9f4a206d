//! The README's pictures of the dashboard: the program shows the simulated month, a browser looks at it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::run::{cargo, output, root, run};

/// A picture, of a path of the dashboard or of the page of the peer of that name.
struct Screen {
    name: &'static str,
    of: Of,
    size: (u32, u32),
    dark: bool,
}

enum Of {
    Path(&'static str),
    Peer(&'static str),
}

const SCREENS: &[Screen] = &[
    Screen { name: "peers-light.png", of: Of::Path("peers?sort=state"), size: (1_280, 1_000), dark: false },
    Screen { name: "peers-dark.png", of: Of::Path("peers?sort=state"), size: (1_280, 1_000), dark: true },
    Screen { name: "peer.png", of: Of::Peer("saltmarsh"), size: (1_280, 1_400), dark: false },
    Screen { name: "coverage.png", of: Of::Path("coverage"), size: (1_280, 1_060), dark: false },
    Screen { name: "advice.png", of: Of::Path("advice"), size: (1_280, 1_000), dark: false },
    Screen { name: "phone.png", of: Of::Path("peers?sort=availability"), size: (400, 1_060), dark: false },
];

/// The browser, by the names that it goes by.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// Takes all pictures: for the README, or to see that they can be taken.
pub(crate) fn take(write: bool) -> Result<(), String> {
    let Some(browser) = BROWSERS.iter().find(|name| is_there(name)) else {
        let ci = std::env::var_os("CI").is_some_and(|it| it == "true");
        let why = "there is no Chromium, so no pictures of the dashboard are taken";
        println!("{why}");
        return if ci || write { Err(why.to_owned()) } else { Ok(()) };
    };
    let kept = root().join("docs/pictures");
    let scratch = std::env::temp_dir().join(format!("ldk-fitness-screens-{}", std::process::id()));
    let directory = if write { &kept } else { &scratch };
    fs::create_dir_all(directory).map_err(|err| format!("{}: {err}", directory.display()))?;
    let taken = Dashboard::start().and_then(|dashboard| {
        SCREENS.iter().try_for_each(|screen| screen.take(browser, &dashboard, &directory.join(screen.name)))
    });
    // What is left there is in nobody's way.
    let _ = fs::remove_dir_all(&scratch);
    taken?;
    match SCREENS.iter().find(|screen| !kept.join(screen.name).is_file()) {
        Some(screen) => {
            Err(format!("docs/pictures has no {}; run `cargo xtask screens --write`", screen.name))
        }
        None => Ok(()),
    }
}

impl Screen {
    fn take(&self, browser: &str, dashboard: &Dashboard, file: &Path) -> Result<(), String> {
        let path = match self.of {
            Of::Path(path) => path.to_owned(),
            Of::Peer(name) => format!("peers/{}", node_id(name)?),
        };
        let (width, height) = self.size;
        let mut command = Command::new(browser);
        // It looks at nothing but our own page, and as root it has no sandbox.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
        command.args(["--virtual-time-budget=4000", "--force-device-scale-factor=1"]);
        command.arg(format!("--blink-settings=preferredColorScheme={}", if self.dark { 0 } else { 1 }));
        command.arg(format!("--window-size={width},{height}"));
        command.arg(format!("--screenshot={}", file.display()));
        command.arg(format!("{}/{path}", dashboard.url));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        run(command)?;
        let picture = fs::read(file).map_err(|err| format!("{}: {err}", file.display()))?;
        let expected =
            [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &width.to_be_bytes(), &height.to_be_bytes()];
        if picture.starts_with(&expected.concat()) {
            Ok(())
        } else {
            Err(format!("{} is no picture of {width} x {height}", file.display()))
        }
    }
}

/// The program, showing the month.
struct Dashboard {
    program: Child,
    url: String,
}

impl Dashboard {
    fn start() -> Result<Self, String> {
        let mut program = Command::new(built()?)
            .args(["replay", "examples/month.jsonl.gz", "--listen", "127.0.0.1:0"])
            .current_dir(root())
            .env_remove("LDK_FITNESS_TOKEN")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|err| format!("the program did not start: {err}"))?;
        let said = program.stderr.take().map(BufReader::new).into_iter().flat_map(BufReader::lines);
        let mut lines = said.map_while(Result::ok);
        let url =
            lines.find_map(|line| Some(line.strip_prefix("Dashboard at ")?.split_once("/ ")?.0.to_owned()));
        match url {
            Some(url) => Ok(Self { program, url }),
            None => Err("the program shows no dashboard".to_owned()),
        }
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        // One that has ended cannot be ended.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// The program as it was built for the tests: anything else would be built anew, with other features.
fn built() -> Result<PathBuf, String> {
    let printed = output(cargo(&["test", "--workspace", "--no-run", "--message-format", "json"]))?;
    let messages = printed.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let is_it = |message: &serde_json::Value| {
        message["target"]["name"] == "ldk-fitness" && message["profile"]["test"] == false
    };
    let executable =
        messages.filter(is_it).find_map(|message| Some(message["executable"].as_str()?.to_owned()));
    executable.map(PathBuf::from).ok_or_else(|| "cargo built no program".to_owned())
}

fn node_id(name: &str) -> Result<String, String> {
    let path = "examples/month.names";
    let names = fs::read_to_string(root().join(path)).map_err(|err| format!("{path}: {err}"))?;
    let named = names.lines().filter_map(|line| line.split_once(' ')).find(|(_, named)| named.trim() == name);
    named.map(|(node_id, _)| node_id.to_owned()).ok_or_else(|| format!("{path} has no {name}"))
}

fn is_there(program: &str) -> bool {
    let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
