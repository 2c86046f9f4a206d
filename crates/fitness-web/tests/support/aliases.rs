//! Aliases of the simulated peers.

/// Aliases that try to inject markup or to disturb the layout. Peers 0, 10, 20 and so on have them.
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

const ORDINARY: &[&str] = &[
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

pub(super) fn alias(index: usize) -> Option<String> {
    match index % 10 {
        // Some peers have no alias.
        5 => None,
        0 if index / 10 < HOSTILE.len() => Some(HOSTILE[index / 10].to_owned()),
        _ => {
            let alias = ORDINARY[index * 5 % ORDINARY.len()];
            Some(if index < ORDINARY.len() { alias.to_owned() } else { format!("{alias} {index}") })
        }
    }
}
