//! The README shows code that compiles: it is cut from the examples.

use std::fs;

use crate::run::root;

/// Examples of fitness-ldk. Each has a code block in the README, after a comment that names it.
const EXAMPLES: &[&str] = &["ldk_node_wallet", "raw_ldk"];

/// What we promise a wallet.
const MOST_LINES: usize = 10;

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

/// What stands between the markers of an example, in the order of the markers' numbers: each stretch
/// unindented, a blank line between.
fn snippet(example: &str) -> Result<String, String> {
    let path = root().join("crates/fitness-ldk/examples").join(format!("{example}.rs"));
    let source = fs::read_to_string(&path).map_err(|err| format!("{}: {err}", path.display()))?;
    let mut lines = source.lines();
    let mut stretches = Vec::new();
    while let Some(number) =
        lines.by_ref().find_map(|line| line.trim().strip_prefix("// --- fitness: begin "))
    {
        let stretch: Vec<&str> =
            lines.by_ref().take_while(|line| line.trim() != "// --- fitness: end").collect();
        stretches.push((number, unindented(&stretch)));
    }
    stretches.sort();
    let stretches: Vec<String> = stretches.into_iter().map(|(_, stretch)| stretch).collect();
    if stretches.is_empty() {
        return Err(format!("{} has no `// --- fitness: begin` and `end`", path.display()));
    }
    let code = stretches.iter().flat_map(|stretch| stretch.lines());
    let count = code.filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count();
    if count > MOST_LINES {
        return Err(format!("{} takes {count} lines to add fitness, not {MOST_LINES}", path.display()));
    }
    Ok(stretches.join("\n\n"))
}

fn unindented(lines: &[&str]) -> String {
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = filled.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines.iter().map(|line| line.get(indent..).unwrap_or("")).collect::<Vec<_>>().join("\n")
}

fn replaced(readme: &str, example: &str, code: &str) -> Result<String, String> {
    let opening = format!("<!-- {example} -->\n```rust\n");
    let missing = || format!("README.md has no code block after `<!-- {example} -->`");
    let (before, rest) = readme.split_once(&opening).ok_or_else(missing)?;
    let (_, after) = rest.split_once("\n```").ok_or_else(missing)?;
    Ok(format!("{before}{opening}{code}\n```{after}"))
}
