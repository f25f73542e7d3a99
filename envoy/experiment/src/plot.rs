//! The plot: for each scenario a row of three panels over time, and in each panel a line for each configuration.

use crate::configuration::Configuration;
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::series::Series;
use std::fmt::Write;

const PANEL_WIDTH: f64 = 330.0;
const PANEL_HEIGHT: f64 = 110.0;
/// Around a panel: room for its axes.
const LEFT: f64 = 48.0;
const GAP: f64 = 58.0;
/// Above the first row: title and legend.
const HEAD: f64 = 100.0;
/// Above each row: the scenario's name; below: the time.
const ABOVE: f64 = 26.0;
const BELOW: f64 = 28.0;

/// A scenario in the plot.
pub(crate) struct Row {
    /// Which.
    pub(crate) scenario: Scenario,
    /// Its course, in the times of the run.
    pub(crate) plan: Plan,
    /// What was seen.
    pub(crate) series: Vec<(Configuration, Series)>,
}

/// One of the panels of a row.
struct Panel {
    title: &'static str,
    values: fn(&Series) -> &[f64],
    scale: Scale,
}

/// From a value to a height.
struct Scale {
    bottom: f64,
    top: f64,
    logarithmic: bool,
    /// Where lines with a number are drawn.
    marks: &'static [f64],
    unit: &'static str,
}

const PANELS: [Panel; 3] = [
    Panel {
        title: "Requests to the faulty hosts (none: to the least used)",
        values: |series| &series.share,
        scale: Scale {
            bottom: 0.0,
            top: 150.0,
            logarithmic: false,
            marks: &[0.0, 50.0, 100.0, 150.0],
            unit: " %",
        },
    },
    Panel {
        title: "Failed for users",
        values: |series| &series.failed,
        scale: Scale {
            bottom: 0.1,
            top: 100.0,
            logarithmic: true,
            marks: &[0.1, 1.0, 10.0, 100.0],
            unit: " %",
        },
    },
    Panel {
        title: "Time to the answer, 99th percentile",
        values: |series| &series.p99,
        scale: Scale {
            bottom: 10.0,
            top: 3000.0,
            logarithmic: true,
            marks: &[10.0, 100.0, 1000.0],
            unit: " ms",
        },
    },
];

impl Scale {
    /// 0 at the bottom, 1 at the top; what is outside is drawn at the edge.
    fn height(&self, value: f64) -> f64 {
        let value = value.clamp(self.bottom, self.top);
        if self.logarithmic {
            (value / self.bottom).ln() / (self.top / self.bottom).ln()
        } else {
            (value - self.bottom) / (self.top - self.bottom)
        }
    }
}

/// Distinct also for those who see no red or no green (Okabe and Ito), and by the lines' pattern.
fn style(configuration: Configuration) -> &'static str {
    match configuration {
        Configuration::NoDetection => "stroke=\"#999999\" stroke-dasharray=\"2 2\" stroke-width=\"1.4\"",
        Configuration::EnvoyDefault => "stroke=\"#e69f00\" stroke-dasharray=\"7 3\" stroke-width=\"1.4\"",
        Configuration::EnvoyTuned => "stroke=\"#0072b2\" stroke-width=\"1.4\"",
        Configuration::Haproxy => "stroke=\"#009e73\" stroke-dasharray=\"9 3 2 3\" stroke-width=\"1.4\"",
        Configuration::Nginx => "stroke=\"#cc79a7\" stroke-dasharray=\"4 2\" stroke-width=\"1.4\"",
        Configuration::Sidestep => "stroke=\"#d55e00\" stroke-width=\"2.2\"",
    }
}

/// The plot as SVG. `subtitle` says how it came about.
pub(crate) fn plot(rows: &[Row], subtitle: &str) -> String {
    let panels = crate::figures::number(PANELS.len());
    let width = LEFT + panels * PANEL_WIDTH + (panels - 1.0) * GAP + 16.0;
    let row_height = ABOVE + PANEL_HEIGHT + BELOW;
    let height = HEAD + row_height * crate::figures::number(rows.len()) + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    text(
        &mut svg,
        (LEFT, 22.0),
        "font-size=\"16\" font-weight=\"bold\"",
        "sidestep against others",
    );
    text(&mut svg, (LEFT, 40.0), "fill=\"#555\"", subtitle);
    legend(&mut svg, rows, LEFT, 60.0);
    for (column, panel) in (0_u32..).zip(PANELS) {
        let left = LEFT + (PANEL_WIDTH + GAP) * f64::from(column);
        text(
            &mut svg,
            (left, HEAD - 10.0),
            "font-size=\"12\" fill=\"#555\"",
            panel.title,
        );
    }
    for (number, row) in (0_u32..).zip(rows) {
        let top = HEAD + row_height * f64::from(number) + ABOVE;
        let title = format!("{}: {}", row.scenario.name(), row.scenario.says());
        text(
            &mut svg,
            (LEFT, top - 10.0),
            "font-weight=\"bold\" font-size=\"12\"",
            &title,
        );
        for (column, panel) in (0_u32..).zip(PANELS) {
            let left = LEFT + (PANEL_WIDTH + GAP) * f64::from(column);
            draw(&mut svg, &panel, row, (left, top));
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Of the configurations that are there, which are the same in all rows.
fn legend(svg: &mut String, rows: &[Row], left: f64, top: f64) {
    let mut left = left;
    for (configuration, _) in rows.iter().take(1).flat_map(|row| &row.series) {
        line(svg, (left, top), (left + 30.0, top), style(*configuration));
        text(svg, (left + 36.0, top + 4.0), "", configuration.says());
        left += 140.0;
    }
    let _ = writeln!(
        svg,
        "<rect x=\"{left}\" y=\"{}\" width=\"30\" height=\"12\" fill=\"#f2dede\"/>",
        top - 6.0
    );
    text(svg, (left + 36.0, top + 4.0), "", "some host is faulty");
}

fn draw(svg: &mut String, panel: &Panel, row: &Row, (left, top): (f64, f64)) {
    let end = row.plan.end.as_secs_f64();
    let x = |seconds: f64| left + PANEL_WIDTH * seconds / end;
    let y = |value: f64| top + PANEL_HEIGHT * (1.0 - panel.scale.height(value));
    for (_, from, until) in row.plan.fault_times() {
        let (from, until) = (x(from.as_secs_f64()), x(until.as_secs_f64()));
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{PANEL_HEIGHT}\" fill=\"#f2dede\"/>",
            until - from
        );
    }
    for mark in panel.scale.marks {
        line(svg, (left, y(*mark)), (left + PANEL_WIDTH, y(*mark)), "stroke=\"#ddd\"");
        let at = (left - 4.0, y(*mark) + 4.0);
        text(
            svg,
            at,
            "text-anchor=\"end\" fill=\"#555\"",
            &format!("{mark}{}", panel.scale.unit),
        );
    }
    let bottom = top + PANEL_HEIGHT;
    for mark in (0_u32..)
        .map(|n| f64::from(n) * time_step(end))
        .take_while(|mark| *mark <= end)
    {
        line(svg, (x(mark), bottom), (x(mark), bottom + 3.0), "stroke=\"#555\"");
        let at = (x(mark), bottom + 14.0);
        text(svg, at, "text-anchor=\"middle\" fill=\"#555\"", &format!("{mark} s"));
    }
    for (configuration, series) in &row.series {
        let values = (panel.values)(series);
        let step = end / crate::figures::number(values.len().max(1));
        let points: Vec<_> = (0_u32..)
            .zip(values)
            .map(|(n, value)| format!("{:.1},{:.1}", x((f64::from(n) + 0.5) * step), y(*value)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke-linejoin=\"round\" {} points=\"{}\"/>",
            style(*configuration),
            points.join(" ")
        );
    }
    let _ = writeln!(
        svg,
        "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{PANEL_WIDTH}\" height=\"{PANEL_HEIGHT}\" fill=\"none\" stroke=\"#999\"/>"
    );
}

/// Seconds from one mark of the time to the next: about eight of them.
fn time_step(end: f64) -> f64 {
    [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|step| end / step <= 12.0)
        .unwrap_or(end)
}

fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), style: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {style}/>"
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), style: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{text}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(scenario: Scenario) -> Row {
        let series = Series {
            share: vec![100.0, 0.0, 400.0],
            failed: vec![0.0, 3.0, 100.0],
            p99: vec![20.0, 0.0, 10_000.0],
        };
        Row {
            scenario,
            plan: scenario.plan(1.0),
            series: Configuration::ALL
                .map(|configuration| (configuration, series.clone()))
                .to_vec(),
        }
    }

    /// Whether every element that is opened is closed, in order; and what the elements are.
    fn elements(svg: &str) -> Vec<String> {
        let (mut open, mut seen) = (Vec::new(), Vec::new());
        for part in svg.split('<').skip(1) {
            let (tag, rest) = part.split_once('>').expect("an end of the tag");
            assert!(!rest.contains('>'), "{part}");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name: String = tag.chars().take_while(char::is_ascii_alphabetic).collect();
            if let Some(closed) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(closed));
            } else {
                seen.push(name.clone());
                if !tag.ends_with('/') {
                    open.push(name);
                }
            }
        }
        assert_eq!(open, Vec::<String>::new());
        seen
    }

    #[test]
    fn it_is_well_formed_and_has_a_line_for_each_configuration_in_each_panel() {
        let rows: Vec<_> = Scenario::ALL.into_iter().map(row).collect();
        let svg = plot(&rows, "rounds < 3 & more");
        let elements = elements(&svg);
        assert_eq!(elements[0], "svg");
        let lines = elements.iter().filter(|name| *name == "polyline").count();
        assert_eq!(lines, rows.len() * PANELS.len() * Configuration::ALL.len());
        for configuration in Configuration::ALL {
            assert_eq!(svg.matches(&format!(">{}</text>", configuration.says())).count(), 1);
        }
        assert!(svg.contains("rounds &lt; 3 &amp; more"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn what_is_beyond_the_scale_is_drawn_at_its_edge() {
        for panel in PANELS {
            assert_eq!(panel.scale.height(0.0), 0.0);
            assert_eq!(panel.scale.height(1e9), 1.0);
            let marks: Vec<_> = panel.scale.marks.iter().map(|mark| panel.scale.height(*mark)).collect();
            assert!(marks.is_sorted());
        }
    }
}
