//! All series as one JSON document, for programs. Units are in the keys.

use serde_json::{Map, Value, json};

use crate::{
    call::about,
    host::{cpus, kernel},
    series::{Numbers, Series},
    setup::{Contender, Setup},
    targets::Target,
};

/// The whole run.
pub fn document(setup: &Setup, series: &[Series], targets: &[Target]) -> Value {
    let contenders: Vec<Value> = setup.contenders.iter().map(contender).collect();
    json!({
        "kernel": kernel(),
        "cpus": cpus(),
        "reference": setup.reference,
        "contenders": contenders,
        "targets": targets.iter().map(target).collect::<Vec<_>>(),
        "series": series.iter().map(one).collect::<Vec<_>>(),
    })
}

fn contender(contender: &Contender) -> Value {
    json!({"name": contender.name, "about": about(&contender.dir.join("bridge"))})
}

fn target(target: &Target) -> Value {
    json!({"target": target.what, "wanted": target.wanted.to_string(), "measured": rounded(target.measured), "met": target.is_met()})
}

fn one(series: &Series) -> Value {
    let parameter = series.topic.parameter.as_ref();
    let mut object = Map::new();
    object.insert("scenario".into(), series.topic.name.into());
    object.insert("call".into(), series.call.as_str().into());
    object.insert("contender".into(), series.contender.as_str().into());
    object.insert("failures".into(), series.failures.len().into());
    object.extend(series.all().map(|numbers| summary(series, &numbers)).unwrap_or_default());
    if let Some(parameter) = parameter {
        let group = |(from, numbers): (u32, Numbers)| {
            let mut group = Map::from_iter([("from".to_owned(), json!(from))]);
            group.extend(summary(series, &numbers));
            Value::Object(group)
        };
        object.insert("parameter".into(), parameter.name.into());
        object.insert("group_width".into(), parameter.width.into());
        object.insert("groups".into(), series.groups().into_iter().map(group).collect());
    }
    Value::Object(object)
}

fn summary(series: &Series, numbers: &Numbers) -> Map<String, Value> {
    let unit = series.unit.name().replace(' ', "_");
    let figures = [("p50", numbers.median()), ("p99", numbers.percentile(99)), ("mean", numbers.mean())];
    let figures = figures.into_iter().map(|(name, number)| (format!("{name}_{unit}"), json!(rounded(number))));
    [("n".to_owned(), json!(numbers.count()))].into_iter().chain(figures).collect()
}

fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Parameter, Topic};

    static TOPIC: Topic =
        Topic { name: "leases", title: "", parameter: Some(Parameter { name: "leases", width: 1 }), charted: &[] };

    #[test]
    fn units_are_in_the_keys_and_groups_have_their_parameter() {
        let mut series = Series::new(&TOPIC, "mooring", "ADD");
        series.push(0, 1.0);
        series.push(60_000, 3.0);
        let group = |from, took| json!({"from": from, "n": 1, "p50_ms": took, "p99_ms": took, "mean_ms": took});
        let expected = json!({"scenario": "leases", "call": "ADD", "contender": "mooring", "failures": 0,
            "n": 2, "p50_ms": 1.0, "p99_ms": 3.0, "mean_ms": 2.0,
            "parameter": "leases", "group_width": 1, "groups": [group(0, 1.0), group(60_000, 3.0)]});
        assert_eq!(one(&series), expected);
    }
}
