//! Existing Cases and comments for which the last edit of actions.yaml holds (design, rule 19). The daemon counts.

use super::codes::STOOD_BEFORE;
use super::report::{Area, Report};

/// The Cases and comments for which the edited rules hold and that are left alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stood {
    pub cases: u64,
    /// Of the Cases.
    pub open_cases: u64,
    pub comments: u64,
    /// Of the comments.
    pub published_comments: u64,
}

/// Nothing, or a warning: an admin may expect an edited rule to act on existing records, or may not know its effects.
pub fn edited(stood: &Stood) -> Report {
    let mut report = Report::default();
    let Stood { cases, open_cases, comments, published_comments } = stood;
    if cases + comments > 0 {
        let message = format!(
            "the last edit of the rules in actions.yaml would touch {cases} Cases that stood before it, {open_cases} of them \
             open, and {comments} comments, {published_comments} of them published: nothing is sent for them"
        );
        let help = "`goodays-salesforce apply-actions --dry-run` lists them; without `--dry-run` they are carried out";
        report.warn(Area::Mapping, STOOD_BEFORE, message).help(help);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a06_only_what_is_touched_is_told() {
        assert!(edited(&Stood::default()).findings.is_empty());
        let report = edited(&Stood { cases: 3, open_cases: 2, ..Stood::default() });
        let [finding] = report.findings.as_slice() else { panic!("{report:?}") };
        assert!(
            finding.message.contains("3 Cases that stood before it, 2 of them open"),
            "{}",
            finding.message
        );
        assert_eq!((finding.code, report.exit_code()), ("S031", 0));
        assert_eq!(edited(&Stood { comments: 1, ..Stood::default() }).findings.len(), 1);
    }
}
