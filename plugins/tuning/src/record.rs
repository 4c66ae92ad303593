//! What a file says that remembers what was there before an ADD.

use cni::Attachment;
use net::LinkIndex;
use serde::{Deserialize, Serialize};

use crate::{conf::Pairs, plan::Tuning, setting::Setting, sysctl::Sysctl};

/// The reference's format, which lacks everything from `sysctl` on and passes it over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    promisc: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allmulti: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_q_len: Option<u32>,
    /// By the configuration's keys.
    sysctl: Pairs,
    /// The name of the network.
    network: Option<String>,
    #[serde(rename = "containerID")]
    container_id: Option<String>,
    ifname: Option<String>,
    /// The number of the network namespace.
    netns: Option<u64>,
    /// The number of the link in it.
    link: Option<u32>,
}

/// Which link of which network namespace something is about, whatever its name or path is by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The number of the namespace.
    pub netns: u64,
    /// The number of the link.
    pub link: LinkIndex,
}

/// Whose a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The attachment's that was asked for.
    Own,
    /// The reference's, which does not say; the name of its file does.
    Unsaid,
    /// Another attachment's, or the same one's to another network.
    Other,
}

impl Record {
    /// What `before` was, of an attachment to `network`.
    pub fn new(network: &str, attachment: &Attachment, identity: Identity, before: &Tuning) -> Self {
        let mut record = Self {
            network: Some(network.to_owned()),
            container_id: Some(attachment.container_id.clone()),
            ifname: Some(attachment.ifname.clone()),
            netns: Some(identity.netns),
            link: Some(identity.link.0),
            ..Self::default()
        };
        for setting in &before.settings {
            match *setting {
                Setting::Mac(mac) => record.mac = Some(mac.to_string()),
                Setting::Promisc(on) => record.promisc = Some(on),
                Setting::Mtu(mtu) => record.mtu = Some(mtu),
                Setting::Allmulti(on) => record.allmulti = Some(on),
                Setting::TxQueueLen(length) => record.tx_q_len = Some(length),
            }
        }
        record.sysctl = Pairs(before.sysctls.iter().map(|sysctl| (sysctl.key.clone(), sysctl.value.clone())).collect());
        record
    }

    /// What was there before, of an interface that is called `ifname` by now. What cannot be was not written by us.
    pub fn before(&self, ifname: &str) -> Tuning {
        let settings = [
            self.mac.as_deref().and_then(|text| text.parse().ok()).map(Setting::Mac),
            self.promisc.map(Setting::Promisc),
            self.mtu.filter(|mtu| *mtu > 0).map(Setting::Mtu),
            self.allmulti.map(Setting::Allmulti),
            self.tx_q_len.map(Setting::TxQueueLen),
        ];
        let sysctls = self.sysctl.0.iter().filter_map(|(key, value)| Sysctl::new(key, value, ifname).ok());
        Tuning { settings: settings.into_iter().flatten().collect(), sysctls: sysctls.collect() }
    }

    /// What was there before the first of several ADDs: this record, where it knows, and else what is there now.
    ///
    /// A record of another namespace knows nothing, one of another link in it only what is not the link's.
    pub fn before_all(&self, identity: Identity, ifname: &str, now: &Tuning) -> Tuning {
        if self.netns != Some(identity.netns) {
            return now.clone();
        }
        let mut all = self.before(ifname);
        if self.link != Some(identity.link.0) {
            all.settings.clear();
            all.sysctls.retain(|sysctl| !sysctl.is_of(ifname));
        }
        let (known, known_sysctls) = (all.settings.clone(), all.sysctls.clone());
        let new = now.settings.iter().filter(|setting| !known.iter().any(|other| other.is_of_kind(**setting)));
        all.settings.extend(new);
        let new = now.sysctls.iter().filter(|sysctl| !known_sysctls.iter().any(|other| other.path == sysctl.path));
        all.sysctls.extend(new.cloned());
        all
    }

    /// The number of the namespace, if it is known.
    pub fn netns(&self) -> Option<u64> {
        self.netns
    }

    /// The number of the link, if it is known.
    pub fn link(&self) -> Option<LinkIndex> {
        self.link.map(LinkIndex)
    }

    /// Whose it is, seen from an attachment to `network`.
    pub fn whose(&self, network: &str, attachment: &Attachment) -> Whose {
        let Some(of) = self.attachment() else { return Whose::Unsaid };
        let is_own = of == *attachment && self.network.as_deref() == Some(network);
        if is_own { Whose::Own } else { Whose::Other }
    }

    /// The attachment, if it is one to `network`.
    pub fn attachment_to(&self, network: &str) -> Option<Attachment> {
        self.attachment().filter(|_| self.network.as_deref() == Some(network))
    }

    fn attachment(&self) -> Option<Attachment> {
        Some(Attachment { container_id: self.container_id.clone()?, ifname: self.ifname.clone()? })
    }
}

#[cfg(test)]
mod tests {
    use net::Mac;
    use serde_json::json;

    use super::*;

    const HERE: Identity = Identity { netns: 7, link: LinkIndex(2) };

    fn attachment(container_id: &str, ifname: &str) -> Attachment {
        Attachment { container_id: container_id.into(), ifname: ifname.into() }
    }

    fn tuning(settings: &[Setting], sysctls: &[(&str, &str)]) -> Tuning {
        let sysctls = sysctls.iter().map(|(key, value)| Sysctl::new(key, value, "eth0").unwrap());
        Tuning { settings: settings.to_vec(), sysctls: sysctls.collect() }
    }

    fn record(before: &Tuning) -> Record {
        Record::new("net", &attachment("c1", "eth0"), HERE, before)
    }

    #[test]
    fn records_are_the_references_with_more_in_them() {
        let settings = [
            Setting::Mac(Mac([2, 0, 0, 0, 0, 1])),
            Setting::Promisc(false),
            Setting::Mtu(1500),
            Setting::Allmulti(true),
            Setting::TxQueueLen(0),
        ];
        let before = tuning(&settings, &[("net.b", ""), ("net.a", "2\t3")]);
        let written = serde_json::to_string(&record(&before)).unwrap();
        assert_eq!(
            written,
            r#"{"mac":"02:00:00:00:00:01","promisc":false,"mtu":1500,"allmulti":true,"txQLen":0,"sysctl":{"net.b":"","net.a":"2\t3"},"network":"net","containerID":"c1","ifname":"eth0","netns":7,"link":2}"#
        );
        let read: Record = cni::json::decode(&serde_json::from_str(&written).unwrap()).unwrap();
        assert_eq!(read.before("eth0"), before);
    }

    #[test]
    fn what_cannot_be_is_left_out() {
        let odd = json!({"mac": "", "mtu": 0, "sysctl": {"kernel.hostname": "x", "net.a": "1"}});
        let read: Record = cni::json::decode(&odd).unwrap();
        assert_eq!(read.before("eth0"), tuning(&[], &[("net.a", "1")]));
    }

    #[test]
    fn the_first_values_stay_and_new_ones_are_added() {
        let first = record(&tuning(&[Setting::Mtu(1500)], &[("net.a", "0")]));
        let now = tuning(&[Setting::Mtu(1400), Setting::TxQueueLen(5)], &[("net/a", "1"), ("net.b", "0")]);
        let all = tuning(&[Setting::Mtu(1500), Setting::TxQueueLen(5)], &[("net.a", "0"), ("net.b", "0")]);
        assert_eq!(first.before_all(HERE, "eth0", &now), all);
    }

    #[test]
    fn values_of_another_namespace_or_link_do_not_stay() {
        let sysctls = [("net.a", "0"), ("net.ipv4.conf.IFNAME.x", "0")];
        let first = record(&tuning(&[Setting::Mtu(1500)], &sysctls));
        let now = tuning(&[Setting::Mtu(1400)], &[("net.a", "1"), ("net.ipv4.conf.IFNAME.x", "1")]);
        assert_eq!(first.before_all(Identity { netns: 8, ..HERE }, "eth0", &now), now);
        let kept = tuning(&[Setting::Mtu(1400)], &[("net.a", "0"), ("net.ipv4.conf.IFNAME.x", "1")]);
        assert_eq!(first.before_all(Identity { link: LinkIndex(3), ..HERE }, "eth0", &now), kept);
        assert_eq!(Record::default().before_all(HERE, "eth0", &now), now, "the reference's is not trusted");
    }

    #[test]
    fn owners_are_told_apart() {
        let record = record(&Tuning::default());
        assert_eq!(record.whose("net", &attachment("c1", "eth0")), Whose::Own);
        assert_eq!(record.whose("other", &attachment("c1", "eth0")), Whose::Other);
        assert_eq!(record.whose("net", &attachment("c1_eth0", "x")), Whose::Other);
        assert_eq!(Record::default().whose("net", &attachment("c1", "eth0")), Whose::Unsaid);
        assert_eq!(record.attachment_to("net"), Some(attachment("c1", "eth0")));
        assert_eq!((record.attachment_to("other"), Record::default().attachment_to("net")), (None, None));
    }
}
