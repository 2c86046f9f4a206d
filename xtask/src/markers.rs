//! Parts of a page between `<!-- name -->` and `<!-- /name -->`.

/// Returns the page with the part `name` replaced by `content`.
pub(crate) fn replace(file: &str, page: &str, name: &str, content: &str) -> Result<String, String> {
    let (opening, closing) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let missing = || format!("{file} has no `{}` … `{closing}`", opening.trim());
    let (before, rest) = page.split_once(&opening).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&closing).ok_or_else(missing)?;
    Ok(format!("{before}{opening}{content}\n{closing}{after}"))
}
