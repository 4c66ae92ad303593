use super::*;

const LINK: LinkIndex = LinkIndex(3);

fn ip(address: &str, gateway: Option<&str>) -> IpConfig {
    let gateway = gateway.map(|gw| gw.parse().unwrap());
    IpConfig { interface: None, address: address.parse().unwrap(), gateway }
}

/// `DST [via GW] [src SRC] [metric N]`
fn entry(text: &str) -> RouteEntry {
    let words: Vec<&str> = text.split(' ').collect();
    let after = |key: &str| words.iter().position(|word| *word == key).map(|place| words[place + 1]);
    let gw = after("via").map(|gw| gw.parse().unwrap());
    let metric = after("metric").map(|metric| metric.parse().unwrap());
    let src = after("src").map(|src| src.parse().unwrap());
    RouteEntry::new(&Route { metric, src, ..Route::new(words[0].parse().unwrap(), gw, LINK) }, 3)
}

fn show(entry: &RouteEntry) -> String {
    let Route { dst, gw, metric, .. } = &entry.route;
    let via = gw.map(|gw| format!(" via {gw}")).unwrap_or_default();
    let src = entry.route.src.map(|src| format!(" src {src}")).unwrap_or_default();
    let metric = metric.map(|metric| format!(" metric {metric}")).unwrap_or_default();
    let own = if entry.protocol == OWN { " own" } else { "" };
    format!("{}/{}{via}{src}{metric}{own}", dst.network(), dst.prefix())
}

/// What the table of the first address lacks.
fn lacks(ips: &[IpConfig], gateway: Option<&str>, main: &[&str], present: &[&str]) -> Vec<String> {
    let main: Vec<_> = main.iter().map(|text| entry(text)).collect();
    let present: Vec<_> = present.iter().map(|text| entry(text).in_table(100)).collect();
    let source = Source { ip: &ips[0], all: ips, link: LINK, gateway: gateway.map(|gw| gw.parse().unwrap()) };
    let lacks = source.lacks(&main.iter().collect::<Vec<_>>(), &present.iter().collect::<Vec<_>>());
    lacks
        .iter()
        .map(|(entry, rank)| format!("{}{}", show(entry), if *rank == Rank::First { " first" } else { "" }))
        .collect()
}

fn changes_of(main: &[&str], ips: &[IpConfig], keep: Main) -> Vec<String> {
    changes_with(main, &[], ips, keep)
}

fn changes_with(main: &[&str], held: &[&str], ips: &[IpConfig], keep: Main) -> Vec<String> {
    let main: Vec<_> = main.iter().map(|text| entry(text)).collect();
    let held: Vec<_> = held.iter().map(|text| entry(text).in_table(100)).collect();
    let present = Present { main: main.iter().collect(), held: held.iter().collect(), link: LINK };
    let changes = changes(&present, ips, keep);
    let tell = |change: &Change| match change {
        Change::Gone(entry) => format!("- {}", show(entry)),
        Change::Hinted(entry, src) => format!("* {} src {src}", show(entry)),
        Change::New(entry) => format!("+ {}", show(entry)),
    };
    changes.iter().map(tell).collect()
}

#[test]
fn each_address_gets_the_routes_of_its_network_those_of_none_and_a_default_route() {
    let ips = [ip("10.1.0.2/24", Some("10.1.0.1")), ip("10.2.0.2/24", None), ip("fd00::2/64", Some("fd00::1"))];
    let main = [
        "10.7.0.0/16 via 10.1.0.9",
        "10.8.0.0/16 via 10.2.0.9",
        "10.1.0.0/24 src 10.1.0.2",
        "10.2.0.0/24 src 10.2.0.2",
        "10.9.0.0/16",
        "fd00::/64 metric 256",
        "fe80::/64 metric 256",
        "fd09::/64 via fe80::9",
    ];
    assert_eq!(
        lacks(&ips, None, &main, &[]),
        ["10.1.0.0/24 src 10.1.0.2", "10.9.0.0/16", "10.7.0.0/16 via 10.1.0.9", "0.0.0.0/0 via 10.1.0.1 own first"]
    );
    let rotated = [ips[1].clone(), ips[0].clone(), ips[2].clone()];
    assert_eq!(
        lacks(&rotated, None, &main, &[]),
        ["10.2.0.0/24 src 10.2.0.2", "10.9.0.0/16", "10.8.0.0/16 via 10.2.0.9"]
    );
    let rotated = [ips[2].clone(), ips[0].clone(), ips[1].clone()];
    assert_eq!(
        lacks(&rotated, None, &main, &[]),
        ["fd00::/64 metric 256", "fe80::/64 metric 256", "fd09::/64 via fe80::9", "::/0 via fd00::1 own first"]
    );
}

#[test]
fn routes_that_fit_no_address_are_for_all() {
    let ips = [ip("10.1.0.2/32", Some("169.254.1.1")), ip("10.2.0.2/32", None)];
    let main = ["0.0.0.0/0 via 169.254.1.1 metric 5", "169.254.1.1/32"];
    let all = ["169.254.1.1/32", "0.0.0.0/0 via 169.254.1.1 metric 5"];
    assert_eq!(lacks(&ips, None, &main, &[]), all);
    assert_eq!(lacks(&[ips[1].clone(), ips[0].clone()], None, &main, &[]), all);
}

#[test]
fn default_route_of_the_main_table_goes_before_the_results_gateway_and_the_configurations_before_both() {
    let v4 = [ip("10.1.0.2/24", Some("10.1.0.1"))];
    let main = ["0.0.0.0/0 via 10.1.0.7 metric 5"];
    assert_eq!(lacks(&v4, None, &main, &[]), main);
    assert_eq!(lacks(&v4, Some("10.1.0.7"), &main, &[]), main);
    assert_eq!(lacks(&v4, Some("10.1.0.9"), &main, &[]), [main[0], "0.0.0.0/0 via 10.1.0.9 own first"]);
    assert_eq!(lacks(&v4, Some("10.1.0.9"), &[], &[]), ["0.0.0.0/0 via 10.1.0.9 own first"]);
    let v6 = [ip("fd00::2/64", Some("fd00::1"))];
    let main = ["::/0 via fd00::7 metric 1024"];
    assert_eq!(lacks(&v6, None, &main, &[]), main);
    assert_eq!(lacks(&v6, Some("fd00::9"), &main, &[]), [main[0], "::/0 via fd00::9 metric 1 own first"]);
    assert_eq!(lacks(&v6, Some("fd00::9"), &[], &[]), ["::/0 via fd00::9 own first"]);
    // A gateway of the other family is none.
    assert_eq!(lacks(&[ip("10.1.0.2/24", Some("fd00::1"))], None, &[], &[]), [""; 0]);
}

#[test]
fn what_is_in_the_table_already_is_not_put_there_again() {
    let ips = [ip("fd00::2/64", Some("fd00::1"))];
    let present = ["fd00::/64 metric 256", "::/0 via fd00::1"];
    // The main table has what an earlier ADD has made of it.
    assert_eq!(lacks(&ips, None, &["fd00::/64 src fd00::2 metric 256", "fd07::/64"], &present), ["fd07::/64"]);
    assert_eq!(lacks(&ips, Some("fd00::1"), &[], &present), [""; 0]);
}

#[test]
fn main_table_keeps_link_local_destinations_and_families_without_an_address() {
    let main = ["10.1.0.0/24 src 10.1.0.2", "0.0.0.0/0 via 10.1.0.1", "fd00::/64 metric 256", "fe80::/64 metric 256"];
    let v4 = [ip("10.1.0.2/24", None)];
    assert_eq!(changes_of(&main, &v4, Main::Emptied), ["- 10.1.0.0/24 src 10.1.0.2", "- 0.0.0.0/0 via 10.1.0.1"]);
    assert_eq!(changes_of(&main, &[ip("fd00::2/64", None)], Main::Emptied), ["- fd00::/64 metric 256"]);
}

#[test]
fn hints_are_given_where_they_are_missing() {
    let ips = [ip("10.1.0.2/24", None), ip("10.1.0.3/24", None), ip("fd00::2/64", None), ip("10.3.0.2/32", None)];
    let main = [
        "10.1.0.0/24 src 10.1.0.3",
        "10.9.0.0/16",
        "0.0.0.0/0 via 10.1.0.1",
        "fd00::/64 metric 256",
        "fe80::/64 metric 256",
        "::/0 via fd00::1 metric 1024",
    ];
    assert_eq!(
        changes_of(&main, &ips, Main::Hinted),
        ["- 0.0.0.0/0 via 10.1.0.1", "* fd00::/64 metric 256 src fd00::2", "- ::/0 via fd00::1 metric 1024"]
    );
    assert_eq!(changes_of(&[], &ips, Main::Hinted), ["+ 10.1.0.0/24 src 10.1.0.2 own", "+ fd00::/64 src fd00::2 own"]);
    // An ADD was killed when it had taken one away to put it there again.
    let held = ["10.1.0.0/24 src 10.1.0.2", "fd00::/64 metric 256"];
    assert_eq!(changes_with(&held[..1], &held, &ips, Main::Hinted), ["+ fd00::/64 src fd00::2 metric 256"]);
}
