//! Charts for people: a topic each, a panel a call, a line a contender; the median over the parameter.

use std::{error::Error, ops::Range, path::Path};

use plotters::{
    coord::Shift,
    prelude::{
        BLACK, ChartBuilder, Circle, Color, DrawingArea, IntoDrawingArea, IntoFont, IntoLogRange, LineSeries,
        PathElement, RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
    },
};

use crate::{
    floor::FLOOR,
    series::{Series, Topic, of_call},
};

const PANEL: (u32, u32) = (520, 380);
const FONT: &str = "sans-serif";

/// Okabe and Ito's colours, which people with any colour vision tell apart.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// The floor is no contender.
const GREY: RGBColor = RGBColor(120, 120, 120);

/// Medians of one contender, by the parameter.
#[derive(Debug, PartialEq)]
struct Line<'a> {
    contender: &'a str,
    points: Vec<(f64, f64)>,
}

type Done = Result<(), Box<dyn Error>>;

/// Draws those charted calls of a topic that were measured, if any, into `NAME.svg` of a directory.
pub fn draw(topic: &Topic, series: &[Series], dir: &Path) -> Done {
    let panels = topic.charted.iter().map(|call| (*call, lines(&of_call(series, topic.name, call))));
    let panels: Vec<_> = panels.filter(|(_, lines)| !lines.is_empty()).collect();
    if panels.is_empty() {
        return Ok(());
    }
    let path = dir.join(format!("{}.svg", topic.name));
    let width = PANEL.0 * u32::try_from(panels.len())?;
    let root = SVGBackend::new(&path, (width, PANEL.1)).into_drawing_area();
    root.fill(&WHITE)?;
    let areas = root.titled(topic.title, (FONT, 16))?.split_evenly((1, panels.len()));
    for ((call, lines), area) in panels.iter().zip(&areas) {
        panel(area, topic, call, lines)?;
    }
    root.present()?;
    Ok(())
}

/// A point stands in the middle of its group.
fn lines<'a>(series: &[&'a Series]) -> Vec<Line<'a>> {
    let line = |series: &&'a Series| {
        let width = series.topic.parameter.as_ref().map_or(1, |parameter| parameter.width);
        let middle = f64::from(width - 1) / 2.0;
        let groups = series.groups().into_iter();
        let points = groups.map(|(from, numbers)| (f64::from(from) + middle, numbers.median())).collect();
        Line { contender: &series.contender, points }
    };
    series.iter().map(line).filter(|line| !line.points.is_empty()).collect()
}

fn panel(area: &DrawingArea<SVGBackend<'_>, Shift>, topic: &Topic, call: &str, lines: &[Line<'_>]) -> Done {
    let parameter = topic.parameter.as_ref().map_or("", |parameter| parameter.name);
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let right = points().map(|(x, _)| x).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..right * 1.02, decades(points().map(|(_, y)| y)).log_scale())?;
    chart
        .configure_mesh()
        .x_desc(parameter)
        .y_desc(format!("{call}, ms (median)"))
        .x_label_formatter(&|x| label(*x))
        .y_label_formatter(&|y| label(*y))
        .x_labels(7)
        .label_style((FONT, 12))
        .axis_desc_style((FONT, 13))
        .light_line_style(BLACK.mix(0.05))
        .bold_line_style(BLACK.mix(0.15))
        .draw()?;
    let mut colours = COLOURS.into_iter().cycle();
    for line in lines {
        let colour = if line.contender == FLOOR { GREY } else { colours.next().unwrap_or(BLACK) };
        let drawn = chart.draw_series(LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)))?;
        drawn
            .label(line.contender)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(line.points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font((FONT, 12).into_font())
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// Whole decades around the values, and one more above for the legend.
fn decades(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), y| (low.min(y), high.max(y)));
    10_f64.powf(low.log10().floor())..10_f64.powf(high.log10().ceil() + 1.0)
}

/// A number of an axis, with a separator from 1,000 to 999,999.
fn label(number: f64) -> String {
    let digits = if number < 1.0 { number.to_string() } else { format!("{number:.0}") };
    match digits.len() {
        4..=6 if number >= 1e3 => format!("{},{}", &digits[..digits.len() - 3], &digits[digits.len() - 3..]),
        _ => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Parameter;
    use std::fs;

    static TOPIC: Topic = Topic {
        name: "test",
        title: "what is done",
        parameter: Some(Parameter { name: "containers", width: 10 }),
        charted: &["ADD", "DEL"],
    };

    fn series(contender: &str, call: &str) -> Series {
        let mut series = Series::new(&TOPIC, contender, call);
        (0..20).for_each(|at| series.push(at, f64::from(at + 1)));
        series
    }

    #[test]
    fn points_are_medians_in_the_middle_of_their_groups() {
        let (one, none) = (series("one", "ADD"), Series::new(&TOPIC, "none", "ADD"));
        let expected = Line { contender: "one", points: vec![(4.5, 5.0), (14.5, 15.0)] };
        assert_eq!(lines(&[&one, &none]), [expected]);
    }

    #[test]
    fn axis_has_whole_decades_and_place_for_the_legend() {
        let range = decades([0.7, 42.0].into_iter());
        assert!((range.start - 0.1).abs() < 1e-9 && (range.end - 1000.0).abs() < 1e-9, "{range:?}");
    }

    #[test]
    fn numbers_on_the_axis_have_separators() {
        assert_eq!([0.0, 0.01, 100.0, 60_000.0].map(label), ["0", "0.01", "100", "60,000"]);
    }

    #[test]
    fn chart_names_every_contender_call_and_parameter() {
        let dir = tempfile::tempdir().unwrap();
        draw(&TOPIC, &[series("one", "ADD"), series("other", "ADD"), series("one", "DEL")], dir.path()).unwrap();
        let svg = fs::read_to_string(dir.path().join("test.svg")).unwrap();
        for text in ["one", "other", "ADD, ms (median)", "DEL, ms (median)", "containers", "what is done"] {
            assert!(svg.lines().any(|line| line.trim() == text), "no {text} in {svg}");
        }
    }
}
