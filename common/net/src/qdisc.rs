//! Queueing disciplines and filters of links (tc(8)): what they are, and the messages that make them.

use std::fs;

use netlink_packet_core::DefaultNla;
use netlink_packet_route::tc::{
    TcAction, TcActionAttribute, TcActionMirrorOption, TcActionOption, TcActionType, TcAttribute, TcFilterU32Option,
    TcHandle, TcMessage, TcMirror, TcMirrorActionType, TcOption, TcU32Key, TcU32Selector, TcU32SelectorFlags,
};

use crate::{
    LinkIndex,
    answer::{Answer, Attribute, Attributes},
};

/// `include/uapi/linux/rtnetlink.h`
pub(crate) const RTM_NEWQDISC: u16 = 36;
pub(crate) const RTM_DELQDISC: u16 = 37;
pub(crate) const RTM_GETQDISC: u16 = 38;
pub(crate) const RTM_NEWTFILTER: u16 = 44;
pub(crate) const RTM_GETTFILTER: u16 = 46;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
/// `include/uapi/linux/pkt_sched.h`
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
const TC_LINKLAYER_ETHERNET: u8 = 1;
/// `include/uapi/linux/pkt_cls.h`
const TCA_U32_SEL: u16 = 5;
const TCA_U32_ACT: u16 = 7;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
/// `include/uapi/linux/tc_act/tc_mirred.h`
const TCA_MIRRED_PARMS: u16 = 2;
const TCA_EGRESS_REDIR: u32 = 1;
/// Lengths of `struct tc_ratespec`, `tc_u32_sel`, `tc_u32_key` and of the `tc_gen` of actions.
const RATESPEC: usize = 12;
const U32_SEL: usize = 16;
const U32_KEY: usize = 16;
const ACTION_GEN: usize = 20;
/// `ETH_P_ALL` (`include/uapi/linux/if_ether.h`), which netlink has in network byte order.
const ETH_P_ALL: u16 = 3;

/// Where a qdisc is on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// What the link sends goes through it (`TC_H_ROOT`).
    Root,
    /// What the link receives passes its filters (`TC_H_INGRESS`).
    Ingress,
}

/// A qdisc as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qdisc {
    /// `tbf`, `ingress` and so on.
    pub kind: String,
    /// The number before the colon of its handle.
    pub handle: u16,
    /// What it does, if it is of kind `tbf`.
    pub tbf: Option<Tbf>,
}

/// A token bucket filter (tc-tbf(8)): packets are sent at a rate, and faster while there are tokens in the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tbf {
    /// In bytes per second.
    pub rate: u64,
    /// How much may be sent at once.
    pub bucket: Bucket,
    /// How many bytes may wait.
    pub limit: u32,
}

/// The size of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// In bytes: exact, of any size.
    Bytes(u32),
    /// The time that the rate takes for it, in [ticks](tick). The kernel tells of every bucket in this form, and of more ticks
    /// than a number has place for only the lower 32 bits (`tbf_dump`, `net/sched/sch_tbf.c`).
    Ticks(u32),
}

/// A filter of what a link receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// The link that it hands every packet to; unset if it does anything else. Number 0 is a link that has gone, and then the
    /// packets are lost.
    pub redirect: Option<LinkIndex>,
}

/// How many nanoseconds the kernel's packet schedulers count as one.
pub fn tick() -> u64 {
    // 64 in every kernel since 2.6.31 (`PSCHED_SHIFT`, `include/net/pkt_sched.h`).
    fs::read_to_string("/proc/net/psched").ok().and_then(|text| tick_of(&text)).unwrap_or(64)
}

/// Its first two numbers are the nanoseconds of a microsecond and those of a tick (`psched_show`, `net/sched/sch_api.c`).
fn tick_of(psched: &str) -> Option<u64> {
    let mut numbers = psched.split_whitespace().map(|word| u64::from_str_radix(word, 16).ok());
    let (microsecond, tick) = (numbers.next()??, numbers.next()??);
    (tick * 1000).checked_div(microsecond).filter(|tick| *tick > 0)
}

impl Qdisc {
    /// The qdisc that an answer tells of; none if it is the kernel's own choice, which has no handle.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        let (handle, attributes) = read(answer, RTM_NEWQDISC)?;
        let kind = attributes.find(TCA_KIND)?.text();
        let options = attributes.find(TCA_OPTIONS).filter(|_| kind == "tbf").map(Attribute::nested);
        let handle = TcHandle::from(handle).major;
        (handle != 0).then(|| Self { tbf: options.and_then(Tbf::of), kind, handle })
    }
}

impl Tbf {
    fn of(options: Attributes<'_>) -> Option<Self> {
        let parms = options.find(TCA_TBF_PARMS)?.0;
        // struct tc_tbf_qopt: two tc_ratespec with the rate at their ends, limit, buffer, mtu.
        let number = |at: usize| Attribute(parms.get(at..)?).u32();
        let rate64 = options.find(TCA_TBF_RATE64).and_then(Attribute::u64);
        Some(Self {
            rate: rate64.unwrap_or(number(RATESPEC - 4)?.into()),
            limit: number(2 * RATESPEC)?,
            bucket: Bucket::Ticks(number(2 * RATESPEC + 4)?),
        })
    }

    fn options(&self) -> Vec<TcOption> {
        let rate = u32::try_from(self.rate).unwrap_or(u32::MAX);
        let (ticks, bytes) = match self.bucket {
            Bucket::Ticks(ticks) => (ticks, None),
            Bucket::Bytes(bytes) => (0, Some(bytes)),
        };
        let mut ratespec = [0; RATESPEC];
        ratespec[1] = TC_LINKLAYER_ETHERNET;
        ratespec[RATESPEC - 4..].copy_from_slice(&rate.to_ne_bytes());
        let numbers = [self.limit, ticks, 0].map(u32::to_ne_bytes);
        let parms = [&ratespec[..], &[0; RATESPEC], numbers.as_flattened()].concat();
        let mut options = vec![(TCA_TBF_PARMS, parms)];
        if rate == u32::MAX {
            options.push((TCA_TBF_RATE64, self.rate.to_ne_bytes().to_vec()));
        }
        options.extend(bytes.map(|bytes| (TCA_TBF_BURST, bytes.to_ne_bytes().to_vec())));
        options.into_iter().map(|(kind, value)| TcOption::Other(DefaultNla::new(kind, value))).collect()
    }
}

/// Adds a token bucket filter at the root of a link.
pub(crate) fn tbf_message(link: LinkIndex, handle: u16, tbf: &Tbf) -> TcMessage {
    let mut message = kind_message(link, Place::Root, "tbf");
    message.header.handle = TcHandle { major: handle, minor: 0 };
    message.attributes.push(TcAttribute::Options(tbf.options()));
    message
}

/// Adds a qdisc of a kind that needs nothing else to be said.
pub(crate) fn kind_message(link: LinkIndex, place: Place, kind: &str) -> TcMessage {
    let mut message = place_message(link, place);
    if place == Place::Ingress {
        message.header.handle = INGRESS;
    }
    message.attributes.push(TcAttribute::Kind(kind.to_owned()));
    message
}

/// Asks for the qdisc of a place, or deletes it.
pub(crate) fn place_message(link: LinkIndex, place: Place) -> TcMessage {
    let mut message = about(link);
    message.header.parent = match place {
        Place::Root => TcHandle::ROOT,
        Place::Ingress => TcHandle::INGRESS,
    };
    message
}

/// The only handle that a qdisc for what is received may have.
const INGRESS: TcHandle = TcHandle { major: TcHandle::INGRESS.major, minor: 0 };

/// Asks for the filters of what a link receives.
pub(crate) fn filters_message(link: LinkIndex) -> TcMessage {
    let mut message = about(link);
    message.header.parent = INGRESS;
    message
}

/// Hands every packet that `link` receives to `to`, as if that had it to send.
pub(crate) fn redirect_message(link: LinkIndex, to: LinkIndex) -> TcMessage {
    let mut parms = TcMirror::default();
    parms.generic.action = TcActionType::Stolen;
    parms.eaction = TcMirrorActionType::EgressRedir;
    parms.ifindex = to.0;
    let mut action = TcAction::default();
    action.attributes = vec![
        TcActionAttribute::Kind("mirred".to_owned()),
        TcActionAttribute::Options(vec![TcActionOption::Mirror(TcActionMirrorOption::Parms(parms))]),
    ];
    let mut selector = TcU32Selector::default();
    selector.flags = TcU32SelectorFlags::Terminal;
    selector.nkeys = 1;
    // One that looks at no bit.
    selector.keys = vec![TcU32Key::default()];
    let mut message = filters_message(link);
    // Priority 1 and the protocol.
    message.header.info = (1 << 16) | u32::from(ETH_P_ALL.to_be());
    message.attributes = vec![
        TcAttribute::Kind("u32".to_owned()),
        TcAttribute::Options(vec![
            TcOption::U32(TcFilterU32Option::Selector(selector)),
            TcOption::U32(TcFilterU32Option::Action(vec![action])),
        ]),
    ];
    message
}

fn about(link: LinkIndex) -> TcMessage {
    TcMessage::with_index(link.0.cast_signed())
}

impl Filter {
    /// The filter that an answer tells of; none if that is one of the tables around them.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        let (_, attributes) = read(answer, RTM_NEWTFILTER)?;
        let options = attributes.find(TCA_OPTIONS)?.nested();
        if attributes.find(TCA_KIND)?.text() != "u32" {
            return Some(Self { redirect: None });
        }
        let matches_all = is_match_all(options.find(TCA_U32_SEL)?.0);
        let actions = options.find(TCA_U32_ACT).filter(|_| matches_all).map(Attribute::nested);
        let redirect = actions.and_then(|actions| actions.iter().find_map(|(_, action)| redirect_of(action.nested())));
        Some(Self { redirect })
    }
}

/// Whether no key of a `struct tc_u32_sel` looks at any bit; its mask is where a key begins.
fn is_match_all(selector: &[u8]) -> bool {
    let keys = selector.get(U32_SEL..).unwrap_or_default().chunks(U32_KEY);
    keys.into_iter().all(|key| Attribute(key).u32() == Some(0))
}

/// Where an action sends packets to. `struct tc_mirred`: what all actions have, what it does, the link's number.
fn redirect_of(action: Attributes<'_>) -> Option<LinkIndex> {
    let options = action.find(TCA_ACT_OPTIONS).filter(|_| action.find(TCA_ACT_KIND).is_some_and(is_mirred))?;
    let parms = options.nested().find(TCA_MIRRED_PARMS)?.0;
    let number = |at: usize| Attribute(parms.get(at..)?).u32();
    let to = number(ACTION_GEN + 4)?;
    (number(ACTION_GEN)? == TCA_EGRESS_REDIR).then_some(LinkIndex(to))
}

fn is_mirred(kind: Attribute<'_>) -> bool {
    kind.text() == "mirred"
}

/// The handle and the attributes. `struct tcmsg`: family and padding, link (4), handle (4), parent (4), info (4).
fn read(answer: &Answer, kind: u16) -> Option<(u32, Attributes<'_>)> {
    let (header, attributes) = answer.read::<20>(kind)?;
    Some((Attribute(header.get(8..)?).u32()?, attributes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::echo;

    const LINK: LinkIndex = LinkIndex(7);

    fn round_trip(tbf: Tbf) -> Qdisc {
        Qdisc::of(&echo(RTM_NEWQDISC, &tbf_message(LINK, 0x6d, &tbf))).unwrap()
    }

    #[test]
    fn token_bucket_filters_read_back() {
        for rate in [1, 2_500_000, u64::from(u32::MAX) - 1, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let tbf = Tbf { rate, bucket: Bucket::Ticks(5), limit: 70_000 };
            assert_eq!(round_trip(tbf), Qdisc { kind: "tbf".into(), handle: 0x6d, tbf: Some(tbf) });
        }
    }

    #[test]
    fn bytes_of_a_bucket_go_beside_the_parameters() {
        let tbf = Tbf { rate: 1, bucket: Bucket::Bytes(u32::MAX), limit: 2 };
        let [.., TcOption::Other(burst)] = &tbf.options()[..] else { panic!("{tbf:?}") };
        assert_eq!(burst, &DefaultNla::new(TCA_TBF_BURST, vec![0xff; 4]));
        assert_eq!(tbf.options().len(), 2, "a rate of 32 bits is in the parameters");
    }

    #[test]
    fn qdiscs_that_nobody_has_made_are_none() {
        let mut message = kind_message(LINK, Place::Root, "noqueue");
        assert_eq!(Qdisc::of(&echo(RTM_NEWQDISC, &message)), None);
        message.header.handle = TcHandle { major: 1, minor: 0 };
        let other = Qdisc { kind: "noqueue".into(), handle: 1, tbf: None };
        assert_eq!(Qdisc::of(&echo(RTM_NEWQDISC, &message)), Some(other));
        let ingress = Qdisc::of(&echo(RTM_NEWQDISC, &kind_message(LINK, Place::Ingress, "ingress"))).unwrap();
        assert_eq!((ingress.kind.as_str(), ingress.handle), ("ingress", 0xffff));
    }

    #[test]
    fn redirects_read_back() {
        let filter = |message| Filter::of(&echo(RTM_NEWTFILTER, &message));
        let whole = redirect_message(LINK, LinkIndex(9));
        assert_eq!(filter(whole.clone()), Some(Filter { redirect: Some(LinkIndex(9)) }));
        assert_eq!(whole.header.info.to_ne_bytes()[..2], [0, 3], "all protocols");

        let mut some = whole.clone();
        let mut key = TcU32Key::default();
        key.mask = 0xff;
        let TcAttribute::Options(options) = &mut some.attributes[1] else { panic!("{some:?}") };
        let TcOption::U32(TcFilterU32Option::Selector(selector)) = &mut options[0] else { panic!("{options:?}") };
        selector.keys = vec![key];
        assert_eq!(filter(some), Some(Filter { redirect: None }), "not of all packets");

        let mut table = whole.clone();
        table.attributes[1] = TcAttribute::Options(vec![TcOption::U32(TcFilterU32Option::Divisor(1))]);
        assert_eq!(filter(table), None);
        let mut other = whole;
        other.attributes[0] = TcAttribute::Kind("flower".into());
        assert_eq!(filter(other), Some(Filter { redirect: None }));
    }

    #[test]
    fn a_tick_is_what_the_kernel_says() {
        assert_eq!(tick_of("000003e8 00000040 000f4240 3b9aca00\n"), Some(64));
        assert_eq!(tick_of("000003e8 00000400 000f4240 3b9aca00\n"), Some(1024));
        for junk in ["", "1", "x y", "00000000 00000040", "000003e8 00000000"] {
            assert_eq!(tick_of(junk), None, "{junk}");
        }
    }
}
