//! What stands in a page between `<!-- name -->` and `<!-- /name -->`.

/// The page with that part replaced.
pub(crate) fn replaced(file: &str, page: &str, name: &str, fresh: &str) -> Result<String, String> {
    let (opening, closing) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let missing = || format!("{file} has no `{}` … `{closing}`", opening.trim());
    let (before, rest) = page.split_once(&opening).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&closing).ok_or_else(missing)?;
    Ok(format!("{before}{opening}{fresh}\n{closing}{after}"))
}
