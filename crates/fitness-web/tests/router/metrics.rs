//! Metrics, alert rules and the Grafana dashboard, checked with promtool where possible.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::http::header;
use fitness_core::Event;
use fitness_web::Web;

use crate::client::*;

/// Returns the value of a series.
fn value(metrics: &str, series: &str) -> f64 {
    let found: Vec<_> =
        metrics.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).collect();
    assert_eq!(found.len(), 1, "{series} occurs {} times", found.len());
    found[0].parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn series_match_the_state_of_the_service() {
    let service = start_service().await;
    let (handle, router) = (service.handle(), router(service.handle()));
    handle.record(channel_opened(1, true));
    handle.record(channel_opened(2, true));
    handle.record(Event::Watch { node_id: node_id(3) });
    advance(30).await;
    handle.record(peer_offline(2));
    advance(10).await;
    let response = get(&router, "/metrics").await;
    assert!(response.header(header::CONTENT_TYPE).starts_with("application/openmetrics-text"));
    let metrics = response.body;
    let of = |name: &str, number| {
        value(&metrics, &format!("ldk_fitness_peer_{name}{{node_id=\"{}\"}}", node_id(number)))
    };
    assert_eq!((of("online", 1), of("online", 2)), (1.0, 0.0));
    assert!(
        !metrics.contains(&format!("ldk_fitness_peer_online{{node_id=\"{}\"}}", node_id(3))),
        "no value while unobserved"
    );
    assert_eq!((of("observed", 1), of("observed", 3)), (1.0, 0.0));
    assert_eq!((of("uptime_seconds_total", 2), of("observed_seconds_total", 2)), (30.0, 40.0));
    assert_eq!((of("availability_ratio", 2), of("disconnects_total", 2)), (0.75, 1.0));
    assert_eq!(of("presence_since_timestamp_seconds", 2), 1_800_000_030.0);
    assert_eq!((of("channels", 1), of("channels", 3)), (1.0, 0.0));
    assert_eq!(value(&metrics, "ldk_fitness_peers{presence=\"online\"}"), 1.0);
    assert_eq!(value(&metrics, "ldk_fitness_peers{presence=\"offline\"}"), 1.0);
    assert_eq!(value(&metrics, "ldk_fitness_peers{presence=\"unobserved\"}"), 1.0);
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
async fn peers_keep_their_series() {
    let service = start_service().await;
    let handle = service.handle();
    let router = Web::builder(service.handle()).max_metrics_peers(2).build().router();
    // Ascending tracking time is descending order of ids.
    for number in [5, 4, 3, 2, 1] {
        handle.record(channel_opened(number, true));
        advance(1).await;
    }
    let with_series = async || {
        let metrics = get(&router, "/metrics").await.body;
        let has = |number: &u8| {
            metrics.contains(&format!("ldk_fitness_peer_channels{{node_id=\"{}\"}}", node_id(*number)))
        };
        ((1..=5).filter(has).collect::<Vec<u8>>(), value(&metrics, "ldk_fitness_peers_without_series"))
    };
    assert_eq!(with_series().await, (vec![4, 5], 3.0));
    handle.record(peer_offline(5));
    handle.record(peer_offline(4));
    advance(60).await;
    assert_eq!(with_series().await, (vec![4, 5], 3.0));
    service.shutdown().await.unwrap();
}

/// Runs promtool. Returns whether it succeeded, and its output.
fn promtool(args: &[&str], input: &str) -> (bool, String) {
    let mut process = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cannot run promtool: install it (Debian: prometheus)");
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// Returns metrics with a value in every family.
async fn sample_metrics() -> String {
    let service = start_service().await;
    let handle = service.handle();
    (1..=9).for_each(|number| handle.record(channel_opened(number, true)));
    advance(10).await;
    handle.record(peer_offline(1));
    handle.record(Event::ObservationPaused);
    advance(10).await;
    handle.record(Event::ObservationResumed);
    handle.record(peer_online(2));
    advance(10).await;
    let hostile_alias = |node_id: &fitness_core::NodeId| Some(format!("a\\b\"c\nd{}", node_id.0[1]));
    let metrics = get(&Web::builder(handle).aliases(hostile_alias).build().router(), "/metrics").await.body;
    service.shutdown().await.unwrap();
    metrics
}

/// Parses the metrics with Prometheus' own parser of OpenMetrics.
#[tokio::test(start_paused = true)]
#[ignore = "needs promtool (Debian: prometheus)"]
async fn prometheus_parses_the_metrics() {
    let metrics = sample_metrics().await;
    // `create-blocks-from` requires timestamps.
    let with_timestamps: String = metrics
        .lines()
        .map(|line| if line.starts_with('#') { format!("{line}\n") } else { format!("{line} 1800000000\n") })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let (input, blocks) = (dir.path().join("metrics"), dir.path().join("blocks"));
    std::fs::write(&input, with_timestamps).unwrap();
    let args =
        ["tsdb", "create-blocks-from", "openmetrics", input.to_str().unwrap(), blocks.to_str().unwrap()];
    let (passed, output) = promtool(&args, "");
    assert!(passed, "{output}");
    let invalid = metrics.replace("# TYPE ldk_fitness_peers gauge", "# TYPE ldk_fitness_peers gorge");
    std::fs::write(&input, invalid).unwrap();
    assert!(!promtool(&args, "").0, "promtool accepts an invalid type");
}

/// Checks names and units. `promtool check metrics` reads the older text format, in which the name of a
/// counter includes its suffix, and an info is a gauge.
#[tokio::test(start_paused = true)]
#[ignore = "needs promtool (Debian: prometheus)"]
async fn metric_names_follow_the_conventions() {
    let mut text_format = String::new();
    for line in sample_metrics().await.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "UNIT" | "HELP", ..] | ["#", "EOF"] => {}
            ["#", "TYPE", name, "counter"] => text_format += &format!("# TYPE {name}_total counter\n"),
            ["#", "TYPE", name, "info"] => text_format += &format!("# TYPE {name}_info gauge\n"),
            _ => text_format += &format!("{line}\n"),
        }
    }
    // A help text is required for each type.
    let help: String = text_format
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .map(|name| format!("# HELP {name} Help.\n"))
        .collect();
    let (passed, output) = promtool(&["check", "metrics"], &(help + &text_format));
    assert!(passed && output.trim().is_empty(), "{output}");
    let unconventional = "# HELP x_milliseconds Help.\n# TYPE x_milliseconds counter\nx_milliseconds 1\n";
    assert!(!promtool(&["check", "metrics"], unconventional).0, "promtool accepts milliseconds");
}

fn monitoring(file: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitoring")).join(file)
}

/// Returns the metric names that a text mentions.
fn metric_names(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_name(c));
    words.filter(|word| word.starts_with("ldk_fitness_")).map(String::from).collect()
}

#[tokio::test(start_paused = true)]
async fn monitoring_files_use_existing_metrics_and_document_all() {
    let metrics = sample_metrics().await;
    let name = |line: &str| line.split([' ', '{']).next().unwrap_or_default().to_owned();
    let exported: BTreeSet<String> =
        metrics.lines().filter(|line| !line.starts_with('#')).map(name).collect();
    for file in ["alerts.yml", "alerts.test.yml", "grafana.json"] {
        let used = metric_names(&std::fs::read_to_string(monitoring(file)).unwrap());
        let unknown: Vec<_> = used.difference(&exported).collect();
        assert!(unknown.is_empty(), "{file} uses unknown metrics: {unknown:?}");
    }
    // README.md lists all metrics, without their common prefix.
    let readme = std::fs::read_to_string(monitoring("README.md")).unwrap();
    let family = |name: &str| {
        let name = name.trim_start_matches("ldk_fitness_");
        let suffixes = ["_bucket", "_sum", "_count"];
        let histogram = suffixes
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix).filter(|rest| rest.ends_with("seconds")));
        histogram.unwrap_or(name).to_owned()
    };
    let families: BTreeSet<String> = exported.iter().map(|name| family(name)).collect();
    for family in &families {
        assert!(readme.contains(&format!("`{family}`")), "README.md does not document {family}");
    }
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    let first_cells = rows.filter_map(|line| line.split('|').nth(1));
    for name in first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
        assert!(families.contains(name), "README.md documents an unknown metric {name}");
    }
}

#[test]
#[ignore = "needs promtool (Debian: prometheus)"]
fn alert_rules_pass_their_tests() {
    let rules_file = monitoring("alerts.yml");
    let tests_file = monitoring("alerts.test.yml");
    let (passed, output) = promtool(&["check", "rules", rules_file.to_str().unwrap()], "");
    assert!(passed, "{output}");
    let (passed, output) = promtool(&["test", "rules", tests_file.to_str().unwrap()], "");
    assert!(passed, "{output}");

    // Check that the tests detect a wrong rule.
    let dir = tempfile::tempdir().unwrap();
    let rules = std::fs::read_to_string(rules_file).unwrap();
    let wrong = rules.replace("ldk_fitness_peer_online == 0", "ldk_fitness_peer_online == 1");
    assert_ne!(wrong, rules);
    std::fs::write(dir.path().join("alerts.yml"), wrong).unwrap();
    let copy = dir.path().join("alerts.test.yml");
    std::fs::copy(tests_file, &copy).unwrap();
    assert!(!promtool(&["test", "rules", copy.to_str().unwrap()], "").0);
}

/// Parses the PromQL expressions of the dashboard.
#[test]
#[ignore = "needs promtool (Debian: prometheus)"]
fn grafana_expressions_are_valid() {
    let dashboard = std::fs::read_to_string(monitoring("grafana.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(expressions.len() > 20, "{}", expressions.len());
    let mut rules = "groups: [{name: dashboard, rules: [".to_owned();
    for (index, expression) in expressions.iter().enumerate() {
        let expression = expression.replace("$__rate_interval", "5m").replace("$__range", "7d");
        let expression = serde_json::Value::from(expression);
        rules += &format!("{{record: \"expression:{index}\", expr: {expression}}}, ");
    }
    rules += "]}]\n";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules.yml");
    std::fs::write(&file, &rules).unwrap();
    let (passed, output) = promtool(&["check", "rules", file.to_str().unwrap()], "");
    assert!(passed && output.contains(&format!("{} rules found", expressions.len())), "{output}");
    std::fs::write(&file, rules.replacen("sum(", "sum((", 1)).unwrap();
    assert!(!promtool(&["check", "rules", file.to_str().unwrap()], "").0, "promtool accepts a syntax error");
}
