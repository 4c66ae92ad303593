//! What ADD makes and DEL removes: an interface of a container in a network.

use crate::{
    args::Args,
    cache::Entry,
    error::{Error, Result},
    ident::{check_container_id, check_ifname},
    object::Object,
    request::AttachmentKey,
};

/// The parameters of ADD, CHECK and DEL (spec: section 2, "Parameters").
///
/// CHECK and DEL are to get what ADD got. What is `None` for them comes from the cache, and is empty if that has nothing.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// Container and interface.
    pub key: AttachmentKey,
    /// `CNI_NETNS`: the path of the container's network namespace.
    pub netns: Option<String>,
    /// `CNI_ARGS`.
    pub args: Option<Args>,
    /// What plugins that declare a capability are given for it.
    pub capability_args: Option<Object>,
}

/// An attachment of which nothing is left open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Resolved {
    pub(crate) key: AttachmentKey,
    pub(crate) netns: String,
    pub(crate) args: Args,
    pub(crate) capability_args: Object,
}

impl Attachment {
    /// Refuses identifiers that the specification does not allow.
    ///
    /// # Errors
    /// The container ID or the name of the interface.
    pub fn check(&self) -> Result<()> {
        check_container_id(&self.key.container_id)?;
        check_ifname(&self.key.ifname)
    }

    /// With what is left open taken from the cache.
    pub(crate) fn resolve(&self, cached: Option<&Entry>) -> Resolved {
        let was = cached.map(Resolved::from).unwrap_or_default();
        Resolved {
            key: self.key.clone(),
            netns: self.netns.clone().unwrap_or(was.netns),
            args: self.args.clone().unwrap_or(was.args),
            capability_args: self.capability_args.clone().unwrap_or(was.capability_args),
        }
    }
}

impl Resolved {
    /// Refuses an attachment without network namespace: only DEL can do without.
    pub(crate) fn require_netns(&self) -> Result<()> {
        if self.netns.is_empty() {
            return Err(Error::refused("the network namespace is not given, allowed is a path"));
        }
        Ok(())
    }
}

impl From<&Entry> for Resolved {
    fn from(entry: &Entry) -> Self {
        Self {
            key: entry.key(),
            netns: entry.netns.clone(),
            args: entry.args.clone(),
            capability_args: entry.capability_args.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AttachmentKey {
        AttachmentKey { container_id: "c1".into(), ifname: "eth0".into() }
    }

    fn cached() -> Entry {
        let mut entry = Entry::new("net", &key(), "{}");
        entry.netns = "/cached".into();
        entry.args = Args::parse("A=cached").unwrap();
        entry.capability_args = Object::parse(br#"{"x":"cached"}"#).unwrap();
        entry
    }

    #[test]
    fn what_is_left_open_comes_from_the_cache() {
        let open = Attachment { key: key(), netns: None, args: None, capability_args: None };
        assert_eq!(open.resolve(Some(&cached())), Resolved::from(&cached()));
        let nothing = open.resolve(None);
        assert!(nothing.netns.is_empty() && nothing.args.is_empty() && nothing.capability_args.is_empty());
    }

    #[test]
    fn what_is_given_beats_the_cache() {
        let given = Attachment {
            key: key(),
            netns: Some("/given".into()),
            args: Some(Args::default()),
            capability_args: Some(Object::parse(br#"{"x":"given"}"#).unwrap()),
        };
        let resolved = given.resolve(Some(&cached()));
        assert_eq!((resolved.netns.as_str(), resolved.args.is_empty()), ("/given", true));
        assert_eq!(resolved.capability_args.to_string(), r#"{"x":"given"}"#);
    }

    #[test]
    fn identifiers_outside_the_rules_are_refused() {
        let check = |container_id: &str, ifname: &str| {
            let key = AttachmentKey { container_id: container_id.into(), ifname: ifname.into() };
            Attachment { key, netns: None, args: None, capability_args: None }.check()
        };
        assert!(check("c1", "eth0").is_ok());
        assert!(check("", "eth0").is_err() && check("../c", "eth0").is_err() && check("c1", "a/b").is_err());
    }
}
