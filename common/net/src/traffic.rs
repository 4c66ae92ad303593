//! Verbs for qdiscs and filters. Nothing is decided here.

use netlink_packet_core::NLM_F_ECHO;

use crate::{
    Errno, Filter, Kind, Link, LinkIndex, LinkSpec, Mac, Place, Qdisc, Result, Rtnl, Tbf,
    link::RTM_NEWLINK,
    qdisc::{self, RTM_DELQDISC, RTM_GETQDISC, RTM_GETTFILTER, RTM_NEWQDISC, RTM_NEWTFILTER},
};

/// The number of `lo` in every network namespace (`LOOPBACK_IFINDEX`, `include/net/flow.h`).
const LOOPBACK: LinkIndex = LinkIndex(1);

impl Rtnl {
    /// The qdisc that somebody has put there, if there is one.
    pub fn qdisc(&mut self, link: &Link, place: Place) -> Result<Option<Qdisc>> {
        // Without the flag, kernels before 6.10 tell everybody who listens but who has asked.
        let question = qdisc::place_message(link.index, place);
        match self.conversation.request(RTM_GETQDISC, &question, NLM_F_ECHO) {
            Ok(answers) => Ok(answers.iter().find_map(Qdisc::of)),
            Err(failure) if failure.errno == Errno::ENOENT => Ok(None),
            Err(failure) => Err(failure.of(format!("get qdisc of \"{}\"", link.name))),
        }
    }

    /// Limits what a link sends. Fails if somebody has put another qdisc there.
    pub fn add_tbf(&mut self, link: &Link, handle: u16, tbf: &Tbf) -> Result<()> {
        let message = qdisc::tbf_message(link.index, handle, tbf);
        self.create(RTM_NEWQDISC, &message, || format!("add qdisc tbf to \"{}\"", link.name))
    }

    /// Makes a place for filters of what a link receives; fails if there is one.
    pub fn add_ingress(&mut self, link: &Link) -> Result<()> {
        let message = qdisc::kind_message(link.index, Place::Ingress, "ingress");
        self.create(RTM_NEWQDISC, &message, || format!("add qdisc ingress to \"{}\"", link.name))
    }

    /// Removes a qdisc with its filters; one that has gone, or whose link has, is removed.
    pub fn del_qdisc(&mut self, link: &Link, place: Place) -> Result<()> {
        let message = qdisc::place_message(link.index, place);
        let deleted = self.act(RTM_DELQDISC, &message, || format!("delete qdisc of \"{}\"", link.name));
        deleted.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
    }

    /// Hands everything that `link` receives to `to`, as if that had it to send.
    pub fn add_redirect(&mut self, link: &Link, to: &Link) -> Result<()> {
        self.create(RTM_NEWTFILTER, &qdisc::redirect_message(link.index, to.index), || {
            format!("add filter to \"{}\" that redirects to \"{}\"", link.name, to.name)
        })
    }

    /// The filters of what a link receives.
    pub fn filters(&mut self, link: &Link) -> Result<Vec<Filter>> {
        let answers = self.conversation.dump(RTM_GETTFILTER, &qdisc::filters_message(link.index));
        let answers = answers.map_err(|failure| failure.of(format!("list filters of \"{}\"", link.name)))?;
        Ok(answers.iter().filter_map(Filter::of).collect())
    }

    /// Whether the kernel knows qdiscs of kind `tbf`. Changes nothing: the request lacks what such a qdisc needs, which is found
    /// out only of a kind that is known (`tbf_init`, `net/sched/sch_tbf.c`).
    pub fn knows_tbf(&mut self) -> Result<bool> {
        let message = qdisc::kind_message(LOOPBACK, Place::Root, "tbf");
        let tried = self.create(RTM_NEWQDISC, &message, || "try to add qdisc tbf".to_owned());
        unless_unknown(tried, Errno::ENOENT, Errno::EINVAL)
    }

    /// Whether the kernel knows links of kind `ifb`. Changes nothing: the request has a hardware address that no link may have
    /// (`ifb_validate`, `drivers/net/ifb.c`).
    pub fn knows_ifb(&mut self) -> Result<bool> {
        let spec = LinkSpec { mac: Some(Mac([0; 6])), ..LinkSpec::new("ifb-of-nobody", Kind::Ifb) };
        let tried = self.create(RTM_NEWLINK, &spec.message(), || "try to create ifb".to_owned());
        unless_unknown(tried, Errno::EOPNOTSUPP, Errno::EADDRNOTAVAIL)
    }
}

/// Whether the kernel refused a request for being what it is, not for asking for a kind that is not known.
fn unless_unknown(tried: Result<()>, unknown: Errno, impossible: Errno) -> Result<bool> {
    match tried {
        Err(error) if error.errno == unknown => Ok(false),
        Err(error) if error.errno != impossible && !error.is_exists() => Err(error),
        _ => Ok(true),
    }
}
