//! Which of two publishes ports, and what only one of them understands.

use attach::open_for_removal;
use cni::{Code, Error, Result};

use crate::conf::Conf;

/// The mark that the reference's rules for iptables use.
const MARK_BIT: u8 = 13;

/// What publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// `nf_tables`, and iptables where the kernel has no `nf_tables`.
    Any,
    /// Elements of our table of `nf_tables`.
    Nftables,
    /// Chains, as the reference plugin has them; what has to be masqueraded gets this mark.
    Iptables(Mark),
}

/// How the iptables backend marks what has to be masqueraded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// With a bit of the packet's mark.
    Bit(u8),
    /// By a chain that somebody else has made, and who masquerades what it marks (`externalSetMarkChain`).
    Chain(String),
}

impl Default for Mark {
    fn default() -> Self {
        Self::Bit(MARK_BIT)
    }
}

impl Backend {
    /// The backend that the configuration names or, with options that only one understands, means.
    pub fn new(conf: &Conf) -> Result<Self> {
        let mark = mark(conf)?;
        let words = || conf.conditions_v4.iter().chain(&conf.conditions_v6).map(String::as_str);
        let of_iptables: Vec<&str> = words().filter(|word| is_of_iptables(word)).collect();
        let chain = conf.external_set_mark_chain.as_deref();
        let of_iptables: Vec<&str> = of_iptables.into_iter().chain(chain).collect();
        // A word of iptables may stand without a mark, as a value does.
        let of_nftables: Vec<&str> = [&conf.conditions_v4, &conf.conditions_v6]
            .into_iter()
            .filter_map(|words| words.first())
            .map(String::as_str)
            .filter(|word| !is_of_iptables(word))
            .collect();
        let mismatch = |backend: &str, other: &str, options: &[&str]| {
            Error::new(
                Code::UnsupportedField,
                format!(
                    "{backend} backend was requested but configuration contains {other}-specific options [{}]: look at \"backend\", \"externalSetMarkChain\", \"conditionsV4\" and \"conditionsV6\"",
                    options.join(" ")
                ),
            )
        };
        match conf.backend.as_deref() {
            Some("nftables") if !of_iptables.is_empty() => Err(mismatch("nftables", "iptables", &of_iptables)),
            Some("iptables") if !of_nftables.is_empty() => Err(mismatch("iptables", "nftables", &of_nftables)),
            Some("nftables") => Ok(Self::Nftables),
            Some("iptables") => Ok(Self::Iptables(mark)),
            Some(other) => Err(Error::invalid(format!(
                "unrecognized backend \"{other}\": \"backend\" must be \"nftables\" or \"iptables\""
            ))),
            None if of_iptables.is_empty() => Ok(Self::Any),
            None if of_nftables.is_empty() => Ok(Self::Iptables(mark)),
            None => Err(mismatch("iptables", "nftables", &of_nftables)),
        }
    }

    /// One of the two: where the kernel has no `nf_tables`, the other is left.
    pub fn resolved(self) -> Result<Self> {
        match self {
            Self::Any if open_for_removal()?.is_some() => Ok(Self::Nftables),
            Self::Any => Ok(Self::Iptables(Mark::default())),
            chosen => Ok(chosen),
        }
    }
}

/// An option of iptables, or its negation.
fn is_of_iptables(word: &str) -> bool {
    word.starts_with(['-', '!'])
}

fn mark(conf: &Conf) -> Result<Mark> {
    let bit = conf.mark_masq_bit.map(|bit| {
        u8::try_from(bit)
            .ok()
            .filter(|bit| *bit < 32)
            .ok_or_else(|| Error::invalid(format!("MasqMarkBit must be between 0 and 31, \"markMasqBit\" is {bit}")))
    });
    match (&conf.external_set_mark_chain, bit.transpose()?) {
        (Some(_), Some(_)) => Err(Error::invalid("Cannot specify externalSetMarkChain and markMasqBit")),
        (Some(chain), None) => Ok(Mark::Chain(chain.clone())),
        (None, bit) => Ok(Mark::Bit(bit.unwrap_or(MARK_BIT))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn backend(conf: Value) -> Result<Backend> {
        Backend::new(&cni::json::decode(&conf).unwrap())
    }

    #[test]
    fn options_tell_the_backend_where_it_is_not_named() {
        let iptables = |mark| Ok(Backend::Iptables(mark));
        assert_eq!(backend(json!({})), Ok(Backend::Any));
        assert_eq!(backend(json!({"conditionsV4": ["ip", "saddr", "10.0.0.0/8"]})), Ok(Backend::Any));
        assert_eq!(backend(json!({"conditionsV4": ["!", "-s", "10.0.0.0/8"]})), iptables(Mark::Bit(13)));
        assert_eq!(
            backend(json!({"externalSetMarkChain": "KUBE-MARK-MASQ"})),
            iptables(Mark::Chain("KUBE-MARK-MASQ".into()))
        );
        assert_eq!(backend(json!({"backend": "iptables", "markMasqBit": 5})), iptables(Mark::Bit(5)));
        assert_eq!(backend(json!({"backend": "nftables", "markMasqBit": 5})), Ok(Backend::Nftables));
    }

    #[test]
    fn options_of_the_other_backend_are_refused() {
        let refusal = |conf| backend(conf).unwrap_err().msg;
        for (conf, beginning) in [
            (json!({"backend": "x"}), "unrecognized backend \"x\": \"backend\" must be"),
            (
                json!({"backend": "nftables", "conditionsV6": ["-s", "::1"]}),
                "nftables backend was requested but configuration contains iptables-specific options [-s]",
            ),
            (
                json!({"backend": "nftables", "externalSetMarkChain": "X"}),
                "nftables backend was requested but configuration contains iptables-specific options [X]",
            ),
            (
                json!({"backend": "iptables", "conditionsV4": ["ip", "saddr", "10.0.0.0/8"]}),
                "iptables backend was requested but configuration contains nftables-specific options [ip]",
            ),
            (
                json!({"externalSetMarkChain": "X", "conditionsV4": ["ip", "saddr", "10.0.0.0/8"]}),
                "iptables backend was requested",
            ),
            (
                json!({"externalSetMarkChain": "X", "markMasqBit": 5}),
                "Cannot specify externalSetMarkChain and markMasqBit",
            ),
            (json!({"markMasqBit": 32}), "MasqMarkBit must be between 0 and 31"),
            (json!({"markMasqBit": -1}), "MasqMarkBit must be between 0 and 31"),
        ] {
            let msg = refusal(conf);
            assert!(msg.starts_with(beginning), "{msg}");
        }
    }
}
