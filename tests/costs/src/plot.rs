//! The curves as a picture: a column of panels for each axis, instructions above and host calls below.

use crate::growth::{Axis, Curve};
use crate::path::Path;
use crate::totals::What;
use std::fmt::Write;

const WIDTH: f64 = 230.0;
const HEIGHT: f64 = 150.0;
/// Around a panel: room for its numbers.
const LEFT: f64 = 62.0;
const ABOVE: f64 = 30.0;
const BELOW: f64 = 24.0;
/// Above all panels: title and legend.
const HEAD: f64 = 66.0;

/// A value's way to a place between 0 and 1.
struct Scale {
    bottom: f64,
    top: f64,
    logarithmic: bool,
}

impl Scale {
    /// From the smallest value to the largest, or from nothing; logarithmic if that is far more than a decade.
    fn of(values: &[f64], from_zero: bool) -> Scale {
        let bottom = values.iter().copied().fold(f64::INFINITY, f64::min);
        let top = values.iter().copied().fold(0.0, f64::max);
        let logarithmic = bottom > 0.0 && top / bottom > 20.0;
        Scale {
            bottom: if from_zero && !logarithmic { 0.0 } else { bottom },
            top: if logarithmic { top } else { top * 1.05 },
            logarithmic,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            (value / self.bottom).ln() / (self.top / self.bottom).ln()
        } else {
            (value - self.bottom) / (self.top - self.bottom)
        };
        place.clamp(0.0, 1.0)
    }

    /// Where a number is written: the decades, or about four round ones.
    fn marks(&self) -> Vec<f64> {
        let (from, mut step) = (self.bottom, 1.0);
        while !self.logarithmic && (self.top - from) / step > 5.0 {
            // 1, 2, 5, 10, ...
            step *= if (step.log10().fract() - 2_f64.log10()).abs() < 0.01 {
                2.5
            } else {
                2.0
            };
        }
        let marks = (0..1_000_u32).map(f64::from);
        let marks: Vec<f64> = if self.logarithmic {
            (0..12).map(|decade| 10_f64.powi(decade)).collect()
        } else {
            marks.map(|number| number * step).collect()
        };
        marks
            .into_iter()
            .filter(|mark| *mark >= self.bottom && *mark <= self.top)
            .collect()
    }
}

/// Distinct also for those who see no red or no green (Okabe and Ito).
fn colour(path: Path) -> &'static str {
    match path {
        Path::Success => "#0072b2",
        Path::Ejected => "#e69f00",
        Path::Failure => "#d55e00",
        Path::Retry => "#cc79a7",
        _ => "#999999",
    }
}

/// All curves as SVG.
pub fn svg(curves: &[Curve]) -> String {
    let (width, height) = (4.0 * (LEFT + WIDTH) + 16.0, HEAD + 2.0 * (ABOVE + HEIGHT + BELOW));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    text(
        &mut svg,
        (16.0, 22.0),
        "font-size=\"16\" font-weight=\"bold\"",
        "What a request costs, or a tick",
    );
    // All paths are in the curves along the first axis.
    let legend = curves.iter().filter(|curve| curve.axis == Axis::Hosts);
    for (curve, left) in legend.zip((0_u32..).map(|number| 16.0 + 170.0 * f64::from(number))) {
        let style = format!("stroke=\"{}\" stroke-width=\"2\"", colour(curve.path));
        line(&mut svg, (left, 42.0), (left + 26.0, 42.0), &style);
        text(&mut svg, (left + 32.0, 46.0), "", &curve.name());
    }
    for (axis, column) in Axis::ALL.into_iter().zip(0_u32..) {
        let left = LEFT + f64::from(column) * (LEFT + WIDTH);
        for (what, row) in [What::Instructions, What::Calls].into_iter().zip(0_u32..) {
            let top = HEAD + ABOVE + f64::from(row) * (ABOVE + HEIGHT + BELOW);
            panel(&mut svg, curves, axis, what, (left, top));
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, curves: &[Curve], axis: Axis, what: What, (left, top): (f64, f64)) {
    let curves = curves.iter().filter(|curve| curve.axis == axis);
    let lines = curves.map(|curve| {
        let points = curve
            .points
            .iter()
            .map(|(value, cost)| (*value as f64, cost.figure(what).value()));
        (curve.path, points.collect::<Vec<_>>())
    });
    let lines: Vec<_> = lines.collect();
    let all = || lines.iter().flat_map(|(_, points)| points);
    let across = Scale::of(&all().map(|(x, _)| *x).collect::<Vec<_>>(), false);
    let up = Scale::of(&all().map(|(_, y)| *y).collect::<Vec<_>>(), true);
    let x = |value: f64| left + WIDTH * across.place(value);
    let y = |value: f64| top + HEIGHT * (1.0 - up.place(value));
    text(
        svg,
        (left, top - 8.0),
        "fill=\"#555\"",
        &format!("{what}, by {}", axis.name()),
    );
    for mark in up.marks() {
        line(svg, (left, y(mark)), (left + WIDTH, y(mark)), "stroke=\"#ddd\"");
        text(
            svg,
            (left - 4.0, y(mark) + 4.0),
            "text-anchor=\"end\" fill=\"#555\"",
            &mark.to_string(),
        );
    }
    for mark in across.marks() {
        line(
            svg,
            (x(mark), top + HEIGHT),
            (x(mark), top + HEIGHT + 3.0),
            "stroke=\"#555\"",
        );
        text(
            svg,
            (x(mark), top + HEIGHT + 15.0),
            "text-anchor=\"middle\" fill=\"#555\"",
            &mark.to_string(),
        );
    }
    for (path, points) in &lines {
        let points: Vec<_> = points
            .iter()
            .map(|(at, cost)| format!("{:.1},{:.1}", x(*at), y(*cost)))
            .collect();
        let style = format!("fill=\"none\" stroke=\"{}\" stroke-width=\"2\"", colour(*path));
        let _ = writeln!(svg, "<polyline {style} points=\"{}\"/>", points.join(" "));
    }
}

fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), style: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {style}/>"
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), style: &str, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{text}</text>");
}

#[cfg(test)]
mod tests {
    use super::{Scale, svg};
    use crate::cost::{Cost, Figure};
    use crate::growth::{Axis, Curve};
    use crate::path::Path;
    use crate::totals::What;

    #[test]
    fn there_is_a_line_for_each_curve_in_both_panels_of_its_axis() {
        let cost = |instructions| {
            let mut cost = Cost::default();
            cost.0.insert(What::Instructions, Figure::mean(instructions, 1));
            cost.0.insert(What::Calls, Figure::mean(6, 1));
            cost
        };
        let curves = Axis::ALL.map(|axis| Curve {
            axis,
            path: Path::Success,
            points: vec![(1, cost(5_000)), (1_000, cost(500_000))],
        });
        let svg = svg(&curves);
        assert_eq!(svg.matches("<polyline").count(), 8);
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn numbers_stand_at_decades_or_at_round_places() {
        let decades = Scale::of(&[3.0, 1_000.0], true);
        assert_eq!(decades.marks(), [10.0, 100.0, 1_000.0]);
        let round = Scale::of(&[30.0, 47.0], true);
        assert_eq!(round.marks(), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert!(round.place(30.0) < round.place(47.0) && round.place(500.0) <= 1.0);
    }
}
