//! What was taken over is told, and marked as such from then on.

use crate::common::{ldk_fitness, node, stderr, stdout};
use crate::support::{AT_TEXT, ERIN, Place, US, ZOE, channels_file, peer_channel, peers_file};

#[test]
fn what_was_taken_over_is_marked() {
    let place = Place::new();
    let output = place.import(&[&peers_file(), &channels_file()], &[]);
    let sentences = format!(
        "\
ConnectTimings over 5 peers with 5 open channels from lnd, as of {AT_TEXT}, into {} for observer {US}.
`lncli listpeers` did not list these, so their flap counts begin at 0:
  {ERIN}
lnd had counted nothing of these, and they are left out:
  {ZOE}
",
        place.store.display()
    );
    assert_eq!((stdout(&output), stderr(&output)), (sentences, String::new()));

    let table = "\
Observer 020202…0202
4 peers, 5 channels, at 2026-03-01T12:00:00Z

peer        channel    lifetime  observed   uptime    avail-  flaps  last    state       for
                                                     ability         flap                     -45d 03h             now
----------------------------------------------------------------------------------------------------------------------
03bf…9154†  4e59…29a9   45d 03h   45d 03h  11h 00m    1.02 %      0  never   unobserved  0s   ▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂
0337…b153†  0e18…401c   45d 03h   45d 03h  30d 00h   66.48 %    212  1m 30s  unobserved  0s   ▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅
026c…664c†  3ba9…a8d6   45d 03h   45d 03h  44d 21h   99.54 %      7  1d 02h  unobserved  0s   ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇██████
            0977…b32a   12d 00h   12d 00h  12d 00h  100.00 %
0245…adc3†  4670…6f10   45d 03h   45d 03h  45d 03h  100.00 %      0  never   unobserved  0s   ████████████████████████

A mark is 1d 21h: █ online, ▂ to ▇ in part, ▁ offline, · unobserved

† until 2026-03-01T12:00:00Z as counted by lnd

We watched 0s of 0s (n/a) since 2026-03-01T12:00:00Z.
";
    let report = |args: &[&str]| {
        let mut command = ldk_fitness();
        let output = command.env("COLUMNS", "120").arg("report").arg(&place.store).args(args).output();
        stdout(&output.expect("it runs"))
    };
    assert_eq!(report(&[]), table);
    let detail = report(&["--peer", "026cec", "--ascii"]);
    for part in [
        "026c..664c* ",
        "\n* until 2026-03-01T12:00:00Z as counted by lnd\n",
        "\nuntil 2026-03-01T12:00:00Z as counted by lnd: observed 45d 03h, uptime 44d 21h, 7 flaps\n",
    ] {
        assert!(detail.contains(part), "{part} is missing from:\n{detail}");
    }

    // What is taken over later has its own moment.
    let more = place.file("more.json", peer_channel(&node('b'), 1, &[("9", "4")]));
    place.import_at("2026-03-02T12:00:00Z", &[&more], &[]);
    let footnote = "† until some time from 2026-03-01T12:00:00Z to 2026-03-02T12:00:00Z as counted by lnd;";
    let several = report(&[]);
    assert!(several.contains(footnote), "{several}");
}
