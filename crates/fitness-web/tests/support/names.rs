//! What peers call themselves: most are harmless.

/// Names that would like to be more than text. Peers 0, 10, 20 and so on have them.
pub(crate) const HOSTILE: &[&str] = &[
    "<script>document.title='owned'</script>",
    "\"><img src=x onerror=\"document.title='owned'\">",
    "'-alert(1)-'</title></style></textarea>",
    "{{constructor.constructor('alert(1)')()}} &lt;b&gt; &amp;",
    "safe\u{202e}exe.gnp \u{2066}turned\u{2069}",
    "Z\u{337}\u{321}\u{32b}\u{318}\u{30d}\u{344}a\u{335}\u{310}\u{34b}\u{301}lgo\u{336}\u{354}\u{30e}",
    "line\nbreaks\r\nand\ttabs\u{0}\u{7}\u{1b}[31m",
    "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
    "\u{200b}\u{200d}\u{feff}",
    "javascript:alert(1)//\" style=position:fixed;inset:0",
];

const HARMLESS: &[&str] = &[
    "ACINQ",
    "Zürich Lightning",
    "bfx-lnd0",
    "ビットコイン研究所",
    "node.of.one",
    "عقدة البرق",
    "Kraken 🐙",
    "tiny-wallet",
    "LSP One",
    "routing for fun",
    "la-boulangerie",
    "river",
    "Ω meter",
    "old laptop",
];

pub(super) fn name(number: usize) -> Option<String> {
    match number % 10 {
        // Some are not called anything.
        5 => None,
        0 if number / 10 < HOSTILE.len() => Some(HOSTILE[number / 10].to_owned()),
        _ => {
            let name = HARMLESS[number * 5 % HARMLESS.len()];
            Some(if number < HARMLESS.len() { name.to_owned() } else { format!("{name} {number}") })
        }
    }
}
