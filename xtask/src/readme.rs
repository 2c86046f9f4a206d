//! The pages show code that compiles: it is cut from the examples.

use std::fs;

use crate::run::root;

/// Where a page's code comes from.
struct Source {
    page: &'static str,
    file: &'static str,
    shown: Shown,
}

enum Shown {
    /// As one code block after a comment of that name: what a wallet adds.
    Whole(&'static str),
    /// Bit by bit: a code block for each stretch, after a comment with the file's path and the
    /// stretch's number.
    Stretches,
}

const SOURCES: &[Source] = &[
    Source {
        page: "README.md",
        file: "crates/fitness-ldk/examples/ldk_node_wallet.rs",
        shown: Shown::Whole("ldk_node_wallet"),
    },
    Source {
        page: "README.md",
        file: "crates/fitness-ldk/examples/raw_ldk.rs",
        shown: Shown::Whole("raw_ldk"),
    },
    Source {
        page: "docs/BACKENDS.md",
        file: "crates/fitness-store/examples/one_file.rs",
        shown: Shown::Stretches,
    },
    Source {
        page: "docs/BACKENDS.md",
        file: "crates/fitness-store/tests/one_file.rs",
        shown: Shown::Stretches,
    },
];

/// What we promise a wallet.
const MOST_LINES: usize = 10;

pub(crate) fn check(write: bool) -> Result<(), String> {
    for Source { page, file, shown } in SOURCES {
        let stretches = stretches(file, &read(file)?)?;
        let text = read(page)?;
        let fresh = match shown {
            Shown::Whole(name) => replaced(&text, page, name, &whole(file, stretches)?)?,
            Shown::Stretches => with_stretches(&text, page, file, &stretches)?,
        };
        if fresh == text {
            println!("the code of {file} is as {page} has it");
        } else if write {
            fs::write(root().join(page), fresh).map_err(|err| format!("{page}: {err}"))?;
            println!("the code of {file} was put into {page}");
        } else {
            return Err(format!("{page} has other code than {file}; run `cargo xtask readme --write`"));
        }
    }
    Ok(())
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|err| format!("{path}: {err}"))
}

/// What stands between the markers of a file, each stretch unindented, by the markers' numbers.
fn stretches(file: &str, source: &str) -> Result<Vec<(u32, String)>, String> {
    let mut lines = source.lines();
    let mut stretches = Vec::new();
    while let Some(number) =
        lines.by_ref().find_map(|line| line.trim().strip_prefix("// --- fitness: begin "))
    {
        let number = number.parse().map_err(|_| format!("{file}: `begin {number}` has no number"))?;
        let stretch: Vec<&str> =
            lines.by_ref().take_while(|line| line.trim() != "// --- fitness: end").collect();
        stretches.push((number, unindented(&stretch)));
    }
    stretches.sort();
    if stretches.is_empty() {
        return Err(format!("{file} has no `// --- fitness: begin` and `end`"));
    }
    Ok(stretches)
}

/// All stretches as one, a blank line between, if that is as little as we promise.
fn whole(file: &str, stretches: Vec<(u32, String)>) -> Result<String, String> {
    let stretches: Vec<String> = stretches.into_iter().map(|(_, stretch)| stretch).collect();
    let code = stretches.iter().flat_map(|stretch| stretch.lines());
    let count = code.filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count();
    if count > MOST_LINES {
        return Err(format!("{file} takes {count} lines to add fitness, not {MOST_LINES}"));
    }
    Ok(stretches.join("\n\n"))
}

/// The page with every stretch of the file, which it is to show in their order.
fn with_stretches(text: &str, page: &str, file: &str, stretches: &[(u32, String)]) -> Result<String, String> {
    let mark = format!("<!-- {file} ");
    let shown: Vec<&str> =
        text.split(&mark).skip(1).filter_map(|rest| Some(rest.split_once(" -->")?.0)).collect();
    let expected: Vec<String> = stretches.iter().map(|(number, _)| number.to_string()).collect();
    if shown != expected {
        return Err(format!("{page} shows the stretches {shown:?} of {file}, which has {expected:?}"));
    }
    stretches.iter().try_fold(text.to_owned(), |text, (number, stretch)| {
        replaced(&text, page, &format!("{file} {number}"), stretch)
    })
}

fn unindented(lines: &[&str]) -> String {
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = filled.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines.iter().map(|line| line.get(indent..).unwrap_or("")).collect::<Vec<_>>().join("\n")
}

fn replaced(text: &str, page: &str, name: &str, code: &str) -> Result<String, String> {
    let opening = format!("<!-- {name} -->\n```rust");
    let missing = || format!("{page} has no code block after `<!-- {name} -->`");
    let (before, rest) = text.split_once(&opening).ok_or_else(missing)?;
    let (_, after) = rest.split_once("\n```\n").ok_or_else(missing)?;
    Ok(format!("{before}{opening}\n{code}\n```\n{after}"))
}
