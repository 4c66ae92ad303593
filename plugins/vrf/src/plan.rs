//! What is going to be done: the configuration with its defaults, checked. Nothing here touches the kernel.

use cni::{Error, Result, check_ifname};
use net::KERNEL_TABLES;

use crate::conf::Conf;

/// A checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The name of the VRF.
    pub name: String,
    /// Its routing table; unset is one that nobody uses, or that which the VRF has.
    pub table: Option<u32>,
}

impl Plan {
    /// Checks the configuration.
    pub fn new(conf: &Conf) -> Result<Self> {
        let Some(name) = conf.vrfname.clone() else {
            return Err(Error::invalid("\"vrfname\" is missing: must be the name of a VRF"));
        };
        check_ifname(&name).map_err(|error| {
            let details = if error.details.is_empty() { String::new() } else { format!(" ({})", error.details) };
            Error::invalid(format!("\"vrfname\" \"{name}\": {}{details}", error.msg))
        })?;
        Ok(Self { name, table: table(conf.table)? })
    }

    /// Fails if the VRF is to have the name of its port.
    pub fn check_port(&self, ifname: &str) -> Result<()> {
        if self.name != ifname {
            return Ok(());
        }
        Err(Error::invalid(format!("\"vrfname\" \"{ifname}\": must be another name than the interface's")))
    }
}

fn table(table: Option<i64>) -> Result<Option<u32>> {
    let Some(table) = table.filter(|table| *table != 0) else { return Ok(None) };
    let number = u32::try_from(table).ok().filter(|table| !KERNEL_TABLES.contains(table));
    number.map(Some).ok_or_else(|| {
        let (first, last) = (KERNEL_TABLES.start(), KERNEL_TABLES.end());
        Error::invalid(format!(
            "\"table\" {table}: must be 0 (one that is free) or 1 to {}, but not {first} to {last}, which are the kernel's",
            u32::MAX
        ))
    })
}

#[cfg(test)]
mod tests {
    use cni::Code;
    use serde_json::{Value, json};

    use super::*;

    fn plan(document: &Value) -> Result<Plan> {
        Plan::new(&cni::json::decode(document).unwrap())
    }

    #[test]
    fn table_is_one_that_is_free_unless_it_is_given() {
        for (document, table) in [
            (json!({"vrfname": "blue"}), None),
            (json!({"VrfName": "blue", "Table": 0}), None),
            (json!({"vrfname": "blue", "table": null}), None),
            (json!({"vrfname": "blue", "table": 1}), Some(1)),
            (json!({"vrfname": "blue", "table": 252}), Some(252)),
            (json!({"vrfname": "blue", "table": 4_294_967_295_u64}), Some(u32::MAX)),
        ] {
            assert_eq!(plan(&document), Ok(Plan { name: "blue".into(), table }), "{document}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_key_and_value() {
        for (document, words) in [
            (json!({}), ["\"vrfname\" is missing", "name of a VRF"]),
            (json!({"vrfname": ""}), ["\"vrfname\" is missing", "name of a VRF"]),
            (json!({"vrfname": "a/b"}), ["\"vrfname\" \"a/b\"", "contains /"]),
            (json!({"vrfname": "sixteen-letters-"}), ["\"vrfname\" \"sixteen-letters-\"", "too long"]),
            (json!({"vrfname": "blue", "table": -1}), ["\"table\" -1", "1 to 4294967295"]),
            (json!({"vrfname": "blue", "table": 253}), ["\"table\" 253", "but not 253 to 255"]),
            (json!({"vrfname": "blue", "table": 255}), ["\"table\" 255", "but not 253 to 255"]),
            (json!({"vrfname": "blue", "table": 4_294_967_296_u64}), ["\"table\" 4294967296", "1 to 4294967295"]),
        ] {
            let error = plan(&document).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(words.iter().all(|word| error.msg.contains(word)), "{document}: {error}");
        }
        let blue = plan(&json!({"vrfname": "blue"})).unwrap();
        assert_eq!(blue.check_port("eth0"), Ok(()));
        assert!(blue.check_port("blue").unwrap_err().msg.contains("another name"));
    }
}
