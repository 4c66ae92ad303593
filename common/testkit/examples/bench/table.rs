//! Tables for people: a topic each, a line a contender.

use std::{collections::BTreeSet, fmt::Write};

use crate::{
    floor::FLOOR,
    series::{Numbers, Series, Topic, Unit, of_call},
};

/// The table of a topic. The last contender of a call is the one that the others are compared with.
pub fn of(topic: &Topic, series: &[Series]) -> String {
    let mut calls: Vec<&str> = Vec::new();
    for one in series.iter().filter(|one| one.topic.name == topic.name) {
        if !calls.contains(&one.call.as_str()) {
            calls.push(&one.call);
        }
    }
    let mut text =
        format!("{}\n{}", topic.title, line(["", "", "n", "median", "99 %", "when full", "x better", "x floor"]));
    for call in calls {
        let rows = of_call(series, topic.name, call);
        for condition in conditions(&rows) {
            text.extend(rows.iter().enumerate().map(|(place, row)| {
                let label = if place == 0 { condition.label(row) } else { String::new() };
                self::row(&label, row, &rows, &condition)
            }));
        }
    }
    text
}

/// What a line of a table is about.
enum Condition {
    /// One value of the parameter.
    At(u32),
    /// All values, since they grew while it was measured; or there is no parameter.
    All,
}

fn conditions(rows: &[&Series]) -> Vec<Condition> {
    let parameter = rows.first().and_then(|row| row.topic.parameter.as_ref());
    if parameter.is_none_or(|parameter| parameter.width > 1) {
        return vec![Condition::All];
    }
    let values: BTreeSet<u32> = rows.iter().flat_map(|row| row.groups()).map(|(from, _)| from).collect();
    values.into_iter().map(Condition::At).collect()
}

impl Condition {
    fn numbers(&self, series: &Series) -> Option<Numbers> {
        match self {
            Self::At(at) => series.at(*at),
            Self::All => series.all(),
        }
    }

    fn label(&self, series: &Series) -> String {
        let unit = match series.unit {
            Unit::PerSecond => " a second",
            Unit::Milliseconds | Unit::Bytes => "",
        };
        match (self, &series.topic.parameter) {
            (Self::At(at), Some(parameter)) => format!("{}{unit}, {at} {}", series.call, parameter.name),
            _ => format!("{}{unit}", series.call),
        }
    }
}

fn row(label: &str, row: &Series, all: &[&Series], condition: &Condition) -> String {
    let Some(numbers) = condition.numbers(row) else {
        return line([label, &row.contender, "0", "-", "-", "", "", ""]);
    };
    let median = |series: &Series| condition.numbers(series).map(|numbers| numbers.median());
    let times = |other: Option<f64>, than: fn(Unit, f64, f64) -> f64| {
        other.map(|other| format!("{:.2}", than(row.unit, numbers.median(), other))).unwrap_or_default()
    };
    // One alone is compared with nobody.
    let others = if all.len() > 1 { all } else { &[] };
    let compared = others.last().and_then(|last| median(last));
    let floor = others.iter().find(|one| one.contender == FLOOR).and_then(|floor| median(floor));
    let last = row.groups().pop().filter(|_| matches!(condition, Condition::All) && row.groups().len() > 1);
    let shown = |number| number_of(row.unit, number);
    line([
        label,
        &row.contender,
        &numbers.count().to_string(),
        &shown(numbers.median()),
        &shown(numbers.percentile(99)),
        &last.map(|(_, numbers)| shown(numbers.median())).unwrap_or_default(),
        &times(compared, Unit::times_better),
        &times(floor, |_, own, floor| own / floor),
    ])
}

fn number_of(unit: Unit, number: f64) -> String {
    match unit {
        Unit::Milliseconds if number < 0.1 => format!("{:.1} us", number * 1e3),
        Unit::Milliseconds => format!("{number:.2} ms"),
        Unit::Bytes => format!("{number:.0} B"),
        Unit::PerSecond => format!("{number:.1} /s"),
    }
}

fn line([label, contender, rest @ ..]: [&str; 8]) -> String {
    let mut line = format!("{label:<28} {contender:<22}");
    for cell in rest {
        // Writing to a String does not fail.
        let _ = write!(line, " {cell:>12}");
    }
    line.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Parameter;

    static GROWING: Topic = Topic {
        name: "containers",
        title: "grows",
        parameter: Some(Parameter { name: "containers", width: 10 }),
        charted: &[],
    };
    static LEASES: Topic = Topic {
        name: "leases",
        title: "leases",
        parameter: Some(Parameter { name: "leases", width: 1 }),
        charted: &[],
    };

    fn series(topic: &'static Topic, contender: &str, samples: &[(u32, f64)]) -> Series {
        let mut series = Series::new(topic, contender, "ADD");
        for (at, number) in samples {
            series.push(*at, *number);
        }
        series
    }

    /// The words of each line below the heading.
    fn words(topic: &Topic, series: &[Series]) -> Vec<String> {
        of(topic, series).lines().skip(2).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn contenders_are_compared_with_the_last_and_with_the_floor() {
        let run = [
            series(&GROWING, FLOOR, &[(0, 2.0)]),
            series(&GROWING, "mooring", &[(0, 5.0), (5, 5.0), (10, 6.0)]),
            series(&GROWING, "reference", &[(0, 50.0)]),
        ];
        let expected = [
            "ADD kernel floor 1 2.00 ms 2.00 ms 25.00 1.00",
            "mooring 3 5.00 ms 6.00 ms 6.00 ms 10.00 2.50",
            "reference 1 50.00 ms 50.00 ms 1.00 25.00",
        ];
        assert_eq!(words(&GROWING, &run), expected);
    }

    #[test]
    fn each_condition_has_its_lines_even_if_one_contender_failed_there() {
        let run = [series(&LEASES, "mooring", &[(1000, 3.0)]), series(&LEASES, "reference", &[(0, 1.0), (1000, 6.0)])];
        let expected = [
            "ADD, 0 leases mooring 0 - -",
            "reference 1 1.00 ms 1.00 ms 1.00",
            "ADD, 1000 leases mooring 1 3.00 ms 3.00 ms 2.00",
            "reference 1 6.00 ms 6.00 ms 1.00",
        ];
        assert_eq!(words(&LEASES, &run), expected);
    }
}
