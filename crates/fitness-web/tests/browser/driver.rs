//! A browser for each test, and helpers to control it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities as _;
use thirtyfour::{By, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver, WebElement};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Timeout of [`Browser::until`].
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Browser {
    driver: WebDriver,
}

/// Runs a test with a new browser. The browser is closed even if the test panics.
pub(crate) async fn with_browser<T: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Browser) -> T) {
    let (process, url) = start_chromedriver().await;
    let mut caps = DesiredCapabilities::chrome();
    // Chromium's sandbox does not work for root in containers, where /dev/shm is small as well.
    for arg in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] {
        caps.add_arg(arg).unwrap();
    }
    caps.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
    let driver = WebDriver::new(url, caps).await.unwrap();
    let outcome = tokio::spawn(test(Browser { driver: driver.clone() })).await;
    let _ = driver.quit().await;
    drop(process);
    if let Err(err) = outcome {
        std::panic::resume_unwind(err.into_panic());
    }
}

/// Starts chromedriver on a free port. Returns the process, which is killed on drop, and its URL.
async fn start_chromedriver() -> (Child, String) {
    let mut process = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("cannot run chromedriver: install it (Debian: chromium-driver, chromium)");
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let port = line.split("successfully on port ").nth(1).map(|rest| rest.trim_end_matches('.'));
        if let Some(port) = port.and_then(|port| port.parse::<u16>().ok()) {
            // Keep reading: chromedriver blocks once the pipe is full.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (process, format!("http://127.0.0.1:{port}"));
        }
    }
    panic!("chromedriver did not report its port");
}

impl Browser {
    pub(crate) async fn goto(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.driver.refresh().await.unwrap();
    }

    pub(crate) async fn url(&self) -> String {
        self.driver.current_url().await.unwrap().to_string()
    }

    /// Evaluates a JavaScript expression.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        let answer = self.driver.execute(format!("return ({expression});"), vec![]).await;
        answer.unwrap_or_else(|err| panic!("{expression}: {err}")).json().clone()
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        let text = self.eval(&format!("document.querySelector({selector:?})?.innerText ?? null")).await;
        text.as_str().unwrap_or_else(|| panic!("no element matches {selector}")).to_owned()
    }

    /// Returns the texts of all matching elements.
    pub(crate) async fn texts(&self, selector: &str) -> Vec<String> {
        let texts = self
            .eval(&format!("Array.from(document.querySelectorAll({selector:?}), (e) => e.innerText)"))
            .await;
        texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn find(&self, selector: &str) -> WebElement {
        self.driver.find(By::Css(selector)).await.unwrap_or_else(|err| panic!("{selector}: {err}"))
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    pub(crate) async fn keys(&self, keys: impl Into<thirtyfour::TypingData>) {
        self.driver.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Presses a key. The focused element receives it.
    pub(crate) async fn press(&self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => panic!("unsupported key {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            self.cdp("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Waits until a JavaScript expression is true.
    pub(crate) async fn until(&self, expression: &str) {
        let waiting = async {
            while self.eval(&format!("Boolean({expression})")).await != true {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(TIMEOUT, waiting).await.is_err() {
            let body = self.text("body").await;
            panic!("timeout: {expression}\n{body}");
        }
    }

    pub(crate) async fn cdp(&self, method: &str, params: Value) -> Value {
        self.driver.cdp().send_raw(method, params).await.unwrap()
    }

    pub(crate) async fn size(&self, width: u32) {
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    pub(crate) async fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.cdp("Emulation.setEmulatedMedia", media).await;
    }

    pub(crate) async fn scripts(&self, run: bool) {
        self.cdp("Emulation.setScriptExecutionDisabled", json!({"value": !run})).await;
    }

    /// Returns new console messages, such as script errors, failed requests and violations of the content
    /// security policy.
    pub(crate) async fn console_messages(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.unwrap();
        log.into_iter().map(|entry| format!("{:?}: {}", entry.level, entry.message)).collect()
    }

    /// Saves a screenshot to the directory in the environment variable `SHOTS`, if it is set.
    pub(crate) async fn screenshot(&self, name: &str) {
        if let Some(dir) = std::env::var_os("SHOTS") {
            self.driver.screenshot(&std::path::Path::new(&dir).join(format!("{name}.png"))).await.unwrap();
        }
    }
}
