//! The files that `init` writes.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};

use super::{Answers, Login};
use crate::demo::stage::MAPPINGS;

const SHIPPED: &str = include_str!("../../../connector.yaml");
/// The state's folder, in the shipped file and in that of the packages.
const STATE: &str = "path: ./state";
const PACKAGED_STATE: &str = "path: /var/lib/goodays-salesforce";
const SENDS: &str =
    "actions: send                        # or observe: show what would go to customers, send nothing";
const OBSERVES: &str =
    "actions: observe                     # or send. Observe: show what would go to customers, send nothing";
/// The user that the packages make.
const USER: &str = "goodays-salesforce";

const SCHEMAS: [(&str, &str); 4] = [
    ("connector.json", include_str!("../../../mappings/schemas/connector.json")),
    ("case.json", include_str!("../../../mappings/schemas/case.json")),
    ("comment.json", include_str!("../../../mappings/schemas/comment.json")),
    ("actions.json", include_str!("../../../mappings/schemas/actions.json")),
];
const TESTS: [(&str, &str); 4] = [
    ("agents.yaml", include_str!("../../../mappings/tests/agents.yaml")),
    ("customer-writes-again.yaml", include_str!("../../../mappings/tests/customer-writes-again.yaml")),
    ("new-feedback.yaml", include_str!("../../../mappings/tests/new-feedback.yaml")),
    ("no-score.yaml", include_str!("../../../mappings/tests/no-score.yaml")),
];

/// The folder that the files go to.
pub struct Folder {
    dir: PathBuf,
    /// The package's own connector.yaml is there, as it came.
    packaged: bool,
}

impl Folder {
    /// Refuses a folder whose connector.yaml somebody edited.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let file = dir.join("connector.yaml");
        let there = match fs::read_to_string(&file) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
        };
        let packaged = there.as_ref().is_some_and(|text| text.contains(PACKAGED_STATE));
        let edited = there.is_some_and(|text| text.replace(PACKAGED_STATE, STATE) != SHIPPED);
        if edited {
            bail!(
                "{} is there already, and is not the shipped one: name another folder, or move it away",
                file.display()
            );
        }
        Ok(Self { dir: dir.to_owned(), packaged })
    }

    /// Writes all files. Mapping files that are there already stay. Returns the path of connector.yaml.
    pub fn write(&self, answers: &Answers) -> anyhow::Result<PathBuf> {
        let state = match (&answers.state, self.packaged) {
            (Some(path), _) => format!("path: {}", quoted(&path.display().to_string())),
            (None, true) => PACKAGED_STATE.to_owned(),
            (None, false) => STATE.to_owned(),
        };
        fs::create_dir_all(&self.dir).with_context(|| format!("{} cannot be made", self.dir.display()))?;
        self.secrets(answers)?;
        self.mappings()?;
        let file = self.dir.join("connector.yaml");
        fs::write(&file, connector_yaml(answers, Some(&state)))
            .with_context(|| format!("{} cannot be written", file.display()))?;
        Ok(file)
    }

    fn secrets(&self, answers: &Answers) -> anyhow::Result<()> {
        let folder = self.dir.join("secrets");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let (login, secret) = match &answers.login {
            Login::Secret(secret) => ("client_secret", secret),
            Login::Jwt { key, .. } => ("private_key", key),
        };
        let owner = owner();
        let all = [
            ("goodays_token", &answers.goodays_token),
            ("webhook_secret", &answers.webhook_secret),
            (login, secret),
        ];
        for (name, secret) in all {
            let file = folder.join(name);
            private(&file, secret).with_context(|| format!("{} cannot be written", file.display()))?;
            give(&file, owner)?;
        }
        give(&folder, owner)
    }

    fn mappings(&self) -> anyhow::Result<()> {
        let all = [("mappings", &MAPPINGS[..]), ("mappings/schemas", &SCHEMAS), ("mappings/tests", &TESTS)];
        for (folder, files) in all {
            let folder = self.dir.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            for (name, text) in files {
                let file = folder.join(name);
                if !file.exists() {
                    fs::write(&file, text)
                        .with_context(|| format!("{} cannot be written", file.display()))?;
                }
            }
        }
        Ok(())
    }
}

/// A file that only its owner reads. An earlier one is replaced, with its rights.
fn private(file: &Path, secret: &SecretString) -> std::io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(out, "{}", secret.expose_secret())
}

/// The user and group of the packages' service, if we may give files to them.
fn owner() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.split(':').next() == Some(USER))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn give(path: &Path, owner: Option<(u32, u32)>) -> anyhow::Result<()> {
    let Some((user, group)) = owner else { return Ok(()) };
    std::os::unix::fs::chown(path, Some(user), Some(group))
        .with_context(|| format!("{} cannot be given to {USER}", path.display()))
}

/// The shipped connector.yaml with the answers in it. Without `state`, it is only for trying a login: secrets are
/// variables then, and not files.
pub fn connector_yaml(answers: &Answers, state: Option<&str>) -> String {
    let secret = |key: &str, name: &str| match state {
        Some(_) => format!("{key}_file: ./secrets/{name}"),
        None => format!("{key}: ${{{name}}}"),
    };
    let (flow, login) = match &answers.login {
        Login::Secret(_) => ("client_credentials", secret("client_secret", "client_secret")),
        Login::Jwt { username, .. } => {
            let key = secret("private_key", "private_key");
            ("jwt_bearer", format!("username: {}\n    {key}", quoted(username)))
        }
    };
    let webhook = match state {
        Some(_) => "[{ file: ./secrets/webhook_secret }]",
        None => "[\"${webhook_secret}\"]",
    };
    let edits = [
        (about(), "Written by `goodays-salesforce init`.\n".to_owned()),
        ("listen: 0.0.0.0:8080", format!("listen: {}", quoted(&answers.listen.to_string()))),
        ("${CONNECTOR_ADMIN_LISTEN:-127.0.0.1:9464}", quoted(&answers.admin_listen.to_string())),
        ("https://api.goodays.co/v2", quoted(&answers.goodays_url)),
        ("token: ${GOODAYS_TOKEN}", secret("token", "goodays_token")),
        ("[\"${GOODAYS_WEBHOOK_SECRET}\"]", webhook.to_owned()),
        (SENDS, if answers.send { SENDS } else { OBSERVES }.to_owned()),
        ("${SALESFORCE_LOGIN_URL:-https://acme.my.salesforce.com}", quoted(&answers.salesforce_url)),
        ("flow: client_credentials ", format!("flow: {flow} ")),
        ("${SALESFORCE_CLIENT_ID}", quoted(&answers.client_id)),
        ("client_secret: ${SALESFORCE_CLIENT_SECRET}", login),
        (STATE, state.unwrap_or(STATE).to_owned()),
    ];
    edits.into_iter().fold(SHIPPED.to_owned(), |text, (from, to)| {
        debug_assert_eq!(text.matches(from).count(), 1, "the shipped connector.yaml has `{from}` once");
        text.replacen(from, &to, 1)
    })
}

/// What the shipped file says of its variables.
fn about() -> &'static str {
    let start = SHIPPED.find("It runs as it is").unwrap_or_default();
    let end = SHIPPED.find("#\n# ${VAR}").unwrap_or(start);
    &SHIPPED[start..end]
}

/// A value in double quotes. JSON's are YAML's, too; `${` would be a variable.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.replace("${", "$${")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Secrets};

    fn answers(login: Login) -> Answers {
        Answers {
            salesforce_url: "https://brand.my.salesforce.com".to_owned(),
            client_id: "3MV: \"id\" # ${x}".to_owned(),
            login,
            goodays_url: "https://api.goodays.co/v2".to_owned(),
            goodays_token: "planted-token".into(),
            webhook_secret: "planted-webhook".into(),
            listen: "127.0.0.1:8081".parse().unwrap(),
            admin_listen: "127.0.0.1:9465".parse().unwrap(),
            state: None,
            send: false,
        }
    }

    fn written(login: Login) -> (tempfile::TempDir, Config) {
        let dir = tempfile::tempdir().unwrap();
        let file = Folder::open(dir.path()).unwrap().write(&answers(login)).unwrap();
        let config = Config::load(&file, Secrets::Required);
        (dir, config.unwrap_or_else(|found| panic!("{found:?}")))
    }

    #[test]
    fn the_written_file_says_what_was_answered_and_keeps_its_comments() {
        let (dir, config) = written(Login::Secret("planted-secret".into()));
        assert_eq!(config.server.listen.port(), 8081);
        assert_eq!(config.goodays.actions, crate::config::Actions::Observe);
        assert_eq!(config.goodays.token.expose_secret(), "planted-token");
        let text = fs::read_to_string(dir.path().join("connector.yaml")).unwrap();
        assert!(
            !text.contains("planted") && text.contains("# several while a secret is being rotated"),
            "{text}"
        );
        assert!(!text.contains("runs as it is"), "{text}");
        let crate::config::Auth::ClientCredentials { client_id, client_secret } = &config.salesforce.auth
        else {
            panic!("another flow")
        };
        assert_eq!(
            (client_id.as_str(), client_secret.expose_secret()),
            ("3MV: \"id\" # ${x}", "planted-secret")
        );
    }

    #[test]
    fn a_key_of_ones_own_is_kept_as_a_file() {
        let pem = include_str!("../../../tests/fixtures/salesforce/jwt_private_for_tests.pem");
        let (_dir, config) =
            written(Login::Jwt { username: "goodays@brand.example".to_owned(), key: pem.into() });
        let crate::config::Auth::JwtBearer { username, private_key, .. } = &config.salesforce.auth else {
            panic!("another flow")
        };
        assert_eq!(username, "goodays@brand.example");
        assert!(private_key.expose_secret().contains("PRIVATE KEY"));
    }

    #[test]
    fn a_packages_untouched_file_is_replaced_and_an_edited_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("connector.yaml");
        fs::write(&file, SHIPPED.replace(STATE, PACKAGED_STATE)).unwrap();
        let written = Folder::open(dir.path()).unwrap().write(&answers(Login::Secret("s".into()))).unwrap();
        assert!(fs::read_to_string(written).unwrap().contains(PACKAGED_STATE));
        assert!(Folder::open(dir.path()).is_err(), "now it is one's own");
    }
}
