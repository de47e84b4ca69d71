//! A chart: what is left of an unfiltered sender's rate as the policy grows.

use std::ops::Range;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::order::Traffic;
use crate::prefixes::Lengths;
use crate::report::{Part, Report, size_in_words};
use crate::run::SIZES;
use crate::world::{EMPTY, IPSET, NFT, NFT_BITMAPS, OURS, SYSTEMD};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 420;
/// Subjects and their colours, which differ in brightness too.
const LINES: [(&str, RGBColor); 6] = [
    (EMPTY, RGBColor(120, 120, 120)),
    (OURS, RGBColor(0, 90, 180)),
    (SYSTEMD, RGBColor(220, 140, 0)),
    (IPSET, RGBColor(0, 150, 110)),
    (NFT, RGBColor(190, 50, 40)),
    (NFT_BITMAPS, RGBColor(150, 90, 160)),
];

/// A point of a line: the decimal logarithm of the number of prefixes, the ratio.
type Point = (f64, f64);

/// The chart as SVG.
///
/// # Errors
/// The library's own.
pub fn svg(report: &Report) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
        let (left, right) = area.split_horizontally(WIDTH / 2);
        let connected = |_| Traffic::Connected;
        panel(&left, report, "UDP to one destination", &connected, 0.0..6.6)?;
        let random = |size| Traffic::Random(size, Lengths::Three);
        panel(&right, report, "UDP to random allowed destinations", &random, 2.4..6.6)?;
        area.present().map_err(|error| anyhow!("{error}"))?;
    }
    Ok(text)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    report: &Report,
    caption: &str,
    traffic: &dyn Fn(u32) -> Traffic,
    sizes: Range<f64>,
) -> Result<()> {
    let wrong = |error: DrawingAreaErrorKind<_>| -> anyhow::Error { anyhow!("{error}") };
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(sizes, 0.0..1.05)
        .map_err(wrong)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(1)
        .x_desc("prefixes in the policy")
        .y_desc("packets per CPU second / no firewall")
        .x_labels(8)
        .x_label_formatter(&|place| power_of_ten(*place))
        .y_label_formatter(&|ratio| format!("{ratio:.1}"))
        .draw()
        .map_err(wrong)?;
    for (subject, colour) in LINES {
        let points = points(report, subject, traffic);
        if points.is_empty() {
            continue;
        }
        draw(&mut chart, &points, colour, subject)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.8))
        .draw()
        .map_err(wrong)?;
    Ok(())
}

fn draw<'a>(
    chart: &mut ChartContext<'a, SVGBackend<'_>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
    points: &[Point],
    colour: RGBColor,
    subject: &str,
) -> Result<()> {
    let wrong = |error: DrawingAreaErrorKind<_>| -> anyhow::Error { anyhow!("{error}") };
    chart
        .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))
        .map_err(wrong)?
        .label(subject)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    let dots = points.iter().map(|point| Circle::new(*point, 3, colour.filled()));
    chart.draw_series(dots).map_err(wrong)?;
    Ok(())
}

fn points(report: &Report, subject: &str, traffic: &dyn Fn(u32) -> Traffic) -> Vec<Point> {
    let point = |size: u32| {
        let row = report.row(Part::Live, traffic(size).title(), subject, Some(size))?;
        Some((f64::from(size).log10(), row.median()?))
    };
    SIZES.into_iter().filter_map(point).collect()
}

/// Only sizes that there are get a label.
fn power_of_ten(place: f64) -> String {
    let size = 10_f64.powf(place).round();
    let known = SIZES.into_iter().find(|known| (f64::from(*known) - size).abs() < 0.5);
    known.map_or_else(String::new, size_in_words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sizes_of_the_bench_are_labelled() {
        assert_eq!(power_of_ten(1.0), "10");
        assert_eq!(power_of_ten(6.0), "1 M");
        assert_eq!(power_of_ten(2.0), "");
    }

    #[test]
    fn the_chart_names_everybody_who_was_measured_and_nobody_else() {
        let report = crate::table::tests_report();
        let text = svg(&report).expect("drawn");
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
        assert!(text.contains(OURS) && text.contains(EMPTY));
        assert!(!text.contains(SYSTEMD), "it has no rows");
    }
}
