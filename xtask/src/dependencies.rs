//! Checks the dependencies that ARCHITECTURE.md forbids.

use std::collections::BTreeSet;

use crate::command::{cargo, output};

/// For each crate, packages that must not be among its direct or indirect dependencies. Further
/// rules follow from these: the store port has no database because no database is listed.
const FORBIDDEN: &[(&str, &[&str])] = &[
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
    // The only store that depends on LDK, for its `KVStore` trait.
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
    // It needs LDK's peer handling. The service chooses the store.
    (
        "fitness-watch",
        &["ldk-node", "redb", "fitness-store-redb", "fitness-store-kv", "fitness-regtest", "fitness-cli"],
    ),
    // It uses the service's handle only.
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
    // It uses the JSON API only.
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

/// All direct dependencies of fitness-core.
const CORE: &[&str] = &["hashbrown", "libm", "serde", "siphasher"];

pub(crate) fn check() -> Result<(), String> {
    for (package, forbidden) in FORBIDDEN {
        let dependencies = all_dependencies(package)?;
        for other in *forbidden {
            if dependencies.contains(*other) {
                return Err(format!("{package} depends on {other}, which ARCHITECTURE.md forbids"));
            }
        }
    }
    let direct = direct_dependencies("fitness-core")?;
    if let Some(other) = direct.iter().find(|name| !CORE.contains(&name.as_str())) {
        return Err(format!("fitness-core has a new dependency: {other}; it is to have {CORE:?} only"));
    }
    println!("no crate has a forbidden dependency");
    Ok(())
}

/// Returns the names of all packages that a package's library is built with, with all features.
fn all_dependencies(package: &str) -> Result<BTreeSet<String>, String> {
    tree(package, &[])
}

fn direct_dependencies(package: &str) -> Result<BTreeSet<String>, String> {
    tree(package, &["--depth", "1"])
}

fn tree(package: &str, more_args: &[&str]) -> Result<BTreeSet<String>, String> {
    let mut args = vec!["tree", "--package", package, "--all-features"];
    args.extend(["--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    // With its feature `ldk-node`, fitness-ldk depends on a database: ldk-node's own.
    if package == "fitness-ldk" {
        args.retain(|arg| *arg != "--all-features");
    }
    args.extend(more_args);
    let printed = output(cargo(&args))?;
    let names = printed.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| *name != package).map(String::from).collect())
}
