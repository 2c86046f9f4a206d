//! Code in the README and the docs: cut from examples, or compiled as a documentation test.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::root;

/// A file whose marked snippets a page shows.
struct Source {
    page: &'static str,
    file: &'static str,
    layout: Layout,
}

enum Layout {
    /// All snippets in one code block, after the comment `<!-- NAME -->`, in at most so many lines.
    OneBlock { name: &'static str, max_lines: usize },
    /// A code block for each snippet, after the comment `<!-- FILE NUMBER -->`.
    BlockEach,
}

const SOURCES: &[Source] = &[
    Source {
        page: "README.md",
        file: "crates/fitness-ldk/examples/ldk_node_wallet.rs",
        layout: Layout::OneBlock { name: "ldk_node_wallet", max_lines: 10 },
    },
    Source {
        page: "README.md",
        file: "crates/fitness-ldk/examples/raw_ldk.rs",
        layout: Layout::OneBlock { name: "raw_ldk", max_lines: 10 },
    },
    Source {
        page: "README.md",
        file: "crates/fitness-actor/examples/queries.rs",
        layout: Layout::OneBlock { name: "queries", max_lines: 12 },
    },
    Source {
        page: "docs/writing-a-backend.md",
        file: "crates/fitness-store/examples/single_file_store.rs",
        layout: Layout::BlockEach,
    },
    Source {
        page: "docs/writing-a-backend.md",
        file: "crates/fitness-store/tests/single_file_store.rs",
        layout: Layout::BlockEach,
    },
];

/// The file that includes pages as documentation tests.
const DOC_TESTS: &str = "tests/src/lib.rs";

/// A piece of a source file between `// --- fitness: begin NUMBER` and `// --- fitness: end`.
struct Snippet {
    number: u32,
    code: String,
}

pub(crate) fn check(write: bool) -> Result<(), String> {
    for Source { page, file, layout } in SOURCES {
        let snippets = snippets(file, &read(file)?)?;
        let text = read(page)?;
        let expected = match layout {
            Layout::OneBlock { name, max_lines } => {
                replace_block(&text, page, name, &joined(file, snippets, *max_lines)?)?
            }
            Layout::BlockEach => replace_blocks(&text, page, file, &snippets)?,
        };
        if expected == text {
            println!("{page} shows the code of {file}");
        } else if write {
            fs::write(root().join(page), expected).map_err(|err| format!("{page}: {err}"))?;
            println!("{page}: copied the code of {file}");
        } else {
            return Err(format!(
                "{page} differs from the code of {file}; run `cargo xtask snippets --write`"
            ));
        }
    }
    every_block_is_compiled()
}

/// Checks that every block of Rust code is either cut from a source or in a page that is compiled.
fn every_block_is_compiled() -> Result<(), String> {
    let doc_tests = read(DOC_TESTS)?;
    let mut pages = vec![PathBuf::from("README.md"), PathBuf::from("ARCHITECTURE.md")];
    markdown_files(Path::new("docs"), &mut pages)?;
    for page in pages {
        let page = page.to_string_lossy().into_owned();
        let is_included = doc_tests.contains(&format!("include_str!(\"../../{page}\")"));
        let text = read(&page)?;
        let mut before = "";
        for line in text.lines() {
            if line.starts_with("```rust") {
                if is_included && line.contains("ignore") {
                    return Err(format!("{page}: `{line}` is not compiled"));
                }
                if !is_included && !is_marker(before) {
                    return Err(format!(
                        "{page}: a block of Rust code is not compiled; cut it from an example \
                         (xtask/src/snippets.rs) or include the page in {DOC_TESTS}"
                    ));
                }
            }
            before = line;
        }
    }
    println!("all Rust code in the README and the docs is compiled");
    Ok(())
}

fn is_marker(line: &str) -> bool {
    let name = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
    name.is_some_and(|name| {
        SOURCES.iter().any(|source| match source.layout {
            Layout::OneBlock { name: block, .. } => name == block,
            Layout::BlockEach => name.starts_with(source.file),
        })
    })
}

fn markdown_files(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let path = root().join(directory);
    let entries = fs::read_dir(&path).map_err(|err| format!("{}: {err}", path.display()))?;
    for entry in entries {
        let entry = entry.map_err(|err| format!("{}: {err}", path.display()))?;
        let relative = directory.join(entry.file_name());
        if entry.path().is_dir() {
            markdown_files(&relative, found)?;
        } else if relative.extension().is_some_and(|extension| extension == "md") {
            found.push(relative);
        }
    }
    Ok(())
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|err| format!("{path}: {err}"))
}

/// Returns the snippets of a file by number, without their common indentation.
fn snippets(file: &str, source: &str) -> Result<Vec<Snippet>, String> {
    let mut lines = source.lines();
    let mut snippets = Vec::new();
    while let Some(number) =
        lines.by_ref().find_map(|line| line.trim().strip_prefix("// --- fitness: begin "))
    {
        let number = number
            .parse()
            .map_err(|_| format!("{file}: expected a number in `// --- fitness: begin {number}`"))?;
        let body: Vec<&str> =
            lines.by_ref().take_while(|line| line.trim() != "// --- fitness: end").collect();
        snippets.push(Snippet { number, code: unindented(&body) });
    }
    snippets.sort_by_key(|snippet| snippet.number);
    if snippets.is_empty() {
        return Err(format!("{file} has no `// --- fitness: begin NUMBER` and `// --- fitness: end`"));
    }
    Ok(snippets)
}

/// Joins all snippets with a blank line in between, if they have at most so many lines of code.
fn joined(file: &str, snippets: Vec<Snippet>, max_lines: usize) -> Result<String, String> {
    let snippets: Vec<String> = snippets.into_iter().map(|snippet| snippet.code).collect();
    let code = snippets.iter().flat_map(|snippet| snippet.lines());
    let count = code.filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count();
    if count > max_lines {
        return Err(format!("{file} shows {count} lines of code; the README promises {max_lines} at most"));
    }
    Ok(snippets.join("\n\n"))
}

/// Returns the page with a block for each snippet of the file, if it has them all in order.
fn replace_blocks(text: &str, page: &str, file: &str, snippets: &[Snippet]) -> Result<String, String> {
    let marker = format!("<!-- {file} ");
    let shown: Vec<&str> =
        text.split(&marker).skip(1).filter_map(|rest| Some(rest.split_once(" -->")?.0)).collect();
    let expected: Vec<String> = snippets.iter().map(|snippet| snippet.number.to_string()).collect();
    if shown != expected {
        return Err(format!("{page} shows the snippets {shown:?} of {file}, which has {expected:?}"));
    }
    snippets.iter().try_fold(text.to_owned(), |text, Snippet { number, code }| {
        replace_block(&text, page, &format!("{file} {number}"), code)
    })
}

fn unindented(lines: &[&str]) -> String {
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = filled.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines.iter().map(|line| line.get(indent..).unwrap_or("")).collect::<Vec<_>>().join("\n")
}

fn replace_block(text: &str, page: &str, name: &str, code: &str) -> Result<String, String> {
    let opening = format!("<!-- {name} -->\n```rust");
    let missing = || format!("{page} has no code block after `<!-- {name} -->`");
    let (before, rest) = text.split_once(&opening).ok_or_else(missing)?;
    let (_, after) = rest.split_once("\n```\n").ok_or_else(missing)?;
    Ok(format!("{before}{opening}\n{code}\n```\n{after}"))
}
