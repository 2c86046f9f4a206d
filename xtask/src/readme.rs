//! The README shows code that compiles: it is cut from the examples.

use std::fs;

use crate::run::root;

/// A fence that opens with ```` ```rust ```` and a comment naming the example, and what is in it.
const EXAMPLES: &[&str] = &["ldk_node_wallet", "raw_ldk"];

pub(crate) fn check(write: bool) -> Result<(), String> {
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).map_err(|err| format!("{}: {err}", path.display()))?;
    let mut fresh = readme.clone();
    for example in EXAMPLES {
        fresh = replaced(&fresh, example, &snippet(example)?)?;
    }
    if fresh == readme {
        println!("the README's code is the examples' code");
        return Ok(());
    }
    if !write {
        return Err("the README's code is not the examples' code; run `cargo xtask readme --write`".into());
    }
    fs::write(&path, fresh).map_err(|err| format!("{}: {err}", path.display()))
}

/// The lines between the markers of an example, unindented.
fn snippet(example: &str) -> Result<String, String> {
    let path = root().join("crates/fitness-ldk/examples").join(format!("{example}.rs"));
    let source = fs::read_to_string(&path).map_err(|err| format!("{}: {err}", path.display()))?;
    let lines: Vec<&str> = source
        .lines()
        .skip_while(|line| line.trim() != "// --- fitness: begin")
        .skip(1)
        .take_while(|line| line.trim() != "// --- fitness: end")
        .collect();
    if lines.is_empty() {
        return Err(format!("{} has no `// --- fitness: begin` and `end`", path.display()));
    }
    let code = lines.iter().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count();
    if code > 10 {
        return Err(format!("{} takes {code} lines to add fitness; ten is what we promise", path.display()));
    }
    let indent = lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    Ok(lines.iter().map(|line| line.get(indent..).unwrap_or("")).collect::<Vec<_>>().join("\n"))
}

fn replaced(readme: &str, example: &str, code: &str) -> Result<String, String> {
    let opening = format!("<!-- {example} -->\n```rust\n");
    let missing = || format!("README.md has no code block after `<!-- {example} -->`");
    let (before, rest) = readme.split_once(&opening).ok_or_else(missing)?;
    let (_, after) = rest.split_once("\n```").ok_or_else(missing)?;
    Ok(format!("{before}{opening}{code}\n```{after}"))
}
