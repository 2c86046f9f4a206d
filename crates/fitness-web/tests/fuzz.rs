//! Checks the API against its OpenAPI document with schemathesis, a property-based API tester.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Stdio;

use fitness_actor::{Clock as _, SystemClock};
use fitness_web::Web;
use support::SimulatedNode;
use tokio::process::Command;

/// Constraints that OpenAPI cannot express: `window` excludes `from_ns` and `to_ns`, and `from_ns` must not be
/// later than `to_ns`. Values that are invalid for another reason are left unchanged.
const HOOKS: &str = r#"
import schemathesis

@schemathesis.hook
def before_call(context, case, kwargs):
    query = case.query
    if query and "window" in query:
        query.pop("from_ns", None)
        query.pop("to_ns", None)
    elif query:
        ends = [query.get("from_ns"), query.get("to_ns")]
        if all(isinstance(end, int) and end >= 0 for end in ends):
            query["from_ns"], query["to_ns"] = min(ends), max(ends)
"#;

/// Runs schemathesis against the API at `url`. Returns whether it found no violation, and its output.
async fn run_schemathesis(
    dir: &Path,
    url: &str,
    config: &str,
    document: &str,
    args: &[&str],
) -> (bool, String) {
    std::fs::write(dir.join("hooks.py"), HOOKS).unwrap();
    std::fs::write(dir.join("schemathesis.toml"), config).unwrap();
    std::fs::write(dir.join("openapi.json"), document).unwrap();
    let output = Command::new("schemathesis")
        // The live stream does not end.
        .args(["run", "openapi.json", "--url", url, "--exclude-path", "/changes"])
        .args(["--max-examples", "30", "--generation-deterministic", "--no-color"])
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("cannot run schemathesis: install it (`pip install schemathesis`) and add it to PATH");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs schemathesis (PyPI: schemathesis)"]
async fn api_matches_its_openapi_document() {
    let node = SimulatedNode::new(7, 20, 30, SystemClock::new().wall()).await;
    let service = node.service().start().await.unwrap();
    let aliases = node.aliases.clone();
    let web = Web::builder(service.handle()).aliases(move |node_id| aliases.get(node_id).cloned()).build();
    let server = web.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}/api/v1", server.addr());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));

    let channel = service.handle().peers().iter().flat_map(|peer| peer.channels.clone()).next().unwrap();
    let random_ids = "hooks = \"hooks.py\"\n";
    // Random ids only lead to 404; these exist.
    let known_ids = format!(
        "{random_ids}[parameters]\n\"path.node_id\" = \"{}\"\n\"path.channel_id\" = \"{}\"\n",
        channel.node_id, channel.channel_id
    );
    let dir = tempfile::tempdir().unwrap();
    let document = fitness_web::openapi();
    for config in [random_ids, &known_ids] {
        let (passed, output) = run_schemathesis(dir.path(), &url, config, document, &[]).await;
        assert!(passed, "{output}");
    }

    // Check that schemathesis detects a response that does not match its schema, and an undocumented status.
    let number = "\"disconnects\": {\n            \"type\": \"integer\"";
    let cases = [
        ("/peers", number.to_owned(), number.replace("integer", "string")),
        ("/peers/{node_id}", "\"404\"".to_owned(), "\"410\"".to_owned()),
    ];
    for (path, from, to) in &cases {
        let wrong = document.replace(from, to);
        assert_ne!(wrong, document, "{from}");
        let args = ["--include-path", path];
        let (passed, output) = run_schemathesis(dir.path(), &url, random_ids, &wrong, &args).await;
        assert!(!passed, "{from}: {output}");
    }
    stop.send(()).unwrap();
    server.await.unwrap();
    service.shutdown().await.unwrap();
}
