//! The JSON of the configuration: shapes without defaults.

use serde::Deserialize;

/// The keys of bandwidth. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conf {
    ingress_rate: Option<u64>,
    ingress_burst: Option<u64>,
    egress_rate: Option<u64>,
    egress_burst: Option<u64>,
    runtime_config: RuntimeConfig,
}

/// `runtimeConfig`: capabilities.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeConfig {
    bandwidth: Limits,
}

/// Limits in bits and bits per second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    pub ingress_rate: Option<u64>,
    pub ingress_burst: Option<u64>,
    pub egress_rate: Option<u64>,
    pub egress_burst: Option<u64>,
}

impl Conf {
    /// The limits, and the path of the object that has them. One key of the configuration's own, and those of the runtime do not
    /// count.
    pub fn limits(&self) -> (&'static str, Limits) {
        let Self { ingress_rate, ingress_burst, egress_rate, egress_burst, .. } = *self;
        let own = Limits { ingress_rate, ingress_burst, egress_rate, egress_burst };
        if own == Limits::default() {
            return ("runtimeConfig.bandwidth.", self.runtime_config.bandwidth.clone());
        }
        ("", own)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limits(document: &serde_json::Value) -> (&'static str, Limits) {
        cni::json::decode::<Conf>(document).unwrap().limits()
    }

    #[test]
    fn keys_match_in_any_case_at_either_place() {
        let expected = Limits { ingress_rate: Some(1), egress_burst: Some(u64::MAX), ..Limits::default() };
        let keys = json!({"IngressRate": 1, "EGRESSBURST": u64::MAX, "EgressRate": null});
        assert_eq!(limits(&keys), ("", expected.clone()));
        assert_eq!(limits(&json!({"RuntimeConfig": {"bandWidth": keys}})), ("runtimeConfig.bandwidth.", expected));
    }

    #[test]
    fn one_key_of_the_configuration_makes_the_runtimes_not_count() {
        let runtime = json!({"ingressRate": 8, "ingressBurst": 8});
        for own in [0, 5] {
            let (place, limits) = limits(&json!({"egressRate": own, "runtimeConfig": {"bandwidth": runtime}}));
            assert_eq!((place, limits), ("", Limits { egress_rate: Some(own), ..Limits::default() }));
        }
        let unset = json!({"egressRate": null, "runtimeConfig": {"bandwidth": runtime}});
        assert_eq!(limits(&unset).1.ingress_rate, Some(8));
    }

    #[test]
    fn unset_is_no_limit_in_every_form() {
        for document in [json!({}), json!({"runtimeConfig": null}), json!({"runtimeConfig": {"bandwidth": null}})] {
            assert_eq!(limits(&document).1, Limits::default(), "{document}");
        }
    }

    #[test]
    fn numbers_are_whole_and_of_64_bits() {
        for odd in [json!(-1), json!(1.5), json!("1000"), json!(1.0e20)] {
            let misfit = cni::json::decode::<Conf>(&json!({"ingressRate": odd})).unwrap_err();
            assert!(misfit.to_string().starts_with("\"ingressRate\": "), "{misfit}");
        }
    }
}
