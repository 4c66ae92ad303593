use proptest::prelude::*;

use super::*;

const XID: u32 = 0x0102_0304;
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const ABOUT: Circumstances =
    Circumstances { since: Moment::from_millis(5000), mac: [2, 0, 0, 0, 0, 9], mtu: 1500, priority: None };

/// An answer with these options: their number, and what they say.
fn bytes(options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut message = vec![0; 240];
    message[0] = 2;
    message[4..8].copy_from_slice(&XID.to_be_bytes());
    message[16..20].copy_from_slice(&[10, 1, 0, 5]);
    message[28..34].copy_from_slice(&MAC);
    message[236..240].copy_from_slice(&[99, 130, 83, 99]);
    for (code, value) in options {
        message.extend([*code, u8::try_from(value.len()).unwrap()]);
        message.extend(*value);
    }
    message.push(255);
    message
}

const BASIC: [(u8, &[u8]); 4] = [(53, &[5]), (54, &[10, 1, 0, 1]), (1, &[255, 255, 255, 0]), (51, &[0, 0, 0, 120])];

fn reply(more: &[(u8, &[u8])]) -> Reply {
    Reply::read(&bytes(&[&BASIC, more].concat()), XID, MAC).unwrap()
}

fn lease(more: &[(u8, &[u8])]) -> Lease {
    reply(more).lease(&ABOUT).unwrap()
}

fn routes(more: &[(u8, &[u8])]) -> Vec<String> {
    let written = |route: &Route| match (route.gw, route.scope) {
        (Some(gw), None) => format!("{} via {gw}", route.dst),
        (None, Some(SCOPE_LINK)) => format!("{} on link", route.dst),
        odd => panic!("{odd:?}"),
    };
    lease(more).routes.iter().map(written).collect()
}

#[test]
fn an_acknowledgement_is_a_lease() {
    let options: [(u8, &[u8]); 7] = [
        (3, &[10, 1, 0, 1, 10, 1, 0, 2]),
        (6, &[10, 1, 0, 3, 0, 0, 0, 0]),
        (15, b"example.com\0"),
        (119, b"\x01a\x07example\x03com\0\x01b\xc0\x02"),
        (58, &[0, 0, 0, 30]),
        (59, &[0, 0, 0, 90]),
        (26, &[5, 120]),
    ];
    let lease = lease(&options);
    assert_eq!(lease.ips[0].address.to_string(), "10.1.0.5/24");
    assert_eq!(lease.ips[0].gateway, Some("10.1.0.1".parse().unwrap()));
    assert_eq!(lease.dns.nameservers, ["10.1.0.3"]);
    assert_eq!(lease.dns.domain.as_deref(), Some("example.com"));
    assert_eq!(lease.dns.search, ["a.example.com", "b.example.com"]);
    assert_eq!(lease.times, Times { since: ABOUT.since, renew: 30, rebind: 90, expire: 120 });
    assert_eq!(lease.server, Server::V4 { id: [10, 1, 0, 1].into(), mac: ABOUT.mac });
    assert_eq!(lease.routes[0].mtu, Some(1400));
}

#[test]
fn routes_are_classless_or_else_classful_and_the_routers() {
    let router: (u8, &[u8]) = (3, &[10, 1, 0, 1]);
    assert_eq!(routes(&[router]), ["0.0.0.0/0 via 10.1.0.1"]);
    let classful: (u8, &[u8]) = (
        33,
        &[10, 9, 0, 0, 10, 1, 0, 2, 172, 16, 5, 5, 10, 1, 0, 2, 192, 0, 2, 0, 10, 1, 0, 3, 224, 0, 0, 1, 10, 1, 0, 3],
    );
    assert_eq!(
        routes(&[router, classful]),
        [
            "10.0.0.0/8 via 10.1.0.2",
            "172.16.0.0/16 via 10.1.0.2",
            "192.0.2.0/24 via 10.1.0.3",
            "0.0.0.0/0 via 10.1.0.1"
        ]
    );
    let classless: (u8, &[u8]) = (121, &[24, 192, 0, 2, 10, 1, 0, 9, 0, 10, 1, 0, 8, 16, 172, 20, 0, 0, 0, 0]);
    assert_eq!(
        routes(&[router, classful, classless]),
        ["192.0.2.0/24 via 10.1.0.9", "0.0.0.0/0 via 10.1.0.8", "172.20.0.0/16 on link"]
    );
    assert_eq!(lease(&[router, classless]).ips[0].gateway, Some("10.1.0.1".parse().unwrap()));
}

#[test]
fn an_mtu_is_taken_where_it_is_below_the_links() {
    let mtu = |value: u16| lease(&[(3, &[10, 1, 0, 1]), (26, &value.to_be_bytes())]).routes[0].mtu;
    assert_eq!([67, 68, 1499, 1500, 9000].map(mtu), [None, Some(68), Some(1499), None, None]);
    let about = Circumstances { priority: Some(7), ..ABOUT };
    assert_eq!(reply(&[(3, &[10, 1, 0, 1])]).lease(&about).unwrap().routes[0].priority, Some(7));
}

#[test]
fn what_no_lease_can_be_made_of_is_told() {
    let without = |code: u8| {
        let options: Vec<_> = BASIC.into_iter().filter(|(other, _)| *other != code).collect();
        Reply::read(&bytes(&options), XID, MAC)
    };
    assert_eq!(without(53), None);
    let error = |reply: Option<Reply>| reply.unwrap().lease(&ABOUT).unwrap_err();
    assert_eq!(error(without(1)), "DHCP option Subnet Mask not found in DHCPACK");
    assert_eq!(error(without(54)), "it does not say which server it is from");
    assert_eq!(without(51).unwrap().lease(&ABOUT).unwrap().times.expire, 3600);
    let mut nobody = reply(&[]);
    nobody.address = Ipv4Addr::UNSPECIFIED;
    assert_eq!(error(Some(nobody)), "no interface can have the address 0.0.0.0");
    let mut odd = reply(&[]);
    odd.options.insert(1, vec![255, 0, 255, 0]);
    assert_eq!(error(Some(odd)), "255.0.255.0 is no subnet mask");
}

#[test]
fn answers_to_others_are_passed_over() {
    let message = bytes(&BASIC);
    assert!(Reply::read(&message, XID, MAC).is_some());
    assert_eq!(Reply::read(&message, XID + 1, MAC), None);
    assert_eq!(Reply::read(&message, XID, [9; 6]), None);
    let mut request = message.clone();
    request[0] = 1;
    assert_eq!(Reply::read(&request, XID, MAC), None);
    let mut no_cookie = message;
    no_cookie[236] = 0;
    assert_eq!(Reply::read(&no_cookie, XID, MAC), None);
}

#[test]
fn an_option_that_is_spoilt_does_not_spoil_others() {
    let odd: [(u8, &[u8]); 4] = [(12, b"\xff\xfe"), (3, &[10, 1, 0]), (15, b"\xff"), (6, &[10, 1, 0, 3])];
    let lease = lease(&odd);
    assert_eq!((lease.ips[0].gateway, lease.dns.nameservers.len(), lease.dns.domain), (None, 1, None));
}

#[test]
fn options_go_on_in_other_fields_and_in_parts() {
    let more: [(u8, &[u8]); 2] = [(52, &[3]), (6, &[10, 1])];
    let mut message = bytes(&[&BASIC[..], &more].concat());
    message[108..117].copy_from_slice(&[6, 2, 0, 3, 3, 2, 10, 1, 255]);
    message[44..49].copy_from_slice(&[3, 2, 0, 1, 255]);
    let lease = Reply::read(&message, XID, MAC).unwrap().lease(&ABOUT).unwrap();
    assert_eq!(lease.dns.nameservers, ["10.1.0.3"]);
    assert_eq!(lease.ips[0].gateway, Some("10.1.0.1".parse().unwrap()));
}

#[test]
fn reasons_are_one_line() {
    assert_eq!(reply(&[(56, b"wrong\nnetwork")]).reason().as_deref(), Some("wrongnetwork"));
    assert_eq!(reply(&[]).reason(), None);
}

proptest! {
    #[test]
    fn junk_is_survived(junk in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut message = bytes(&BASIC);
        message.pop();
        message.extend(&junk);
        if let Some(reply) = Reply::read(&message, XID, MAC) {
            let _ = (reply.reason(), reply.lease(&ABOUT));
        }
        Reply::read(&junk, XID, MAC);
    }
}
