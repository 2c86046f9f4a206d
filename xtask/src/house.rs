//! The rules of ARCHITECTURE.md that a manifest can break: who may depend on whom.

use std::collections::BTreeSet;

use crate::run::{cargo, output};

/// What a crate must not have among its dependencies, at any distance. The others follow from
/// these: the store port sees no database because no database is among its own.
const MUST_NOT_KNOW: &[(&str, &[&str])] = &[
    ("fitness-core", &["fitness-store", "tokio", "lightning", "ldk-node", "bitcoin", "redb", "tracing"]),
    (
        "fitness-store",
        &["tokio", "lightning", "ldk-node", "bitcoin", "redb", "tokio-postgres", "fitness-actor"],
    ),
    (
        "fitness-store-redb",
        &[
            "tokio",
            "lightning",
            "ldk-node",
            "bitcoin",
            "fitness-actor",
            "fitness-store-kv",
            "fitness-store-postgres",
        ],
    ),
    // It alone of the stores knows LDK, for its `KVStore`.
    (
        "fitness-store-kv",
        &[
            "tokio",
            "ldk-node",
            "redb",
            "fitness-actor",
            "fitness-ldk",
            "fitness-store-redb",
            "fitness-store-postgres",
        ],
    ),
    (
        "fitness-store-postgres",
        &[
            "lightning",
            "ldk-node",
            "bitcoin",
            "redb",
            "openssl",
            "fitness-actor",
            "fitness-ldk",
            "fitness-store-redb",
            "fitness-store-kv",
        ],
    ),
    (
        "fitness-advice",
        &["tokio", "lightning", "ldk-node", "bitcoin", "redb", "fitness-store", "fitness-actor"],
    ),
    (
        "fitness-actor",
        &[
            "lightning",
            "ldk-node",
            "bitcoin",
            "redb",
            "tokio-postgres",
            "fitness-ldk",
            "fitness-store-redb",
            "fitness-store-kv",
            "fitness-store-postgres",
        ],
    ),
    (
        "fitness-ldk",
        &["redb", "fitness-store-redb", "fitness-store-kv", "fitness-store-postgres", "fitness-cli"],
    ),
    // What LDK says of peers is all that it needs; where it is kept is the service's business.
    (
        "fitness-watch",
        &["ldk-node", "redb", "fitness-store-redb", "fitness-store-kv", "fitness-regtest", "fitness-cli"],
    ),
    // It sees the service's handle alone.
    (
        "fitness-web",
        &[
            "lightning",
            "ldk-node",
            "bitcoin",
            "redb",
            "fitness-ldk",
            "fitness-store-redb",
            "fitness-store-kv",
            "fitness-store-postgres",
            "fitness-cli",
        ],
    ),
    // It sees the JSON API alone.
    (
        "fitness-top",
        &[
            "lightning",
            "ldk-node",
            "bitcoin",
            "redb",
            "tokio-postgres",
            "fitness-store",
            "fitness-actor",
            "fitness-web",
            "fitness-ldk",
            "fitness-cli",
        ],
    ),
    ("fitness-words", &["tokio", "lightning", "ldk-node", "redb", "fitness-store", "fitness-actor"]),
    ("fitness-regtest", &["fitness-core", "fitness-store", "fitness-actor", "fitness-ldk"]),
    ("fitness-pgtest", &["fitness-core", "fitness-store", "fitness-actor", "fitness-ldk"]),
];

/// The dependencies of core, all of them.
const CORE: &[&str] = &["hashbrown", "libm", "serde", "siphasher"];

pub(crate) fn check() -> Result<(), String> {
    for (package, unknown) in MUST_NOT_KNOW {
        let known = dependencies(package)?;
        for other in *unknown {
            if known.contains(*other) {
                return Err(format!("{package} must not know {other}, and depends on it"));
            }
        }
    }
    let direct = direct_dependencies("fitness-core")?;
    if let Some(other) = direct.iter().find(|name| !CORE.contains(&name.as_str())) {
        return Err(format!("fitness-core has as good as no dependencies, and now has {other}"));
    }
    println!("no crate knows what it must not know");
    Ok(())
}

/// The names of everything that a package's library is built with, all features on.
fn dependencies(package: &str) -> Result<BTreeSet<String>, String> {
    tree(package, &[])
}

fn direct_dependencies(package: &str) -> Result<BTreeSet<String>, String> {
    tree(package, &["--depth", "1"])
}

fn tree(package: &str, more: &[&str]) -> Result<BTreeSet<String>, String> {
    let mut args = vec![
        "tree",
        "--package",
        package,
        "--all-features",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    // ldk-node brings a database of its own, which is not ours to forbid.
    if package == "fitness-ldk" {
        args.retain(|arg| *arg != "--all-features");
    }
    args.extend(more);
    let printed = output(cargo(&args))?;
    let names = printed.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| *name != package).map(String::from).collect())
}
