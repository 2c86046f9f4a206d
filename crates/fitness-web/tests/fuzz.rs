//! The API held against its own description by a fuzzer, schemathesis.
//!
//! Where that is not installed the test says so and passes; in CI it fails.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Stdio;

use fitness_actor::{Clock as _, SystemClock};
use fitness_web::Web;
use support::World;
use tokio::process::Command;

/// What the description cannot say: windows and ends exclude each other, and a beginning is before an end.
/// One that is asked for wrongly in another way is left as it is.
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

/// Whether the fuzzer has no complaint about the API at `url`, by the description in `document`; `None`
/// where there is no fuzzer.
async fn is_as_described(
    dir: &Path,
    url: &str,
    config: &str,
    document: &str,
    of: &[&str],
) -> Option<(bool, String)> {
    std::fs::write(dir.join("hooks.py"), HOOKS).unwrap();
    std::fs::write(dir.join("schemathesis.toml"), config).unwrap();
    std::fs::write(dir.join("openapi.json"), document).unwrap();
    // A stream has no end that could be waited for.
    let output = Command::new("schemathesis")
        .args(["run", "openapi.json", "--url", url, "--exclude-path", "/changes"])
        .args(["--max-examples", "30", "--generation-deterministic", "--no-color"])
        .args(of)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .await;
    let Ok(output) = output else {
        let missing = "schemathesis is not installed (from PyPI)";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        eprintln!("{missing}: the API is not held against its description");
        return None;
    };
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), said))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_as_it_is_described() {
    let world = World::new(7, 20, 30, SystemClock::new().wall()).await;
    let service = world.service().start().await.unwrap();
    let names = world.names.clone();
    let web = Web::builder(service.handle()).aliases(move |node_id| names.get(node_id).cloned()).build();
    let server = web.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}/api/v1", server.addr());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));

    let channel = service.handle().peers().iter().flat_map(|peer| peer.channels.clone()).next().unwrap();
    let hooks = "hooks = \"hooks.py\"\n";
    // Ids that are made up are not known; with these there is something to tell.
    let known = format!(
        "{hooks}[parameters]\n\"path.node_id\" = \"{}\"\n\"path.channel_id\" = \"{}\"\n",
        channel.node_id, channel.channel_id
    );
    let dir = tempfile::tempdir().unwrap();
    let document = fitness_web::openapi();
    for config in [hooks, &known] {
        let Some((is, said)) = is_as_described(dir.path(), &url, config, document, &[]).await else { return };
        assert!(is, "{said}");
    }

    // It would find out: an answer that is not as it is described, and one that is not described.
    let number = "\"disconnects\": {\n            \"type\": \"integer\"";
    let cases = [
        ("/peers", number.to_owned(), number.replace("integer", "string")),
        ("/peers/{node_id}", "\"404\"".to_owned(), "\"410\"".to_owned()),
    ];
    for (path, from, to) in &cases {
        let wrong = document.replace(from, to);
        assert_ne!(wrong, document, "{from}");
        let (is, said) =
            is_as_described(dir.path(), &url, hooks, &wrong, &["--include-path", path]).await.unwrap();
        assert!(!is, "{from}: {said}");
    }
    stop.send(()).unwrap();
    server.await.unwrap();
    service.shutdown().await.unwrap();
}
