//! The VLANs of a port: what `vlan`, `vlanTrunk` and `preserveDefaultVlan` ask for.

use cni::{Error, Result};
use net::PortVlan;

use crate::conf::{Conf, Trunk};

/// The VLAN that a bridge gives every new port.
const DEFAULT_VLAN: u16 = 1;
const MAX_ID: u16 = 4094;

/// What to do about VLANs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlans {
    /// Whether the bridge has to look at tags.
    pub filtering: bool,
    /// The VLAN of the container's untagged frames, and of the bridge's gateway interface.
    pub native: Option<u16>,
    /// The VLANs that the port gets.
    pub of_port: Vec<PortVlan>,
    /// Whether the port leaves the VLAN that the bridge gives every new port.
    pub leave_default: bool,
}

impl Vlans {
    /// Reads the keys, or says which is wrong.
    pub fn new(conf: &Conf) -> Result<Self> {
        let native = match conf.vlan.unwrap_or(0) {
            0 => None,
            id => Some(
                id_of(id)
                    .ok_or_else(|| Error::invalid(format!("invalid VLAN ID {id} (must be between 0 and {MAX_ID})")))?,
            ),
        };
        let trunk = merged(conf.vlan_trunk.as_deref().unwrap_or_default())?;
        // A trunk needs somewhere to put untagged frames.
        let native_of_port = native.or((!trunk.is_empty()).then_some(DEFAULT_VLAN));
        let mut of_port: Vec<PortVlan> = native_of_port.map(PortVlan::native).into_iter().collect();
        let tagged = trunk.into_iter().flat_map(|range| without(range, native_of_port));
        of_port.extend(tagged.map(|(first, last)| PortVlan::tagged(first, last)));
        Ok(Self {
            filtering: native.is_some() || conf.vlan_trunk.is_some(),
            native,
            leave_default: !of_port.is_empty() && !conf.preserve_default_vlan,
            of_port,
        })
    }

    /// Which of the VLANs that a new port has it has to leave.
    pub fn to_leave(&self, present: &[PortVlan]) -> Vec<PortVlan> {
        if !self.leave_default {
            return Vec::new();
        }
        present.iter().filter(|vlan| !self.has(vlan.first)).copied().collect()
    }

    /// Whether the port is to belong to VLAN `id`.
    pub fn has(&self, id: u16) -> bool {
        self.of_port.iter().any(|vlan| (vlan.first..=vlan.last).contains(&id))
    }
}

fn id_of(id: i64) -> Option<u16> {
    u16::try_from(id).ok().filter(|id| (1..=MAX_ID).contains(id))
}

/// The trunk's VLANs as ranges, sorted, without overlap.
fn merged(trunk: &[Trunk]) -> Result<Vec<(u16, u16)>> {
    let mut ranges = Vec::new();
    for entry in trunk {
        ranges.extend(ranges_of(entry)?);
    }
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    Ok(merged)
}

/// An entry is an `id`, a range from `minID` to `maxID`, or both.
fn ranges_of(entry: &Trunk) -> Result<Vec<(u16, u16)>> {
    let limits = format!("(must be between 1 and {MAX_ID})");
    let checked = |id: i64, what: &str| {
        id_of(id).ok_or_else(|| Error::invalid(format!("incorrect trunk {what} parameter: {id} {limits}")))
    };
    let missing = |what: &str| {
        Err(Error::invalid(format!("minID and maxID should be configured simultaneously, {what} is missing")))
    };
    let mut ranges = Vec::new();
    match (entry.min_id, entry.max_id) {
        (None, None) => {}
        (None, Some(_)) => return missing("minID"),
        (Some(_), None) => return missing("maxID"),
        (Some(min), Some(max)) => {
            let range = (checked(min, "minID")?, checked(max, "maxID")?);
            if range.0 > range.1 {
                return Err(Error::invalid(format!("minID is greater than maxID in trunk parameter: {min} > {max}")));
            }
            ranges.push(range);
        }
    }
    if let Some(id) = entry.id {
        let id = checked(id, "id")?;
        ranges.push((id, id));
    }
    Ok(ranges)
}

/// The range without `id`: tagging it too would make it no longer native.
fn without((first, last): (u16, u16), id: Option<u16>) -> Vec<(u16, u16)> {
    let Some(id) = id.filter(|id| (first..=last).contains(id)) else { return vec![(first, last)] };
    [(first, id.saturating_sub(1)), (id + 1, last)].into_iter().filter(|(first, last)| first <= last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vlans(json: serde_json::Value) -> Result<Vlans> {
        Vlans::new(&cni::json::decode(&json).unwrap())
    }

    fn refusal(json: serde_json::Value) -> String {
        vlans(json).unwrap_err().msg
    }

    #[test]
    fn no_keys_mean_no_vlans() {
        for json in [serde_json::json!({}), serde_json::json!({"vlan": 0}), serde_json::json!({"vlanTrunk": null})] {
            let plain = vlans(json).unwrap();
            assert!(!plain.filtering && plain.of_port.is_empty() && !plain.leave_default);
        }
        let empty_trunk = vlans(serde_json::json!({"vlanTrunk": []})).unwrap();
        assert!(empty_trunk.filtering && empty_trunk.of_port.is_empty());
    }

    #[test]
    fn vlan_is_native_and_the_default_is_left_unless_preserved() {
        let plain = vlans(serde_json::json!({"vlan": 100})).unwrap();
        assert_eq!(plain.of_port, [PortVlan::native(100)]);
        assert_eq!(plain.to_leave(&[PortVlan::native(1)]), [PortVlan::native(1)]);
        let preserved = vlans(serde_json::json!({"vlan": 100, "preserveDefaultVlan": true})).unwrap();
        assert_eq!(preserved.to_leave(&[PortVlan::native(1)]), []);
    }

    #[test]
    fn trunk_is_merged_and_has_a_native_vlan() {
        let trunk = vlans(serde_json::json!({"vlanTrunk": [{"minID": 200, "maxID": 210}, {"id": 101}, {"id": 205},
            {"minID": 211, "maxID": 220, "id": 101}]}))
        .unwrap();
        assert_eq!(trunk.of_port, [PortVlan::native(1), PortVlan::tagged(101, 101), PortVlan::tagged(200, 220)]);
        assert_eq!(trunk.to_leave(&[PortVlan::native(1)]), [], "it is the native one");
        assert_eq!(trunk.native, None, "the gateway stays on the bridge itself");
    }

    #[test]
    fn native_vlan_stays_native_within_a_trunk() {
        let both = vlans(serde_json::json!({"vlan": 100, "vlanTrunk": [{"minID": 1, "maxID": 4094}]})).unwrap();
        assert_eq!(both.of_port, [PortVlan::native(100), PortVlan::tagged(1, 99), PortVlan::tagged(101, 4094)]);
        let edge = vlans(serde_json::json!({"vlan": 1, "vlanTrunk": [{"minID": 1, "maxID": 1}]})).unwrap();
        assert_eq!(edge.of_port, [PortVlan::native(1)]);
    }

    #[test]
    fn wrong_ids_are_refused_with_the_references_words() {
        for id in [-100, 5000, 4095] {
            let msg = refusal(serde_json::json!({"vlan": id}));
            assert_eq!(msg, format!("invalid VLAN ID {id} (must be between 0 and 4094)"));
        }
        for (entry, words) in [
            (serde_json::json!({"minID": 1}), "minID and maxID should be configured simultaneously, maxID is missing"),
            (serde_json::json!({"maxID": 1}), "minID and maxID should be configured simultaneously, minID is missing"),
            (serde_json::json!({"minID": -1, "maxID": 2}), "incorrect trunk minID parameter"),
            (serde_json::json!({"minID": 4095, "maxID": 4096}), "incorrect trunk minID parameter"),
            (serde_json::json!({"minID": 1, "maxID": 4095}), "incorrect trunk maxID parameter"),
            (serde_json::json!({"minID": 1, "maxID": -1}), "incorrect trunk maxID parameter"),
            (serde_json::json!({"id": 4095}), "incorrect trunk id parameter"),
            (serde_json::json!({"id": 0}), "incorrect trunk id parameter"),
            (serde_json::json!({"minID": 10, "maxID": 9}), "minID is greater than maxID in trunk parameter"),
        ] {
            let msg = refusal(serde_json::json!({"vlanTrunk": [entry]}));
            assert!(msg.starts_with(words), "{msg}");
        }
    }
}
