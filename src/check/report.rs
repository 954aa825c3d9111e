//! The findings of a check, and its result.

use serde::Serialize;

use super::codes;
use crate::http::Failure;
use crate::mapping::{self, Diagnostic};

/// The result of one step, or its name and why it ended the check of this remote.
pub(super) type Done<T = ()> = Result<T, (&'static str, Failure)>;

/// The steps after `what`.
pub(super) fn after(steps: &[&'static str], what: &str) -> Vec<&'static str> {
    steps.iter().skip_while(|step| **step != what).skip(1).copied().collect()
}

/// `Ok`: it was checked and is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    Ok,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    Configuration,
    Mapping,
    Goodays,
    Salesforce,
    Database,
}

impl Area {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Mapping => "Mappings",
            Self::Goodays => "Goodays",
            Self::Salesforce => "Salesforce",
            Self::Database => "Database",
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub area: Area,
    /// Stable across versions. `ok` if nothing is wrong.
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// `file:line:column` of the rule concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The subject, for example `Case.Subject`. The summary names subjects with the same remedy together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip)]
    pub(super) shown: Option<Diagnostic>,
}

impl Finding {
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    pub fn about(&mut self, subject: impl Into<String>) -> &mut Self {
        self.subject = Some(subject.into());
        self
    }
}

#[derive(Debug, Clone, Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// The files could not be loaded.
    pub unloaded: bool,
    /// A remote could not be reached, so many checks were not made.
    pub unreachable: bool,
    /// The remotes were asked, too.
    pub(super) asked: bool,
}

impl Report {
    pub fn merge(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.unloaded |= other.unloaded;
        self.unreachable |= other.unreachable;
        self.asked |= other.asked;
    }

    /// 0: no errors. 1: errors. 2: files that cannot be loaded. 3: a remote cannot be reached.
    pub fn exit_code(&self) -> u8 {
        match (self.unloaded, self.unreachable, self.count(Severity::Error)) {
            (true, ..) => 2,
            (_, true, _) => 3,
            (.., 0) => 0,
            _ => 1,
        }
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|one| one.severity == severity).count()
    }

    pub(super) fn ok(&mut self, area: Area, message: impl Into<String>) {
        self.add(Severity::Ok, area, "ok", message);
    }

    pub(super) fn error(
        &mut self,
        area: Area,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.add(Severity::Error, area, code, message)
    }

    pub(super) fn warn(
        &mut self,
        area: Area,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.add(Severity::Warning, area, code, message)
    }

    fn add(
        &mut self,
        severity: Severity,
        area: Area,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Finding {
        let message = message.into();
        let made =
            Finding { severity, area, code, message, help: None, at: None, subject: None, shown: None };
        self.findings.push(made);
        self.findings.last_mut().expect("one was just pushed")
    }

    pub(super) fn diagnostics(&mut self, area: Area, found: impl IntoIterator<Item = Diagnostic>) {
        for one in found {
            self.diagnostic(area, one);
        }
    }

    /// A finding with its place in a file.
    pub(super) fn diagnostic(&mut self, area: Area, found: Diagnostic) -> &mut Finding {
        let severity = match found.severity {
            mapping::Severity::Error => Severity::Error,
            mapping::Severity::Warning => Severity::Warning,
        };
        let at = format!("{}:{}:{}", found.file, found.line, found.column);
        let made = self.add(severity, area, found.code, found.message.as_str());
        made.help.clone_from(&found.help);
        made.at = Some(at);
        made.shown = Some(found);
        made
    }

    /// A call that failed. `what` names its purpose, `left` what was not asked any more for lack of an answer.
    pub(super) fn failure(&mut self, area: Area, what: &str, failure: &Failure, left: &[&str]) {
        let [login, away, refuses] = match area {
            Area::Goodays => [codes::GOODAYS_TOKEN, codes::GOODAYS_AWAY, codes::GOODAYS_REFUSES],
            _ => [codes::SALESFORCE_LOGIN, codes::SALESFORCE_AWAY, codes::SALESFORCE_REFUSES],
        };
        let name = area.title();
        match failure {
            Failure::Login { code, advice }
            | Failure::WrongSession { code, advice }
            | Failure::Configuration { code, advice } => {
                self.error(area, login, format!("{name} does not let us in ({code})")).help(advice.as_str());
            }
            Failure::Refused { status, problem } => {
                let code = if problem.code.is_empty() { String::new() } else { format!(" {}", problem.code) };
                self.error(area, refuses, format!("{name} refuses {what} (status {status}{code})"))
                    .help(format!("ask whether this login may do that in {name}, and check the address"));
            }
            Failure::Road(why) => {
                self.error(area, refuses, format!("{what}: what answers is not {name} ({why})")).help(
                    "check the address in connector.yaml, and what stands in between: a proxy, a firewall",
                );
            }
            Failure::TooLarge(why) => {
                self.error(area, refuses, format!("{what}: {name} gives {why}")).help(
                    "check the address in connector.yaml, and what stands in between: a proxy, a firewall",
                );
            }
            Failure::NotSent(_)
            | Failure::NoAnswer(_)
            | Failure::SessionOver(_)
            | Failure::Store(_)
            | Failure::Busy { .. }
            | Failure::Budget
            | Failure::Elsewhere(_) => {
                self.unreachable = true;
                let left = match left {
                    [] => String::new(),
                    left => format!("; so not looked at: {}", left.join(", ")),
                };
                self.error(area, away, format!("{what}: {name} cannot be reached: {failure}{left}")).help(
                    "check the address in connector.yaml, the network, and the remote's own status page",
                );
            }
        }
    }
}

impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = to.serialize_struct("Report", 5)?;
        out.serialize_field("exit_code", &self.exit_code())?;
        out.serialize_field("errors", &self.count(Severity::Error))?;
        out.serialize_field("warnings", &self.count(Severity::Warning))?;
        out.serialize_field("findings", &self.findings)?;
        out.serialize_field("summary", &self.summary())?;
        out.end()
    }
}
