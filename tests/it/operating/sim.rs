//! F7: a JWT login is tested against the built-in simulator.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

struct Sim {
    child: Child,
    /// The printed lines.
    said: Vec<String>,
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bin() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin("goodays-salesforce"))
}

fn sim(args: &[&str]) -> Sim {
    let mut child = bin().arg("sim").args(args).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    for line in lines.map(Result::unwrap) {
        let last = line.contains("Ctrl-C");
        said.push(line);
        if last {
            break;
        }
    }
    Sim { child, said }
}

#[test]
fn f07_the_simulator_takes_a_jwt_of_a_key_that_it_knows() {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/salesforce");
    let sim = sim(&["--jwt-public-key", &format!("{fixtures}/jwt_public_for_tests.pem")]);
    let url = sim.said[0].split_whitespace().nth(1).unwrap();
    let user = sim.said[1].split("username ").nth(1).expect("the user is named");
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("mappings")).unwrap();
    for (name, text) in goodays_salesforce::demo::stage::MAPPINGS {
        std::fs::write(dir.path().join("mappings").join(name), text).unwrap();
    }
    let goodays = sim.said[2].split_whitespace().nth(1).unwrap();
    let yaml = format!(
        "goodays: {{ base_url: '{goodays}', token: goodays-simulator-token, webhook: {{ secrets: [s] }} }}\n\
         salesforce:\n  login_url: {url}\n  auth: {{ flow: jwt_bearer, client_id: sim-client, username: {user}, \
         private_key_file: '{fixtures}/jwt_private_for_tests.pem' }}\n"
    );
    std::fs::write(dir.path().join("connector.yaml"), yaml).unwrap();
    let check = bin().arg("check").current_dir(dir.path()).output().unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(said.contains("logged in to org"), "{said}");
}

#[test]
fn f07_a_file_that_holds_no_public_key_is_told() {
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/salesforce/jwt_private_for_tests.pem");
    let refused = bin().args(["sim", "--jwt-public-key", key]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(said.contains("openssl x509 -pubkey"), "{said}");
}
