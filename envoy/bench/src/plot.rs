//! Growth as a picture: a panel for each dimension, with sidestep's cost by the floor filter's above, and both below.

use crate::growth::{Dimension, Point};
use crate::ratio::Spread;
use std::fmt::Write;

/// A panel's width and height, and the room around its two fields, in pixels.
const PANEL: (f64, f64) = (320.0, 340.0);
const MARGIN: f64 = 50.0;
/// Where the upper field begins, the height of the two, and the gap between them.
const TOP: f64 = 40.0;
const FIELD: f64 = 110.0;
const GAP: f64 = 30.0;

const SIDESTEP: &str = "#1f5fa8";
const FLOOR: &str = "#a0620a";

/// The picture, as SVG.
pub(crate) fn growth(dimensions: &[Dimension]) -> String {
    let width = PANEL.0 * dimensions.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        PANEL.1
    );
    for (number, dimension) in dimensions.iter().enumerate() {
        panel(&mut svg, dimension, PANEL.0 * number as f64 + MARGIN);
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, dimension: &Dimension, left: f64) {
    let count = dimension.points.len();
    let step = (PANEL.0 - MARGIN * 1.5) / count.max(1) as f64;
    let x = |number: usize| left + step * (number as f64 + 0.5);
    let ratios = Field {
        top: TOP,
        from: 0.9,
        to: highest(dimension, 1.1, |point| point.ratio().map_or(0.0, |ratio| ratio.high)),
    };
    let costs = Field {
        top: TOP + FIELD + GAP,
        from: 0.0,
        to: highest(dimension, 1.0, |point| {
            median(&point.sidestep).max(median(&point.floor))
        }),
    };
    text(
        svg,
        (left, 18.0),
        "start",
        "black",
        &format!("{}: times the floor filter", dimension.name),
    );
    text(
        svg,
        (left, costs.top - 10.0),
        "start",
        SIDESTEP,
        "sidestep, µs of CPU per request",
    );
    text(svg, (left + 200.0, costs.top - 10.0), "start", FLOOR, "floor");
    for (field, mark) in [(&ratios, 1.0), (&ratios, ratios.to), (&costs, 0.0), (&costs, costs.to)] {
        let y = field.y(mark);
        line(svg, &[(left, y), (left + step * count as f64, y)], "#cccccc");
        text(svg, (left - 5.0, y + 4.0), "end", "black", &format!("{mark:.2}"));
    }
    for (number, point) in dimension.points.iter().enumerate() {
        let bottom = costs.top + FIELD + 16.0;
        text(svg, (x(number), bottom), "middle", "black", &point.x.to_string());
        if let Some(ratio) = point.ratio() {
            let spread = [ratio.low, ratio.high].map(|value| (x(number), ratios.y(value)));
            line(svg, &spread, SIDESTEP);
            let above = (x(number), ratios.y(ratio.high) - 4.0);
            text(svg, above, "middle", SIDESTEP, &format!("{:.2}", ratio.median));
        }
    }
    let course = |field: &Field, value: &dyn Fn(&Point) -> f64| -> Vec<_> {
        let points = dimension.points.iter().enumerate();
        points
            .map(|(number, point)| (x(number), field.y(value(point))))
            .collect()
    };
    let ratio = |point: &Point| point.ratio().map_or(1.0, |ratio| ratio.median);
    line(svg, &course(&ratios, &ratio), SIDESTEP);
    line(svg, &course(&costs, &|point| median(&point.floor)), FLOOR);
    line(svg, &course(&costs, &|point| median(&point.sidestep)), SIDESTEP);
    let middle = left + step * count as f64 / 2.0;
    text(
        svg,
        (middle, costs.top + FIELD + 34.0),
        "middle",
        "black",
        dimension.unit,
    );
}

/// A field's scale.
struct Field {
    top: f64,
    from: f64,
    to: f64,
}

impl Field {
    /// Where a value is; what is beyond the scale, at its edge.
    fn y(&self, value: f64) -> f64 {
        let share = (value - self.from) / (self.to - self.from);
        self.top + FIELD * (1.0 - share.clamp(0.0, 1.0))
    }
}

/// The highest value of a dimension, or `least`.
fn highest(dimension: &Dimension, least: f64, value: impl Fn(&Point) -> f64) -> f64 {
    dimension.points.iter().map(value).fold(least, f64::max)
}

fn median(figures: &[f64]) -> f64 {
    Spread::of(figures.iter().copied()).map_or(0.0, |spread| spread.median)
}

// Writing to a string can't fail.

fn line(svg: &mut String, points: &[(f64, f64)], colour: &str) {
    let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let points = points.join(" ");
    let _ = writeln!(
        svg,
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dimension_has_a_panel_with_three_lines() {
        let point = |x| Point {
            x,
            sidestep: vec![80.0, 90.0],
            floor: vec![78.0, 84.0],
        };
        let svg = growth(&[Dimension {
            name: "hosts",
            unit: "hosts of the cluster",
            points: vec![point(3), point(10)],
        }]);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{svg}");
        let lines = |colour| {
            svg.lines()
                .filter(|line| line.contains(&format!("stroke=\"{colour}\"")))
                .count()
        };
        // The course of the ratio and of the cost, and each point's spread.
        assert_eq!((lines(SIDESTEP), lines(FLOOR)), (4, 1));
        assert!(!svg.contains("NaN"));
    }
}
