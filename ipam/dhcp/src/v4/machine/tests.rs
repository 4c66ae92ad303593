use dhcproto::{
    Decodable, Encodable,
    v4::{DhcpOption, Message, Opcode, OptionCode},
};

use super::*;
use crate::exchange::tests::said;
use crate::plan::Wanted4;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 5);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const LINK: Link = Link { begin: Moment::from_millis(50_000), mtu: 1500, priority: None };

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn client() -> Client {
    Client { mac: MAC, id: b"\0c".to_vec(), wanted: Wanted4::default() }
}

fn acquire(earlier: Option<Ipv4Addr>) -> Acquire {
    Acquire::new(client(), LINK, earlier, Patience::default(), Random::from_seed(7))
}

fn extend() -> Extend {
    Extend::new(client(), LINK, ADDRESS, seconds(10), Random::from_seed(7))
}

/// What the machine sends when it is its turn, and when that is.
fn sent(machine: &mut impl Machine, now: &mut Duration) -> Option<Message> {
    said(machine, now).map(|bytes| Message::from_bytes(&bytes).unwrap())
}

fn kind(message: Option<&Message>) -> Option<MessageType> {
    message.and_then(|message| message.opts().msg_type())
}

fn answer(kind: MessageType, to: &Message, change: impl FnOnce(&mut Message)) -> Heard {
    let mut message = Message::default();
    message.set_opcode(Opcode::BootReply).set_xid(to.xid()).set_chaddr(&MAC).set_yiaddr(ADDRESS);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ServerIdentifier(SERVER));
    options.insert(DhcpOption::SubnetMask([255, 255, 255, 0].into()));
    options.insert(DhcpOption::AddressLeaseTime(120));
    change(&mut message);
    Heard { message: message.to_vec().unwrap(), mac: Some([2, 0, 0, 0, 0, 9]) }
}

fn plain(kind: MessageType, to: &Message) -> Heard {
    answer(kind, to, |_| ())
}

#[test]
fn offer_is_taken_and_acknowledged() {
    let (mut machine, mut now) = (acquire(None), Duration::ZERO);
    let discover = sent(&mut machine, &mut now).unwrap();
    assert_eq!(kind(Some(&discover)), Some(MessageType::Discover));
    assert_eq!(machine.hear(now, &plain(MessageType::Offer, &discover)), None);
    now += seconds(1);
    let request = sent(&mut machine, &mut now).unwrap();
    assert_eq!((kind(Some(&request)), request.xid()), (Some(MessageType::Request), discover.xid()));
    assert_eq!(now, seconds(1), "at once");
    let lease = machine.hear(now + seconds(1), &plain(MessageType::Ack, &request)).unwrap().unwrap();
    assert_eq!(lease.ips[0].address.to_string(), "10.1.0.5/24");
    assert_eq!(lease.times.since, LINK.begin.plus_millis(1000), "from when it was asked for");
}

#[test]
fn silence_is_asked_again_more_and_more_seldom_and_at_last_given_up() {
    let (mut machine, mut now) = (acquire(None), Duration::ZERO);
    let mut times = Vec::new();
    while let Some(discover) = sent(&mut machine, &mut now) {
        assert_eq!(kind(Some(&discover)), Some(MessageType::Discover));
        times.push(now.as_secs());
    }
    assert!((8..14).contains(&times.len()) && now >= seconds(208), "{times:?}");
    assert!(times[4] < 10, "{times:?}");
}

#[test]
fn server_that_forgets_its_offer_is_left() {
    let (mut machine, mut now) = (acquire(None), Duration::ZERO);
    let discover = sent(&mut machine, &mut now).unwrap();
    machine.hear(now, &plain(MessageType::Offer, &discover));
    let offered = now;
    let mut requests = 0;
    let again = loop {
        let message = sent(&mut machine, &mut now).unwrap();
        if kind(Some(&message)) == Some(MessageType::Discover) {
            break message;
        }
        requests += 1;
    };
    assert!(requests > 2, "{requests}");
    assert!(now >= offered + seconds(10) && now < offered + seconds(11));
    assert_ne!(again.xid(), discover.xid());
}

#[test]
fn refusal_begins_anew_without_the_address() {
    let (mut machine, mut now) = (acquire(Some(ADDRESS)), Duration::ZERO);
    let discover = sent(&mut machine, &mut now).unwrap();
    assert!(discover.opts().contains(OptionCode::RequestedIpAddress));
    machine.hear(now, &plain(MessageType::Offer, &discover));
    let request = sent(&mut machine, &mut now).unwrap();
    let nak = answer(MessageType::Nak, &request, |m| {
        m.opts_mut().insert(DhcpOption::Message("wrong network".into()));
    });
    assert_eq!(machine.hear(now, &nak), None);
    assert_eq!(machine.refusal(), Some("wrong network"));
    let refused = now;
    let again = sent(&mut machine, &mut now).unwrap();
    assert_eq!(kind(Some(&again)), Some(MessageType::Discover));
    assert!(now > refused && !again.opts().contains(OptionCode::RequestedIpAddress));
}

#[test]
fn what_answers_something_else_is_passed_over() {
    let (mut machine, mut now) = (acquire(None), Duration::ZERO);
    let discover = sent(&mut machine, &mut now).unwrap();
    for early in [MessageType::Ack, MessageType::Nak] {
        assert_eq!(machine.hear(now, &plain(early, &discover)), None);
    }
    let nameless = answer(MessageType::Offer, &discover, |m| drop(m.opts_mut().remove(OptionCode::ServerIdentifier)));
    let empty = answer(MessageType::Offer, &discover, |m| {
        m.set_yiaddr(Ipv4Addr::UNSPECIFIED);
    });
    let others = answer(MessageType::Offer, &discover, |m| {
        m.set_xid(1);
    });
    for odd in [nameless, empty, others] {
        machine.hear(now, &odd);
        assert!(matches!(machine.next(now), Next::Wait(_)));
    }
    machine.hear(now, &plain(MessageType::Offer, &discover));
    let request = sent(&mut machine, &mut now).unwrap();
    let other = answer(MessageType::Ack, &request, |m| {
        m.opts_mut().insert(DhcpOption::ServerIdentifier([10, 1, 0, 2].into()));
    });
    assert_eq!(machine.hear(now, &other), None, "of another server");
}

#[test]
fn acknowledgement_without_a_mask_is_given_back() {
    let (mut machine, mut now) = (acquire(None), Duration::ZERO);
    let discover = sent(&mut machine, &mut now).unwrap();
    machine.hear(now, &plain(MessageType::Offer, &discover));
    let request = sent(&mut machine, &mut now).unwrap();
    let ack = answer(MessageType::Ack, &request, |m| drop(m.opts_mut().remove(OptionCode::SubnetMask)));
    let unusable = machine.hear(now, &ack).unwrap().unwrap_err();
    assert_eq!((unusable.address, unusable.server), (ADDRESS, Some(SERVER)));
}

#[test]
fn address_is_kept_or_refused_or_nobody_answers() {
    let (mut machine, mut now) = (extend(), Duration::ZERO);
    let request = sent(&mut machine, &mut now).unwrap();
    assert_eq!((kind(Some(&request)), request.ciaddr()), (Some(MessageType::Request), ADDRESS));
    let Some(Extended::Lease(lease)) = machine.hear(now, &plain(MessageType::Ack, &request)) else { panic!() };
    assert_eq!(lease.times.since, LINK.begin);
    let useless = answer(MessageType::Ack, &request, |m| drop(m.opts_mut().remove(OptionCode::SubnetMask)));
    assert_eq!(machine.hear(now, &useless), None);
    let nak = plain(MessageType::Nak, &request);
    assert_eq!(machine.hear(now, &nak), Some(Extended::Refused("it gave no reason".into())));
    let mut again = 0;
    while sent(&mut machine, &mut now).is_some() {
        again += 1;
    }
    assert!((2..8).contains(&again) && now == seconds(10), "{again} {now:?}");
}
