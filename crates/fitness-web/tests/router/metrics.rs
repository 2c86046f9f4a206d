//! What Prometheus reads, by what Prometheus itself says of it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::http::header;
use fitness_core::Event;
use fitness_web::Web;

use crate::ask::*;

/// The value of the one series that begins so.
fn value(metrics: &str, series: &str) -> f64 {
    let found: Vec<_> =
        metrics.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).collect();
    assert_eq!(found.len(), 1, "{series} is there {} times", found.len());
    found[0].parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn series_say_what_the_service_knows() {
    let service = service().await;
    let (handle, router) = (service.handle(), router(service.handle()));
    handle.record(opened(1, true));
    handle.record(opened(2, true));
    handle.record(Event::Watch { node_id: peer(3) });
    pass(30).await;
    handle.record(offline(2));
    pass(10).await;
    let answer = get(&router, "/metrics").await;
    assert!(answer.header(header::CONTENT_TYPE).starts_with("application/openmetrics-text"));
    let metrics = answer.body;
    let of = |name: &str, number| {
        value(&metrics, &format!("ldk_fitness_peer_{name}{{node_id=\"{}\"}}", peer(number)))
    };
    assert_eq!((of("connected", 1), of("connected", 2)), (1.0, 0.0));
    assert!(
        !metrics.contains(&format!("ldk_fitness_peer_connected{{node_id=\"{}\"}}", peer(3))),
        "it is not known"
    );
    assert_eq!((of("observed", 1), of("observed", 3)), (1.0, 0.0));
    assert_eq!((of("uptime_seconds_total", 2), of("observed_seconds_total", 2)), (30.0, 40.0));
    assert_eq!((of("availability_ratio", 2), of("disconnects_total", 2)), (0.75, 1.0));
    assert_eq!(of("state_since_timestamp_seconds", 2), 1_800_000_030.0);
    assert_eq!((of("channels", 1), of("channels", 3)), (1.0, 0.0));
    assert_eq!(value(&metrics, "ldk_fitness_peers{state=\"online\"}"), 1.0);
    assert_eq!(value(&metrics, "ldk_fitness_peers{state=\"offline\"}"), 1.0);
    assert_eq!(value(&metrics, "ldk_fitness_peers{state=\"unobserved\"}"), 1.0);
    assert_eq!(value(&metrics, "ldk_fitness_service_running"), 1.0);
    let commits = handle.health().store.commits;
    #[allow(clippy::cast_precision_loss)]
    let commits = commits as f64;
    assert_eq!(value(&metrics, "ldk_fitness_commit_duration_seconds_count"), commits);
    assert_eq!(value(&metrics, "ldk_fitness_commit_duration_seconds_bucket{le=\"+Inf\"}"), commits);
    assert!(metrics.ends_with("# EOF\n"));
    service.shutdown().await.unwrap();
    assert_eq!(value(&get(&router, "/metrics").await.body, "ldk_fitness_service_running"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_series_keeps_them() {
    let service = service().await;
    let handle = service.handle();
    let router = Web::builder(service.handle()).max_metrics_peers(2).build().router();
    // The later ones by id come first.
    for number in [5, 4, 3, 2, 1] {
        handle.record(opened(number, true));
        pass(1).await;
    }
    let with_series = async || {
        let metrics = get(&router, "/metrics").await.body;
        let has = |number: &u8| {
            metrics.contains(&format!("ldk_fitness_peer_channels{{node_id=\"{}\"}}", peer(*number)))
        };
        ((1..=5).filter(has).collect::<Vec<u8>>(), value(&metrics, "ldk_fitness_peers_left_out"))
    };
    assert_eq!(with_series().await, (vec![4, 5], 3.0));
    handle.record(offline(5));
    handle.record(offline(4));
    pass(60).await;
    assert_eq!(with_series().await, (vec![4, 5], 3.0));
    service.shutdown().await.unwrap();
}

/// What promtool says of its input; `None` where it is not installed, which CI does not let pass.
fn promtool(args: &[&str], input: &str) -> Option<(bool, String)> {
    let command = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut running) = command else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "promtool is not installed (Debian: prometheus)"
        );
        eprintln!("promtool is not installed (Debian: prometheus): not held against it");
        return None;
    };
    running.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), said))
}

/// The metrics of a service to which all sorts of things happened.
async fn eventful() -> String {
    let service = service().await;
    let handle = service.handle();
    (1..=9).for_each(|number| handle.record(opened(number, true)));
    pass(10).await;
    handle.record(offline(1));
    handle.record(Event::ObservationPaused);
    pass(10).await;
    handle.record(Event::ObservationResumed);
    handle.record(online(2));
    pass(10).await;
    let nasty = |node_id: &fitness_core::NodeId| Some(format!("a\\b\"c\nd{}", node_id.0[1]));
    let metrics = get(&Web::builder(handle).aliases(nasty).build().router(), "/metrics").await.body;
    service.shutdown().await.unwrap();
    metrics
}

/// Prometheus itself takes it: its own parser of OpenMetrics makes blocks of it.
#[tokio::test(start_paused = true)]
async fn prometheus_takes_it() {
    let metrics = eventful().await;
    // Blocks are made of what has a time.
    let timed: String = metrics
        .lines()
        .map(|line| if line.starts_with('#') { format!("{line}\n") } else { format!("{line} 1800000000\n") })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let (input, blocks) = (dir.path().join("metrics"), dir.path().join("blocks"));
    std::fs::write(&input, timed).unwrap();
    let args =
        ["tsdb", "create-blocks-from", "openmetrics", input.to_str().unwrap(), blocks.to_str().unwrap()];
    if let Some((taken, said)) = promtool(&args, "") {
        assert!(taken, "{said}");
        let broken = metrics.replace("# TYPE ldk_fitness_peers gauge", "# TYPE ldk_fitness_peers gorge");
        std::fs::write(&input, broken).unwrap();
        assert!(!promtool(&args, "").unwrap().0, "it would take anything");
    }
}

/// Names and units are by the conventions. Its check reads the older text format, in which a counter is
/// named with its suffix, and an info is a gauge.
#[tokio::test(start_paused = true)]
async fn names_are_by_the_conventions() {
    let mut classic = String::new();
    for line in eventful().await.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "UNIT", ..] | ["#", "EOF"] => {}
            ["#", "TYPE", name, "counter"] => classic += &format!("# TYPE {name}_total counter\n"),
            ["#", "TYPE", name, "info"] => classic += &format!("# TYPE {name}_info gauge\n"),
            ["#", "HELP", ..] => classic += "",
            _ => classic += &format!("{line}\n"),
        }
    }
    // Helps go with the names of the types.
    let helps: String = classic
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .map(|name| format!("# HELP {name} Told elsewhere.\n"))
        .collect();
    if let Some((fine, said)) = promtool(&["check", "metrics"], &(helps + &classic)) {
        assert!(fine && said.trim().is_empty(), "{said}");
        let wrong = "# HELP x_milliseconds Told.\n# TYPE x_milliseconds counter\nx_milliseconds 1\n";
        assert!(!promtool(&["check", "metrics"], wrong).unwrap().0, "it would let anything pass");
    }
}

fn monitoring(file: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitoring")).join(file)
}

/// The names that a text speaks of.
fn names(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_name(c));
    words.filter(|word| word.starts_with("ldk_fitness_")).map(String::from).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_the_metrics_is_so() {
    let metrics = eventful().await;
    let told = |line: &str| line.split([' ', '{']).next().unwrap_or_default().to_owned();
    let told: BTreeSet<String> = metrics.lines().filter(|line| !line.starts_with('#')).map(told).collect();
    for file in ["alerts.yml", "alerts.test.yml", "grafana.json"] {
        for name in names(&std::fs::read_to_string(monitoring(file)).unwrap()) {
            assert!(told.contains(&name), "{file} speaks of {name}, which there is not");
        }
    }
    // The page names all of them, without what they all begin with, and nothing else.
    let page = std::fs::read_to_string(monitoring("README.md")).unwrap();
    let family = |name: &str| {
        let name = name.trim_start_matches("ldk_fitness_");
        let parts = ["_bucket", "_sum", "_count"];
        let histogram =
            parts.iter().find_map(|part| name.strip_suffix(part).filter(|rest| rest.ends_with("seconds")));
        histogram.unwrap_or(name).to_owned()
    };
    let families: BTreeSet<String> = told.iter().map(|name| family(name)).collect();
    for family in &families {
        assert!(page.contains(&format!("`{family}`")), "README.md does not name {family}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let firsts = rows.filter_map(|line| line.split('|').nth(1));
    for name in firsts.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
        assert!(families.contains(name), "README.md names {name}, which there is not");
    }
}

#[test]
fn the_alert_rules_do_what_they_say() {
    let dir = monitoring("");
    let test = monitoring("alerts.test.yml");
    let Some((fine, said)) = promtool(&["check", "rules", monitoring("alerts.yml").to_str().unwrap()], "")
    else {
        return;
    };
    assert!(fine, "{said}");
    let (fine, said) = promtool(&["test", "rules", test.to_str().unwrap()], "").unwrap();
    assert!(fine, "{said}");

    // With another rule the trial fails.
    let other = tempfile::tempdir().unwrap();
    let rules = std::fs::read_to_string(dir.join("alerts.yml")).unwrap();
    let wrong = rules.replace("ldk_fitness_peer_connected == 0", "ldk_fitness_peer_connected == 1");
    assert_ne!(wrong, rules);
    std::fs::write(other.path().join("alerts.yml"), wrong).unwrap();
    std::fs::copy(&test, other.path().join("alerts.test.yml")).unwrap();
    let copy = other.path().join("alerts.test.yml");
    assert!(!promtool(&["test", "rules", copy.to_str().unwrap()], "").unwrap().0);
}

/// Every question that the dashboard asks is one that Prometheus understands.
#[test]
fn the_dashboard_asks_what_prometheus_understands() {
    let dashboard = std::fs::read_to_string(monitoring("grafana.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let asked: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(asked.len() > 20, "{}", asked.len());
    let mut rules = "groups: [{name: asked, rules: [".to_owned();
    for (number, expression) in asked.iter().enumerate() {
        let expression = expression.replace("$__rate_interval", "5m").replace("$__range", "7d");
        rules += &format!("{{record: \"asked:{number}\", expr: {}}}, ", serde_json::Value::from(expression));
    }
    rules += "]}]\n";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("asked.yml");
    std::fs::write(&file, &rules).unwrap();
    if let Some((fine, said)) = promtool(&["check", "rules", file.to_str().unwrap()], "") {
        assert!(fine && said.contains(&format!("{} rules found", asked.len())), "{said}");
        std::fs::write(&file, rules.replacen("sum(", "sum((", 1)).unwrap();
        assert!(!promtool(&["check", "rules", file.to_str().unwrap()], "").unwrap().0);
    }
}
