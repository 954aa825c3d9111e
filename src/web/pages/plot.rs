//! Plots as lines in a box, drawn by the template as SVG. Pure: numbers in, coordinates out.

use std::fmt::Write as _;

use serde::Serialize;

/// The box of the lines, in the units of the SVG. The template leaves room for the labels around it.
pub const WIDTH: f64 = 640.0;
pub const HEIGHT: f64 = 140.0;

/// A value at a time (milliseconds).
pub type Point = (i64, f64);

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The class of the line in the style sheet.
    pub class: &'static str,
    pub name: String,
    /// The path's `d`.
    pub d: String,
}

/// A word at a place of an axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Label {
    pub at: f64,
    pub text: String,
}

/// A plot of some lines over one span of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plot {
    pub width: f64,
    pub height: f64,
    pub lines: Vec<Line>,
    pub x: Vec<Label>,
    pub y: Vec<Label>,
}

/// The span of both axes.
#[derive(Debug, Clone, Copy)]
pub struct Axes {
    pub from_ms: i64,
    pub until_ms: i64,
    /// The value at the top; at least 1.
    pub top: f64,
}

impl Axes {
    /// The axes for these values: the top is a round number.
    pub fn new(from_ms: i64, until_ms: i64, highest: f64) -> Self {
        Self { from_ms, until_ms, top: round_up(highest) }
    }

    #[expect(clippy::cast_precision_loss, reason = "a day in milliseconds")]
    fn x(&self, at_ms: i64) -> f64 {
        let span = (self.until_ms - self.from_ms).max(1) as f64;
        ((at_ms - self.from_ms) as f64 / span * WIDTH).clamp(0.0, WIDTH)
    }

    fn y(&self, value: f64) -> f64 {
        (HEIGHT - value / self.top * HEIGHT).clamp(0.0, HEIGHT)
    }

    /// A line through these points, in their order.
    pub fn line(&self, class: &'static str, name: String, points: &[Point]) -> Line {
        self.line_with_gaps(class, name, points, i64::MAX)
    }

    /// The same, but not over a gap that is longer than this (milliseconds). A point alone is a dot.
    pub fn line_with_gaps(&self, class: &'static str, name: String, points: &[Point], gap_ms: i64) -> Line {
        let mut d = String::new();
        let mut last: Option<i64> = None;
        for (at_ms, value) in points {
            let (x, y) = (self.x(*at_ms), self.y(*value));
            let goes_on = last.is_some_and(|last| at_ms - last <= gap_ms);
            let _ = if goes_on { write!(d, "L{x:.1} {y:.1}") } else { write!(d, "M{x:.1} {y:.1}l0 0") };
            last = Some(*at_ms);
        }
        Line { class, name, d }
    }

    /// A plot with these lines. `clock` says a time.
    pub fn plot(&self, lines: Vec<Line>, clock: impl Fn(i64) -> String, unit: &str) -> Plot {
        let step_ms = (self.until_ms - self.from_ms) / 4;
        let times = (0..=4).map(|n| self.from_ms + n * step_ms);
        let x = times.map(|at_ms| Label { at: self.x(at_ms), text: clock(at_ms) }).collect();
        let values = [0.0, self.top / 2.0, self.top];
        let y = values.map(|value| Label { at: self.y(value), text: format!("{}{unit}", short(value)) });
        Plot { width: WIDTH, height: HEIGHT, lines, x, y: y.into() }
    }
}

/// The next of 1, 2, 5, 10, 20, ...
fn round_up(value: f64) -> f64 {
    let mut top = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if value <= top * factor {
                return top * factor;
            }
        }
        top *= 10.0;
        if !top.is_finite() {
            return 1.0;
        }
    }
}

/// At most four digits: `950`, `1.5k`, `20k`.
fn short(value: f64) -> String {
    if value < 1_000.0 {
        let text = format!("{value:.1}");
        return text.strip_suffix(".0").unwrap_or(&text).to_owned();
    }
    let text = format!("{:.1}", value / 1_000.0);
    format!("{}k", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tops_are_round() {
        let tops = [0.0, 1.0, 1.5, 3.0, 5.1, 70.0, 20_001.0].map(|value| short(round_up(value)));
        assert_eq!(tops, ["1", "1", "2", "5", "10", "100", "50k"]);
        assert_eq!([0.5, 10.0, 950.0, 1_500.0, 20_000.0].map(short), ["0.5", "10", "950", "1.5k", "20k"]);
    }

    #[test]
    fn a_line_goes_from_the_left_below_to_the_right_above() {
        let axes = Axes::new(0, 100, 10.0);
        let line = axes.line("a", String::new(), &[(0, 0.0), (50, 5.0), (100, 10.0), (200, 99.0)]);
        assert_eq!(line.d, "M0.0 140.0l0 0L320.0 70.0L640.0 0.0L640.0 0.0");
        let dots = axes.line_with_gaps("a", String::new(), &[(0, 10.0), (50, 10.0)], 10);
        assert_eq!(dots.d, "M0.0 0.0l0 0M320.0 0.0l0 0");
        let plot = axes.plot(vec![line], |at| at.to_string(), " s");
        assert_eq!(
            plot.x.iter().map(|label| label.text.as_str()).collect::<Vec<_>>(),
            ["0", "25", "50", "75", "100"]
        );
        assert_eq!(plot.y[1], Label { at: 70.0, text: "5 s".to_owned() });
    }
}
