//! Keys that several plugins have, and what they allow.

use cni::{Error, Network, Result, check_ifname};
use net::Mac;

/// The smallest MTU of a link, in bytes (`ETH_MIN_MTU`, `if_ether.h`).
const MTU_MIN: u32 = 68;
/// The largest, of links that stand alone (`ETH_MAX_MTU`, `if_ether.h`).
pub const MTU_MAX: u32 = 65535;

/// The value of `mtu`, in bytes: unset and 0 are the kernel's choice. `max` is what is possible here, and `why` says why not more.
///
/// # Errors
/// Code 7 for what no link can have.
pub fn mtu(mtu: Option<i64>, max: u32, why: &str) -> Result<Option<u32>> {
    match mtu.unwrap_or(0) {
        0 => Ok(None),
        mtu => u32::try_from(mtu).ok().filter(|mtu| (MTU_MIN..=max).contains(mtu)).map(Some).ok_or_else(|| {
            Error::invalid(format!("\"mtu\" {mtu}: must be 0 (the kernel's choice) or {MTU_MIN} to {max}{why}"))
        }),
    }
}

/// The hardware address that the first of `sources` gives that gives one; each has the name of its key.
///
/// # Errors
/// Code 7 for what is no address of one station.
pub fn mac<'a>(sources: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Result<Option<Mac>> {
    let given = sources.into_iter().find_map(|(source, mac)| Some((source, mac.filter(|mac| !mac.is_empty())?)));
    let Some((source, text)) = given else { return Ok(None) };
    match text.parse::<Mac>() {
        Ok(mac) if mac.is_assignable() => Ok(Some(mac)),
        _ => Err(Error::invalid(format!(
            "{source} \"{text}\": must be the hardware address of one station, like 02:00:00:12:34:56"
        ))),
    }
}

/// What the word of `key` stands for; without one the first of `words`. `what` it is goes into the refusal.
///
/// # Errors
/// Code 7 for other words.
pub fn word<T: Copy>(key: &str, what: &str, text: Option<&str>, words: &[(&str, T)]) -> Result<T> {
    let wanted = text.filter(|text| !text.is_empty()).or(words.first().map(|(word, _)| *word)).unwrap_or_default();
    let found = words.iter().find(|(word, _)| *word == wanted);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let allowed: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        Error::invalid(format!("unknown {what}: \"{wanted}\", \"{key}\" must be one of {}", allowed.join(", ")))
    })
}

/// The value of a key that names a link.
///
/// # Errors
/// Code 7 for what no link is called.
pub fn link_name(key: &str, name: &str) -> Result<String> {
    let refuse = |error: Error| {
        let details = if error.details.is_empty() { String::new() } else { format!(" ({})", error.details) };
        Error::invalid(format!("\"{key}\" \"{name}\": {}{details}", error.msg))
    };
    check_ifname(name).map(|()| name.to_owned()).map_err(refuse)
}

/// Fails with code 7 unless the configuration names a delegate, which interfaces of this kind do not come without.
pub fn require_ipam<C>(network: &Network<C>, kind: &str) -> Result<()> {
    network.ipam.as_ref().map(drop).ok_or_else(|| {
        Error::invalid(format!("{kind} interface requires an IPAM configuration: \"ipam.type\" must name a plugin"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_are_known_and_the_first_is_the_default() {
        let taken = |text| word("mode", "gear", text, &[("slow", 1), ("fast", 5)]);
        assert_eq!([taken(None), taken(Some("")), taken(Some("slow"))], [Ok(1), Ok(1), Ok(1)]);
        assert_eq!(taken(Some("fast")), Ok(5));
        let msg = taken(Some("Fast")).unwrap_err().msg;
        assert_eq!(msg, "unknown gear: \"Fast\", \"mode\" must be one of \"slow\", \"fast\"");
    }

    #[test]
    fn mtus_that_a_link_can_have_are_taken() {
        let taken = |value| mtu(value, 1500, ", the MTU of \"eth0\"");
        assert_eq!((taken(None), taken(Some(0))), (Ok(None), Ok(None)));
        assert_eq!((taken(Some(68)), taken(Some(1500))), (Ok(Some(68)), Ok(Some(1500))));
        for wrong in [-1, 67, 1501, i64::MAX] {
            let msg = taken(Some(wrong)).unwrap_err().msg;
            let expected = "must be 0 (the kernel's choice) or 68 to 1500, the MTU of \"eth0\"";
            assert_eq!(msg, format!("\"mtu\" {wrong}: {expected}"));
        }
    }

    #[test]
    fn names_must_fit_the_kernel() {
        assert_eq!(link_name("master", "eth0.100"), Ok("eth0.100".to_owned()));
        let refusal = |name| link_name("master", name).unwrap_err().msg;
        assert_eq!(refusal("a/b"), "\"master\" \"a/b\": interface name contains / or : or whitespace characters");
        assert!(
            refusal("a-name-too-long-").ends_with("\"a-name-too-long-\" has 16)"),
            "{}",
            refusal("a-name-too-long-")
        );
    }

    #[test]
    fn first_source_that_says_something_gives_the_hardware_address() {
        let given = mac([("a", None), ("b", Some("")), ("c", Some("02:00:00:00:00:01")), ("d", Some("junk"))]);
        assert_eq!(given, Ok(Some(Mac([2, 0, 0, 0, 0, 1]))));
        assert_eq!(mac([("a", None)]), Ok(None));
        for wrong in ["junk", "01:00:5e:00:00:01", "00:00:00:00:00:00"] {
            let msg = mac([("runtimeConfig.mac", Some(wrong))]).unwrap_err().msg;
            assert!(msg.starts_with(&format!("runtimeConfig.mac \"{wrong}\": must be")), "{msg}");
        }
    }
}
