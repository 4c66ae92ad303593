use dhcproto::{
    Decodable,
    v6::{DhcpOption, Message, OptionCode},
};

use super::*;
use crate::exchange::tests::said;
use crate::{
    plan::Wanted6,
    v6::reply::tests::{DUID, address, association, message, option, prefix},
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn client(prefix: Option<u8>) -> Client {
    Client { duid: DUID.to_vec(), wanted: Wanted6 { prefix } }
}

fn acquire(prefix: Option<u8>) -> Acquire {
    Acquire::new(client(prefix), Moment::from_millis(50_000), &[], Patience::default(), Random::from_seed(7))
}

fn sent(machine: &mut impl Machine, now: &mut Duration) -> Option<Message> {
    said(machine, now).map(|bytes| Message::from_bytes(&bytes).unwrap())
}

fn heard(kind: MessageType, to: &Message, options: &[Vec<u8>]) -> Heard {
    Heard { message: message(kind, to.xid(), options), mac: None }
}

fn given() -> Vec<u8> {
    association(OptionCode::IANA, [30, 60], &[address("2001:db8::5", 100, 120)])
}

fn refused(status: u16) -> Vec<u8> {
    option(OptionCode::StatusCode, &status.to_be_bytes())
}

#[test]
fn the_first_wait_is_for_better_servers_and_then_one_is_asked() {
    let (mut machine, mut now) = (acquire(None), Duration::ZERO);
    let solicit = sent(&mut machine, &mut now).unwrap();
    assert_eq!(solicit.msg_type(), MessageType::Solicit);
    assert_eq!(machine.hear(now, &heard(MessageType::Advertise, &solicit, &[given()])), None);
    assert!(matches!(machine.next(now), Next::Wait(_)));
    let request = sent(&mut machine, &mut now).unwrap();
    assert_eq!(request.msg_type(), MessageType::Request);
    assert!(now >= Duration::from_millis(900) && now <= Duration::from_millis(1100), "{now:?}");
    assert_eq!(request.opts().get(OptionCode::ServerId), Some(&DhcpOption::ServerId(b"you".to_vec())));
    let lease = machine.hear(now, &heard(MessageType::Reply, &request, &[given()])).unwrap();
    assert_eq!(lease.ips[0].address.to_string(), "2001:db8::5/128");
    assert_eq!(lease.times.since, Moment::from_millis(50_000 + u64::try_from(now.as_millis()).unwrap()));
}

#[test]
fn a_preferred_server_is_asked_at_once_and_a_late_one_too() {
    let (mut machine, mut now) = (acquire(None), Duration::ZERO);
    let solicit = sent(&mut machine, &mut now).unwrap();
    let preferred = [given(), option(OptionCode::Preference, &[255])];
    machine.hear(now, &heard(MessageType::Advertise, &solicit, &preferred));
    assert_eq!(sent(&mut machine, &mut now).unwrap().msg_type(), MessageType::Request);
    assert_eq!(now, Duration::ZERO);

    let mut machine = acquire(None);
    sent(&mut machine, &mut now).unwrap();
    let again = sent(&mut machine, &mut now).unwrap();
    machine.hear(now, &heard(MessageType::Advertise, &again, &[given()]));
    let before = now;
    assert_eq!(sent(&mut machine, &mut now).unwrap().msg_type(), MessageType::Request);
    assert_eq!(now, before);
}

#[test]
fn who_has_not_all_that_is_wanted_is_not_asked() {
    let (mut machine, mut now) = (acquire(Some(56)), Duration::ZERO);
    for options in [vec![given()], vec![refused(2)]] {
        let solicit = sent(&mut machine, &mut now).unwrap();
        assert_eq!(solicit.msg_type(), MessageType::Solicit);
        machine.hear(now, &heard(MessageType::Advertise, &solicit, &options));
    }
    assert_eq!(machine.refusal(), Some("NoAddrsAvail"));
    let solicit = sent(&mut machine, &mut now).unwrap();
    let both = [given(), association(OptionCode::IAPD, [0, 0], &[prefix("2001:db8:1::", 56, 100)])];
    machine.hear(now, &heard(MessageType::Advertise, &solicit, &both));
    let request = sent(&mut machine, &mut now).unwrap();
    let lease = machine.hear(now, &heard(MessageType::Reply, &request, &both)).unwrap();
    assert_eq!(lease.ips[1].address.to_string(), "2001:db8:1::1/56");
}

#[test]
fn refused_requests_and_silence_begin_anew() {
    let (mut machine, mut now) = (acquire(None), Duration::ZERO);
    let solicit = sent(&mut machine, &mut now).unwrap();
    machine.hear(now, &heard(MessageType::Advertise, &solicit, &[given()]));
    let request = sent(&mut machine, &mut now).unwrap();
    assert_eq!(machine.hear(now, &heard(MessageType::Reply, &request, &[refused(2)])), None);
    let before = now;
    let solicit = sent(&mut machine, &mut now).unwrap();
    assert!(solicit.msg_type() == MessageType::Solicit && now > before);
    machine.hear(now, &heard(MessageType::Advertise, &solicit, &[given()]));
    let mut asked = Vec::new();
    let begin = now;
    while asked.last() != Some(&MessageType::Solicit) {
        asked.push(sent(&mut machine, &mut now).unwrap().msg_type());
    }
    assert!(asked.len() > 3 && now >= begin + seconds(10), "{asked:?} {now:?}");
    while sent(&mut machine, &mut now).is_some() {}
    assert!(now >= seconds(208));
}

#[test]
fn addresses_are_kept_or_refused_or_nobody_answers() {
    let ips = [IpConfig { interface: None, address: "2001:db8::5/128".parse().unwrap(), gateway: None }];
    let extend =
        |server| Extend::new(client(None), Moment::from_millis(0), (&ips, server), seconds(10), Random::from_seed(7));
    let (mut machine, mut now) = (extend(Some(b"you".as_slice())), Duration::ZERO);
    let renew = sent(&mut machine, &mut now).unwrap();
    assert_eq!(renew.msg_type(), MessageType::Renew);
    assert!(matches!(machine.hear(now, &heard(MessageType::Reply, &renew, &[given()])), Some(Extended::Lease(_))));
    assert_eq!(machine.hear(now, &heard(MessageType::Reply, &renew, &[refused(1)])), None, "not now");
    let nothing = association(OptionCode::IANA, [0, 0], &[refused(3)]);
    let refusal = machine.hear(now, &heard(MessageType::Reply, &renew, &[nothing]));
    assert_eq!(refusal, Some(Extended::Refused("NoBinding".into())));
    let gone = association(OptionCode::IANA, [0, 0], &[address("2001:db8::5", 0, 0)]);
    assert!(matches!(machine.hear(now, &heard(MessageType::Reply, &renew, &[gone])), Some(Extended::Refused(_))));
    assert_eq!(machine.hear(now, &heard(MessageType::Advertise, &renew, &[given()])), None);
    while sent(&mut machine, &mut now).is_some() {}
    assert_eq!(now, seconds(10));
    now = Duration::ZERO;
    assert_eq!(sent(&mut extend(None), &mut now).unwrap().msg_type(), MessageType::Rebind);
}
